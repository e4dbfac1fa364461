"""The office's own sentences: recorded at a phone while no daemon runs, uploaded in the page, heard in real calls."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.asterisk.own_sounds import OwnSounds
from ramal.asterisk.prompts import needed
from ramal.asterisk.render_prompts import numbers
from ramal.core import sound
from ramal.virtual.phone import Account, Phone
from tests.system import agents, box
from tests.system.box import TestBox
from tests.until import until

pytestmark = pytest.mark.system

PIN, VOICE_HZ, WRONG_HZ = "5512", 620.0, 1300.0
CLOSED = "pt_BR/closed"
CLOSED_NUMBER = "+551133330003"
BOSS = """
[[agent]]
code = "9"
name = "Chefe"
phone = "203"
pin = "5512"
supervisor = true

[[phone]]
extension = "204"
name = "Fone 204"
"""


@pytest.fixture(scope="module")
def office() -> Iterator[TestBox]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    try:
        with box.running(folder, box.office() + BOSS, daemon=False, terse=True) as running:
            yield running
            assert running.channels() == 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def own(office: TestBox) -> OwnSounds:
    return OwnSounds(office.home.prompts, office.home.own_prompts)


def voice(folder: Path, hz: float) -> Path:
    path = folder / f"{hz:.0f}.wav"
    path.write_bytes(sound.wav_bytes(sound.tone([hz], 2000)))
    return path


def asked(office: TestBox, application: str, besides: str = "") -> str:
    """The channel on which an application runs for at least a second, with its words; "" for none but ``besides``."""
    for line in office.command("core show channels concise").splitlines():
        fields = line.split("!")
        if len(fields) > 11 and fields[5] == application and fields[11] not in ("", "0"):
            found = fields[0] + fields[6]
            return found if found != besides else ""
    return ""


def press_when_asked(office: TestBox, desk: Phone, keys: list[str], before: str = "") -> str:
    for word in keys:
        reading = until(lambda before=before: asked(office, "Read", before), 15, f"asked before {word}")  # type: ignore[misc]
        desk.dtmf(word)
        before = reading
    return before


def dial_sentence(office: TestBox, desk: Phone, path: str) -> str:
    """Dial a sentence's code and pass the PIN; what was asked last."""
    number = numbers(needed(office.office))[path]
    desk.dial(f"*51{number}")
    return press_when_asked(office, desk, ["9#", f"{PIN}#"])


def heard(office: TestBox, tmp_path: Path, user: str, number: str = CLOSED_NUMBER) -> list[int]:
    """What a caller hears until the box hangs up: samples."""
    account = Account(user, port=office.settings.sip_port)
    with Phone(tmp_path / user, user, account) as caller:
        caller.dial(f"sip:{number}@127.0.0.1:{office.settings.sip_port}")
        call = until(lambda: next(iter(caller.calls.values()), None), 10, "the call began")
        until(lambda: not caller.calls, 30, "the box hung up")
        return list(sound.read_wave(call.heard.read_bytes()).mono)


def tenths(samples: list[int], hz: float) -> int:
    """In how many tenths of a second a tone is heard."""
    return sum(row[0] for row in sound.tones_present(samples, sound.RATE_HZ, [hz], share=0.7))


def test_a_sentence_is_recorded_at_a_phone_while_no_daemon_runs_and_the_next_caller_hears_it(
    office: TestBox, tmp_path: Path
) -> None:
    assert tenths(heard(office, tmp_path, "before"), VOICE_HZ) == 0
    with agents.phone(office, "204", voice=voice(tmp_path, VOICE_HZ)) as desk:
        last = dial_sentence(office, desk, CLOSED)
        last = press_when_asked(office, desk, ["2"], last)
        until(lambda: asked(office, "Record"), 15, "recording")
        until(lambda: (take := next(take_files(office), None)) and take.stat().st_size > 24_000, 10, "a take")
        desk.dtmf("#")
        press_when_asked(office, desk, ["1"], last)
        until(lambda: not desk.calls, 20, "kept")
    sounds = own(office)
    kept = sounds.versions(CLOSED)
    assert [(one.source, one.agent, one.phone) for one in kept] == [("phone", "9", "204")]
    assert sounds.chosen(CLOSED) == kept[0].name
    assert list(take_files(office)) == []
    assert tenths(heard(office, tmp_path, "after"), VOICE_HZ) >= 10
    assert "PROMPT" in journal(office)


def test_three_brings_the_machine_back_and_the_take_stays(office: TestBox, tmp_path: Path) -> None:
    with agents.phone(office, "204", voice=voice(tmp_path, WRONG_HZ)) as desk:
        last = dial_sentence(office, desk, CLOSED)
        press_when_asked(office, desk, ["3"], last)
        until(lambda: not desk.calls, 20, "done")
    assert own(office).chosen(CLOSED) == ""
    assert len(own(office).versions(CLOSED)) == 1
    assert tenths(heard(office, tmp_path, "machine"), VOICE_HZ) == 0


def test_who_has_no_pin_changes_nothing(office: TestBox, tmp_path: Path) -> None:
    before = own(office).played(CLOSED).read_bytes()
    with agents.phone(office, "204", voice=voice(tmp_path, WRONG_HZ)) as desk:
        desk.dial(f"*51{numbers(needed(office.office))[CLOSED]}")
        press_when_asked(office, desk, ["7#"])  # an agent, no supervisor
        until(lambda: not desk.calls, 20, "refused")
    assert own(office).played(CLOSED).read_bytes() == before


def take_files(office: TestBox) -> Iterator[Path]:
    return (office.home.own / "takes").glob("*.wav")


def journal(office: TestBox) -> str:
    return (office.home.asterisk_log / "cel-custom" / "ramal.csv").read_text(errors="replace")
