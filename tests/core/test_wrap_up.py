"""Wrap-up in the live view and its lengths: a pause that is none, and queues that want different ones."""

import pytest

from ramal.core.events import Member
from ramal.core.ids import AgentCode, Extension, QueueName
from ramal.core.office import Agent, Membership, Office, Queue
from ramal.core.state import State, standing_of
from ramal.core.wrap_up import longest_wrap_up_s, own_wrap_up_s

NOW = 1_795_000_000_000


@pytest.mark.parametrize(
    ("reason", "state", "shown"),
    [("wrap-up", "wrap-up", ""), ("unreachable", "unreachable", "unreachable"), ("lunch", "paused", "lunch")],
)
def test_a_pause_is_shown_as_what_it_stands_for(reason: str, state: str, shown: str) -> None:
    member = Member(
        QueueName("sales"),
        AgentCode("7"),
        Extension("201"),
        1,
        paused=True,
        pause_reason=reason,
        last_pause_ms=NOW - 5000,
    )
    known = State(members={"7": {("sales", "201"): member}}, reach={"201": True})
    standing = standing_of(known, "7", NOW)
    assert (standing.state, standing.reason, standing.since_ms) == (state, shown, NOW - 5000)


@pytest.mark.parametrize(
    ("wraps", "own_s", "longest_s"), [((), 0, 0), ((0, 0), 0, 0), ((5, 5), 5, 5), ((2, 120), 2, 120), ((0, 30), 1, 30)]
)
def test_app_queue_keeps_the_shortest_wrap_up_and_other_calls_get_the_longest(
    wraps: tuple[int, ...], own_s: int, longest_s: int
) -> None:
    queues = tuple(Queue(f"q{n}", wrap_up_s=wrap_s) for n, wrap_s in enumerate(wraps))
    agent = Agent("7", "Ana", "4821", queues=tuple(Membership(queue.name) for queue in queues))
    office = Office("Oficina", queues=(*queues, Queue("other", wrap_up_s=600)), agents=(agent,))
    assert own_wrap_up_s(office, agent) == own_s
    assert longest_wrap_up_s(office, agent) == longest_s
