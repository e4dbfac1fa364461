"""What callers are told about their wait, written ahead: every minute each queue's band goes to Asterisk's database.

``now_and_then`` and ``at_up`` run on the rounds thread; the request ``forecast`` on the control thread. The dialplan
reads ``ramal-wait/<queue>`` and says nothing once it is out of date: a dead daemon leaves silence, never an old figure.
"""

import sqlite3
from collections.abc import Sequence

from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.core.commands import PutSwitch
from ramal.core.forecast import Band, Stay, bands, learn, written
from ramal.core.office import Queue
from ramal.core.state import INVALID, UNAVAILABLE, State
from ramal.ops import asterisk
from ramal.ops.means import Means, Subject
from ramal.store.clock import key_at

VALID_S = 150
"""How long a forecast may be used: one that fails to be renewed is soon forgotten."""
LOOK_BACK_MS = 14 * 24 * 3_600_000
STAYS_MAX = 900


def subject(means: Means) -> Subject:
    """The forecast's part of the daemon."""
    known: dict[str, tuple[Band, ...]] = {}

    def renew() -> None:
        state, now_ms = means.state(), means.clock_ms()
        if not state.asterisk.up:
            return
        for queue in state.office.queues:
            there = serving(state, queue.name)
            known[queue.name] = means.read(lambda db: forecast(db, queue, there, now_ms)) if there else ()  # noqa: B023
            value = written(known[queue.name], now_ms // 1000 + VALID_S)
            if value:
                asterisk.tell(means, PutSwitch("ramal-wait", queue.name, value))
            else:
                known.pop(queue.name)

    def told(request: Request) -> Answer:
        return {"queues": {name: [list(band.minutes) for band in line] for name, line in tuple(known.items())}}

    return Subject("forecast", {"forecast": told}, at_up=renew, now_and_then=renew)


def serving(state: State, queue: str) -> int:
    """How many agents can take calls of a queue, now or after the call they are in."""
    return sum(
        any(
            member.queue == queue and not member.paused and member.status not in (INVALID, UNAVAILABLE)
            for member in seats.values()
        )
        for seats in state.members.values()
    )


def forecast(db: sqlite3.Connection, queue: Queue, agents: int, now_ms: int) -> tuple[Band, ...]:
    """The bands of a queue by callers ahead; empty when the evidence is thin."""
    since_ms = now_ms - LOOK_BACK_MS
    return bands(learn(_stays(db, queue, since_ms), _agents(db, queue.name, since_ms)), agents)


def _stays(db: sqlite3.Connection, queue: Queue, since_ms: int) -> list[Stay]:
    rows = db.execute(
        "SELECT joined_ms, left_ms, outcome, talk_ms FROM queue_stay WHERE queue = ? AND call >= ?"
        " AND (left_ms > joined_ms OR outcome = 'answered') AND outcome NOT IN ('waiting', 'system')"
        " ORDER BY call DESC LIMIT ?",
        (queue.name, key_at(db, since_ms), STAYS_MAX),
    )
    return [
        Stay(
            joined_ms / 1000,
            left_ms / 1000,
            outcome == "answered",
            (left_ms + (talk_ms or 0)) / 1000 + queue.wrap_up_s if outcome == "answered" else 0.0,
        )
        for joined_ms, left_ms, outcome, talk_ms in rows
    ]


def _agents(db: sqlite3.Connection, queue: str, since_ms: int) -> Sequence[tuple[float, int]]:
    """Since when how many agents were in the queue and not paused."""
    here: dict[str, bool] = {}
    counts: list[tuple[float, int]] = []
    for at_ms, agent, kind, detail in db.execute(
        "SELECT at_ms, agent, kind, detail FROM agent_event WHERE at_ms >= ? AND queue = ? ORDER BY id",
        (since_ms, queue),
    ):
        _take(here, agent, kind, detail)
        counts.append((at_ms / 1000, sum(here.values())))
    return counts


def _take(here: dict[str, bool], agent: str, kind: str, detail: str) -> None:
    match kind:
        case "login":
            here[agent] = detail != "PAUSED"
        case "logout":
            here.pop(agent, None)
        case "pause" if agent in here:
            here[agent] = False
        case "resume" if agent in here:
            here[agent] = True
