"""The box's memory as the page sees it: one read-only connection per request.

Law: nothing here writes; ``store.read.open_reader`` makes sure of it. A connection lives as long as one request, so
that a restored or migrated database is seen at once and four threads do not keep four caches. Raises DatabaseUnusable.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from flask import Flask, current_app, g

from ramal.core.contacts import Contact
from ramal.core.destination import Destination
from ramal.core.history import Category, Direction, call_key
from ramal.core.latest import Latest
from ramal.core.office import Office
from ramal.store import read
from ramal.store.read import (
    AuditPage,
    Callback,
    CallDetail,
    ContactPage,
    DatabaseUnusable,
    MenuFigures,
    Missed,
    Page,
    Place,
    Recording,
    SettingsUnreadable,
    User,
    open_reader,
)

__all__ = ["History", "OfficeWords", "User", "history", "install", "office"]

MissedState = Literal["open", "returned", "closed", "dismissed"]
CACHE_KIB = 2048


@dataclass(frozen=True, slots=True)
class OfficeWords:
    """What the page needs of the office to speak of it: names for codes, and how times and numbers are written."""

    name: str = ""
    country: str = "BR"
    timezone: str = "America/Sao_Paulo"
    language: str = "en"
    agents: Mapping[str, str] = field(default_factory=dict)
    queues: Mapping[str, str] = field(default_factory=dict)
    phones: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, str] = field(default_factory=dict)
    pauses: Mapping[str, str] = field(default_factory=dict)
    menus: Mapping[str, Mapping[str, Destination]] = field(default_factory=dict)
    """Menu → key → where it leads."""
    dispositions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Queue → code → text."""

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


def words_of(office: Office) -> OfficeWords:
    """The names in ``office``; whoever has no name is called by the code."""
    return OfficeWords(
        name=office.name,
        country=office.country,
        timezone=office.timezone,
        language=office.language,
        agents={agent.code: agent.name or agent.code for agent in office.agents},
        queues={queue.name: queue.title or queue.name for queue in office.queues},
        phones={phone.extension: phone.name for phone in office.phones},
        numbers={number.number: number.label for number in office.numbers},
        pauses={pause.code: pause.title for pause in office.pauses},
        menus={menu.name: {option.key: option.to for option in menu.options} for menu in office.menus},
        dispositions={queue.name: {one.code: one.text for one in queue.dispositions} for queue in office.queues},
    )


class History:
    """The reader of one request."""

    def __init__(self, path: Path) -> None:
        self._db: sqlite3.Connection = open_reader(path)
        self._db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")

    def close(self) -> None:
        self._db.close()

    def user(self, name: str) -> User | None:
        """A user by name."""
        return read.user(self._db, name)

    def call(self, call_id: str) -> CallDetail | None:
        """One call with its steps and recordings."""
        return read.call(self._db, call_id)

    def calls(
        self,
        search: str,
        category: Category | None,
        direction: Direction,
        since_ms: int | None,
        until_ms: int | None,
        before: int | None,
        after: int | None,
        limit: int,
    ) -> Page:
        """One page of calls; see ``store.read.calls``."""
        return read.calls(
            self._db,
            search=search,
            category=category,
            direction=direction,
            since_ms=since_ms,
            until_ms=until_ms,
            before=before,
            after=after,
            limit=limit,
        )

    def counts(self, since_ms: int, until_ms: int) -> Mapping[Category, int]:
        """Ended calls by category."""
        return read.counts(self._db, since_ms, until_ms)

    def audit(self, limit: int, before: Place | None) -> AuditPage:
        """One page of who did what; see ``store.supervision``."""
        return read.audit(self._db, limit, before)

    def menus(self, since_ms: int, until_ms: int) -> tuple[MenuFigures, ...]:
        """What callers did in the menus."""
        return read.menus(self._db, since_ms, until_ms)

    def missed_calls(self, state: MissedState | None, before_ms: int | None, limit: int) -> list[Missed]:
        """A page of the work list; see ``store.returns``."""
        return read.missed_calls(self._db, state, before_ms, limit)

    def missed_open(self) -> int:
        """How many callers nobody has spoken with yet."""
        return read.missed_open(self._db)

    def callback_of(self, call_id: str) -> Callback | None:
        """The callback that was asked for in a call."""
        return read.callback_of(self._db, call_id)

    def pending_callbacks(self) -> list[Callback]:
        """Callbacks that are not over, the longest waiting first."""
        return read.pending_callbacks(self._db)

    def calls_before(self, number: str, call_id: str) -> list[read.Before]:
        """The last calls from and to a number, with their notes."""
        return read.calls_before(self._db, number, call_id)

    def calls_since(self, number: str, since_ms: int) -> int:
        """How often a number called since then."""
        return read.calls_since(self._db, number, since_ms)

    def last_of_agent(self, agent: str) -> read.CallRow | None:
        """The last call this agent spoke in."""
        return read.last_of_agent(self._db, agent)

    def outside_today(self, agent: str, since_ms: int) -> tuple[int, int]:
        """Calls of an agent to the outside: how many, how long."""
        return read.outside_today(self._db, agent, since_ms)

    def agents_today(self, since_ms: int, now_ms: int) -> tuple[read.AgentDay, ...]:
        """What each agent did; see ``store.agent_days``."""
        return read.agents_today(self._db, since_ms, now_ms)

    def notes(self, call_id: str) -> list[read.Note]:
        """What people wrote about a call, also before its first journal line is read."""
        key = call_key(call_id)
        return [] if key is None else read.notes_of(self._db, [key]).get(key, [])

    def contact(self, number: str) -> Contact | None:
        """One contact."""
        return read.contact(self._db, number)

    def contacts(self, sought: str, page: int, kind: str) -> ContactPage:
        """One page of contacts; see ``store.contacts``."""
        return read.found_contacts(self._db, sought, page, kind)

    def every_contact(self) -> list[Contact]:
        """All contacts, for an export."""
        return read.every_contact(self._db)

    def recording(self, recording_id: int) -> Recording | None:
        """One recording."""
        return read.recording(self._db, recording_id)

    @cached_property
    def office(self) -> OfficeWords:
        """The office, or the defaults while none is applied."""
        return _latest_words(read_office(self._db))


_latest_words = Latest(words_of)


def read_office(db: sqlite3.Connection) -> Office:
    """The office saved in the database."""
    return read.load(db) or Office(name="")


def install(app: Flask) -> None:
    """Close every request's connection."""

    @app.teardown_appcontext
    def close(_: BaseException | None) -> None:
        opened: History | None = g.pop("history", None)
        if opened is not None:
            opened.close()


def history() -> History:
    """This request's reader. Raises DatabaseUnusable."""
    if "history" not in g:
        g.history = History(current_app.config["RAMAL"].db)
    opened: History = g.history
    return opened


def office() -> OfficeWords:
    """This request's office; the defaults when the database cannot be read, so that a page can still say that."""
    if "office" not in g:
        try:
            g.office = history().office
        except (DatabaseUnusable, SettingsUnreadable):
            g.office = OfficeWords()
    found: OfficeWords = g.office
    return found
