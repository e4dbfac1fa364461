"""Callers who leave a message: with a voice, for silence is none."""

from pathlib import Path

from ramal.core import sound
from ramal.virtual.phone import Account, Phone
from tests.system.box import TestBox
from tests.until import until


def leave_word(office: TestBox, folder: Path, user: str, number: str) -> None:
    """Call, say two seconds of something after the tone, and hang up."""
    words = folder / "word.wav"
    words.write_bytes(sound.wav_bytes(sound.tone([620.0], 2000)))
    with Phone(folder / user, user, Account(user, port=office.settings.sip_port), voice=words) as caller:
        caller.dial(f"sip:{number}@127.0.0.1:{office.settings.sip_port}")
        until(lambda: size_of_takes(office) > 16_000 * 2, 45, "two seconds of message")
        caller.hangup()
        until(lambda: not caller.calls, 10, "the caller has hung up")


def size_of_takes(office: TestBox) -> int:
    """Bytes of the message that is recorded now."""
    opened = office.command("core show channels concise")
    files = [line.split("!")[6].partition(",")[0] for line in opened.splitlines() if line.split("!")[5:6] == ["Record"]]
    return Path(files[0]).stat().st_size if files and Path(files[0]).exists() else 0
