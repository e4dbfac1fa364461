"""A real half hour: twelve agents on real SIP phones, callers in a Poisson stream, the daemon killed (-9) five times.

``python -m tests.bench.half_hour [--minutes 30] [--kills 5] [--seed 1] [--json FILE]``. Afterwards what every caller
and every phone saw on the wire is held against the history: each call is there once, with the right end, agent and
recording; nobody talks twice at once; nobody paused is rung; a fresh reading of the journals tells the same.
"""

import argparse
import heapq
import json
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ramal.core import sound
from ramal.virtual import events
from ramal.virtual.phone import Account, Phone, Policy
from tests.bench import half_hour_verdict as verdict
from tests.bench.half_hour_office import AGENTS, MENU, OUTSIDE, office, wants
from tests.bench.usage import cpu_s
from tests.system import box, sipp
from tests.system.box import TestBox
from tests.system.provider import Provider
from tests.system.sipp import Caller
from tests.until import until

TALK_S = (8.0, 45.0)
LOAD = 0.8
"""How busy the agents are meant to be."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A caller who was sent: what it meant to do, and when it began (Unix time, ms)."""

    number: int
    kind: str
    caller: Caller
    at_ms: int
    log: Path


@dataclass(slots=True)
class Desk:
    """An agent's phone and what its person does; ``told`` is what the phone saw."""

    code: str
    extension: str
    phone: Phone
    told: list[events.PhoneEvent] = field(default_factory=list)
    away: list[tuple[int, int]] = field(default_factory=list)
    """(from, to) in ms: out of service or paused for certain, from the end of the code's call to the next code."""
    state: str = "out"
    since_ms: int = 0


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class HalfHour:
    """One run. Everything is done by one thread and a heap of what is due, but for the killing of the daemon."""

    def __init__(self, running: TestBox, folder: Path, minutes: float, kills: int, seed: int) -> None:
        self.box, self.folder = running, folder
        self.length_s, self.kills = minutes * 60, kills
        self.dice = random.Random(seed)
        self.desks: list[Desk] = []
        self.placed: list[Placed] = []
        self.daemon_cpu_s = 0.0
        self.deaths: list[int] = []
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self._stop = threading.Event()
        self._processes: list[Any] = []

    def play(self) -> None:
        """The half hour itself, from the first caller to the last one gone."""
        every_s = sum(TALK_S) / 2 / (AGENTS * LOAD)
        for desk in self.desks:
            self._log_in(desk)
        begun = time.monotonic()
        self._at(begun, lambda: self._next_caller(begun + self.length_s, every_s))
        for number, desk in enumerate(self.desks):
            self._at(begun + 20 + 5 * number, lambda desk=desk: self._mood(desk, begun + self.length_s))
        killer = threading.Thread(target=self._kill, name="killer")
        killer.start()
        asterisk_before = cpu_s(self.box.asterisk.pid) if self.box.asterisk else 0.0
        try:
            while self._due:
                at, _, act = heapq.heappop(self._due)
                while (left := at - time.monotonic()) > 0:
                    time.sleep(min(left, 0.2))
                act()
        finally:
            self._stop.set()
            killer.join(60)
        for process in self._processes:
            process.wait(240)
        until(lambda: self.box.channels() == 0, 300, "no channel left")
        self.asterisk_cpu_s = cpu_s(self.box.asterisk.pid) - asterisk_before if self.box.asterisk else 0.0

    def _at(self, when: float, act: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._due, (when, self._serial, act))

    # -- callers -------------------------------------------------------------------------------------------------------

    def _next_caller(self, end: float, every_s: float) -> None:
        if time.monotonic() >= end:
            return
        self._place()
        self._at(time.monotonic() + self.dice.expovariate(1 / every_s), lambda: self._next_caller(end, every_s))

    def _place(self) -> None:
        number = len(self.placed)
        talk_ms = int(1000 * self.dice.uniform(*TALK_S))
        kind, caller = wants(self.dice, number, talk_ms)
        process, log = sipp.start_logged(caller, self.box.programs, self.folder / "callers", self.box.settings.sip_port)
        self._processes.append(process)
        self.placed.append(Placed(number, kind, caller, now_ms(), log))

    # -- agents --------------------------------------------------------------------------------------------------------

    def _log_in(self, desk: Desk) -> None:
        self._code(desk, "*45", "in")

    def _code(self, desk: Desk, code: str, state: str) -> bool:
        """Dial a code when the phone is free; False when it was not."""
        if desk.phone.calls:
            return False
        policy, desk.phone.policy = desk.phone.policy, Policy("unavailable")
        try:
            desk.phone.dial(code)
            until(lambda: desk.phone.calls, 5, f"{code} dialed by {desk.code}")
            until(lambda: not desk.phone.calls, 30, f"{code} done by {desk.code}")
        except (AssertionError, RuntimeError, OSError) as error:
            print(f"agent {desk.code}: {code}: {error}", flush=True)
            return False
        finally:
            desk.phone.policy = policy
        if desk.state in ("out", "paused"):
            desk.away.append((desk.since_ms, now_ms() - 3000))
        desk.state, desk.since_ms = state, now_ms()
        return True

    def _mood(self, desk: Desk, end: float) -> None:
        """Now and then an agent pauses, comes back, goes home, rejects a while, or answers more slowly."""
        if time.monotonic() >= end:
            return
        if desk.state == "paused":
            self._code(desk, "*48", "in")
        elif desk.state == "out":
            self._log_in(desk)
        else:
            drawn = self.dice.random()
            if drawn < 0.35:
                self._code(desk, self.dice.choice(("*47", "*471", "*472")), "paused")
            elif drawn < 0.5:
                self._code(desk, "*46", "out")
            elif drawn < 0.6:
                desk.phone.policy = Policy("reject", 1.0)
            else:
                desk.phone.policy = Policy("answer", self.dice.uniform(0.5, 6.0))
        if desk.phone.policy.kind == "reject" and self.dice.random() < 0.5:
            desk.phone.policy = Policy("answer", 2.0)
        self._at(time.monotonic() + self.dice.uniform(15, 75), lambda: self._mood(desk, end))

    # -- the daemon ----------------------------------------------------------------------------------------------------

    def _kill(self) -> None:
        dice = random.Random(self.dice.random())
        for number in range(self.kills):
            span_s = self.length_s / self.kills
            if self._stop.wait(span_s * dice.uniform(0.3, 0.7) if number == 0 else span_s * dice.uniform(0.5, 1.0)):
                return
            assert self.box.daemon is not None
            self.daemon_cpu_s += cpu_s(self.box.daemon.pid)
            self.box.kill_daemon()
            self.deaths.append(now_ms())
            print(f"daemon killed, time {number + 1}", flush=True)
            self._stop.wait(dice.uniform(3, 25))
            self.box.start_daemon()


