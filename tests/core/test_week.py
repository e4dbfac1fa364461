"""A simulated week: thousands of calls, agents who come, pause and go, and a daemon that dies now and then.

The real core (``step``) is driven by a model of app_queue (tests/core/app_queue.py) in virtual time, and its journals
are ingested into a real database. What must hold at every instant and at the end stands in the tests' names.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ramal.core import order
from ramal.core.commands import NoteDecision
from ramal.core.events import AmiDown, Event, OfficeLoaded, Ticked
from ramal.core.history import RECEIVED
from ramal.core.office import Agent, Membership, Office, Phone, Queue, Skill
from ramal.core.places import places
from ramal.core.state import State, standing_of
from ramal.core.step import step
from ramal.store.ingest import CEL_NAME, QUEUE_NAME
from tests.core.app_queue import AppQueue, Entry, Person, overlapping, paused_offers
from tests.store.history import Life
from tests.store.office_day import Script, merge

DAY_MS, HOUR_MS, MINUTE_MS = 86_400_000, 3_600_000, 60_000
MONDAY_MS = 1_790_568_000_000
"""Monday 2026-09-28, 00:00 in São Paulo is 03:00 UTC; the week's offices open by this clock's hours."""
OPENS_H, CLOSES_H = 8, 18
AGENTS = 9
CALLS_AN_HOUR = 75
RING_MS, WRAP_MS = 15_000, 10_000
TICK_MS = 10_000

QUEUES = (
    Queue("sales", answer_within_s=20, age_every_s=60, max_wait_s=600, wrap_up_s=10),
    Queue("support", answer_within_s=40, age_every_s=60, max_wait_s=600, wrap_up_s=10),
    Queue("urgent", answer_within_s=10, priority=3, age_every_s=60, max_wait_s=600, wrap_up_s=10),
)
SHARES = {"sales": 0.5, "support": 0.4, "urgent": 0.1}


def office() -> Office:
    agents = tuple(
        Agent(
            code=str(number + 1),
            name=f"Agente {number + 1}",
            pin="4821",
            phone=str(201 + number),
            queues=tuple(Membership(queue.name, 5 * ((number + k) % 2)) for k, queue in enumerate(QUEUES)),
            skills=(Skill("en"),) if number % 3 == 0 else (),
        )
        for number in range(AGENTS)
    )
    phones = tuple(Phone(str(201 + number), "a-secret-of-the-week") for number in range(AGENTS))
    return Office("Semana", phones=phones, agents=agents, queues=QUEUES)


@dataclass
class Caller:
    """One call's true story, for its journal and for the verdicts."""

    serial: int
    queue: str
    level: int
    came_ms: int
    entry: Entry | None = None
    ended_ms: int = 0
    outcome: str = ""
    agent: str = ""


