"""One event at a time: ``step(state, event, now_ms)`` gives the next state and what is to be done.

Pure; runs on the engine thread. Law: it never raises, whatever the order of events. An event that does not fit what is
known (a stranger leaves, a talk ends twice) changes nothing; Asterisk's word always wins over an old belief. Nothing
here is history: whatever is missed is healed by the next ``MemberSeen``, ``Ticked`` or ``AmiUp``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar, assert_never

from ramal.core import ageing, callback, places, reconcile, strategies, warnings
from ramal.core.commands import Command
from ramal.core.events import (
    AgentAnswered,
    AgentDone,
    AgentMissed,
    AgentRang,
    AmiDown,
    AmiUp,
    CallbackHeld,
    CallerJoined,
    CallerLeft,
    CallerRanked,
    CommandRefused,
    ConditionSeen,
    Event,
    Member,
    MemberRemoved,
    MemberSeen,
    OfficeLoaded,
    ReachChanged,
    Talk,
    Ticked,
    Waiting,
)
from ramal.core.state import (
    BUSY,
    FREE,
    IN_USE,
    NOTHING,
    ON_HOLD,
    RINGING,
    RINGING_IN_USE,
    Asterisk,
    Rest,
    Ring,
    Seat,
    Standing,
    State,
    standing_of,
)
from ramal.core.wrap_up import own_wrap_up_s

SETTLED_MS = 3_000
"""A log-in or log-out touches one queue after the other; reconciling in the middle would undo it."""
REFUSED_MS = 60_000
"""How long a refused plan rests before a tick tries it again."""
RING_ORPHAN_MS = 5_000
"""A ring whose caller is gone for that long was ended by an event that got lost."""

K = TypeVar("K")
V = TypeVar("V")
Moved = tuple[State, Iterable[str]]
"""The next state and the agents whose standing may have changed."""

Follower = Callable[[State, State, Event, int], tuple[State, tuple[Command, ...]]]
"""One feature's part of a step: (before, after so far, event, now) to (after, its commands). Never raises."""
FOLLOWERS: tuple[Follower, ...] = (ageing.follow, strategies.follow, callback.follow)

QUIET = {RINGING: FREE, RINGING_IN_USE: IN_USE}


def step(state: State, event: Event, now_ms: int) -> tuple[State, tuple[Command, ...]]:
    """The state after ``event``, and the commands it calls for. ``now_ms``: milliseconds since 1970, UTC."""
    moved, agents = _move(state, event, now_ms)
    commands = _commands(state, moved, event, now_ms)
    after = _settled(moved, agents, now_ms)
    for follow in FOLLOWERS:
        after, more = follow(state, after, event, now_ms)
        commands += more
    return after, commands


def _move(state: State, event: Event, now_ms: int) -> Moved:
    match event:
        case MemberSeen(member):
            return _member_seen(state, member, now_ms)
        case CallerJoined(waiting):
            return _joined(state, waiting, now_ms)
        case CallerLeft():
            return _left(state, event)
        case CallerRanked() | CallbackHeld():
            return state, ()
        case AgentRang():
            return _rang(state, event, now_ms)
        case AgentAnswered():
            return _answered(state, event, now_ms)
        case AgentMissed():
            return _missed(state, event)
        case AgentDone():
            return _done(state, event, now_ms)
        case MemberRemoved():
            return _removed(state, event, now_ms)
        case ReachChanged(endpoint, reachable):
            return _reach_changed(state, endpoint, reachable)
        case Ticked():
            return _ticked(state, now_ms)
        case ConditionSeen(code, holds, args):
            return _warned(state, code, holds, args, now_ms), ()
        case AmiUp():
            return _up(state, event, now_ms)
        case AmiDown(reason):
            return _down(state, reason, now_ms), ()
        case OfficeLoaded(office):
            agents = {agent.code for agent in office.agents}
            loaded = replace(state, office=office, standings=_kept(state.standings, agents | set(state.members)))
            return loaded, agents if state.asterisk.up else ()  # before that, "out" would be a guess
        case CommandRefused():
            return replace(state, refused_ms=now_ms), ()
        case _:
            assert_never(event)


