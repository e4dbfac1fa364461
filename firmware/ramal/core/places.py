"""Where an agent waits for callers: the one list of app_queue memberships, and app_queue's queues behind ours.

Pure. A queue of the office is one queue of app_queue of the same name and one more for each need some of its agents
can meet (``sales--en``), where a caller waits for them alone before the whole queue is asked (``widen_after_s``). An
agent of any queue has one of its own, ``agent-7``: there those wait who know this agent (``sticky_s``, or a contact
that names the agent, which may be any at any time). Used by the renderer, by reconciling and by the live view, so that
they agree; names with ``--`` are refused in the office file.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ramal.core.latest import Latest
from ramal.core.office import Agent, Office, Queue

STEP = 10
"""What each level of a skill below the best adds to a member's penalty in a need's queue."""
_PERSONAL = re.compile(r"agent-[0-9]{1,6}\Z")


@dataclass(frozen=True, slots=True)
class Place:
    """One membership: app_queue's queue and the agent's penalty there (lower rings first)."""

    queue: str
    penalty: int


@dataclass(frozen=True, slots=True)
class AsteriskQueue:
    """One of app_queue's queues. ``queue`` is the office's; None for an agent's own. ``need`` is a skill or ""."""

    name: str
    kind: Literal["queue", "need", "agent"]
    queue: Queue | None = None
    need: str = ""


def logical(asterisk_queue: str) -> str:
    """The office's queue behind one of app_queue's; an agent's own queue has none and stays what it is."""
    return asterisk_queue.partition("--")[0]


def personal(asterisk_queue: str) -> bool:
    """Whether this is an agent's own queue, which says nothing about which queue its callers came to."""
    return bool(_PERSONAL.match(asterisk_queue))


def is_reserved(name: str) -> bool:
    """Whether a queue must not be called so, because app_queue's names are made of it."""
    return "--" in name or name.endswith("-") or personal(name)


def need_queue(queue: str, need: str) -> str:
    """``sales--en``."""
    return f"{queue}--{need}"


def needs(office: Office, queue: Queue) -> tuple[str, ...]:
    """The needs a caller of this queue can have and somebody here can meet, in a stable order: skills that numbers and
    menus ask for, and the languages the office speaks besides its own."""
    asked = dict.fromkeys(_asked(office))
    here = [agent for agent in office.agents if _penalty(agent, queue.name) is not None]
    skills = {skill.name for agent in here for skill in agent.skills}
    return tuple(need for need in asked if need in skills)


def _asked(office: Office) -> Iterator[str]:
    yield from (number.need for number in office.numbers if number.need)
    yield from (option.need for menu in office.menus for option in menu.options if option.need)
    spoken = [*office.languages, *(number.language for number in office.numbers)]
    spoken += [option.language for menu in office.menus for option in menu.options]
    yield from (language.lower() for language in spoken if language not in ("", office.language))


def places(office: Office, agent: Agent) -> tuple[Place, ...]:
    """Every membership of a logged-in agent, in the order of the file: its queues, its needs' queues, its own."""
    return all_places(office)[agent.code]


def all_places(office: Office) -> Mapping[str, tuple[Place, ...]]:
    """``places`` of every agent, by code; kept for the office asked for last, because every tick asks. Any thread."""
    return _latest(office)


def _all_places(office: Office) -> Mapping[str, tuple[Place, ...]]:
    asked = {queue.name: needs(office, queue) for queue in office.queues}
    return {agent.code: _places(office, agent, asked) for agent in office.agents}


_latest = Latest(_all_places)


def _places(office: Office, agent: Agent, asked: Mapping[str, tuple[str, ...]]) -> tuple[Place, ...]:
    levels = {skill.name: skill.level for skill in agent.skills}
    found: list[Place] = []
    for queue in office.queues:
        penalty = _penalty(agent, queue.name)
        if penalty is None:
            continue
        found.append(Place(queue.name, penalty))
        found += [
            Place(need_queue(queue.name, need), penalty + STEP * (levels[need] - 1))
            for need in asked[queue.name]
            if need in levels
        ]
    if _has_own(office, agent):
        found.append(Place(agent.member, 0))
    return tuple(found)


def asterisk_queues(office: Office) -> tuple[AsteriskQueue, ...]:
    """Every queue app_queue must know."""
    found: list[AsteriskQueue] = []
    for queue in office.queues:
        found.append(AsteriskQueue(queue.name, "queue", queue))
        found += [AsteriskQueue(need_queue(queue.name, need), "need", queue, need) for need in needs(office, queue)]
    found += [AsteriskQueue(agent.member, "agent") for agent in office.agents if _has_own(office, agent)]
    return tuple(found)


def own_queues(office: Office, agent: Agent) -> tuple[Queue, ...]:
    """The queues whose callers may wait for this agent alone."""
    return tuple(queue for queue in office.queues if _penalty(agent, queue.name) is not None)


def wrap_up_s(office: Office, asterisk_queue: str) -> int:
    """The rest after a talk that came through one of app_queue's queues. An agent's own queue cannot know which queue
    its caller came to, so it has the longest of them."""
    if personal(asterisk_queue):
        agent = next((agent for agent in office.agents if agent.member == asterisk_queue), None)
        return max((queue.wrap_up_s for queue in own_queues(office, agent)), default=0) if agent else 0
    name = logical(asterisk_queue)
    return next((queue.wrap_up_s for queue in office.queues if queue.name == name), 0)


def _has_own(office: Office, agent: Agent) -> bool:
    return bool(own_queues(office, agent))


def _penalty(agent: Agent, queue: str) -> int | None:
    return next((place.penalty for place in agent.queues if place.queue == queue), None)
