"""What a desk phone does besides talking, by real phones: do not disturb, forwarding, calling an agent or a queue,
parking, pick-up, hold.

No daemon runs while calls are made: all of it is Asterisk's own. A daemon that starts afterwards reads the history.
"""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.core import sound
from ramal.store.ingest import CEL_NAME
from ramal.virtual.events import Closed
from ramal.virtual.phone import Phone, PhoneEvent
from tests.system import agents, desks, ears
from tests.system.desks import HZ, Desks, hears, states, talks
from tests.system.lamps import lamps
from tests.system.mover import moved
from tests.until import until

pytestmark = pytest.mark.system
ANSWER, IGNORE = agents.ANSWER, agents.IGNORE
TONES = {
    "dnd-on": 1500.0,
    "dnd-off": 1620.0,
    "forward-on": 1740.0,
    "forward-off": 1860.0,
    "agent-away": 1980.0,
    "nothing-rings": 2100.0,
    "outside-national-only": 2220.0,
    "outside-not-allowed": 2340.0,
    "outside-unknown": 2460.0,
    "asterisk/digits/7": 2580.0,
}
"""Sentences as pure tones, so that what a phone hears can be told apart."""
PARK_S = 6
MOBILE = "+5511987654321"


@pytest.fixture(scope="module")
def running() -> Iterator[Desks]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    try:
        with desks.running(folder, daemon=False, settings=f"parking_s = {PARK_S}") as running:
            ears.retune(running.box, {f"pt_BR/{name}": hz for name, hz in TONES.items()}, length_ms=1500)
            yield running
            assert running.box.channels() == 0
            said = (running.box.home.asterisk_log / "messages.log").read_text(errors="replace")
            assert "syntax error" not in said
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def office(running: Desks) -> Iterator[Desks]:
    """Nothing of one test is left to the next."""
    running.provider.asked.clear()
    yield running
    running.over()
    for family in ("ramal-dnd", "ramal-forward"):
        running.box.command(f"database deltree {family}")


def kept(office: Desks, family: str, key: str) -> str:
    """A value of AstDB, "" when there is none."""
    return office.box.command(f"database get {family} {key}").partition("Value: ")[2].strip()


def says(phone: Phone, sentence: str) -> None:
    """Until the phone has heard that sentence in its last call, which may be over by then."""
    heard_in = until(lambda: [call.heard for call in phone.calls.values()], 5, f"{phone.name} is in a call")[-1]

    def heard() -> bool:
        if not heard_in.exists():
            return False
        wave = sound.read_wave(heard_in.read_bytes())
        present = sound.tones_present(wave.mono, wave.rate_hz, [TONES[sentence]], share=0.6)
        return sum(there for (there,) in present) >= 3

    until(heard, 15, f"{phone.name} hears {sentence}")


def hears_music(phone: Phone, instead_of: str) -> None:
    """Until what it heard last is loud and not that voice."""

    def heard() -> bool:
        wave = sound.read_wave([call.heard for call in phone.calls.values()][-1].read_bytes())
        last = wave.mono[-4000:]
        return sound.tone_share(last, wave.rate_hz, HZ[instead_of]) < 0.3 and sound.rms_dbfs(last) > -45

    until(heard, 15, f"{phone.name} hears music instead of {instead_of}")


def tells(office: Desks, phone: Phone, code: str, sentence: str) -> None:
    """A code is dialed, its sentence heard, and the box hangs up. Not in the instant the last call ended: what baresip
    hears would then still go into that one's file."""
    office.over()
    phone.dial(code)
    says(phone, sentence)
    until(lambda: not phone.calls, 15, f"{code} done")


def hang_up(*phones: Phone) -> None:
    for phone in phones:
        phone.policy = IGNORE
        phone.hangup()
    until(lambda: not any(phone.calls for phone in phones), 10, "all have hung up")


def paused(office: Desks, agent: str, queue: str = "sales") -> str:
    """Why app_queue holds an agent as paused, "" when it does not."""
    for line in agents.members(office.box, queue).splitlines():
        if f"agent-{agent} " in line and "paused" in line:
            return line.partition("paused:")[2].partition(" was")[0].strip() or "?"
    return ""


