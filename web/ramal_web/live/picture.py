"""The live view as values: the daemon's data, sorted for a person and checked field by field.

Law: what the template gets holds no "now", so two pictures are equal exactly when nothing changed on the screen; the
clocks run in the browser. Runs on a request's thread.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from ramal_web.history import OfficeWords
from ramal_web.live.feed import Seen, Status

STATE_ORDER = ("ringing", "talking", "free", "wrap-up", "busy", "paused", "unreachable", "out")
HERE = ("ringing", "talking", "free", "wrap-up", "busy")
LOST = ("abandoned", "timed_out", "overflowed", "blocked", "unanswered", "system")
WRAP_UPS = ("wrap-up",)
"""Pause reasons that are the notes after a call."""
SHOWN = 20
"""Waiting callers that are shown one by one."""
OTHER = ("message", "closed", "gave_up", "refused", "withdrawn")


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who waits. ``ringing``: names of the agents whose phones ring for this caller."""

    call: str
    number: str
    name: str
    queue: str
    since_ms: int
    position: int
    ringing: tuple[str, ...]
    queue_name: str = ""
    vip: bool = False
    contact: str = ""
    lines: tuple[str, ...] = ()
    """Why this caller still waits: decisions, in the page's language."""


About = Callable[[list[Caller]], list[Caller]]


@dataclass(frozen=True, slots=True)
class Person:
    """An agent; ``caller`` is the number of the other side, "" when none."""

    code: str
    name: str
    state: str
    since_ms: int
    reason: str
    phone: str
    caller: str
    queues: tuple[str, ...]
    call: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue's summary."""

    name: str
    title: str
    waiting: int
    longest_since_ms: int | None
    free: int
    busy: int
    paused: int
    away: int


@dataclass(frozen=True, slots=True)
class Today:
    """The office's day so far. ``parts``: category → calls of the lost and the other ones, only those above 0.
    ``open``: calls still going on."""

    received: int
    answered: int
    lost: int
    other: int
    open: int
    parts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Warning:
    """Something amiss: its code, since when, and the figures of its sentence."""

    code: str
    since_ms: int
    args: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything on the live page. ``known`` is False when the daemon never told anything."""

    status: Status
    since_ms: int
    seen_ms: int
    known: bool
    callers: tuple[Caller, ...] = ()
    people: tuple[Person, ...] = ()
    queues: tuple[Queue, ...] = ()
    today: Today = Today(0, 0, 0, 0, 0, ())
    warnings: tuple[Warning, ...] = ()
    behind: bool = False

    @property
    def fresh(self) -> bool:
        return self.status == "ok"

    @property
    def here(self) -> int:
        """Agents who take calls now."""
        return sum(person.state in HERE for person in self.people)

    @property
    def free(self) -> int:
        return sum(person.state == "free" for person in self.people)

    def version(self, language: str) -> str:
        """Equal exactly when the screen is."""
        # seen_ms moves with every answer, and is shown only when the picture is not fresh.
        shown = replace(self, seen_ms=0, since_ms=0) if self.fresh else self
        return hashlib.blake2b(repr((language, shown)).encode(), digest_size=9).hexdigest()


def picture(seen: Seen, office: OfficeWords, about: About | None = None) -> Picture:
    """What ``seen`` shows. ``about`` adds what the database knows of the first waiting callers."""
    data = seen.data
    if data is None:
        return Picture(seen.status, seen.since_ms, seen.seen_ms, known=False)
    stopped = any(row["code"] == "recording-stopped" for row in data.get("warnings", ()))
    return Picture(
        status=seen.status,
        since_ms=seen.since_ms,
        seen_ms=seen.seen_ms,
        known=True,
        callers=_callers(data.get("waiting", ()), office, about),
        people=tuple(sorted((person_of(row, office) for row in data.get("agents", ())), key=_rank)),
        queues=tuple(_queue(row) for row in data.get("queues", ())),
        today=today(data.get("today", {})),
        warnings=tuple(
            Warning(str(row["code"]), int(row["since_ms"]), tuple(sorted(row.get("text_args", {}).items())))
            for row in data.get("warnings", ())
            if row["code"] not in ("disk-full", "disk-low") or not stopped  # one sentence for one thing
        ),
        behind=int(data.get("ingest", {}).get("behind_bytes", 0)) > 0,
    )


def today(counts: dict[str, int]) -> Today:
    """The day's calls in the three groups an owner thinks in: spoken with, lost, and came for something else."""
    answered = counts.get("answered", 0)
    lost = sum(counts.get(category, 0) for category in LOST)
    other = sum(counts.get(category, 0) for category in OTHER)
    received = counts.get("received", answered + lost + other)
    parts = tuple((c, counts[c]) for c in (*LOST, *OTHER) if counts.get(c, 0) > 0)
    return Today(received, answered, lost, other, max(0, received - answered - lost - other), parts)


def _callers(rows: Iterable[dict[str, Any]], office: OfficeWords, about: About | None) -> tuple[Caller, ...]:
    callers = sorted((_caller(row, office) for row in rows), key=lambda caller: caller.since_ms)
    if about is not None:
        callers[:SHOWN] = about(callers[:SHOWN])
    return tuple(callers)


def _caller(row: dict[str, Any], office: OfficeWords) -> Caller:
    return Caller(
        call=str(row["call"]),
        number=str(row.get("caller", "")),
        name=str(row.get("caller_name", "")),
        queue=office.queues.get(str(row["queue"]), str(row["queue"])),
        queue_name=str(row["queue"]),
        since_ms=int(row["since_ms"]),
        position=int(row.get("position", 0)),
        ringing=tuple(office.agents.get(str(code), str(code)) for code in row.get("ringing", ())),
    )


def person_of(row: dict[str, Any], office: OfficeWords) -> Person:
    """One agent as the daemon tells it."""
    state, reason = str(row["state"]), str(row.get("reason", ""))
    if state == "paused" and reason in WRAP_UPS:
        state = "wrap-up"
    return Person(
        code=str(row["code"]),
        name=str(row.get("name") or row["code"]),
        state=state if state in STATE_ORDER else "unreachable",
        since_ms=int(row.get("since_ms") or 0),
        reason=office.pauses.get(reason, reason) if state == "paused" else "",
        call=str(row.get("call", "")),
        phone=str(row.get("phone", "")),
        caller=str(row.get("caller", "")),
        queues=tuple(office.queues.get(str(name), str(name)) for name in row.get("queues", ())),
    )


def _rank(person: Person) -> tuple[int, str]:
    return STATE_ORDER.index(person.state), person.name.casefold()


def _queue(row: dict[str, Any]) -> Queue:
    longest = row.get("longest_since_ms")
    return Queue(
        name=str(row["name"]),
        title=str(row.get("title") or row["name"]),
        waiting=int(row.get("waiting", 0)),
        longest_since_ms=int(longest) if longest else None,
        free=int(row.get("agents_free", 0)),
        busy=int(row.get("agents_busy", 0)),
        paused=int(row.get("agents_paused", 0)),
        away=int(row.get("agents_away", 0)),
    )
