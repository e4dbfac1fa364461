"""What agents do on desk phones, on a box without a daemon: codes, pauses, wrap-up, dispositions, misses, lamps.

The tests share one box; each begins with nobody logged in. What the history says is read by a daemon started last.
"""

import os
import random
import re
import signal
import time
from collections.abc import Iterator

import pytest

from ramal.alone import rebuild
from ramal.core.misses import miss
from tests.system import agents
from tests.system.floor import Floor, floor
from tests.system.lamps import lamps
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system

SALES, LONG = "+551133330001", "+551133330002"
TO_201, TO_202 = "+551133330006", "+551133330007"
_numbers = iter(range(1, 1000))


@pytest.fixture(scope="module")
def whole() -> Iterator[Floor]:
    with floor() as running:
        yield running


@pytest.fixture
def here(whole: Floor) -> Floor:
    whole.clear()
    return whole


def caller(to: str, stay_ms: int = 2000) -> Caller:
    return Caller(to, f"+55119300{next(_numbers):05}", stay_ms=stay_ms)


def waiting(here: Floor, queue: str) -> int:
    told = agents.members(here.box, queue)
    return told.count("PJSIP/line-loop")


def talked(here: Floor, desk: str, to: str) -> str:
    """A whole call that this phone answers, and the agent hangs up too, without a word of what it was; the caller's
    number."""
    who = caller(to, 30_000)
    here.desks[desk].policy = agents.ANSWER
    process = here.box.call(who)
    until(lambda: any(c.state == "answered" for c in here.desks[desk].calls.values()), 10, "the phone talks")
    until(lambda: bridged(here, who.user), 10, "with the caller")
    here.box.end_calls(who.user)
    assert process.wait(10) == 0
    here.desks[desk].hangup()
    here.box.wait_for_callers()
    until(lambda: not here.desks[desk].calls, 10, "the phone is idle again")
    return who.user


def dial(here: Floor, desk: str, code: str) -> None:
    agents.dial_code(here.box, here.desks[desk], code)


def test_an_agent_logs_in_at_any_phone_with_the_pin_and_leaves_the_one_before(here: Floor) -> None:
    with lamps(here.box, "203", "in-7") as board:
        board.is_now("in-7", "terminated")
        dial(here, "201", "*45")
        assert "agent-7 (PJSIP/201)" in agents.members(here.box, "sales")
        board.is_now("in-7", "confirmed")
        desk = here.desks["203"]
        desk.dial("*457")
        until(lambda: any(c.state == "answered" for c in desk.calls.values()), 5, "asked for the PIN")
        desk.dtmf("4821#")
        until(lambda: not desk.calls, 20, "the code is done")
        assert "agent-7 (PJSIP/203)" in agents.members(here.box, "sales")
        assert "PJSIP/201" not in agents.members(here.box, "sales")
        assert here.kept("ramal-phone", "201") == ""
        dial(here, "203", "*46")
        board.is_now("in-7", "terminated")


def test_a_pause_has_a_reason_that_may_change_and_a_lamp(here: Floor) -> None:
    here.seat("7", "201")
    with lamps(here.box, "203", "pause-7") as board:
        dial(here, "201", "*471")
        assert here.paused("7") == here.paused("7", "long") == "lunch"
        board.is_now("pause-7", "confirmed")
        dial(here, "201", "*472")
        assert here.paused("7") == "training"
        dial(here, "201", "*479")
        assert here.paused("7") == "training", "a key that is no reason changes nothing"
        dial(here, "201", "*48")
        assert here.paused("7") == ""
        board.is_now("pause-7", "terminated")
        assert board.told.count(("pause-7", "confirmed")) == 1, "the lamp did not go out between the reasons"
    said = [line.split("|") for line in here.log() if "|sales|agent-7|" in line and "PAUSE" in line]
    assert [line[4] for line in said] == ["PAUSE", "UNPAUSE", "PAUSE", "UNPAUSE"]
    assert [line[5] for line in said if line[4] == "PAUSE"] == ["lunch", "training"]


