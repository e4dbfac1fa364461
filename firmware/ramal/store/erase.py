"""A person taken out of the database: calls' journals with a token in the number's place and folded again, every other
row that knows the number or the name, and no free page that still does.

Law: each function may be run again and then finds nothing to do. Rows derived from journals follow from the masked
lines, so ``ramal rebuild`` gives the same. On the writer's thread, but for what only looks:
``mentions``, ``rows_with``, ``scan_file``.
"""

import os
import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ramal.core.journal import cel_of, parse_queue
from ramal.core.privacy import Mask
from ramal.store.db import transaction
from ramal.store.ledger import TAKES, Entry, Ledger
from ramal.store.packing import Lines, unpack

DERIVED = frozenset(
    {"call", "call_journal", "journal", "subject_request", "leg", "callback_note", "callback"}
) | frozenset({"missed_call", "return_call", "missed", "queue_stay", "recording", "recording_gap", "recording_sides"})
"""Not rewritten row by row: they follow from the journals, or are looked after elsewhere."""
NEVER = frozenset({"call_journal", "journal", "subject_request", "setting", "user"})
"""Not rewritten at the end either: looked after elsewhere, or the office's own."""
BLOCK = 1 << 20
MERGE = 256
"""Pages of the search index in one go: some milliseconds."""


def mentions(db: sqlite3.Connection, mask: Mask, after: int, limit: int) -> tuple[list[int], int | None]:
    """Of the ``limit`` calls behind key ``after``: those whose journal has something of the person; the key to go on
    from, None at the end. Any connection."""
    query = "SELECT call, lines FROM call_journal WHERE call > ? ORDER BY call LIMIT ?"
    suspects = mask.suspects()
    found, last = [], None
    for key, blob in db.execute(query, (after, limit)):
        last = int(key)
        lines = unpack(blob)
        if any(suspects.search(line) and mask.hits(line) for part in (lines.cel, lines.queue) for line in part):
            found.append(last)
    return found, last


def channels_of(db: sqlite3.Connection, keys: Iterable[int]) -> frozenset[str]:
    """Ids of these calls and of all their channels: a journal's line of such an id is theirs."""
    ids: set[str] = set()
    for key in keys:
        row = db.execute("SELECT lines FROM call_journal WHERE call = ?", (key,)).fetchone()
        for line in unpack(row[0]).cel if row else ():
            event = cel_of(line)
            ids.update((event.linked_id, event.unique_id))
    return frozenset(ids)


def id_of(line: bytes) -> tuple[str, ...]:
    """The ids of the calls and channels a journal's line is about; none of a line that is no journal's."""
    if line[10:11] == b"|":
        queued = parse_queue(line)
        return (queued.call_id,) if queued is not None else ()
    fields = line.split(b",", 4)
    return (fields[2].decode("ascii", "replace"), fields[3].decode("ascii", "replace")) if len(fields) == 5 else ()


def mask_calls(db: sqlite3.Connection, keys: Sequence[int], mask: Mask) -> int:
    """Mask these calls' lines and fold them again, in one transaction; how many changed."""
    ledger = Ledger(db)
    restarts = [at for (at,) in db.execute("SELECT at_ms FROM restart ORDER BY at_ms")]

    def restart_after(at_ms: int) -> int | None:
        index = bisect_right(restarts, at_ms)
        return restarts[index] if index < len(restarts) else None

    with transaction(db):
        changed: list[Entry] = []
        for entry in ledger.load(keys):
            lines = Lines(
                [mask.mask(line) for line in entry.lines.cel], [mask.mask(line) for line in entry.lines.queue]
            )
            if lines != entry.lines:
                entry.lines, entry.changed = lines, True
                changed.append(entry)
        ledger.write(changed, restart_after)
    return len(changed)


def delete_notes(db: sqlite3.Connection, keys: Iterable[int]) -> int:
    """Forget what people wrote about these calls and the messages left in them; how many notes."""
    remarks = "DELETE FROM message_remark WHERE id IN (SELECT id FROM message WHERE call = ?)"
    return sum(
        db.execute(query, (key,)).rowcount
        for key in keys
        for query in ("DELETE FROM call_note WHERE call = ?", remarks)
    )


@dataclass(frozen=True, slots=True)
class Row:
    """A row that has something of the person: its table, key and texts by name, and the key's values."""

    table: str
    keys: tuple[str, ...]
    texts: tuple[str, ...]
    key: tuple[Any, ...]


def rows_with(db: sqlite3.Connection, mask: Mask, skip: Collection[str], away: Collection[int]) -> list[Row]:
    """Rows of every table but ``skip`` that have something of the person, but for those of the calls ``away``. Looks
    at every row, so with a reader's connection: nobody waits for it."""
    suspects = mask.suspects()

    def suspect(value: object) -> bool:
        data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        return isinstance(data, bytes) and suspects.search(data) is not None and mask.hits(data)

    db.create_function("suspect", 1, suspect, deterministic=True)
    found: list[Row] = []
    for table, keys, texts in tables(db):
        if table in skip or not texts:
            continue
        names = {row[1] for row in db.execute(f"PRAGMA table_info({_quoted(table)})")}
        call = "call" if "call" in names else "key" if table == "call" else "NULL"
        call = f"id / {TAKES}" if table == "recording" else call
        where = " OR ".join(f"suspect({_quoted(text)})" for text in texts)
        shown = ", ".join([call, *map(_key, keys)])
        rows = db.execute(f"SELECT {shown} FROM {_quoted(table)} WHERE {where}")
        found += [Row(table, keys, texts, tuple(row[1:])) for row in rows if row[0] not in away]
    return found


