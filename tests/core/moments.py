"""A small office and short ways to say what happened, for the tests of state, live and reconcile."""

from typing import Any

from ramal.core.events import AmiUp, Event, Member, OfficeLoaded, Waiting
from ramal.core.office import Agent, Line, Membership, Office, Phone, Queue
from ramal.core.state import State
from ramal.core.step import step

T0 = 1_763_779_200_000

OFFICE = Office(
    name="Demo",
    phones=tuple(Phone(extension, "secret-secret") for extension in ("201", "202", "203")),
    lines=(Line("loop", "sip-peer", host="127.0.0.1"),),
    agents=(
        Agent("7", "Ana", "1234", "201", (Membership("sales", 0), Membership("support", 1))),
        Agent("8", "Bruno", "1234", "202", (Membership("sales", 0),)),
        Agent("9", "Carla", "1234", "203", (Membership("support", 0),)),
    ),
    queues=(Queue("sales", "Vendas", wrap_up_s=5), Queue("support", "Suporte", wrap_up_s=0)),
)


def member(agent: str = "7", queue: str = "sales", phone: str = "", **what: Any) -> Member:
    phone = phone or {"7": "201", "8": "202", "9": "203"}[agent]
    return Member(queue, agent, phone, **{"status": 1, **what})


def caller(call: str = "c1", queue: str = "sales", position: int = 0, **what: Any) -> Waiting:
    fields = {"caller": "+5511999990000", "caller_name": "Zé", "joined_ms": 0, **what}
    return Waiting(queue, call, f"PJSIP/loop-{call}", position=position, **fields)


def after(*events: Event, state: State | None = None, at_ms: int = T0) -> State:
    """The state after the events, all at ``at_ms``; starts with office and Asterisk unless ``state`` is given."""
    state = state or opened()
    for event in events:
        state, _ = step(state, event, at_ms)
    return state


def opened(*members: Member, at_ms: int = T0 - 60_000) -> State:
    state, _ = step(State(), OfficeLoaded(OFFICE), at_ms)
    up = AmiUp(members, (), ("201", "202", "203", "line-loop"), "22.10.1")
    state, _ = step(state, up, at_ms)
    return state
