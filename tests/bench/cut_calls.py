"""Real calls with a power cut in the middle, again and again: Asterisk, the daemon and all they started are killed
(SIGKILL) at random instants, the phones and the callers with them; then everything is started again and calls come.

    python -m tests.bench.cut_calls [calls] [--seed N] [--at-once N]

One cut for every ``at-once`` calls. Each caller and each agent's phone has a pitch of its own. Afterwards what the
phones and the callers saw is held against the history and the recordings (``cut_calls_verdict``): every call once and
ended, every talk in one good copy that lacks little at its end, no wav with sound left, ``verify`` finds nothing.
What a kill cannot show is a disk that forgets what was not flushed: the kernel outlives it. The image's test in QEMU
(issue 5) cuts a whole machine.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ramal.core import sound
from ramal.virtual import events
from ramal.virtual.phone import Account, Phone, Policy
from tests.bench import cut_calls_verdict as verdict
from tests.bench.cut_calls_verdict import Placed, Talk
from tests.bench.messages import messages
from tests.system import agents, box, sipp
from tests.system.box import TestBox
from tests.system.sipp import Caller
from tests.until import until

NUMBERS = {"stereo": "+551133330001", "mono": "+551133330002"}
CALLERS_HZ, AGENTS_HZ, STEP_HZ = 1400, 400, 30
"""The lowest pitch of each; no two that talk at once have the same."""
SPREAD_S, CUT_S = 3.0, (3.0, 14.0)
"""Within this time a batch's callers come, and at this time after the first the power is cut (or the daemon comes)."""
KEEPS_S = (0.5, 4.0)
"""So long after its start the daemon that came last is killed."""
SHORT_TALK_S, LONG_S = (1.0, 9.0), 60.0
HEAD = """[office]
name = "Corte"
country = "BR"
region = "SP"
timezone = "America/Sao_Paulo"
language = "pt-BR"

[recordings]
notice = false

[[line]]
name = "loop"
kind = "sip-peer"
addresses = ["127.0.0.1"]
channels = 120

"""
QUEUE = """[[number]]
number = "{number}"
to = "queue:{sides}"

[[queue]]
name = "{sides}"
title = "{sides}"
record_sides = "{sides}"
whisper = false
ring_s = 8
retry_s = 1
wrap_up_s = 0
max_wait_s = 120
overflow = "hangup"
"""


def office(desks: int) -> str:
    """A queue recorded in stereo and one in mono; so many agents, each at a phone, serve both."""
    parts = [HEAD, *(QUEUE.format(sides=sides, number=number) for sides, number in NUMBERS.items())]
    for number in range(desks):
        parts.append(f'[[phone]]\nextension = "{201 + number}"\nname = "Fone {201 + number}"\n')
        parts.append(
            f'[[agent]]\ncode = "{number + 1}"\nname = "Agente {number + 1}"\nphone = "{201 + number}"\n'
            f'pin = "{4000 + number * 7}"\nqueues = ["stereo", "mono"]\n'
        )
    return "\n".join(parts)


