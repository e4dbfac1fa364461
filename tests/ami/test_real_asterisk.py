"""The edge against a real Asterisk: what it truly sends, and that the link comes back from its restarts and stalls."""

import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ramal.ami.codec import Message
from ramal.ami.errors import AmiDown
from ramal.ami.link import Link
from ramal.ami.session import Session
from ramal.ami.translate import action, snapshot, translate
from ramal.core import commands, events
from tests.ami.real_asterisk import RealAsterisk, TinyPhone
from tests.until import until


class Desk:
    """A link to the real Asterisk and what it told, translated."""

    def __init__(self, asterisk: RealAsterisk, silence_s: float = 15.0) -> None:
        self.messages: list[Message] = []
        self.events: list[events.Event] = []
        waits = {"ping_s": 0.2, "silence_s": silence_s, "first_wait_s": 0.05, "longest_wait_s": 0.5}
        self.link = Link(
            "127.0.0.1",
            asterisk.ami_port,
            "ramal",
            "hush",
            self._on_event,
            self._on_up,
            lambda reason: self.events.append(events.AmiDown(reason)),
            rng=random.Random(3),
            **waits,
        )
        self.link.start()

    def _on_event(self, message: Message) -> None:
        self.messages.append(message)
        event = translate(message)
        if event is not None:
            self.events.append(event)

    def _on_up(self, session: Session) -> None:
        self.events.append(snapshot(session, int(time.time() * 1000)))

    def do(self, command: commands.Command) -> Message:
        made = action(command)
        return self.link.request(made.name, made.headers, made.variables, action_id=made.action_id)

    def wait(self, kind: type[events.Event], timeout_s: float = 20.0, **fields: object) -> events.Event:
        """The first event of this kind with these fields."""

        def found() -> events.Event | None:
            for event in list(self.events):
                if isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items()):
                    return event
            return None

        event = until(found, timeout_s, f"{kind.__name__} {fields} in {self.events}")
        assert event is not None
        return event

    def snapshot(self) -> events.AmiUp:
        return snapshot(self.link, int(time.time() * 1000))

    def call(self, attempt: str, caller_id: str = "Ana <1130001000>") -> None:
        """A caller into the queue; the other half just listens."""
        answer = self.do(commands.Originate(attempt, "Local/s@caller/n", "phones", "s", caller_id))
        assert answer.ok, answer


@pytest.fixture(scope="module")
def asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealAsterisk]:
    running = RealAsterisk(tmp_path_factory.mktemp("ami") / "home")
    try:
        yield running
    finally:
        running.kill()


@pytest.fixture
def desk(asterisk: RealAsterisk) -> Iterator[Desk]:
    made = Desk(asterisk)
    try:
        until(lambda: made.link.is_up, 30, lambda: f"the link to a real Asterisk; its log: {asterisk.log()}")
        made.wait(events.AmiUp)
        yield made
    finally:
        made.link.stop()


@pytest.fixture
def new_phone(asterisk: RealAsterisk, desk: Desk) -> Iterator[Callable[..., TinyPhone]]:
    """Register phones and log their agents in; undone after the test."""
    made: list[tuple[str, TinyPhone]] = []

    def make(name: str, agent: str, answer: str = "200 OK") -> TinyPhone:
        phone = TinyPhone(asterisk, name, answer)
        made.append((name, phone))
        phone.register()
        desk.wait(events.ReachChanged, endpoint=name, reachable=True)
        assert desk.do(commands.AddMember("sales", agent, name, penalty=0)).ok
        desk.wait(events.MemberSeen)
        return phone

    yield make
    asterisk.command("channel request hangup all")
    for name, phone in made:
        desk.do(commands.RemoveMember("sales", name))
        phone.register(0)
        desk.wait(events.ReachChanged, endpoint=name, reachable=False)
        phone.close()


def test_login_ping_and_the_first_snapshot(desk):
    up = desk.wait(events.AmiUp)
    assert isinstance(up, events.AmiUp)
    assert int(up.version.split(".")[0]) >= 20
    assert desk.link.request("Ping").get("Ping") == "Pong"
    response, rows = desk.link.request_list("QueueStatus")
    assert response.ok
    assert [(row.event, row.get("Queue")) for row in rows if row.event == "QueueParams"] == [("QueueParams", "sales")]


def test_a_wrong_password_is_refused(asterisk, desk):
    reasons: list[str] = []
    link = Link("127.0.0.1", asterisk.ami_port, "ramal", "wrong", print, print, reasons.append)
    link.start()
    until(lambda: reasons)
    link.stop()
    assert "refused the login" in reasons[0]


