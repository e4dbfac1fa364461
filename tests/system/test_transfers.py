"""A customer's call is handed on, by real phones: blind and attended, to phones, agents, queues, outside and parking.

Each stays one call in the history, with legs, and its recording goes on. The daemon runs only to read the journals.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.virtual.phone import Policy
from tests.system import agents, desks
from tests.system.desks import Desks, hears, hears_now, states, talks
from tests.until import until

pytestmark = pytest.mark.system
ANSWER, IGNORE, REJECT = agents.ANSWER, agents.IGNORE, agents.REJECT


@pytest.fixture(scope="module")
def office() -> Iterator[Desks]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    try:
        with desks.running(folder, daemon=True) as running:
            yield running
            assert running.box.channels() == 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def only_this_call(office: Desks, caller: str) -> None:
    """Nothing of the transfer stands in the history as a call of its own."""
    call = office.call(caller)
    others = office.box.rows(
        "SELECT * FROM call WHERE started_ms >= ? AND id <> ? AND category NOT IN ('service')",
        call["started_ms"],
        call["id"],
    )
    assert [tuple(other) for other in others] == []


def test_a_blind_transfer_to_a_phone_is_one_call_with_two_legs_and_one_recording(office: Desks) -> None:
    user = "+5511900000101"
    with office.phone("201", ANSWER, login=True) as first, office.phone("203", ANSWER) as second:
        with office.caller(user) as caller:
            talks(first)
            hears(caller, "201")
            first.transfer("203")
            talks(second)
            hears(caller, "203")
            hears(second, "caller")
            until(lambda: not first.calls, 10, "the first phone is free")
        office.over()
        call = office.call(user)
        assert (call["category"], call["direction"], call["queue"]) == ("answered", "in", "sales")
        assert (call["agent"], call["phone"]) == ("7", "203")
        assert office.legs(call) == [
            ("7", "201", "", "answered", "transferred"),
            ("", "203", "", "transferred", "hung_up"),
        ]
        assert office.records(call, "201", "203", "caller") == [True, True, True]
        only_this_call(office, user)


def test_an_attended_transfer_is_one_call_and_the_consultation_is_inside_it(office: Desks) -> None:
    user = "+5511900000102"
    with office.phone("201", ANSWER, login=True) as first, office.phone("202", ANSWER, login=True) as second:
        second.policy = IGNORE
        with office.caller(user) as caller:
            talks(first)
            hears(caller, "201")
            second.policy = ANSWER
            first.dial("202")
            talks(second)
            hears(second, "201")
            first.connect()
            until(lambda: not first.calls, 10, "the first phone is free")
            hears(caller, "202")
            hears(second, "caller")
        office.over()
        call = office.call(user)
        assert (call["category"], call["direction"], call["agent"], call["phone"]) == ("answered", "in", "8", "202")
        assert office.legs(call) == [
            ("7", "201", "", "answered", "transferred"),
            ("8", "202", "", "transferred", "hung_up"),
        ]
        assert {"transferred", "dialled"} <= set(office.kinds(call))
        assert office.records(call, "201", "202", "caller") == [True, True, True]
        only_this_call(office, user)


def test_the_recording_follows_the_customer_through_attended_transfers(office: Desks) -> None:
    """Four: a MixMonitor that is left alone loses the next phone about every second time (dialplan/record.conf)."""
    user = "+5511900000114"
    with (
        office.phone("201", ANSWER, login=True) as first,
        office.phone("202", ANSWER) as second,
        office.phone("203", ANSWER) as third,
    ):
        ways = [(first, second), (second, third), (third, first), (first, second)]
        with office.caller(user) as caller:
            talks(first)
            hears(caller, "201")
            for here, there in ways:
                here.dial(there.name)
                talks(there)
                hears(there, here.name)
                here.connect()
                until(lambda here=here: not here.calls, 10, f"{here.name} is free")  # type: ignore[misc]
                hears(caller, there.name)
                hears(there, "caller")
        office.over()
        call = office.call(user)
        assert office.recorded(call) == ["201", "202", "203", "201", "202"]
        assert office.records(call, "caller") == [True]
        only_this_call(office, user)


def test_a_queue_that_does_not_record_is_not_recorded_by_the_known_agents_own_queue(office: Desks) -> None:
    """An agent's own queue takes callers of queues that record and of others."""
    user, folder = "+5511900000115", office.box.home.recordings
    with office.phone("201", ANSWER, login=True) as first:
        with office.caller(user) as caller:
            talks(first)
            hears(caller, "201")
        office.over()
        kept = set(folder.rglob("*.wav"))
        with office.caller(user, "+551133330005") as caller:
            talks(first)
            hears(caller, "201")
            shown = office.box.command("core show channels concise")
            assert "!agent-7," in shown, shown
            assert set(folder.rglob("*.wav")) == kept
        office.over()
        assert set(folder.rglob("*.wav")) == kept


