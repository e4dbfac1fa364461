"""The picture of this moment for the page and the command line: ``live(state, now_ms, …)`` as JSON-ready values.

Pure; may run on any thread, because a State never changes. Times are milliseconds since 1970, UTC; the reader computes
durations. While Asterisk is down the last picture is shown with ``asterisk.up`` false and since when.
"""

from collections.abc import Mapping
from typing import Any

from ramal.core.events import Waiting
from ramal.core.office import Agent
from ramal.core.places import logical, personal
from ramal.core.state import NOTHING, Standing, State
from ramal.core.warnings import Registry


def live(
    state: State, now_ms: int, today: Mapping[str, int], warnings: Registry, behind_bytes: int = 0
) -> dict[str, Any]:
    """Everything the live page shows. ``today``: counts of the office's local day; ``behind_bytes``: journal bytes
    not yet read into the history."""
    standings = {agent.code: _standing(state, agent, now_ms) for agent in state.office.agents}
    return {
        "at_ms": now_ms,
        "asterisk": {
            "up": state.asterisk.up,
            "since_ms": state.asterisk.since_ms,
            "version": state.asterisk.version,
            "reason": state.asterisk.reason,
        },
        "office": {"name": state.office.name, "timezone": state.office.timezone},
        "queues": _queues(state, standings),
        "waiting": _waiting(state),
        "agents": [_agent(state, agent, standings[agent.code]) for agent in state.office.agents],
        "phones": [
            {"extension": phone.extension, "reachable": state.reach.get(phone.extension, False)}
            for phone in state.office.phones
        ],
        "lines": [
            {"name": line.name, "reachable": state.reach.get(f"line-{line.name}")} for line in state.office.lines
        ],
        "today": dict(today),
        "warnings": [
            {"code": warned.code, "since_ms": warned.since_ms, "text_args": dict(warned.args)}
            for warned in sorted(warnings.values(), key=lambda warned: warned.since_ms)
        ],
        "ingest": {"behind_bytes": behind_bytes},
    }


def _standing(state: State, agent: Agent, now_ms: int) -> Standing:
    known = state.standings.get(agent.code)
    return known.at(now_ms) if known else Standing("out", state.asterisk.since_ms or now_ms)


def _queues(state: State, standings: Mapping[str, Standing]) -> list[dict[str, Any]]:
    rows = []
    homes = state.by_home()
    for queue in state.office.queues:
        line = homes.get(queue.name, ())
        does = [
            standings[agent.code].state
            for agent in state.office.agents
            if any(place.queue == queue.name for place in agent.queues)
        ]
        free, paused = does.count("free"), does.count("paused")
        away = does.count("out") + does.count("unreachable")
        rows.append(
            {
                "name": queue.name,
                "title": queue.title or queue.name,
                "waiting": len(line),
                "longest_since_ms": min((caller.joined_ms for caller in line), default=None),
                "agents_free": free,
                "agents_busy": len(does) - free - paused - away,
                "agents_paused": paused,
                "agents_away": away,
            }
        )
    return rows


def _waiting(state: State) -> list[dict[str, Any]]:
    ringing: dict[str, list[str]] = {}
    for ring in state.rings.values():
        ringing.setdefault(ring.call, []).append(ring.agent)
    callers: list[tuple[int, Waiting]] = [
        (index + 1, caller) for line in state.by_home().values() for index, caller in enumerate(line)
    ]
    callers.sort(key=lambda placed: placed[1].joined_ms)
    return [
        {
            "call": caller.call,
            "queue": caller.office_queue,
            "caller": caller.caller,
            "caller_name": caller.caller_name,
            "since_ms": caller.joined_ms,
            "position": position,
            "ringing": sorted(ringing.get(caller.call, ())),
        }
        for position, caller in callers
    ]


def _agent(state: State, agent: Agent, standing: Standing) -> dict[str, Any]:
    members = state.members.get(agent.code, NOTHING)
    with_whom = state.talks.get(agent.code) if standing.state == "talking" else None
    ring = state.rings.get(agent.code) if standing.state == "ringing" else None
    other = with_whom or ring
    return {
        "code": agent.code,
        "name": agent.name,
        "phone": next((member.phone for member in members.values()), agent.phone),
        "state": standing.state,
        "since_ms": standing.since_ms,
        "reason": standing.reason,
        "queues": sorted({logical(queue) for queue, _ in members if not personal(queue)})
        if members
        else [place.queue for place in agent.queues],
        "caller": other.caller if other else "",
        "call": other.call if other else standing.call,
        "queue": logical(other.queue) if other else "",
    }
