"""Asterisk's app_queue as we measured it, in virtual time: for the simulated week only; real calls are in tests/system.

What it does is what the real one was seen to do (tests/system/test_order.py, test_stages.py): callers of a queue stand
by priority, then by their coming; ``force_longest_waiting_caller = prio``: an agent is not rung for a caller while a
queue it serves holds one of higher priority, or of the same and earlier; among agents the lowest penalty, then the
longest idle. It tells what AMI would tell, as the core's own events, and carries out the core's commands.
"""

import heapq
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from ramal.core import commands, events
from ramal.core.ids import AgentCode, CallId, Extension, QueueName

FREE, IN_USE, RINGING = 1, 2, 6


@dataclass(slots=True)
class Entry:
    """A caller in one queue. ``prio`` is app_queue's; ``joined_ms`` of this queue. ``patience_ms``: then it hangs up.
    ``on_end`` hears how it ended: answered, abandoned, timed_out."""

    queue: str
    call: str
    channel: str
    prio: int
    joined_ms: int
    limit_ms: int
    on_end: Callable[[str, str], None]
    prio0: int = 0
    """What it came with."""
    rings: str = ""
    """The agent whose phone rings for it."""
    refused: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Person:
    """One agent and its phone. ``answers``: what it does with the next ring: (kind, after ms), kind answer, miss or
    reject. ``seats``: queue to penalty."""

    code: str
    phone: str
    seats: dict[str, int] = field(default_factory=dict)
    paused: str = ""
    state: str = "free"
    call: str = ""
    idle_since_ms: int = 0
    rests_until_ms: int = 0