def mask_rows(db: sqlite3.Connection, rows: Iterable[Row], mask: Mask) -> int:
    """Mask these rows; how many changed. A row whose key becomes another's takes its place."""
    count = 0
    for row in rows:
        at = " AND ".join(f"{_key(one)} = ?" for one in row.keys)
        texts = ", ".join(map(_quoted, row.texts))
        values = db.execute(f"SELECT {texts} FROM {_quoted(row.table)} WHERE {at}", row.key).fetchone()
        masked = [_masked(value, mask) for value in values or ()]
        changes = [(text, new) for text, old, new in zip(row.texts, values or (), masked, strict=False) if old != new]
        if changes:
            put = ", ".join(f"{_quoted(text)} = ?" for text, _ in changes)
            new = (*(value for _, value in changes), *row.key)
            db.execute(f"UPDATE OR REPLACE {_quoted(row.table)} SET {put} WHERE {at}", new)
            count += 1
    return count


def tables(db: sqlite3.Connection) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Every table of ours: name, key, and the columns that hold texts (or a journal's lines)."""
    virtual = [str(row[0]) for row in db.execute("SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL%'")]
    for name, sql in db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall():
        if name.startswith("sqlite_") or any(name == one or name.startswith(one + "_") for one in virtual):
            continue
        columns = db.execute(f"PRAGMA table_info({_quoted(name)})").fetchall()
        texts = tuple(
            row[1] for row in columns if str(row[2]).upper() in ("TEXT", "ANY") or (name, row[1]) == ("held", "line")
        )
        keyed = tuple(row[1] for row in sorted(columns, key=lambda row: row[5]) if row[5])
        yield name, (keyed if "WITHOUT ROWID" in sql.upper() else ("rowid",)), texts


def _key(name: str) -> str:
    return name if name == "rowid" else _quoted(name)


def _masked(value: object, mask: Mask) -> object:
    if isinstance(value, str):
        return mask.text(value)
    return mask.mask(value) if isinstance(value, bytes) else value


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# ---- what is left on the disk


def careful(db: sqlite3.Connection) -> None:
    """Let nothing that is deleted from now on stay readable in a free page. Debian's SQLite does so by itself."""
    db.execute("PRAGMA secure_delete=ON").fetchone()


def merge_search(db: sqlite3.Connection, first: bool) -> bool:
    """Merge some of the search index, in which dropped entries linger; whether there is more. ``first``: begin."""
    before = db.total_changes
    with transaction(db):
        db.execute("INSERT INTO caller_search (caller_search, rank) VALUES ('merge', ?)", (-MERGE if first else MERGE,))
    return db.total_changes - before >= 2


def empty_wal(db: sqlite3.Connection) -> bool:
    """Fold the write-ahead log into the database and cut it to nothing; False while a reader still needs it."""
    return bool(db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)


def write_anew(db: sqlite3.Connection) -> None:
    """Write the database file anew without its free space. Needs as much room again, and takes about a second for
    100 MB on a disk, several on a memory card; nobody else can write meanwhile. A job that makes its own
    transaction."""
    db.execute("VACUUM")


def scan_file(
    path: Path, mask: Mask, skip: Callable[[bytes], bool] = lambda line: False
) -> list[tuple[int, bytes, bytes]]:
    """Where a file has something of the person: offset, the bytes there (a line's part), and what belongs there. Lines
    that ``skip`` knows are left out. Reads in blocks; a line over 1 MiB is looked at in pieces. OSError as the disk."""
    hits: list[tuple[int, bytes, bytes]] = []
    with open(path, "rb", buffering=0) as file:
        start, rest = 0, b""
        while True:
            block = os.pread(file.fileno(), BLOCK, start + len(rest))
            data = rest + block
            end = data.rfind(b"\n") + 1 if block else len(data)
            if block and end == 0:
                end = len(data) - 4096 if len(data) > 2 * BLOCK else 0
            hits += _hits(data[:end], start, mask, skip)
            start, rest = start + end, data[end:]
            if not block:
                return hits


def _hits(data: bytes, start: int, mask: Mask, skip: Callable[[bytes], bool]) -> Iterator[tuple[int, bytes, bytes]]:
    done = -1
    for match in mask.suspects().finditer(data):
        if match.start() < done:
            continue
        begin = data.rfind(b"\n", 0, match.start()) + 1
        done = data.find(b"\n", match.end())
        done = len(data) if done < 0 else done
        line = data[begin:done]
        masked = mask.mask(line)
        if masked != line and not skip(line):
            yield start + begin, line, masked
