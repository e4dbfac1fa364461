"""An office that calls back: a box without a daemon, the provider its calls go out to, and who asks."""

import contextlib
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ramal.core import sound
from ramal.virtual.phone import Phone
from tests.system import box, ears
from tests.system.box import TestBox
from tests.system.provider import Provider
from tests.system.sipp import Caller
from tests.until import until

SALES, NIGHT, BRIEF, FIRST = "+551133330001", "+551133330002", "+551133330003", "+551133330004"
AGENT_HZ, CUSTOMER_HZ = 440.0, 620.0


@dataclass(frozen=True, slots=True)
class Office:
    """A box without a daemon, and the provider its calls go out to."""

    box: TestBox
    provider: Provider
    voice: Path

    def ask(self, number: str, user: str, after_ms: int = 2500) -> None:
        """A caller waits, presses the key, confirms, and is gone. Who is not the first in line hears the place for some
        seconds, and app_queue swallows a key pressed meanwhile (asterisk/asterisk#543)."""
        self.box.call(Caller(number, user, stay_ms=30_000, keys=((after_ms, "2"), (after_ms + 3000, "1"))))
        assert self.box.callers[-1][1].wait(60) == 0
        self.box.callers.pop()

    def record(self, user: str) -> list[str]:
        """The callback's record in AstDB (dialplan/callback.conf), its fields; none when there is none."""
        said = self.box.command(f"database get ramal-callback {user.removeprefix('+')}")
        return said.partition("Value:")[2].strip().split("|") if "Value:" in said else []

    def keys(self, family: str) -> list[str]:
        """The keys of a family of AstDB."""
        return re.findall(rf"^/{family}/(\S+)", self.box.command(f"database show {family}"), re.MULTILINE)

    def forget(self, user: str) -> None:
        """While Asterisk is dead: AstDB is what it would be, had the last second not been committed."""
        with contextlib.closing(sqlite3.connect(self.box.home.asterisk_lib / "astdb.sqlite3")) as db, db:
            digits = user.removeprefix("+")
            db.execute(
                "DELETE FROM astdb WHERE key IN (?, ?)", (f"/ramal-callback/{digits}", f"/ramal-standin/{digits}")
            )

    def recall(self, user: str, record: list[str]) -> None:
        """While Asterisk is dead: AstDB still knows what had been deleted in the last second."""
        with contextlib.closing(sqlite3.connect(self.box.home.asterisk_lib / "astdb.sqlite3")) as db, db:
            key = f"/ramal-callback/{user.removeprefix('+')}"
            db.execute("INSERT OR REPLACE INTO astdb (key, value) VALUES (?, ?)", (key, "|".join(record)))

    def lively_daemon(self) -> None:
        """The daemon, going its rounds every second."""
        self.box.start_daemon("-m", "tests.system.quick", str(self.box.home.root))

    def standins(self) -> int:
        return self.box.command("core show channels concise").count("@ramal-standin") // 2

    def asked(self) -> list[str]:
        """Whom the provider was asked for, in order."""
        return [each.number for each in self.provider.asked]

    def told(self, what: str) -> Callable[[], str]:
        """For ``until``: what was waited for, and how things stand at the end."""
        show = ("database show ramal-callback", "core show channels concise")
        return lambda: "\n".join((what, f"asked: {self.asked()}", *map(self.box.command, show)))

    def clear(self) -> None:
        """No callback is left of the test before."""
        self.box.command("database deltree ramal-callback")
        self.box.command("database deltree ramal-standin")
        self.box.command("channel request hangup all")
        until(lambda: self.box.channels() == 0, 15, "no call left")
        self.provider.asked.clear()
        self.provider.manner, self.provider.ring_s = "answer", 0.2


@contextlib.contextmanager
def calling_back(more: str = "") -> Iterator[Office]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    provider = Provider("127.0.0.2", hz=CUSTOMER_HZ)
    voice = folder / "agent.wav"
    voice.write_bytes(sound.wav_bytes(sound.tone([AGENT_HZ], 2000)))
    try:
        text = box.office("callback").replace("5999", str(provider.port)) + more
        with box.running(folder, text, daemon=False, terse=True) as running:
            yield Office(running, provider, voice)
    finally:
        provider.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def module() -> Iterator[Office]:
    """A box for all tests of a module."""
    with calling_back() as running:
        yield running


@pytest.fixture
def office(module: Office) -> Iterator[Office]:
    """The module's box without callbacks of the test before."""
    module.clear()
    yield module
    module.clear()


def talks(desk: Phone) -> bool:
    return any(call.state == "answered" for call in desk.calls.values())


def rings(desk: Phone) -> bool:
    return any(call.state == "incoming" for call in desk.calls.values())


def shares(office: Office, path: Path) -> tuple[float, float]:
    """In how much of a recording the agent's tone is, and the customer's (``ears.part``)."""
    wave = sound.read_wave(path.read_bytes())
    return ears.part(wave.mono, AGENT_HZ, 0.2, wave.rate_hz), ears.part(wave.mono, CUSTOMER_HZ, 0.2, wave.rate_hz)


def rows(office: Office, query: str, *values: object) -> list[sqlite3.Row]:
    return until(lambda: office.box.rows(query, *values), 20, query)
