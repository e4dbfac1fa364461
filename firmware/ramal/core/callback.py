"""Customer first: when is it a callback's turn, so that the customer is called before an agent is bound?

Pure; a follower of ``core.step``. Only for queues with ``callback = "customer-first"``. Their callbacks are held by the
dialplan outside the queue, and say so every few seconds (CallbackHeld) while this daemon lives; when it is dead the
dialplan goes on agent first, by itself. Law: a callback's turn is when fewer callers stand before it in the one order
(``core.order``), and fewer customers are being called, than agents of its queue are free; so there are never more of
them in flight than free agents. An attempt is asked for once: its number is what the dialplan has counted plus one,
and the dialplan refuses any other, so a command that comes twice dials nobody.
"""

from collections.abc import Mapping
from dataclasses import replace

from ramal.core import ageing, order, warnings
from ramal.core.commands import Command, NoteDecision, Originate
from ramal.core.events import (
    AgentAnswered,
    AgentDone,
    AgentMissed,
    AmiDown,
    AmiUp,
    CallbackHeld,
    CallerJoined,
    CallerLeft,
    Event,
    MemberRemoved,
    MemberSeen,
    Ticked,
    Waiting,
)
from ramal.core.ids import CallId
from ramal.core.state import Held, State

SILENT_MS = 20_000
"""A held callback that has not said so for this long is no longer held: it was called, answered, cancelled, or waits
for its next time."""
IN_FLIGHT_MS = 90_000
"""A customer who neither joined the queue nor was given up within this is no longer counted as in flight."""
RING_MS = 60_000


def follow(before: State, after: State, event: Event, now_ms: int) -> tuple[State, tuple[Command, ...]]:
    """Keep who is held, and call whose turn it is."""
    match event:
        case CallbackHeld():
            after = _seen(after, event, now_ms)
        case CallerJoined(waiting) if waiting.caller in after.held:
            after = replace(after, held=_without(after.held, waiting.caller))
        case AmiUp() | AmiDown():
            return (replace(after, held={}) if after.held else after), ()
        case AgentAnswered() | AgentDone() | AgentMissed() | CallerLeft() | MemberSeen() | MemberRemoved() | Ticked():
            pass
        case _:
            return after, ()
    if not after.held or not after.asterisk.up:  # a late event of a session that is gone dials nobody
        return after, ()
    return _called(_tidied(after, now_ms), now_ms)


def turns(state: State, now_ms: int) -> tuple[CallbackHeld, ...]:
    """The callbacks whose customers are to be called now, the first in the order first. Nobody's while the clock is not
    trusted: then nobody can tell whether it is an hour at which people may be called."""
    if warnings.CLOCK_UNTRUSTED in state.warnings:
        return ()
    free = {code for code, standing in state.standings.items() if standing.at(now_ms).state == "free"}
    flying = [held for held in state.held.values() if held.called_ms]
    found: list[CallbackHeld] = []
    waiting = sorted(
        (held for held in state.held.values() if not held.called_ms), key=lambda held: -_place(state, held, now_ms)
    )
    for held in waiting:
        able = {code for code in free if any(queue == held.at.queue for queue, _ in state.members.get(code, {}))}
        queues = {queue for code in able for queue, _ in state.members.get(code, {})}
        place = _place(state, held, now_ms)
        ahead = sum(caller.prio >= place for queue in queues for caller in state.waiting.get(queue, ()))
        if ahead + len(flying) + len(found) < len(able):
            found.append(held.at)
    return tuple(found)


def _called(state: State, now_ms: int) -> tuple[State, tuple[Command, ...]]:
    commands: list[Command] = []
    held = dict(state.held)
    for one in turns(state, now_ms):
        digits = one.number.removeprefix("+")
        held[one.number] = replace(held[one.number], called_ms=now_ms)
        attempt = f"callback-{one.callback}-{one.tries + 1}"
        channel = f"Local/{digits}@ramal-callback-customer/n"
        variables = (("RAMAL_ATTEMPT", str(one.tries + 1)),)
        commands.append(Originate(attempt, channel, "ramal-callback-gone", "s", f"<{one.number}>", RING_MS, variables))
        commands.append(NoteDecision(CallId(one.callback), "callback-turn", (("queue", one.queue),)))
    return (replace(state, held=held), tuple(commands)) if commands else (state, ())


def _seen(state: State, event: CallbackHeld, now_ms: int) -> State:
    known = state.held.get(event.number)
    if known is not None and known.called_ms and known.at.tries == event.tries and known.at.callback == event.callback:
        return state  # said before the dialplan counted the attempt
    return replace(state, held={**state.held, event.number: Held(event, now_ms)})


def _tidied(state: State, now_ms: int) -> State:
    kept = {
        number: held
        for number, held in state.held.items()
        if now_ms < (held.called_ms + IN_FLIGHT_MS if held.called_ms else held.seen_ms + SILENT_MS)
    }
    return state if len(kept) == len(state.held) else replace(state, held=kept)


def _place(state: State, held: Held, now_ms: int) -> int:
    """The number app_queue would order this callback by, had the caller stayed."""
    every_s = next((queue.age_every_s for queue in state.office.queues if queue.name == held.at.queue), 0)
    stood = Waiting(
        held.at.queue, CallId(held.at.callback), "", "", "", 0, 0, prio0=held.at.prio0, first_s=held.at.joined_s
    )
    return min(ageing.due(stood, every_s, now_ms), (order.LEVEL_MAX + 1) * order.SPAN)


def _without(held: Mapping[str, Held], number: str) -> Mapping[str, Held]:
    return {name: one for name, one in held.items() if name != number}