def test_a_pause_beyond_its_time_rings_once_and_blinks_but_goes_on(here: Floor) -> None:
    here.seat("7", "201")
    dial(here, "201", "*471")
    assert "|ramal-pause-long|7" in here.kept("ramal-timer", "long-7")
    with lamps(here.box, "203", "pause-7") as board:
        here.do("timer0_long-7_1_ramal-pause-long_7")  # the minute is over
        board.is_now("pause-7", "early")
        desk = here.desks["201"]
        until(lambda: desk.calls, 10, "the phone rings")
        desk.answer()
        until(lambda: "pause-too-long" in (here.box.home.asterisk_log / "full").read_text(), 5, "it is said")
        until(lambda: not desk.calls, 15, "it hung up")
        assert here.paused("7") == "lunch"
        dial(here, "201", "*48")
        board.is_now("pause-7", "terminated")


def test_wrap_up_after_a_queues_call_is_lit_and_ended_by_hand(here: Floor) -> None:
    here.seat("9", "203")
    with lamps(here.box, "202", "wrap-9") as board:
        talked(here, "203", LONG)
        board.is_now("wrap-9", "confirmed")
        assert here.paused("9", "long") == "", "it is app_queue's own"
        here.box.call(caller(LONG, 20_000))
        until(lambda: waiting(here, "long") == 1, 5, "the next caller waits")
        dial(here, "203", "*49")
        board.is_now("wrap-9", "terminated")
        until(lambda: any(c.state == "answered" for c in here.desks["203"].calls.values()), 10, "the next call")
        here.desks["203"].hangup()
        here.box.wait_for_callers()


def test_wrap_up_is_extended_again_and_again_but_not_for_ever(here: Floor) -> None:
    here.seat("9", "203")
    talked(here, "203", LONG)
    kind, since, until_s, own = here.kept("ramal-wrap", "9").split("|")
    assert (kind, int(until_s) - int(since), own) == ("queue", 120, until_s)
    dial(here, "203", "*50")
    assert here.kept("ramal-wrap", "9").startswith(f"pause|{since}|{int(until_s) + 60}|")
    assert here.paused("9", "long") == "wrap-up"
    here.box.command(f"database put ramal-wrap 9 pause|{since}|{int(since) + 870}|{own}")
    dial(here, "203", "*50")
    assert here.kept("ramal-wrap", "9") == f"pause|{since}|{int(since) + 900}|{own}"
    dial(here, "203", "*50")
    assert here.kept("ramal-wrap", "9") == f"pause|{since}|{int(since) + 900}|{own}", "15 minutes are the limit"
    here.box.call(caller(LONG, 20_000))
    until(lambda: waiting(here, "long") == 1, 5, "a caller waits")
    here.desks["203"].policy = agents.ANSWER
    here.desks["203"].dial("*48")
    until(lambda: any(not c.outgoing and c.state == "answered" for c in here.desks["203"].calls.values()), 15, "taken")
    assert here.paused("9", "long") == ""
    assert here.lamp("wrap-9") == "NOT_INUSE"
    here.desks["203"].hangup()
    here.box.wait_for_callers()


def test_back_from_a_pause_that_was_begun_in_wrap_up_is_back_from_both(here: Floor) -> None:
    here.seat("9", "203")
    talked(here, "203", LONG)
    here.desks["203"].policy = agents.IGNORE
    dial(here, "203", "*472")
    assert (here.paused("9", "long"), here.lamp("pause-9"), here.lamp("wrap-9")) == ("training", "INUSE", "NOT_INUSE")
    dial(here, "203", "*48")
    assert here.paused("9", "long") == ""
    here.desks["203"].policy = agents.ANSWER
    talked(here, "203", LONG)


