"""The lasting connection: every way to lose Asterisk, and that it comes back from each by itself."""

import logging
import queue
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ramal.ami.codec import Message
from ramal.ami.errors import AmiDown
from ramal.ami.link import Link
from ramal.ami.session import Session
from tests.ami.conftest import held
from tests.fakes.ami_peer import AmiPeer
from tests.until import until


class World:
    """What a link told, in one order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []
        self.when_up: Callable[[Session], None] = lambda session: None

    def on_event(self, message: Message) -> None:
        self.told.append(("event", message.event))

    def on_up(self, session: Session) -> None:
        self.told.append(("up", session))
        self.when_up(session)

    def on_down(self, reason: str) -> None:
        self.told.append(("down", reason))

    def count(self, kind: str) -> int:
        return sum(1 for known, _ in self.told if known == kind)

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.told if kind != "event"]

    def reasons(self) -> list[str]:
        return [str(what) for kind, what in self.told if kind == "down"]


@pytest.fixture
def world() -> World:
    return World()


NewLink = Callable[..., Link]


@pytest.fixture
def new_link(world: World) -> Iterator[NewLink]:
    """Start fast links to a port; all of them are stopped after the test."""
    made: list[Link] = []

    def make(port: int, secret: str = "secret", **changes: float) -> Link:
        waits = {"ping_s": 0.05, "silence_s": 2.0, "boot_s": 2.0, "first_wait_s": 0.01, "longest_wait_s": 0.05}
        link = Link(
            "127.0.0.1",
            port,
            "ramal",
            secret,
            world.on_event,
            world.on_up,
            world.on_down,
            rng=random.Random(7),
            **{**waits, **changes},
        )
        made.append(link)
        link.start()
        return link

    yield make
    for link in made:
        link.stop()


def test_a_link_comes_up_and_pings(peer, world, new_link):
    link = new_link(peer.port)
    until(lambda: link.is_up)
    assert link.request("QueueAdd", [("Queue", "sales")]).ok
    assert link.request_list("QueueStatus")[1] == []
    until(lambda: len(peer.named("Ping")) >= 3)
    assert world.kinds() == ["up"]
    assert peer.named("Login")[0].get("Events") == "system,call,agent,user"


def test_asking_while_down_is_told_at_once(world, new_link):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    link = new_link(port)
    with pytest.raises(AmiDown, match="QueueStatus was not sent"):
        link.request_list("QueueStatus")
    with pytest.raises(AmiDown):
        link.request("Ping")


@pytest.mark.parametrize("way", ["drop", "reset"])
def test_a_lost_session_is_followed_by_a_new_one(peer, world, new_link, way):
    link = new_link(peer.port)
    for sessions in (1, 2, 3):
        until(lambda wanted=sessions: link.is_up and world.count("up") == wanted)
        getattr(peer, way)()
    until(lambda: world.count("up") == 4 and link.is_up)
    assert world.kinds() == ["up", "down"] * 3 + ["up"]


def test_asterisk_not_up_at_boot_is_waited_for(peer, world, new_link):
    peer.go_away()
    link = new_link(peer.port)
    until(lambda: world.count("down"))
    peer.come_back()
    until(lambda: link.is_up)
    assert world.kinds() == ["down", "up"]


def test_a_restart_of_asterisk_is_survived(peer, world, new_link):
    link = new_link(peer.port)
    until(lambda: link.is_up)
    peer.go_away()
    until(lambda: not link.is_up)
    peer.come_back()
    until(lambda: link.is_up)
    assert world.kinds() == ["up", "down", "up"]


def test_lost_and_back_are_logged_once_each(peer, world, new_link, caplog):
    caplog.set_level(logging.INFO, "ramal.ami.link")
    link = new_link(peer.port)
    until(lambda: link.is_up)
    peer.go_away()
    until(lambda: link._failures >= 5)
    peer.come_back()
    until(lambda: link.is_up)
    link.stop()
    said = [record.getMessage().split(":")[0] for record in caplog.records]
    assert said == ["Asterisk is there", "Asterisk is lost", "Asterisk is back"]


def test_a_wrong_password_is_told_once_and_mends_itself_when_it_becomes_right(world, new_link, caplog):
    with AmiPeer(secret="another") as peer:
        link = new_link(peer.port)
        until(lambda: len(peer.named("Login")) >= 3)
        assert world.kinds() == ["down"]
        assert "refused the login" in world.reasons()[0]
        assert "secret" not in caplog.text
        peer.secret = "secret"
        until(lambda: link.is_up)
        assert world.kinds() == ["down", "up"]
        link.stop()


def test_a_wrong_password_found_after_an_absence_is_told_too(world, new_link):
    with AmiPeer(secret="another") as peer:
        peer.go_away()
        link = new_link(peer.port)
        until(lambda: world.count("down"))
        peer.come_back()
        until(lambda: world.count("down") == 2)
        peer.go_away()
        until(lambda: link._failures > 8)
        assert "refused the login" in world.reasons()[1]
        assert world.count("down") == 2
        link.stop()


def test_a_stall_ends_the_session_and_the_end_of_the_stall_brings_a_new_one(peer, world, new_link):
    link = new_link(peer.port, silence_s=0.3)
    until(lambda: link.is_up)
    peer.stall()
    until(lambda: world.count("down") == 1)
    until(lambda: peer.accepted >= 3, what="it tries again while nothing answers")
    assert not link.is_up
    peer.resume()
    until(lambda: link.is_up)
    assert world.kinds() == ["up", "down", "up"]


def test_a_stall_shorter_than_the_silence_costs_nothing(peer, world, new_link):
    link = new_link(peer.port, silence_s=5.0)
    until(lambda: link.is_up)
    peer.stall()
    outcome: queue.SimpleQueue[Message] = queue.SimpleQueue()
    thread = threading.Thread(target=lambda: outcome.put(link.request("QueueStatus", timeout_s=5)))
    thread.start()
    peer.resume()
    assert outcome.get(timeout=5).ok
    thread.join(5)
    assert peer.accepted == 1
    assert world.kinds() == ["up"]


def test_a_peer_that_talks_and_answers_nothing_is_left(peer, world, new_link):
    link = new_link(peer.port, silence_s=0.4)
    until(lambda: link.is_up)
    peer.answers["Ping"] = lambda action: None

    def talk_until_left() -> bool:
        peer.event("Hello")
        return world.count("down") == 1

    until(talk_until_left)
    assert "Ping" in world.reasons()[0]
    del peer.answers["Ping"]
    until(lambda: link.is_up)


@pytest.mark.parametrize("banner", [b"SSH-2.0-x\r\n", b""])
def test_a_peer_that_is_no_asterisk_is_tried_again(world, new_link, banner):
    with AmiPeer(banner=banner) as peer:
        link = new_link(peer.port, silence_s=0.1)
        until(lambda: peer.accepted >= 3)
        assert world.kinds() == ["down"]
        peer.banner = b"Asterisk Call Manager/11.0.0\r\n"
        until(lambda: link.is_up)
        link.stop()


def test_an_asterisk_that_is_still_starting_is_waited_for(world, new_link):
    with AmiPeer(booted=False) as peer:
        link = new_link(peer.port, boot_s=30.0)
        until(lambda: peer.logged_in)
        assert not link.is_up
        peer.event("FullyBooted")
        until(lambda: link.is_up)
        assert peer.accepted == 1
        link.stop()


def test_an_asterisk_that_never_finishes_its_start_is_left_and_tried_again(world, new_link):
    with AmiPeer(booted=False) as peer:
        link = new_link(peer.port, boot_s=0.1)
        until(lambda: peer.accepted >= 2)
        assert "has not finished its start" in world.reasons()[0]
        link.stop()


def test_events_during_the_snapshot_come_after_it_and_none_is_lost(peer, world, new_link):
    def take_the_snapshot(session: Session) -> None:
        for number in range(20):
            peer.event(f"During{number}")
            assert session.request_list("QueueStatus")[0].ok
        world.told.append(("snapshot", None))

    world.when_up = take_the_snapshot
    link = new_link(peer.port)
    until(lambda: world.count("snapshot"))
    peer.event("After")
    until(lambda: ("event", "After") in world.told)
    during = [("event", f"During{number}") for number in range(20)]
    assert [told for told in world.told if told[0] != "up"] == [
        ("snapshot", None),
        ("event", "FullyBooted"),
        *during,
        ("event", "After"),
    ]
    assert world.told[0][0] == "up"
    link.stop()


def test_no_event_comes_after_down(peer, world, new_link):
    link = new_link(peer.port)
    until(lambda: link.is_up)
    stop = threading.Event()

    def chatter() -> None:
        while not stop.wait(0.001):
            peer.event("Chatter")

    thread = threading.Thread(target=chatter)
    thread.start()
    until(lambda: world.count("event") > 5)
    peer.drop()
    until(lambda: world.count("down"))
    until(lambda: world.count("up") == 2)
    stop.set()
    thread.join(5)
    kinds = [kind for kind, _ in world.told]
    down = kinds.index("down")
    assert "event" not in kinds[down : kinds.index("up", down)]


def test_the_link_may_be_asked_from_within_on_up(peer, world, new_link):
    answers: list[bool] = []
    holder: list[Link] = []
    ready = threading.Event()

    def ask(session: Session) -> None:
        ready.wait(5)
        answers.append(holder[0].request("Ping").ok)

    world.when_up = ask
    holder.append(new_link(peer.port))
    ready.set()
    until(lambda: answers)
    assert answers == [True]


def test_a_snapshot_that_fails_is_tried_again_on_a_new_session(peer, world, new_link):
    def fail_twice(session: Session) -> None:
        if world.count("up") < 3:
            raise AmiDown("app_queue is not loaded")

    world.when_up = fail_twice
    link = new_link(peer.port)
    until(lambda: world.count("up") == 3 and link.is_up)
    assert world.kinds() == ["up", "down", "up", "up"]
    assert world.reasons() == ["app_queue is not loaded"]


def test_a_bug_in_the_callbacks_is_logged_and_the_link_goes_on(peer, world, new_link, caplog):
    def stumble(session: Session) -> None:
        if world.count("up") == 1:
            raise KeyError("a bug in the engine")

    world.when_up = stumble
    link = new_link(peer.port)
    until(lambda: world.count("up") == 2 and link.is_up)
    assert "a bug in the engine" in caplog.text


def test_the_waits_double_up_to_the_longest_and_never_agree(new_link):
    link = Link(
        "127.0.0.1", 1, "u", "s", print, print, print, first_wait_s=1.0, longest_wait_s=8.0, rng=random.Random(1)
    )
    waits = [link._wait_s() for _ in range(10)]
    for wait_s, most_s in zip(waits, [1, 2, 4, 8, 8, 8, 8, 8, 8, 8], strict=True):
        assert most_s / 2 <= wait_s <= most_s
    assert len(set(waits)) == len(waits)


@pytest.mark.parametrize("state", ["up", "stalled", "absent", "silent", "booting"])
def test_a_link_stops_from_every_state_and_leaves_nothing(world, new_link, state):
    before = held()
    with AmiPeer(booted=state != "booting") as peer:
        if state == "absent":
            peer.go_away()
        elif state == "silent":
            peer.stall()
        link = new_link(peer.port, silence_s=30.0, boot_s=30.0, longest_wait_s=30.0)
        match state:
            case "up":
                until(lambda: link.is_up)
            case "stalled":
                until(lambda: link.is_up)
                peer.stall()
                pings = len(peer.named("Ping"))
                until(lambda: len(peer.named("Ping")) > pings)
            case "absent":
                until(lambda: world.count("down"))
            case _:
                until(lambda: peer.accepted)
        began = time.monotonic()
        link.stop()
        assert time.monotonic() - began < 15.0, "it waited for a time limit"
        assert not link.is_up
    until(lambda: held() == before, what=f"threads and descriptors back to {before}")


def test_fifty_lost_sessions_leave_no_thread_and_no_descriptor(peer, world, new_link):
    link = new_link(peer.port)
    until(lambda: link.is_up)
    until(lambda: peer.named("Ping"))
    before = held()
    for number in range(50):
        ups = world.count("up")
        peer.reset() if number % 2 else peer.drop()
        until(lambda known=ups: world.count("up") > known and link.is_up)
    until(lambda: held() == before, what=f"threads and descriptors back to {before}")


def test_start_and_request_never_wait_for_a_connection(new_link):
    with AmiPeer() as peer:
        peer.stall()
        link = new_link(peer.port, silence_s=30.0)
        until(lambda: peer.accepted)
        assert not link.is_up
        with pytest.raises(AmiDown):
            link.request("Ping", timeout_s=30.0)
        link.stop()
