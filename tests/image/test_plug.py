"""How the proof ``plug`` measures what is left of a recording."""

import io
import math
import struct
import subprocess
import wave

import pytest

from ramal.provide import peers
from ramal_image import ImageError
from ramal_image.proof.plug import heard_s

RATE_HZ = 8000


def _wav(*pieces: tuple[float, int], channels: int = 1) -> bytes:
    """A tone of so many seconds and such a loudness, one after the other; on the first channel only."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        for lasts_s, loud in pieces:
            for at in range(round(lasts_s * RATE_HZ)):
                tone = round(loud * math.sin(2 * math.pi * 440 * at / RATE_HZ))
                file.writeframes(struct.pack(f"<{channels}h", tone, *[0] * (channels - 1)))
    return made.getvalue()


@pytest.mark.parametrize("channels", [1, 2])
def test_only_the_seconds_in_which_something_is_heard_count(channels: int) -> None:
    assert heard_s(_wav((1.0, 8000), (2.0, 0), (0.5, 8000), channels=channels)) == pytest.approx(1.5)


def test_what_the_box_made_of_it_is_heard_as_well() -> None:
    sound = _wav((2.0, 8000), (1.0, 0), channels=2)
    command = peers().argv("opusenc", "--quiet", "-", "-", die_with_parent=True)
    made = subprocess.run(command, input=sound, capture_output=True, check=True).stdout
    assert heard_s(made) == pytest.approx(2.0, abs=0.15)


def test_a_recording_that_was_made_long_with_silence_is_not_taken_for_one() -> None:
    assert heard_s(_wav((30.0, 20))) == 0


@pytest.mark.parametrize("junk", [b"", b"RIFF", b"<html>not found</html>", _wav((1.0, 8000))[:20]])
def test_what_cannot_be_played_is_no_recording(junk: bytes) -> None:
    with pytest.raises(ImageError, match="cannot be played"):
        heard_s(junk)
