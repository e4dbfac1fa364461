"""A home, a fake Asterisk, and the daemon as a real process between them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ramal.box.home import Home, Settings
from ramal.control.client import Control
from ramal.errors import RamalError
from tests.fakes.ami_peer import AmiPeer
from tests.until import until

ROOT = Path(__file__).resolve().parents[2]

OFFICE = """
[office]
name = "Demo"

[[phone]]
extension = "201"
secret = "a-long-secret-for-201"
[[phone]]
extension = "202"
secret = "a-long-secret-for-202"

[[queue]]
name = "sales"
overflow = "hangup"
[[queue]]
name = "support"
overflow = "hangup"

[[agent]]
code = "7"
name = "Ana"
pin = "4711"
phone = "201"
queues = ["sales"]
"""


class DaemonProcess:
    """One daemon process; ``log`` is what it said so far."""

    def __init__(self, home: Home, around: Sequence[str] = (), *words: str, **environment: str) -> None:
        self.home = home
        self.control = Control(home.control_sock)
        self.log_file = home.root.with_name("daemon.log")
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*around, sys.executable, "-m", "tests.process.driver", str(home.root), *words],
                cwd=ROOT, stdout=log, stderr=log, env={**os.environ, **environment},
            )  # fmt: skip

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def ask(self, do: str, **given: Any) -> dict[str, Any]:
        return self.control.ask(do, 10.0, **given)

    def live(self) -> dict[str, Any]:
        return self.ask("live")

    def answers(self) -> bool:
        with suppress(RamalError):
            return bool(self.control.ask("ping")["pid"])
        return False

    def ready(self) -> "DaemonProcess":
        until(lambda: self.answers() or self.process.poll() is not None, 20, "the daemon to answer")
        assert self.process.poll() is None, self.log
        return self

    def up(self) -> "DaemonProcess":
        """Wait until it is connected to Asterisk."""
        self.ready()
        until(lambda: self.live()["asterisk"]["up"], 10, "Asterisk to be up")
        return self

    def kill(self, number: int = signal.SIGKILL) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(15)


@pytest.fixture
def asterisk() -> Iterator[AmiPeer]:
    with AmiPeer() as peer:
        yield peer


@pytest.fixture
def home(tmp_path: Path, asterisk: AmiPeer) -> Home:
    home = Home(tmp_path / "box")
    home.prepare()
    home.save_settings(Settings(ami_port=asterisk.port, disk_reserve_mb=1))
    asterisk.secret = home.ami_secret()
    return home


@pytest.fixture
def start(home: Home) -> Iterator[Callable[..., DaemonProcess]]:
    """Start the daemon (again); every one is ended after the test."""
    started: list[DaemonProcess] = []

    def begin(around: Sequence[str] = (), *words: str, **environment: str) -> DaemonProcess:
        started.append(DaemonProcess(home, around, *words, **environment))
        return started[-1]

    yield begin
    for daemon in started:
        daemon.kill()
    text = home.root.with_name("daemon.log").read_text()
    assert "Traceback" not in text, text
