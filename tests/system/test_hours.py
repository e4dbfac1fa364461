"""Asterisk's own answer to “is it open?”, second for second against ``core.hours``, on a box on which no daemon runs.

Asterisk's clock cannot be set, so the dialplan reads ``RAMAL_NOW`` where it is there: one call walks over all instants
and leaves what it heard in AstDB.
"""

import random
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ramal.core import night
from ramal.core.holidays_known import holidays_of
from ramal.core.hours import is_open
from tests.system import box
from tests.system.box import TestBox
from tests.until import until

pytestmark = pytest.mark.system

OFFICE = """
[office]
name = "Horas"
country = "{country}"
timezone = "{zone}"
parking = ""

[[holiday]]
date = "{bridge}"

[[hours]]
name = "shop"
open = ["mon-fri 08:00-12:00 13:00-18:00", "sat 09:00-13:00"]
holidays = "closed"
dates = {{ 2026-12-24 = "08:00-12:00", 2026-12-31 = "closed", 2027-01-01 = "10:00-11:00" }}

[[hours]]
name = "bar"
open = ["thu-fri 18:00-03:00", "sun 01:30-02:30", "sun 12:00-01:30"]
holidays = "closed"
dates = {{ 2026-10-25 = "01:30-02:00 20:00-02:00", 2026-12-31 = "22:00-06:00" }}

[[hours]]
name = "always"
open = ["all 00:00-24:00"]

[[hours]]
name = "never"
closed = true
"""
ZONES = [
    ("BR", "America/Sao_Paulo", "2026-11-21"),
    ("PT", "Europe/Lisbon", "2026-10-26"),
    ("US", "America/New_York", "2026-11-02"),
]


@contextmanager
def walking(zone: tuple[str, str, str], walk: str) -> Iterator[TestBox]:
    """A box whose custom dialplan has the extension s of [test-hours], without a daemon."""
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    country, name, bridge = zone
    made = box.make(folder, OFFICE.format(country=country, zone=name, bridge=bridge))
    (made.home.etc / "custom" / "extensions.conf").write_text(walk, encoding="utf-8")
    try:
        made.start()
        yield made
    finally:
        made.end()
        shutil.rmtree(folder, ignore_errors=True)


def heard(office: TestBox, steps: Sequence[str]) -> dict[int, str]:
    """Run ``steps`` in one call, each ``Gosub`` of which answers for its place in the list."""
    office.command("channel originate Local/s@test-hours application Wait 600")
    until(lambda: f"/test/{len(steps)} " in office.command("database show test"), 60, "the walk at its end")
    said: dict[int, str] = {}

    def whole() -> bool:  # of its thousand lines the console now and then loses one
        found = re.findall(r"^/test/(\d+)\s*: (\S*)", office.command("database show test"), re.MULTILINE)
        said.update((int(place), answer) for place, answer in found)
        return len(said) == len(steps) + 1

    until(whole, 20, lambda: f"every answer; {sorted(set(range(len(steps) + 1)) - set(said))[:9]} are lacking")
    return said


def walk(steps: Sequence[tuple[int, str]]) -> str:
    """A dialplan that does each Gosub at its own second of the clock."""
    return told_apart([(f"Set(RAMAL_NOW={now})", gosub) for now, gosub in steps])


def told_apart(steps: Sequence[tuple[str, str]], mark: str = "") -> str:
    """A dialplan that prepares each Gosub, does it, and keeps its answer, behind ``mark``, at its place."""
    rows = ["[test-hours]", "exten => s,1,Answer()"]
    for place, (before, gosub) in enumerate(steps):
        rows += [
            f" same => n,{before}",
            f" same => n,{gosub}",
            f" same => n,Set(DB(test/{place})={mark}${{GOSUB_RETVAL}})",
        ]
    rows += [f" same => n,Set(DB(test/{len(steps)})=end)", " same => n,Hangup()"]
    return "\n".join(rows) + "\n"


def instants(zone: str) -> list[int]:
    """Seconds around everything that can go wrong: midnights, edges, holidays, both shifts of a year, and chance."""
    rng = random.Random(zone)
    days = ["2026-03-08", "2026-03-29", "2026-10-25", "2026-11-01", "2026-12-24", "2026-12-31", "2027-01-01"]
    days += ["2026-11-20", "2026-11-21", "2026-10-26", "2026-11-02", "2026-12-26", "2098-04-18", "2026-02-17"]
    found = []
    for day in days:
        midnight = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
        hours = range(-3, 30)
        found += [midnight + hour * 3600 + offset for hour in hours for offset in (-1, 0, 1799, 1800)]
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    found += [start + rng.randrange(3 * 365 * 86_400) for _ in range(150)]
    return sorted(found)