def test_the_wrap_up_is_that_of_the_queue_the_last_call_came_from(here: Floor) -> None:
    here.seat("7", "201")
    talked(here, "201", SALES)
    until(lambda: here.lamp("wrap-7") == "NOT_INUSE", 5, "two seconds, not the other queue's two minutes")
    talked(here, "201", LONG)
    kind, since, until_s, own = here.kept("ramal-wrap", "7").split("|")
    assert (kind, int(until_s) - int(since), int(own) - int(since)) == ("pause", 120, 2)
    assert here.paused("7") == "wrap-up"
    here.desks["201"].policy = agents.IGNORE
    dial(here, "201", "*49")
    assert here.paused("7") == ""
    talked(here, "201", SALES)


def test_wrap_up_follows_a_direct_call_and_ends_by_itself(here: Floor) -> None:
    here.seat("8", "202")
    with lamps(here.box, "203", "wrap-8", "pause-8") as board:
        talked(here, "202", TO_202)
        until(lambda: ("wrap-8", "confirmed") in board.told, 5, "the lamp was lit")
        board.is_now("wrap-8", "terminated")
        assert here.paused("8") == ""
        assert ("pause-8", "confirmed") not in board.told, "wrap-up is no pause"
    assert any("|agent-8|PAUSE|wrap-up" in line for line in here.log())


def test_no_wrap_up_follows_a_call_between_two_phones_of_the_house(here: Floor) -> None:
    here.seat("8", "202")
    here.desks["202"].policy = agents.ANSWER
    here.desks["201"].dial("202")
    until(lambda: any(c.state == "answered" for c in here.desks["202"].calls.values()), 10, "they talk")
    here.desks["201"].hangup()
    until(lambda: not here.desks["202"].calls and here.box.channels() == 0, 10, "over")
    assert here.kept("ramal-wrap", "8") == ""
    assert here.paused("8") == ""
    assert here.kept("ramal-calls", "8") == ""


def test_a_paused_agent_stays_paused_for_the_same_reason_after_a_direct_call(here: Floor) -> None:
    here.seat("7", "201")
    dial(here, "201", "*472")
    talked(here, "201", TO_201)
    assert here.paused("7") == "training"
    assert here.kept("ramal-wrap", "7") == ""


def test_a_rejected_call_goes_to_another_agent_and_the_first_is_left_alone_for_a_while(here: Floor) -> None:
    here.seat("7", "201")
    here.seat("8", "202")
    here.desks["201"].policy, here.desks["202"].policy = agents.REJECT, agents.ANSWER
    here.box.call(caller(SALES, 2500))
    until(lambda: here.paused("7") == "rejected", 5, "left alone")
    until(lambda: any(c.state == "answered" for c in here.desks["202"].calls.values()), 5, "the other one has it")
    here.box.wait_for_callers()
    until(lambda: here.paused("7") == "", 12, "and back by itself")
    assert here.kept("ramal-miss", "7") == "", "a rejected call is no missed one"


def test_misses_become_a_pause_with_a_lamp_and_a_spoken_notice(here: Floor) -> None:
    here.seat("7", "201")
    with lamps(here.box, "203", "missed-7") as board:
        here.box.call(caller(SALES, 9000))
        until(lambda: here.kept("ramal-miss", "7"), 8, "one miss")
        assert here.paused("7") == ""
        board.is_now("missed-7", "confirmed", 10)
        assert here.paused("7") == "missed"
        desk = here.desks["201"]
        until(lambda: any("Ramal" in call.peer_name for call in desk.calls.values()), 10, "the phone rings for itself")
        desk.answer()
        until(lambda: "missed-paused" in (here.box.home.asterisk_log / "full").read_text(), 5, "it is said")
        until(lambda: not desk.calls, 20, "it hung up")
        here.box.wait_for_callers()
        dial(here, "201", "*48")
        board.is_now("missed-7", "terminated")
        assert here.paused("7") == ""


