"""Night mode with real phones, callers and lamps: by code, by lamp and by request, back by itself, with and without a
daemon."""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from ramal.virtual.phone import Phone
from tests.system import agents, box
from tests.system.box import TestBox
from tests.system.lamps import lamps
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system

OFFICE = """
[office]
name = "Noite"
country = "BR"
timezone = "America/Sao_Paulo"

[[line]]
name = "loop"
kind = "sip-peer"
addresses = ["127.0.0.1"]
channels = 20

[[hours]]
name = "always"
open = ["all 00:00-24:00"]

[[hours]]
name = "never"
closed = true

[[hours]]
name = "week"
open = ["all 00:00-12:00", "all 12:30-23:45"]

[[number]]
number = "+551133330001"
to = "voicemail:sales"
hours = "always"

[[number]]
number = "+551133330002"
to = "voicemail:sales"
hours = "never"

[[phone]]
extension = "201"

[[queue]]
name = "sales"
"""
ALWAYS, NEVER = "+551133330001", "+551133330002"


@pytest.fixture(scope="module")
def office() -> Iterator[TestBox]:
    """A box on which no daemon runs yet."""
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    try:
        with box.running(folder, OFFICE, daemon=False) as running:
            yield running
            said = (running.home.asterisk_log / "messages.log").read_text(errors="replace")
            assert not re.findall(r".*(?:does not exist|Unable to open|No such file|WARNING|ERROR).*pbx.*", said)
            assert "does not exist in any format" not in said
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def desk(office: TestBox) -> Iterator[Phone]:
    with agents.phone(office, "201") as phone:
        yield phone


@pytest.fixture(autouse=True)
def everything_automatic(office: TestBox, desk: Phone) -> Iterator[None]:
    yield
    for name in ("always", "never", "week"):
        office.command(f"database del ramal-night {name}")
        office.command(f"devstate change Custom:ramal-night-{name} NOT_INUSE")


def switch(office: TestBox, hours: str) -> list[str]:
    """State, until and since as AstDB holds them; empty when the hours are automatic."""
    said = office.command(f"database get ramal-night {hours}")
    return said.partition("Value: ")[2].strip().split("|") if "Value: " in said else []


def lamp(office: TestBox, hours: str) -> str:
    """What a watcher of the lamp is told."""
    for line in office.command(f"core show hint night-{hours}").splitlines():
        if f"Custom:ramal-night-{hours}" in line:
            return "on" if "InUse" in line else "off"
    raise AssertionError(f"no lamp for {hours}")


def reason(office: TestBox, number: str, user: str) -> list[str]:
    """What the journal says of a call: CLOSED or VOICEMAIL."""
    office.call(Caller(number, user, stay_ms=1500))
    office.wait_for_callers()
    journal = office.home.asterisk_log / "cel-custom" / "ramal.csv"

    def told() -> list[str]:
        lines = [row.split(",") for row in journal.read_text().splitlines() if quote(user, safe="") in row]
        return [row[1] for row in lines if row[1] in ("CLOSED", "VOICEMAIL")] if "HANGUP" in str(lines) else []

    return until(told, 10, f"the journal of {user}")


def test_a_phone_closes_all_hours_and_a_caller_hears_closed_until_it_is_switched_back(
    office: TestBox, desk: Phone
) -> None:
    assert reason(office, ALWAYS, "+5511900000001") == ["VOICEMAIL"]
    agents.dial_code(office, desk, "*60")
    assert switch(office, "always")[:2] == ["closed", "0"]  # nothing opens what is always open
    assert switch(office, "never") == []  # it is closed, and nothing would end it
    assert [lamp(office, name) for name in ("always", "never", "week")] == ["on", "off", "on"]
    assert reason(office, ALWAYS, "+5511900000002") == ["CLOSED"]
    agents.dial_code(office, desk, "*60")
    assert [lamp(office, name) for name in ("always", "never", "week")] == ["off", "off", "off"]
    assert [switch(office, name) for name in ("always", "never", "week")] == [[], [], []]
    assert reason(office, ALWAYS, "+5511900000003") == ["VOICEMAIL"]


def test_one_set_of_hours_is_switched_by_its_place_in_the_file_or_by_its_lamp(office: TestBox, desk: Phone) -> None:
    agents.dial_code(office, desk, "*601")
    assert (lamp(office, "always"), lamp(office, "never")) == ("on", "off")
    agents.dial_code(office, desk, "night-always")
    assert (lamp(office, "always"), switch(office, "always")) == ("off", [])
    agents.dial_code(office, desk, "night-week")
    assert (lamp(office, "always"), lamp(office, "week")) == ("off", "on")


def test_opening_now_lets_callers_in_outside_of_the_hours(office: TestBox, desk: Phone) -> None:
    assert reason(office, NEVER, "+5511900000004") == ["CLOSED"]
    agents.dial_code(office, desk, "*612")
    assert switch(office, "never")[:2] == ["open", "0"]
    assert reason(office, NEVER, "+5511900000005") == ["VOICEMAIL"]


def test_a_place_that_no_hours_have_changes_nothing(office: TestBox, desk: Phone) -> None:
    agents.dial_code(office, desk, "*604")
    agents.dial_code(office, desk, "*60#")
    assert [switch(office, name) for name in ("always", "never", "week")] == [[], [], []]


