"""Waiting lifts a caller: the daemon's part of the order of ``core.order``, so that nobody starves.

Pure; a follower of ``core.step``. The dialplan gives app_queue each caller's place at every entry, with what was waited
until then; from there on a level that is due is given here, at the next tick. It is level-triggered: what app_queue has
(``Waiting.prio``, read again at every AmiUp) is compared with what should be, so that a restart neither forgets a lift
nor gives it twice, and a caller is never moved back.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from ramal.core import order
from ramal.core.commands import ChangePriority, Command, NoteDecision
from ramal.core.events import AmiUp, CallerJoined, CallerRanked, Event, Ticked, Waiting
from ramal.core.state import State

LATER_STAGE_MS = 1_500
"""A caller who entered the office's queue so long before this queue of app_queue has been in another one of it."""


def follow(before: State, after: State, event: Event, now_ms: int) -> tuple[State, tuple[Command, ...]]:
    """Keep what is told of a caller's place, and lift who is due."""
    match event:
        case CallerRanked():
            ranked = replace(after, ranks={**after.ranks, event.channel: event})
            return _placed(ranked, event), ()
        case CallerJoined(waiting) if waiting.channel in after.ranks:
            return _placed(after, after.ranks[waiting.channel]), ()
        case AmiUp():
            return replace(after, ranks={}), ()
        case Ticked():
            return _lifted(_tidied(after, now_ms), now_ms)
    return after, ()


def due(caller: Waiting, age_every_s: int, now_ms: int) -> int:
    """The number app_queue should have for ``caller`` now; never less than it has."""
    base = order.level_of(caller.prio0)
    level = order.level_at(base, caller.first_s, now_ms // 1000, age_every_s)
    return max(caller.prio, caller.prio0 + (level - base) * order.SPAN)


def _placed(state: State, rank: CallerRanked) -> State:
    line = state.waiting.get(rank.queue, ())
    known = tuple(_with(caller, rank) if caller.channel == rank.channel else caller for caller in line)
    return state if known == line else replace(state, waiting={**state.waiting, rank.queue: known})


def _with(caller: Waiting, rank: CallerRanked) -> Waiting:
    since_ms = 1000 * rank.since_s
    stayed = 0 < since_ms < caller.joined_ms - LATER_STAGE_MS
    return replace(
        caller,
        joined_ms=since_ms if stayed else caller.joined_ms,
        home=rank.home,
        prio0=rank.prio0,
        prio=max(rank.prio, caller.prio),
        first_s=rank.first_s,
    )


def _tidied(state: State, now_ms: int) -> State:
    """Without the places of callers who have long gone."""
    if not state.ranks:
        return state
    channels = {caller.channel for line in state.waiting.values() for caller in line}
    old_s = now_ms // 1000 - 60
    kept = {name: rank for name, rank in state.ranks.items() if name in channels or rank.since_s > old_s}
    return state if len(kept) == len(state.ranks) else replace(state, ranks=kept)


def _lifted(state: State, now_ms: int) -> tuple[State, tuple[Command, ...]]:
    if not state.asterisk.up:
        return state, ()
    every_s = {queue.name: queue.age_every_s for queue in state.office.queues}
    commands: list[Command] = []
    lines: dict[str, tuple[Waiting, ...]] = {}
    for name, line in state.waiting.items():
        lifted = {caller.channel: prio for caller, prio in _lifts(line, every_s, now_ms)}
        if lifted:
            line = tuple(
                replace(caller, prio=lifted[caller.channel]) if caller.channel in lifted else caller for caller in line
            )
            lines[name] = tuple(sorted(line, key=lambda caller: -caller.prio))
            for caller in lines[name]:
                if caller.channel in lifted:
                    commands.append(ChangePriority(caller.queue, caller.channel, caller.prio))
                    args = (("queue", caller.office_queue), ("level", order.level_of(caller.prio)))
                    commands.append(NoteDecision(caller.call, "aged", args))
    return (replace(state, waiting={**state.waiting, **lines}), tuple(commands)) if lines else (state, ())


def _lifts(line: tuple[Waiting, ...], every_s: Mapping[str, int], now_ms: int) -> Iterator[tuple[Waiting, int]]:
    for caller in line:
        if caller.prio0:
            prio = due(caller, every_s.get(caller.office_queue, 0), now_ms)
            if prio > caller.prio:
                yield caller, prio
