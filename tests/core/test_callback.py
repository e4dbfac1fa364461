"""Callbacks keep the place: in virtual time, with the real core, the order of service is the one it would have been had
everybody stayed on the line; and what became of a callback is told from its notes in any order.
"""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramal.core import order
from ramal.core.callback_history import state_of
from ramal.core.events import Event, OfficeLoaded
from ramal.core.history import CallbackNote
from ramal.core.office import Agent, Membership, Office, Phone, Queue
from ramal.core.state import State
from ramal.core.step import step
from tests.core.app_queue import AppQueue, Entry, overlapping

T0 = 1_790_000_000_000
AGENTS = 3
OFFICE = Office(
    name="Retorno",
    phones=tuple(Phone(f"20{n}", "secret-secret") for n in range(AGENTS)),
    agents=tuple(Agent(str(n), f"Agente {n}", "1234", f"20{n}", (Membership("sales"),)) for n in range(AGENTS)),
    queues=(Queue("sales", wrap_up_s=0, age_every_s=0, callback="agent-first", callback_key="2"),),
)


@dataclass(frozen=True, slots=True)
class Visitor:
    """A caller: comes ``at_s`` after the start with so many levels, talks ``talk_s``; would press the key after
    ``key_s`` of waiting, and takes ``dialogue_s`` to confirm."""

    serial: int
    at_s: int
    level: int
    talk_s: int
    key_s: int
    dialogue_s: int

    @property
    def call(self) -> str:
        return f"{T0 // 1000 + self.at_s}.{self.serial}"

    @property
    def prio0(self) -> int:
        """As dialplan/queue.conf computes it, and as the callback's record keeps it."""
        return order.prio(self.level, order.deadline_s(T0 // 1000 + self.at_s, 20))


visitors = st.lists(
    st.tuples(st.integers(0, 3), st.integers(20, 300), st.integers(5, 200), st.integers(4, 30), st.integers(1, 40)),
    min_size=3,
    max_size=40,
)


def came(drawn: list[tuple[int, int, int, int, int]]) -> list[Visitor]:
    """Nobody comes in the same second as another: within a second the order is app_queue's own."""
    found: list[Visitor] = []
    at_s = 0
    for serial, (level, talk_s, key_s, dialogue_s, gap_s) in enumerate(drawn):
        at_s += gap_s
        found.append(Visitor(serial, at_s, level, talk_s, key_s, dialogue_s))
    return found


def simulate(everybody: list[Visitor], agents: int, leaving: frozenset[str] = frozenset()) -> dict[str, list[int]]:
    """Call to the times it was served at. ``leaving``: who leaves for a callback at the key; then a stand-in comes with
    the record's own place, and the call's talk is the agent's way to the customer and the talk itself."""
    state, ended = State(), {}
    model = AppQueue(T0, ring_ms=15_000, wrap_ms=0)
    by_call = {visitor.call: visitor for visitor in everybody}

    def tell(event: Event) -> None:
        nonlocal state
        state, commands = step(state, event, model.now_ms)
        for command in commands:
            model.do(command)

    model.tell = tell
    model.choose = lambda person: ("answer", 0)
    model.talk_ms = lambda entry: by_call[entry.call].talk_s * 1000
    tell(OfficeLoaded(OFFICE))
    tell(model.snapshot())

    def entry(visitor: Visitor, channel: str) -> Entry:
        joined_ms = T0 + visitor.at_s * 1000
        return Entry("sales", visitor.call, channel, visitor.prio0, joined_ms, 10**9, ended.setdefault)

    def join(visitor: Visitor) -> None:
        caller = entry(visitor, f"PJSIP/line-{visitor.serial}")
        model.join(caller, "+55", 10**9)
        if visitor.call in leaving:
            model.at(model.now_ms + visitor.key_s * 1000, lambda: leave(visitor, caller))

    def leave(visitor: Visitor, caller: Entry) -> None:
        if caller in model.queues["sales"]:
            model._leave(caller, "withdrawn")
            standin = entry(visitor, f"Local/{visitor.serial}@ramal-standin;2")
            model.at(model.now_ms + visitor.dialogue_s * 1000, lambda: model.join(standin, "+55", 10**9))

    for visitor in everybody:
        model.at(T0 + visitor.at_s * 1000, lambda visitor=visitor: join(visitor))  # type: ignore[misc]
    for n in range(agents):
        model.log_in(str(n), f"20{n}", [("sales", 0)])
    model.run(T0 + 10**8)
    assert overlapping(model) == [], "a customer is dialed only with an agent of its own in hand"
    served: dict[str, list[int]] = {}
    for at_ms, _, call, _ in model.served:
        served.setdefault(call, []).append(at_ms)
    return served


@settings(max_examples=150, deadline=None)
@given(visitors, st.integers(1, AGENTS), st.data())
def test_the_order_of_service_is_the_one_had_they_all_stayed(
    drawn: list[tuple[int, int, int, int, int]], agents: int, data: st.DataObject
) -> None:
    everybody = came(drawn)
    stayed = simulate(everybody, agents)
    # Whose turn comes during the dialogue is not there at that moment, as anybody who presses a key: they are left out.
    could = [
        visitor.call
        for visitor in everybody
        if stayed[visitor.call][0] > T0 + 1000 * (visitor.at_s + visitor.key_s + visitor.dialogue_s)
    ]
    leaving = frozenset(data.draw(st.lists(st.sampled_from(could), unique=True))) if could else frozenset()
    called_back = simulate(everybody, agents, leaving)
    assert called_back == stayed
    assert all(len(times) == 1 for times in called_back.values()), "served once each"
    assert set(called_back) == {visitor.call for visitor in everybody}


def test_a_busy_hour_has_many_callbacks_in_that_order() -> None:
    everybody = came([(n % 3, 120, 30, 10, 15) for n in range(60)])
    stayed = simulate(everybody, 2)
    leaving = frozenset(
        visitor.call
        for visitor in everybody
        if stayed[visitor.call][0] > T0 + 1000 * (visitor.at_s + visitor.key_s + visitor.dialogue_s)
    )
    assert len(leaving) > 30
    assert simulate(everybody, 2, leaving) == stayed


def test_a_stand_in_with_a_new_place_would_be_served_too_late() -> None:
    """What the proof would say of a product that lets callbacks join at the end."""
    everybody = came([(0, 120, 30, 10, 15) for _ in range(20)])
    stayed = simulate(everybody, 1)
    late = [Visitor(one.serial, one.at_s, one.level, one.talk_s, one.key_s, one.dialogue_s) for one in everybody]
    assert simulate(late, 1) == stayed
    first_waiting = next(one for one in everybody if stayed[one.call][0] > T0 + 1000 * (one.at_s + 40))
    places = [
        order.prio(one.level, order.deadline_s(T0 // 1000 + one.at_s + (one is first_waiting) * 40, 20))
        for one in everybody
    ]
    ahead = [place for place in places if place > places[everybody.index(first_waiting)]]
    assert len(ahead) > everybody.index(first_waiting)


NOTED = CallbackNote(1000, "1.1", "noted", "sales", "+5511987654321", 500)


@pytest.mark.parametrize(
    ("notes", "state", "tries"),
    [
        ([NOTED], "waiting", 0),
        ([NOTED, CallbackNote(2000, "1.1", "not_allowed")], "not_allowed", 0),
        ([NOTED, CallbackNote(2000, "1.1", "calling", n=1)], "calling", 1),
        ([NOTED, CallbackNote(2000, "1.1", "calling", n=1), CallbackNote(3000, "1.1", "waiting")], "waiting", 1),
        ([NOTED, CallbackNote(2000, "1.1", "calling", n=1), CallbackNote(3000, "1.1", "spoken")], "done", 1),
        ([NOTED, CallbackNote(3000, "1.1", "expired"), CallbackNote(3500, "1.1", "waiting")], "expired", 0),
        ([NOTED, CallbackNote(3000, "1.1", "served"), CallbackNote(3001, "1.1", "calling", n=3)], "done", 0),
    ],
)
def test_the_state_of_a_callback(notes: list[CallbackNote], state: str, tries: int) -> None:
    for told in (notes, notes[::-1]):
        callback = state_of(told)
        assert callback is not None
        assert (callback.state, callback.tries, callback.joined_ms) == (state, tries, 500)
        assert (callback.ended_ms is None) == (state in ("waiting", "calling", "not_allowed"))


def test_nothing_is_said_of_a_callback_whose_asking_is_lost() -> None:
    assert state_of([CallbackNote(2000, "1.1", "calling", n=1)]) is None


def test_cancelling_ends_it_unless_it_was_over() -> None:
    cancelled = state_of([NOTED], (5000, "owner"))
    assert cancelled is not None
    assert (cancelled.state, cancelled.result, cancelled.ended_ms) == ("cancelled", "owner", 5000)
    spoken = state_of([NOTED, CallbackNote(4000, "1.1", "spoken", agent="7")], (5000, "owner"))
    assert spoken is not None
    assert (spoken.state, spoken.agent) == ("done", "7")