@dataclass
class Week:
    """The world: model, core, callers and the people's moods."""

    seed: int
    dice: random.Random = field(init=False)
    model: AppQueue = field(init=False)
    state: State = field(default_factory=State)
    alive: bool = True
    callers: list[Caller] = field(default_factory=list)
    deaths: int = 0
    disagreements: list[str] = field(default_factory=list)
    decisions: int = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.office = office()
        self.model = AppQueue(MONDAY_MS, RING_MS, WRAP_MS)
        self.model.phones = tuple(phone.extension for phone in self.office.phones)
        self.model.tell = self.hear
        self.model.choose = self.choose
        self.model.talk_ms = lambda entry: int(min(1_200_000, self.dice.expovariate(1 / 240_000)) + 15_000)
        self.hear(OfficeLoaded(self.office))

    # -- the core ------------------------------------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """What the daemon hears, when it lives; its commands are carried out at once."""
        if not self.alive:
            return
        self.state, commands = step(self.state, event, self.model.now_ms)
        for command in commands:
            if isinstance(command, NoteDecision):
                self.decisions += 1
            else:
                self.model.at(self.model.now_ms, lambda command=command: self.model.do(command))  # type: ignore[misc]

    def die(self, for_ms: int) -> None:
        self.alive = False
        self.deaths += 1
        self.model.at(self.model.now_ms + for_ms, self.revive)

    def revive(self) -> None:
        self.alive, self.state = True, State()
        self.hear(AmiDown("not connected yet"))
        self.hear(OfficeLoaded(self.office))
        self.hear(self.model.snapshot())

    def tick(self) -> None:
        self.hear(Ticked())
        if self.dice.random() < 0.05:
            self.compare()
        if self.hour() < CLOSES_H or any(self.model.queues.values()):
            self.model.at(self.model.now_ms + TICK_MS, self.tick)

    def compare(self) -> None:
        """The daemon's picture against the truth."""
        if not self.alive:
            return
        for agent in self.office.agents:
            person = self.model.people.get(agent.code)
            seen = standing_of(self.state, agent.code, self.model.now_ms).at(self.model.now_ms).state
            if seen not in self.true_states(person):
                at = f"{self.model.now_ms}: agent {agent.code}"
                self.disagreements.append(f"{at} is {seen}, truly {self.true_states(person)}")

    def true_states(self, person: Person | None) -> set[str]:
        if person is None or not person.seats:
            return {"out"} if person is None or person.state == "free" else {"talking", "ringing", "out"}
        if person.state == "talking":
            return {"talking"}
        if person.state == "ringing":
            return {"ringing"}
        if person.paused:
            return {"paused"}
        resting = self.model.now_ms < person.rests_until_ms
        return {"wrap-up", "free"} if resting else {"free", "wrap-up", "unreachable"}

    # -- the people ----------------------------------------------------------------------------------------------------

    def hour(self) -> float:
        return (self.model.now_ms - MONDAY_MS) % DAY_MS / HOUR_MS

    def choose(self, person: Person) -> tuple[str, int]:
        drawn = self.dice.random()
        if drawn < 0.04:
            return "miss", RING_MS
        if drawn < 0.06:
            return "reject", self.dice.randrange(500, 4000)
        return "answer", self.dice.randrange(800, 9000)

    def day(self) -> None:
        """Everybody comes in the morning, not all at once, pauses, and goes in the evening; callers come all day."""
        now_ms = self.model.now_ms
        for number, agent in enumerate(self.office.agents):
            seats = tuple((place.queue, place.penalty) for place in places(self.office, agent))
            come_ms = now_ms + self.dice.randrange(0, 40 * MINUTE_MS)
            go_ms = now_ms + (CLOSES_H - OPENS_H) * HOUR_MS - self.dice.randrange(0, 60 * MINUTE_MS)
            self.model.at(come_ms, lambda a=agent, s=seats: self.model.log_in(a.code, a.phone, s))  # type: ignore[misc]
            self.model.at(go_ms + 2 * HOUR_MS, lambda a=agent: self.go(a.code))  # type: ignore[misc]
            for _ in range(4):
                at_ms = self.dice.randrange(come_ms + MINUTE_MS, go_ms)
                for_ms = self.dice.randrange(MINUTE_MS, 40 * MINUTE_MS)
                self.model.at(at_ms, lambda a=agent, f=for_ms: self.rest(a.code, f))  # type: ignore[misc]
            if number % 4 == 0:  # goes home at noon and comes back
                noon_ms = now_ms + 4 * HOUR_MS + self.dice.randrange(0, HOUR_MS)
                self.model.at(noon_ms, lambda a=agent: self.go(a.code))  # type: ignore[misc]
                back_ms = noon_ms + HOUR_MS
                self.model.at(back_ms, lambda a=agent, s=seats: self.come_back(a.code, a.phone, s))  # type: ignore[misc]
        self.model.at(now_ms + self.dice.randrange(1000, 60_000), self.next_caller)
        for _ in range(3):
            at_ms = now_ms + self.dice.randrange(0, (CLOSES_H - OPENS_H) * HOUR_MS)
            self.model.at(at_ms, lambda: self.die(self.dice.randrange(1000, 8 * MINUTE_MS)) if self.alive else None)
        self.model.at(now_ms, self.tick)

    def rest(self, code: str, for_ms: int) -> None:
        if code in self.model.people:
            self.model.pause(code, self.dice.choice(("lunch", "training", "pause")))
            self.model.at(self.model.now_ms + for_ms, lambda: self.model.pause(code, ""))

    def go(self, code: str) -> None:
        if code in self.model.people:
            self.model.log_out(code)

    def come_back(self, code: str, phone: str, seats: tuple[tuple[str, int], ...]) -> None:
        if code not in self.model.people:
            self.model.log_in(code, phone, seats)

    def next_caller(self) -> None:
        if self.hour() >= CLOSES_H:
            return
        busy = 1.6 if 10 <= self.hour() < 12 else 0.8
        self.model.at(self.model.now_ms + int(self.dice.expovariate(CALLS_AN_HOUR * busy / HOUR_MS)), self.next_caller)
        queue = self.dice.choices(QUEUES, weights=[SHARES[one.name] for one in QUEUES])[0]
        level = queue.priority + (3 if self.dice.random() < 0.05 else 0)
        caller = Caller(len(self.callers), queue.name, level, self.model.now_ms)
        self.callers.append(caller)
        if self.dice.random() < 0.03:
            caller.outcome, caller.ended_ms = "gave_up", self.model.now_ms + 3000
            return
        now_s = self.model.now_ms // 1000
        prio = order.prio(level, order.deadline_s(now_s, queue.answer_within_s))
        call = f"{caller.came_ms // 1000}.{100 + 10 * caller.serial}"

        def ended(how: str, agent: str) -> None:
            caller.outcome, caller.agent, caller.ended_ms = how, agent, self.model.now_ms

        caller.entry = Entry(
            queue.name, call, f"PJSIP/line-main-{caller.serial:08x}", prio, self.model.now_ms, 600_000, ended
        )
        patience_ms = int(self.dice.expovariate(1 / 300_000)) + 3000
        self.model.join(caller.entry, f"+551198{caller.serial:07}", patience_ms)

    def play(self) -> "Week":
        for day in range(7):
            self.model.run(MONDAY_MS + day * DAY_MS + OPENS_H * HOUR_MS)
            if day < 6:
                self.day()
        self.model.run(MONDAY_MS + 8 * DAY_MS)
        return self

    def scripts(self) -> Iterator[Script]:
        """Each call's journal, as Asterisk would have written it."""
        talks = {call: (at_ms, agent, talk_ms) for at_ms, agent, call, talk_ms in self.model.served}
        for caller in self.callers:
            script = Script(100 + 10 * caller.serial, caller.came_ms, f"+551198{caller.serial:07}")
            script.arrive().menu()
            if caller.outcome == "gave_up":
                yield script.end()
                continue
            assert caller.entry is not None
            script.join(caller.queue)
            if caller.outcome == "answered":
                at_ms, agent, talk_ms = talks[caller.entry.call]
                script.wait(max(0, at_ms - script.now_ms - 1000))
                yield script.talk(caller.queue, agent, str(200 + int(agent)), 1000, talk_ms)
            else:
                script.wait(max(0, caller.ended_ms - script.now_ms))
                out = caller.outcome == "timed_out"
                yield script.time_out(caller.queue).end() if out else script.abandon(caller.queue)


