"""Callers who are called back instead of waiting, with real phones, callers and a provider; no daemon runs while the
calls are made, unless a test says so. The history is read afterwards.
"""

import time

import pytest

from tests.system import agents, callbacks
from tests.system.callbacks import BRIEF, SALES, Office, rings, rows, shares
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system

module, office = callbacks.module, callbacks.office


def test_who_asked_to_be_called_back_is_served_before_who_came_later(office: Office) -> None:
    first, second = "+5511988880001", "+5511988880002"
    with agents.logged_in(office.box, "201", agents.IGNORE, office.voice) as desk:
        office.ask(SALES, first)
        assert office.record(first)[0] == "sales"
        office.box.call(Caller(SALES, second, stay_ms=25_000))
        until(lambda: "has 2 calls" in agents.members(office.box, "sales"), 10, "both wait")
        assert office.asked() == [], "nobody is dialed before an agent has answered"
        desk.answer()
        until(lambda: office.asked() == [first.removeprefix("+")], 20, "the customer is dialed")
        assert office.provider.asked[0].shown == SALES.removeprefix("+")
        until(lambda: not office.record(first), 5, "the callback is over with the answer")
        recording = until(lambda: list(office.box.home.recordings.rglob("*-callback.wav")), 5, "a recording")[0]
        until(lambda: recording.stat().st_size > 3 * 16_000, 10, "three seconds recorded")
        until(lambda: min(shares(office, recording)) > 0.2, 15, "both voices recorded", step_s=0.5)
        desk.hangup()
        until(lambda: rings(desk), 15, "the second caller's turn")
        desk.hangup()
    agent, customer = shares(office, recording)
    assert agent > 0.2
    assert customer > 0.2
    office.box.wait_for_callers()
    office.box.start_daemon()
    try:
        asked = rows(office, "SELECT * FROM call WHERE caller = ? AND ended_ms IS NOT NULL", first)[0]
        assert (asked["category"], asked["queue"]) == ("withdrawn", "sales")
        callback = rows(office, "SELECT * FROM callback WHERE id = ?", asked["id"])[0]
        assert (callback["state"], callback["number"], callback["tries"]) == ("done", first, 1)
        assert (callback["result"], callback["agent"]) == ("spoken", "7")
        assert callback["spoken_ms"] - callback["joined_ms"] > asked["wait_ms"]
        served = rows(office, "SELECT * FROM call WHERE direction = 'out' AND number = ? AND ended_ms > 0", first)[0]
        assert (served["category"], served["agent"]) == ("connected", "7")
        assert served["talk_ms"] > 2000
        takes = until(
            lambda: [take for take in office.box.detail(served["id"]).recordings if take.state != "writing"], 20
        )
        assert [take.state for take in takes] == ["ready"]
        assert len(office.box.rows("SELECT 1 FROM recording WHERE path LIKE '%nowhere%'")) == 0
    finally:
        office.box.stop_daemon()


def test_a_number_is_noted_once(office: Office) -> None:
    user = "+5511988880003"
    with agents.logged_in(office.box, "201", agents.IGNORE):
        office.ask(SALES, user)
        kept = office.record(user)
        office.ask(SALES, user)
        assert office.record(user) == kept
        assert office.standins() == 1


def test_who_hangs_up_before_confirming_is_not_called_and_has_abandoned(office: Office) -> None:
    user = "+5511988880004"
    with agents.logged_in(office.box, "201", agents.IGNORE):
        office.box.call(Caller(SALES, user, stay_ms=5000, keys=((2500, "2"),)))
        office.box.wait_for_callers()
    assert not office.record(user)
    office.box.start_daemon()
    try:
        call = rows(office, "SELECT * FROM call WHERE caller = ? AND ended_ms IS NOT NULL", user)[0]
        assert (call["category"], call["queue"]) == ("abandoned", "sales")
        missed = rows(office, "SELECT * FROM missed WHERE number = ?", user)[0]
        assert (missed["state"], missed["times"], missed["last_call"]) == ("open", 1, call["id"])
    finally:
        office.box.stop_daemon()