def _commands(before: State, after: State, event: Event, now_ms: int) -> tuple[Command, ...]:
    """Reconciling is level-triggered: at every fresh look at Asterisk, at new settings, and from time to time."""
    match event:
        case AmiUp() | OfficeLoaded():
            due = True
        case Ticked():
            due = now_ms >= max(before.members_changed_ms + SETTLED_MS, before.refused_ms + REFUSED_MS)
        case _:
            due = False
    if not due or not after.asterisk.up or not after.office.name:
        return ()
    return reconcile.plan(after.office, (member for seats in after.members.values() for member in seats.values()))


def _settled(state: State, agents: Iterable[str], now_ms: int) -> State:
    changed: dict[str, Standing] = {}
    for agent in agents:
        standing = standing_of(state, agent, now_ms)
        if standing != state.standings.get(agent):
            changed[agent] = standing
    return replace(state, standings={**state.standings, **changed}) if changed else state


# -- callers ---------------------------------------------------------------------------------------------------------


def _joined(state: State, waiting: Waiting, now_ms: int) -> Moved:
    line = state.waiting.get(waiting.queue, ())
    if any(other.call == waiting.call for other in line):
        return state, ()
    if not waiting.joined_ms:
        waiting = replace(waiting, joined_ms=now_ms)
    elsewhere = _without_caller(state.waiting, waiting.call)
    index = min(max(waiting.position - 1, 0), len(line)) if waiting.position else len(line)
    return replace(state, waiting={**elsewhere, waiting.queue: (*line[:index], waiting, *line[index:])}), ()


def _left(state: State, event: CallerLeft) -> Moved:
    left = replace(state, waiting=_without_caller(state.waiting, event.call, event.queue))
    if not event.abandoned:  # answered, perhaps: the ring becomes a talk in a moment
        return left, ()
    agents = [ring.agent for ring in state.rings.values() if ring.call == event.call]
    return _silenced(left, agents), agents


def _without_caller(
    waiting: Mapping[str, tuple[Waiting, ...]], call: str, queue: str = ""
) -> Mapping[str, tuple[Waiting, ...]]:
    for name in (queue,) if queue else tuple(waiting):
        line = waiting.get(name, ())
        if any(caller.call == call for caller in line):
            waiting = {**waiting, name: tuple(caller for caller in line if caller.call != call)}
    return waiting


# -- agents ----------------------------------------------------------------------------------------------------------


def _rang(state: State, event: AgentRang, now_ms: int) -> Moved:
    known = state.rings.get(event.agent)
    if known and known.call == event.call:
        return state, ()
    if event.agent not in state.members or not _waits(state, event.call):
        return state, ()
    ring = Ring(event.agent, event.queue, event.call, event.caller, event.caller_name, now_ms)
    rings = {**state.rings, event.agent: ring}
    return replace(state, rings=rings, talks=_without(state.talks, event.agent)), (event.agent,)


def _answered(state: State, event: AgentAnswered, now_ms: int) -> Moved:
    known = state.talks.get(event.agent)
    if known and known.call == event.call:
        return state, ()
    others = [talk.agent for talk in state.talks.values() if talk.call == event.call]
    rang = [ring.agent for ring in state.rings.values() if ring.call == event.call and ring.agent != event.agent]
    talk = Talk(event.agent, event.queue, event.call, event.caller, event.caller_name, now_ms)
    moved = replace(
        _silenced(state, rang),
        waiting=_without_caller(state.waiting, event.call),
        talks={**_without(state.talks, *others), event.agent: talk},
    )
    if event.agent in moved.rings:
        moved = replace(moved, rings=_without(moved.rings, event.agent))
    return moved, {*others, *rang, event.agent}


def _missed(state: State, event: AgentMissed) -> Moved:
    ring = state.rings.get(event.agent)
    if ring is None or ring.call != event.call:
        return state, ()
    return _silenced(state, (event.agent,)), (event.agent,)


def _done(state: State, event: AgentDone, now_ms: int) -> Moved:
    talk = state.talks.get(event.agent)
    if talk is None or talk.call != event.call:
        return state, ()
    return _talk_over(state, talk, now_ms), (event.agent,)


