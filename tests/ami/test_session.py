"""The one-shot session against a peer that does everything wrong a peer can do."""

import queue
import socket
import threading
import time

import pytest

from ramal.ami.codec import MAX_BLOCK_BYTES, Message
from ramal.ami.errors import AmiDown, AmiRefused, AmiUnanswered
from ramal.ami.session import Session
from tests.ami.conftest import Inbox, Opener, held
from tests.fakes.ami_peer import AmiPeer, block
from tests.until import until


def in_background(session: Session, action: str, timeout_s: float = 10.0) -> "queue.SimpleQueue[object]":
    """Ask on another thread; what came of it, a Message or an exception."""
    outcome: queue.SimpleQueue[object] = queue.SimpleQueue()

    def ask() -> None:
        try:
            outcome.put(session.request(action, timeout_s=timeout_s))
        except Exception as error:
            outcome.put(error)

    threading.Thread(target=ask, daemon=True).start()
    return outcome


def test_a_session_knows_the_version_of_the_banner(session):
    assert session.version == "11.0.0"
    assert session.alive


def test_events_arrive_in_order_with_all_their_headers(session, peer, inbox):
    for number in range(200):
        peer.event("QueueCallerJoin", ("Position", str(number)), ("Variable", "a=1"), ("Variable", "b=2"))
    assert inbox.next().event == "FullyBooted"
    seen = [inbox.next() for _ in range(200)]
    assert [message.get("Position") for message in seen] == [str(number) for number in range(200)]
    assert seen[0].all("Variable") == ("a=1", "b=2")


@pytest.mark.parametrize("name", ["Bob\u2028Queue: vip", "Bob\u0085Queue: vip", "Bob\x1eQueue: vip", "x" * 2048])
def test_a_hostile_caller_name_stays_one_header(session, peer, inbox, name):
    inbox.next()
    peer.event("QueueCallerJoin", ("CallerIDName", name), ("Queue", "sales"))
    message = inbox.next()
    assert message.get("CallerIDName") == name
    assert message.get("Queue") == "sales"


def test_a_message_cut_into_single_bytes_arrives_whole(session, peer, inbox):
    inbox.next()
    for byte in block(("Event", "Hangup"), ("CallerIDName", "João\u2028")):
        peer.send(bytes([byte]))
    assert inbox.next().get("CallerIDName") == "João\u2028"


def test_a_refusal_is_an_answer_and_no_exception(session, peer):
    peer.answers["QueueAdd"] = lambda action: peer.refuse(action, "Unable to add interface: Already there")
    answer = session.request("QueueAdd", [("Queue", "sales")])
    assert not answer.ok
    assert answer.get("Message") == "Unable to add interface: Already there"


def test_an_unanswered_action_is_told_in_time_and_leaves_nothing_behind(session, peer):
    peer.answers["Mute"] = lambda action: None
    with pytest.raises(AmiUnanswered, match="may have done it"):
        session.request("Mute", timeout_s=0.1)
    assert session.request("Ping").ok
    assert not session._pending


def test_a_late_answer_disturbs_nobody(session, peer, inbox):
    inbox.next()
    peer.answers["Mute"] = lambda action: None
    with pytest.raises(AmiUnanswered):
        session.request("Mute", timeout_s=0.1)
    peer.send(peer.accept(peer.named("Mute")[0], ("Ping", "too late")))
    peer.event("Marker")
    assert session.request("Ping").get("Ping") == "Pong"
    assert inbox.next().event == "Marker"


def test_answers_out_of_order_reach_who_asked(session, peer):
    peer.answers["Wait"] = lambda action: None
    outcomes = [in_background(session, "Wait") for _ in range(5)]
    actions = until(lambda: waits if len(waits := peer.named("Wait")) == 5 else None)
    for action in reversed(actions):
        peer.send(peer.accept(action, ("Echo", action.action_id)))
    answers = [outcome.get(timeout=5) for outcome in outcomes]
    assert all(isinstance(answer, Message) and answer.get("Echo") == answer.action_id for answer in answers)
    assert len({answer.action_id for answer in answers}) == 5


def test_many_threads_asking_at_once_each_get_their_own_answer(session, peer):
    peer.answers["Echo"] = lambda action: peer.accept(action, ("Echo", action.get("Number")))
    wrong: list[str] = []

    def ask(number: int) -> None:
        for step in range(50):
            text = f"{number}-{step}"
            if session.request("Echo", [("Number", text)]).get("Echo") != text:
                wrong.append(text)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not wrong
    assert len(peer.named("Echo")) == 400
    assert len({action.action_id for action in peer.actions}) == len(peer.actions)


