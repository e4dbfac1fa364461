"""How long an agent is left alone after a call. Pure."""

from ramal.core.office import Agent, Office


def own_wrap_up_s(office: Office, agent: Agent) -> int:
    """Seconds app_queue itself leaves an agent alone after a call of any queue: the shortest of the agent's queues.

    app_queue holds a queue's own wrap-up time against the last call of any queue, so that after a call of one with two
    seconds another one with two minutes would wait two minutes. What a queue wants beyond the shortest is a pause that
    Asterisk ends (``dialplan/agent.conf``: [ramal-rest]). One at least, when some queue has any: 0 would mean the
    queue's own time again.
    """
    wraps = _wraps(office, agent)
    return max(min(wraps), 1) if any(wraps) else 0


def longest_wrap_up_s(office: Office, agent: Agent) -> int:
    """Seconds an agent is left alone after a call that came through no queue."""
    return max(_wraps(office, agent), default=0)


def _wraps(office: Office, agent: Agent) -> list[int]:
    mine = {place.queue for place in agent.queues}
    return [queue.wrap_up_s for queue in office.queues if queue.name in mine]
