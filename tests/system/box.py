"""A private box for a test: its own home and ports, real Asterisk, and the daemon when the test wants one.

Everything is started the way ``ramal up`` starts it, with the product's own code; only the keeper is the test.
"""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ramal.box import asterisk, prepare
from ramal.box.children import Program, start_program
from ramal.box.home import Home, Settings
from ramal.control.client import Control, DaemonDown
from ramal.core import office_file, sound
from ramal.core.office import Office
from ramal.provide import Peers, RunningPeer, peers
from ramal.store import read
from ramal.store.db import open_reader
from tests import console
from tests.system import sipp, spoken
from tests.system.ports import free_port, free_range
from tests.until import until


def _silent(sentence: str) -> None:
    """Nobody reads the progress of a test's box."""


@dataclass(slots=True)
class TestBox:
    """A box under test. ``start`` brings up Asterisk; ``start_daemon`` the daemon; ``end`` takes all of it away."""

    __test__ = False
    home: Home
    settings: Settings
    office: Office
    programs: Peers
    asterisk: RunningPeer | None = None
    daemon: Program | None = None
    callers: list[tuple[sipp.Caller, "subprocess.Popen[bytes]"]] = field(default_factory=list)

    def start(self) -> None:
        """Asterisk, until it answers SIP."""
        self.asterisk = asterisk.start(self.home, self.programs)
        until(lambda: "Asterisk Ready" in self.command("core waitfullybooted") or self._booted(), 30, "Asterisk up")

    def _booted(self) -> bool:
        return "fully booted" in self.command("core waitfullybooted").lower()

    def kill_asterisk(self) -> None:
        """kill -9, as a crash or a power cut does it."""
        assert self.asterisk is not None
        self.asterisk.send_signal(signal.SIGKILL)
        self.asterisk.wait(10)
        self.asterisk.close()
        self.asterisk = None

    def stop_asterisk(self) -> None:
        """SIGTERM."""
        assert self.asterisk is not None
        self.asterisk.stop()
        self.asterisk.close()
        self.asterisk = None

    def start_daemon(self, *words: str) -> None:
        """The daemon, until it has found Asterisk; ``words`` run another one than ``ramal run``."""
        argv = [sys.executable, *(words or ("-m", "ramal", "--home", str(self.home.root), "run"))]
        self.daemon = start_program(argv, self.home.log / "daemon.log")
        until(self._daemon_up, 20, lambda: f"the daemon up; its log: {self.daemon_log()[-2000:]}")

    def _daemon_up(self) -> bool:
        assert self.daemon is not None
        assert self.daemon.poll() is None, self.daemon_log()[-3000:]
        with contextlib.suppress(DaemonDown):
            return bool(self.control("live")["asterisk"]["up"])
        return False

    def kill_daemon(self) -> None:
        """kill -9."""
        assert self.daemon is not None
        os.kill(self.daemon.pid, signal.SIGKILL)
        self.daemon.popen.wait(10)
        self.daemon = None

    def stop_daemon(self) -> int:
        """SIGTERM; the exit code."""
        assert self.daemon is not None
        code = self.daemon.stop()
        self.daemon = None
        return code

    def daemon_log(self) -> str:
        log = self.home.log / "daemon.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def control(self, do: str, timeout_s: float = 5.0, **given: Any) -> dict[str, Any]:
        return Control(self.home.control_sock).ask(do, timeout_s, **given)

    def command(self, text: str) -> str:
        """Asterisk's own console, for looking only."""
        return console.ask(self.home.run, text)

    def channels(self) -> int:
        """How many channels are alive in Asterisk, but for those that only wait for a time (dialplan/timer.conf)."""
        told = self.command("core show channels concise")
        if "Unable to connect" in told:
            return -1
        return sum("!" in line and "@ramal-tick-" not in line for line in told.splitlines())

    def call(self, caller: sipp.Caller) -> "subprocess.Popen[bytes]":
        """Start a caller; ``wait_for_callers`` collects it."""
        folder = self.home.root / "callers"
        folder.mkdir(exist_ok=True)
        process = sipp.start(caller, self.programs, folder, self.settings.sip_port)
        self.callers.append((caller, process))
        return process

    def end_calls(self, number: str = "") -> None:
        """The box hangs up on a caller's number as it was sent, or on all of them: the test has seen enough."""
        shown = self.command("core show channels concise").splitlines()
        mine = [
            line.partition("!")[0]
            for line in shown
            if line.startswith("PJSIP/line-") and (f"!{number}!" if number else "!") in line
        ]
        assert mine, f"nobody is here: {shown}"
        for channel in mine:
            self.command(f"channel request hangup {channel}")

    def wait_for_callers(self, timeout_s: float = 90.0) -> None:
        """Until every caller has ended, each as its scenario says, and no channel is left."""
        for caller, process in self.callers:
            code = process.wait(timeout_s)
            errors = "".join(file.read_text(errors="replace") for file in (self.home.root / "callers").glob("*.err"))
            assert code == 0, f"{caller}: sipp ended with {code}\n{errors[-2000:]}"
        self.callers.clear()
        until(lambda: self.channels() == 0, 15, "no channel left")

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """What the database says, as a reader sees it."""
        connection = open_reader(self.home.db)
        try:
            connection.row_factory = sqlite3.Row
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def detail(self, call_id: str) -> read.CallDetail:
        """One call as the page sees it."""
        connection = open_reader(self.home.db)
        try:
            found = read.call(connection, call_id)
        finally:
            connection.close()
        assert found is not None, call_id
        return found

    def ended_calls(self, count: int, timeout_s: float = 20.0) -> list[sqlite3.Row]:
        """The received calls in the history, in the order they came, once there are ``count`` ended ones."""
        query = "SELECT * FROM call WHERE direction = 'in' AND ended_ms IS NOT NULL ORDER BY started_ms, id"
        return until(lambda: rows if len(rows := self.rows(query)) >= count else [], timeout_s, f"{count} ended calls")

    def end(self) -> None:
        """Take everything away, by process id."""
        for _, process in self.callers:
            process.kill()
            process.wait(10)
        if self.daemon is not None:
            self.daemon.stop()
        if self.asterisk is not None:
            self.asterisk.stop()
            self.asterisk.close()


