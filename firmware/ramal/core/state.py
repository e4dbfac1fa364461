"""What the daemon knows about this moment: callers who wait, agents and what they do, Asterisk's session.

Pure. A State is never changed: ``step`` makes the next one, and any thread may read the one it was given. It holds
what is *for now* and dies with the process; history comes from Asterisk's journals. Mappings are read only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from ramal.core.events import CallbackHeld, CallerRanked, Member, Talk, Waiting
from ramal.core.office import Office
from ramal.core.warnings import Registry

AgentState = Literal["out", "free", "ringing", "talking", "wrap-up", "paused", "unreachable", "busy"]

NOTHING: Mapping[Any, Any] = MappingProxyType({})
NO_OFFICE = Office(name="")
"""Before the first office is applied: nothing is desired, so nothing is reconciled."""
Seat = tuple[str, str]
"""Queue and phone: what is unique in Asterisk."""
GRACE_MS = 1_500
"""After a talk Asterisk still calls the phone "in use" for a moment: that moment is not a second call."""

WRAP_UP = "wrap-up"
"""The pause that is none: a wrap-up app_queue does not know of, ended by Asterisk's own timer (dialplan/agent.conf)."""
UNREACHABLE = "unreachable"
"""The pause of a phone that did not say that it rings, until Asterisk has seen by itself whether it is there."""

FREE, IN_USE, BUSY, INVALID, UNAVAILABLE, RINGING, RINGING_IN_USE, ON_HOLD = 1, 2, 3, 4, 5, 6, 7, 8
"""Asterisk's device states, as AMI numbers them."""


@dataclass(frozen=True, slots=True)
class Asterisk:
    """The session to Asterisk, and since when it stands or is lost."""

    up: bool = False
    since_ms: int = 0
    version: str = ""
    reason: str = "not connected yet"


@dataclass(frozen=True, slots=True)
class Ring:
    """An agent's phone is being called for a caller."""

    agent: str
    queue: str
    call: str
    caller: str
    caller_name: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class Rest:
    """The last talk's end, and until when its queue lets the agent finish the notes. Equal = no wrap-up."""

    since_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What an agent does, since when. From ``until_ms`` on (when not 0) it is ``then``: no timer is needed."""

    state: AgentState
    since_ms: int
    reason: str = ""
    call: str = ""
    until_ms: int = 0
    then: AgentState = "free"

    def at(self, now_ms: int) -> "Standing":
        """This standing as it is at ``now_ms``."""
        if self.until_ms and now_ms >= self.until_ms:
            return Standing(self.then, self.until_ms)
        return self


@dataclass(frozen=True, slots=True)
class Held:
    """A callback that waits for its turn (core.callback). ``called_ms``: when its customer was called, 0 = not yet."""

    at: CallbackHeld
    seen_ms: int
    called_ms: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """Everything known now. ``members``: agent code → (queue, phone) → member; ``waiting``: queue → callers in order;
    ``rings``, ``talks``, ``rests``, ``standings``: by agent code; ``reach``: extension or ``line-…`` → reachable."""

    asterisk: Asterisk = Asterisk()
    office: Office = NO_OFFICE
    members: Mapping[str, Mapping[Seat, Member]] = field(default_factory=dict)
    waiting: Mapping[str, tuple[Waiting, ...]] = field(default_factory=dict)
    rings: Mapping[str, Ring] = field(default_factory=dict)
    talks: Mapping[str, Talk] = field(default_factory=dict)
    rests: Mapping[str, Rest] = field(default_factory=dict)
    reach: Mapping[str, bool] = field(default_factory=dict)
    standings: Mapping[str, Standing] = field(default_factory=dict)
    warnings: Registry = field(default_factory=dict)
    members_changed_ms: int = 0
    """When an agent last joined or left a queue; reconciling waits until that settled."""
    ranks: Mapping[str, CallerRanked] = field(default_factory=dict)
    """By channel: the last place in the order that was told (core.ageing)."""
    held: Mapping[str, Held] = field(default_factory=dict)
    """By number: callbacks that wait for their customer to be called first (core.callback)."""
    refused_ms: int = 0
    """When Asterisk last refused a command; the same plan is not tried again at once."""

    def by_home(self) -> dict[str, tuple[Waiting, ...]]:
        """Who waits in each queue of the office, the next one first: over all of app_queue's queues behind it."""
        homes: dict[str, list[Waiting]] = {}
        for line in self.waiting.values():
            for caller in line:
                homes.setdefault(caller.office_queue, []).append(caller)
        return {home: tuple(sorted(line, key=lambda caller: -caller.prio)) for home, line in homes.items()}


