"""The real daemon on a machine whose clock the test sets: what waits, what is told, and calls whose times get right."""

import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ramal.box.home import Home
from ramal.cli import DONE, NOT_DONE
from ramal.control.client import Refused
from ramal.store.db import open_reader
from ramal.store.ingest import CEL_NAME, QUEUE_NAME
from tests.fakes.ami_peer import AmiPeer
from tests.process.conftest import OFFICE, DaemonProcess
from tests.process.test_cli import ramal, said
from tests.process.test_contacts import AstDb
from tests.store.office_day import Script, merge
from tests.until import until

Start = Callable[..., DaemonProcess]
DAY_MS = 24 * 3_600_000
NUMBER = "+5511987654321"


class Machine:
    """The clock under test, and a daemon that looks at it."""

    def __init__(self, folder: Path, start: Start, home: Home) -> None:
        self.file, self._start, self.home = folder / "clock.json", start, home
        self.off_ms = 0

    def set(self, off_ms: int, **facts: Any) -> None:
        self.off_ms = off_ms
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps({"off_ms": off_ms} | facts))
        part.replace(self.file)  # whole, for a daemon that is looking

    def daemon(self) -> DaemonProcess:
        return self._start(RAMAL_TEST_CLOCK=str(self.file))

    def now_ms(self) -> int:
        """What its clock shows."""
        return time.time_ns() // 1_000_000 + self.off_ms

    def write(self, *calls: Script) -> None:
        """Asterisk writes these calls down."""
        for name, data in zip((CEL_NAME, QUEUE_NAME), merge(calls), strict=True):
            path = self.home.asterisk_log / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(data)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(open_reader(self.home.db)) as db:
            return db.execute(query).fetchall()


@pytest.fixture
def machine(tmp_path: Path, start: Start, home: Home) -> Machine:
    return Machine(tmp_path, start, home)


@pytest.fixture
def astdb(asterisk: AmiPeer) -> AstDb:
    return AstDb(asterisk)


def codes(daemon: DaemonProcess) -> list[str]:
    return [one["code"] for one in daemon.live()["warnings"]]


def abandoned(serial: int, at_ms: int) -> Script:
    return Script(serial, at_ms, NUMBER).arrive().menu().join().wait(5000).abandon()


def test_calls_of_a_box_without_a_clock_get_their_times_when_a_server_is_heard(machine: Machine, astdb: AstDb) -> None:
    machine.set(-40 * DAY_MS)
    daemon = machine.daemon().up()
    daemon.ask("apply", toml=OFFICE, file="o.toml")
    until(lambda: codes(daemon) == ["clock-untrusted"], 10, "the page says so")
    until(lambda: astdb.family("ramal-clock") == {"untrusted": "1"}, 10, "Asterisk is told")
    began_ms = machine.now_ms()
    call = abandoned(1, began_ms)
    machine.write(call)
    until(lambda: machine.rows("SELECT started_ms FROM call") == [(began_ms,)], 10, "a call is recorded all the same")
    joined_s = began_ms // 1000
    record = f"sales|{call.id}|{joined_s}|5|{joined_s + 3600}|0|0|+551133334444||pt_BR|Maria"
    astdb.family("ramal-callback")[NUMBER[1:]] = record
    asked = f"{call.id}|sales|{NUMBER}|{joined_s}|{joined_s + 3600}|5|+551133334444||pt_BR|Maria"
    machine.write(Script(2, began_ms, NUMBER).arrive().say("CALLBACK", asked).end())
    until(lambda: machine.rows("SELECT id FROM callback WHERE ended_ms IS NULL") == [(call.id,)], 10, "and a callback")
    machine.set(0, synced=True)
    until(lambda: not astdb.family("ramal-clock"), 10, "Asterisk is told again")
    assert codes(daemon) == []
    (right_ms,) = machine.rows("SELECT min(started_ms) FROM call")[0]
    assert abs(right_ms - (began_ms + 40 * DAY_MS)) <= 1000
    moved = astdb.family("ramal-callback")[NUMBER[1:]].split("|")
    by_s = (right_ms - began_ms) // 1000
    assert moved[2:7] == [str(joined_s + by_s), "5", str(joined_s + 3600 + by_s), "0", "0"], "and the callback not over"
    told = daemon.ask("clock.status")
    assert (told["source"], [one["source"] for one in told["epochs"]]) == ("ntp", ["ntp", "none"])
    before = machine.rows("SELECT * FROM call ORDER BY key")
    daemon.kill()
    machine.daemon().up()
    assert ramal(machine.home, "clock").returncode == DONE
    assert machine.rows("SELECT * FROM call ORDER BY key") == before
    assert astdb.family("ramal-callback")[NUMBER[1:]].split("|") == moved


