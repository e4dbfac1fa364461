"""Supervisors with real phones: what each party hears, what is refused, and what is kept. No daemon runs in the first
half: the codes work in Asterisk alone, and the history is complete when the daemon comes."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.control.client import Refused
from ramal.core import sound
from ramal.store import read
from ramal.virtual.phone import Account, Phone
from tests.system import agents, box
from tests.system.box import TestBox
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system

CALLER_HZ, AGENT_HZ, BOSS_HZ = 440.0, 900.0, 1500.0
PIN = "5512"
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


def voice(folder: Path, hz: float) -> Path:
    path = folder / f"{hz:.0f}.wav"
    path.write_bytes(sound.wav_bytes(sound.tone([hz], 2000)))
    return path


def shares(desk: Phone, seconds: float = 1.5) -> tuple[bool, bool, bool]:
    """Whether caller, agent and boss are heard in the last moments of this phone's call."""
    files = [call.heard for call in desk.calls.values()]
    wave = sound.read_wave(files[0].read_bytes()) if files and files[0].exists() else None
    if wave is None or wave.duration_s < seconds:
        return (False, False, False)
    last = wave.mono[-int(seconds * wave.rate_hz) :]
    levels = [sound.goertzel(last, wave.rate_hz, hz) for hz in (CALLER_HZ, AGENT_HZ, BOSS_HZ)]
    return tuple(level > 1e-4 for level in levels)  # type: ignore[return-value]


def hears(desk: Phone, wanted: tuple[bool, ...], what: str) -> None:
    """Wait until exactly this is heard at a phone."""
    try:
        until(lambda: shares(desk) == wanted, 15, what)
    except AssertionError as error:
        files = [call.heard for call in desk.calls.values()]
        wave = sound.read_wave(files[0].read_bytes()) if files else None
        loud = (
            [round(sound.rms_dbfs(wave.mono[at : at + 4000])) for at in range(0, len(wave.mono), 4000)] if wave else 0
        )
        raise AssertionError(f"{error}; heard {shares(desk)}, dBFS each half second: {loud}") from None


@contextlib.contextmanager
def talk(office: TestBox, folder: Path, user: str) -> Iterator[tuple[Phone, Phone]]:
    """A caller and agent 7, connected: (caller, agent's phone)."""
    account = Account(user, port=office.settings.sip_port)
    with (
        agents.logged_in(office, "201", voice=voice(folder, AGENT_HZ)) as desk,
        Phone(folder / "caller", "caller", account, voice=voice(folder, CALLER_HZ)) as caller,
    ):
        caller.dial(f"sip:+551133330001@127.0.0.1:{office.settings.sip_port}")
        hears(caller, (False, True, False), "the caller hears the agent")
        yield caller, desk
        caller.hangup()
        until(lambda: not desk.calls, 10, "the agent's phone is free")
        agents.dial_code(office, desk, "*46")


def dial_with_pin(office: TestBox, desk: Phone, code: str, pin: str = PIN, who: str = "") -> None:
    """Dial a code and press what is asked for, from the second second on: Asterisk does not trust the first packets
    of a stream (strictrtp), so keys in them are lost."""
    desk.dial(code)
    for word in (who, pin):
        if word:
            reading = until(lambda: reader(office), 10, "a question")
            desk.dtmf(word + "#")
            until(lambda reading=reading: reader(office) != reading, 10, "the answer is taken")  # type: ignore[misc]


def reader(office: TestBox) -> str:
    """The channel that is asked for keys for at least a second, with what it is asked."""
    for line in office.command("core show channels concise").splitlines():
        fields = line.split("!")
        if len(fields) > 11 and fields[5] == "Read" and fields[11] not in ("", "0"):
            return fields[0] + fields[6]
    return ""


def kept(office: TestBox, family: str) -> str:
    return office.command(f"database get {family} 204-9")


def spying(office: TestBox) -> bool:
    return "ChanSpy" in office.command("core show channels")


def paused(office: TestBox) -> bool:
    return "paused" in agents.members(office, "sales")


