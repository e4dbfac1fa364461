"""What every test of the AMI edge needs: a peer, collected messages, and a count of what is left behind."""

import os
import queue
import threading
from collections.abc import Callable, Iterator

import pytest

from ramal.ami.codec import Message
from ramal.ami.session import Session
from tests.fakes.ami_peer import AmiPeer


class Inbox:
    """What a session told, in order."""

    def __init__(self) -> None:
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.ends: queue.SimpleQueue[str] = queue.SimpleQueue()

    def next(self) -> Message:
        return self.messages.get(timeout=5)

    def end(self) -> str:
        return self.ends.get(timeout=5)


@pytest.fixture
def peer() -> Iterator[AmiPeer]:
    with AmiPeer() as running:
        yield running


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


Opener = Callable[..., Session]


@pytest.fixture
def new_session(inbox: Inbox) -> Iterator[Opener]:
    """Make sessions to a port; all of them are ended after the test."""
    made: list[Session] = []

    def make(port: int, silence_s: float = 5.0) -> Session:
        session = Session("127.0.0.1", port, inbox.messages.put, inbox.ends.put, silence_s)
        made.append(session)
        return session

    yield make
    for session in made:
        session.end()


@pytest.fixture
def session(peer: AmiPeer, new_session: Opener) -> Session:
    """An open session, logged in to ``peer``."""
    opened = new_session(peer.port)
    opened.open()
    assert opened.request("Login", [("Username", "ramal"), ("Secret", "secret")]).ok
    return opened


def held() -> tuple[int, int]:
    """Threads and file descriptors of this process."""
    return threading.active_count(), len(os.listdir("/proc/self/fd"))