def test_logging_in_again_ends_every_pause_and_the_counting_of_misses(here: Floor) -> None:
    heard = here.box.home.asterisk_log / "full"
    here.seat("7", "201")
    for reason, seconds in (("missed", 600), ("rejected", 600), ("unreachable", 35), ("lunch", 0)):
        here.box.command("database put ramal-miss 7 1795000000")
        here.do(f"pause0_7_201_{reason}_{seconds}")
        until(lambda reason=reason: here.paused("7") == here.paused("7", "long") == reason, 5, f"paused: {reason}")
        before = len(heard.read_text())
        dial(here, "201", "*45")
        assert (here.paused("7"), here.paused("7", "long")) == ("", ""), reason
        assert (here.kept("ramal-pause", "7"), here.kept("ramal-miss", "7")) == ("", ""), reason
        assert here.kept("ramal-timer", "pause-7") == ""
        assert here.lamp("missed-7") == here.lamp("pause-7") == "NOT_INUSE"
        assert re.findall(r"Playing '[^']*?([\w-]+)\.", heard.read_text()[before:]) == ["logged-in", "resumed"]
    before = len(heard.read_text())
    resumed = sum("UNPAUSE" in line for line in here.log())
    dial(here, "201", "*45")
    assert re.findall(r"Playing '[^']*?([\w-]+)\.", heard.read_text()[before:]) == ["logged-in"]
    assert sum("UNPAUSE" in line for line in here.log()) == resumed, "who was not paused does not come back"


def test_a_pause_only_the_queues_know_ends_by_logging_in_too(here: Floor) -> None:
    here.seat("7", "201")
    here.box.command("queue pause member PJSIP/201")
    until(lambda: "paused" in agents.members(here.box, "sales"), 5, "paused behind the dialplan's back")
    dial(here, "201", "*45")
    assert "paused" not in agents.members(here.box, "sales")
    assert "paused" not in agents.members(here.box, "long")


def test_a_caller_who_leaves_while_it_rings_is_nobodys_miss(here: Floor) -> None:
    here.seat("7", "201")
    here.box.call(caller(SALES, 1200))
    here.box.wait_for_callers()
    assert here.kept("ramal-miss", "7") == ""
    assert here.paused("7") == ""


def test_a_button_acts_for_the_agent_of_its_own_phone_only(here: Floor) -> None:
    here.seat("7", "201")
    dial(here, "202", "pause-7")
    assert here.paused("7") == ""
    dial(here, "201", "pause-7")
    assert here.paused("7") == "pause"
    dial(here, "201", "pause-7")
    assert here.paused("7") == ""
    dial(here, "202", "in-7")
    assert here.kept("ramal-agent", "7") == "201"
    dial(here, "201", "in-7")
    assert here.kept("ramal-agent", "7") == ""
    dial(here, "201", "in-7")
    assert here.kept("ramal-agent", "7") == "201"


def test_the_dialplan_counts_misses_by_the_rule(here: Floor) -> None:
    dice, at_s = random.Random(20261122), 1_795_000_000
    seen: tuple[int, ...] = ()
    for _ in range(14):
        at_s += dice.choice((1, 30, 299, 300, 301, 600, 601, 5000, -20))
        here.do(f"miss0_7_{at_s}")
        told = counted(here, at_s)
        ruled = miss(seen, at_s, 2, 600)
        seen = ruled.seen
        assert told.split() == [
            str(at_s),
            "paused" if ruled.paused else "counted",
            *filter(None, ["-".join(map(str, seen))]),
        ]


def counted(here: Floor, at_s: int) -> str:
    until(lambda: here.kept("test", "missed").startswith(f"{at_s} "), 5, "counted")
    return here.kept("test", "missed")


