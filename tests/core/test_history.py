"""What a call was: every way a call can go ends in exactly one category, with the times and people it really had."""

import dataclasses
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.core.fold import fold
from ramal.core.history import CATEGORIES, RECEIVED, Call, Outcome, StepKind, call_key
from ramal.core.journal import Journal, parse_cel, parse_queue
from ramal.core.timeline import timeline
from tests.store.office_day import START_S, Script

SAMPLES = Path(__file__).parents[1] / "store" / "samples"
START_MS = START_S * 1000


def a_call() -> Script:
    return Script(1, START_MS).arrive()


def journal(script: Script, restarted_ms: int | None = None) -> Journal:
    cel = [parse_cel(line.encode()) for _, line in script.cel]
    queue = [parse_queue(line.encode()) for _, line in script.log]
    assert None not in cel
    assert None not in queue
    return Journal(
        script.id, tuple(event for event in cel if event), tuple(line for line in queue if line), restarted_ms
    )


def folded(script: Script) -> Call:
    return fold(journal(script))


def kinds(script: Script) -> list[str]:
    return [step.kind for step in timeline(journal(script))]


def test_an_answered_call_has_its_agent_and_its_times_in_milliseconds() -> None:
    script = a_call().menu("1").join("sales").wait(7300).talk("sales", "7", "201", ring_ms=4100, talk_ms=61_007)
    call = folded(script)
    assert (call.direction, call.category, call.hangup_by) == ("in", "answered", "caller")
    assert (call.queue, call.agent, call.phone, call.menu) == ("sales", "7", "201", "main:1")
    assert (call.caller, call.caller_name, call.number, call.line) == (
        "+5511987654321",
        "Maria",
        "+551133334444",
        "main",
    )
    assert (call.ring_ms, call.talk_ms) == (4100, 61_007)
    assert call.wait_ms == 3 + 7300 + 4100 + 5
    (stay,) = call.stays
    assert (stay.outcome, stay.agent, stay.position, stay.wait_ms) == ("answered", "7", 1, call.wait_ms)
    (take,) = call.takes
    assert (take.kind, take.expected_ms) == ("talk", 61_007)
    assert take.path.endswith(f"{script.id}-1.wav")


def test_an_answered_calls_timeline_tells_every_step() -> None:
    script = a_call().menu("1").join("sales").wait(500).miss("sales", "8", "202", 15_000)
    script.talk("sales", "7", "201", 4000, 60_000, by="agent")
    steps = timeline(journal(script))
    assert [step.kind for step in steps] == [
        *("arrived", "greeting", "menu", "key", "queue_joined"),
        *("ringing", "missed", "ringing", "answered", "hung_up"),
    ]
    assert [step.who for step in steps if step.kind in ("ringing", "missed", "answered")] == ["8", "8", "7", "7"]
    assert steps[-1].detail["by"] == "agent"
    assert steps[-2].detail == {
        "phone": "201",
        "agent": "7",
        "queue": "sales",
        "wait_ms": 3 + 500 + 15_000 + 20 + 4000 + 5,
    }
    assert [step.at_ms for step in steps] == sorted(step.at_ms for step in steps)


def test_the_agents_who_let_it_ring_are_named_in_order() -> None:
    script = a_call().join().miss("sales", "8", "202", 15_000).miss("sales", "9", "203", 15_000)
    call = folded(script.miss("sales", "8", "202", 15_000).talk("sales", "7", "201", 2000, 9000))
    assert call.missed == ("8", "9", "8")


def test_hanging_up_while_waiting_is_abandoned_and_keeps_the_wait() -> None:
    call = folded(a_call().menu().join().wait(4200).abandon())
    assert (call.category, call.wait_ms, call.hangup_by, call.talk_ms) == ("abandoned", 4203, "caller", None)
    assert call.takes == ()


def test_hanging_up_while_an_agent_is_being_connected_is_abandoned_though_queue_log_names_the_agent() -> None:
    script = a_call().join().wait(1000)
    unique, channel = script.ring("201")
    script.wait(3000)
    script.queued("sales", "agent-7", "RINGCANCELED", 3000)
    script.queued("sales", "agent-7", "ABANDON", 1, 1, 4)
    script.hang(unique, channel, "")
    call = folded(script.end(script.line))
    assert (call.category, call.agent, call.missed) == ("abandoned", "", ())
    assert "ring_cancelled" in kinds(script)


