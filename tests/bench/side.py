"""One side of the bench: a private box, its agents' phones (one sipp process) and one run of calls through it.

On both sides a caller hears music, then the agent; the agent of Ramal first hears the queue's name for about a second,
in which the caller goes on waiting: sound for two that costs about what the talk would have cost in its place.

Runs on the bench's main thread. sipp's own CPU is not counted against either side.
"""

import array
import contextlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ramal.asterisk.prompts import text_prompt
from ramal.box import prepare
from ramal.box.children import Program, start_program
from ramal.core.places import Place, places
from ramal.core.ring_name import title_of
from ramal.provide import RunningPeer
from ramal.store.db import open_reader, open_writer
from ramal.store.ledger import TAKES
from tests.bench import bare, scenarios
from tests.bench.messages import Message, first, messages, talks
from tests.bench.table import BARE, RAMAL, Segment
from tests.bench.usage import Reading, busy, cpu_s, others_s, resident_mb, used
from tests.bench.viewer import Viewer
from tests.system.box import TestBox, make
from tests.system.ports import free_port, free_range
from tests.until import until

NUMBER = "+551133330001"
QUEUE = "sales"
FIRST_EXTENSION = 2001
SPARE_AGENTS = 2
MAY_LACK_S = 0.5
"""A recording may lack this of the agent's talk: it begins when the two are joined; on Ramal's side also what the agent
hears before that, the queue's name."""
SETTLE_S = 4.0
"""Both sides are watched for so long after the last call, and Ramal until its books are closed."""
BOOKS_S = 60.0

OFFICE = f"""[office]
name = "Bench"
country = "BR"
region = "SP"
timezone = "America/Sao_Paulo"
language = "pt-BR"
languages = ["en"]

[[line]]
name = "loop"
kind = "sip-peer"
addresses = ["127.0.0.1"]
channels = 250

[[hours]]
name = "always"
open = ["all 00:00-24:00"]

[[number]]
number = "{NUMBER}"
to = "queue:{QUEUE}"

[[queue]]
name = "{QUEUE}"
title = "Vendas"
strategy = "longest-idle"
ring_s = 15
retry_s = 1
wrap_up_s = 0
max_wait_s = 60
announce_position = false
overflow = "hangup"
hours = "always"
sticky_s = 10
max_predicted_s = 900
predicted = "hangup"
"""


def office(agents: int) -> str:
    """An office with one number that leads straight into a queue of ``agents`` agents, with everything a call can be
    asked on its way switched on: contacts, calls today, hours, the known agent, languages, the told wait, whisper."""
    parts = [OFFICE]
    for extension in range(FIRST_EXTENSION, FIRST_EXTENSION + agents):
        parts.append(f'[[phone]]\nextension = "{extension}"\nname = "Fone {extension}"\n')
        parts.append(
            f'[[agent]]\ncode = "{extension}"\nname = "Agente {extension}"\nphone = "{extension}"\n'
            f'pin = "{extension * 7 + 13}"\nqueues = ["{QUEUE}"]\n'
            + ('skills = ["en"]\n' if extension % 3 == 0 else "")
        )
    return "\n".join(parts)