def test_a_list_is_collected_while_events_go_their_way(session, peer, inbox):
    inbox.next()

    def answer(action: Message) -> bytes:
        own = ("ActionID", action.action_id)
        other = block(("Event", "QueueCallerJoin"), ("Queue", "sales"))
        return b"".join(
            (
                other,
                peer.accept(action, ("EventList", "start")),
                block(("Event", "QueueMember"), own, ("Name", "agent-1")),
                other,
                block(("Event", "QueueMember"), own, ("Name", "agent-2")),
                block(("Event", "QueueMember"), ("ActionID", "another"), ("Name", "agent-9")),
                block(("Event", "QueueStatusComplete"), own, ("EventList", "Complete"), ("ListItems", "2")),
                other,
            )
        )

    peer.answers["QueueStatus"] = answer
    response, rows = session.request_list("QueueStatus")
    assert response.ok
    assert [row.get("Name") for row in rows] == ["agent-1", "agent-2"]
    told = [inbox.next().event for _ in range(4)]
    assert told == ["QueueCallerJoin", "QueueCallerJoin", "QueueMember", "QueueCallerJoin"]


def test_two_lists_at_once_are_not_mixed(session, peer):
    peer.answers["QueueStatus"] = lambda action: None
    results: dict[str, list[str]] = {}

    def ask(queue_name: str) -> None:
        _, rows = session.request_list("QueueStatus", [("Queue", queue_name)])
        results[queue_name] = [row.get("Name") for row in rows]

    threads = [threading.Thread(target=ask, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    asked = until(lambda: found if len(found := peer.named("QueueStatus")) == 2 else None)
    for step in range(4):
        for action in asked:
            own = ("ActionID", action.action_id)
            row = block(("Event", "QueueMember"), own, ("Name", f"{action.get('Queue')}{step}"))
            peer.send(peer.accept(action, ("EventList", "start")) if step == 0 else row)
    for action in asked:
        peer.send(block(("Event", "QueueStatusComplete"), ("ActionID", action.action_id), ("EventList", "Complete")))
    for thread in threads:
        thread.join(5)
    assert results == {"a": ["a1", "a2", "a3"], "b": ["b1", "b2", "b3"]}


def test_a_refused_or_empty_list_has_no_rows(session, peer):
    peer.answers["PJSIPShowContacts"] = lambda action: peer.refuse(action, "No Contacts found")
    response, rows = session.request_list("PJSIPShowContacts")
    assert not response.ok
    assert rows == []
    response, rows = session.request_list("QueueStatus")
    assert response.ok
    assert rows == []


def test_a_list_that_never_completes_is_told_in_time(session, peer):
    peer.answers["QueueStatus"] = lambda action: peer.accept(action, ("EventList", "start"))
    with pytest.raises(AmiUnanswered):
        session.request_list("QueueStatus", timeout_s=0.1)


def test_an_event_with_the_id_of_an_action_is_an_event(session, peer, inbox):
    inbox.next()
    assert session.request("Originate", [("Channel", "PJSIP/201")], action_id="attempt-7").ok
    peer.event("OriginateResponse", ("ActionID", "attempt-7"))
    assert inbox.next().action_id == "attempt-7"
    assert peer.named("Originate")[0].action_id == "attempt-7"


def test_an_action_id_in_use_is_refused(session, peer):
    peer.answers["Originate"] = lambda action: None
    outcome: queue.SimpleQueue[object] = queue.SimpleQueue()

    def ask() -> None:
        try:
            session.request("Originate", action_id="attempt-7", timeout_s=5)
        except AmiUnanswered as error:
            outcome.put(error)

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: peer.named("Originate"))
    with pytest.raises(AmiRefused, match="in use"):
        session.request("Originate", action_id="attempt-7")
    session.end()
    thread.join(5)
    assert len(peer.named("Originate")) == 1


def test_a_malformed_action_is_refused_before_anything_is_sent(session, peer):
    before = len(peer.actions)
    with pytest.raises(AmiRefused):
        session.request("Originate", [("CallerID", "x\r\n\r\nAction: Command\r\nCommand: core stop now")])
    assert session.request("Ping").ok
    assert [action.get("Action") for action in peer.actions[before:]] == ["Ping"]
    assert not session._pending


@pytest.mark.parametrize("way", ["drop", "reset"])
def test_a_lost_connection_tells_who_waits_and_ends_once(session, peer, inbox, way):
    peer.answers["Mute"] = lambda action: None
    outcome = in_background(session, "Mute")
    until(lambda: peer.named("Mute"))
    getattr(peer, way)()
    assert isinstance(outcome.get(timeout=5), AmiUnanswered)
    reason = inbox.end()
    assert ("closed" if way == "drop" else "reset by peer") in reason
    with pytest.raises(AmiDown, match="was not sent"):
        session.request("Ping")
    assert inbox.ends.empty()
    assert not session.alive


def test_a_silent_peer_ends_the_session(peer, new_session, inbox):
    session = new_session(peer.port, silence_s=0.2)
    session.open()
    assert "silent" in inbox.end()
    assert not session.alive


def test_a_talking_peer_is_not_silent(peer, new_session, inbox):
    session = new_session(peer.port, silence_s=0.5)
    session.open()
    assert session.request("Login", [("Username", "ramal"), ("Secret", "secret")]).ok
    deadline = time.monotonic() + 1.2
    until(lambda: session.request("Ping").ok and time.monotonic() > deadline, step_s=0.1)
    assert session.alive


@pytest.mark.parametrize(
    "banner", [b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\r\n", b"\xff\xfe\r\n"]
)
def test_a_wrong_banner_is_no_asterisk(new_session, inbox, banner):
    with AmiPeer(banner=banner) as peer, pytest.raises(AmiDown, match="no Asterisk"):
        new_session(peer.port).open()
    assert inbox.ends.empty()


def test_no_banner_is_given_up_after_the_silence(new_session):
    with AmiPeer() as peer:
        peer.stall()
        with pytest.raises(AmiDown, match="silent"):
            new_session(peer.port, silence_s=0.2).open()


def test_a_banner_without_end_is_given_up(new_session):
    with AmiPeer(banner=b"x" * (2 * MAX_BLOCK_BYTES)) as peer, pytest.raises(AmiDown, match="more than"):
        new_session(peer.port).open()


def test_a_peer_that_closes_before_the_banner_is_told(new_session):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: listener.accept()[0].close())
        thread.start()
        with pytest.raises(AmiDown):
            new_session(listener.getsockname()[1]).open()
        thread.join(5)


def test_nobody_listening_is_told_and_leaves_no_descriptor(new_session):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    before = held()
    for _ in range(20):
        with pytest.raises(AmiDown, match="cannot be reached"):
            new_session(port).open()
    assert held() == before


def test_an_endless_line_cannot_exhaust_memory(session, peer, inbox):
    for _ in range(2 * MAX_BLOCK_BYTES // 65536):
        peer.send(b"x" * 65536)
    assert "more than" in inbox.end()


def test_a_peer_that_never_reads_blocks_nobody_for_longer_than_they_asked(new_session, inbox):
    with AmiPeer(reads=False) as peer:
        session = new_session(peer.port)
        session.open()
        headers = [(f"H{n}", "x" * 900) for n in range(100)]
        outcomes: list[Exception] = []
        for _ in range(200):
            try:
                session.request("Big", headers, timeout_s=0.05)
            except (AmiUnanswered, AmiDown) as error:
                outcomes.append(error)
            if not session.alive:
                break
        assert len(outcomes) < 200
        assert "sending failed" in inbox.end()


def test_end_returns_at_once_and_may_be_called_again(session, inbox):
    began = time.monotonic()
    session.end("enough")
    session.end()
    assert time.monotonic() - began < session._silence_s
    assert inbox.end() == "enough"
    assert inbox.ends.empty()


def test_end_before_open_makes_open_fail(peer, new_session):
    session = new_session(peer.port)
    session.end("changed my mind")
    with pytest.raises(AmiDown, match="changed my mind"):
        session.open()


def test_asking_before_open_is_down(peer, new_session):
    with pytest.raises(AmiDown):
        new_session(peer.port).request("Ping")


def test_asking_on_the_reader_thread_is_refused_and_not_a_deadlock(peer):
    seen: queue.SimpleQueue[object] = queue.SimpleQueue()

    def ask(message: Message) -> None:
        try:
            seen.put(session.request("Ping"))
        except AmiRefused as error:
            seen.put(error)

    session = Session("127.0.0.1", peer.port, ask, lambda reason: None, 5.0)
    session.open()
    assert session.request("Login", [("Username", "ramal"), ("Secret", "secret")]).ok
    assert isinstance(seen.get(timeout=5), AmiRefused)
    session.end()


def test_a_listener_that_raises_does_not_end_the_session(peer, caplog):
    def stumble(message: Message) -> None:
        raise ValueError("in the listener")

    session = Session("127.0.0.1", peer.port, stumble, lambda reason: None, 5.0)
    session.open()
    assert session.request("Login", [("Username", "ramal"), ("Secret", "secret")]).ok
    peer.event("One")
    assert session.request("Ping").ok
    session.end()
    assert "in the listener" in caplog.text


def test_fifty_sessions_leave_no_thread_and_no_descriptor(inbox: Inbox, new_session: Opener):
    with AmiPeer() as peer:
        before = held()
        for number in range(50):
            session = Session("127.0.0.1", peer.port, inbox.messages.put, inbox.ends.put, 5.0)
            session.open()
            assert session.request("Login", [("Username", "ramal"), ("Secret", "secret")]).ok
            match number % 3:
                case 0:
                    session.end()
                case 1:
                    peer.drop()
                case 2:
                    peer.reset()
            inbox.end()
        until(lambda: held() == before, what=f"threads and descriptors back to {before}")