def test_a_call_that_timed_out_and_left_a_message_is_timed_out_with_a_message() -> None:
    script = a_call().join().wait(300_000).time_out().leave_message().end()
    call = folded(script)
    assert (call.category, call.has_message, call.wait_ms) == ("timed_out", True, 300_003)
    (take,) = call.takes
    assert (take.kind, take.path) == ("message", f"2026/11/22/{script.id}-message.wav")


@pytest.mark.parametrize("status", ["FULL", "JOINEMPTY", "JOINUNAVAIL"])
def test_a_queue_that_lets_nobody_in_blocks(status: str) -> None:
    script = a_call().say("QUEUE", "sales|x").say("QUEUE_END", f"sales|{status}").end("")
    call = folded(script)
    assert (call.category, call.hangup_by, call.wait_ms) == ("blocked", "system", 3)
    assert "queue_refused" in kinds(script)
    assert "queue_joined" not in kinds(script)


def test_a_queue_whose_agents_all_left_blocks() -> None:
    script = a_call().join().wait(9000)
    script.queued("sales", "NONE", "EXITEMPTY", 1, 1, 9)
    call = folded(script.say("QUEUE_END", "sales|LEAVEEMPTY").end(""))
    assert call.category == "blocked"


def test_leaving_the_queue_with_a_key_is_overflowed() -> None:
    script = a_call().join().wait(5000)
    script.queued("sales", "NONE", "EXITWITHKEY", "2", 1, 1, 5)
    assert folded(script.say("QUEUE_END", "sales|").leave_message().end()).category == "overflowed"


def test_answered_in_the_second_queue_is_answered_and_the_wait_counts_both() -> None:
    script = a_call().join("sales").wait(20_000).time_out("sales").join("support").wait(5000)
    call = folded(script.talk("support", "7", "201", 1000, 30_000))
    assert [stay.outcome for stay in call.stays] == ["timed_out", "answered"]
    assert (call.category, call.queue) == ("answered", "support")
    assert call.wait_ms == sum(stay.wait_ms or 0 for stay in call.stays)


def test_timed_out_and_then_refused_by_the_next_queue_is_still_timed_out() -> None:
    script = a_call().join("sales").wait(20_000).time_out("sales")
    call = folded(script.say("QUEUE", "night|x").say("QUEUE_END", "night|JOINEMPTY").end(""))
    assert call.category == "timed_out"


def test_outside_opening_hours_is_closed_also_with_a_message() -> None:
    assert folded(a_call().pick_up().say("CLOSED", "office").end("")).category == "closed"
    call = folded(a_call().pick_up().say("CLOSED", "office").leave_message().end())
    assert (call.category, call.has_message) == ("closed", True)


def test_outside_opening_hours_but_answered_by_the_night_queue_is_answered() -> None:
    script = a_call().say("CLOSED", "office").join("night")
    assert folded(script.talk("night", "7", "201", 1000, 9000)).category == "answered"


def test_hanging_up_in_greeting_or_menu_is_gave_up_whoever_hung_up() -> None:
    assert folded(a_call().pick_up().say("GREETING").end()).category == "gave_up"
    script = a_call().pick_up().say("MENU", "main").say("NO_KEY", "main").say("MENU_GIVEN_UP", "main").end("dialplan")
    call = folded(script)
    assert (call.category, call.hangup_by) == ("gave_up", "system")


def test_hanging_up_at_once_is_gave_up_and_being_hung_up_on_is_refused() -> None:
    assert folded(a_call().end()).category == "gave_up"
    assert folded(a_call().end("dialplan/builtin")).category == "refused"
    assert folded(a_call().say("REFUSED", "line-full").end("dialplan/builtin")).category == "refused"


def test_a_message_without_a_queue_is_message() -> None:
    assert folded(a_call().menu("3").leave_message().end()).category == "message"


def test_hanging_up_before_the_beep_leaves_no_recording() -> None:
    call = folded(a_call().menu("3").say("VOICEMAIL", "sales|x/y").end())
    assert (call.category, call.has_message, call.takes) == ("message", False, ())