@contextlib.contextmanager
def read_by_a_daemon(office: Desks) -> Iterator[None]:
    """A daemon that reads what happened without it, to the last line."""
    office.box.start_daemon()
    journal = office.box.home.asterisk_log / CEL_NAME
    query = "SELECT 1 FROM journal WHERE name = ? AND offset >= ?"
    try:
        until(lambda: office.box.rows(query, CEL_NAME, journal.stat().st_size), 20, "all is read")
        yield
    finally:
        office.box.stop_daemon()


def calls_of(office: Desks, caller: str, number: str) -> list[sqlite3.Row]:
    """The ended calls of a phone to a number, once there are some; the last ones last."""
    query = "SELECT * FROM call WHERE caller = ? AND number = ? AND ended_ms IS NOT NULL ORDER BY started_ms"
    return until(lambda: office.box.rows(query, caller, number), 20, f"{caller} to {number} in the history")


def test_a_phone_that_is_not_to_be_disturbed_is_busy_to_direct_calls_and_can_still_call(office: Desks) -> None:
    told: list[PhoneEvent] = []
    with office.phone("201", ANSWER) as first, office.phone("203", on_event=told.append) as second:
        tells(office, first, "*78", "dnd-on")
        assert kept(office, "ramal-dnd", "201") == "1"
        second.dial("201")
        codes = until(lambda: [event.code for event in told if isinstance(event, Closed)], 10, "refused")
        assert codes == [486]
        assert not first.calls
        first.dial("203")
        until(lambda: "incoming" in states(second), 10, "it calls out all the same")
        hang_up(first, second)
        first.policy = ANSWER
        tells(office, first, "*79", "dnd-off")
        assert kept(office, "ramal-dnd", "201") == ""
        second.dial("201")
        talks(first)
        hang_up(second, first)


def test_no_queue_rings_an_agent_whose_phone_is_not_to_be_disturbed_until_that_ends(office: Desks) -> None:
    with office.phone("201", IGNORE, login=True) as first, office.phone("202", ANSWER, login=True) as second:
        tells(office, first, "*78", "dnd-on")
        assert [paused(office, "7", queue) for queue in ("sales", "short")] == ["dnd", "dnd"]
        first.policy = ANSWER
        with office.caller("+5511900000301") as caller:
            talks(second)  # agent 7 comes first in this queue
            assert not first.calls
            caller.hangup()
            until(lambda: not second.calls, 10, "over")
        second.policy = IGNORE
        tells(office, first, "*79", "dnd-off")
        assert [paused(office, "7", queue) for queue in ("sales", "short")] == ["", ""]
        first.policy = ANSWER
        with office.caller("+5511900000302"):
            talks(first)


def test_who_logs_in_at_a_phone_that_is_not_to_be_disturbed_is_paused(office: Desks) -> None:
    with office.phone("201") as first:
        tells(office, first, "*78", "dnd-on")
        tells(office, first, "*45", "dnd-on")
        assert kept(office, "ramal-agent", "7") == "201"
        assert paused(office, "7") == "dnd"
        tells(office, first, "*79", "dnd-off")
        assert paused(office, "7") == ""
        agents.dial_code(office.box, first, "*46")


def test_the_end_of_do_not_disturb_takes_nobody_back_from_another_pause(office: Desks) -> None:
    with office.phone("201", login=True) as first:
        agents.dial_code(office.box, first, "*47")
        tells(office, first, "*79", "dnd-off")
        assert paused(office, "7") not in ("", "dnd")


def test_a_forward_to_a_phone_is_followed_until_it_is_taken_back(office: Desks) -> None:
    with (
        office.phone("201", ANSWER) as first,
        office.phone("202") as second,
        office.phone("203", ANSWER) as third,
    ):
        tells(office, first, "*72203", "forward-on")
        second.dial("201")
        talks(third)
        hears(second, "203")
        assert not first.calls
        hang_up(second)
        until(lambda: not third.calls, 10, "203 is free")
        tells(office, first, "*73", "forward-off")
        second.dial("201")
        talks(first)
        assert not third.calls
        hang_up(second, first)
    with read_by_a_daemon(office):
        there, back = calls_of(office, "202", "201")[-2:]
        assert (there["category"], there["direction"]) == ("connected", "internal")
        assert back["category"] == "connected"
        codes = [step.detail.get("code") for step in office.box.detail(there["id"]).steps if step.kind == "decision"]
        assert codes == ["forwarded"]


