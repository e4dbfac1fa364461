"""How a callback ends, or waits: the call window, a customer who calls in, a restart, one press on a missed call,
customer first. Real phones, callers and a provider, as in test_callback.
"""

import pytest

from tests.system import agents, callbacks
from tests.system.callbacks import FIRST, NIGHT, SALES, Office, rings, rows, talks
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system

module, office = callbacks.module, callbacks.office


def test_outside_the_call_window_nobody_is_called(office: Office) -> None:
    user = "+5511988880009"
    with agents.logged_in(office.box, "201", agents.IGNORE) as desk:
        office.ask(NIGHT, user)
        desk.policy = agents.ANSWER
        until(lambda: office.standins() == 1, 5, "the stand-in waits")
        assert "has 0 calls" in agents.members(office.box, "night"), "not in the queue, so no agent is asked"
        assert office.asked() == []
        office.box.start_daemon()
        try:
            rows(office, "SELECT 1 FROM callback WHERE number = ? AND state = 'not_allowed'", user)
            shown = office.box.control("callback.list")["callbacks"]
            mine = [each for each in shown if each["number"] == user]
            assert [each["state"] for each in mine] == ["not_allowed"]
            callback_id = mine[0]["id"]
            office.box.control("callback.cancel", call=callback_id, who="owner", reason="came by")
            until(lambda: office.standins() == 0, 10, "the stand-in is gone")
            assert not office.record(user)
            assert rows(office, "SELECT state FROM callback WHERE id = ?", callback_id)[0]["state"] == "cancelled"
            assert office.box.rows("SELECT who FROM audit WHERE what = 'callback.cancelled'")[0]["who"] == "owner"
        finally:
            office.box.stop_daemon()


def test_a_customer_who_calls_in_and_is_answered_is_not_called_back(office: Office) -> None:
    user = "+5511988880010"
    with agents.logged_in(office.box, "201", agents.IGNORE) as desk:
        office.ask(NIGHT, user)
        until(lambda: office.standins() == 1, 5, "the stand-in waits")
        desk.policy = agents.ANSWER
        office.box.call(Caller(SALES, user, stay_ms=6000))
        until(lambda: not office.record(user), 15, "the callback is over")
        until(lambda: office.standins() == 0, 5, "its stand-in is gone")
        office.box.wait_for_callers()
    office.box.start_daemon()
    try:
        ended = rows(office, "SELECT * FROM callback WHERE number = ? AND ended_ms IS NOT NULL", user)[0]
        assert (ended["state"], ended["result"], ended["agent"]) == ("done", "served", "7")
    finally:
        office.box.stop_daemon()


def test_a_crash_right_after_the_caller_was_told_keeps_the_callback_and_its_place(office: Office) -> None:
    """Asterisk commits AstDB once a second: told any sooner, the caller would be forgotten."""
    first, second = "+5511988880011", "+5511988880017"
    with agents.logged_in(office.box, "201", agents.IGNORE, office.voice):
        office.ask(SALES, first)
        office.ask(SALES, second, after_ms=7000)
        office.box.kill_asterisk()
    office.box.start()
    joined = [office.record(user)[2] for user in (first, second)]
    assert joined == sorted(joined)
    until(lambda: office.standins() == 2, 10, "the stand-ins are there again, without a daemon")
    with agents.logged_in(office.box, "201", agents.ANSWER, office.voice):
        for n, user in enumerate((first, second), 1):
            until(lambda n=n: len(office.asked()) == n, 30, "a customer is dialed")
            until(lambda user=user: not office.record(user), 20, office.told("and has answered"))
            office.provider.hang_up()
        until(lambda: office.box.channels() == 0, 15, "nobody is left")
    assert office.asked() == [first.removeprefix("+"), second.removeprefix("+")], "each once, in order"


