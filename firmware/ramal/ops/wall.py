"""Screens on the wall: their addresses are made and taken away here. Handlers run on the control thread."""

import secrets
import sqlite3
from concurrent.futures import Future

from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.ops.means import Means, Subject
from ramal.store import screens

TOKEN_BYTES = 24


def subject(means: Means) -> Subject:
    """``wall.make`` (who, name) → ``{"id", "token"}``, said this once; ``wall.revoke`` (who, screen)."""

    def make(request: Request) -> "Future[Answer]":
        who, name, at_ms = request.text("who"), request.text("name"), means.clock_ms()
        token = secrets.token_urlsafe(TOKEN_BYTES)
        return means.write(lambda db: {"id": screens.make(db, at_ms, who, name, token), "token": token})

    def revoke(request: Request) -> "Future[Answer]":
        who, screen, at_ms = request.text("who"), request.text("screen"), means.clock_ms()
        if not screen.isascii() or not screen.isdigit() or len(screen) > 15:
            raise screens.Gone("There is no such screen any more. Nothing was changed.")

        def job(db: sqlite3.Connection) -> Answer:
            screens.revoke(db, at_ms, who, int(screen))
            return {}

        return means.write(job)

    return Subject("wall", {"wall.make": make, "wall.revoke": revoke})