def test_a_switch_ends_at_its_time_and_its_lamp_with_the_next_call_though_nobody_looks_after_it(
    office: TestBox, desk: Phone
) -> None:
    agents.dial_code(office, desk, "*603")
    state, until_s, since_s = switch(office, "week")
    assert state == "closed"
    assert 0 < int(until_s) - int(since_s) <= 86_400
    agents.dial_code(office, desk, "*601")
    office.command(f"database put ramal-night always closed|{int(time.time()) - 1}|{int(since_s)}")
    assert lamp(office, "always") == "on"
    assert reason(office, ALWAYS, "+5511900000006") == ["VOICEMAIL"]
    assert (lamp(office, "always"), switch(office, "always")) == ("off", [])


def test_a_lamp_goes_out_when_its_switch_ends_though_nobody_calls_and_no_daemon_runs(
    office: TestBox, desk: Phone
) -> None:
    agents.dial_code(office, desk, "*601")
    since_s = int(switch(office, "always")[2])
    office.command(f"database put ramal-night always closed|{int(time.time()) + 3}|{since_s}")
    office.command("channel originate Local/heal@ramal-tick/n application NoOp")
    with lamps(office, "201", "night-always") as watched:
        watched.is_now("night-always", "confirmed")
        watched.is_now("night-always", "terminated", 10)
    assert switch(office, "always") == []


def test_words_that_are_no_switch_close_nobody(office: TestBox, desk: Phone) -> None:
    office.command("database put ramal-night always shut|0|0")
    assert reason(office, ALWAYS, "+5511900000009") == ["VOICEMAIL"]


def test_a_switch_made_before_the_clock_was_set_does_not_last_for_years(office: TestBox, desk: Phone) -> None:
    ahead = int(time.time()) + 400 * 86_400
    office.command(f"database put ramal-night always closed|{ahead + 3600}|{ahead}")
    assert reason(office, ALWAYS, "+5511900000007") == ["VOICEMAIL"]


def test_the_lamp_is_told_by_sip_to_a_phone_that_watches_it(office: TestBox, desk: Phone) -> None:
    with lamps(office, "201", "night-always") as watched:
        watched.is_now("night-always", "terminated")
        agents.dial_code(office, desk, "*601")
        watched.is_now("night-always", "confirmed")
        agents.dial_code(office, desk, "*601")
        watched.is_now("night-always", "terminated")


def test_with_a_daemon_the_page_switches_who_did_it_is_kept_and_an_ended_switch_goes_dark(
    office: TestBox, desk: Phone
) -> None:
    agents.dial_code(office, desk, "*60")
    since_s = switch(office, "always")[2]
    # It ended while no daemon was there: the first round puts the lamp out.
    office.command(f"database put ramal-night always closed|{int(time.time()) - 1}|{since_s}")
    office.command(f"database put ramal-night gone closed|0|{since_s}")
    office.start_daemon()
    until(lambda: lamp(office, "always") == "off", 10, "the lamp of the ended switch off")
    assert (lamp(office, "never"), lamp(office, "week")) == ("off", "on")
    until(lambda: switch(office, "gone") == [], 5, "the switch of hours that are no more taken away")
    listed = {row["name"]: row for row in office.control("night.list")["hours"]}
    assert [listed[name]["state"] for name in ("always", "never", "week")] == ["auto", "auto", "closed"]
    assert listed["week"]["until_ms"] == int(switch(office, "week")[1]) * 1000 > 0

    answer = office.control("night.set", hours="always", state="closed", who="owner")
    assert [row["open"] for row in answer["hours"]] == [False, False, False]
    assert lamp(office, "always") == "on"
    office.control("night.set", hours="week", state="auto", who="owner")
    until(lambda: "Value" not in office.command("database get ramal-timer night-week"), 5, "no timer")
    office.control("night.set", hours="week", state="open", who="owner")
    until(lambda: "ramal-night-over" in office.command("database get ramal-timer night-week"), 5, "the lamp's timer")
    office.kill_daemon()
    assert reason(office, ALWAYS, "+5511900000008") == ["CLOSED"]
    office.start_daemon()
    rows = office.rows("SELECT who, what, detail FROM audit WHERE what = 'night.set'")
    done = ["always closed", "week auto", "week open"]
    assert [tuple(row) for row in rows] == [("owner", "night.set", detail) for detail in done]

    words = [sys.executable, "-m", "ramal", "--home", str(office.home.root), "night"]
    told = subprocess.run([*words, "auto"], capture_output=True, text=True, timeout=30)
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[:2] == ["always: open, always", "never: closed, always"]
    until(lambda: {lamp(office, name) for name in ("always", "never", "week")} == {"off"}, 5, "all lamps off")
    wrong = subprocess.run([*words, "closed", "nowhere"], capture_output=True, text=True, timeout=30)
    assert (wrong.returncode, wrong.stderr) == (1, "This office has no hours called “nowhere”. Nothing was changed.\n")

    def steps() -> list[str]:
        codes = office.rows("SELECT id FROM call WHERE number = '*60' AND ended_ms IS NOT NULL")
        found = [step for row in codes for step in office.detail(row["id"]).steps if step.kind == "night"]
        return [f"{step.detail['hours']} {step.detail['state']} {step.detail['phone']}" for step in found]

    until(lambda: "week closed 201" in steps() and "always auto 201" in steps(), 20, "the codes in the history")
