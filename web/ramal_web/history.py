"""The box's memory as the page sees it: one read-only connection per request.

Law: nothing here writes; ``store.read.open_reader`` makes sure of it. A connection lives as long as one request, so
that a restored or migrated database is seen at once and four threads do not keep four caches. Raises DatabaseUnusable.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from flask import Flask, current_app, g

from ramal.box.home import Home
from ramal.core import messages, survey
from ramal.core.backups import settings_of
from ramal.core.chain import Head
from ramal.core.contacts import Contact
from ramal.core.copies import place_of
from ramal.core.destination import Destination
from ramal.core.history import Category, Direction, call_key
from ramal.core.latest import Latest
from ramal.core.office import Backup, Copy, Office
from ramal.store import read
from ramal.store.read import (
    AuditPage,
    Callback,
    CallDetail,
    Check,
    ContactPage,
    DatabaseUnusable,
    Found,
    Hold,
    Identity,
    LongGap,
    Look,
    MenuFigures,
    MessageRow,
    Missed,
    Page,
    Place,
    Recording,
    SettingsUnreadable,
    SubjectRequest,
    User,
    open_reader,
)
from ramal.vault.sound import Opened, open_sound

__all__ = ["BoxWords", "History", "OfficeWords", "User", "history", "install", "office"]

MissedState = Literal["open", "returned", "closed", "dismissed"]
CACHE_KIB = 2048


@dataclass(frozen=True, slots=True)
class BoxWords:
    """A box for messages (``core.messages.Box``): its title, the agents who may hear it, who gets it by mail."""

    kind: str
    of: str
    number: int
    title: str
    agents: frozenset[str]
    mail: tuple[str, ...]


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
    campaigns: Mapping[str, str] = field(default_factory=dict)
    menus: Mapping[str, Mapping[str, Destination]] = field(default_factory=dict)
    """Menu → key → where it leads."""
    dispositions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Queue → code → text."""
    boxes: Mapping[str, BoxWords] = field(default_factory=dict)
    """Boxes for messages, in the order in which they are numbered."""
    surveys: bool = False
    """Whether any queue asks its callers what they think."""
    agents_see_surveys: bool = False

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
        campaigns={campaign.name: campaign.title or campaign.name for campaign in office.campaigns},
        menus={menu.name: {option.key: option.to for option in menu.options} for menu in office.menus},
        dispositions={queue.name: {one.code: one.text for one in queue.dispositions} for queue in office.queues},
        boxes={box.name: _box_words(box, office) for box in messages.boxes(office)},
        surveys=any(queue.survey for queue in office.queues),
        agents_see_surveys=office.agents_see_surveys,
    )


def _box_words(box: messages.Box, office: Office) -> BoxWords:
    may = frozenset(agent.code for agent in office.agents if messages.may_open(office, box, agent))
    title = messages.title_of(box, office.queues, office.agents)
    return BoxWords(box.kind, box.of, box.number, title, may, box.settings.mail)


