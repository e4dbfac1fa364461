"""The calls' rows: load their journals, fold, write what follows from them.

Law: everything about a call but its lines is derived, so writing a call twice writes it once. Called inside the step's
transaction, on the writer's thread; executemany throughout, because this is the hot loop of a rebuild.
"""

import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ramal.core.clock import Epoch, mended, mended_call
from ramal.core.fold import fold
from ramal.core.history import Call, call_key
from ramal.core.journal import Journal, cel_of, parse_queue
from ramal.store import callbacks, clock, gaps, menus, messages, returns, surveys
from ramal.store.packing import Lines, merge, pack, unpack
from ramal.store.search import search_text

log = logging.getLogger(__name__)

HOUR_MS = 3_600_000
TAKES = 16
"""Recordings per call; a recording's id is key * TAKES + n."""
COLUMNS = (
    "key, id, direction, category, started_ms, ended_ms, line, number, caller, caller_name, menu, queue, agent, phone, "
    "wait_ms, ring_ms, talk_ms, hangup_by, missed, has_message, disposition, campaign"
)
_CHANGED = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS.split(", ")[2:])
_PUT_CALL = f"INSERT INTO call ({COLUMNS}) VALUES ({', '.join('?' * 22)}) ON CONFLICT (key) DO UPDATE SET {_CHANGED}"
_PUT_STAY = f"INSERT INTO queue_stay VALUES ({', '.join('?' * 12)})"
_PUT_SUPERVISED = "INSERT INTO supervision VALUES (?, ?, ?, ?, ?, ?, ?)"
_PUT_LEG = "INSERT INTO leg VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_TAKE = (
    "INSERT INTO recording (id, kind, path, started_ms, expected_ms, state) VALUES (?, ?, ?, ?, ?, 'writing')"
    " ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, path = excluded.path, started_ms = excluded.started_ms,"
    " expected_ms = excluded.expected_ms, state = CASE path WHEN excluded.path THEN state ELSE 'writing' END"
)


@dataclass(frozen=True, slots=True)
class Before:
    """What the database holds of a call already, as far as other tables follow from it."""

    direction: str
    category: str | None
    started_ms: int
    search: tuple[str, str]


@dataclass(slots=True)
class Entry:
    """A call to be written: its lines, and what was there before (None for a new call)."""

    key: int
    id: str
    lines: Lines
    before: Before | None = None
    changed: bool = True
    epoch: int | None = None
    """Of the clock, when the call's times are to be put right (``store.clock``)."""

    def add(self, cel: Sequence[bytes], queue: Sequence[bytes]) -> None:
        """Append lines, each once."""
        was = len(self.lines.cel) + len(self.lines.queue)
        self.lines.cel = merge(self.lines.cel, cel)
        self.lines.queue = merge(self.lines.queue, queue)
        self.changed = self.before is None or was != len(self.lines.cel) + len(self.lines.queue)