def test_the_filter_lets_the_wanted_events_through_and_nothing_else(desk, new_phone):
    new_phone("201", "7")
    desk.call("filter-1")
    desk.wait(events.AgentAnswered)
    assert {message.event for message in desk.messages} == {
        "FullyBooted",
        "PeerStatus",
        "QueueMemberAdded",
        "QueueMemberStatus",
        "QueueCallerJoin",
        "QueueCallerLeave",
        "AgentCalled",
        "AgentConnect",
    }


def test_every_command_for_members_does_what_it_says(desk, new_phone):
    new_phone("201", "7")

    def member() -> events.Member:
        (found,) = desk.snapshot().members
        return found

    assert (member().agent, member().phone, member().status, member().paused) == ("7", "201", 1, False)
    assert member().login_ms > 0
    assert desk.do(commands.PauseMember("201", True, "lunch")).ok
    assert (member().paused, member().pause_reason) == (True, "lunch")
    assert desk.do(commands.SetPenalty("sales", "201", 4)).ok
    assert member().penalty == 4
    assert desk.do(commands.PauseMember("201", False)).ok
    assert not member().paused
    assert not desk.do(commands.AddMember("sales", "7", "201", 0)).ok, "already there"
    assert desk.do(commands.RemoveMember("sales", "201")).ok
    assert desk.snapshot().members == ()
    desk.wait(events.MemberRemoved)  # an answer may overtake the events of what it did
    seen = [event for event in desk.events if isinstance(event, events.MemberSeen | events.MemberRemoved)]
    assert seen[-1] == events.MemberRemoved("sales", "7", "201")
    assert {(event.member.paused, event.member.penalty) for event in seen[:-1]} >= {(False, 0), (True, 0), (True, 4)}


def test_a_queued_call_is_told_from_joining_to_its_end(desk, new_phone):
    desk.call("call-1")
    joined = desk.wait(events.CallerJoined)
    assert isinstance(joined, events.CallerJoined)
    assert (joined.waiting.caller, joined.waiting.caller_name, joined.waiting.position) == ("1130001000", "Ana", 1)
    assert abs(joined.waiting.joined_ms - time.time() * 1000) < 60_000
    (waiting,) = desk.snapshot().waiting
    assert (waiting.call, waiting.channel) == (joined.waiting.call, joined.waiting.channel)
    phone = new_phone("201", "7")
    ids = {"queue": "sales", "agent": "7", "call": joined.waiting.call}
    desk.wait(events.AgentRang, **ids, caller="1130001000", caller_name="Ana")
    desk.wait(events.AgentAnswered, **ids, channel=joined.waiting.channel)
    desk.wait(events.CallerLeft, call=joined.waiting.call, abandoned=False)
    until(lambda: desk.snapshot().talks)  # app_queue tells of the answer a moment before it bridges the two
    up = desk.snapshot()
    assert up.talks == (events.Talk("7", "sales", joined.waiting.call, "1130001000", "Ana"),)
    assert up.waiting == ()
    assert up.reached == ("201",)
    assert (up.members[0].in_call, up.members[0].status) == (True, 3), "busy, by device_state_busy_at"
    phone.hang_up()
    desk.wait(events.AgentDone, **ids, reason="agent")
    until(lambda: desk.snapshot().talks == ())


def test_a_rejected_call_is_missed_and_an_abandon_is_told(asterisk, desk, new_phone):
    new_phone("201", "7", answer="486 Busy Here")
    desk.call("call-2")
    missed = desk.wait(events.AgentMissed, agent="7", queue="sales")
    assert isinstance(missed, events.AgentMissed)
    assert missed.rang_ms < 30_000
    asterisk.command("channel request hangup all")
    desk.wait(events.CallerLeft, call=missed.call, abandoned=True)


@pytest.mark.parametrize(
    "name",
    [
        "Bob\u2028Queue: vip",
        "Bob\u0085CallerIDNum: 0800",
        "'; DROP TABLE calls; --",
        "O'Neil \\n what? \\",
        "João Zé 📞",
        "a, b=c: d",
        "x" * 200,
    ],
)
def test_a_hostile_caller_id_arrives_as_one_header(asterisk, desk, name):
    quoted = name.replace("\\", "\\\\")
    desk.call("hostile-1", f'"{quoted}" <1130001000>')
    joined = desk.wait(events.CallerJoined)
    message = next(message for message in desk.messages if message.event == "QueueCallerJoin")
    (waiting,) = desk.snapshot().waiting
    asterisk.command("channel request hangup all")
    desk.wait(events.CallerLeft)
    assert isinstance(joined, events.CallerJoined)
    assert joined.waiting.queue == "sales"
    shown = re.sub("[\u2028\u0085]", " ", name)
    assert (joined.waiting.caller, joined.waiting.caller_name) == ("1130001000", shown)
    assert (waiting.caller, waiting.caller_name) == ("1130001000", shown)
    assert message.get("CallerIDName").startswith(name[:3].replace("'", "\\'"))
    assert message.all("Queue") == ("sales",)
    assert len(message.all("CallerIDName")) == len(message.all("CallerIDNum")) == 1
    assert all(header and header.isascii() for header, _ in message.pairs)