def test_a_forward_goes_outside_where_this_phone_may_call(office: Desks) -> None:
    with office.phone("201", ANSWER) as first, office.phone("203") as third:
        tells(office, first, "*72011987654321", "forward-on")
        assert kept(office, "ramal-forward", "201") == MOBILE
        third.dial("201")
        hears(third, str(office.provider.hz))
        assert [asked.number for asked in office.provider.asked] == [MOBILE[1:]]
        assert not first.calls
        hang_up(third)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        ("+442079460000", "outside-national-only"),
        ("190", "outside-not-allowed"),
        ("01133330000", "outside-unknown"),
        ("5", "outside-unknown"),
    ],
)
def test_a_forward_is_refused_where_this_phone_may_not_call(office: Desks, number: str, sentence: str) -> None:
    with office.phone("201") as first:
        tells(office, first, f"*72{number}", sentence)
    assert kept(office, "ramal-forward", "201") == ""


def test_a_forward_that_is_not_allowed_any_more_rings_the_phone_itself(office: Desks) -> None:
    office.box.command("database put ramal-forward 201 +442079460000")
    with office.phone("201", ANSWER) as first, office.phone("203") as third:
        third.dial("201")
        talks(first)
        hang_up(third, first)
    assert office.provider.asked == []


def test_phones_that_forward_to_each_other_end_at_one_of_them(office: Desks) -> None:
    with office.phone("201", ANSWER) as first, office.phone("202", ANSWER) as second, office.phone("203") as third:
        tells(office, first, "*72202", "forward-on")
        tells(office, second, "*72201", "forward-on")
        third.dial("201")
        until(lambda: "answered" in states(first) + states(second), 15, "one of them talks")
        assert len(first.calls) + len(second.calls) == 1
        hang_up(third)
        until(lambda: not first.calls and not second.calls, 10, "over")


def test_a_queue_rings_the_phone_and_not_where_it_forwards_to(office: Desks) -> None:
    with office.phone("201", IGNORE, login=True) as first, office.phone("203", ANSWER) as third:
        tells(office, first, "*72203", "forward-on")
        first.policy = ANSWER
        with office.caller("+5511900000303") as caller:
            talks(first)
            hears(caller, "201")
            assert not third.calls


def test_neither_a_queue_nor_a_call_follows_a_phone_that_sends_its_calls_elsewhere_by_itself(office: Desks) -> None:
    with office.phone("201") as first:
        agents.dial_code(office.box, first, "*45")
    with (
        moved(office.box, "201", "203") as mover,
        office.phone("203", ANSWER) as third,
        office.phone("202", ANSWER, login=True) as second,
    ):
        with office.caller("+5511900000304") as caller:
            talks(second)  # agent 7 comes first; that phone said 302, and is left alone for a while
            hears(caller, "202")
            assert mover.asked == 1
            assert paused(office, "7") == "rejected"
            assert not third.calls
        until(lambda: not second.calls, 10, "over")
        second.policy = IGNORE
        second.dial("201")
        until(lambda: mover.asked == 2 and not second.calls, 15, "nobody is reached")
        assert not third.calls
    with office.phone("201") as first:
        agents.dial_code(office.box, first, "*46")


def test_an_agent_is_reached_where_logged_in(office: Desks) -> None:
    with office.phone("202") as second, office.phone("203") as third:
        tells(office, third, "*27", "agent-away")
        second.dial("*457")
        talks(second)
        second.dtmf("4821#")
        until(lambda: not second.calls, 20, "logged in")
        assert kept(office, "ramal-agent", "7") == "202"
        second.policy = ANSWER
        third.dial("*27")
        talks(second)
        hears(third, "202")
        hang_up(third, second)
        agents.dial_code(office.box, second, "*46")
    with read_by_a_daemon(office):
        call = calls_of(office, "203", "202")[-1]
        assert (call["category"], call["direction"], call["agent"]) == ("connected", "internal", "7")