@pytest.mark.parametrize(
    ("code", "agent_hears", "caller_hears"),
    [
        ("*557", (True, False, False), (False, True, False)),
        ("*567", (True, False, True), (False, True, False)),
        ("*577", (True, False, True), (False, True, True)),
    ],
    ids=["listen", "whisper", "barge"],
)
def test_a_supervisor_hears_both_and_is_heard_by_whom_the_code_says(
    office: TestBox, tmp_path: Path, code: str, agent_hears: tuple[bool, ...], caller_hears: tuple[bool, ...]
) -> None:
    number = f"+551190000{code[1:]:0>4}"
    with agents.phone(office, "203", voice=voice(tmp_path, BOSS_HZ)) as boss, contextlib.ExitStack() as stack:
        agents.dial_code(office, boss, "*45")
        caller, desk = stack.enter_context(talk(office, tmp_path, number))
        dial_with_pin(office, boss, code)
        hears(boss, (True, True, False), "the supervisor hears both")
        hears(desk, agent_hears, "the agent hears as much as the code says")
        hears(caller, caller_hears, "the caller hears as much as the code says")
        caller.hangup()
        until(lambda: not boss.calls, 15, "the listening ends with the call")
        agents.dial_code(office, boss, "*46")


def test_nobody_there_and_nobody_talking_are_said(office: TestBox) -> None:
    with agents.phone(office, "203") as boss:
        agents.dial_code(office, boss, "*45")
        for code in ("*557", "*5599999", "*587"):
            dial_with_pin(office, boss, code)
            until(lambda: not boss.calls, 15, f"{code} ended")
        with agents.logged_in(office, "201") as desk:
            dial_with_pin(office, boss, "*567")
            until(lambda: not boss.calls, 15, "nobody talks")
            desk.policy = agents.IGNORE
            agents.dial_code(office, desk, "*46")
        agents.dial_code(office, boss, "*46")


def test_a_supervisor_pauses_takes_back_and_logs_out_an_agent(office: TestBox) -> None:
    with agents.phone(office, "204") as boss, agents.logged_in(office, "201", agents.IGNORE):
        dial_with_pin(office, boss, "*587", who="9")
        until(lambda: paused(office), 10, "paused")
        until(lambda: not boss.calls, 10, "said")
        until(lambda: "supervisor" in office.command("database get ramal-pause 7"), 10, "kept for a restart")
        dial_with_pin(office, boss, "*587", who="9")
        until(lambda: not paused(office), 10, "taken back")
        until(lambda: not boss.calls, 10, "said")
        dial_with_pin(office, boss, "*597", who="9")
        until(lambda: "agent-7" not in agents.members(office, "sales"), 10, "logged out")
        until(lambda: not boss.calls, 10, "said")


def test_who_is_no_supervisor_or_has_the_wrong_pin_hears_nothing(office: TestBox, tmp_path: Path) -> None:
    with agents.logged_in(office, "202") as other, talk(office, tmp_path, "+5511900009001"):
        other.dial("*557")
        until(lambda: not other.calls, 20, "refused without a question")
        agents.dial_code(office, other, "*46")
    with agents.phone(office, "204", voice=None) as boss, talk(office, tmp_path, "+5511900009002"):
        dial_with_pin(office, boss, "*557", "", who="9")
        for tries in (1, 2, 3):
            until(
                lambda tries=tries: f"Value: {tries}\n" in kept(office, "ramal-pin-tries"), 10, f"asked {tries} times"
            )  # type: ignore[misc]
            boss.dtmf("0000#")
        until(lambda: not boss.calls, 20, "refused after three wrong ones")
        assert not spying(office)
        dial_with_pin(office, boss, "*557", "", who="9")
        until(lambda: not boss.calls, 20, "must wait now: the PIN is not even asked for")
        assert "Value: " in kept(office, "ramal-pin-wait")


def test_the_daemon_comes_and_the_history_knows_every_act(office: TestBox) -> None:
    until(lambda: office.channels() == 0, 10, "all calls over")
    office.start_daemon()
    acts = until(
        lambda: rows if len(rows := office.rows("SELECT act, by, agent FROM supervision ORDER BY at_ms")) >= 6 else [],
        20,
        "every act",
    )
    assert [tuple(row) for row in acts] == [
        ("listen", "9", "7"),
        ("whisper", "9", "7"),
        ("barge", "9", "7"),
        ("pause", "9", "7"),
        ("resume", "9", "7"),
        ("logout", "9", "7"),
    ]
    for code, act in (("*557", "listen"), ("*567", "whisper"), ("*577", "barge")):
        (row,) = office.rows("SELECT id FROM call WHERE caller = ?", f"+551190000{code[1:]:0>4}")
        heard = office.detail(row["id"])
        assert [(one.act, one.by, one.agent) for one in heard.listeners] == [(act, "9", "7")]
        own = office.detail(heard.listeners[0].call)
        assert (own.call.direction, own.call.category) == ("internal", "service")
        assert any(step.kind == "supervised" and step.detail["act"] == act for step in own.steps)
        assert heard.listeners[0].ended_ms
    with contextlib.closing(read.open_reader(office.home.db)) as db:
        page = read.audit(db, 100)
    assert [row.what for row in page.rows if row.what.startswith("phone.")][-1] == "phone.listen"


