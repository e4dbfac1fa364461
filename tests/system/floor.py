"""A floor of agents: one box without a daemon, three desk phones, and what Asterisk keeps about the agents there.

``[test]`` in ``custom/extensions.conf`` does at once what dialing a code takes seconds for.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ramal.virtual.phone import Phone
from tests.system import agents, box
from tests.system.box import TestBox
from tests.until import until

_TEST = """[test]
; out0_<agent>, set0_<agent>_<phone>, pause0_<agent>_<phone>_<reason>_<seconds>, miss0_<agent>_<epoch>,
; timer0_<name>_<seconds>_<context>_<exten>
exten => _outX!,1,Set(agent=${CUT(EXTEN,_,2)})
 same => n,Gosub(ramal-logout,s,1(${DB(ramal-agent/${agent})},${agent}))
 same => n,Set(was=${DB_DELETE(ramal-calls/${agent})}${DB_DELETE(ramal-last-call/${agent})})
 same => n,Hangup()
exten => _setX!,1,Gosub(ramal-login,s,1(${CUT(EXTEN,_,3)},${CUT(EXTEN,_,2)}))
 same => n,Hangup()
exten => _pauseX!,1,Gosub(ramal-pause,s,1(${CUT(EXTEN,_,3)},${CUT(EXTEN,_,2)},${CUT(EXTEN,_,4)},${CUT(EXTEN,_,5)}))
 same => n,Hangup()
exten => _missX!,1,Gosub(ramal-missed,s,1(${CUT(EXTEN,_,2)},${CUT(EXTEN,_,3)}))
 same => n,Set(DB(test/missed)=${CUT(EXTEN,_,3)} ${GOSUB_RETVAL} ${DB(ramal-miss/${CUT(EXTEN,_,2)})})
 same => n,Hangup()
exten => _timerX!,1,Gosub(ramal-timer,s,1(${CUT(EXTEN,_,2)},${CUT(EXTEN,_,3)},${CUT(EXTEN,_,4)},${CUT(EXTEN,_,5)}))
 same => n,Hangup()
exten => _stopX!,1,Gosub(ramal-timer-stop,s,1(${CUT(EXTEN,_,2)}))
 same => n,Set(DB(test/stopped)=${CUT(EXTEN,_,2)})
 same => n,Hangup()
"""


@dataclass(slots=True)
class Floor:
    """``desks``: the phones by extension; agent 7 belongs to 201, agent 8 to 202, agent 9 to 203."""

    box: TestBox
    desks: dict[str, Phone]

    def do(self, exten: str) -> None:
        """Run an extension of ``[test]``."""
        self.box.command(f"channel originate Local/{exten}@test/n application NoOp")

    def kept(self, family: str, key: str) -> str:
        """A value of AstDB, "" when there is none."""
        told = self.box.command(f"database get {family} {key}")
        return told.partition("Value: ")[2].strip() if "Value: " in told else ""

    def seat(self, agent: str, phone: str) -> None:
        """Log an agent in."""
        self.do(f"set0_{agent}_{phone}")
        until(lambda: self.kept("ramal-agent", agent) == phone, 5, f"agent {agent} in at {phone}")

    def clear(self) -> None:
        """Nobody logged in, nothing waiting, every phone idle."""
        for desk in self.desks.values():
            desk.policy = agents.IGNORE
            desk.hangup()
        until(lambda: not any(desk.calls for desk in self.desks.values()), 10, "every phone idle")
        for agent in ("7", "8", "9"):
            self.do(f"out0_{agent}")
            self._gone(agent)
        until(lambda: self.box.channels() == 0, 15, "no channel left")
        until(lambda: "@ramal-tick" not in self.box.command("core show channels concise"), 15, "no timer left")
        for agent in ("7", "8", "9"):
            self.box.command(f"database del ramal-miss {agent}")

    def _gone(self, agent: str) -> None:
        until(lambda: not self.kept("ramal-agent", agent), 5, f"agent {agent} out")

    def paused(self, agent: str, queue: str = "sales") -> str:
        """Why app_queue holds an agent as paused, "" when it does not."""
        for line in agents.members(self.box, queue).splitlines():
            if f"agent-{agent} " in line and "paused" in line:
                return line.partition("paused:")[2].partition(" was")[0] or "?"
        return ""

    def lamp(self, name: str) -> str:
        """INUSE, NOT_INUSE, RINGING."""
        return self.kept("CustomDevstate", f"ramal-{name}")

    def log(self) -> list[str]:
        """queue_log, line by line."""
        return (self.box.home.asterisk_log / "queue_log").read_text().splitlines()


@contextlib.contextmanager
def floor(office: str = "agents") -> Iterator[Floor]:
    """A running floor."""
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    running = box.make(folder, box.office(office), terse=True)
    try:
        (running.home.etc / "custom" / "extensions.conf").write_text(_TEST)
        running.start()
        running.command("logger add channel full verbose(4),notice,warning,error")
        with contextlib.ExitStack() as stack:
            desks = {name: stack.enter_context(agents.phone(running, name)) for name in ("201", "202", "203")}
            yield Floor(running, desks)
    finally:
        running.end()
        shutil.rmtree(folder, ignore_errors=True)
