"""Things break around calls: Asterisk's manager stalls, Asterisk or the daemon restarts. Calls go on, history is right.

One box for the module; its daemon reaches Asterisk by a detour that a test can block.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ramal.core import sound
from tests.system import agents, box
from tests.system.box import TestBox
from tests.system.detour import Detour
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system

SALES, MENU, CLOSED, NOBODY, UNKNOWN = (f"+55113333000{digit}" for digit in (1, 0, 3, 4, 9))


@dataclass(frozen=True, slots=True)
class Ground:
    """The box and the way its daemon takes to Asterisk."""

    box: TestBox
    way: Detour

    def start_daemon(self) -> None:
        self.box.home.put_in_force(replace(self.box.settings, ami_port=self.way.port))
        self.box.start_daemon("-m", "tests.system.impatient", str(self.box.home.root))


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    made = box.make(folder, box.office())
    way = Detour(made.settings.ami_port)
    try:
        made.start()
        ready = Ground(made, way)
        ready.start_daemon()
        yield ready
    finally:
        made.end()
        way.end()
        shutil.rmtree(folder, ignore_errors=True)


def warned(office: TestBox) -> set[str]:
    return {warning["code"] for warning in office.control("live")["warnings"]}


def state(office: TestBox, code: str = "7") -> str:
    return next(str(agent["state"]) for agent in office.control("live")["agents"] if agent["code"] == code)


def ended(office: TestBox, caller: str) -> Any:
    query = "SELECT * FROM call WHERE caller = ? AND ended_ms IS NOT NULL"
    return until(lambda: office.rows(query, caller), 20, f"the call of {caller} in the history")[0]


def recorded(office: TestBox, caller: str) -> Any:
    """The one recording of a caller's call, once its books are closed."""
    call_id = ended(office, caller)["id"]
    done = until(
        lambda: [one for one in office.detail(call_id).recordings if one.state != "writing"], 20, "the books closed"
    )
    assert len(done) == 1
    return done[0]


def test_a_stalled_manager_costs_no_call_is_said_and_heals_by_itself(ground: Ground) -> None:
    office = ground.box
    with agents.logged_in(office, "201"), agents.logged_in(office, "202"):
        office.call(Caller(SALES, "+5511940000001", stay_ms=12_000))
        until(lambda: state(office) == "talking", 15, "the first agent talks")
        ground.way.open.clear()
        until(lambda: "asterisk-down" in warned(office), 15, "the page is told")
        live = office.control("live")
        assert not live["asterisk"]["up"]
        assert live["asterisk"]["reason"]
        office.call(Caller(SALES, "+5511940000002", stay_ms=5000))
        until(lambda: office.channels() >= 4, 15, "the second agent answers meanwhile")
        ground.way.open.set()
        until(lambda: office.control("live")["asterisk"]["up"], 15, "it has healed by itself")
        assert "asterisk-down" not in warned(office)
        office.wait_for_callers()
        until(lambda: (state(office, "7"), state(office, "8")) == ("free", "free"), 10, "the agents' states are right")
    for caller, agent in (("+5511940000001", "7"), ("+5511940000002", "8")):
        assert (ended(office, caller)["category"], ended(office, caller)["agent"]) == ("answered", agent)
        assert recorded(office, caller).state == "ready"
    log = office.daemon_log()
    assert log.count("Asterisk is lost") == 1
    assert log.count("Asterisk is back") == 1


def test_asterisk_restarted_in_a_call_ends_it_in_the_history_and_the_agent_is_free_soon(ground: Ground) -> None:
    office = ground.box
    with agents.logged_in(office, "201"):
        office.call(Caller(SALES, "+5511940000011", stay_ms=60_000))
        until(lambda: state(office) == "talking", 15, "the agent talks")
        wav = until(lambda: newest(office), 10, "the recording began")
        until(lambda: wav.stat().st_size > 40_000, 20, "some seconds are recorded")
        office.stop_asterisk()
        until(lambda: "asterisk-down" in warned(office), 10, "the page is told")
        end_callers(office)
        office.start()
        until(lambda: office.control("live")["asterisk"]["up"], 15, "the daemon found it again")
        until(lambda: state(office) == "free", 10, "the agent is reachable without registering anew")
        call = ended(office, "+5511940000011")
        assert (call["category"], call["agent"]) == ("answered", "7")
        assert recorded(office, "+5511940000011").duration_ms > 2000
        office.call(Caller(SALES, "+5511940000012", stay_ms=3000))
        office.wait_for_callers()
        assert ended(office, "+5511940000012")["agent"] == "7"


