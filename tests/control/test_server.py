"""The control socket with real clients, some of them hostile."""

import contextlib
import json
import os
import socket
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from ramal.control import address, protocol
from ramal.control.client import Control, DaemonDown, Refused
from ramal.control.server import Answer, Server
from ramal.errors import RamalError
from tests.until import until


class Problems(RamalError):
    problems = ({"file": "o.toml", "line": 3, "what": "wrong", "example": "right"},)


class Daemon:
    """A server with one handler of each kind; ``slow`` answers when it is told to."""

    def __init__(self, path: Path, **limits: Any) -> None:
        self.slow: list[Future[Answer]] = []
        handlers: dict[str, Any] = {
            "ping": lambda request: {"pong": dict(request.given)},
            "slow": self._slow,
            "big": lambda request: {"text": "x" * request.given["size"]},
            "no": self._no,
            "fault": lambda request: 1 / 0,
        }
        self.server = Server(path, handlers, **limits)
        self.server.start()

    def _slow(self, request: protocol.Request) -> Future[Answer]:
        self.slow.append(Future())
        return self.slow[-1]

    def _no(self, request: protocol.Request) -> Answer:
        raise Problems("One thing is wrong.")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def daemon(path: Path) -> Iterator[Daemon]:
    before, threads = descriptors(), threading.active_count()
    daemon = Daemon(path, connections_max=20, stalled_s=0.3, idle_evict_s=0.2)
    yield daemon
    daemon.server.stop()
    assert not path.exists()
    assert (descriptors(), threading.active_count()) == (before, threads), "something was left behind"


def raw(path: Path, *lines: bytes) -> socket.socket:
    connection = address.connect(path, 5.0)
    for line in lines:
        connection.sendall(line)
    return connection


def answers(connection: socket.socket, count: int) -> list[dict[str, Any]]:
    with connection.makefile("rb") as file:
        return [json.loads(file.readline()) for _ in range(count)]


def test_a_question_gets_its_answer(daemon: Daemon, path: Path) -> None:
    assert Control(path).ask("ping", name="Zé\u2028") == {"pong": {"name": "Zé\u2028"}}


