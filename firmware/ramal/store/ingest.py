"""Asterisk's journals become history: tail, group by call, fold, write; one transaction per step.

Law: the rows and the cursors are saved together, so every line counts exactly once, whenever the power goes. A call's
rows are a function of its lines and of Asterisk's restarts, whatever order the two files were read in. What cannot be
understood is counted, logged and skipped; what cannot be placed yet waits in ``held``. Runs on the writer's thread.
"""

import contextlib
import logging
import re
import sqlite3
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ramal.core.history import call_key
from ramal.core.journal import (
    CEL_LINE,
    CEL_LINES,
    LINE_MAX,
    MEMBERSHIP,
    QUEUE_LINE,
    Queued,
    cel_of,
    parse_queue,
    salvage,
    user_fields,
)
from ramal.store import clock, joined, tail
from ramal.store.db import transaction
from ramal.store.ledger import Entry, Ledger
from ramal.store.tail import Chunk, Cursor

log = logging.getLogger(__name__)

CEL_NAME = "cel-custom/ramal.csv"
QUEUE_NAME = "queue_log"
STEP_BYTES = 1 << 20
HOURS_BACK = 6
"""How far before a channel's birth its call may have begun, when a queue_log line's channel is searched."""
AHEAD_MS = 10_000
"""A restart further than this in the future was written by a clock that has been set back since."""
_SECOND = re.compile(rb"([0-9]{1,11})\.")
TIMER, DISPOSITION = b"%40ramal-tick-", b",DISPOSITION,"
"""What is looked for before anything is taken apart: channels that wait (dialplan/timer.conf), words of agents."""
HEALTH = b",PJSIP%2Framal-health-"
"""The box's calls to itself (dialplan/health.conf): nobody's, and no figure's."""


