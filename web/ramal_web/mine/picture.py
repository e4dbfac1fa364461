"""One agent's moment as values: what the agent does, and the call on the phone with what is known of its caller.

Law: what the template gets holds no "now", so two pictures are equal exactly when nothing changed on the screen. The
database is asked only when the daemon's word on this agent changed or ``LOOK_AGAIN_S`` passed. On a request's thread.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ramal.core.contacts import Contact
from ramal.core.numbering import area_of, normalise
from ramal.store.read import Before, CallDetail, CallRow, Note
from ramal_web.calls.query import day_start_ms
from ramal_web.calls.words import Speaker
from ramal_web.history import History, OfficeWords
from ramal_web.live.feed import Seen, Status
from ramal_web.live.picture import Person, person_of

LOOK_AGAIN_S = 2
LINGERS_MS = 180_000
"""A call that ended stays on its agent's page for this long after, or as long as the agent is in wrap-up."""
ON_CALL = ("ringing", "talking", "busy")
OWN_REASONS = ("pause", "missed", "rejected", "dnd", "supervisor", "unreachable", "wrap-up")


@dataclass(frozen=True, slots=True)
class Pop:
    """A call on the agent's phone, or the one just over. ``since_ms``: joined the queue (waits still); ``waited_ms``:
    waited so long before. ``choices``: dispositions of its queue, code → text; ``said``: the code that was said."""

    call: str
    number: str
    name: str
    vip: bool
    about: str
    queue: str
    lines: tuple[str, ...]
    since_ms: int | None
    waited_ms: int | None
    times_today: int
    before: tuple[Before, ...]
    notes: tuple[Note, ...]
    choices: tuple[tuple[str, str], ...]
    said: str
    going_on: bool
    outgoing: bool


@dataclass(frozen=True, slots=True)
class Mine:
    """Everything that changes by the second on one agent's page. ``reason``: the code of the pause."""

    status: Status
    since_ms: int
    seen_ms: int
    known: bool
    person: Person | None
    reason: str
    waiting: int
    pop: Pop | None

    @property
    def fresh(self) -> bool:
        return self.status == "ok"

    @property
    def warnings(self) -> tuple[()]:
        """What is amiss with the box is shown to whoever minds it, not while a phone rings."""
        return ()

    def version(self, language: str) -> str:
        """Equal exactly when the screen is."""
        shown = replace(self, seen_ms=0, since_ms=0) if self.fresh else self
        return hashlib.blake2b(repr((language, shown)).encode(), digest_size=9).hexdigest()


def told_of(seen: Seen, agent: str) -> dict[str, Any]:
    """The daemon's words on one agent; {} when there are none."""
    return next((dict(row) for row in (seen.data or {}).get("agents", ()) if row.get("code") == agent), {})


def cheap(seen: Seen, agent: str, language: str, now_s: float) -> int:
    """Changes whenever the picture may: what is compared before the database is asked."""
    data = seen.data or {}
    lines = [(row.get("call"), row.get("queue")) for row in data.get("waiting", ())]
    trouble = None if seen.status == "ok" else seen.seen_ms
    row = sorted((name, str(value)) for name, value in told_of(seen, agent).items())
    return hash((language, seen.status, trouble, str(row), str(lines), int(now_s / LOOK_AGAIN_S)))


def mine(seen: Seen, agent: str, office: OfficeWords, history: History, now_ms: int) -> Mine:
    """The moment of ``agent``."""
    row = told_of(seen, agent)
    data = seen.data or {}
    person = person_of(row, office) if row else None
    queues = set(row.get("queues", ()))
    waiting = sum(caller.get("queue") in queues for caller in data.get("waiting", ()))
    pop = _pop(row, person, data, office, history, now_ms) if person is not None else None
    return Mine(seen.status, seen.since_ms, seen.seen_ms, bool(data), person, str(row.get("reason", "")), waiting, pop)


def _pop(
    row: Mapping[str, Any], person: Person, data: Mapping[str, Any], office: OfficeWords, history: History, now_ms: int
) -> Pop | None:
    live = person.state in ("ringing", "talking") and bool(person.call)
    if live:
        detail = history.call(person.call)
        found = detail.call if detail else None
    else:
        found = _last(history, person, now_ms)
        detail = history.call(found.id) if found else None
        if found is None or detail is None:
            return None
    call_id = person.call if live else (found.id if found else "")
    outgoing = found is not None and found.direction == "out"
    number = _number(found.number if found and outgoing else (found.caller if found else person.caller), office)
    queue = str(row.get("queue") or (found.queue if found else ""))
    waits = next((caller for caller in data.get("waiting", ()) if caller.get("call") == call_id), None)
    contact = history.contact(number) if number else None
    day_ms = day_start_ms(datetime.fromtimestamp(now_ms / 1000, office.zone).date(), office.zone)
    return Pop(
        call=call_id,
        number=number or (person.caller if live else ""),
        name=_name(contact, found, waits),
        vip=bool(contact and contact.vip),
        about=contact.note if contact else "",
        queue=queue,
        lines=_lines(detail, office),
        since_ms=int(waits["since_ms"]) if waits else None,
        waited_ms=None if waits or found is None else found.wait_ms,
        times_today=history.calls_since(number, day_ms),
        before=tuple(history.calls_before(number, call_id)),
        notes=tuple(history.notes(call_id)),
        choices=tuple(office.dispositions.get(queue, {}).items()),
        said=found.disposition if found else "",
        going_on=live or (found is not None and found.ended_ms is None),
        outgoing=outgoing,
    )


def _last(history: History, person: Person, now_ms: int) -> CallRow | None:
    """The agent's last call when it still matters."""
    if person.state == "out":
        return None
    found = history.last_of_agent(person.code)
    if found is None or found.ended_ms is None:
        return found if person.state in ON_CALL else None
    return found if person.state == "wrap-up" or now_ms - found.ended_ms < LINGERS_MS else None


def _number(text: str, office: OfficeWords) -> str:
    """E.164, or "" for what is no public number."""
    first = next(iter(office.numbers), "")
    return text if text.startswith("+") else normalise(text, office.country, area_of(first, office.country))


def _name(contact: Contact | None, found: CallRow | None, waits: Mapping[str, Any] | None) -> str:
    if contact is not None and contact.name:
        return contact.name
    return found.caller_name if found else str((waits or {}).get("caller_name", ""))


def _lines(detail: CallDetail | None, office: OfficeWords) -> tuple[str, ...]:
    """What the caller chose: language and need."""
    if detail is None:
        return ()
    say = Speaker(office)
    return tuple(dict.fromkeys(say.say(step) for step in detail.steps if step.kind in ("language", "need")))