class Side:
    """A running box with its agents' phones registered. ``end`` takes all of it away."""

    def __init__(self, name: str, folder: Path, agents: int, *, profile: bool = False) -> None:
        self.name, self.folder = name, folder
        self._agents, self._members, self._serial = agents, 0, 0
        self._profile = profile
        self._phones: RunningPeer | None = None
        self._page: Program | None = None
        self._viewer: Viewer | None = None
        self._sound = folder / "tone.al"
        folder.mkdir(parents=True, exist_ok=True)
        first, last = free_range(1200)
        self.box: TestBox = make(folder, office(agents), rtp_first=first, rtp_last=last)
        if name == BARE:
            bare.strip(self.box.home.asterisk_etc, QUEUE, self.box.home.recordings)

    def start(self) -> None:
        """Asterisk; on Ramal's side daemon, page and somebody who watches the live view; then the phones."""
        self._sound.write_bytes(scenarios.tone())
        password = self._owner() if self.name == RAMAL else ""
        self.box.start()
        if self.name == RAMAL:
            self._start_daemon()
            self._start_page(password)
        self._register()

    def _start_daemon(self) -> None:
        if not self._profile:
            self.box.start_daemon()
            return
        run = ["-m", "tests.bench.profiled", str(self.folder / "daemon.prof"), str(self.box.home.root)]
        self.box.daemon = start_program([sys.executable, *run], self.box.home.log / "daemon.log")
        until(self.box._daemon_up, 20, "the profiled daemon up")

    def _owner(self) -> str:
        """The page's owner with a password that need not be changed."""
        password = prepare.owner(self.box.home)
        connection = open_writer(self.box.home.db)
        try:
            connection.execute("UPDATE user SET must_change = 0")
        finally:
            connection.close()
        assert password is not None
        return password

    def _start_page(self, password: str) -> None:
        argv = [sys.executable, "-m", "ramal_web", "--home", str(self.box.home.root)]
        self._page = start_program(argv, self.box.home.log / "page.log")
        self._viewer = Viewer(self.box.settings.page_port, "owner", password)
        until(self._viewer.sign_in, 20, "the page lets its owner in")
        self._viewer.start()

    def _register(self) -> None:
        """Register every phone from the port where the agents' sipp will listen, then start that sipp."""
        (self.folder / "register.xml").write_text(scenarios.register())
        (self.folder / "agents.xml").write_text(scenarios.agents())
        phones = self.box.office.phones
        lines = [scenarios.credentials(phone.extension, phone.secret) for phone in phones]
        (self.folder / "register.csv").write_text(scenarios.csv(lines))
        port, (media, _) = free_port(), free_range(10)
        first = ["-sf", "register.xml", "-inf", "register.csv", "-m", str(len(phones)), "-r", "50", "-aa"]
        with self._sipp("register", port, *first, "-timeout", "30", "-timeout_error") as registering:
            assert registering.wait(40) == 0, "the phones could not register; see register.log"
        messages = ["-trace_msg", "-message_file", "agents.msg", "-max_log_size", "4000000000"]
        self._phones = self._sipp("agents", port, "-sf", "agents.xml", "-rtp_echo", "-mp", str(media), *messages)
        until(self._reachable, 30, "every agent's phone answers OPTIONS")

    def _reachable(self) -> bool:
        contacts = [line for line in self.box.command("pjsip show contacts").splitlines() if " Contact:  2" in line]
        away = [line.split()[1].split("/")[0] for line in contacts if " Avail" not in line]
        for extension in away:
            self.box.command(f"pjsip qualify {extension}")
        return len(contacts) >= self._agents and not away

    def _sipp(self, name: str, port: int, *arguments: str) -> RunningPeer:
        with (self.folder / f"{name}.log").open("ab") as log:
            return self.box.programs.start(
                "sipp",
                f"127.0.0.1:{self.box.settings.sip_port}",
                *("-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", str(port), "-nostdin"),
                *("-trace_err", "-error_file", f"{name}.err", *arguments),
                binds=[self.folder],
                die_with_parent=True,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def seat(self, concurrent: int) -> None:
        """Log agents in until there are two more than calls: on Ramal's side wherever a login by phone puts them."""
        wanted = min(concurrent + SPARE_AGENTS, self._agents)
        for agent in self.box.office.agents[self._members : wanted]:
            where = places(self.box.office, agent) if self.name == RAMAL else (Place(QUEUE, 0),)
            if self.name == RAMAL:
                self.box.command(f"database put ramal-phone {agent.code} {agent.code}")
                self.box.command(f"database put ramal-agent {agent.code} {agent.code}")
            for place in where:
                member = f"queue add member PJSIP/{agent.code} to {place.queue} penalty {place.penalty}"
                self.box.command(f"{member} as agent-{agent.code}")
        self._members = max(self._members, wanted)

    def pids(self) -> dict[str, int]:
        """What is counted: by name, the processes' ids."""
        assert self.box.asterisk is not None
        found = {"asterisk": self.box.asterisk.pid}
        if self.box.daemon is not None:
            found["daemon"] = self.box.daemon.pid
        if self._page is not None:
            found["page"] = self._page.pid
        return found

    def idle(self, seconds: float) -> dict[str, float]:
        """CPU milliseconds a second with registered phones and nobody calling."""
        pids = self.pids()
        before, begun = Reading.of(pids), time.monotonic()
        time.sleep(seconds)
        took_s = time.monotonic() - begun
        return {name: round(1000 * cpu / took_s, 2) for name, cpu in used(before, Reading.of(pids)).items()}

    def run(self, concurrent: int, calls: int, hold_s: float) -> Segment:
        """Place ``calls`` calls so that ``concurrent`` stand at once, and look at everything they left."""
        self.seat(concurrent)
        self._serial += 1
        name = f"callers-{self._serial:02}"
        numbers = [f"+5511{self._serial:03}{number:06}" for number in range(calls)]
        (self.folder / f"{name}.xml").write_text(scenarios.caller(NUMBER, int(hold_s * 1000), self._sound.name))
        (self.folder / f"{name}.csv").write_text(scenarios.csv(numbers))
        heard_from = (self.folder / "agents.msg").stat().st_size
        pids = self.pids()
        assert self._phones is not None
        before, sipp_before, begun = Reading.of(pids), cpu_s(self._phones.pid), time.monotonic()
        failed, callers_cpu_s = self._call(name, concurrent, calls, hold_s)
        time.sleep(SETTLE_S)
        lost = self._books(numbers) if self.name == RAMAL else ()
        after, seconds = Reading.of(pids), time.monotonic() - begun
        memory = {process: resident_mb(pid) for process, pid in pids.items()}
        sipp_s = callers_cpu_s + cpu_s(self._phones.pid) - sipp_before
        placed = list(messages(self.folder / f"{name}.msg"))
        taken = list(messages(self.folder / "agents.msg", heard_from))
        ring_ms, notes = self._rings(placed, taken)
        missing, short, amiss = self._recordings(talks(taken))
        notes += amiss
        cpu = used(before, after)
        others = others_s(before, after, sum(cpu.values()) + sipp_s)
        return Segment(
            self.name, concurrent, calls, failed, round(seconds, 1), cpu, tuple(ring_ms), missing,
            short, lost, {process: mb for process, (mb, _) in memory.items()},
            {process: mb for process, (_, mb) in memory.items()}, round(busy(before, after), 3), round(sipp_s, 2),
            others, tuple(notes),
        )  # fmt: skip

    def _call(self, name: str, concurrent: int, calls: int, hold_s: float) -> tuple[int, float]:
        """Run the callers to their end: calls that failed, and the CPU seconds of sipp."""
        every_ms = round(1000 * hold_s / concurrent)
        first, last = free_range(4 * concurrent + 40)
        sipp = self._sipp(
            name, free_port(),
            *("-sf", f"{name}.xml", "-inf", f"{name}.csv", "-m", str(calls), "-r", "1", "-rp", str(every_ms)),
            *("-l", str(concurrent + SPARE_AGENTS), "-min_rtp_port", str(first), "-max_rtp_port", str(last)),
            *("-trace_msg", "-message_file", f"{name}.msg", "-trace_stat", "-stf", f"{name}.stat", "-fd", "1"),
            *("-recv_timeout", "30000", "-timeout", str(int(calls * every_ms / 1000 + hold_s + 60))),
        )  # fmt: skip
        spent_s = 0.0
        with sipp:
            while sipp.poll() is None:
                spent_s = max(spent_s, cpu_s(sipp.pid))
                time.sleep(0.1)
        assert (self.folder / f"{name}.stat").exists(), (self.folder / f"{name}.log").read_text()[-2000:]
        rows = (self.folder / f"{name}.stat").read_text().splitlines()
        last_row = dict(zip(rows[0].split(";"), rows[-1].split(";"), strict=False))
        return calls - int(last_row["SuccessfulCall(C)"]), spent_s

    def _rings(self, placed: Sequence[Message], taken: Sequence[Message]) -> tuple[list[float], list[str]]:
        """Milliseconds from each caller's first INVITE leaving sipp to its agent's first INVITE reaching sipp."""
        left = first(one for one in placed if one.direction == "sent" and one.is_request("INVITE"))
        offers = [one for one in taken if one.direction == "received" and one.is_request("INVITE")]
        reached = first(offers)
        notes = [f"{len(offers) - len(reached)} agents' INVITEs beyond the first"] if len(offers) > len(reached) else []
        if len(reached) < len(left):
            notes.append(f"{len(left) - len(reached)} calls that reached no agent")
        return [1000 * (reached[one] - at) for one, at in left.items() if one in reached], notes

    def _recordings(self, talks_s: Sequence[float]) -> tuple[int, int, list[str]]:
        """How many are missing and short against the talks that sipp saw; they are removed afterwards.

        Files do not tell whose they are, so the k-th longest file is held against the k-th longest talk.
        """
        files = sorted(self.box.home.recordings.rglob("*.wav"))
        held_s = sorted(((file.stat().st_size - 44) / 16_000 for file in files), reverse=True)
        pairs = list(zip(held_s, sorted(talks_s, reverse=True), strict=False))
        short = [(held, talk) for held, talk in pairs if held < talk - MAY_LACK_S - self._whisper_s()]
        notes = [f"a recording of {held:.1f} s for a talk of {talk:.1f} s" for held, talk in short]
        silent = sum(not _has_sound(file) for file in files)
        if silent:
            notes.append(f"{silent} recordings hold no sound")
        for folder in self.box.home.recordings.iterdir():
            if folder.is_dir():
                shutil.rmtree(folder)
        return max(0, len(talks_s) - len(files)), len(short), notes

    def _whisper_s(self) -> float:
        """How long the queue's name is, which an agent of Ramal hears before the caller."""
        if self.name != RAMAL:
            return 0.0
        office = self.box.office
        spoken = text_prompt(title_of(office.queues[0]), (), office)
        return ((self.box.home.prompts / f"{spoken}.wav").stat().st_size - 44) / 16_000

    def _books(self, numbers: list[str]) -> tuple[str, ...]:
        """Wait until the daemon has closed the books on these calls; what is not whole then."""
        lost: tuple[str, ...] = ()
        give_up = time.monotonic() + BOOKS_S
        while time.monotonic() < give_up:
            lost = _not_whole(self.box, numbers)
            if not lost:
                break
            time.sleep(0.5)
        return lost

    def end(self) -> None:
        """Take everything away, by process id."""
        if self._viewer is not None:
            self._viewer.stop()
        if self._phones is not None:
            self._phones.send_signal(signal.SIGKILL)
            self._phones.wait(10)
            self._phones.close()
        if self._page is not None:
            self._page.stop()
        self.box.end()


_CALLS = f"""SELECT c.caller, c.category, c.agent, c.wait_ms, c.talk_ms,
    (SELECT group_concat(r.state) FROM recording r WHERE r.id BETWEEN c.key * {TAKES} AND c.key * {TAKES} + {TAKES - 1})
    FROM call c WHERE c.caller BETWEEN ? AND ?"""


def _not_whole(box: TestBox, numbers: list[str]) -> tuple[str, ...]:
    """One reason for each call that the history lacks or tells in part."""
    connection = open_reader(box.home.db)
    try:
        rows = {row[0]: row for row in connection.execute(_CALLS, (numbers[0], numbers[-1]))}
    except sqlite3.OperationalError as error:
        return (str(error),)
    finally:
        connection.close()
    lost = []
    for number in numbers:
        if number not in rows:
            lost.append(f"{number} is not in the history")
            continue
        _, category, agent, wait_ms, talk_ms, recording = rows[number]
        if category != "answered" or not agent or wait_ms is None or talk_ms is None or recording != "ready":
            lost.append(f"{number}: {category}, agent {agent!r}, wait {wait_ms}, talk {talk_ms}, recording {recording}")
    return tuple(lost)


def _has_sound(file: Path) -> bool:
    """Whether the middle half second of a 16 bit WAV file is louder than silence."""
    with file.open("rb") as opened:
        opened.seek((44 + file.stat().st_size // 2) & ~1)
        samples = array.array("h", opened.read(8000)[:8000])
    return bool(samples) and max(map(abs, samples)) > 500


@contextlib.contextmanager
def both(folder: Path, agents: int, *, only: str = "", profile: bool = False) -> Iterator[dict[str, Side]]:
    """Ramal and bare, running side by side; only one of them has calls at a time."""
    sides: dict[str, Side] = {}
    try:
        for name in (RAMAL, BARE):
            if only in ("", name):
                sides[name] = Side(name, folder / name[0], agents, profile=profile)
                sides[name].start()
        yield sides
    finally:
        for side in sides.values():
            side.end()
