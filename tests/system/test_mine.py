"""What an agent does on the own page, on a box with a daemon: a break, what a call was, a call by a press."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ramal.control.client import Refused
from ramal.virtual.phone import Phone
from tests.system import agents, box
from tests.system.box import TestBox
from tests.system.provider import Provider
from tests.system.sipp import Caller
from tests.system.test_outside import LINE
from tests.until import until

pytestmark = pytest.mark.system

SALES, CUSTOMER, CALLED = "+551133330001", "+5511987650001", "+5511987650002"
FOR_SPRING = "+5511987650005"
HASH = "$argon2id$v=19$m=19456,t=2,p=1$cmFtYWwtbm9ib2R5LXNhbA$" + "A" * 43


@dataclass(frozen=True, slots=True)
class Desk:
    """Agent 7 is the user ana, and sits at phone 201."""

    box: TestBox
    phone: Phone
    provider: Provider

    def journal(self, event: str) -> list[str]:
        """Lines of the call journal that hold a user event."""
        text = (self.box.home.asterisk_log / "cel-custom" / "ramal.csv").read_text()
        return [line for line in text.splitlines() if f",{event}," in line]

    def paused(self) -> str:
        told = [line for line in agents.members(self.box, "sales").splitlines() if "agent-7 " in line]
        return next((line.partition("paused:")[2].partition(" was")[0] for line in told if "paused:" in line), "")

    def outside(self) -> bool:
        """Whether the line's channel is answered."""
        told = self.box.command("core show channels concise").splitlines()
        return any(line.startswith("PJSIP/line-one") and "!Up!" in line for line in told)

    def talking(self) -> bool:
        return any(call.state == "answered" for call in self.phone.calls.values())


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    provider = Provider("127.0.0.6")
    text = box.office("agents").replace('language = "pt-BR"', 'language = "pt-BR"\ndial_out = "national"', 1)
    text += LINE.format(
        name="one", host=provider.host, port=provider.port, channels=4, rest_s=60, caller_ids='["+551133330001"]'
    )
    text += '[[campaign]]\nname = "spring"\ncode = "7"\n'
    try:
        with box.running(folder, text) as running, agents.logged_in(running, "201") as phone:
            running.control("users.add", name="ana", role="agent", agent="7", hash=HASH)
            until(lambda: _state(running) == "free", 20, "the agent is free")
            yield Desk(running, phone, provider)
    finally:
        provider.end()
        shutil.rmtree(folder, ignore_errors=True)


def _state(running: TestBox) -> str:
    return next(str(row["state"]) for row in running.control("live")["agents"] if row["code"] == "7")


def test_a_break_from_the_page_is_the_one_the_phone_would_make(desk: Desk) -> None:
    desk.box.control("mine.act", who="ana", act="pause", reason="lunch")
    until(lambda: desk.paused() == "lunch", 10, "paused with the reason")
    until(lambda: "lunch" in "".join(desk.journal("PAUSE")), 5, "in the journal")
    assert "ramal-pause-long" in desk.box.command("database get ramal-timer long-7"), "its longest time is watched"
    desk.box.control("mine.act", who="ana", act="resume")
    until(lambda: desk.paused() == "", 10, "back")
    assert not desk.phone.calls, "no phone rang for it"
    query = (
        "SELECT number, caller, agent, phone FROM call WHERE category = 'service' AND number LIKE '*4_%' ORDER BY key"
    )
    kept = until(lambda: (rows := desk.box.rows(query))[2:] and rows, 10, "in the history as the codes they are")
    assert [tuple(row) for row in kept] == [(code, "201", "7", "201") for code in ("*45", "*471", "*48")]
    desk.box.control("users.add", name="carla", role="supervisor", hash=HASH)
    with pytest.raises(Refused, match="belongs to no agent"):
        desk.box.control("mine.act", who="carla", act="pause")