class History:
    """The reader of one request."""

    def __init__(self, path: Path) -> None:
        self._db: sqlite3.Connection = open_reader(path)
        self._db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")

    def close(self) -> None:
        self._db.close()

    def users(self) -> tuple[User, ...]:
        """Who may use the page, by name."""
        return read.users(self._db)

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

    def sound(self, home: Home, recording_id: int) -> Opened:
        """A recording's plain sound; see ``ramal.vault.sound``."""
        return open_sound(home, self._db, recording_id)

    def identified(self, text: str) -> Identity:
        """Who is meant by a number; NoSubject."""
        return read.identified(self._db, text)

    def people_sought(self, text: str) -> list[tuple[str, str]]:
        """Numbers and names that a text may mean."""
        return read.people_sought(self._db, text)

    def person(self, who: Identity) -> Found:
        """What there is of a person."""
        return read.person(self._db, who)

    def party(self, number: str) -> list[int]:
        """Keys of the calls a number took part in."""
        return read.party(self._db, number)

    def call_by_key(self, key: int) -> CallDetail | None:
        """As ``call``."""
        return read.call(self._db, read.id_at(self._db, key))

    def recordings_of(self, key: int) -> tuple[Recording, ...]:
        """A call's recordings."""
        detail = self.call_by_key(key)
        return detail.recordings if detail is not None else ()

    def rows_about(self, key: int) -> dict[str, list[dict[str, Any]]]:
        """The rows of a call in every table that knows calls."""
        return read.rows_about(self._db, key)

    def said_in(self, key: int) -> list[tuple[int, str, str]]:
        """What the dialplan wrote down in a call."""
        return read.said_in(self._db, key)

    def audit_of(self, call_id: str) -> list[tuple[int, str, str, str]]:
        """Audit lines about a call."""
        return read.audit_of(self._db, call_id)

    def audit_about(self, who: Identity) -> list[tuple[int, str, str, str]]:
        """Audit lines about a number."""
        return read.audit_about(self._db, who)

    def subject_requests(self) -> list[SubjectRequest]:
        """What people asked about their own data."""
        return read.subject_requests(self._db)

    def subject_request(self, id: int) -> SubjectRequest | None:
        """One request."""
        return read.subject_request(self._db, id)

    def seal(self) -> tuple[Head | None, Head | None, Check | None]:
        """The head of the recordings' catalogue, that of its last day, and the last verification."""
        return read.seal(self._db)

    def copies(self) -> tuple[Copy | None, read.CopyPicture]:
        """Where recordings are copied to outside the box, and how that stands."""
        wanted = read_office(self._db).copy
        return (wanted[0] if wanted else None), read.copies(self._db, place_of(wanted[0]) if wanted else "")

    def backups(self) -> tuple[Backup, read.BackupPicture]:
        """How settings and history are backed up, and how that stands."""
        return settings_of(read_office(self._db)), read.backups(self._db)

    def look(self) -> Look | None:
        """What the last look at the recordings' disk found."""
        return read.look(self._db)

    def long_gaps(self, since_ms: int) -> tuple[LongGap, ...]:
        """Unusually long whiles of talks that were kept out of their recordings, the latest first."""
        return read.long_gaps(self._db, since_ms)

    def holds(self) -> tuple[Hold, ...]:
        """Legal holds, those in force and the newest first."""
        return read.every_hold(self._db)

    def holds_of(self, call_id: str, now_ms: int) -> tuple[Hold, ...]:
        """The holds that a call is under."""
        key = call_key(call_id)
        return () if key is None else read.holds_of_call(self._db, key, now_ms)

    def whole_office(self) -> Office:
        """The office in force."""
        return read_office(self._db)

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

    def messages(self, boxes: Sequence[str], wanted: str, before_ms: int | None, limit: int) -> list[MessageRow]:
        """A page of messages of these boxes; ``wanted`` as ``store.messages``."""
        return read.messages_listed(self._db, boxes, cast(Any, wanted), before_ms, limit)

    def message(self, id: str) -> MessageRow | None:
        """One message."""
        return read.message(self._db, id)

    def message_of_recording(self, recording: int) -> MessageRow | None:
        """The message a recording is."""
        return read.message_of_recording(self._db, recording)

    def messages_of_numbers(self, numbers: Sequence[str], boxes: Sequence[str]) -> list[MessageRow]:
        """Messages of these callers that wait to be returned."""
        return read.messages_of_numbers(self._db, numbers, boxes)

    def messages_waiting(self) -> Mapping[str, tuple[int, int]]:
        """Box → (new, to be returned)."""
        return read.messages_waiting(self._db)

    def letters(self, ids: Sequence[str]) -> Mapping[str, list[dict[str, Any]]]:
        """Message → its mails."""
        return read.letters_of(self._db, ids)

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

    def replies(self, since_ms: int, until_ms: int, queue: str = "", agent: str = "") -> read.Replies:
        """Who was asked after the talk, and what came back; see ``store.answers``."""
        return read.replies(self._db, since_ms, until_ms, queue, agent)

    def answers(
        self, since_ms: int, until_ms: int, part: survey.Part, limit: int, queue: str, agent: str, before: int | None
    ) -> tuple[tuple[read.Answer, ...], int, int | None]:
        """A page of the calls behind a figure of surveys, newest first."""
        return read.answers_behind(self._db, since_ms, until_ms, part, limit, queue=queue, agent=agent, before=before)

    def answer(self, call_key: int) -> read.Answer | None:
        """What was asked in one call."""
        return read.answer_of(self._db, call_key)

    def queue_calls(self, since_ms: int, until_ms: int, queue: str, agent: str) -> list[tuple[str, str, int, bool]]:
        """A queue's callers, to see who came again."""
        return read.queue_calls(self._db, since_ms, until_ms, queue, agent)

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