def test_a_timer_that_was_stopped_or_replaced_does_nothing(here: Floor) -> None:
    here.seat("7", "201")
    dial(here, "201", "*472")
    here.do("timer0_aa-7_1_ramal-pause-over_7")
    until(lambda: here.kept("ramal-timer", "aa-7"), 5, "it waits")
    here.do("stop0_aa-7")
    until(lambda: here.kept("test", "stopped") == "aa-7", 5, "stopped")
    here.do("timer0_bb-7_1_ramal-pause-over_7")
    here.do("timer0_bb-7_3600_ramal-pause-over_7")
    until(
        lambda: "bb-7_" in (told := here.box.command("core show channels concise")) and "_1@" not in told,
        15,
        "replaced",
    )
    here.do("timer0_cc-7_2_ramal-pause-long_7")
    until(lambda: here.lamp("pause-7") == "RINGING", 6, "a later one came to its end")
    assert here.paused("7") == "training", "so the others would have, too"
    here.do("stop0_bb-7")
    until(lambda: here.kept("test", "stopped") == "bb-7", 5, "stopped")


def test_how_things_stand_is_spoken_with_the_right_number(here: Floor) -> None:
    here.seat("7", "201")
    heard = here.box.home.asterisk_log / "full"
    for calls, words in ((1, ["calls-one"]), (2, ["say/2f", "calls-many"])):
        talked(here, "201", SALES)
        assert here.kept("ramal-calls", "7").endswith(f"|{calls}")
        here.desks["201"].policy = agents.IGNORE
        before = len(heard.read_text())
        dial(here, "201", "*44")
        said = re.findall(r"Playing '[^']*?((?:say/)?[\w-]+)\.", heard.read_text()[before:])
        assert said == ["waiting-none", *words]


def test_a_phone_that_dies_is_rung_no_more_and_is_back_without_logging_in(here: Floor) -> None:
    here.seat("7", "201")
    here.seat("8", "202")
    here.desks["202"].policy = agents.ANSWER
    dead = here.desks["201"]
    os.kill(dead.pid, signal.SIGKILL)
    first = here.box.call(caller(SALES, 30_000))
    until(
        lambda: any(c.state == "answered" for c in here.desks["202"].calls.values()), 9, "the other one, after one ring"
    )
    here.box.end_calls()
    assert first.wait(10) == 0
    here.desks["202"].hangup()
    here.box.wait_for_callers()
    assert here.kept("ramal-miss", "7") == "", "a dead phone misses nothing"
    assert here.paused("7") == "unreachable"
    until(lambda: "qualify" in here.box.command("pjsip qualify 201").lower(), 5, "asked whether it is there")
    until(lambda: "Unavailable" in seat_of(here, "7"), 15, "app_queue knows")
    until(lambda: here.paused("8") == "" and here.lamp("wrap-8") == "NOT_INUSE", 10, "agent 8 is free")
    before = len(rung(here, "201"))
    here.box.call(caller(SALES, 1500))
    here.box.wait_for_callers()
    assert len(rung(here, "201")) == before, "it was not called at all"
    dead.start()
    dead.wait_registered(15)
    until(lambda: "Not in use" in seat_of(here, "7"), 15, "back")
    assert here.kept("ramal-timer", "pause-7").endswith("|ramal-pause-over|7")
    here.do("timer0_pause-7_1_ramal-pause-over_7")  # its half minute has passed
    until(lambda: here.paused("7") == "", 5, "rung again")
    talked(here, "201", SALES)


def seat_of(here: Floor, agent: str) -> str:
    return next(line for line in agents.members(here.box, "sales").splitlines() if f"agent-{agent} " in line)


def bridged(here: Floor, who: str) -> bool:
    journal = (here.box.home.asterisk_log / "cel-custom" / "ramal.csv").read_text()
    return any("BRIDGE_ENTER" in line and who.replace("+", "%2B") in line for line in journal.splitlines())


def rung(here: Floor, phone: str) -> list[str]:
    journal = (here.box.home.asterisk_log / "cel-custom" / "ramal.csv").read_text()
    return [line for line in journal.splitlines() if "CHAN_START" in line and f"PJSIP%2F{phone}-" in line]


