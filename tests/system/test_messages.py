"""Boxes for messages in real calls: left by callers, heard by phones while no daemon runs, shown by lamps."""

import email
import email.policy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from ramal.control.client import Refused
from ramal.core import sound
from ramal.store.db import open_writer
from ramal.virtual.phone import Account, Phone
from tests.system import agents, box
from tests.system.box import TestBox
from tests.system.lamps import lamps
from tests.system.leaving import size_of_takes
from tests.system.ports import free_port
from tests.system.test_own_prompts import asked, press_when_asked, tenths, voice
from tests.system.waiting import waiting
from tests.until import until

pytestmark = pytest.mark.system

HASH = "$argon2id$v=19$m=19456,t=2,p=1$cmFtYWwtbm9ib2R5LXNhbA$" + "A" * 43
VOICE_HZ, OTHER_HZ = 620.0, 1300.0
OFFICE, AGENT, SALES, FULL = "+551133330010", "+551133330011", "+551133330012", "+551133330013"
BOXES = """
[mail]
host = "127.0.0.1"
port = MAIL_PORT
security = "none"
sender = "office@example.com"

[[number]]
number = "+551133330010"
to = "voicemail:office"

[[number]]
number = "+551133330011"
to = "agent:7"

[[number]]
number = "+551133330012"
to = "voicemail:sales"

[[number]]
number = "+551133330013"
to = "voicemail:short"

[[voicemail]]
name = "office"
greeting = "Deixe seu recado."
max_s = 20
phones = ["203"]
mail = ["boss@example.com", "clerk@example.com"]

[[voicemail]]
name = "sales"
hours = "never"
closed_greeting = "Fechado. Deixe seu recado."
"""


MAIL_PORT = free_port()
HASTY = (
    "import sys, pathlib, ramal.app as app, ramal.box.home as home;"
    "sys.exit(app.run(home.Home(pathlib.Path(sys.argv[1])),"
    " app.Pace(tick_s=1.0, look_s=0.3, slow_look_s=1.0, round_s=1.0)))"
)
"""A daemon that looks every second."""


@pytest.fixture(scope="module")
def office() -> Iterator[TestBox]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    try:
        text = box.office().replace('queues = ["sales", "short"]', 'queues = ["sales", "short"]\nvoicemail = true')
        with box.running(
            folder, text + BOXES.replace("MAIL_PORT", str(MAIL_PORT)), daemon=False, terse=True
        ) as running:
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
            desk.dial("*981")
            until(lambda: asked(office, "Read"), 15, "it plays again")
            desk.dtmf("2")
            until(lambda: not desk.calls, 15, "no more messages")
    assert list(index(office, "office")) == [key.replace("new/", "old/")]
    acts = [row[10] for row in journal(office) if row[1] == "MESSAGE_ACT"]
    assert len([act for act in acts if "heard%7Coffice%7C" in act]) == 2, "every listening is written down"


def test_silence_is_no_message_and_nobody_is_told_of_one(office: TestBox, tmp_path: Path) -> None:
    before = index(office, "office")
    assert leave(office, tmp_path, "silent", OFFICE, None).startswith("SHORT|office|")
    assert index(office, "office") == before
    assert not list(office.home.recordings.rglob("*again*"))


def test_a_caller_records_again_and_the_second_take_is_the_message(office: TestBox, tmp_path: Path) -> None:
    account = Account("again", port=office.settings.sip_port)
    with Phone(tmp_path / "again", "again", account, voice=voice(tmp_path, OTHER_HZ)) as caller:
        caller.dial(f"sip:{SALES}@127.0.0.1:{office.settings.sip_port}")
        for keys in ("2", "3", "1"):
            if keys != "1":
                until(lambda: asked(office, "Record"), 30, "recording")
                until(lambda: size_of_takes(office) > 32_000, 15, "two seconds")
                caller.dtmf("#")
            reading = until(lambda: asked(office, "Read"), 15, "what now?")
            caller.dtmf(keys)
            if keys == "3":
                until(lambda: asked(office, "Playback"), 10, "it is played")
                until(lambda reading=reading: asked(office, "Read", reading) or asked(office, "Read"), 15, "again?")  # type: ignore[misc]
        until(lambda: not caller.calls, 20, "the box hung up")
    [record] = index(office, "sales").values()
    assert tenths(list(sound.read_wave((office.home.recordings / f"{record[3]}.wav").read_bytes()).mono), OTHER_HZ) > 10
    assert not list(office.home.recordings.rglob("*again*"))
    assert verdicts(office)[-1].startswith("KEPT|sales|")