@pytest.fixture(scope="module")
def week() -> Week:
    return Week(seed=20260928).play()


def test_it_was_a_week_worth_looking_at(week: Week) -> None:
    outcomes = Counter(caller.outcome for caller in week.callers)
    assert len(week.callers) > 3000
    assert outcomes["answered"] > 2000
    assert outcomes["abandoned"] > 50
    assert week.deaths > 10
    assert len(week.model.offers) > outcomes["answered"]


def test_nobody_talks_with_two_callers_at_once(week: Week) -> None:
    assert overlapping(week.model) == []


def test_nobody_paused_is_offered_a_call(week: Week) -> None:
    assert paused_offers(week.model) == []


def test_the_daemons_picture_is_the_truth_whenever_somebody_looks(week: Week) -> None:
    assert week.disagreements == []


def test_every_call_ended_in_exactly_one_way(week: Week) -> None:
    ends = Counter(caller.outcome for caller in week.callers)
    assert "" not in ends
    assert sum(ends.values()) == len(week.callers)


def test_at_the_end_nothing_is_left_in_the_daemons_memory(week: Week) -> None:
    assert not any(week.state.waiting.values())
    assert dict(week.state.talks) == {}
    assert dict(week.state.rings) == {}


def test_the_categories_of_the_history_sum_to_the_received_calls(week: Week, tmp_path: Path) -> None:
    cel, log = merge(week.scripts())
    life = Life(tmp_path)
    life.write(CEL_NAME, cel)
    life.write(QUEUE_NAME, log)
    while life.ingest.step():
        pass
    db = life.db
    told = dict(db.execute("SELECT category, count(*) FROM call WHERE direction = 'in' GROUP BY category").fetchall())
    assert sum(told[name] for name in RECEIVED if name in told) == len(week.callers)
    truly = Counter(caller.outcome for caller in week.callers)
    assert told == dict(truly)


