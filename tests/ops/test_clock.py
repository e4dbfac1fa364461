"""What waits while the clock is not trusted, and what the box keeps of the time over a power cut. Real files, a real
database and the real vault; the machine is what the test says."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ramal import clock as command
from ramal.core import clock_set
from ramal.core.clock import EARLIEST_MS, Facts
from ramal.core.office import Office, Recordings
from ramal.core.retention import DAY_MS
from ramal.errors import RamalError
from ramal.ops import machine
from ramal.ops.clock import Watch
from ramal.ops.keeping import Keeping
from ramal.ops.vault import Keeper
from ramal.store import clock as book
from ramal.store import seals
from tests.ops.test_keeping import World
from tests.vault.shelf import ENDED_MS, Shelf


@dataclass(slots=True)
class Machine:
    """A machine whose clocks and facts the test sets."""

    facts: Facts = field(default_factory=lambda: Facts("one", 10_000, ENDED_MS, box=True))

    def look(self, rtc: bool) -> Facts:
        return self.facts

    def goes_on(self, ms: int, step_ms: int = 0) -> None:
        facts = self.facts
        self.facts = replace(facts, boottime_ms=facts.boottime_ms + ms, wall_ms=facts.wall_ms + ms + step_ms)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    one = Shelf.at(tmp_path / "home")
    yield one
    one.close()


def test_no_recording_goes_for_its_age_while_the_clock_is_not_trusted(shelf: Shelf) -> None:
    world = World(shelf, Office("x", recordings=(Recordings(keep_days=40),)))
    world.put()
    trusted = False
    means = replace(world.means(), trusted=lambda: trusted)
    keeping = Keeping(means, statvfs=world.statvfs, load=lambda: 0.0, clock=lambda: world.now_s)
    world.later(1)
    keeping.round()
    for day in range(2, 60):
        world.later(day)
        assert keeping.round() == 0
    trusted = True
    world.later(61)
    assert keeping.round() == 1


def test_no_day_is_sealed_while_nobody_knows_what_day_it_is(shelf: Shelf) -> None:
    trusted = False
    keeper = Keeper(replace(shelf.means(), trusted=lambda: trusted), load=lambda: 0.0)
    shelf.write(lambda db: seals.append(db, shelf.now_ms, "gone", 1, b"\x01" * 32))
    shelf.now_ms += 3 * DAY_MS
    keeper.round()
    assert shelf.read(seals.day_head) is None
    trusted = True
    keeper.round()
    assert shelf.read(seals.day_head) is not None


def test_a_server_once_heard_is_enough_until_the_clock_is_set(shelf: Shelf) -> None:
    one = Machine(replace(Machine().facts, synced=True))
    watch = Watch(shelf.home, shelf.writer.submit, one.look)
    assert watch.trusted()
    one.facts = replace(one.facts, synced=False)
    one.goes_on(DAY_MS)
    assert not watch.look()
    assert watch.source == "ntp"
    one.goes_on(2000, step_ms=-DAY_MS)
    assert watch.look()
    assert (watch.source, watch.why) == ("none", "before-known")
    one.facts = replace(one.facts, synced=True)
    one.goes_on(2000)
    watch.look()
    assert [epoch.source for epoch in shelf.read(book.listed)] == ["ntp", "none", "ntp"]


def test_looks_write_nothing_but_every_five_minutes(shelf: Shelf) -> None:
    one = Machine()
    watch = Watch(shelf.home, shelf.writer.submit, one.look)
    watch.keep()
    changed = shelf.write(lambda db: db.total_changes)
    written = []
    for _ in range(600):
        one.goes_on(2000)
        watch.look()
        watch.keep()
        mark = machine.read_mark(shelf.home)
        assert mark is not None
        written.append(mark.boottime_ms)
    assert shelf.write(lambda db: db.total_changes) == changed
    assert len(set(written)) == 5, "twenty minutes, and the one of before"


def test_a_daemon_that_was_dead_when_the_clock_was_set_still_knows_by_how_much(shelf: Shelf) -> None:
    one = Machine()
    watch = Watch(shelf.home, shelf.writer.submit, one.look)
    watch.keep()
    one.goes_on(3_600_000, step_ms=9 * DAY_MS)
    one.facts = replace(one.facts, synced=True)
    later = Watch(shelf.home, shelf.writer.submit, one.look)
    assert later.trusted()
    [(epoch, shift_ms)] = shelf.read(lambda db: book.unmended(db, "one"))
    assert (epoch.source, shift_ms) == ("none", 9 * DAY_MS)


def test_what_the_boot_kept_counts_when_the_clock_was_set_before_the_daemon_began(shelf: Shelf) -> None:
    one = Machine()
    machine.keep_mark(shelf.home, one.facts, "none", "no-rtc", 0)
    one.goes_on(30_000, step_ms=9 * DAY_MS)
    one.facts = replace(one.facts, synced=True)
    Watch(shelf.home, shelf.writer.submit, one.look)
    [(epoch, shift_ms)] = shelf.read(lambda db: book.unmended(db, "one"))
    assert (epoch.from_ms, shift_ms) == (ENDED_MS - 10_000, 9 * DAY_MS)


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"boot": 1}', '{"a": "b"}', "\x00" * 200])
def test_a_damaged_mark_is_none(shelf: Shelf, damage: str) -> None:
    machine.mark_file(shelf.home).write_text(damage)
    assert machine.read_mark(shelf.home) is None
    assert not Watch(shelf.home, shelf.writer.submit, Machine().look).trusted()


def test_a_mark_is_read_as_it_was_kept(shelf: Shelf) -> None:
    machine.keep_mark(shelf.home, Machine().facts, "none", "rtc-behind", 17)
    mark = machine.read_mark(shelf.home)
    assert mark is not None
    assert (mark.boot, mark.wall_ms, mark.source, mark.why, mark.good_ms) == ("one", ENDED_MS, "none", "rtc-behind", 17)
    assert machine.last_sign_ms(shelf.home) >= ENDED_MS


@pytest.mark.parametrize(
    ("release", "built_ms"),
    [
        ("VERSION=1\nBUILT=1767225600\n", EARLIEST_MS),
        ("BUILT=2026-01-01T00:00:00Z", EARLIEST_MS),
        ('BUILT="2026-01-01"', EARLIEST_MS),
        ("BUILT=yesterday", 0),
        ("", 0),
    ],
)
def test_when_an_image_was_made(release: str, built_ms: int) -> None:
    assert machine.built_ms(release) == built_ms


def test_this_machine_can_be_looked_at_with_no_rights() -> None:
    facts = machine.look()
    assert facts.boot
    assert facts.boottime_ms > 0
    assert facts.wall_ms > EARLIEST_MS


def switches(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE IF NOT EXISTS astdb (key VARCHAR(256), value VARCHAR(256), PRIMARY KEY(key))")
        return db.execute("SELECT * FROM astdb").fetchall()


def test_the_boot_keeps_a_mark_and_writes_asterisks_switch_before_asterisk_is_there(shelf: Shelf) -> None:
    one = Machine(replace(machine.look(), box=True, synced=False, rtc_ms=None))
    path = shelf.home.asterisk_lib / "astdb.sqlite3"
    path.parent.mkdir(parents=True, exist_ok=True)
    assert switches(path) == []
    assert command.restore(shelf.home, one.look) == 0
    assert switches(path) == [("/ramal-clock/untrusted", "1")]
    mark = machine.read_mark(shelf.home)
    assert mark is not None
    assert (mark.source, mark.why) == ("none", "no-rtc")
    one.facts = replace(one.facts, boot="next", synced=True)
    command.restore(shelf.home, one.look)
    assert switches(path) == []


def test_the_clock_goes_on_from_the_last_sign_of_life_when_it_woke_years_behind(shelf: Shelf) -> None:
    real = machine.look()
    one = Machine(replace(real, box=True, synced=False, rtc_ms=None, wall_ms=5000, boot="new"))
    set_to: list[float] = []

    def settime(at_s: float) -> None:
        set_to.append(at_s)
        one.facts = replace(one.facts, wall_ms=int(at_s * 1000))

    machine.keep_mark(shelf.home, replace(real, boot="old"), "ntp", "", real.wall_ms)
    assert command.restore(shelf.home, one.look, settime) == 0
    assert len(set_to) == 1
    assert set_to[0] * 1000 > real.wall_ms
    command.restore(shelf.home, one.look, settime)
    assert len(set_to) == 1, "once a boot"


def test_a_computer_that_is_not_ours_keeps_its_clock_and_a_clock_that_cannot_be_set_stops_no_boot(shelf: Shelf) -> None:
    host = Machine(replace(machine.look(), box=False, synced=False, wall_ms=5000, boot="new"))

    def refused(at_s: float) -> None:
        raise RamalError("not allowed")

    assert command.restore(shelf.home, host.look, refused) == 0
    box = Machine(replace(host.facts, box=True, boot="newer"))
    assert command.restore(shelf.home, box.look, refused) == 0
    mark = machine.read_mark(shelf.home)
    assert mark is not None
    assert mark.why == "before-built"


def test_a_time_that_cannot_be_is_not_set(shelf: Shelf) -> None:
    for when in ("", "noon", "2026-13-01", "1999-01-01 00:00"):
        with pytest.raises(RamalError, match="Nothing was changed"):
            clock_set.time_of(when, "America/Sao_Paulo")