def make(folder: Path, office_text: str, *, terse: bool = False, whole: str = "", **changes: Any) -> TestBox:
    """A box in ``folder`` (short: unix sockets) with the office of ``office_text``; nothing runs yet. A terse one says
    of every sentence only the beginning, for tests that do not listen; those of the folder ``whole`` stay long."""
    home = Home(folder / "home")
    home.prepare()
    first, last = free_range(200)
    settings = Settings(
        sip_port=free_port(), ami_port=free_port(), page_port=free_port(), rtp_first=first, rtp_last=last
    )
    settings = replace(settings, **changes)
    home.save_settings(settings)
    programs = peers()
    file = folder / "office.toml"
    if "[recordings]" not in office_text:  # the notice would make every call some seconds longer
        office_text += "\n[recordings]\nnotice = false\n"
    file.write_text(office_text, encoding="utf-8")
    office = prepare.office(home, str(file), _silent)
    asterisk.lay_data(home, programs)
    with spoken.shared(home.prompts):
        prepare.generation(home, settings, programs, office, _silent)
    if terse:
        _cut_spoken(home.prompts, whole)
    return TestBox(home, settings, office, programs)


def _cut_spoken(folder: Path, whole: str, most_ms: int = 300) -> None:
    """Links of one file stay links of one file: what is played is what the machine said."""
    cuts: dict[int, Path] = {}
    for file in sorted(folder.rglob("*.wav")):
        if file.is_file() and not file.is_symlink() and whole not in file.relative_to(folder).parts:
            inode, cut = file.stat().st_ino, file.with_suffix(".cut")
            if inode in cuts:
                os.link(cuts[inode], cut)
            else:
                wave = sound.read_wave(file.read_bytes())
                cut.write_bytes(sound.wav_bytes(wave.mono[: wave.rate_hz * most_ms // 1000], wave.rate_hz))
                cuts[inode] = file
            os.replace(cut, file)


@contextlib.contextmanager
def running(
    folder: Path, office_text: str, *, daemon: bool = True, terse: bool = False, whole: str = "", **changes: Any
) -> Iterator[TestBox]:
    """A running box, taken away at the end whatever happens."""
    box = make(folder, office_text, terse=terse, whole=whole, **changes)
    try:
        box.start()
        if daemon:
            box.start_daemon()
        yield box
    finally:
        box.end()


def office(name: str = "small") -> str:
    """An office file of tests/system/offices."""
    return (Path(__file__).parent / "offices" / f"{name}.toml").read_text(encoding="utf-8")


def agents_phone(box: TestBox, extension: str) -> tuple[str, str]:
    """(extension, secret) of a phone of the box's office."""
    for phone in box.office.phones:
        if phone.extension == extension:
            return phone.extension, phone.secret
    raise KeyError(extension)


__all__ = ["TestBox", "agents_phone", "make", "office", "office_file", "running"]