@dataclass(slots=True)
class _Batch:
    """What one step read, grouped."""

    cel: dict[bytes, list[bytes]] = field(default_factory=dict)
    queue: list[tuple[bytes, Queued]] = field(default_factory=list)
    owner: dict[str, str] = field(default_factory=dict)
    """Channel -> call, for channels that did not begin their call."""
    joined: dict[str, str] = field(default_factory=dict)
    """Calls that this step found to be part of others."""
    events: int = 0


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Ingest:
    """Follows both journals of one Asterisk. Make it and use it on the writer's thread only.

    ``clock_ms``: the time now, in ms since 1970; asked only to tell restarts that cannot have been yet.
    """

    def __init__(self, connection: sqlite3.Connection, log_dir: Path, clock_ms: Callable[[], int] = _now_ms) -> None:
        self._db = connection
        self._clock_ms = clock_ms
        self._cel = log_dir / CEL_NAME
        self._queue = log_dir / QUEUE_NAME
        self._ledger = Ledger(connection, clock_ms)
        self._merged = self._ledger.merged()
        self._restarts = [at for (at,) in connection.execute("SELECT at_ms FROM restart ORDER BY at_ms")]

    def step(self, max_bytes: int = STEP_BYTES) -> int:
        """Read at most about ``max_bytes`` of each journal into the database; the number of lines that were read.

        0 = nothing new (garbage counts as a line). Raises OSError (a journal cannot be read) or sqlite3.Error
        (nothing was written; the same lines come again next time).
        """
        old_cel, old_queue = self._cursor(CEL_NAME), self._cursor(QUEUE_NAME)
        cel = tail.read(self._cel, old_cel, max_bytes)
        queue = tail.read(self._queue, old_queue, max_bytes)
        if cel.more:
            queue = _until(queue, old_queue, _last_second(cel.data))
        if cel.cursor == old_cel and queue.cursor == old_queue:
            return 0
        try:
            with transaction(self._db):
                return self._write(cel, queue)
        except BaseException:
            self._restarts = [at for (at,) in self._db.execute("SELECT at_ms FROM restart ORDER BY at_ms")]
            self._merged = self._ledger.merged()
            raise

    def behind_bytes(self) -> int:
        """Bytes of both journals that are not read yet; those of rotated files are not counted."""
        behind = 0
        for path, name in ((self._cel, CEL_NAME), (self._queue, QUEUE_NAME)):
            row = self._db.execute("SELECT offset FROM journal WHERE name = ?", (name,)).fetchone()
            with contextlib.suppress(OSError):
                behind += max(0, path.stat().st_size - row[0]) if row else 0
        return behind

    def refold(self, after: int = 0, limit: int = 500) -> int | None:
        """Fold ``limit`` kept calls after key ``after`` again, with this code.

        The key to go on from, None at the end.
        """
        rows = self._db.execute("SELECT key FROM call WHERE key > ? ORDER BY key LIMIT ?", (after, limit)).fetchall()
        if not rows:
            return None
        with transaction(self._db):
            self._fold(self._ledger.load(key for (key,) in rows))
        return int(rows[-1][0])

    def mend(self, boot: str) -> int:
        """Put right the times of what was recorded in the epochs of a boot by which the clock was wrong, as far as that
        is known by now; how many calls. A second time there is nothing to do, and nothing is written."""
        if not clock.unmended(self._db, boot):
            return 0
        with transaction(self._db):
            keys = clock.mend(self._db, boot, self._clock_ms())
            self._fold(self._ledger.load(keys))
        return len(keys)

    # ---- one step, inside its transaction

    def _write(self, cel: Chunk, queue: Chunk) -> int:
        batch = _Batch()
        now_ms = self._clock_ms()
        self._forget_restarts_ahead(now_ms)
        cel_refused = self._group_cel(cel.data, batch)
        queue_refused = self._group_queue(queue, batch)
        restarted = self._note_queue_only(batch, queue, now_ms)
        self._join(batch)
        entries = self._entries(batch)
        if restarted:
            running = self._db.execute("SELECT key FROM call WHERE ended_ms IS NULL").fetchall()
            known = {entry.key for entry in entries}
            entries += self._ledger.load(key for (key,) in running if key not in known)
        self._fold(entries)
        self._save(replace(cel.cursor, refused=cel.cursor.refused + cel_refused), cel.data)
        self._save(replace(queue.cursor, refused=queue.cursor.refused + queue_refused), queue.data)
        return batch.events or 1

    def _group_cel(self, data: bytes, batch: _Batch) -> int:
        grouped = batch.cel
        owner = batch.owner
        good = 0
        for match in CEL_LINES.finditer(data):
            line, linked, unique = match.group(0, 1, 2)
            if len(line) > LINE_MAX:
                continue
            good += 1
            if linked in grouped:
                grouped[linked].append(line)
            else:
                grouped[linked] = [line]
            if unique != linked:
                owner[unique.decode()] = linked.decode()
        batch.events += good
        if good == data.count(b"\n"):
            self._sort_out(data, grouped)
            return 0
        # Something is odd: look again, line by line, so that a salvaged line gets its place.
        grouped.clear()
        owner.clear()
        refused = 0
        for line in data.split(b"\n")[:-1]:
            fit = CEL_LINE.match(line) if len(line) <= LINE_MAX else None
            if fit is None:
                refused += 1
                log.warning("a line of %s was refused: %r", CEL_NAME, line[:200])
                line = salvage(line[-LINE_MAX:]) or b""
                fit = CEL_LINE.match(line)
                if fit is None:
                    continue
            if call_key(fit[1].decode()) is not None:
                grouped.setdefault(fit[1], []).append(line)
                if fit[2] != fit[1]:
                    owner[fit[2].decode()] = fit[1].decode()
        self._sort_out(data, grouped)
        return refused

    def _sort_out(self, data: bytes, grouped: dict[bytes, list[bytes]]) -> None:
        """Leave out Asterisk's timers, which are nobody's calls, and give what an agent said later about a call to
        that call too, when it is known."""
        if TIMER in data or HEALTH in data:
            for linked in [linked for linked, lines in grouped.items() if _is_timer(lines[0])]:
                del grouped[linked]
        if DISPOSITION not in data:
            return
        for line in [line for lines in grouped.values() for line in lines if DISPOSITION in line]:
            event = cel_of(line)
            about = user_fields(event.extra)[3:] if event.user == "DISPOSITION" else []
            if not about or about[0] == event.linked_id or call_key(about[0]) is None:
                continue
            if about[0].encode() in grouped or self._ledger.has(about[0]):
                grouped.setdefault(about[0].encode(), []).append(line)

    def _group_queue(self, chunk: Chunk, batch: _Batch) -> int:
        refused = 0
        for line in chunk.data.split(b"\n")[:-1]:
            parsed = parse_queue(line)
            if parsed is None:
                refused += 1
                log.warning("a line of %s was refused: %r", QUEUE_NAME, line[:200])
                line = salvage(line[-LINE_MAX:]) or b""
                parsed = parse_queue(line)
                if parsed is None:
                    continue
            batch.queue.append((line, parsed))
        batch.events += len(batch.queue)
        return refused

    def _forget_restarts_ahead(self, now_ms: int) -> None:
        """Asterisk began while the clock was ahead, and the clock was set back: such a restart would cut every call
        from now on as soon as it is answered, for as long as the clock had been ahead."""
        if self._restarts and self._restarts[-1] > now_ms + AHEAD_MS:
            log.warning("a restart of Asterisk lies in the future; it is left out, for the clock was set back")
            self._db.execute("DELETE FROM restart WHERE at_ms > ?", (now_ms + AHEAD_MS,))
            del self._restarts[bisect_right(self._restarts, now_ms + AHEAD_MS) :]

    def _note_queue_only(self, batch: _Batch, chunk: Chunk, now_ms: int) -> bool:
        """Restarts and agents' events, which belong to no call; whether Asterisk was restarted."""
        restarted = False
        known = chunk.cursor.offset <= chunk.cursor.recheck
        for _, line in batch.queue:
            at_ms = line.at_s * 1000
            if line.event == "QUEUESTART" and at_ms > now_ms + AHEAD_MS:
                log.warning("a restart of Asterisk was written by a clock that was ahead; it is left out")
            elif line.event == "QUEUESTART":
                added = self._db.execute("INSERT OR IGNORE INTO restart VALUES (?)", (at_ms,)).rowcount
                if added > 0:
                    restarted = True
                    self._restarts.insert(bisect_right(self._restarts, at_ms), at_ms)
            elif line.event in MEMBERSHIP and line.agent:
                row = (at_ms, line.agent, line.queue, MEMBERSHIP[line.event], line.data[0] if line.data else "")
                if known and self._db.execute(f"SELECT 1 FROM agent_event WHERE {_SAME_EVENT}", row).fetchone():
                    continue
                self._db.execute(
                    "INSERT INTO agent_event (at_ms, agent, queue, kind, detail) VALUES (?, ?, ?, ?, ?)", row
                )
        return restarted

    def _join(self, batch: _Batch) -> None:
        """Find the calls that Asterisk joined, and give their new lines to the one that lives on."""
        known = [channel for channel in batch.owner if channel.encode() in batch.cel]
        known += self._ledger.began_calls(batch.owner.keys() - set(known))
        before = self._merged
        self._merged = joined.joins(batch.cel, batch.owner, known, before)
        batch.joined = {gone: into for gone, into in self._merged.items() if before.get(gone) != into}
        for gone in [linked for linked in batch.cel if linked.decode() in self._merged] if self._merged else ():
            into = self._merged[gone.decode()].encode()
            batch.cel[into] = joined.in_order(batch.cel.get(into, []) + batch.cel.pop(gone))
        if self._merged:
            batch.owner = {channel: self._merged.get(call, call) for channel, call in batch.owner.items()}

    def _entries(self, batch: _Batch) -> list[Entry]:
        """Every call with new lines, old lines loaded, new ones appended."""
        new_cel = {linked.decode(): lines for linked, lines in batch.cel.items()}
        new_queue = self._place(batch, new_cel)
        entries = self._ledger.open(new_cel.keys() | new_queue.keys() | set(batch.joined.values()))
        for entry in entries:
            entry.add(new_cel.get(entry.id, ()), new_queue.get(entry.id, ()))
        if batch.joined:
            gone = self._ledger.open(batch.joined)
            for entry in entries:
                lost = [each.lines for each in gone if batch.joined[each.id] == entry.id]
                if lost:
                    cel = [line for each in lost for line in each.cel]
                    entry.add(cel, [line for each in lost for line in each.queue])
                    entry.lines.cel, entry.changed = joined.in_order(entry.lines.cel), True
                    entry.lines.queue = sorted(entry.lines.queue, key=lambda line: line[:10])
            self._ledger.absorb(gone, batch.joined)
        return entries

    def _place(self, batch: _Batch, new_cel: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
        """Which call each queue_log line belongs to; a line of a channel nobody knows yet is held back."""
        lines = [(line, parsed.call_id) for line, parsed in batch.queue if _about_a_call(parsed)]
        lines = self._release(batch, new_cel) + lines
        placed: dict[str, list[bytes]] = {}
        homes: dict[str, str | None] = {}
        for line, channel in lines:
            if channel not in homes:
                homes[channel] = self._home(channel, batch, new_cel)
            home = homes[channel]
            if home is None:
                self._db.execute("INSERT OR IGNORE INTO held (uniqueid, line) VALUES (?, ?)", (channel, line))
            else:
                placed.setdefault(home, []).append(line)
        return placed

    def _home(self, channel: str, batch: _Batch, new_cel: dict[str, list[bytes]]) -> str | None:
        channel = self._merged.get(channel, channel)
        if channel in new_cel or self._ledger.has(channel):
            return channel
        return batch.owner.get(channel) or self._search(channel)

    def _search(self, channel: str) -> str | None:
        """The call that a channel which did not begin it belongs to: rare (a called phone transferred to a queue)."""
        key = call_key(channel)
        if key is None:
            return None
        return self._ledger.with_channel(channel, key - HOURS_BACK * 3600 * 2048, key)

    def _release(self, batch: _Batch, new_cel: dict[str, list[bytes]]) -> list[tuple[bytes, str]]:
        """Lines held back for channels that this step's CEL lines speak of, in the order they came."""
        rows = self._db.execute("SELECT id, uniqueid, line FROM held ORDER BY id").fetchall()
        found = [row for row in rows if row[1] in new_cel or row[1] in batch.owner]
        self._db.executemany("DELETE FROM held WHERE id = ?", [(row[0],) for row in found])
        return [(line, channel) for _, channel, line in found]

    def _fold(self, entries: Iterable[Entry]) -> None:
        self._ledger.write(entries, self._restart_after)

    def _restart_after(self, at_ms: int) -> int | None:
        index = bisect_right(self._restarts, at_ms)
        return self._restarts[index] if index < len(self._restarts) else None

    # ---- cursors

    def _cursor(self, name: str) -> Cursor:
        row = self._db.execute(
            "SELECT name, device, inode, offset, first, tail, recheck, lines, refused FROM journal WHERE name = ?",
            (name,),
        ).fetchone()
        return Cursor(*row) if row else Cursor(name)

    def _save(self, cursor: Cursor, data: bytes) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO journal (name, device, inode, offset, first, tail, recheck, lines, refused)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                cursor.name,
                _signed(cursor.device),
                _signed(cursor.inode),
                cursor.offset,
                cursor.first,
                cursor.tail,
                cursor.recheck,
                cursor.lines + data.count(b"\n"),
                cursor.refused,
            ),
        )


_SAME_EVENT = "at_ms = ? AND agent = ? AND queue = ? AND kind = ? AND detail = ?"


def _is_timer(line: bytes) -> bool:
    """By the channel's name alone: every other field may be a stranger's."""
    channel = line.split(b",", 5)[4]
    return (channel.startswith(b"Local%2F") and TIMER in channel) or channel.startswith(HEALTH[1:])


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def _about_a_call(line: Queued) -> bool:
    return line.event not in MEMBERSHIP and call_key(line.call_id) is not None


def _last_second(data: bytes) -> int | None:
    """The second of the last line of CEL data that begins with one."""
    start = data.rfind(b"\n", 0, len(data) - 1) + 1
    match = _SECOND.match(data, start)
    return int(match[1]) if match else None


def _until(chunk: Chunk, before: Cursor, second: int | None) -> Chunk:
    """The queue_log lines before a second: the rest waits until CEL, which is longer, has come as far."""
    if second is None:
        return chunk
    kept = 0
    for line in chunk.data.splitlines(keepends=True):
        match = QUEUE_LINE.match(line[:-1])
        if match is not None and int(match[1]) >= second:
            break
        kept += len(line)
    return tail.rest_unread(chunk, before, kept)