def _talk_over(state: State, talk: Talk, now_ms: int) -> State:
    wrap_up_s = places.wrap_up_s(state.office, talk.queue)
    seats = state.members.get(talk.agent, NOTHING)
    quiet = {seat: replace(member, in_call=False) for seat, member in seats.items() if member.in_call}
    return replace(
        state,
        talks=_without(state.talks, talk.agent),
        rests={**state.rests, talk.agent: Rest(now_ms, now_ms + 1000 * wrap_up_s)},
        members={**state.members, talk.agent: {**seats, **quiet}} if quiet else state.members,
    )


def _silenced(state: State, agents: Iterable[str]) -> State:
    """The state in which these agents' phones no longer ring: Asterisk says so itself only a moment later."""
    rings, members = dict(state.rings), dict(state.members)
    for agent in agents:
        rings.pop(agent, None)
        seats = members.get(agent)
        if seats and any(member.status in QUIET for member in seats.values()):
            members[agent] = {
                seat: replace(member, status=QUIET.get(member.status, member.status)) for seat, member in seats.items()
            }
    return replace(state, rings=rings, members=members)


# -- members ---------------------------------------------------------------------------------------------------------


def _member_seen(state: State, member: Member, now_ms: int) -> Moved:
    seats = state.members.get(member.agent, NOTHING)
    known = seats.get((member.queue, member.phone))
    if known == member:
        return state, ()
    moved = replace(
        state,
        members={**state.members, member.agent: {**seats, (member.queue, member.phone): member}},
        members_changed_ms=state.members_changed_ms if known else now_ms,
    )
    if known:
        moved = _phone_moved(moved, known, member, now_ms)
    return moved, (member.agent,)


def _phone_moved(state: State, known: Member, member: Member, now_ms: int) -> State:
    """Heal what a lost event left behind: a phone that stopped ringing or talking ends the ring or the talk."""
    ring, talk = state.rings.get(member.agent), state.talks.get(member.agent)
    if ring and known.status in QUIET and member.status not in QUIET and not _waits(state, ring.call):
        state = replace(state, rings=_without(state.rings, member.agent))
    was_busy = known.in_call or known.status in (IN_USE, BUSY, ON_HOLD, RINGING_IN_USE)
    if talk and was_busy and member.status == FREE and not member.in_call:
        state = _talk_over(state, talk, now_ms)
    return state


def _removed(state: State, event: MemberRemoved, now_ms: int) -> Moved:
    seats, agent = state.members.get(event.agent, NOTHING), event.agent
    left = {
        (queue, phone): member
        for (queue, phone), member in seats.items()
        if queue != event.queue or (event.phone and phone != event.phone)
    }
    if len(left) == len(seats):
        return state, ()
    members = {**state.members, agent: left} if left else _without(state.members, agent)
    moved = replace(state, members=members, members_changed_ms=now_ms)
    if not left:
        moved = replace(moved, rings=_without(moved.rings, agent), rests=_without(moved.rests, agent))
    return moved, (agent,)


def _reach_changed(state: State, endpoint: str, reachable: bool) -> Moved:
    if state.reach.get(endpoint) is reachable:
        return state, ()
    agents = [code for code, seats in state.members.items() if any(phone == endpoint for _, phone in seats)]
    return replace(state, reach={**state.reach, endpoint: reachable}), agents


# -- Asterisk and the daemon -----------------------------------------------------------------------------------------


