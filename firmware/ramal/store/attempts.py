"""Calls by a press on the page: each is kept before the phone rings. Writing is done on the writer's thread."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attempt:
    """``attempt``: its name; ``who``: a user of the page; ``number``: E.164."""

    attempt: str
    at_ms: int
    who: str
    phone: str
    number: str


def begin(db: sqlite3.Connection, attempt: Attempt) -> bool:
    """Keep it; False when it is there already and must not be made again."""
    statement = "INSERT OR IGNORE INTO dial_attempt (attempt, at_ms, who, phone, number) VALUES (?, ?, ?, ?, ?)"
    values = (attempt.attempt, attempt.at_ms, attempt.who, attempt.phone, attempt.number)
    return db.execute(statement, values).rowcount == 1


def known(db: sqlite3.Connection, attempt: str) -> bool:
    """Was it begun?"""
    return db.execute("SELECT 1 FROM dial_attempt WHERE attempt = ?", (attempt,)).fetchone() is not None
