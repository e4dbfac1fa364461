"""Who may fetch the settings of a desk phone, and who did. On the writer's thread, but for ``records``.

Law: one look and one mark are one transaction, so that “once” is once whoever asks at the same time; every fetch is in
the audit with the address and the program that fetched, refusals once a minute a phone.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from ramal.store.users import audit

FRESH_MS = 24 * 3_600_000
"""So long after its hardware address became known a phone that never fetched may fetch once."""
REFUSED_EVERY_MS = 60_000
AGENT_MAX = 120


@dataclass(frozen=True, slots=True)
class PhoneFile:
    """What is known of one phone's fetching. ``open_until_ms``: 0 = nobody allowed it; ``fetched_ms``: None = never."""

    phone: str
    mac: str
    known_ms: int
    fresh: bool
    open_until_ms: int
    fetched_ms: int | None
    address: str
    agent: str

    def is_open(self, now_ms: int) -> bool:
        """Whether a phone without its token may fetch now. A clock that was set back closes, never opens."""
        opened = self.open_until_ms - now_ms
        return 0 < opened <= FRESH_MS or (self.fresh and 0 <= now_ms - self.known_ms < FRESH_MS)


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody asks for the file of ``phone``: from ``address``, by the program ``agent``. ``token``: with its own."""

    phone: str
    mac: str
    token: bool
    address: str
    agent: str


def know(connection: sqlite3.Connection, phones: Mapping[str, str], now_ms: int) -> None:
    """Know the phones with a hardware address (extension → address); a new address is fresh.

    A phone that is not among them stays known: it must not be fresh again because the office was not read yet.
    """
    for row in records(connection).values():
        if phones.get(row.phone, row.mac) != row.mac:
            connection.execute("DELETE FROM phone_file WHERE phone = ?", (row.phone,))
    connection.executemany(
        "INSERT INTO phone_file VALUES (?, ?, ?, 1, 0, NULL, '', '', NULL) ON CONFLICT (phone) DO NOTHING",
        [(phone, mac, now_ms) for phone, mac in phones.items()],
    )


def open_until(connection: sqlite3.Connection, phone: str, until_ms: int, now_ms: int, who: str) -> None:
    """Let ``phone`` fetch until then (0 = no more); it must be known."""
    connection.execute("UPDATE phone_file SET open_until_ms = ?, fresh = 0 WHERE phone = ?", (until_ms, phone))
    minutes = max(0, until_ms - now_ms) // 60_000
    audit(connection, now_ms, who, "phone.opened" if until_ms else "phone.closed", f"{phone} {minutes} min".strip())


def admit(connection: sqlite3.Connection, visit: Visit, now_ms: int) -> bool:
    """Whether ``visit`` gets the file; it is marked and in the audit then."""
    row = records(connection).get(visit.phone)
    allowed = visit.token or (row is not None and row.mac == visit.mac and row.is_open(now_ms))
    detail = f"{visit.phone} {visit.address} {_plain(visit.agent)}".strip()
    if allowed:
        connection.execute(
            "UPDATE phone_file SET fresh = 0, fetched_ms = ?, address = ?, agent = ? WHERE phone = ?",
            (now_ms, visit.address, _plain(visit.agent), visit.phone),
        )
        audit(connection, now_ms, visit.mac, "phone.fetched", detail)
    else:
        noted = connection.execute(
            "UPDATE phone_file SET refused_ms = ? WHERE phone = ? AND abs(? - coalesce(refused_ms, 0)) >= ?",
            (now_ms, visit.phone, now_ms, REFUSED_EVERY_MS),
        ).rowcount
        if noted:
            audit(connection, now_ms, visit.mac, "phone.refused", detail)
    return allowed


def records(connection: sqlite3.Connection) -> dict[str, PhoneFile]:
    """What is known of every phone, by extension."""
    rows = connection.execute(
        "SELECT phone, mac, known_ms, fresh, open_until_ms, fetched_ms, address, agent FROM phone_file ORDER BY phone"
    )
    return {
        phone: PhoneFile(phone, mac, known_ms, bool(fresh), open_until_ms, fetched_ms, address, agent)
        for phone, mac, known_ms, fresh, open_until_ms, fetched_ms, address, agent in rows
    }


def _plain(agent: str) -> str:
    return "".join(char if char.isprintable() else " " for char in agent[:AGENT_MAX]).strip()
