"""What each agent did in a span of time, from queue_log's logins and pauses and from the queue stays."""

import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ramal.core.state import WRAP_UP
from ramal.store.clock import key_at

LOOK_BACK_MS = 31 * 24 * 3_600_000
"""How long before the span a login is still believed: nobody stays logged in for longer without an event."""


@dataclass(frozen=True, slots=True)
class AgentDay:
    """What an agent did since an instant. ``since_ms`` is when the present state (``state``) began."""

    agent: str
    state: Literal["out", "in", "paused"]
    since_ms: int
    reason: str
    answered: int
    missed: int
    talk_ms: int
    logged_in_ms: int
    paused_ms: int
    """Without wrap-up."""
    pauses_ms: Mapping[str, int] = field(default_factory=dict)
    """By reason, the codes of the office's pauses and ``pause``, ``missed``, ``rejected``; sum: ``paused_ms``."""
    wrap_up_ms: int = 0
    """Wrap-up that was a pause of its own: after calls that came through no queue, and where it was extended. What
    app_queue itself leaves free after a queue's call leaves no trace in its journal."""


def agents_today(db: sqlite3.Connection, since_ms: int, now_ms: int) -> tuple[AgentDay, ...]:
    """Every agent that logged in, was logged in or rang since ``since_ms``, by code."""
    days: dict[str, _Day] = {}
    for at_ms, agent, queue, kind, detail in db.execute(
        "SELECT at_ms, agent, queue, kind, detail FROM agent_event WHERE at_ms >= ? AND at_ms <= ? ORDER BY id",
        (since_ms - LOOK_BACK_MS, now_ms),
    ):
        days.setdefault(agent, _Day(agent, since_ms)).take(at_ms, queue, kind, detail)
    for agent, outcome, talk_ms, missed in db.execute(
        "SELECT agent, outcome, talk_ms, missed FROM queue_stay WHERE call >= ? AND call < ?",
        (key_at(db, since_ms), key_at(db, now_ms + 999)),
    ):
        if outcome == "answered" and agent:
            day = days.setdefault(agent, _Day(agent, since_ms))
            day.answered += 1
            day.talk_ms += talk_ms or 0
        for code in missed.split():
            days.setdefault(code, _Day(code, since_ms)).missed += 1
    present = {agent: day for agent, day in days.items() if day.queues or day.counted_ms >= since_ms or day.worked}
    return tuple(day.at(now_ms) for _, day in sorted(present.items()))


@dataclass(slots=True)
class _Day:
    """One agent's span, event by event."""

    agent: str
    began_ms: int
    queues: set[str] = field(default_factory=set)
    paused: dict[str, str] = field(default_factory=dict)
    since_ms: int = 0
    counted_ms: int = 0
    logged_in_ms: int = 0
    pauses_ms: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    missed: int = 0
    talk_ms: int = 0

    @property
    def state(self) -> Literal["out", "in", "paused"]:
        return "out" if not self.queues else ("paused" if self.paused else "in")

    @property
    def reason(self) -> str:
        """Why the agent is paused now; "" when no queue's journal says."""
        return next((reason for reason in self.paused.values() if reason), "") if self.state == "paused" else ""

    @property
    def worked(self) -> bool:
        return bool(self.answered or self.missed)

    def take(self, at_ms: int, queue: str, kind: str, reason: str) -> None:
        """One event; an agent is in while in any queue, and paused while paused in any."""
        was = self.state
        self._count(at_ms)
        if kind == "login":
            self.queues.add(queue)
            if reason == "PAUSED":
                self.paused[queue] = ""
        elif kind == "logout":
            self.queues.discard(queue)
            self.paused.pop(queue, None)
        elif kind == "pause":
            self.paused[queue] = reason
        else:
            self.paused.pop(queue, None)
        if self.state != was:
            self.since_ms = at_ms

    def _count(self, at_ms: int) -> None:
        passed = max(0, at_ms - max(self.counted_ms, self.began_ms))
        self.logged_in_ms += passed if self.queues else 0
        if self.state == "paused" and passed:
            self.pauses_ms[self.reason] += passed
        self.counted_ms = max(at_ms, self.counted_ms)

    def at(self, now_ms: int) -> AgentDay:
        self._count(now_ms)
        pauses_ms = {reason: ms for reason, ms in self.pauses_ms.items() if reason != WRAP_UP}
        return AgentDay(
            self.agent,
            self.state,
            self.since_ms,
            self.reason,
            self.answered,
            self.missed,
            self.talk_ms,
            self.logged_in_ms,
            sum(pauses_ms.values()),
            pauses_ms,
            self.pauses_ms[WRAP_UP],
        )