def direct(script: Script, answered: bool) -> Script:
    script.say("PHONE", "201")
    unique, channel = script.ring("201")
    script.wait(5000)
    if not answered:
        script.hang(unique, channel, "")
        return script.say("PHONE_END", "201|NOANSWER").end("")
    script.event("ANSWER", unique, channel, number="201")
    both = ((unique, channel), (script.main, script.line))
    script.bridge("BRIDGE_ENTER", *both)
    script.wait(7000)
    script.bridge("BRIDGE_EXIT", *both)
    script.hang(unique, channel, channel)
    return script.end(channel)


def test_a_phone_called_directly_is_answered_or_unanswered() -> None:
    call = folded(direct(a_call(), answered=True))
    assert (call.category, call.phone, call.ring_ms, call.talk_ms, call.hangup_by) == (
        "answered",
        "201",
        5000,
        7000,
        "agent",
    )
    script = direct(a_call(), answered=False)
    assert folded(script).category == "unanswered"
    assert "phone_not_answered" in kinds(script)


def test_a_call_cut_by_a_restart_is_system_and_ended_at_its_last_sign_of_life() -> None:
    script = a_call().menu().join().wait(5000)
    cut = fold(journal(script, restarted_ms=script.now_ms + 3_600_000))
    assert (cut.category, cut.hangup_by) == ("system", "system")
    assert cut.ended_ms is not None
    assert cut.ended_ms < script.now_ms
    assert cut.stays[0].outcome == "system"
    assert timeline(journal(script, restarted_ms=script.now_ms + 3_600_000))[-1].kind == "restarted"


def test_an_answered_call_cut_by_a_restart_stays_answered() -> None:
    script = a_call().join().talk("sales", "7", "201", 1000, 60_000)
    script.cel, script.log = script.cel[:-5], script.log[:-1]  # the power goes while they talk
    call = fold(journal(script, restarted_ms=script.now_ms + 60_000))
    assert (call.category, call.hangup_by, call.agent) == ("answered", "system", "7")


def test_a_running_call_has_no_category() -> None:
    call = folded(a_call().menu().join())
    assert (call.category, call.ended_ms, call.stays[0].outcome) == (None, None, "waiting")


def test_a_call_known_only_from_queue_log_is_told_as_far_as_possible() -> None:
    script = a_call().join().wait(5000).talk("sales", "7", "201", 2000, 60_000)
    script.cel.clear()
    call = fold(dataclasses.replace(journal(script), restarted_ms=script.now_ms + 99_000))
    assert (call.category, call.agent, call.caller, call.queue) == ("answered", "7", "+5511987654321", "sales")
    assert call.talk_ms == 60_000


def test_keys_of_the_menus_are_told_as_a_path() -> None:
    script = a_call().pick_up().say("MENU", "main").say("WRONG_KEY", "main|7").say("KEY", "main|2")
    assert folded(script.say("MENU", "billing").say("KEY", "billing|1").end()).menu == "main:2 billing:1"


def test_a_caller_who_is_transferred_to_another_phone_still_called_our_number() -> None:
    script = a_call().join()
    unique, channel = script.ring("201")
    script.event("ANSWER", unique, channel, number="201")
    script.queued("sales", "agent-7", "CONNECT", 0, unique, 0)
    script.bridge("BRIDGE_ENTER", (unique, channel), (script.main, script.line))
    script.wait(5000)
    script.event("BLINDTRANSFER", unique, channel, extra='{"extension":"202","context":"phone"}', number="201")
    script.bridge("BRIDGE_EXIT", (unique, channel), (script.main, script.line))
    script.queued("sales", "agent-7", "BLINDTRANSFER", "202", "phone", 0, 5, 1)
    script.hang(unique, channel, channel)
    script.wait(100).say("INTERNAL", "201|202")
    other, second = script.ring("202")
    script.wait(3000).event("ANSWER", other, second, number="202")
    script.bridge("BRIDGE_ENTER", (other, second), (script.main, script.line))
    script.wait(7000)
    script.bridge("BRIDGE_EXIT", (other, second), (script.main, script.line))
    script.hang(other, second, script.line)
    call = folded(script.end())
    assert (call.category, call.number, call.agent, call.phone) == ("answered", "+551133334444", "7", "202")
    assert (call.talk_ms, call.hangup_by) == (12_000, "caller")
    assert [step.detail["to"] for step in timeline(journal(script)) if step.kind == "transferred"] == ["202"]