def test_a_phone_dials_a_queue(office: Desks) -> None:
    with office.phone("201", ANSWER, login=True) as first, office.phone("203") as third:
        third.dial("600")
        talks(first)
        hears(third, "201")
        hears(first, "203")
        hang_up(third, first)
    with read_by_a_daemon(office):
        query = "SELECT * FROM call WHERE caller = '203' AND queue = 'sales' AND ended_ms IS NOT NULL"
        (call,) = until(lambda: office.box.rows(query), 20, "the call in the history")
        assert (call["direction"], call["category"], call["agent"]) == ("internal", "answered", "7")


def test_a_call_parked_after_asking_is_told_its_place_and_waits_there(office: Desks) -> None:
    user = "+5511900000305"
    with (
        office.phone("201", ANSWER, login=True) as first,
        office.phone("203") as third,
        lamps(office.box, "203", "701") as lamp,
        office.caller(user) as caller,
    ):
        talks(first)
        hears(caller, "201")
        lamp.is_now("701", "terminated")
        first.dial("700")
        says(first, "asterisk/digits/7")
        first.connect()
        until(lambda: not first.calls, 10, "201 is free")
        lamp.is_now("701", "confirmed")
        hears_music(caller, instead_of="201")
        third.dial("701")
        hears(caller, "203")
        hears(third, "caller")
        lamp.is_now("701", "terminated")
        hang_up(third)


def test_a_parked_call_that_nobody_takes_comes_back_to_the_phone_that_parked_it(office: Desks) -> None:
    user = "+5511900000306"
    with office.phone("201", ANSWER, login=True) as first, office.caller(user) as caller:
        talks(first)
        hears(caller, "201")
        before = set(first.calls)
        first.transfer("700")
        hears_music(caller, instead_of="201")
        until(lambda: not before & set(first.calls) and states(first) == ["answered"], PARK_S + 20, "it is back")
        hears(caller, "201")
    with read_by_a_daemon(office):
        call = office.call(user)
        assert office.legs(call) == [("7", "201", "", "answered", "parked"), ("7", "201", "", "came_back", "hung_up")]


@pytest.mark.parametrize("code", ["*8", "*8201"])
def test_a_call_that_rings_at_another_phone_is_picked_up(office: Desks, code: str) -> None:
    with office.phone("201") as first, office.phone("202") as second, office.phone("203") as third:
        third.dial("201")
        until(lambda: "incoming" in states(first), 10, "201 rings")
        second.dial(code)
        hears(third, "202")
        hears(second, "203")
        until(lambda: not first.calls, 10, "201 rings no more")
        hang_up(third, second)
    with read_by_a_daemon(office):
        call = calls_of(office, "203", "201")[-1]
        assert call["category"] == "connected"
        assert "picked_up" in office.kinds(call)


@pytest.mark.parametrize("code", ["*8", "*8201"])
def test_nothing_to_pick_up_is_said(office: Desks, code: str) -> None:
    with office.phone("202") as second:
        tells(office, second, code, "nothing-rings")


def test_a_held_colleague_hears_music_and_the_talk_goes_on_as_one_call(office: Desks) -> None:
    with office.phone("201", ANSWER) as first, office.phone("202") as second:
        second.dial("201")
        talks(first)
        hears(second, "201")
        first.hold()
        hears_music(second, instead_of="201")
        first.resume()
        hears(second, "201")
        hears(first, "202")
        hang_up(second, first)
    with read_by_a_daemon(office):
        before = calls_of(office, "202", "201")
        call = before[-1]
        assert (call["category"], call["direction"], call["phone"]) == ("connected", "internal", "201")
        assert office.legs(call) == []
        query = "SELECT count(*) FROM call WHERE started_ms > ? AND category <> 'service'"
        assert office.box.rows(query, call["started_ms"])[0][0] == 0
