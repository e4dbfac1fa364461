"""Agents' lamps and pauses, looked over: the dialplan does all of it (``dialplan/agent.conf``), this has it healed.

Asterisk heals by itself when it has started. Here it is asked again when the daemon came up, and when a lamp lies:
somebody paused an agent behind the dialplan's back.
"""

import logging

from ramal.core.state import NOTHING, WRAP_UP, State
from ramal.errors import RamalError
from ramal.ops import asterisk
from ramal.ops.means import Means, Subject

log = logging.getLogger(__name__)

LIT = frozenset({"INUSE", "RINGING"})


def subject(means: Means) -> Subject:
    """The subject ``agents``: no requests, only rounds."""

    def heal() -> None:
        asterisk.tick(means, "heal")

    def look() -> None:
        state = means.state()
        if state.asterisk.up and any(_lies(means, state, agent.code) for agent in state.office.agents):
            heal()

    def up() -> None:
        if means.state().asterisk.up:
            heal()

    return Subject("agents", at_up=up, now_and_then=look)


def _lies(means: Means, state: State, agent: str) -> bool:
    """Whether the lamp of an agent's log-in or pause says what app_queue does not."""
    seats = state.members.get(agent, NOTHING).values()
    paused = any(seat.paused and seat.pause_reason != WRAP_UP for seat in seats)
    for lamp, lit in (("in", bool(seats)), ("pause", paused)):
        try:
            shown = asterisk.device_state(means, f"Custom:ramal-{lamp}-{agent}")
        except RamalError:
            return False
        if (shown in LIT) != lit:
            log.info("the lamp %s-%s was wrong (%s); it is set right", lamp, agent, shown)
            return True
    return False