def test_another_number_can_be_typed_and_only_a_national_one(office: Office) -> None:
    user, other = "+5511988880005", "11977776666"
    typed = [(5500, "2")] + [(7500 + 250 * n, key) for n, key in enumerate("0014155550100#")]
    typed += [(13_500 + 250 * n, key) for n, key in enumerate(f"{other}#")] + [(18_500, "1")]
    with agents.logged_in(office.box, "201", agents.IGNORE):
        office.box.call(Caller(SALES, user, stay_ms=45_000, keys=((2500, "2"), *typed)))
        until(lambda: office.record(f"55{other}"), 45, "the typed number is noted")
        assert not office.record(user)
        for _, process in office.box.callers:
            assert process.wait(30) == 0
        office.box.callers.clear()


def test_who_does_not_confirm_goes_back_to_the_same_place(office: Office) -> None:
    user, later = "+5511988880006", "+5511988880007"
    with agents.logged_in(office.box, "201", agents.IGNORE) as desk:
        office.box.call(Caller(SALES, user, stay_ms=60_000, keys=((2500, "2"), (5500, "3"))))
        until(lambda: "has 1 calls" in agents.members(office.box, "sales"), 10, "the first waits")
        joined_s = time.time()
        until(lambda: time.time() > joined_s + 1.1, 5, "another second: the order is kept to the second")
        office.box.call(Caller(SALES, later, stay_ms=60_000))
        until(lambda: "ramal-callback" in office.box.command("core show channels concise"), 10, "the dialogue")
        until(lambda: "has 2 calls" in agents.members(office.box, "sales"), 15, "both wait again")
        listed = agents.members(office.box, "sales").partition("Callers:")[2].splitlines()
        order = [line for line in listed if "PJSIP/line-loop" in line]
        assert order[0].strip().startswith("1.")
        first = office.box.command(f"core show channel {order[0].split()[1]}")
        assert user in first, "the one who came first is first again"
        desk.hangup()
        for each in (user, later):
            office.box.end_calls(each)
        office.box.wait_for_callers()


def test_a_customer_who_is_not_reached_is_tried_again_and_then_it_expires(office: Office) -> None:
    user = "+5511988880008"
    office.provider.manner = "486"
    with agents.logged_in(office.box, "201", agents.ANSWER) as desk:
        desk.policy = agents.IGNORE
        office.ask(BRIEF, user)
        desk.answer()
        record = until(lambda: found if (found := office.record(user)) and found[5] == "1" else [], 20, "one attempt")
        record = until(lambda: found if (found := office.record(user)) and found[6] != "0" else [], 10, "a next time")
        until(lambda: not desk.calls, 15, "the agent is told and let go")
        digits = user.removeprefix("+")
        joined = record[2]
        # The next time is now, and not in a minute: the stand-in reads its record again within half a minute.
        now = "|".join([*record[:6], "1", *record[7:]])
        office.box.command(f'database put ramal-callback {digits} "{now}"')
        desk.policy = agents.ANSWER
        until(lambda: len(office.asked()) == 2, 60, "the second attempt")
        until(lambda: not office.record(user), 15, "the callback is over")
        until(lambda: not desk.calls, 15, "the agent is let go")
    office.box.start_daemon()
    try:
        ended = rows(office, "SELECT * FROM callback WHERE number = ? AND ended_ms IS NOT NULL", user)[0]
        assert (ended["state"], ended["tries"], ended["joined_ms"]) == ("expired", 2, int(joined) * 1000)
        missed = rows(office, "SELECT * FROM missed WHERE number = ?", user)[0]
        assert (missed["state"], missed["category"]) == ("open", "withdrawn")
        calls = rows(office, "SELECT category FROM call WHERE direction = 'out' AND number = ?", user)
        assert {call["category"] for call in calls} == {"not_connected"}
    finally:
        office.box.stop_daemon()
