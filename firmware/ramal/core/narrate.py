"""What the log says of a step: one line per transition, nothing for what stayed. Codes and call ids, never numbers
or names of people. Asterisk lost and found is told by the AMI link, which knows why.

Pure; runs on the engine thread.
"""

from ramal.core import warnings
from ramal.core.events import AgentAnswered, AgentDone, AgentMissed, CallerJoined, CallerLeft, CommandRefused, Event
from ramal.core.state import State


def lines(before: State, event: Event, after: State, now_ms: int) -> tuple[str, ...]:
    """The log lines of one step, oldest first."""
    told: list[str] = []
    if before.office != after.office:
        told.append(f"office: {after.office.name} loaded")
    told.extend(_event_lines(before, event, after))
    if before.standings is not after.standings:
        told.extend(_standing_lines(before, after, now_ms))
    told.extend(warnings.transitions(before.warnings, after.warnings))
    return tuple(told)


def _event_lines(before: State, event: Event, after: State) -> tuple[str, ...]:
    if isinstance(event, CommandRefused):
        return (f"asterisk refused {event.what}: {event.reason}",)
    if before is after:
        return ()
    match event:
        case CallerJoined(waiting):
            return (f"call {waiting.call}: -> waiting ({waiting.queue})",)
        case CallerLeft(queue, call, _, abandoned) if before.waiting is not after.waiting:
            return (f"call {call}: waiting -> {'abandoned' if abandoned else 'left'} ({queue})",)
        case AgentAnswered():
            return (f"call {event.call}: -> answered (agent-{event.agent})",)
        case AgentMissed():
            return (f"call {event.call}: missed by agent-{event.agent}",)
        case AgentDone():
            return (f"call {event.call}: talk over ({event.reason})",)
    return ()


def _standing_lines(before: State, after: State, now_ms: int) -> tuple[str, ...]:
    told: list[str] = []
    for agent, standing in after.standings.items():
        old = before.standings.get(agent)
        if old is standing or (old is None and standing.state == "out"):
            continue
        was = old.at(now_ms).state if old else "unknown"
        if was != standing.state:
            told.append(
                f"agent-{agent}: {was} -> {standing.state}" + (f" ({standing.reason})" if standing.reason else "")
            )
    return tuple(told)
