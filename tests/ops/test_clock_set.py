"""Setting the clock from the page: the daemon asks, root does within bounds, and the time is trusted once it is seen.
Real files and a real database; the machine's clocks are the test's."""

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.box import settime
from ramal.box.image import Image
from ramal.core import clock_set
from ramal.core.clock import EARLIEST_MS, Facts
from ramal.core.clock_set import LATEST_MS, LIFE_MS, Wanted
from ramal.core.retention import DAY_MS
from ramal.core.state import Asterisk, State
from ramal.errors import RamalError
from ramal.ops.clock import Clock, Watch
from tests.ops.test_clock import Machine
from tests.vault.shelf import ENDED_MS, Shelf

SAID = "2027-03-01T08:30:15"
SAID_MS = 1_803_900_615_000
"""In São Paulo."""


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    one = Shelf.at(tmp_path / "home")
    image_of(one).run.mkdir(parents=True)
    one.state = State(asterisk=Asterisk(up=False))
    one.office = replace(one.office, timezone="America/Sao_Paulo")
    yield one
    one.close()


def image_of(shelf: Shelf) -> Image:
    return Image(shelf.home.root.with_name("image"))


def made(shelf: Shelf, machine: Machine) -> Clock:
    return Clock(shelf.means(), Watch(shelf.home, shelf.writer.submit, machine.look), image_of(shelf))


def root_does(shelf: Shelf, machine: Machine) -> str:
    """As systemd starts it, on this machine."""

    def set_to(at_s: float) -> None:
        machine.facts = replace(machine.facts, wall_ms=int(at_s * 1000))

    return settime.run(image_of(shelf), machine.look, set_to)


def test_a_time_said_in_the_page_is_set_by_root_and_then_trusted(shelf: Shelf) -> None:
    machine = Machine()
    clock = made(shelf, machine)
    clock.round()
    assert clock.told()["source"] == "none"
    clock.set("ana", SAID)
    clock.round()
    assert (clock.told()["source"], clock.told()["setting"]) == ("none", "waits"), "it is not what was asked yet"
    machine.goes_on(3000)
    assert "ana" in root_does(shelf, machine)
    assert machine.facts.wall_ms == SAID_MS + 3000, "what went by since it was said counts"
    clock.round()
    told = clock.told()
    assert (told["source"], told["setting"]) == ("said", "")
    rows = shelf.read(lambda db: db.execute("SELECT who, what FROM audit ORDER BY id").fetchall())
    assert [tuple(row) for row in rows] == [("ana", "clock.set"), ("ana", "clock.trusted")]
    with pytest.raises(RamalError, match="Nobody asked"):
        root_does(shelf, machine)


def test_what_nobody_carries_out_is_said_and_taken_back(shelf: Shelf) -> None:
    machine = Machine()
    clock = made(shelf, machine)
    clock.set("ana", SAID)
    machine.goes_on(LIFE_MS + 1)
    clock.round()
    assert (clock.told()["source"], clock.told()["setting"]) == ("none", "failed")
    assert not image_of(shelf).clock_request.exists()


@pytest.mark.parametrize("when", ["", "noon", "1999-01-01T00:00", "2100-01-02T00:00", "9999-12-31T23:59", "0001-01-01"])
def test_a_time_that_cannot_be_is_refused_and_nothing_is_asked(shelf: Shelf, when: str) -> None:
    clock = made(shelf, Machine())
    with pytest.raises(RamalError, match="Nothing was changed"):
        clock.set("ana", when)
    assert not image_of(shelf).clock_request.exists()


def test_neither_a_computer_that_is_not_ours_nor_one_that_heard_a_server_is_set(shelf: Shelf) -> None:
    for facts in (replace(Machine().facts, box=False), replace(Machine().facts, synced=True)):
        with pytest.raises(RamalError, match="Nothing was changed"):
            made(shelf, Machine(facts)).set("ana", SAID)


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted("another", 10_000, ENDED_MS, "ana"),
        Wanted("one", 10_000 - LIFE_MS - 1, ENDED_MS, "ana"),
        Wanted("one", 10_001, ENDED_MS, "ana"),
        Wanted("one", 10_000, EARLIEST_MS - 1, "ana"),
        Wanted("one", 10_000, LATEST_MS, "ana"),
        Wanted("one", 10_000, -1, "ana"),
    ],
    ids=["another boot", "too old", "from the future", "too early", "too late", "negative"],
)
def test_root_believes_no_number(shelf: Shelf, wanted: Wanted) -> None:
    machine = Machine()
    image_of(shelf).clock_request.write_text(clock_set.text_of(wanted))
    before = machine.facts
    with pytest.raises(RamalError, match="Nothing was changed"):
        root_does(shelf, machine)
    assert machine.facts == before
    assert not image_of(shelf).clock_request.exists(), "a path unit would start it for ever"


def test_root_follows_no_link_and_takes_what_is_none_away(shelf: Shelf, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(clock_set.text_of(Wanted("one", 10_000, ENDED_MS + DAY_MS, "ana")))
    image_of(shelf).clock_request.symlink_to(secret)
    with pytest.raises(RamalError, match="Nothing was changed"):
        root_does(shelf, Machine())
    assert not image_of(shelf).clock_request.is_symlink()
    assert secret.exists()
    os.mkfifo(image_of(shelf).clock_request)
    with pytest.raises(RamalError, match="Nothing was changed"):
        root_does(shelf, Machine())
    assert not image_of(shelf).clock_request.exists()


@given(st.text(max_size=300) | st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists).map(json.dumps))
def test_what_is_no_request_is_none(text: str) -> None:
    assert clock_set.parse(text) is None


@given(st.integers(), st.integers(), st.integers(min_value=0, max_value=1 << 50))
def test_root_sets_only_to_a_time_this_program_knows(wall_ms: int, boottime_ms: int, up_ms: int) -> None:
    facts = Facts("one", up_ms, EARLIEST_MS, box=True)
    try:
        at_ms = clock_set.due_ms(Wanted("one", boottime_ms, wall_ms, ""), facts)
    except RamalError:
        return
    assert EARLIEST_MS <= at_ms < LATEST_MS + LIFE_MS


def test_the_unit_and_the_daemon_mean_the_same_file() -> None:
    units = Path(__file__).parents[2] / "systemd"
    text = (units / "ramal-clock-set.path").read_text(encoding="utf-8")
    assert f"PathExists={Image().clock_request}\n" in text
    assert "ramal-clock-set.path" in (units / "enabled").read_text(encoding="utf-8").split()


def test_a_machine_without_a_battery_clock_is_no_failure(tmp_path: Path) -> None:
    assert not settime.keep_in_battery_clock(tmp_path / "rtc0", 1_800_000_000)
    (tmp_path / "file").write_text("")
    assert not settime.keep_in_battery_clock(tmp_path / "file", 1_800_000_000)
    assert stat.S_ISREG((tmp_path / "file").stat().st_mode)