@pytest.mark.parametrize("zone", ZONES, ids=lambda zone: str(zone[1]))
def test_asterisk_and_our_clock_agree_in_every_second_that_matters(zone: tuple[str, str, str]) -> None:
    steps = [(now, name) for name in ("shop", "bar") for now in instants(zone[1])]
    steps += [(now, name) for name in ("always", "never") for now in instants(zone[1])[::97]]
    gosubs = [(now, f"Gosub(hours,{name},1)") for now, name in steps]
    with walking(zone, walk(gosubs)) as office:
        answers = heard(office, [gosub for _, gosub in gosubs])
        days = holidays_of(office.office)
        known = {week.name: week for week in office.office.hours}
        said = {"open": 0, "closed": 0}
        for place, (now, name) in enumerate(steps):
            at = datetime.fromtimestamp(now, UTC)
            expected = "open" if is_open(known[name], at, zone[1], days) else "closed"
            assert answers[place] == expected, (name, at.astimezone().isoformat(), now)
            said[expected] += 1
    assert min(said.values()) > 300, said


def test_asterisk_and_the_page_agree_on_every_switch_however_the_clock_jumped() -> None:
    now = 1_795_000_000
    since = [0, 86_400, now - 400 * 86_400, now - 1, now, now + 86_400, now + 86_401, now + 400 * 86_400]
    ends = [0, 1, now - 1, now, now + 1, now + 3600, now + 400 * 86_400, 10**15]
    clocks = [0, 100_000, 1_700_000_000, now - 86_400, now, now + 1, now + 500 * 86_400]
    values = [f"{state}|{end}|{at}" for state in ("open", "closed") for end in ends for at in since]
    values += ["", "open", "shut|0|0", 'closed"|0|0', "closed||", "${EXTEN}|0|0", "open|-5|x", "|0|0", "open|0|0|0"]
    steps = [(clock, value) for clock in clocks for value in values]
    asked = [
        (
            f"Set(DB(ramal-night/always)={value.replace('${', chr(92) + '${')})",
            f"Gosub(ramal-night-switch,s,1(always,{clock}))",
        )
        for clock, value in steps
    ]
    with walking(ZONES[0], told_apart(asked, "x")) as office:
        answers = heard(office, [value for _, value in steps])
    for place, (clock, value) in enumerate(steps):
        made = night.parse(value)
        known = value in values[: 2 * len(ends) * len(since)]
        expected = made.state if made is not None and made.counts(clock) else ""
        if known:
            assert answers[place] == f"x{expected}", (value, clock)
        else:
            assert answers[place] in ("x", "xopen", "xclosed"), (value, clock)
    assert {"x", "xopen", "xclosed"} <= set(answers.values())


@pytest.mark.parametrize("zone", ZONES, ids=lambda zone: str(zone[1]))
def test_asterisk_finds_the_end_of_a_switch_by_itself(zone: tuple[str, str, str]) -> None:
    rng = random.Random(zone[1])
    moments = sorted(rng.sample(instants(zone[1]), 40))
    steps = [(now, name, turn) for now in moments for name in ("shop", "bar") for turn in ("open", "closed")]
    steps += [(moments[0], name, turn) for name in ("always", "never") for turn in ("open", "closed")]
    gosubs = [(now, f"Gosub(ramal-night-until,s,1({name},{turn},{now}))") for now, name, turn in steps]
    with walking(zone, walk(gosubs)) as office:
        answers = heard(office, [gosub for _, gosub in gosubs])
        days = holidays_of(office.office)
        known = {week.name: week for week in office.office.hours}
        for place, (now, name, turn) in enumerate(steps):
            state: night.State = "closed" if turn == "open" else "open"
            expected = night.switch(known[name], state, now, zone[1], days)
            at = datetime.fromtimestamp(now, UTC)
            until_s = 0 if expected is None else expected.until_s
            assert answers[place] == str(until_s), (name, turn, at.isoformat(), now)
