"""What callers did in the menus: counted per hour when a call has ended, read for any span of time.

Law: the counts are a function of the ended calls. What a call added is kept beside it (``call_menu``), so that a call
written again, by late lines or by a rebuild, takes back exactly what it had added. A span of whole hours costs one row
per hour, menu, event and key, however many calls there were. ``count`` runs on the writer's thread.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ramal.core.history import Call
from ramal.store.clock import key_at

HOUR_MS = 3_600_000
KEY_SLACK_MS = 5000
"""As in ``store.read``: a call's key is of the second its channel was made in, a moment before its first event."""
_CHUNK = 500

Slot = tuple[str, str, str]
"""Menu, event, key."""


@dataclass(slots=True)
class MenuFigures:
    """A menu in a span of time, by the calls that began in it and have ended; see ``core.menus`` for what each is.

    ``keys``: option or dialed extension to how often; ``hung_up`` is the drop-out point.
    """

    menu: str
    entered: int = 0
    again: int = 0
    keys: dict[str, int] = field(default_factory=dict)
    wrong: int = 0
    silent: int = 0
    given_up: int = 0
    hung_up: int = 0
    lost: int = 0


def menus(db: sqlite3.Connection, since_ms: int, until_ms: int) -> tuple[MenuFigures, ...]:
    """Every menu that a call of [since_ms, until_ms) was in, by name."""
    total: Counter[Slot] = Counter()
    first_hour, last_hour = -(-since_ms // HOUR_MS), until_ms // HOUR_MS
    if first_hour >= last_hour:
        _add_calls(db, total, since_ms, until_ms)
    else:
        _add_calls(db, total, since_ms, first_hour * HOUR_MS)
        _add_calls(db, total, last_hour * HOUR_MS, until_ms)
        for menu, event, key, n in db.execute(
            "SELECT menu, event, key, sum(n) FROM menu_count WHERE hour >= ? AND hour < ? GROUP BY menu, event, key",
            (first_hour, last_hour),
        ):
            total[menu, event, key] += n
    found: dict[str, MenuFigures] = {}
    for (menu, event, key), n in sorted(total.items()):
        if n:
            _note(found.setdefault(menu, MenuFigures(menu)), event, key, n)
    return tuple(found.values())


def _note(figures: MenuFigures, event: str, key: str, n: int) -> None:
    if event == "key":
        figures.keys[key] = n
    else:
        name = event.replace("-", "_")
        setattr(figures, name, getattr(figures, name) + n)


def _add_calls(db: sqlite3.Connection, total: Counter[Slot], since_ms: int, until_ms: int) -> None:
    """The part of a span that is no whole hour, call by call."""
    if since_ms >= until_ms:
        return
    for (text,) in db.execute(
        "SELECT m.tally FROM call c JOIN call_menu m ON m.call = c.key"
        " WHERE c.key >= ? AND c.key < ? AND c.started_ms >= ? AND c.started_ms < ?",
        (key_at(db, since_ms - KEY_SLACK_MS), key_at(db, until_ms + KEY_SLACK_MS), since_ms, until_ms),
    ):
        total.update(_parsed(text))


def count(db: sqlite3.Connection, calls: Iterable[tuple[int, bool, Call]]) -> None:
    """Bring the counts up to these calls: (key, was it there before, the call). Inside the writer's transaction."""
    told = list(calls)
    before = _kept(db, [key for key, known, _ in told if known])
    change: Counter[tuple[int, str, str, str]] = Counter()
    put, gone = [], []
    for key, _, call in told:
        after = (call.started_ms // HOUR_MS, _text(call)) if call.menus else None
        was = before.get(key)
        if was == after:
            continue
        for row, sign in ((was, -1), (after, 1)):
            if row is not None:
                for slot, n in _parsed(row[1]).items():
                    change[(row[0], *slot)] += sign * n
        if after is not None:
            put.append((key, *after))
        else:
            gone.append((key,))
    db.executemany("INSERT OR REPLACE INTO call_menu VALUES (?, ?, ?)", put)
    db.executemany("DELETE FROM call_menu WHERE call = ?", gone)
    rows = [(*slot, n) for slot, n in change.items() if n]
    db.executemany("INSERT INTO menu_count VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", rows)
    db.executemany(
        "DELETE FROM menu_count WHERE hour = ? AND menu = ? AND event = ? AND key = ? AND n = 0",
        [row[:4] for row in rows if row[4] < 0],
    )


def _kept(db: sqlite3.Connection, keys: list[int]) -> Mapping[int, tuple[int, str]]:
    """What calls have added already: hour and tally."""
    found: dict[int, tuple[int, str]] = {}
    for begin in range(0, len(keys), _CHUNK):
        part = keys[begin : begin + _CHUNK]
        query = f"SELECT call, hour, tally FROM call_menu WHERE call IN ({','.join('?' * len(part))})"
        found.update((key, (hour, text)) for key, hour, text in db.execute(query, part))
    return found


def _text(call: Call) -> str:
    return " ".join(f"{one.menu}|{one.event}|{one.key}|{one.n}" for one in call.menus)


def _parsed(text: str) -> Counter[Slot]:
    found: Counter[Slot] = Counter()
    for item in text.split():
        menu, event, key, n = item.split("|")
        found[menu, event, key] += int(n)
    return found