def test_a_code_dialled_on_a_phone_is_service() -> None:
    call = sample("first")["1795321469.0"]
    assert (call.direction, call.category, call.agent, call.phone) == ("internal", "service", "7", "201")
    assert call.stays == ()


def sample(name: str) -> dict[str, Call]:
    calls: dict[str, Journal] = {}
    for line in (SAMPLES / f"{name}.cel.csv").read_bytes().splitlines():
        event = parse_cel(line)
        assert event is not None, line
        known = calls.get(event.linked_id, Journal(event.linked_id, (), ()))
        calls[event.linked_id] = dataclasses.replace(known, cel=(*known.cel, event))
    for line in (SAMPLES / f"{name}.queue_log").read_bytes().splitlines():
        entry = parse_queue(line)
        assert entry is not None, line
        if entry.call_id in calls:
            known = calls[entry.call_id]
            calls[entry.call_id] = dataclasses.replace(known, queue=(*known.queue, entry))
    return {call_id: fold(one) for call_id, one in calls.items()}


def test_real_calls_of_asterisk_22_are_understood() -> None:
    calls = sample("first")
    assert {call_id: call.category for call_id, call in calls.items()} == {
        "1795321469.0": "service",
        "1795321509.6": "gave_up",
        "1795321582.0": "gave_up",
        "1795321607.9": "gave_up",
        "1795321642.18": "abandoned",
        "1795321673.0": "blocked",
        "1795321685.11": "blocked",
        "1795321716.22": "abandoned",
        "1795321754.0": "answered",
    }
    answered = calls["1795321754.0"]
    assert (answered.agent, answered.phone, answered.wait_ms, answered.ring_ms, answered.talk_ms) == (
        "7",
        "201",
        4,
        3,
        9502,
    )
    assert answered.caller_name == 'José, "o bom" <script>'
    assert answered.hangup_by == "caller"


# Written by Asterisk 22.10 and our dialplan, with real phones and callers (by tests/system/test_calls.py).
OFFICE = """
1795323430.6 answered sales 7 201 309 304 4194 caller
1795323439.28 answered sales 7 201 311 308 18 agent
1795323443.50 answered sales 7 201 316 315 3155 caller
1795323480.150 answered sales 7 201 306 305 5345 caller
1795323497.170 gave_up - - - - - - caller
1795323502.185 abandoned sales - - 2508 - - caller
1795323505.196 blocked sales - - 0 - - caller
1795323518.213 timed_out short - - 5003 - - caller
1795323534.239 answered sales 8 202 610 305 7396 caller
1795323546.264 answered sales 7 201 307 306 6701 caller
1795323546.275 abandoned sales - - 3008 - - caller
1795323554.288 closed - - - - - - caller
1795323564.298 closed - - - - - - system
1795323568.306 answered - - 203 - 306 3003 caller
1795323572.322 refused - - - - - - system
"""


def test_a_real_offices_hour_of_calls_is_understood() -> None:
    calls = sample("office")
    assert len(calls) == 40
    for line in OFFICE.strip().splitlines():
        call = calls[line.split()[0]]
        told = (call.category, call.queue, call.agent, call.phone, call.wait_ms, call.ring_ms, call.talk_ms)
        assert [str("-" if one in ("", None) else one) for one in (*told, call.hangup_by)] == line.split()[1:]
    assert calls["1795323534.239"].missed == ("7",)
    assert calls["1795323505.196"].has_message
    assert {call.category for call in calls.values() if call.direction == "internal"} == {"service"}