def test_a_transfer_to_a_queue_is_a_second_stay(office: Desks) -> None:
    user = "+5511900000103"
    with office.phone("201", ANSWER, login=True) as first:
        with office.caller(user) as caller:
            talks(first)
            hears(caller, "201")
            with office.phone("202", ANSWER, login=True) as second:
                first.policy = IGNORE
                first.transfer("600")
                talks(second)
                hears(caller, "202")
                first.hangup()
                caller.hangup()
                until(lambda: not second.calls, 10, "the second is free")
        office.over()
        call = office.call(user)
        stays = office.box.rows("SELECT * FROM queue_stay WHERE call = ? ORDER BY n", call["key"])
        assert [(stay["queue"], stay["outcome"], stay["agent"]) for stay in stays] == [
            ("sales", "answered", "7"),
            ("sales", "answered", "8"),
        ]
        assert call["agent"] == "8"
        assert [leg[:2] for leg in office.legs(call)] == [("7", "201"), ("8", "202")]


def test_a_transfer_outside_keeps_the_direction_and_the_number(office: Desks) -> None:
    user = "+5511900000104"
    office.provider.asked.clear()
    with office.phone("201", ANSWER, login=True) as first:
        with office.caller(user) as caller:
            talks(first)
            hears(caller, "201")
            first.transfer("011987654321")
            hears(caller, str(office.provider.hz))
            assert office.provider.asked[0].number == "5511987654321"
        office.over()
        call = office.call(user)
        assert (call["direction"], call["category"], call["agent"]) == ("in", "answered", "7")
        assert office.legs(call)[1] == ("", "", "+5511987654321", "transferred", "hung_up")


def test_a_transfer_to_where_phones_may_not_call_comes_back(office: Desks) -> None:
    user = "+5511900000105"
    office.provider.asked.clear()
    with office.phone("201", ANSWER, login=True) as first:
        with office.caller(user) as caller:
            talks(first)
            hears(caller, "201")
            before = set(first.calls)
            first.transfer("+442079460000")
            until(lambda: not before & set(first.calls) and states(first) == ["answered"], 20, "it is back")
            hears(caller, "201")
        office.over()
        assert office.provider.asked == []
        call = office.call(user)
        assert "came_back" in office.kinds(call), office.box.detail(call["id"]).steps
        assert [leg[3:] for leg in office.legs(call)] == [("answered", "transferred"), ("came_back", "hung_up")]
        assert call["agent"] == "7"


@pytest.mark.parametrize(("policy", "user"), [(REJECT, "+5511900000106"), (Policy("unavailable"), "+5511900000107")])
def test_a_transfer_to_who_is_busy_comes_back_to_who_sent_it(office: Desks, policy: Policy, user: str) -> None:
    with office.phone("201", ANSWER, login=True) as first, office.phone("203", policy):
        with office.caller(user) as caller:
            talks(first)
            hears(caller, "201")
            before = set(first.calls)
            first.transfer("203")
            until(lambda: not before & set(first.calls) and states(first) == ["answered"], 20, "it is back")
            hears(first, "caller")
        office.over()
        call = office.call(user)
        assert [leg[1] for leg in office.legs(call)] == ["201", "201"]
        assert "came_back" in office.kinds(call)
        only_this_call(office, user)


@pytest.mark.parametrize("code", ["*45", "*78", "*43", "999999"])
def test_nobody_from_outside_is_sent_to_a_code_of_a_phone(office: Desks, code: str) -> None:
    user = f"+55119000002{len(code)}{code[-1]}"
    with office.phone("201") as first:  # baresip keeps a call whose transfer was refused in its list for ever
        agents.dial_code(office.box, first, "*45")
        first.policy = ANSWER
        with office.caller(user) as caller:
            talks(first)
            hears(caller, "201")
            first.transfer(code)
            hears(caller, "201")
            assert states(first) == ["answered"]
        office.over()