class AppQueue:
    """The model. ``at`` schedules; ``run`` lives until nothing is due or ``until_ms``."""

    def __init__(self, now_ms: int, ring_ms: int, wrap_ms: int) -> None:
        self.now_ms, self.ring_ms, self.wrap_ms = now_ms, ring_ms, wrap_ms
        self.queues: dict[str, list[Entry]] = {}
        self.people: dict[str, Person] = {}
        self.tell: Callable[[events.Event], None] = lambda event: None
        self.choose: Callable[[Person], tuple[str, int]] = lambda person: ("answer", 2000)
        self.talk_ms: Callable[[Entry], int] = lambda entry: 60_000
        self.phones: tuple[str, ...] = ()
        """Every phone that is registered, also while nobody sits there."""
        self.offers: list[tuple[int, str, str, str]] = []
        """(ms, agent, call, what the agent's pause was): every ring."""
        self.served: list[tuple[int, str, str, int]] = []
        """(ms, agent, call, talk ms): every answer."""
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._serial = itertools.count()

    # -- time ----------------------------------------------------------------------------------------------------------

    def at(self, when_ms: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (max(when_ms, self.now_ms), next(self._serial), act))

    def run(self, until_ms: int) -> None:
        while self._due and self._due[0][0] <= until_ms:
            self.now_ms, _, act = heapq.heappop(self._due)
            act()
        self.now_ms = max(self.now_ms, until_ms)

    # -- agents --------------------------------------------------------------------------------------------------------

    def log_in(self, code: str, phone: str, seats: Iterable[tuple[str, int]]) -> Person:
        person = Person(code, phone, dict(seats), idle_since_ms=self.now_ms)
        self.people[code] = person
        self._seen(person)
        self._offer()
        return person

    def log_out(self, code: str) -> None:
        person = self.people[code]
        if person.state == "ringing":
            self._unring(person)
        for queue in tuple(person.seats):
            del person.seats[queue]
            self.tell(events.MemberRemoved(QueueName(queue), AgentCode(code), person.phone))
        if person.state == "free":
            del self.people[code]

    def pause(self, code: str, reason: str) -> None:
        person = self.people.get(code)
        if person is None:
            return
        person.paused = reason
        self._seen(person)
        if not reason:
            self._offer()

    # -- callers -------------------------------------------------------------------------------------------------------

    def join(self, entry: Entry, caller: str, patience_ms: int) -> None:
        line = self.queues.setdefault(entry.queue, [])
        place = next((n for n, other in enumerate(line) if other.prio < entry.prio), len(line))
        line.insert(place, entry)
        entry.prio0 = entry.prio
        queue, call, first_s = QueueName(entry.queue), CallId(entry.call), entry.joined_ms // 1000
        rank = (entry.prio, entry.prio, first_s, first_s)
        self.tell(events.CallerRanked(queue, call, entry.channel, entry.queue, *rank))
        self.tell(
            events.CallerJoined(events.Waiting(queue, call, entry.channel, caller, "", place + 1, entry.joined_ms))
        )
        self.at(self.now_ms + patience_ms, lambda: self._leave(entry, "abandoned"))
        self.at(self.now_ms + entry.limit_ms, lambda: self._time_out(entry))
        self._offer()

    def do(self, command: commands.Command) -> None:
        """Carry out what the core asked for."""
        match command:
            case commands.AddMember():
                person = self.people.get(command.agent)
                if person is not None and person.phone == command.phone:
                    person.seats.setdefault(command.queue, command.penalty)
                    if command.paused:
                        person.paused = person.paused or command.pause_reason or "pause"
                    self._seen(person)
                    self._offer()
            case commands.RemoveMember():
                for person in self.people.values():
                    if person.phone == command.phone and command.queue in person.seats:
                        del person.seats[command.queue]
                        self.tell(events.MemberRemoved(command.queue, AgentCode(person.code), person.phone))
            case commands.SetPenalty():
                for person in self.people.values():
                    if person.phone == command.phone and command.queue in person.seats:
                        person.seats[command.queue] = command.penalty
                        self._seen(person)
            case commands.PauseMember():
                for person in tuple(self.people.values()):
                    if person.phone == command.phone:
                        self.pause(person.code, (command.reason or "pause") if command.paused else "")
            case commands.ChangePriority():
                line = self.queues.get(command.queue, [])
                moved = next((entry for entry in line if entry.channel == command.channel), None)
                if moved is not None:
                    line.remove(moved)
                    moved.prio = command.priority
                    place = next((n for n, other in enumerate(line) if other.prio < moved.prio), len(line))
                    line.insert(place, moved)
                    self._offer()
            case _:
                pass

    # -- inside --------------------------------------------------------------------------------------------------------

    def _offer(self) -> None:
        """Ring whoever may be rung now."""
        for entry in [entry for name in sorted(self.queues) for entry in self.queues[name]]:
            if entry.rings:
                continue
            able = [person for person in self.people.values() if self._may(person, entry)]
            if able:
                best = min(able, key=lambda one: (one.seats[entry.queue], one.idle_since_ms, one.code))
                self._ring(best, entry)

    def _may(self, person: Person, entry: Entry) -> bool:
        if entry.queue not in person.seats or person.paused or person.state != "free":
            return False
        if self.now_ms < person.rests_until_ms:
            return False
        for name in person.seats:
            for other in self.queues.get(name, ()):
                ahead = other.prio > entry.prio or (other.prio == entry.prio and other.joined_ms < entry.joined_ms)
                if other is not entry and not other.rings and ahead:
                    return False
        return True

    def _ring(self, person: Person, entry: Entry) -> None:
        person.state, person.call, entry.rings = "ringing", entry.call, person.code
        self.offers.append((self.now_ms, person.code, entry.call, person.paused))
        rang = events.AgentRang(QueueName(entry.queue), AgentCode(person.code), CallId(entry.call), "", "")
        self._seen(person)
        self.tell(rang)
        kind, after_ms = self.choose(person)
        if kind == "answer" and after_ms < self.ring_ms:
            self.at(self.now_ms + after_ms, lambda: self._answer(person, entry))
        else:
            after_ms = min(after_ms, self.ring_ms) if kind == "reject" else self.ring_ms
            self.at(self.now_ms + after_ms, lambda: self._miss(person, entry, after_ms))

    def _answer(self, person: Person, entry: Entry) -> None:
        if person.call != entry.call or entry.rings != person.code:
            return
        self.queues[entry.queue].remove(entry)
        talk_ms = self.talk_ms(entry)
        person.state = "talking"
        self.served.append((self.now_ms, person.code, entry.call, talk_ms))
        queue, agent, call = QueueName(entry.queue), AgentCode(person.code), CallId(entry.call)
        self.tell(events.CallerLeft(queue, call, entry.channel))
        self.tell(events.AgentAnswered(queue, agent, call, "", "", self.now_ms - entry.joined_ms, entry.channel))
        self._seen(person)
        entry.on_end("answered", person.code)
        self.at(self.now_ms + talk_ms, lambda: self._done(person, entry))
        self._offer()

    def _done(self, person: Person, entry: Entry) -> None:
        person.state, person.call, person.idle_since_ms = "free", "", self.now_ms
        person.rests_until_ms = self.now_ms + self.wrap_ms
        done = events.AgentDone(QueueName(entry.queue), AgentCode(person.code), CallId(entry.call), "caller")
        self.tell(done)
        if person.seats:
            self._seen(person)
            self.at(person.rests_until_ms, self._offer)
        elif self.people.get(person.code) is person:
            del self.people[person.code]

    def _miss(self, person: Person, entry: Entry, rang_ms: int) -> None:
        if person.call != entry.call or entry.rings != person.code:
            return
        self._unring(person)
        queue, agent = QueueName(entry.queue), AgentCode(person.code)
        self.tell(events.AgentMissed(queue, agent, CallId(entry.call), rang_ms))
        self.at(self.now_ms + 1000, self._offer)

    def _unring(self, person: Person) -> None:
        for line in self.queues.values():
            for entry in line:
                if entry.rings == person.code:
                    entry.rings = ""
        person.state, person.call, person.idle_since_ms = "free", "", self.now_ms
        self._seen(person)

    def _time_out(self, entry: Entry) -> None:
        if entry in self.queues.get(entry.queue, ()):
            self._leave(entry, "timed_out")

    def _leave(self, entry: Entry, how: str) -> None:
        line = self.queues.get(entry.queue, [])
        if entry not in line:
            return
        line.remove(entry)
        left = events.CallerLeft(QueueName(entry.queue), CallId(entry.call), entry.channel, how == "abandoned")
        self.tell(left)
        person = self.people.get(entry.rings)
        if person is not None:
            entry.rings = ""
            self._unring(person)
        entry.on_end(how, "")
        self._offer()

    def _seen(self, person: Person) -> None:
        status = {"free": FREE, "ringing": RINGING, "talking": IN_USE}[person.state]
        for queue, penalty in person.seats.items():
            self.tell(events.MemberSeen(self._member(person, queue, penalty, status)))

    def _member(self, person: Person, queue: str, penalty: int, status: int) -> events.Member:
        return events.Member(
            QueueName(queue), AgentCode(person.code), Extension(person.phone), status, person.state == "talking",
            bool(person.paused), person.paused, penalty,
        )  # fmt: skip

    def snapshot(self) -> events.AmiUp:
        """What a new look at Asterisk would see: for a daemon that was killed and is back."""
        status = {"free": FREE, "ringing": RINGING, "talking": IN_USE}
        members = tuple(
            self._member(person, queue, penalty, status[person.state])
            for person in self.people.values()
            for queue, penalty in person.seats.items()
        )
        waiting = tuple(
            events.Waiting(
                QueueName(name),
                CallId(one.call),
                one.channel,
                "",
                "",
                place + 1,
                one.joined_ms,
                name,
                one.prio0,
                one.prio,
                one.joined_ms // 1000,
            )
            for name, line in self.queues.items()
            for place, one in enumerate(line)
        )
        phones = self.phones or tuple(person.phone for person in self.people.values())
        talks = tuple(
            events.Talk(AgentCode(person.code), QueueName(next(iter(person.seats))), CallId(person.call))
            for person in self.people.values()
            if person.state == "talking" and person.seats
        )
        return events.AmiUp(members, waiting, phones, "22.10.0", talks)


def paused_offers(model: AppQueue) -> list[tuple[int, str, str, str]]:
    """Rings of agents who were paused: must be none."""
    return [offer for offer in model.offers if offer[3]]


def overlapping(model: AppQueue) -> list[tuple[str, str, str]]:
    """(agent, call, call): two talks of one agent at once: must be none."""
    found = []
    last: dict[str, tuple[int, str]] = {}
    for at_ms, agent, call, talk_ms in sorted(model.served):
        until_ms, before = last.get(agent, (0, ""))
        if at_ms < until_ms:
            found.append((agent, before, call))
        last[agent] = (at_ms + talk_ms, call)
    return found


__all__ = ["AppQueue", "Entry", "Person", "overlapping", "paused_offers", "replace"]