def test_a_variable_arrives_as_it_was_sent(desk, asterisk):
    value = 'a"b\\c(d[e=f;g{h}|i\u2028'
    made = commands.Originate("variable-1", "Local/s@caller/n", "phones", "s", "Ana <1>", 30_000, (("RAMAL_X", value),))
    assert desk.do(made).ok
    desk.wait(events.CallerJoined)
    _, rows = desk.link.request_list("Status", [("Variables", "RAMAL_X")])
    asterisk.command("channel request hangup all")
    desk.wait(events.CallerLeft)
    assert f"RAMAL_X={value}" in [variable for row in rows for variable in row.all("Variable")]


def test_a_phone_that_moves_to_another_port_never_seems_lost(asterisk, desk):
    first, second = TinyPhone(asterisk, "202"), TinyPhone(asterisk, "202")
    first.register()
    desk.wait(events.ReachChanged, endpoint="202", reachable=True)
    second.register()
    until(lambda: asterisk.command("pjsip show contacts").count("202/sip:") == 1)
    assert desk.snapshot().reached == ("202",)
    assert events.ReachChanged("202", False) not in desk.events
    second.register(0)
    desk.wait(events.ReachChanged, endpoint="202", reachable=False)
    assert desk.snapshot().reached == ()
    first.close()
    second.close()


def test_events_and_snapshots_agree_while_members_change_all_the_time(asterisk, desk):
    """Links that come up in the middle of changes: snapshot, then events, ends in what Asterisk holds."""
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            desk.do(commands.AddMember("sales", "8", "202", penalty=0))
            desk.do(commands.PauseMember("202", True, "lunch"))
            desk.do(commands.RemoveMember("sales", "202"))

    thread = threading.Thread(target=churn)
    thread.start()
    others = [Desk(asterisk) for _ in range(3)]
    try:
        until(lambda: all(len(other.events) > 60 for other in others))
        stop.set()
        thread.join(10)
        last = desk.do(commands.AddMember("sales", "9", "202", penalty=2))
        assert last.ok
        for other in others:
            until(lambda known=other: known.events and _held(known.events) == {("sales", "9", 2)})
            assert isinstance(
                next(event for event in other.events if not isinstance(event, events.AmiDown)), events.AmiUp
            )
    finally:
        stop.set()
        thread.join(10)
        for other in others:
            other.link.stop()
        desk.do(commands.RemoveMember("sales", "202"))


def _held(told: list[events.Event]) -> set[tuple[str, str, int]]:
    held: dict[tuple[str, str], int] = {}
    for event in list(told):
        match event:
            case events.AmiUp():
                held = {(member.queue, member.agent): member.penalty for member in event.members}
            case events.MemberSeen(member):
                held[member.queue, member.agent] = member.penalty
            case events.MemberRemoved(queue, agent):
                held.pop((queue, agent), None)
    return {(queue, agent, penalty) for (queue, agent), penalty in held.items()}


def test_the_link_comes_back_after_asterisk_restarts_itself(asterisk, desk):
    assert desk.do(commands.AddMember("sales", "7", "201", penalty=1)).ok
    asterisk.command("core restart now")
    desk.wait(events.AmiDown)
    until(lambda: desk.link.is_up and isinstance(desk.events[-1], events.AmiUp | events.ReachChanged), 30)
    ups = [event for event in desk.events if isinstance(event, events.AmiUp)]
    assert len(ups) == 2
    assert [(member.agent, member.penalty) for member in ups[1].members] == [("7", 1)], "persistent members"
    assert desk.do(commands.RemoveMember("sales", "201")).ok


def test_the_link_comes_back_after_asterisk_was_killed(asterisk, desk):
    asterisk.kill()
    desk.wait(events.AmiDown)
    with pytest.raises(AmiDown):
        desk.link.request("Ping")
    asterisk.start()
    until(lambda: desk.link.is_up, 30)
    assert desk.link.request("Ping").ok


def test_a_stalled_asterisk_is_left_and_found_again_as_soon_as_it_answers(asterisk):
    desk = Desk(asterisk, silence_s=1.0)
    try:
        until(lambda: desk.link.is_up, 30)
        asterisk.signal(signal.SIGSTOP)
        desk.wait(events.AmiDown)
        assert not desk.link.is_up
    finally:
        asterisk.signal(signal.SIGCONT)
    until(lambda: desk.link.is_up, 30)
    assert desk.link.request("Ping").ok
    assert sum(isinstance(event, events.AmiDown) for event in desk.events) == 1
    desk.link.stop()