@contextmanager
def desks(running: TestBox, dice: random.Random) -> Iterator[list[Desk]]:
    """The agents' phones, registered and answering."""
    with ExitStack() as stack:
        found = []
        for agent in running.office.agents:
            told: list[events.PhoneEvent] = []
            extension, secret = box.agents_phone(running, agent.phone)
            home = running.home.virtual / extension
            home.mkdir(parents=True, exist_ok=True)
            voice = home / "pilot.wav"
            voice.write_bytes(sound.wav_bytes(sound.pilot(440.0)))
            account = Account(extension, secret, port=running.settings.sip_port)
            phone = Phone(home, extension, account, voice=voice, on_event=told.append, heard_kept=1, heard_limit_s=5)
            phone.policy = Policy("answer", dice.uniform(0.5, 4.0))
            stack.enter_context(phone)
            phone.wait_registered(15)
            found.append(Desk(agent.code, extension, phone, told))
        until(lambda: running.command("pjsip show contacts").count("Avail") >= len(found), 40, "all phones reachable")
        yield found


def run(folder: Path, minutes: float, kills: int, seed: int) -> dict[str, Any]:
    """The whole run and its verdict (``faults`` is empty when everything held)."""
    running = box.make(folder, office())
    (folder / "callers").mkdir()
    provider = None
    try:
        running.start()
        running.start_daemon()
        provider = Provider("127.0.0.1", port=OUTSIDE, ring_s=0.8, talk_s=15.0)
        half_hour = HalfHour(running, folder, minutes, kills, seed)
        with desks(running, half_hour.dice) as half_hour.desks:
            half_hour.play()
        return verdict.of(half_hour)
    finally:
        if provider is not None:
            provider.end()
        running.end()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, help="leave everything in this (short) folder")
    given = parser.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="rh-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        result = run(folder, given.minutes, given.kills, given.seed)
    finally:
        if given.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    print(verdict.text(result), flush=True)
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 1 if result["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())

__all__ = ["MENU", "HalfHour", "main", "run"]
