"""What Asterisk wrote is made whole: once, exactly, and whatever instant a crash comes at."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.core import sound
from ramal.core.gap import Gap
from ramal.core.recording import heard
from ramal.store import joining
from ramal.store.recordings import Due, measure


def samples(count: int) -> bytes:
    return b"".join((1000 + at % 9000).to_bytes(2, "little") for at in range(count))


def gap(at_ms: int, length_ms: int) -> Gap:
    return Gap(at_ms, length_ms, 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "recordings").mkdir()
    return tmp_path


@pytest.mark.parametrize("channels", [1, 2])
def test_a_raw_file_becomes_a_wav_with_silence_where_the_gaps_were(folder: Path, channels: int) -> None:
    raw, wav = folder / "recordings" / "a.raw", folder / "recordings" / "a.wav"
    raw.write_bytes(samples(8000 * channels) + b"\1")
    gaps = (gap(250, 500), gap(1000, 125))
    result = measure(folder, Due(1, "recordings/a.wav", 1625, gaps, channels))
    assert (result.state, result.duration_ms) == ("ready", 1625)
    assert not raw.exists()
    wave = sound.read_wave(wav.read_bytes())
    assert wave.channels == channels
    assert not wave.torn
    for begin, end in heard(gaps):
        assert all(not any(side[begin * 8 : end * 8]) for side in wave.samples)
    kept = [value for side in wave.samples[:1] for value in side if value]
    assert kept == [1000 + at % 9000 for at in range(0, 8000 * channels, channels)]


def test_a_wav_gets_its_silence_only_once(folder: Path) -> None:
    wav = folder / "recordings" / "a.wav"
    wav.write_bytes(sound.header(16_000) + samples(8000))
    due = Due(1, "recordings/a.wav", 1500, (gap(500, 500),))
    first = measure(folder, due)
    assert measure(folder, due) == first
    assert first.duration_ms == 1500


def test_a_crash_between_the_steps_loses_and_repeats_nothing(folder: Path) -> None:
    raw, wav, work = (folder / "recordings" / name for name in ("a.raw", "a.wav", ".vault"))
    raw.write_bytes(samples(8000))
    work.mkdir()
    (work / "a.join").write_bytes(b"half of it")
    joining.make_whole(wav, work, (gap(500, 500),), 1)
    whole = wav.read_bytes()
    raw.write_bytes(samples(8000))  # the crash came before it was removed
    joining.make_whole(wav, work, (gap(500, 500),), 1)
    assert wav.read_bytes() == whole
    assert not raw.exists()


@given(st.integers(0, 4000), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 300)), max_size=6))
def test_nothing_is_lost_or_added_but_the_silence(frames: int, spans: list[tuple[int, int]]) -> None:
    pieces = list(joining.silences(frames * 2, [gap(*span) for span in spans], 2))
    assert sum(kept for kept, _ in pieces) == frames * 2
    assert all(kept >= 0 for kept, _ in pieces)
    assert sum(silent for _, silent in pieces) == sum(length * 16 for _, length in spans)