def test_the_page_pauses_and_logs_out_by_the_same_way(office: TestBox) -> None:
    with agents.logged_in(office, "201", agents.IGNORE):
        until(lambda: state_of(office)["state"] == "free", 10, "free")
        office.control("agent.pause", agent="7", who="owner")
        until(lambda: state_of(office)["state"] == "paused", 10, "paused")
        assert state_of(office)["reason"] == "supervisor"
        until(lambda: "supervisor" in office.command("database get ramal-pause 7"), 10, "kept for a restart")
        office.control("agent.resume", agent="7", who="owner")
        until(lambda: state_of(office)["state"] == "free", 10, "free again")
        office.control("agent.logout", agent="7", who="owner")
        until(lambda: state_of(office)["state"] == "out", 10, "out")
    with pytest.raises(Refused, match="not logged in"):
        office.control("agent.pause", agent="7", who="owner")
    asked = [tuple(row) for row in office.rows("SELECT who, what, detail FROM audit WHERE what LIKE 'agent.%'")]
    wanted = [("agent.pause", "7 supervisor"), ("agent.resume", "7"), ("agent.logout", "7")]
    assert asked == [("owner", *one) for one in wanted]
    done = until(
        lambda: rows if len(rows := office.rows("SELECT act FROM supervision WHERE by = 'page:owner'")) >= 3 else [], 10
    )
    assert [row["act"] for row in done] == ["pause", "resume", "logout"]


def test_the_page_rings_the_supervisors_phone_and_then_it_listens(office: TestBox, tmp_path: Path) -> None:
    with (
        agents.phone(office, "203", agents.ANSWER, voice=voice(tmp_path, BOSS_HZ)) as boss,
        talk(office, tmp_path, "+5511900009003") as (caller, desk),
    ):
        until(lambda: state_of(office)["state"] == "talking", 10, "talking")
        with pytest.raises(Refused, match="talks on"):
            office.control("spy.start", agent="7", mode="listen", phone="201", who="owner")
        office.control("spy.start", agent="7", mode="whisper", phone="203", who="owner")
        hears(boss, (True, True, False), "the supervisor hears both")
        hears(desk, (True, False, True), "the agent hears the supervisor")
        assert shares(caller) == (False, True, False)
        boss.hangup()
        until(lambda: not spying(office), 10, "the listening ends with its phone")
        assert desk.calls
        assert caller.calls
    (row,) = until(
        lambda: office.rows("SELECT id FROM call WHERE caller = '+5511900009003' AND ended_ms IS NOT NULL"), 20
    )
    assert [(one.act, one.by) for one in office.detail(row["id"]).listeners] == [("whisper", "page:owner")]


def test_a_waiting_caller_is_moved_to_another_queue_and_another_comes_first(office: TestBox) -> None:
    with agents.logged_in(office, "201", agents.IGNORE) as desk:
        for n in range(3):
            office.call(Caller("+551133330001", f"+551190000910{n}", stay_ms=40_000))
            until(lambda n=n: len(office.control("live")["waiting"]) == n + 1, 10, "waiting")  # type: ignore[misc]
        calls = {row["caller"]: row for row in office.control("live")["waiting"]}
        office.control("caller.first", call=calls["+5511900009102"]["call"], who="owner")
        line = "\n".join(agents.members(office, "sales").splitlines())
        assert "prio: 2000000000" in line
        office.control("caller.move", call=calls["+5511900009101"]["call"], queue="short", who="owner")
        until(lambda: {row["queue"] for row in office.control("live")["waiting"]} == {"sales", "short"}, 10, "moved")
        with pytest.raises(Refused, match="no queue"):
            office.control("caller.move", call=calls["+5511900009100"]["call"], queue="nowhere", who="owner")
        desk.policy = agents.ANSWER
        until(lambda: any(call.state == "answered" for call in desk.calls.values()), 20, "somebody is answered")
        talking = until(lambda: state_of(office)["caller"], 10, "with whom")
        assert talking == "+5511900009102"
        office.end_calls()
        office.wait_for_callers()
    (row,) = office.rows("SELECT id FROM call WHERE caller = '+5511900009101'")
    stays = [tuple(stay) for stay in office.rows("SELECT queue FROM queue_stay ORDER BY call, n")]
    assert ("short",) in stays
    detail = office.detail(row["id"])
    assert [step.detail["queue"] for step in detail.steps if step.kind == "queue_joined"] == ["sales", "short"]


def state_of(office: TestBox) -> dict[str, object]:
    return next(agent for agent in office.control("live")["agents"] if agent["code"] == "7")
