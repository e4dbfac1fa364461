"""Who may use the page: added, listed, given a new one-time password, removed. Every change is in the audit.

The password is made where it is shown (the command line); only its hash comes here. Handlers run on the control thread.
"""

import sqlite3
from concurrent.futures import Future
from dataclasses import dataclass

from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.ops.means import Means, Subject
from ramal.store import read, users

COMMAND_LINE = "command line"


def subject(means: Means) -> Subject:
    """``users.add`` (name, role, agent, hash), ``users.list``, ``users.reset`` (name, hash), ``users.remove``."""
    desk = _Users(means)
    handlers = {
        "users.add": desk.add,
        "users.list": desk.listed,
        "users.reset": desk.reset,
        "users.remove": desk.remove,
    }
    return Subject("users", handlers)


@dataclass(frozen=True, slots=True)
class _Users:
    means: Means

    def add(self, request: Request) -> "Future[Answer]":
        """A new user, who must choose an own password at the first sign-in; RamalError says what is wrong."""
        agent, at_ms, who = request.text("agent", ""), self.means.clock_ms(), request.text("who", COMMAND_LINE)
        wanted = users.NewUser(request.text("name"), request.text("role"), agent, request.text("hash"))
        codes = {known.code for known in self.means.office().agents}
        if agent and agent not in codes:
            raise users.NoUser(f"This office has no agent {agent[:12]}. Nobody was added.", "no-agent")

        def job(db: sqlite3.Connection) -> Answer:
            users.add(db, at_ms, who, wanted)
            return {}

        return self.means.write(job)

    def listed(self, request: Request) -> "Future[Answer]":
        """``{"users": [{"name", "role", "agent", "must_change", "created_ms"}]}``, by name; never a hash."""

        def job() -> Answer:
            found = self.means.read(read.users)
            fields = ("name", "role", "agent", "must_change", "created_ms")
            return {"users": [{field: getattr(user, field) for field in fields} for user in found]}

        return self.means.work(job)

    def reset(self, request: Request) -> "Future[Answer]":
        """A new one-time password; all sessions of this user end."""
        name, digest = request.text("name"), request.text("hash")
        at_ms, who = self.means.clock_ms(), request.text("who", COMMAND_LINE)

        def job(db: sqlite3.Connection) -> Answer:
            users.reset(db, at_ms, who, name, digest)
            return {}

        return self.means.write(job)

    def remove(self, request: Request) -> "Future[Answer]":
        """This user can no longer sign in, and open sessions end. The last owner stays."""
        name, at_ms, who = request.text("name"), self.means.clock_ms(), request.text("who", COMMAND_LINE)

        def job(db: sqlite3.Connection) -> Answer:
            users.remove(db, at_ms, who, name)
            return {}

        return self.means.write(job)
