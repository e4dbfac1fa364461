"""queues.conf. Pure. Members are never written here: they log in, and app_queue keeps them itself."""

from ramal.asterisk.machine import Box
from ramal.asterisk.tokens import token
from ramal.core.office import Office, Queue, Strategy

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
    ``joinempty``/``leavewhenempty``: nobody waits for people who are not there; a paused agent will come back."""
    head = """[general]
persistentmembers = yes
autofill = yes
shared_lastcall = yes
log_membername_as_agent = yes
negative_penalty_invalid = no
log_unpause_on_reason_change = yes
"""
    parts = [head, *(_queue(queue) for queue in office.queues), f"#tryinclude {box.custom}/queues.conf\n"]
    return "\n".join(parts)


def _queue(queue: Queue) -> str:
    announce = "yes" if queue.announce_position else "no"
    every_s = queue.announce_every_s if queue.announce_position else 0
    lines = [
        f"[{token(queue.name)}]",
        f"strategy = {_STRATEGY[queue.strategy]}",
        "musicclass = default",
        f"timeout = {queue.ring_s}",
        f"retry = {queue.retry_s}",
        "timeoutpriority = app",
        "timeoutrestart = no",
        f"wrapuptime = {queue.wrap_up_s}",
        f"maxlen = {queue.max_waiting}",
        "ringinuse = no",
        "joinempty = unavailable,invalid,unknown",
        "leavewhenempty = unavailable,invalid,unknown",
        f"announce-frequency = {every_s}",
        "min-announce-frequency = 15",
        f"announce-position = {announce}",
        "announce-holdtime = no",
        "announce-to-first-user = no",
        "reportholdtime = no",
        "setinterfacevar = yes",
        "setqueueentryvar = no",
        "relative-periodic-announce = yes",
        "periodic-announce-frequency = 0",
        f"servicelevel = {queue.answer_within_s}",
        "autopause = no",
    ]
    if queue.record:
        lines.append("monitor-format = wav")
    return "\n".join(lines) + "\n"