def test_what_a_call_was_is_said_once_from_the_page_and_not_asked_again(desk: Desk) -> None:
    desk.phone.policy = agents.ANSWER
    desk.box.call(Caller(SALES, CUSTOMER, stay_ms=9000))
    until(desk.talking, 15, "the phone talks")
    call = until(lambda: _talk(desk.box), 10, "the daemon knows the call")
    for _ in range(2):
        desk.box.control("mine.said", who="ana", call=call, code="sold")
        until(lambda: desk.journal("DISPOSITION"), 10, "written down")
    desk.box.control("call.note", who="ana", call=call, text="Wants it on Friday")
    desk.box.wait_for_callers()
    until(lambda: not desk.phone.calls, 5, "nobody is asked again what it was")
    until(lambda: desk.box.channels() == 0, 20, "every channel is gone")
    (line,) = desk.journal("DISPOSITION")
    assert f"7|sales|sold|{call}" in line.replace("%7C", "|")
    found = until(lambda: _said(desk.box, call), 10, "in the history")
    assert tuple(found) == ("sold", "answered", "7", "Wants it on Friday")


def test_a_press_rings_the_phone_and_then_calls_as_if_it_had_been_dialed_there(desk: Desk) -> None:
    until(lambda: desk.box.channels() == 0, 20, "every channel is gone")
    desk.provider.manner, desk.provider.ring_s = "answer", 0.2
    desk.phone.policy = agents.ANSWER
    given = {"who": "ana", "phone": "201", "attempt": "press-00000001"}
    assert desk.box.control("dial.start", number="11 98765-0002", **given)["number"] == CALLED
    assert desk.box.control("dial.start", number="11 98765-0002", **given)["again"] is True
    until(lambda: desk.provider.asked, 15, "the provider is asked")
    until(desk.outside, 10, "they talk")
    (asked,) = desk.provider.asked
    assert CALLED[1:] in str(asked)
    desk.phone.hangup()
    until(lambda: desk.box.channels() == 0, 15, "every channel is gone")
    query = "SELECT direction, number, agent, phone, caller, category FROM call WHERE number = ? AND ended_ms > 0"
    (row,) = until(lambda: desk.box.rows(query, CALLED), 10, "in the history")
    assert tuple(row) == ("out", CALLED, "7", "201", "201", "connected")


def test_a_press_for_a_campaign_is_a_call_of_that_campaign(desk: Desk) -> None:
    until(lambda: desk.box.channels() == 0, 20, "every channel is gone")
    desk.provider.asked.clear()
    desk.phone.policy = agents.ANSWER
    given = {"who": "ana", "phone": "201", "attempt": "press-00000003", "number": FOR_SPRING}
    with pytest.raises(Refused, match="no campaign"):
        desk.box.control("dial.start", campaign="autumn", **given)
    desk.box.control("dial.start", campaign="spring", **given)
    until(desk.outside, 15, "they talk")
    (asked,) = desk.provider.asked
    assert asked.number == FOR_SPRING[1:]
    desk.phone.hangup()
    until(lambda: desk.box.channels() == 0, 15, "every channel is gone")
    query = "SELECT direction, agent, phone, category, campaign FROM call WHERE number = ? AND ended_ms > 0"
    (row,) = until(lambda: desk.box.rows(query, FOR_SPRING), 10, "in the history")
    assert tuple(row) == ("out", "7", "201", "connected", "spring")


def test_what_the_phone_may_not_dial_is_not_begun(desk: Desk) -> None:
    given = {"who": "ana", "phone": "201", "attempt": "press-00000002"}
    with pytest.raises(Refused, match="abroad"):
        desk.box.control("dial.start", number="+14155552671", **given)
    with pytest.raises(Refused, match="not the phone you are signed in at"):
        desk.box.control("dial.start", number=CALLED, **(given | {"phone": "202"}))
    assert not desk.box.rows("SELECT 1 FROM dial_attempt WHERE attempt = 'press-00000002'")


def _talk(running: TestBox) -> str:
    row = next(row for row in running.control("live")["agents"] if row["code"] == "7")
    return str(row["call"]) if row["state"] == "talking" and row["call"] else ""


def _said(running: TestBox, call: str) -> tuple[object, ...] | None:
    query = (
        "SELECT call.disposition, call.category, call.agent, call_note.text FROM call JOIN call_note"
        " ON call_note.call = call.key WHERE call.id = ? AND call.ended_ms IS NOT NULL AND call.disposition <> ''"
    )
    return next((tuple(row) for row in running.rows(query, call)), None)