def test_a_rebuild_gives_what_the_repair_gave(machine: Machine, astdb: AstDb) -> None:
    machine.set(-3 * DAY_MS)
    daemon = machine.daemon().up()
    began_ms = machine.now_ms()
    machine.write(abandoned(1, began_ms))
    until(lambda: machine.rows("SELECT 1 FROM call"), 10)
    machine.set(0, synced=True)
    until(lambda: machine.rows("SELECT started_ms FROM call")[0][0] > began_ms + DAY_MS, 10, "it is put right")
    repaired = machine.rows("SELECT * FROM call"), machine.rows("SELECT * FROM hour_count")
    daemon.kill()
    assert ramal(machine.home, "rebuild").returncode == DONE
    assert (machine.rows("SELECT * FROM call"), machine.rows("SELECT * FROM hour_count")) == repaired


def test_a_person_says_that_the_time_is_right_and_it_is_written_down(machine: Machine, astdb: AstDb) -> None:
    machine.set(0)
    daemon = machine.daemon().up()
    until(lambda: astdb.family("ramal-clock") == {"untrusted": "1"}, 10, "Asterisk is told")
    asked = ramal(machine.home, "clock")
    assert asked.returncode == NOT_DONE
    assert "NOT trusted: this box has no battery clock" in said(asked)
    assert "does not know what time it is" in said(ramal(machine.home, "status"))
    trusted = ramal(machine.home, "clock", "trust")
    assert trusted.returncode == DONE
    assert "a person said that it is right" in said(trusted)
    assert machine.rows("SELECT who FROM audit WHERE what = 'clock.trusted'") == [("command line",)]
    until(lambda: not astdb.family("ramal-clock"), 10, "Asterisk is told")
    with pytest.raises(Refused, match="trusted already"):
        daemon.ask("clock.trust", who="owner")
    daemon.kill()
    again = machine.daemon().up()
    assert again.ask("clock.status")["source"] == "said", "as long as the box runs"
    again.kill()
    machine.set(0, boot="another")
    assert machine.daemon().up().ask("clock.status")["source"] == "none", "a clock without a battery stands still"


def test_nobody_can_say_that_1970_is_right(machine: Machine) -> None:
    machine.set(-int(time.time()) * 1000)
    daemon = machine.daemon().ready()
    with pytest.raises(Refused, match="before this program was made"):
        daemon.ask("clock.trust", who="owner")


def test_what_is_known_of_the_time_survives_a_power_cut_and_the_clock_going_back_is_seen(
    machine: Machine, astdb: AstDb
) -> None:
    machine.set(0, rtc_ms=time.time_ns() // 1_000_000)
    daemon = machine.daemon().up()
    assert daemon.ask("clock.status")["source"] == "rtc"
    until((machine.home.root / "clock.json").exists, 10, "the time is kept")
    daemon.kill()
    machine.set(-DAY_MS, boot="another", rtc_ms=time.time_ns() // 1_000_000 - DAY_MS)
    told = machine.daemon().up().ask("clock.status")
    assert (told["source"], told["why"]) == ("none", "before-known")


def test_on_a_computer_that_is_not_ours_nothing_changes(start: Start, home: Home, astdb: AstDb) -> None:
    daemon = start().up()
    assert daemon.ask("clock.status")["source"] in ("host", "ntp")
    assert codes(daemon) == ["office-empty"]
    assert not astdb.family("ramal-clock")