class Ledger:
    """Reads and writes calls on the writer's connection."""

    def __init__(self, connection: sqlite3.Connection, clock_ms: Callable[[], int] = lambda: 0) -> None:
        # clock_ms: the time now; asked only for calls that history does not know yet.
        self._db, self._clock_ms = connection, clock_ms

    def has(self, call_id: str) -> bool:
        """Is there a call of this id?"""
        key = call_key(call_id)
        if key is None:
            return False
        row = self._db.execute("SELECT id FROM call WHERE key = ?", (key,)).fetchone()
        return row is not None and row[0] == call_id

    def began_calls(self, channels: Iterable[str]) -> list[str]:
        """Those of these channels that a call is named after."""
        keys = {key: channel for channel in channels if (key := call_key(channel)) is not None}
        found: list[str] = []
        wanted = list(keys)
        for begin in range(0, len(wanted), 500):
            part = wanted[begin : begin + 500]
            rows = self._db.execute(f"SELECT key, id FROM call WHERE key IN ({','.join('?' * len(part))})", part)
            found += [keys[key] for key, call_id in rows if keys[key] == call_id]
        return found

    def with_channel(self, channel: str, from_key: int, to_key: int) -> str | None:
        """The latest call begun in a span of keys in which a channel took part."""
        needle = f",{channel},".encode()
        rows = self._db.execute(
            "SELECT c.id, j.lines FROM call c JOIN call_journal j ON j.call = c.key"
            " WHERE c.key BETWEEN ? AND ? ORDER BY c.key DESC",
            (from_key, to_key),
        )
        for call_id, blob in rows:
            if any(needle in line for line in unpack(blob).cel):
                return str(call_id)
        return None

    def open(self, ids: Iterable[str]) -> list[Entry]:
        """The calls of these ids, with what is known of them; new ones are empty."""
        keys = {key: call_id for call_id in ids if (key := call_key(call_id)) is not None}
        entries = {entry.key: entry for entry in self.load(keys)}
        wrong = [key for key, entry in entries.items() if entry.id != keys[key]]
        for key in wrong:
            log.error("two calls have the key %d: %s is kept, %s is not", key, entries[key].id, keys[key])
        epochs = clock.of_new(self._db, [key for key in keys if key not in entries], self._clock_ms())
        return [
            entries.get(key) or Entry(key, call_id, Lines([], []), epoch=epochs.get(key))
            for key, call_id in keys.items()
            if key not in wrong
        ]

    def load(self, keys: Iterable[int]) -> list[Entry]:
        """The calls of these keys that are there."""
        entries = []
        wanted = list(keys)
        for begin in range(0, len(wanted), 500):
            part = wanted[begin : begin + 500]
            rows = self._db.execute(
                "SELECT c.key, c.id, c.direction, c.category, c.started_ms, c.number, c.caller, c.caller_name, j.lines,"
                " t.epoch FROM call c JOIN call_journal j ON j.call = c.key LEFT JOIN clock_call t ON t.call = c.key"
                f" WHERE c.key IN ({','.join('?' * len(part))})",
                part,
            )
            for key, call_id, direction, category, started_ms, number, caller, caller_name, blob, epoch in rows:
                before = Before(direction, category, started_ms, search_text(direction, caller, number, caller_name))
                entries.append(Entry(key, call_id, unpack(blob), before, epoch=epoch))
        return entries

    def write(self, entries: Iterable[Entry], restart_after: Callable[[int], int | None]) -> None:
        """Fold the calls and write every row that follows from them."""
        entries = list(entries)
        epochs = {entry.epoch for entry in entries if entry.epoch is not None}
        spans = {epoch: clock.spans(self._db, epoch) for epoch in epochs}
        told = [
            (entry, _folded(entry, restart_after, () if entry.epoch is None else spans[entry.epoch]))
            for entry in entries
        ]
        calls = [(entry, call) for entry, call in told if call is not None]
        known = [(entry.key,) for entry, _ in calls if entry.before is not None]
        db = self._db
        db.executemany(_PUT_CALL, [_call_row(entry.key, call) for entry, call in calls])
        db.executemany(
            "INSERT OR REPLACE INTO call_journal VALUES (?, ?)",
            [
                (entry.key, pack(entry.lines, call is None or call.ended_ms is not None))
                for entry, call in told
                if entry.changed
            ],
        )
        tags = [(entry.key, entry.epoch) for entry, _ in calls if entry.epoch is not None and entry.before is None]
        db.executemany("INSERT OR IGNORE INTO clock_call VALUES (?, ?)", tags)
        db.executemany("DELETE FROM queue_stay WHERE call = ?", known)
        db.executemany(_PUT_STAY, [row for entry, call in calls for row in _stay_rows(entry.key, call)])
        db.executemany("DELETE FROM leg WHERE call = ?", known)
        db.executemany(_PUT_LEG, [row for entry, call in calls if call.legs for row in _leg_rows(entry.key, call)])
        db.executemany("DELETE FROM supervision WHERE call = ?", known)
        db.executemany(_PUT_SUPERVISED, [row for entry, call in calls for row in _supervised_rows(entry.key, call)])
        db.executemany(_PUT_TAKE, [row for entry, call in calls for row in _take_rows(entry.key, call)])
        gaps.write(db, ((entry.key, entry.before is not None, call) for entry, call in calls))
        db.executemany(
            "DELETE FROM recording WHERE id >= ? AND id < ? AND state = 'writing'",
            [
                (entry.key * TAKES + len(call.takes), (entry.key + 1) * TAKES)
                for entry, call in calls
                if entry.before is not None
            ],
        )
        self._index(calls)
        self._count(calls)
        menus.count(db, ((entry.key, entry.before is not None, call) for entry, call in calls))
        known_calls = [(entry.key, entry.before is not None, call) for entry, call in calls]
        surveys.write(db, known_calls)
        numbers = messages.write(db, known_calls)
        returns.write(db, known_calls, callbacks.write(db, known_calls), numbers)

    def merged(self) -> dict[str, str]:
        """The latest calls that became part of another: the one's id to the other's."""
        rows = self._db.execute("SELECT id, into_id FROM merged ORDER BY key DESC LIMIT 2000")
        return {str(gone): str(into) for gone, into in rows}

    def absorb(self, gone: Sequence[Entry], into: dict[str, str]) -> None:
        """Take away calls that turned out to be part of others (``into``: id to id): a consultation that ended in a
        transfer, a call picked up. Their lines must have been added to the others by now."""
        db = self._db
        known = [entry for entry in gone if entry.before is not None]
        empty = [(entry, Call(entry.id, "internal", "service", 0, 0)) for entry in known]
        self._index(empty)
        self._count(empty)
        as_calls = [(entry.key, True, call) for entry, call in empty]
        menus.count(db, as_calls)
        numbers = messages.write(db, as_calls)
        returns.write(db, as_calls, callbacks.write(db, as_calls), numbers)
        gaps.write(db, as_calls)
        nothing = [Before(call.direction, call.category, call.started_ms, ("", "")) for _, call in empty]
        for slot, n in Counter((each.started_ms // HOUR_MS, each.direction, each.category) for each in nothing).items():
            db.execute("UPDATE hour_count SET n = n - ? WHERE hour = ? AND direction = ? AND category = ?", (n, *slot))
        db.execute("DELETE FROM hour_count WHERE n = 0")
        for entry in known:
            db.execute("DELETE FROM recording WHERE id >= ? AND id < ?", (entry.key * TAKES, (entry.key + 1) * TAKES))
            db.execute("DELETE FROM call WHERE key = ?", (entry.key,))
        for entry in gone:
            home = call_key(into[entry.id])
            db.execute("UPDATE decision SET call = ? WHERE call = ?", (home, entry.key))
            db.execute("INSERT OR REPLACE INTO merged VALUES (?, ?, ?)", (entry.key, entry.id, into[entry.id]))

    def _index(self, calls: list[tuple[Entry, Call]]) -> None:
        gone, come = [], []
        for entry, call in calls:
            text = search_text(call.direction, call.caller, call.number, call.caller_name)
            before = entry.before.search if entry.before else ("", "")
            if text != before:
                if before != ("", ""):
                    gone.append((entry.key, *before))
                if text != ("", ""):
                    come.append((entry.key, *text))
        self._db.executemany(
            "INSERT INTO caller_search (caller_search, rowid, digits, name) VALUES ('delete', ?, ?, ?)", gone
        )
        self._db.executemany("INSERT INTO caller_search (rowid, digits, name) VALUES (?, ?, ?)", come)

    def _count(self, calls: list[tuple[Entry, Call]]) -> None:
        change: Counter[tuple[int, str, str]] = Counter()
        for entry, call in calls:
            before = entry.before
            if before is not None and before.category is not None:
                change[before.started_ms // HOUR_MS, before.direction, before.category] -= 1
            if call.category is not None:
                change[call.started_ms // HOUR_MS, call.direction, call.category] += 1
        rows = [(*slot, n) for slot, n in change.items() if n]
        self._db.executemany(
            "INSERT INTO hour_count VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", rows
        )
        if any(n < 0 for *_, n in rows):
            self._db.executemany(
                "DELETE FROM hour_count WHERE hour = ? AND direction = ? AND category = ? AND n = 0",
                [row[:3] for row in rows],
            )


def journal_of(call_id: str, lines: Lines) -> Journal:
    """The events of kept lines; every one of them was looked at before it was kept."""
    queue = (parse_queue(line) for line in lines.queue)
    return Journal(call_id, tuple(map(cel_of, lines.cel)), tuple(line for line in queue if line is not None))


def last_sign(journal: Journal) -> int:
    """The time of the latest thing known of a call."""
    return max([event.at_ms for event in journal.cel] + [line.at_s * 1000 for line in journal.queue], default=0)


def restarts_from(journal: Journal) -> int:
    """A restart of Asterisk after this time is one that the call did not live to see. Restarts are known to the second,
    rounded down: one in the second of the call's last sign came after it, unless the call began later."""
    began_ms = min((event.at_ms for event in journal.cel), default=last_sign(journal))
    return max(began_ms, last_sign(journal) - 1000)


def _folded(entry: Entry, restart_after: Callable[[int], int | None], spans: Sequence[Epoch]) -> Call | None:
    """The call; None when it cannot be folded but was before: then its rows stay as they are."""
    try:
        journal = journal_of(entry.id, entry.lines)
        restarted_ms = restart_after(restarts_from(journal))
        if restarted_ms is not None:
            journal = replace(journal, restarted_ms=max(restarted_ms, last_sign(journal)))
        return mended_call(fold(mended(journal, spans)), spans) if spans else fold(journal)
    except Exception:
        # A mistake of ours must not stop history. The lines are kept, so a corrected version can fold them again.
        log.exception("call %s could not be folded; its lines are kept", entry.id)
        if entry.before is not None and entry.before.category is not None:
            return None
        return Call(entry.id, "in", None, (entry.key // 2048) * 1000, None)


def _call_row(key: int, call: Call) -> tuple[object, ...]:
    return (
        key,
        call.id,
        call.direction,
        call.category,
        call.started_ms,
        call.ended_ms,
        call.line,
        call.number,
        call.caller,
        call.caller_name,
        call.menu,
        call.queue,
        call.agent,
        call.phone,
        call.wait_ms,
        call.ring_ms,
        call.talk_ms,
        call.hangup_by,
        " ".join(call.missed),
        int(call.has_message),
        call.disposition,
        call.campaign,
    )


def _stay_rows(key: int, call: Call) -> Iterable[tuple[object, ...]]:
    for n, stay in enumerate(call.stays):
        yield (
            key,
            n,
            stay.queue,
            stay.joined_ms,
            stay.left_ms,
            stay.outcome,
            stay.agent,
            stay.position,
            stay.wait_ms,
            stay.ring_ms,
            stay.talk_ms,
            " ".join(stay.missed),
        )


def _leg_rows(key: int, call: Call) -> Iterable[tuple[object, ...]]:
    for n, leg in enumerate(call.legs):
        yield key, n, leg.agent, leg.phone, leg.number, leg.from_ms, leg.to_ms, leg.began, leg.ended


def _supervised_rows(key: int, call: Call) -> Iterable[tuple[object, ...]]:
    for n, act in enumerate(call.supervised[:TAKES]):
        yield key, n, act.at_ms, act.act, act.by, act.agent, " ".join(act.channels)


def _take_rows(key: int, call: Call) -> Iterable[tuple[object, ...]]:
    for n, take in enumerate(call.takes[:TAKES]):
        yield key * TAKES + n, take.kind, f"recordings/{take.path}", take.started_ms, take.expected_ms
