"""queues.conf. Pure. Members are never written here: they log in, and app_queue keeps them itself."""

from ramal.asterisk.machine import Box
from ramal.asterisk.render_record import by_app_queue, form
from ramal.asterisk.tokens import token
from ramal.core.office import Office, Queue, Strategy
from ramal.core.places import asterisk_queues, own_queues, wrap_up_s

_STRATEGY: dict[Strategy, str] = {
    "longest-idle": "leastrecent",
    "fewest-calls": "fewestcalls",
    "round-robin": "rrmemory",
    "ring-all": "ringall",
    "in-order": "linear",
    "random": "random",
}


def queues_conf(office: Office, box: Box) -> str:
    """``log_membername_as_agent``: the journal then says ``agent-7``, a person, and not ``PJSIP/201``, a place.
    ``joinempty``/``leavewhenempty``: nobody waits for people who are not there; a paused agent will come back.
    ``force_longest_waiting_caller``: the order of ``core.order`` holds across all queues an agent serves."""
    head = """[general]
persistentmembers = yes
autofill = yes
shared_lastcall = yes
log_membername_as_agent = yes
negative_penalty_invalid = no
log_unpause_on_reason_change = yes
force_longest_waiting_caller = prio
"""
    parts = [head]
    for place in asterisk_queues(office):
        if place.queue is None:
            parts.append(_own(place.name, office))
        else:
            parts.append(_queue(place.queue, place.name, place.kind == "queue", office))
    return "\n".join([*parts, f"#tryinclude {box.custom}/queues.conf\n"])


def _queue(queue: Queue, name: str, announces: bool, office: Office) -> str:
    """A queue, or one of its needs' queues: there the place in the line is not said, for it counts a part of it."""
    announce = "yes" if queue.announce_position and announces else "no"
    every_s = queue.announce_every_s if queue.announce_position and announces else 0
    lines = [
        f"[{token(name)}]",
        f"strategy = {_STRATEGY[queue.strategy]}",
        f"musicclass = {music_of(queue)}",
        f"timeout = {queue.ring_s}",
        f"retry = {queue.retry_s}",
        "timeoutpriority = app",
        "timeoutrestart = no",
        f"wrapuptime = {queue.wrap_up_s}",
        f"maxlen = {queue.max_waiting}",
        *_SAME,
        f"announce-frequency = {every_s}",
        "min-announce-frequency = 15",
        f"announce-position = {announce}",
        f"servicelevel = {queue.answer_within_s}",
    ]
    if queue.callback_key:
        lines.append(f"context = queue-keys-{token(queue.name)}")
    if by_app_queue(queue, office):
        lines.append(f"monitor-format = {form(office)}")
    return "\n".join(lines) + "\n"


def music_of(queue: Queue) -> str:
    """Asterisk's name of what is heard while waiting in a queue."""
    return token(queue.music) or "default"


def _own(name: str, office: Office) -> str:
    """An agent's own queue: callers wait there for this agent alone, a single ring long."""
    agent = next(agent for agent in office.agents if agent.member == name)
    queues = own_queues(office, agent)
    lines = [
        f"[{token(name)}]",
        "strategy = ringall",
        f"musicclass = {music_of(queues[0])}",
        f"timeout = {max(queue.sticky_s or queue.ring_s for queue in queues)}",
        "retry = 1",
        "timeoutpriority = app",
        "timeoutrestart = no",
        f"wrapuptime = {wrap_up_s(office, name)}",
        "maxlen = 0",
        *_SAME,
        "announce-frequency = 0",
        "announce-position = no",
        f"servicelevel = {min(queue.answer_within_s for queue in queues)}",
    ]
    if any(by_app_queue(queue, office) for queue in queues):
        lines.append(f"monitor-format = {form(office)}")
    return "\n".join(lines) + "\n"


_SAME = (
    "ringinuse = no",
    "joinempty = unavailable,invalid,unknown",
    "leavewhenempty = unavailable,invalid,unknown",
    "announce-holdtime = no",
    "announce-to-first-user = no",
    "reportholdtime = no",
    "setinterfacevar = yes",
    "setqueueentryvar = no",
    "relative-periodic-announce = yes",
    "periodic-announce-frequency = 0",
    "autopause = no",
)