def test_the_daemon_killed_and_restarted_in_a_call_is_not_heard(ground: Ground, tmp_path: Path) -> None:
    office = ground.box
    voice = tmp_path / "voice.wav"
    voice.write_bytes(sound.wav_bytes(sound.tone([440.0], 2000)))
    with agents.logged_in(office, "201", voice=voice):
        office.call(Caller(SALES, "+5511940000021", stay_ms=90_000))
        until(lambda: state(office) == "talking", 15, "the agent talks")
        wav = until(lambda: newest(office), 10, "the recording began")
        for _ in range(3):
            size = wav.stat().st_size
            office.kill_daemon()
            until(lambda size=size: wav.stat().st_size > size + 16_000, 10, "it is recorded on, with a dead daemon")
            ground.start_daemon()
            assert state(office) == "talking"
        until(lambda: wav.stat().st_size > 200_000, 20, "twelve seconds are recorded")
        office.end_calls()
        office.wait_for_callers()
    assert ended(office, "+5511940000021")["category"] == "answered"
    row = recorded(office, "+5511940000021")
    assert row.state == "ready"
    wave = sound.read_wave((office.home.root / row.path).read_bytes())
    heard = [agent for (agent,) in sound.tones_present(wave.mono, wave.rate_hz, [440.0], share=0.2)]
    while heard and not heard[0]:  # before the agent speaks
        heard.pop(0)
    assert len(heard) > 80, "tenths of a second"
    assert sum(not there for there in heard) <= len(heard) // 50, "the agent is heard all the time"


def newest(office: TestBox) -> Path | None:
    found = list(office.home.recordings.rglob("*.wav"))
    return max(found, key=lambda path: path.stat().st_mtime_ns) if found else None


def end_callers(office: TestBox) -> None:
    """Callers whose call is gone without a word."""
    for _, process in office.callers:
        process.kill()
        process.wait(10)
    office.callers.clear()


# -- nothing is left behind --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """What the two processes hold: descriptors, threads, sound ports; and KiB of memory."""

    asterisk: tuple[int, int]
    daemon: tuple[int, int]
    rtp: int
    asterisk_kb: int
    daemon_kb: int


def held(office: TestBox) -> Held:
    assert office.asterisk is not None
    assert office.daemon is not None
    ports = [int(line.split()[1].partition(":")[2], 16) for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
    settings = office.settings
    return Held(
        _things(office.asterisk.pid),
        _things(office.daemon.pid),
        sum(settings.rtp_first <= port <= settings.rtp_last for port in ports),
        _kb(office.asterisk.pid),
        _kb(office.daemon.pid),
    )


def _things(pid: int) -> tuple[int, int]:
    own = Path(f"/proc/{pid}")
    return len(list((own / "fd").iterdir())), len(list((own / "task").iterdir()))


def _kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def zombies(pid: int) -> list[str]:
    """Dead children that a process has not collected."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            words = entry.read_text().rpartition(")")[2].split()
            if words[0] == "Z" and int(words[1]) == pid:
                found.append(entry.parent.name)
    return found


def ten_calls(office: TestBox, first: int) -> None:
    """Ten callers at once: answered, through the menu, closed, nobody there, not ours, given up."""
    for number in range(first, first + 10):
        to, more = (
            (SALES, {"stay_ms": 3500}),
            (MENU, {"stay_ms": 4000, "keys": ((1500, "1"),)}),
            (CLOSED, {"stay_ms": 15_000}),
            (NOBODY, {"stay_ms": 15_000}),
            (UNKNOWN, {"answered": False}),
            (MENU, {"stay_ms": 900}),
        )[number % 6]
        office.call(Caller(to, f"+551195{number:07}", **more))
    office.wait_for_callers()


def test_after_many_calls_nothing_is_left_of_them(ground: Ground) -> None:
    office = ground.box
    with agents.logged_in(office, "201"), agents.logged_in(office, "202"):
        ten_calls(office, 0)  # whatever is made once and kept
        settle(office, 10)
        before = held(office)
        files = sorted(path.name for path in office.home.run.iterdir())
        for turn in (1, 2):
            ten_calls(office, turn * 10)
        settle(office, 30)
        assert office.channels() == 0
        until(lambda: held(office).rtp <= before.rtp, 20, f"sound ports given back: {before}")
        # Asterisk's thread pools shrink a minute after they were needed, so threads may be more, but not by much.
        until(lambda: held(office).asterisk[0] <= before.asterisk[0], 20, f"descriptors of Asterisk: {before}")
        until(lambda: held(office).daemon <= before.daemon, 20, f"descriptors and threads of the daemon: {before}")
        after = held(office)
        assert after.asterisk[1] <= before.asterisk[1] + 10
        assert after.asterisk_kb - before.asterisk_kb < 20_000
        assert after.daemon_kb - before.daemon_kb < 4_000
        assert office.asterisk is not None
        assert office.daemon is not None
        assert zombies(office.asterisk.pid) == zombies(office.daemon.pid) == []
        assert sorted(path.name for path in office.home.run.iterdir()) == files


def settle(office: TestBox, count: int) -> None:
    """Until the history is whole and every recording's books are closed."""
    of_these = "FROM call WHERE caller LIKE '+551195%'"
    until(lambda: office.rows(f"SELECT 1 {of_these} AND ended_ms IS NOT NULL LIMIT ? - 1, 1", count), 20, "all ended")
    assert len(office.rows(f"SELECT 1 {of_these}")) == count
    until(lambda: not office.rows("SELECT 1 FROM recording WHERE state = 'writing'"), 20, "all recordings are closed")