def test_the_socket_is_for_owner_and_group_only(daemon: Daemon, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_a_refusal_carries_its_sentence_and_its_problems(daemon: Daemon, path: Path) -> None:
    with pytest.raises(Refused, match="One thing is wrong") as caught:
        Control(path).ask("no")
    assert caught.value.problems == Problems.problems
    with pytest.raises(Refused, match="does not know “dance”"):
        Control(path).ask("dance")


def test_a_fault_of_a_handler_is_one_refusal_and_the_server_goes_on(daemon: Daemon, path: Path) -> None:
    with pytest.raises(Refused, match="fault of its own"):
        Control(path).ask("fault")
    assert Control(path).ask("ping") == {"pong": {}}


def test_several_requests_on_one_connection_are_answered_when_each_is_ready(daemon: Daemon, path: Path) -> None:
    with raw(path, b'{"id": 1, "do": "slow"}\n{"id": "b", "do": "ping"}\n') as connection:
        assert answers(connection, 1)[0]["id"] == "b"
        daemon.slow[0].set_result({"late": True})
        assert answers(connection, 1)[0] == {"id": 1, "ok": True, "data": {"late": True}}


def test_a_client_that_leaves_before_its_answer_harms_nobody(daemon: Daemon, path: Path) -> None:
    raw(path, b'{"do": "slow"}\n').close()
    until(lambda: daemon.slow)
    daemon.slow[0].set_result({})
    assert Control(path).ask("ping") == {"pong": {}}
    until(lambda: daemon.server.connections == 0, what="the dead connection to be dropped")


def test_the_answers_of_more_requests_than_may_be_in_flight_all_come(daemon: Daemon, path: Path) -> None:
    with raw(path, b'{"do": "slow"}\n' * 40) as connection:
        for index in range(40):
            until(lambda index=index: len(daemon.slow) > index)  # type: ignore[misc]
            daemon.slow[index].set_result({})
        assert all(answer["ok"] for answer in answers(connection, 40))


@pytest.mark.parametrize("garbage", [b"\n" * 6000, b"\xff\0{}[\n" * 2000, b"GET / HTTP/1.1\r\n\r\n"])
def test_garbage_is_refused_line_by_line(daemon: Daemon, path: Path, garbage: bytes) -> None:
    connection = raw(path)
    with connection:
        sender = threading.Thread(target=lambda: connection.sendall(garbage))
        sender.start()
        assert not any(answer["ok"] for answer in answers(connection, garbage.count(b"\n")))
        sender.join()
    assert Control(path).ask("ping") == {"pong": {}}


def test_a_line_of_ten_megabytes_ends_the_connection_and_nothing_else(daemon: Daemon, path: Path) -> None:
    connection = raw(path)
    with connection, contextlib.suppress(OSError):
        connection.sendall(b"x" * (10 << 20))
    with raw(path) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(b"x" * (protocol.REQUEST_MAX + 1))
        assert "at most" in answers(connection, 1)[0]["error"]
    assert Control(path).ask("ping") == {"pong": {}}


def test_a_client_that_stops_in_the_middle_of_a_line_is_left(daemon: Daemon, path: Path) -> None:
    with raw(path, b'{"do": ') as connection:
        assert connection.recv(10) == b""


def test_a_client_that_does_not_read_is_left_and_slows_nobody(daemon: Daemon, path: Path) -> None:
    with raw(path, b'{"do": "big", "with": {"size": 3000000}}\n' * 3):
        until(lambda: daemon.server.connections == 1)
        assert Control(path).ask("ping") == {"pong": {}}
        until(lambda: daemon.server.connections == 0, what="the slow reader to be dropped")


def test_a_slow_but_willing_reader_gets_everything(daemon: Daemon, path: Path) -> None:
    with raw(path, b'{"do": "big", "with": {"size": 3000000}}\n' * 3) as connection:
        assert [len(answer["data"]["text"]) for answer in answers(connection, 3)] == [3_000_000] * 3


def test_two_hundred_connections_are_turned_away_or_make_room(daemon: Daemon, path: Path) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(raw(path))
        until(lambda: daemon.server.connections == 20)
        assert until(lambda: _pong(path), what="room for a newcomer once the others were silent for a while")
    until(lambda: daemon.server.connections == 0)


def _pong(path: Path) -> bool:
    with contextlib.suppress(RamalError):
        return bool(Control(path).ask("ping"))
    return False


def test_a_stale_socket_of_a_killed_daemon_is_replaced(path: Path) -> None:
    with contextlib.closing(address.listen(path, 1)):
        pass
    assert path.exists()
    with pytest.raises(DaemonDown):
        Control(path).ask("ping")
    daemon = Daemon(path)
    assert Control(path).ask("ping") == {"pong": {}}
    daemon.server.stop()


def test_a_path_longer_than_the_kernels_limit_works(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 30) / "control.sock"
    path.parent.mkdir()
    daemon = Daemon(path)
    assert Control(path).ask("ping") == {"pong": {}}
    daemon.server.stop()
    assert not path.exists()


def test_without_a_daemon_the_sentence_says_what_still_works_and_what_to_do(tmp_path: Path) -> None:
    for path in (tmp_path / "control.sock", tmp_path / "nowhere" / "control.sock"):
        with pytest.raises(DaemonDown, match=r"The daemon is not running\. Calls go on.*Start it again with"):
            Control(path).ask("ping")


def test_a_daemon_that_does_not_answer_in_time_is_down(daemon: Daemon, path: Path) -> None:
    with pytest.raises(DaemonDown, match=r"did not answer within 0\.05 seconds"):
        Control(path).ask("slow", 0.05)


def test_a_daemon_that_dies_before_its_answer_is_down(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    daemon = Daemon(path)
    ended = threading.Thread(target=lambda: (until(lambda: daemon.slow), daemon.server.stop()))
    ended.start()
    with pytest.raises(DaemonDown, match="ended before it answered"):
        Control(path).ask("slow", 5.0)
    ended.join()


def test_a_refusal_carries_its_kind_for_a_reader_of_another_language(tmp_path: Path) -> None:
    class NobodyFree(RamalError):
        code = "nobody-free"

    def refuse(_: protocol.Request) -> dict[str, object]:
        raise NobodyFree("Nobody is free.")

    server = Server(tmp_path / "c.sock", {"drill.start": refuse})
    server.start()
    try:
        with pytest.raises(Refused) as refused:
            Control(tmp_path / "c.sock").ask("drill.start")
    finally:
        server.stop()
    assert (refused.value.code, str(refused.value)) == ("nobody-free", "Nobody is free.")