def test_a_restart_of_asterisk_ends_what_had_to_end_and_the_lamps_are_right(here: Floor) -> None:
    here.seat("7", "201")
    here.desks["201"].policy = agents.REJECT
    here.box.call(caller(SALES, 1500))
    until(lambda: here.paused("7") == "rejected", 5, "left alone")
    here.do("timer0_dd-7_4_ramal-wrap-over_7")
    here.do("timer0_ee-7_3600_ramal-wrap-over_7")
    until(lambda: here.kept("ramal-timer", "ee-7"), 5, "both wait")
    written_s = time.time()
    here.box.wait_for_callers()
    until(lambda: time.time() > written_s + 2.5, 5, "Asterisk has its memory on the disk")
    here.box.kill_asterisk()
    here.box.start()
    assert here.kept("ramal-agent", "7") == "201"
    until(lambda: here.kept("ramal-timer", "dd-7") == "", 8, "a timer's end, too")
    assert "ee-7_" in here.box.command("core show channels concise"), "others wait on"
    here.do("stop0_ee-7")
    until(lambda: here.paused("7") == "" and here.kept("ramal-pause", "7") == "", 12, "back, with no daemon")
    until(lambda: here.lamp("pause-7") == "NOT_INUSE", 5, "the lamp too")
    assert "Not in use" in seat_of(here, "7"), "Asterisk asked the phones at once whether they are there"


def test_the_history_keeps_what_each_call_was_said_to_be_whenever_it_was_said(here: Floor) -> None:
    here.seat("7", "201")
    desk = here.desks["201"]
    desk.policy = agents.ANSWER
    first = caller(SALES, 4000)
    process = here.box.call(first)
    until(lambda: any(c.state == "answered" for c in desk.calls.values()), 4, "they talk")
    assert process.wait(20) == 0
    here.box.callers.clear()
    assert any(c.state == "answered" for c in desk.calls.values()), "the agent is still on the line"
    desk.dtmf("1")
    until(lambda: not desk.calls and here.box.channels() == 0, 10, "noted")

    until(lambda: here.lamp("wrap-7") == "NOT_INUSE", 8, "wrap-up is over")
    second = caller(SALES, 30_000)
    here.box.call(second)
    until(lambda: bridged(here, second.user), 10, "they talk")
    desk.hangup()
    here.box.wait_for_callers()
    dial(here, "201", "*402")
    dial(here, "201", "*409")
    third = talked(here, "201", LONG)
    dial(here, "201", "*46")

    here.box.start_daemon()
    wanted = (first.user, second.user, third)
    until(lambda: len(here.box.rows(_SAID, *wanted)) == 3, 20, lambda: f"the history; {here.box.daemon_log()[-2000:]}")
    rows = here.box.rows(_SAID, *wanted)
    assert [(row["caller"], row["disposition"]) for row in rows] == [
        (first.user, "sold"),
        (second.user, "again"),
        (third, ""),
    ]
    assert rows[1]["hangup_by"] == "agent"
    steps = here.box.detail(rows[1]["id"]).steps
    assert [step.detail["code"] for step in steps if step.kind == "disposition"] == ["again"]
    numbers = [row["number"] for row in here.box.rows("SELECT number FROM call")]
    assert not [number for number in numbers if re.match(r"[a-z]+-\d_", number)], "timers are nobody's calls"
    before = [tuple(row) for row in here.box.rows("SELECT * FROM call ORDER BY key")]
    assert here.box.stop_daemon() == 0
    rebuild(here.box.home)
    assert [tuple(row) for row in here.box.rows("SELECT * FROM call ORDER BY key")] == before


_SAID = "SELECT * FROM call WHERE caller IN (?, ?, ?) AND ended_ms IS NOT NULL ORDER BY key"
