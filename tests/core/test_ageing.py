"""Waiting lifts a caller once a level is due, and a restart of the daemon neither forgets a lift nor gives it twice."""

from dataclasses import replace

from ramal.core import order
from ramal.core.commands import ChangePriority, NoteDecision
from ramal.core.events import AmiUp, CallerJoined, CallerRanked, Event, Ticked, Waiting
from ramal.core.state import State
from ramal.core.step import step
from tests.core.moments import T0, after, caller, opened

S = T0 // 1000
BASE = order.prio(1, S + 20)


def rank(call: str, queue: str = "sales", prio0: int = BASE, prio: int = 0, since_s: int = S) -> CallerRanked:
    return CallerRanked(queue, call, f"PJSIP/loop-{call}", "sales", prio0, prio or prio0, S, since_s)


def lifts(state: State, event: Event, at_ms: int) -> tuple[State, list[ChangePriority]]:
    state, commands = step(state, event, at_ms)
    changes = [command for command in commands if isinstance(command, ChangePriority)]
    notes = [command for command in commands if isinstance(command, NoteDecision)]
    assert len(notes) == len(changes)
    assert all(note.code == "aged" for note in notes)
    return state, changes


def test_a_caller_is_lifted_when_a_level_is_due_and_only_once() -> None:
    state = after(rank("c1"), CallerJoined(caller("c1", joined_ms=T0)))
    state, changes = lifts(state, Ticked(), T0 + 59_000)
    assert changes == []
    state, changes = lifts(state, Ticked(), T0 + 61_000)
    assert changes == [ChangePriority("sales", "PJSIP/loop-c1", BASE + order.SPAN)]
    state, changes = lifts(state, Ticked(), T0 + 71_000)
    assert changes == []
    state, changes = lifts(state, Ticked(), T0 + 20 * 60_000)
    assert changes == [ChangePriority("sales", "PJSIP/loop-c1", BASE + 8 * order.SPAN)]  # level 9 is the highest


def test_the_place_may_be_told_before_or_after_the_joining() -> None:
    for events in ((rank("c1"), CallerJoined(caller("c1"))), (CallerJoined(caller("c1")), rank("c1"))):
        _, changes = lifts(after(*events), Ticked(), T0 + 61_000)
        assert len(changes) == 1


def test_after_a_restart_what_app_queue_has_counts() -> None:
    entry = replace(caller("c1", joined_ms=T0), prio0=BASE, prio=BASE + order.SPAN, first_s=S, home="sales")
    state, changes = lifts(opened(), AmiUp((), (entry,), ()), T0 + 70_000)
    assert changes == []
    state, changes = lifts(state, Ticked(), T0 + 80_000)
    assert changes == []  # had its lift
    state, changes = lifts(state, Ticked(), T0 + 121_000)
    assert [change.priority for change in changes] == [BASE + 2 * order.SPAN]


def test_nobody_is_moved_back_and_strangers_are_left_alone() -> None:
    entry = replace(caller("c1", joined_ms=T0), prio0=BASE, prio=BASE + 5 * order.SPAN, first_s=S, home="sales")
    stranger = caller("c2", position=2, joined_ms=T0)
    state, _ = step(opened(), AmiUp((), (entry, stranger), ()), T0 + 90_000)
    _, changes = lifts(state, Ticked(), T0 + 91_000)
    assert changes == []


def test_a_later_stage_keeps_when_the_caller_came_and_the_queue_of_the_office() -> None:
    at_ms = T0 + 30_000
    joined = Waiting("sales", "c1", "PJSIP/loop-c1", "", "", 1, at_ms)
    state = after(rank("c1"), CallerJoined(joined), at_ms=at_ms)
    (seen,) = state.by_home()["sales"]
    assert (seen.joined_ms, seen.home, seen.prio) == (T0, "sales", BASE)
    own = after(rank("c1", queue="agent-7"), CallerJoined(caller("c1", queue="agent-7", joined_ms=T0)))
    assert [caller.call for caller in own.by_home()["sales"]] == ["c1"]


def test_who_was_lifted_stands_before_the_others() -> None:
    state = after(rank("c2", prio0=order.prio(1, S + 500)), CallerJoined(caller("c2", joined_ms=T0)))
    late = CallerRanked(
        "sales", "c1", "PJSIP/loop-c1", "sales", order.prio(1, S + 600), order.prio(1, S + 600), S - 70, S
    )
    state = after(late, CallerJoined(caller("c1", position=2, joined_ms=T0)), state=state)
    assert [caller.call for caller in state.waiting["sales"]] == ["c2", "c1"]
    state, changes = lifts(state, Ticked(), T0 + 1000)
    assert [change.channel for change in changes] == ["PJSIP/loop-c1"]
    assert [caller.call for caller in state.waiting["sales"]] == ["c1", "c2"]