def standing_of(state: State, agent: str, now_ms: int) -> Standing:
    """What ``agent`` does now, derived from everything known; keeps ``since_ms`` where nothing changed."""
    before = state.standings.get(agent)
    fresh = _derive(state, agent, now_ms)
    if before is None:
        return replace(fresh, since_ms=min(fresh.since_ms, now_ms))  # a clock that was set back
    current = before.at(now_ms)
    same = (current.state, current.reason, current.call) == (fresh.state, fresh.reason, fresh.call)
    if not same and current.state == fresh.state == "talking" and not (current.call and fresh.call):
        same = True  # a talk first known only by the phone's state, then by its caller, is one talk
    if same:
        since_ms = current.since_ms
    else:
        since_ms = fresh.since_ms if current.since_ms < fresh.since_ms <= now_ms else now_ms
    return Standing(fresh.state, since_ms, fresh.reason, fresh.call, fresh.until_ms, fresh.then)


def _derive(state: State, agent: str, now_ms: int) -> Standing:
    """The standing of an agent never seen before: ``since_ms`` is Asterisk's own figure where it has one."""
    memberships = state.members.get(agent, NOTHING).values()
    talk = state.talks.get(agent)
    if not memberships and not talk:
        return Standing("out", now_ms)
    if talk or any(member.in_call for member in memberships):
        return Standing("talking", talk.since_ms if talk else now_ms, "", talk.call if talk else "")
    ring = state.rings.get(agent)
    if ring:
        return Standing("ringing", ring.since_ms, "", ring.call)
    statuses = {member.status for member in memberships}
    if statuses & {RINGING, RINGING_IN_USE}:
        return Standing("ringing", now_ms)
    rest = state.rests.get(agent, Rest(0, 0))
    in_use = bool(statuses & {IN_USE, BUSY, ON_HOLD})
    if in_use and now_ms >= rest.since_ms + GRACE_MS:
        return Standing("busy", now_ms)
    return _resting(state, memberships, rest, in_use, now_ms)


def _resting(state: State, memberships: Iterable[Member], rest: Rest, in_use: bool, now_ms: int) -> Standing:
    """The standing of a logged-in agent whose phone neither rings nor talks."""
    paused = [member for member in memberships if member.paused]
    if paused:
        began_ms = max(member.last_pause_ms for member in paused)
        reason = next((m.pause_reason for m in paused if m.pause_reason), "")
        if reason == WRAP_UP:
            return Standing("wrap-up", began_ms or now_ms)
        return Standing("unreachable" if reason == UNREACHABLE else "paused", began_ms or now_ms, reason)
    if _unreachable(state, memberships):
        return Standing("unreachable", now_ms)
    until_ms = max(rest.until_ms, rest.since_ms + GRACE_MS) if in_use else rest.until_ms
    if now_ms < rest.until_ms:
        return Standing("wrap-up", rest.since_ms, until_ms=until_ms, then="busy" if in_use else "free")
    known_ms = max(rest.until_ms, *(member.login_ms for member in memberships))
    if in_use:
        return Standing("free", known_ms or now_ms, until_ms=until_ms, then="busy")
    return Standing("free", min(known_ms, now_ms) or now_ms)


def _unreachable(state: State, memberships: Iterable[Member]) -> bool:
    return all(
        member.status in (INVALID, UNAVAILABLE) or state.reach.get(member.phone) is False for member in memberships
    )
