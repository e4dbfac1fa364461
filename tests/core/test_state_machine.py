"""Any order of events: the step never raises, and what it says stays possible."""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ramal.core import narrate
from ramal.core.commands import ChangePriority, Originate
from ramal.core.events import (
    AgentAnswered,
    AgentDone,
    AgentMissed,
    AgentRang,
    AmiDown,
    AmiUp,
    CallbackHeld,
    CallerJoined,
    CallerLeft,
    CallerRanked,
    CommandRefused,
    ConditionSeen,
    Event,
    Member,
    MemberRemoved,
    MemberSeen,
    OfficeLoaded,
    ReachChanged,
    Talk,
    Ticked,
    Waiting,
)
from ramal.core.live import live
from ramal.core.office import Office
from ramal.core.state import State
from ramal.core.step import step
from tests.core.moments import OFFICE, T0

QUEUES = st.sampled_from(["sales", "support", "unknown"])
AGENTS = st.sampled_from(["7", "8", "9", "66"])
PHONES = st.sampled_from(["201", "202", "203", "999"])
CALLS = st.sampled_from(["c1", "c2", "c3", "c4"])
TEXT = st.sampled_from(["", "+5511999990000", "O'Neil\u2028\r\nX: y", "<script>"])
TIMES = st.integers(0, T0 + 1_000_000)
PRIOS = st.integers(0, 1_999_999_999)
SECONDS = st.integers(0, T0 // 1000 + 1_000)
MEMBERS = st.builds(
    Member, QUEUES, AGENTS, PHONES, st.integers(-1, 9), st.booleans(), st.booleans(), TEXT, st.integers(0, 9),
    TIMES, TIMES, TIMES,
)  # fmt: skip
WAITING = st.builds(Waiting, QUEUES, CALLS, CALLS, TEXT, TEXT, st.integers(-2, 9), TIMES)
TALKS = st.builds(Talk, AGENTS, QUEUES, CALLS, TEXT, TEXT, TIMES)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        AmiUp,
        st.lists(MEMBERS, max_size=6).map(tuple),
        st.lists(WAITING, max_size=4).map(tuple),
        st.lists(PHONES, max_size=3).map(tuple),
        TEXT,
        st.lists(TALKS, max_size=2).map(tuple),
    ),
    st.builds(AmiDown, TEXT),
    st.builds(CallerJoined, WAITING),
    st.builds(CallerRanked, QUEUES, CALLS, CALLS, QUEUES, PRIOS, PRIOS, SECONDS, SECONDS),
    st.builds(CallbackHeld, CALLS, QUEUES, TEXT, PRIOS, SECONDS, st.integers(0, 3)),
    st.builds(CallerLeft, QUEUES, CALLS, CALLS, st.booleans()),
    st.builds(MemberSeen, MEMBERS),
    st.builds(MemberRemoved, QUEUES, AGENTS, st.one_of(st.just(""), PHONES)),
    st.builds(AgentRang, QUEUES, AGENTS, CALLS, TEXT, TEXT),
    st.builds(AgentAnswered, QUEUES, AGENTS, CALLS, TEXT, TEXT, st.integers(0, 9000)),
    st.builds(AgentMissed, QUEUES, AGENTS, CALLS, st.integers(0, 9000)),
    st.builds(AgentDone, QUEUES, AGENTS, CALLS, TEXT),
    st.builds(ReachChanged, PHONES, st.booleans()),
    st.builds(CommandRefused, TEXT, TEXT),
    st.builds(ConditionSeen, st.sampled_from(["disk-low", "disk-full"]), st.booleans()),
    st.builds(OfficeLoaded, st.sampled_from([OFFICE, Office(name="")])),
    st.builds(Ticked),
)


class AnyOrder(RuleBasedStateMachine):
    state = State()
    now_ms = T0

    @initialize(opened=st.booleans())
    def start(self, opened: bool) -> None:
        if opened:
            self.state, _ = step(self.state, OfficeLoaded(OFFICE), self.now_ms)

    @rule(event=EVENTS, later_ms=st.sampled_from([0, 1, 900, 6000, 40_000]))
    def happens(self, event: Event, later_ms: int) -> None:
        self.now_ms += later_ms
        before = self.state
        self.state, commands = step(before, event, self.now_ms)
        narrate.lines(before, event, self.state, self.now_ms)
        if not self.state.asterisk.up:
            assert not commands, "nothing can be said to a lost Asterisk"
        for command in commands:
            if isinstance(command, ChangePriority):
                assert 0 <= command.priority < 2**31, "app_queue keeps it in an int"
        flying = [held for held in self.state.held.values() if held.called_ms]
        free = sum(one.at(self.now_ms).state == "free" for one in self.state.standings.values())
        asked = sum(isinstance(command, Originate) for command in commands)
        assert asked == 0 or len(flying) <= free, "more customers called than agents are free"
        again, _ = step(self.state, event, self.now_ms)
        assert again == self.state, "the same event twice is the same event once"
        for agent, standing in self.state.standings.items():
            assert standing.since_ms <= self.now_ms
            old = before.standings.get(agent)
            if old is not None:
                old = old.at(self.now_ms)
                if (old.state, old.reason, old.call) == (standing.state, standing.reason, standing.call):
                    assert old.since_ms == standing.since_ms, "since jumped"

    @invariant()
    def no_agent_is_offered_two_calls(self) -> None:
        assert not set(self.state.rings) & set(self.state.talks)

    @invariant()
    def a_call_waits_once_and_is_talked_to_by_one_agent(self) -> None:
        waiting = Counter(caller.call for line in self.state.waiting.values() for caller in line)
        assert all(times == 1 for times in waiting.values())
        talks = Counter(talk.call for talk in self.state.talks.values())
        assert all(times == 1 for times in talks.values())

    @invariant()
    def the_picture_adds_up(self) -> None:
        picture = live(self.state, self.now_ms, {}, self.state.warnings)
        for queue in picture["queues"]:
            agents = [agent for agent in self.state.office.agents if queue["name"] in [p.queue for p in agent.queues]]
            shown = ("agents_free", "agents_busy", "agents_paused", "agents_away")
            assert sum(queue[key] for key in shown) == len(agents)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
