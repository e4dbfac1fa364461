"""Callbacks keep the place: in virtual time, with the real core, the order of service is the one it would have been had
everybody stayed on the line; and what became of a callback is told from its notes in any order.
"""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramal.core import order
from ramal.core.callback import IN_FLIGHT_MS
from ramal.core.callback_history import state_of
from ramal.core.commands import Originate
from ramal.core.events import (
    AmiUp,
    CallbackHeld,
    CallerJoined,
    CallerRanked,
    Event,
    Member,
    MemberSeen,
    OfficeLoaded,
    Ticked,
    Waiting,
)
from ramal.core.history import CallbackNote
from ramal.core.ids import AgentCode, CallId, Extension, QueueName
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


def simulate(
    everybody: list[Visitor], agents: int, leaving: frozenset[str] = frozenset(), late_s: int = 0
) -> dict[str, list[int]]:
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
            standin.prio -= late_s
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


def test_a_stand_in_with_a_later_place_would_be_served_too_late() -> None:
    """What the proof would say of a product whose callbacks join anew."""
    everybody = came([(0, 120, 30, 10, 15) for _ in range(20)])
    stayed = simulate(everybody, 1)
    leaving = frozenset(
        visitor.call
        for visitor in everybody
        if stayed[visitor.call][0] > T0 + 1000 * (visitor.at_s + visitor.key_s + visitor.dialogue_s)
    )
    assert simulate(everybody, 1, frozenset(sorted(leaving)[:1]), late_s=40) != stayed


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


# ---- customer first


FIRST = Office(
    name="Primeiro",
    phones=OFFICE.phones,
    agents=OFFICE.agents,
    queues=(Queue("sales", wrap_up_s=0, age_every_s=0, callback="customer-first", callback_key="2"),),
)


def held(serial: int, at_s: int = 0, level: int = 0, tries: int = 0) -> CallbackHeld:
    place = order.prio(level, order.deadline_s(T0 // 1000 + at_s, 20))
    number = f"+55119{serial:08}"
    return CallbackHeld(f"{T0 // 1000 + at_s}.{serial}", QueueName("sales"), number, place, T0 // 1000 + at_s, tries)


def opened(*free: str) -> State:
    """Asterisk is up, these agents are free."""
    members = tuple(Member(QueueName("sales"), AgentCode(code), Extension(f"20{code}"), 1) for code in free)
    state, _ = step(State(), OfficeLoaded(FIRST), T0)
    state, _ = step(state, AmiUp(members, (), ("200", "201", "202")), T0)
    return state


def dialed(state: State, *happened: Event, at_ms: int = T0) -> tuple[State, list[str]]:
    """The state after the events, and the customers whose call was asked for."""
    found: list[str] = []
    for event in happened:
        state, commands = step(state, event, at_ms)
        found += [command.channel for command in commands if isinstance(command, Originate)]
    return state, [f"+{channel[6:].partition('@')[0]}" for channel in found]


def waiting(serial: int, at_s: int, level: int = 0) -> list[Event]:
    place = order.prio(level, order.deadline_s(T0 // 1000 + at_s, 20))
    queue, call, channel = QueueName("sales"), CallId(f"1.{serial}"), f"PJSIP/line-{serial}"
    rank = CallerRanked(queue, call, channel, "sales", place, place, T0 // 1000 + at_s, T0 // 1000 + at_s)
    return [rank, CallerJoined(Waiting(queue, call, channel, "+5511", "", 0, T0 + at_s * 1000))]


def test_a_customer_is_called_when_an_agent_is_free_and_once() -> None:
    _, called = dialed(opened("0"), held(1), held(1), Ticked(), Ticked())
    assert called == [held(1).number]


def test_nobody_is_called_while_no_agent_is_free() -> None:
    _, called = dialed(opened(), held(1), Ticked())
    assert called == []


def test_never_more_are_in_flight_than_agents_are_free() -> None:
    _, called = dialed(opened("0", "1"), *(held(serial, serial) for serial in range(6)), Ticked())
    assert called == [held(0).number, held(1).number]


def test_who_waits_on_the_line_before_comes_before() -> None:
    _, called = dialed(opened("0"), *waiting(9, 0), held(1, 5), Ticked())
    assert called == []
    _, called = dialed(opened("0"), *waiting(9, 5), held(1, 0), Ticked())
    assert called == [held(1).number]


def test_the_first_in_the_order_is_called_first() -> None:
    state = opened()
    state, _ = dialed(state, held(1, 30), held(2, 10), held(3, 50, level=2))
    free = Member(QueueName("sales"), AgentCode("0"), Extension("200"), 1)
    _, called = dialed(state, MemberSeen(free))
    assert called == [held(3).number]


def test_a_customer_who_has_come_is_no_longer_in_flight_but_waits_like_all() -> None:
    state, _ = dialed(opened("0"), held(1, 0))
    come = Waiting(QueueName("sales"), CallId("1.9"), "PJSIP/line-out-1", held(1).number, "", 0, T0)
    state, called = dialed(state, come_in(come), held(2, 5), Ticked())
    assert called == [], "the one agent is the first customer's"


def come_in(who: Waiting) -> Event:
    return CallerJoined(replace(who, prio=held(1).prio0, prio0=held(1).prio0))


def test_a_customer_who_was_not_reached_is_called_again_only_as_the_next_attempt() -> None:
    state, _ = dialed(opened("0"), held(1))
    later = T0 + IN_FLIGHT_MS + 1
    state, called = dialed(state, held(1, tries=1), at_ms=T0 + 1000)
    assert called == [held(1).number]
    state, commands = step(opened("0"), held(1, tries=1), later)
    (originate,) = [command for command in commands if isinstance(command, Originate)]
    assert originate.variables == (("RAMAL_ATTEMPT", "2"),)


def test_after_a_new_look_at_asterisk_nobody_is_in_flight_and_nobody_is_called_unasked() -> None:
    state, _ = dialed(opened("0"), held(1))
    members = (Member(QueueName("sales"), AgentCode("0"), Extension("200"), 1),)
    state, called = dialed(state, AmiUp(members, (), ("200",)), Ticked())
    assert called == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=60), st.integers(0, 3))
def test_whatever_happens_no_more_customers_are_called_than_agents_are_free(what: list[int], free: int) -> None:
    state = opened(*(str(n) for n in range(free)))
    flying: set[str] = set()
    for n, kind in enumerate(what):
        event: Event = held(kind, kind) if n % 3 else Ticked()
        state, commands = step(state, event, T0 + n * 100)
        for command in commands:
            if isinstance(command, Originate):
                assert command.channel not in flying, "never twice"
                flying.add(command.channel)
    assert len(flying) <= free