@dataclass(slots=True)
class Desk:
    """An agent's phone in one batch; ``told`` is what it saw."""

    hz: int
    phone: Phone
    told: list[events.PhoneEvent] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """The box, and what was seen from outside it."""

    box: TestBox
    folder: Path
    chance: random.Random
    placed: list[Placed] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)
    cuts: int = 0
    met: Counter[str] = field(default_factory=Counter)
    """What the keeper was doing when the power went, as far as the files tell."""

    def start_daemon(self) -> None:
        self.box.start_daemon("-m", "tests.bench.keeping_always", str(self.box.home.root))

    def batch(self, calls: int) -> None:
        """Phones, the daemon, callers, the cut. Every other time the daemon comes last, so that the cut meets it at
        turning the last batch's recordings into Opus."""
        self.box.start()
        with desks(self.box) as found:
            if not self.cuts:
                with ThreadPoolExecutor(4) as each:
                    list(each.map(lambda desk: agents.dial_code(self.box, desk.phone, "*45"), found))
                time.sleep(2.5)  # until Asterisk has its memory on the disk: the login is not what is cut here
            logged_in = "every agent is logged in, whatever was cut off"
            until(lambda: agents.members(self.box, "mono").count("agent-") >= len(found), 20, logged_in)
            for desk in found:
                desk.phone.policy = Policy("answer", self.chance.uniform(0.2, 1.5))
            late = self.cuts % 2 == 1
            if not late:
                self.start_daemon()
            sent = self._call(calls)
            if late:
                self.start_daemon()
                time.sleep(self.chance.uniform(*KEEPS_S))
            for one in sent:
                one.code = one.process.poll()
            cut_ms = self._cut()
            for desk in found:
                with suppress(ProcessLookupError):
                    os.kill(desk.phone.pid, signal.SIGKILL)
            self._ended(sent, cut_ms)
            for desk in found:
                desk.phone.stop()
                self.talks += _talks(desk, cut_ms)

    def _call(self, calls: int) -> list[Placed]:
        """Callers, until the power is to be cut."""
        begun = time.monotonic()
        cut_at = begun + self.chance.uniform(*CUT_S)
        sent: list[Placed] = []
        for number, at_s in enumerate(sorted(self.chance.uniform(0.0, SPREAD_S) for _ in range(calls))):
            time.sleep(max(0.0, min(begun + at_s, cut_at) - time.monotonic()))
            stay_s = self.chance.uniform(*SHORT_TALK_S) if self.chance.random() < 0.5 else LONG_S
            user = f"+55119{len(self.placed):08}"
            to = self.chance.choice(tuple(NUMBERS.values()))
            caller = Caller(to, user, stay_ms=int(1000 * stay_s), hz=CALLERS_HZ + STEP_HZ * number)
            process, log = sipp.start_logged(
                caller, self.box.programs, self.folder / "callers", self.box.settings.sip_port
            )
            sent.append(Placed(caller, process, log))
            self.placed.append(sent[-1])
        time.sleep(max(0.0, cut_at - time.monotonic()))
        return sent

    def _cut(self) -> int:
        """kill -9 of everything, in any order; when it began."""
        assert self.box.asterisk is not None
        assert self.box.daemon is not None
        doomed = [one for pid in (self.box.asterisk.popen.pid, self.box.daemon.pid) for one in family(pid)]
        self.chance.shuffle(doomed)
        at_ms = time.time_ns() // 1_000_000
        for pid in doomed:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.box.kill_asterisk()
        self.box.kill_daemon()
        self.cuts += 1
        self.met[verdict.keeper(self.box.home)] += 1
        return at_ms

    def _ended(self, sent: list[Placed], cut_ms: int) -> None:
        """The callers are cut off too; what they saw until then stands in their logs."""
        for one in sent:
            one.process.kill()
            one.process.wait(10)
            one.cut_ms = cut_ms
            answers = [seen.at_s for seen in messages(one.log) if seen.answers_invite] if one.log.exists() else []
            one.answered_ms = int(1000 * answers[0]) if answers else None


def family(pid: int) -> Iterator[int]:
    """A process and all that descend from it."""
    yield pid
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in tasks.read_text().split():
                yield from family(int(child))


@contextmanager
def desks(running: TestBox) -> Iterator[list[Desk]]:
    """The agents' phones, registered."""
    with ExitStack() as stack:
        found = []
        for number, agent in enumerate(running.office.agents):
            extension, secret = box.agents_phone(running, agent.phone)
            home, hz = running.home.virtual / extension, AGENTS_HZ + STEP_HZ * number
            home.mkdir(parents=True, exist_ok=True)
            voice = home / "pilot.wav"
            voice.write_bytes(sound.wav_bytes(sound.tone([hz], 2000)))
            told: list[events.PhoneEvent] = []
            account = Account(extension, secret, port=running.settings.sip_port)
            phone = Phone(home, extension, account, voice=voice, on_event=told.append, heard_kept=1, heard_limit_s=5)
            found.append(Desk(hz, stack.enter_context(phone), told))
        for desk in found:
            desk.phone.wait_registered(30)
        until(lambda: running.command("pjsip show contacts").count("Avail") >= len(found), 40, "all phones reachable")
        yield found


def _talks(desk: Desk, cut_ms: int) -> Iterator[Talk]:
    """The talks a phone had with callers, by what it saw."""
    callers = {one.call_id: one.peer_uri for one in desk.told if isinstance(one, events.Incoming)}
    begun = {one.call_id: one.at_ms for one in desk.told if isinstance(one, events.Answered) and one.call_id in callers}
    ended = {one.call_id: one.at_ms for one in desk.told if isinstance(one, events.Closed)}
    for call_id, at_ms in begun.items():
        end_ms = ended.get(call_id, cut_ms)
        if at_ms < cut_ms:
            yield Talk(callers[call_id], desk.hz, at_ms, min(end_ms, cut_ms), end_ms >= cut_ms)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calls", nargs="?", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument("--keep", type=Path, help="leave everything in this (short) folder")
    given = parser.parse_args()
    print(f"{given.calls} calls, {given.at_once} at once, seed {given.seed}", flush=True)
    folder = given.keep or Path(tempfile.mkdtemp(prefix="rc-", dir="/tmp"))
    (folder / "callers").mkdir(parents=True)
    running = None
    try:
        running = box.make(folder, office(max(2, given.at_once * 3 // 4)), terse=True)  # the others wait in the queue
        run = Run(running, folder, random.Random(given.seed))
        for first in range(0, given.calls, given.at_once):
            run.batch(min(given.at_once, given.calls - first))
            print(f"cut {run.cuts}: {len(run.placed)} calls, {len(run.talks)} talks, {dict(run.met)}", flush=True)
        running.start()
        run.start_daemon()
        faults = verdict.told(running, run.placed, run.talks, run.cuts, run.met)
    finally:
        if running is not None:
            running.end()
        if given.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    for fault in faults[:40]:
        print("  " + fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