def test_ageing_bounds_the_worst_wait_of_those_who_stay() -> None:
    """Urgent calls without end, one agent: whoever came at a low level is served within the promised bound."""
    model = AppQueue(MONDAY_MS, RING_MS, 0)
    queues = (Queue("low", age_every_s=30, answer_within_s=20), Queue("high", priority=5, age_every_s=30))
    agent = Agent("1", "Ana", "4821", "201", tuple(Membership(queue.name) for queue in queues))
    office = Office("Eine", phones=(Phone("201", "secret-of-the-week"),), agents=(agent,), queues=queues)
    state, _ = step(State(), OfficeLoaded(office), MONDAY_MS)
    handling_ms = 30_000
    model.talk_ms = lambda entry: handling_ms
    model.choose = lambda person: ("answer", 1000)

    def hear(event: Event) -> None:
        nonlocal state
        state, commands = step(state, event, model.now_ms)
        for command in commands:
            model.at(model.now_ms, lambda command=command: model.do(command))  # type: ignore[misc]

    model.tell = hear
    hear(model.snapshot())
    model.log_in("1", "201", (("low", 0), ("high", 0)))
    ends: dict[str, int] = {}

    def join(queue: Queue, serial: int) -> None:
        call = f"{model.now_ms // 1000}.{serial}"
        prio = order.prio(queue.priority, order.deadline_s(model.now_ms // 1000, queue.answer_within_s))
        entry = Entry(queue.name, call, f"PJSIP/line-main-{serial:08x}", prio, model.now_ms, 10 * HOUR_MS, heard(call))
        model.join(entry, "", 10 * HOUR_MS)

    def heard(call: str):  # type: ignore[no-untyped-def]
        return lambda how, who: ends.setdefault(call, model.now_ms)

    for number in range(200):  # more than one agent can serve: the high queue never runs empty
        model.at(MONDAY_MS + number * 25_000, lambda n=number: join(queues[1], 10 + n))  # type: ignore[misc]
    model.at(MONDAY_MS + 60_000, lambda: join(queues[0], 5))
    for tick in range(600):
        model.at(MONDAY_MS + tick * TICK_MS, lambda: hear(Ticked()))
    model.run(MONDAY_MS + 2 * HOUR_MS)
    call = f"{(MONDAY_MS + 60_000) // 1000}.5"
    fence_ms = 1000 * order.fence_s(0, 30, 20)
    waiting_then = fence_ms // 25_000 + 1
    bound_ms = fence_ms + TICK_MS + (waiting_then + 1) * (handling_ms + 2000)
    assert call in ends, "starved"
    assert ends[call] - (MONDAY_MS + 60_000) <= bound_ms