def _up(state: State, event: AmiUp, now_ms: int) -> Moved:
    members: dict[str, dict[Seat, Member]] = {}
    for member in event.members:
        members.setdefault(member.agent, {})[member.queue, member.phone] = member
    known = {(caller.queue, caller.call): caller for line in state.waiting.values() for caller in line}
    waiting: dict[str, tuple[Waiting, ...]] = {}
    placed: set[str] = set()
    for caller in sorted(event.waiting, key=lambda caller: caller.position):
        before = known.get((caller.queue, caller.call))
        joined_ms = before.joined_ms if before else caller.joined_ms or now_ms
        if caller.call not in placed:
            placed.add(caller.call)
            waiting[caller.queue] = (*waiting.get(caller.queue, ()), replace(caller, joined_ms=joined_ms))
    callers = {caller.call for line in waiting.values() for caller in line}
    since_ms = state.asterisk.since_ms if state.asterisk.up else now_ms
    endpoints = {phone.extension for phone in state.office.phones} | set(state.reach)
    endpoints |= {f"line-{line.name}" for line in state.office.lines if line.host}
    moved = replace(
        state,
        asterisk=Asterisk(True, since_ms, event.version, ""),
        members=members,
        waiting=waiting,
        talks=_talks_at_up(state, event, members, now_ms),
        rests=_rests_at_up(state, members),
        reach={name: name in event.reached for name in endpoints | set(event.reached)},
        members_changed_ms=now_ms,
        warnings=warnings.seen(state.warnings, warnings.ASTERISK_DOWN, False, (), now_ms),
    )
    rings = {
        agent: ring
        for agent, ring in state.rings.items()
        if ring.call in callers
        and agent not in moved.talks
        and any(member.status in QUIET for member in members.get(agent, {}).values())
    }
    everybody = {*members, *state.standings, *(agent.code for agent in state.office.agents)}
    return replace(moved, rings=rings), everybody


def _talks_at_up(
    state: State, event: AmiUp, members: Mapping[str, Mapping[Seat, Member]], now_ms: int
) -> Mapping[str, Talk]:
    talks: dict[str, Talk] = {}
    for agent, talk in state.talks.items():
        if any(m.in_call or m.status in (IN_USE, BUSY, ON_HOLD) for m in members.get(agent, {}).values()):
            talks[agent] = talk
    for talk in event.talks:
        before = state.talks.get(talk.agent)
        same = before is not None and before.call == talk.call
        since_ms = before.since_ms if before and same else talk.since_ms or now_ms
        talks = {agent: other for agent, other in talks.items() if other.call != talk.call}
        talks[talk.agent] = replace(talk, since_ms=since_ms)
    return talks


def _rests_at_up(state: State, members: Mapping[str, Mapping[Seat, Member]]) -> Mapping[str, Rest]:
    """Asterisk's own figure (whole seconds) where it is newer than ours."""
    wraps = {agent.code: 1000 * own_wrap_up_s(state.office, agent) for agent in state.office.agents}
    rests: dict[str, Rest] = {}
    for agent, seats in members.items():
        ours = state.rests.get(agent, Rest(0, 0))
        last_ms = max(member.last_call_ms for member in seats.values())
        rests[agent] = Rest(last_ms, last_ms + wraps.get(agent, 0)) if last_ms > ours.since_ms + 1000 else ours
    return rests


def _down(state: State, reason: str, now_ms: int) -> State:
    """The last picture stays, marked as old: callers wait and agents talk on without us."""
    since_ms = now_ms if state.asterisk.up or not state.asterisk.since_ms else state.asterisk.since_ms
    down = Asterisk(False, since_ms, state.asterisk.version, reason)
    return _warned(replace(state, asterisk=down), warnings.ASTERISK_DOWN, True, (("reason", reason),), now_ms)


def _warned(state: State, code: str, holds: bool, args: warnings.Args, now_ms: int) -> State:
    registry = warnings.seen(state.warnings, code, holds, args, now_ms)
    return state if registry is state.warnings else replace(state, warnings=registry)


def _ticked(state: State, now_ms: int) -> Moved:
    orphans = [
        ring.agent
        for ring in state.rings.values()
        if now_ms >= ring.since_ms + RING_ORPHAN_MS and not _waits(state, ring.call)
    ]
    return (_silenced(state, orphans) if orphans else state), orphans


def _waits(state: State, call: str) -> bool:
    return any(caller.call == call for line in state.waiting.values() for caller in line)


def _without(mapping: Mapping[K, V], *keys: K) -> Mapping[K, V]:
    return {key: value for key, value in mapping.items() if key not in keys}


def _kept(mapping: Mapping[K, V], keys: Iterable[K]) -> Mapping[K, V]:
    wanted = set(keys)
    return {key: value for key, value in mapping.items() if key in wanted}
