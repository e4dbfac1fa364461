"""What follows from a look at a box: a release on trial is kept, given time or left with its story; one that was kept
stays. The parts themselves are looked at for real in tests/system/test_health.py."""

import os
import shutil
import sqlite3
import struct
import tempfile
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest

from ramal.box import health_db
from ramal.box.health import Judge, Look
from ramal.box.home import Home
from ramal.core import health, slots
from ramal.core.health import Check
from ramal.core.slots import Autoboot, Note
from ramal.errors import RamalError
from tests.box.test_slots import Machine

WELL = (Check("asterisk", True, "up"), Check("call", True, "heard"))
ILL = (Check("asterisk", True, "up"), Check("call", False, "nothing was heard"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


class Patient:
    """Answers looks one after the other, the last one for ever; the clock moves with each pause."""

    def __init__(self, machine: Machine, *looks: Sequence[Check], up_s: float = 90.0) -> None:
        self.looks, self.up_s, self.quick = list(looks), up_s, list[bool]()
        self.judge = Judge(machine.boot, self.look, lambda: self.up_s, self.pause)

    def look(self, quick: bool) -> Sequence[Check]:
        self.quick.append(quick)
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def pause(self, seconds: float) -> None:
        self.up_s += seconds


def try_b(machine: Machine) -> None:
    boot = machine.boot
    machine.port()
    with boot.alone():
        boot.carry_out(slots.good(boot.facts(), "1.0.0", 1))
        boot.carry_out(slots.written(boot.facts(), "B", 1))
        boot.carry_out(slots.try_now(boot.facts(), 2))
    machine.ran.clear()
    machine.starts("B", "1.1.0")


def test_a_release_on_trial_that_is_well_is_kept(machine: Machine) -> None:
    try_b(machine)
    patient = Patient(machine, ILL, ILL, WELL)
    assert health.is_well(patient.judge.decide())
    assert patient.quick == [False, False, False], "on trial the call is placed every time"
    assert machine.boot.facts().autoboot == Autoboot("B", "A")
    assert machine.ran == [
        "rauc status mark-good booted",
        "mount -o remount,rw /bootsel",
        "mount -o remount,ro /bootsel",
    ]


def test_a_release_on_trial_that_stays_ill_is_left_and_its_story_kept(machine: Machine) -> None:
    try_b(machine)
    patient = Patient(machine, ILL)
    patient.judge.decide()
    assert patient.up_s >= health.PATIENCE_S
    assert machine.ran == ["systemctl reboot"]
    assert machine.boot.facts().note("B").state == "bad"
    assert machine.boot.facts().note("B").why == "call"
    assert machine.boot.facts().autoboot == Autoboot("A", "B")
    (story,) = machine.image.failed_boots.iterdir()
    assert "FAILED  call: nothing was heard" in story.read_text()
    machine.starts("A")
    Patient(machine, WELL).judge.decide()
    assert machine.boot.facts().trying is None
    assert machine.boot.history()[0].what == "refused"


def test_a_release_that_was_kept_is_only_looked_at_quickly_and_never_left(machine: Machine) -> None:
    Patient(machine, WELL).judge.decide()
    machine.ran.clear()
    patient = Patient(machine, ILL, up_s=1e6)
    assert not health.is_well(patient.judge.decide())
    assert patient.quick == [True]
    assert machine.ran == []
    assert not machine.image.failed_boots.exists()


def test_the_first_start_of_a_flashed_box_is_proven_whole_but_has_nowhere_to_go(machine: Machine) -> None:
    patient = Patient(machine, ILL, up_s=1e6)
    patient.judge.decide()
    assert patient.quick == [False]
    assert machine.ran == []
    Patient(machine, WELL).judge.decide()
    assert machine.boot.facts().note("A") == Note("good", "1.0.0", at_ms=machine.boot.clock_ms())


def test_a_try_that_brought_no_verdict_is_told_at_the_next_start(machine: Machine) -> None:
    try_b(machine)
    machine.starts("A")
    Patient(machine, WELL).judge.decide()
    assert [entry.what for entry in machine.boot.history()][:2] == ["returned", "started"]
    assert machine.boot.history()[0].why == "no-verdict"


def test_only_so_many_stories_are_kept(machine: Machine) -> None:
    from ramal.box import health as edge

    for n in range(9):
        edge.keep_story(machine.image, f"B-{n}", ILL)
    assert len(list(machine.image.failed_boots.iterdir())) == edge.STORIES_KEPT


def test_without_its_partitions_a_box_is_not_well(machine: Machine, tmp_path: Path) -> None:
    look = Look(Home(tmp_path / "home"), machine.image)
    found = {check.name: check for check in look.all(quick=True)}
    assert not found["data"].ok
    assert not found["selector"].ok
    machine.image.mounts.write_text(
        f"1 2 3:4 / {machine.image.data} rw - ext4 x rw\n1 2 3:5 / {machine.image.bootsel} ro - vfat x ro\n"
    )
    found = {check.name: check for check in look.all(quick=True)}
    assert found["data"].ok
    assert found["selector"].sentence == "Slot A runs; slot A boots by itself."
    assert not found["database"].ok, "there is none"


@pytest.mark.parametrize(
    ("state", "mark", "word"),
    [(None, "ok", "has no watchdog"), ("active", "ok", "is armed"), ("inactive", "doubt", "not armed")],
)
def test_a_watchdog_that_is_not_armed_is_told_and_leaves_no_release(
    machine: Machine, tmp_path: Path, state: str | None, mark: str, word: str
) -> None:
    if state is not None:
        machine.image.watchdog.parent.mkdir(parents=True)
        machine.image.watchdog.write_text(f"{state}\n")
    found = {check.name: check for check in Look(Home(tmp_path / "home"), machine.image).all(quick=True)}["watchdog"]
    assert (found.mark, found.ok) == (mark, True)
    assert word in found.sentence
    assert health.is_well((*WELL, found))


@pytest.mark.parametrize(
    ("checks", "up_s", "verdict"),
    [(WELL, 0.0, "good"), (ILL, 0.0, "wait"), (ILL, 479.0, "wait"), (ILL, 480.0, "bad"), ((), 480.0, "bad")],
)
def test_the_verdict(checks: Sequence[Check], up_s: float, verdict: str) -> None:
    assert health.verdict(checks, up_s) == verdict


# -- the database ------------------------------------------------------------------------------------------------------

RAMAL = 880


def planted(home: Home, victim: Path) -> None:
    """A database beside which a journal says: roll this back, and remove ``victim`` when nobody needs it."""
    home.db.parent.mkdir(parents=True)
    with closing(sqlite3.connect(home.db)) as db:
        db.execute("CREATE TABLE call (id INTEGER)")
        db.commit()
    name = os.fsencode(victim)
    magic = bytes.fromhex("d9d505f920a163d7")
    header = (magic + struct.pack(">5I", 0, 0, 2, 512, 4096)).ljust(512, b"\0")
    locking_page = (1 << 30) // 4096 + 1
    record = struct.pack(">I", locking_page) + name + struct.pack(">II", len(name), sum(name)) + magic
    home.db.with_name(f"{home.db.name}-journal").write_bytes(header + record)
    for path in (home.root, *home.root.rglob("*")):
        os.chown(path, RAMAL, RAMAL)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could remove another's file")
@pytest.mark.parametrize("quick", [True, False])
def test_a_journal_planted_beside_the_database_removes_nothing_of_root_s(machine: Machine, quick: bool) -> None:
    with_all = Path(tempfile.mkdtemp(prefix="ramal-test-health-"))
    try:
        with_all.chmod(0o755)
        home, victim = Home(with_all / "home"), with_all / "system/reset-done"
        victim.parent.mkdir()
        victim.write_text("root's\n")
        planted(home, victim)
        found = {check.name: check for check in Look(home, machine.image).all(quick=True)}
        assert victim.exists()
        assert found["database"].sentence
        with suppress(RamalError):
            health_db.asked(home, quick)
        assert victim.exists()
    finally:
        shutil.rmtree(with_all)


def test_a_database_is_told_whole_damaged_or_missing(tmp_path: Path) -> None:
    home = Home(root=tmp_path)
    path = home.db
    path.parent.mkdir(parents=True, exist_ok=True)
    with pytest.raises(RamalError, match="no database"):
        health_db.asked(home, True)
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE call (id INTEGER, text TEXT)")
        db.executemany("INSERT INTO call VALUES (?, ?)", [(n, "x" * 500) for n in range(500)])
        db.commit()
    assert health_db.asked(home, True) == "The database can be read."
    assert health_db.asked(home, False) == "The database is whole."
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(RamalError, match="damaged"):
        health_db.asked(home, False)