SAID = st.sampled_from(
    [
        *(("CLOSED", "office"), ("GREETING", ""), ("MENU", "main"), ("KEY", "main|1"), ("KEY", "main"), ("KEY", "")),
        *(("QUEUE", "sales|p"), ("QUEUE", "sales"), ("QUEUE_END", "sales|TIMEOUT"), ("QUEUE_END", "sales|FULL")),
        *(("PHONE", "201"), ("PHONE_END", "201|BUSY"), ("VOICEMAIL", "sales|m"), ("MESSAGE", "m"), ("REFUSED", "x")),
        *(("QUEUE_END", ""), ("MENU_GIVEN_UP", "main"), ("LOGIN", "7|201"), ("ARRIVE", ""), ("INTERNAL", "201|202")),
    ]
)
LOGGED = st.sampled_from(
    [
        *(("NONE", "ENTERQUEUE", ("", "x", 1)), ("NONE", "ENTERQUEUE", ()), ("agent-7", "CONNECT", (3, "u", 1))),
        *(("agent-7", "RINGNOANSWER", (1000,)), ("NONE", "ABANDON", (1, 1, 5)), ("agent-7", "ABANDON", ())),
        *(("NONE", "EXITWITHTIMEOUT", (1, 1, 5)), ("NONE", "EXITEMPTY", ()), ("NONE", "EXITWITHKEY", ("2",))),
        *(("agent-7", "COMPLETEAGENT", (1, 5, 1)), ("agent-7", "COMPLETECALLER", ()), ("agent-7", "CONNECT", ())),
    ]
)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), SAID),
        st.tuples(st.just("log"), LOGGED),
        st.tuples(st.sampled_from(["ring", "answer", "enter", "exit", "hang", "pass", "end"]), st.just(("", ""))),
    ),
    max_size=25,
)


def acted(acts: list[tuple[str, tuple[object, ...]]]) -> Script:
    """Anything in any order, also what can never happen."""
    script = a_call()
    phone = ("1763700000.99", "PJSIP/201-00000063")
    for act, what in acts:
        if act == "say":
            script.say(str(what[0]), str(what[1]))
        elif act == "log":
            member, event, data = what
            assert isinstance(data, tuple)
            script.queued("sales", str(member), str(event), *data)
        elif act == "pass":
            script.wait(1700)
        elif act == "end":
            script.end()
        elif act in ("enter", "exit"):
            script.bridge(f"BRIDGE_{act.upper()}", phone, (script.main, script.line))
        else:
            kind = {"ring": "CHAN_START", "answer": "ANSWER", "hang": "HANGUP"}[act]
            script.event(kind, *phone, number="201")
    return script


@given(ACTS, st.booleans(), st.sampled_from(["whole", "only cel", "only queue_log"]))
def test_whatever_happened_a_call_has_exactly_one_category_once_it_ended(
    acts: list[tuple[str, tuple[object, ...]]], restarted: bool, seen: str
) -> None:
    script = acted(acts)
    if seen == "only cel":
        script.log.clear()
    elif seen == "only queue_log" and script.log:
        script.cel.clear()
    whole = journal(script, script.now_ms + 5000 if restarted else None)
    call = fold(whole)
    assert (call.category is None) == (call.ended_ms is None)
    assert restarted <= (call.ended_ms is not None)
    if call.category is not None:
        assert call.category in (RECEIVED if call.direction == "in" else CATEGORIES)
    for stay in call.stays:
        assert stay.outcome in get_args(Outcome)
        assert (stay.outcome == "waiting") == (stay.wait_ms is None)
        assert stay.wait_ms is None or stay.wait_ms >= 0
    for duration in (call.wait_ms, call.ring_ms, call.talk_ms):
        assert duration is None or duration >= 0
    steps = timeline(whole)
    assert all(step.kind in get_args(StepKind) for step in steps)
    assert [step.at_ms for step in steps] == sorted(step.at_ms for step in steps)


def test_keys_order_calls_by_their_beginning_and_are_different() -> None:
    ids = ["9.0", "1795321642.18", "1795321642.19", "1795321642.2047", "1795321643.0"]
    keys = [call_key(one) for one in ids]
    assert None not in keys
    assert keys == sorted(set(keys), key=lambda key: key or 0)
    assert call_key("1795321642.18") == call_key("box-1795321642.18")
    assert call_key("NONE") is None
    assert call_key("1;2") is None
    assert call_key("1795321642.18\n") is None
