"""Boxes for messages in real calls: left by callers, heard by phones while no daemon runs, shown by lamps."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.core import sound
from ramal.virtual.phone import Account, Phone
from tests.system import agents, box
from tests.system.box import TestBox
from tests.system.lamps import lamps
from tests.system.test_own_prompts import asked, press_when_asked, tenths, voice
from tests.until import until

pytestmark = pytest.mark.system

VOICE_HZ, OTHER_HZ = 620.0, 1300.0
OFFICE, CLOSED, AGENT, SALES = "+551133330010", "+551133330002", "+551133330011", "+551133330012"
BOXES = """
[[number]]
number = "+551133330010"
to = "voicemail:office"

[[number]]
number = "+551133330011"
to = "agent:7"

[[number]]
number = "+551133330012"
to = "voicemail:sales"

[[voicemail]]
name = "office"
greeting = "Deixe seu recado."
max_s = 20
phones = ["203"]

[[voicemail]]
name = "sales"
hours = "never"
closed_greeting = "Fechado. Deixe seu recado."
"""


@pytest.fixture(scope="module")
def office() -> Iterator[TestBox]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    try:
        text = box.office().replace('queues = ["sales", "short"]', 'queues = ["sales", "short"]\nvoicemail = true')
        with box.running(folder, text + BOXES, daemon=False, terse=True) as running:
            yield running
            assert running.channels() == 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def leave(office: TestBox, tmp_path: Path, user: str, number: str, hz: float | None = VOICE_HZ, more: str = "") -> str:
    """A caller leaves a message of two seconds at least, and hangs up or presses ``more``; the journal's last words."""
    account = Account(user, port=office.settings.sip_port)
    words = None if hz is None else voice(tmp_path, hz)
    with Phone(tmp_path / user, user, account, voice=words) as caller:
        caller.dial(f"sip:{number}@127.0.0.1:{office.settings.sip_port}")
        until(lambda: asked(office, "Record"), 30, "recording")
        before = len(verdicts(office))
        until(lambda: size_of_takes(office) > 16_000 * 2, 15, "two seconds of message")
        if more:
            caller.dtmf("#")
            press_when_asked(office, caller, list(more))
            until(lambda: not caller.calls, 20, "the box hung up")
        else:
            caller.hangup()
        found = until(lambda: verdicts(office)[before:], 10, "the journal's verdict")
    until(lambda: office.channels() == 0, 10, "no channel")
    return found[-1]


def size_of_takes(office: TestBox) -> int:
    """Bytes of the message that is recorded now."""
    opened = office.command("core show channels concise")
    files = [line.split("!")[6].partition(",")[0] for line in opened.splitlines() if line.split("!")[5:6] == ["Record"]]
    return Path(files[0]).stat().st_size if files and Path(files[0]).exists() else 0


def journal(office: TestBox) -> list[list[str]]:
    text = (office.home.asterisk_log / "cel-custom" / "ramal.csv").read_text(errors="replace")
    return [line.split(",") for line in text.splitlines()]


def verdicts(office: TestBox) -> list[str]:
    rows = [row[10] for row in journal(office) if row[1] == "MESSAGE"]
    words = [row.partition("%22%3A%22")[2].partition("%22")[0].split("%7C") for row in rows]
    return ["|".join(each[1:]) for each in words if len(each) > 1 and each[1]]


def index(office: TestBox, name: str) -> dict[str, list[str]]:
    """What Asterisk holds of a box: key to fields, ``new/<id>`` and ``old/<id>``."""
    found = {}
    for state in ("new", "old"):
        for line in office.command(f"database show ramal-message-{state}/{name}").splitlines():
            key, _, value = line.partition(" : ") if " : " in line else line.partition(":")
            if key.strip().startswith("/ramal-message-"):
                found[f"{state}/{key.strip().rpartition('/')[2]}"] = value.strip().split("|")
    return found


def test_a_caller_leaves_a_message_and_an_agent_hears_it_while_no_daemon_runs(office: TestBox, tmp_path: Path) -> None:
    with lamps(office, "203", "message-office") as seen:
        seen.is_now("message-office", "terminated")
        told = leave(office, tmp_path, "anna", OFFICE)
        assert told.startswith("KEPT|office|")
        seen.is_now("message-office", "confirmed")
        [(key, record)] = index(office, "office").items()
        assert key.startswith("new/")
        wav = office.home.recordings / f"{record[3]}.wav"
        assert tenths(list(sound.read_wave(wav.read_bytes()).mono), VOICE_HZ) >= 15
        with agents.phone(office, "203") as desk:
            desk.dial("*981")
            until(lambda: asked(office, "Read"), 15, "it plays")
            seen.is_now("message-office", "terminated")
            heard = next(iter(desk.calls.values())).heard
            until(lambda: tenths(list(sound.read_wave(heard.read_bytes()).mono), VOICE_HZ) >= 12, 15, "heard")
            desk.dtmf("2")
            until(lambda: not desk.calls, 15, "no more messages")
    assert list(index(office, "office")) == [key.replace("new/", "old/")]