def test_an_agent_who_is_not_reached_gets_a_message_and_the_phones_own_lamp_tells_it(
    office: TestBox, tmp_path: Path
) -> None:
    with waiting(office, "201") as unasked, waiting(office, "202") as other:
        unasked.register()
        unasked.is_now("no", 0, 0)
        unasked.register(0)  # away, so that the caller is not let ring
        assert leave(office, tmp_path, "direct", AGENT).startswith("KEPT|agent-7|")
        unasked.register()
        unasked.is_now("yes", 1, 0)
        assert unasked.account.startswith("sip:*97@")
        other.subscribe()
        other.is_now("no", 0, 0)
        with agents.phone(office, "203") as desk:  # the agent logs in elsewhere: the lamp goes along
            desk.dial("*457")
            press_when_asked(office, desk, ["4821#"])
            until(lambda: not desk.calls, 20, "logged in")
            unasked.is_now("no", 0, 0)
            with waiting(office, "203") as moved:
                moved.subscribe()
                moved.is_now("yes", 1, 1)  # and the office's, which this phone shows
                desk.dial("*97")
                press_when_asked(office, desk, ["3"])
                until(lambda: not desk.calls, 20, "deleted, no more messages")
                moved.is_now("no", 0, 1)
            assert index(office, "agent-7") == {}
            agents.dial_code(office, desk, "*46")


def test_a_box_is_opened_by_its_phones_and_its_people_only(office: TestBox, tmp_path: Path) -> None:
    with agents.phone(office, "202") as desk:
        desk.dial("*981")  # nobody is logged in here: who asks?
        press_when_asked(office, desk, ["8#", "7306#"])
        until(lambda: not desk.calls, 20, "an agent of sales may not hear the office's")
        desk.dial("*982")
        last = press_when_asked(office, desk, ["8#", "7306#"])
        press_when_asked(office, desk, ["5"], last)
        until(lambda: not desk.calls, 30, "but sales'")
        desk.dial("*977")
        until(lambda: asked(office, "Read"), 15, "the PIN")
        desk.dtmf("0000#0000#0000#")
        until(lambda: not desk.calls, 30, "refused")
    acts = [row[10] for row in journal(office) if row[1] in ("MESSAGES", "MESSAGE_ACT")]
    words = [row.partition("%22%3A%22")[2].partition("%22")[0].replace("%7C", "|") for row in acts]
    assert not any(word.startswith("agent-7|7|202") for word in words)
    assert [word for word in words if word.startswith("office|8")] == []
    assert [word.split("|")[0] for word in words if "|8|202" in word] == ["sales", "heard", "returned"]


def test_a_full_box_and_a_full_disk_say_so_and_the_call_is_missed_all_the_same(office: TestBox, tmp_path: Path) -> None:
    for n in range(99):
        office.command(f"database put ramal-message-old/short {n} 1|1|1|x")
    office.command("database put ramal-message-new/short 99 1|1|1|x")
    account = Account("full", port=office.settings.sip_port)
    with Phone(tmp_path / "full", "full", account) as caller:
        caller.dial(f"sip:{FULL}@127.0.0.1:{office.settings.sip_port}")
        until(lambda: verdicts(office)[-1:] and verdicts(office)[-1].startswith("FULL|short|"), 15, "full")
        until(lambda: not caller.calls, 20, "the box hung up")
    today = next(path for path in office.home.recordings.glob("*/*/*") if path.is_dir())
    aside = today.with_name("aside")
    today.rename(aside)
    today.write_bytes(b"")
    try:
        with Phone(tmp_path / "disk", "disk", account) as caller:
            caller.dial(f"sip:{OFFICE}@127.0.0.1:{office.settings.sip_port}")
            until(lambda: verdicts(office)[-1].startswith("ERROR|office|"), 20, "no room")
            until(lambda: not caller.calls, 20, "the box hung up")
    finally:
        today.unlink()
        aside.rename(today)


def test_the_history_the_page_and_the_phone_agree_once_a_daemon_runs(office: TestBox, tmp_path: Path) -> None:
    office.start_daemon("-c", HASTY, str(office.home.root))
    office.control("users.add", name="carla", role="supervisor", hash=HASH)
    office.control("users.add", name="ana", role="agent", agent="7", hash=HASH)
    rows = until(lambda: found if len(found := stored(office)) >= 3 else [], 20, "read from the journals")
    assert [(row["box"], row["state"]) for row in rows if row["state"] != "failed"] == [
        ("office", "old"),
        ("sales", "old"),
        ("agent-7", "deleted"),
    ]
    assert rows[0]["heard_by"] == ""  # nobody was logged in at that phone
    sales = next(row for row in rows if row["box"] == "sales")
    assert (sales["heard_by"], sales["returned_by"], sales["number"]) == ("8", "8", "")
    told = leave(office, tmp_path, "+5511987650001", OFFICE)
    id = told.split("|")[2]
    until(lambda: state(office, id) == "new", 10, "the new message is in the history")
    missed = until(lambda: office.rows("SELECT * FROM missed WHERE number = '+5511987650001'"), 10, "a missed call")
    assert (missed[0]["state"], missed[0]["has_message"]) == ("open", 1)
    with lamps(office, "203", "message-office") as seen, waiting(office, "203") as phone:
        seen.is_now("message-office", "confirmed")
        phone.subscribe()
        phone.is_now("yes", 1, 1)
        office.control("message.act", 10, who="carla", id=id, act="heard")
        seen.is_now("message-office", "terminated")
        phone.is_now("no", 0, 2)
    assert f"old/{id}" in index(office, "office")
    with pytest.raises(Refused) as refused:
        office.control("message.act", 10, who="ana", id=id, act="returned")  # an agent, and not of this box
    assert refused.value.code == "no-message"
    office.control("message.act", 10, who="carla", id=id, act="returned")
    until(
        lambda: office.rows("SELECT state FROM missed WHERE number = '+5511987650001'")[0][0] == "returned", 10, "off"
    )
    office.control("message.note", 10, who="carla", id=id, text="liga amanhã")
    office.control("message.act", 10, who="carla", id=id, act="deleted")
    until(lambda: state(office, id) == "deleted" and f"old/{id}" not in index(office, "office"), 10, "deleted")
    query = "SELECT 1 FROM message m JOIN recording r ON r.id = m.recording WHERE m.id = ? AND r.state = 'ready'"
    until(lambda: office.rows(query, id), 10, "its sound is measured")
    office.control("message.act", 10, who="carla", id=id, act="restored")
    until(lambda: state(office, id) == "old" and f"old/{id}" in index(office, "office"), 10, "back")
    acts = [row[0] for row in office.rows("SELECT what FROM audit WHERE what LIKE 'message.%'")]
    assert acts == ["message.returned", "message.deleted", "message.restored"]
    detail = office.detail(
        office.rows("SELECT c.id FROM message m JOIN call c ON c.key = m.call WHERE m.id = ?", id)[0][0]
    )
    assert detail.call.category == "message"
    assert [take.kind for take in detail.recordings] == ["message"]