def test_the_customer_hears_music_on_hold_and_the_talk_goes_on(office: Desks) -> None:
    user = "+5511900000108"
    with office.phone("201", ANSWER, login=True) as first:
        with office.caller(user) as caller:
            talks(first)
            hears(caller, "201")
            first.hold()
            until(lambda: not hears_now(caller, "201", 0.3) and _loud(caller), 15, "music instead of the agent")
            first.resume()
            hears(caller, "201")
            hears(first, "caller")
        office.over()
        call = office.call(user)
        assert call["category"] == "answered"
        assert office.legs(call) == []


def _wave(phone: object) -> object:
    from ramal.core import sound

    files = [call.heard for call in phone.calls.values()]  # type: ignore[attr-defined]
    return sound.read_wave(files[-1].read_bytes())


def _loud(phone: object) -> bool:
    from ramal.core import sound

    return sound.rms_dbfs(_wave(phone).mono[-4000:]) > -45  # type: ignore[attr-defined]


def test_a_cancelled_transfer_changes_nothing(office: Desks) -> None:
    user = "+5511900000109"
    with office.phone("201", ANSWER, login=True) as first, office.phone("203", IGNORE) as second:
        with office.caller(user) as caller:
            talks(first)
            hears(caller, "201")
            consultation = first.dial("203")
            until(lambda: "incoming" in states(second), 10, "203 rings")
            first.hangup(consultation)
            until(lambda: not second.calls, 10, "203 rings no more")
            first.resume()
            hears(caller, "201")
        office.over()
        call = office.call(user)
        assert (call["agent"], office.legs(call)) == ("7", [])


def test_the_customer_hangs_up_during_the_consultation(office: Desks) -> None:
    user = "+5511900000110"
    with office.phone("201", ANSWER, login=True) as first, office.phone("203", ANSWER) as second:
        with office.caller(user) as caller:
            talks(first)
            hears(caller, "201")
            first.dial("203")
            talks(second)
            caller.hangup()
            until(lambda: len(first.calls) == 1, 10, "only the consultation is left")
            hears(second, "201")
            first.hangup()
        office.over()
        call = office.call(user)
        assert (call["category"], call["agent"], call["hangup_by"]) == ("answered", "7", "caller")
        # The consultation goes on as a call of its own, and its end is written after the customer's.
        query = "SELECT category FROM call WHERE number = '203' AND direction = ? AND key >= ? AND ended_ms > 0"
        inside = until(lambda: office.box.rows(query, "internal", call["key"]), 20, "the consultation in the history")
        assert [row["category"] for row in inside] == ["connected"]


def test_a_parked_call_is_taken_back_on_another_phone(office: Desks) -> None:
    user = "+5511900000111"
    with office.phone("201", ANSWER, login=True) as first, office.phone("203") as second:
        with office.caller(user) as caller:
            talks(first)
            hears(caller, "201")
            first.transfer("700")
            until(lambda: "InUse" in _hint(office, "701"), 10, "the lamp of the place is on")
            until(lambda: not hears_now(caller, "201", 0.3) and _loud(caller), 15, "music while parked")
            second.dial("701")
            hears(caller, "203")
            hears(second, "caller")
            assert "Idle" in _hint(office, "701")
        office.over()
        call = office.call(user)
        legs = [("7", "201", "", "answered", "parked"), ("", "203", "", "retrieved", "hung_up")]
        assert office.legs(call) == legs
        assert {"parked", "retrieved"} <= set(office.kinds(call))
        assert office.records(call, "201", "203") == [True, True]
        only_this_call(office, user)


def _hint(office: Desks, extension: str) -> str:
    return office.box.command(f"core show hint {extension}")


@pytest.mark.parametrize(("code", "user"), [("*8", "+5511900000112"), ("*8201", "+5511900000113")])
def test_a_ringing_queue_call_is_picked_up_by_another_agent(office: Desks, code: str, user: str) -> None:
    with office.phone("202", IGNORE, login=True) as second:
        agents.dial_code(office.box, second, "*47")
        with office.phone("201", IGNORE, login=True) as first:
            with office.caller(user) as caller:
                until(lambda: "incoming" in states(first), 15, "201 rings")
                second.dial(code)
                hears(caller, "202")
                until(lambda: not first.calls, 10, "201 rings no more")
            office.over()
            call = office.call(user)
            assert (call["category"], call["agent"], call["phone"]) == ("answered", "8", "202")
            stays = office.box.rows("SELECT * FROM queue_stay WHERE call = ?", call["key"])
            assert [stay["agent"] for stay in stays] == ["8"]
            assert "picked_up" in office.kinds(call)
            only_this_call(office, user)
        agents.dial_code(office.box, second, "*48")