def test_a_missed_caller_is_called_back_with_one_press_and_only_once(office: Office) -> None:
    user = "+5511988880012"
    with agents.logged_in(office.box, "201", agents.IGNORE, office.voice) as desk:
        office.box.call(Caller(SALES, user, stay_ms=2500))
        office.box.wait_for_callers()
        office.box.start_daemon()
        try:
            rows(office, "SELECT 1 FROM missed WHERE number = ? AND state = 'open'", user)
            press = {"number": user, "phone": "201", "who": "ana", "attempt": "attempt-0001"}
            desk.policy = agents.ANSWER
            assert office.box.control("missed.call", **press)["again"] is False
            assert office.box.control("missed.call", **press)["again"] is True
            until(lambda: office.asked() == [user.removeprefix("+")], 15, "the caller is called")
            assert office.provider.asked[0].shown == SALES.removeprefix("+")
            until(lambda: talks(desk), 5, "they talk")
            until(lambda: office.box.command("core show channels concise").count("!Up!") == 2, 5, "phone and line")
            desk.hangup()
            query = "SELECT * FROM missed WHERE number = ? AND state = 'returned'"
            row = rows(office, query, user)[0]
            assert row["done_by"] == "7"
            call = rows(office, "SELECT * FROM call WHERE id = ?", row["done_call"])[0]
            assert (call["direction"], call["category"], call["number"]) == ("out", "connected", user)
            assert office.asked() == [user.removeprefix("+")]
        finally:
            office.box.stop_daemon()


def test_customer_first_is_called_only_when_an_agent_is_free_and_keeps_the_place(office: Office) -> None:
    user, later = "+5511988880013", "+5511988880014"
    office.box.start_daemon()
    try:
        with agents.logged_in(office.box, "201", agents.IGNORE, office.voice) as desk:
            until(lambda: office.box.command("database get ramal-daemon alive").startswith("Value"), 15, "it lives")
            office.ask(FIRST, user)
            assert office.record(user)[0] == "first"
            until(lambda: office.standins() == 1, 15, office.told("held"))
            until(lambda: office.asked() == [user.removeprefix("+")], 15, "an agent is free, so the customer is called")
            until(lambda: rings(desk), 20, "the customer is there and the agent's phone rings")
            office.box.call(Caller(FIRST, later, stay_ms=60_000))
            desk.answer()
            until(lambda: talks(desk), 5, "they talk")
            until(lambda: not office.record(user), 5, "the callback is over")
            until(lambda: office.standins() == 0, 8, "its stand-in is gone")
            until(lambda: "has 1 calls" in agents.members(office.box, "first"), 15, "the later one waits")
            office.ask(FIRST, "+5511988880015", after_ms=8000)
            until(lambda: office.standins() == 1, 5, "the second callback is held")
            assert len(office.asked()) == 1, "nobody is dialed while no agent is free"
            office.box.end_calls(later)
            desk.hangup()
            for _, process in office.box.callers:
                process.wait(30)
            office.box.callers.clear()
        row = rows(office, "SELECT * FROM callback WHERE number = ? AND state = 'done'", user)[0]
        assert (row["tries"], row["result"], row["agent"]) == (1, "served", "7")
        call = rows(office, "SELECT * FROM call WHERE direction = 'out' AND number = ? AND talk_ms > 0", user)[-1]
        assert (call["category"], call["agent"]) == ("connected", "7")
    finally:
        office.box.stop_daemon()


def test_customer_first_goes_on_agent_first_when_the_daemon_is_dead(office: Office) -> None:
    user = "+5511988880016"
    office.box.command("database put ramal-daemon alive 1")
    with agents.logged_in(office.box, "201", agents.IGNORE, office.voice) as desk:
        office.ask(FIRST, user)
        until(lambda: "has 1 calls" in agents.members(office.box, "first"), 10, "the stand-in waits in the queue")
        assert office.asked() == []
        desk.answer()
        until(lambda: office.asked() == [user.removeprefix("+")], 20, "the customer is dialed")
        until(lambda: not office.record(user), 10, "and has answered")
        desk.hangup()