def test_a_message_is_mailed_with_its_sound_once_though_the_server_was_away_and_the_daemon_died(
    office: TestBox, tmp_path: Path
) -> None:
    told = leave(office, tmp_path, "+5511987650002", OFFICE)
    id = told.split("|")[2]
    until(lambda: len(letters(office, id)) == 2, 40, "two letters")
    until(lambda: office.rows("SELECT 1 FROM letter WHERE tries > 0"), 40, "tried, and nobody there")
    assert {row["state"] for row in letters(office, id)} == {"waiting"}
    office.kill_daemon()
    post = Post()
    server = Controller(post, hostname="127.0.0.1", port=MAIL_PORT)
    server.start()
    try:
        office.start_daemon("-c", HASTY, str(office.home.root))
        until(lambda: len(letters(office, id, "state = 'sent'")) == 2, 60, "both were mailed")
        mine = [mail for mail in post.mails if f"message-{id}-" in mail["Message-ID"]]
        assert sorted(mail["To"] for mail in mine) == ["boss@example.com", "clerk@example.com"]
        assert "+5511987650002" in mine[0]["Subject"]
        [sound_file] = mine[0].iter_attachments()
        assert sound_file.get_content_type() == "audio/mpeg"
        mp3 = tmp_path / "mailed.mp3"
        mp3.write_bytes(sound_file.get_content())
        wav = tmp_path / "mailed.wav"
        made = office.programs.argv("sox", str(mp3), "-r", "8000", "-b", "16", str(wav), binds=[tmp_path])
        subprocess.run(made, check=True)
        assert tenths(list(sound.read_wave(wav.read_bytes()).mono), VOICE_HZ) >= 15
        office.stop_daemon()
        before = len(post.mails)
        subprocess.run([sys.executable, "-m", "ramal", "--home", str(office.home.root), "rebuild"], check=True)
        office.start_daemon("-c", HASTY, str(office.home.root))
        leave(office, tmp_path, "+5511987650003", OFFICE)
        until(lambda: len(post.mails) == before + 2, 60, "the next one's two mails, and none twice")
        assert state(office, id) == "new"
    finally:
        server.stop()


def test_what_a_crash_took_out_of_a_box_comes_back(office: TestBox, tmp_path: Path) -> None:
    id = leave(office, tmp_path, "+5511987650004", SALES).split("|")[2]
    until(lambda: over(office, id) and state(office, id) == "new", 10, "its call is read to the end")
    record = index(office, "sales")[f"new/{id}"]
    with open_writer(office.home.db) as db:
        db.execute("UPDATE message SET at_ms = at_ms - 120000 WHERE id = ?", (id,))
    office.command(f"database del ramal-message-new/sales {id}")
    back = until(lambda: index(office, "sales").get(f"new/{id}"), 20, "it is back")
    assert back[1:] == record[1:]


class Post:
    """What an SMTP server took."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: object, session: object, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 taken"


def letters(office: TestBox, id: str, where: str = "1") -> list[dict[str, object]]:
    return [dict(row) for row in office.rows(f"SELECT * FROM letter WHERE message = ? AND {where}", id)]


def stored(office: TestBox) -> list[dict[str, object]]:
    return [dict(row) for row in office.rows("SELECT * FROM message ORDER BY at_ms")]


def over(office: TestBox, id: str) -> bool:
    """Whether nothing more will be written about a message's call: until then each reading writes its row anew."""
    query = "SELECT c.ended_ms FROM call c JOIN message m ON m.call = c.key WHERE m.id = ?"
    return [row[0] is None for row in office.rows(query, id)] == [False]


def state(office: TestBox, id: str) -> str:
    rows = office.rows("SELECT state FROM message WHERE id = ?", id)
    return str(rows[0][0]) if rows else ""
