"""The page as a process: how it starts, what it takes, how it ends."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ramal_web.__main__ import REQUEST_WITHIN_S, PromptChannel
from tests.until import until
from tests.web.box import Box
from tests.web.conftest import Served

RSS_MAX_MB = 92
"""With what decrypts recordings (cryptography), for whom one is played."""


def get(served: Served, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ramal_web", *map(str, arguments)], capture_output=True, text=True, timeout=30
    )


def resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no such process")


def test_it_ends_cleanly_when_told_to(served: Served) -> None:
    assert get(served, "/health")[0] == 200
    assert served.stop(signal.SIGTERM) == 0
    assert "Traceback" not in served.log.read_text()
    served.start()
    assert served.stop(signal.SIGINT) == 0
    assert "Traceback" not in served.log.read_text()
    served.start()


def test_a_taken_port_is_a_sentence(box: Box) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run("--home", box.home.root, "--port", str(taken.getsockname()[1]))
    assert ended.returncode == 2
    assert "is taken by another program" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_missing_or_weak_session_key_is_a_sentence(box: Box) -> None:
    box.home.session_key.write_text("short")
    ended = run("--home", box.home.root, "--port", "0")
    assert (ended.returncode, "too short to be safe" in ended.stderr) == (2, True)
    box.home.session_key.unlink()
    ended = run("--home", box.home.root, "--port", "0")
    assert (ended.returncode, "cannot read its session key" in ended.stderr) == (2, True)
    assert "Traceback" not in ended.stderr


def test_it_stays_small_and_keeps_no_file_open_after_many_requests(box: Box, served: Served) -> None:
    paths = ("/login", "/health", "/static/css/components.css", "/calls", "/static/vendor/htmx/htmx.min.js")
    for path in paths:
        get(served, path)
    until(lambda: open_files(served) <= 20, 5.0, "connections are closed")
    before = open_files(served)

    def many() -> None:
        for n in range(100):
            get(served, paths[n % len(paths)], {"Accept-Language": ("pt-BR", "en", "es")[n % 3]})

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: open_files(served) <= before, 5.0, "connections are closed")
    assert resident_mb(served.process.pid) < RSS_MAX_MB


def test_garbage_on_the_port_harms_nobody(served: Served) -> None:
    for garbage in (
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n" * 10_000,
        b"GET /" + b"a" * 300_000,
    ):
        with socket.create_connection(("127.0.0.1", served.port), timeout=5) as connection:
            try:
                connection.sendall(garbage)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except OSError:
                pass
    assert get(served, "/health")[0] == 200
    assert get(served, "/static/../../app.py")[0] in (303, 404)
    assert get(served, "/static/%2e%2e/app.py")[0] in (303, 404)


def test_a_body_that_is_too_long_is_refused(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    try:
        connection.request("POST", "/login", body=b"x=" + b"y" * 200_000)
        assert connection.getresponse().status in (400, 413)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the server may close while we still send
    finally:
        connection.close()
    assert get(served, "/health")[0] == 200


def test_slow_logins_leave_room_for_the_others(served: Served) -> None:
    """Four clients that never finish their request hold no worker: waitress reads before it works."""
    held = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(20)]
    try:
        for connection in held:
            connection.sendall(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nuser=")
        assert get(served, "/health")[0] == 200
    finally:
        for connection in held:
            connection.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_the_process_holds_no_ami_secret_open(served: Served) -> None:
    opened = [os.readlink(fd) for fd in Path(f"/proc/{served.process.pid}/fd").iterdir()]
    assert not [path for path in opened if "secrets" in path]


def open_files(served: Served) -> int:
    return len(list(Path(f"/proc/{served.process.pid}/fd").iterdir()))


def test_a_request_that_only_drips_in_is_hung_up_on() -> None:
    """The channel by itself, with a clock of the test's own: a real drip would take half a minute."""
    clock = [100.0]
    ended: list[bool] = []

    class Dripped(PromptChannel):
        def __init__(self) -> None:  # no socket: only ``received`` is asked
            self.requests_lock = threading.Lock()
            self.requests = []

        @staticmethod
        def now() -> float:
            return clock[0]

        def take(self, data: bytes) -> bool:
            return True

    channel = Dripped()
    assert channel.received(b"G")
    channel.request = object()
    clock[0] += REQUEST_WITHIN_S - 1
    ended.append(channel.will_close)
    assert channel.received(b"E")
    clock[0] += 2
    assert not channel.received(b"T")
    ended.append(channel.will_close)
    assert ended == [False, True]


def test_the_page_hears_that_somebody_stands_behind_a_proxy(served: Served) -> None:
    """The claim refuses them; a server that took the header away would let strangers in through any proxy."""
    served.box.sql("UPDATE user SET must_change = 1 WHERE name = 'owner'")
    served.box.home.claim.write_text("abcd-2345\n")
    assert get(served, "/claim")[0] == 200
    assert get(served, "/claim", {"X-Forwarded-For": "127.0.0.1"})[0] == 403
