"""Calls for campaigns, dialed on real phones while no daemon runs: recorded as each campaign says, and in the history
with it once the daemon is there."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.core import sound
from ramal.virtual.phone import Phone
from tests.system import agents, desks, heard
from tests.system.desks import HZ, Desks, hears, talked, talks
from tests.until import until

pytestmark = pytest.mark.system
CAMPAIGNS = """
[recordings]
notice = false

[[campaign]]
name = "spring"
code = "1"
title = "Primavera"
record = "always"
record_sides = "stereo"
keep_days = 400

[[campaign]]
name = "quiet"
code = "12"
record = "never"

[[campaign]]
name = "open"
code = "99"
"""
CHANGES = {'name = "Silva, João"': 'name = "Silva, João"\nrecord = "always"'}


@pytest.fixture(scope="module")
def office() -> Iterator[Desks]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    try:
        with desks.running(folder, daemon=False, office=CAMPAIGNS, changes=CHANGES) as running:
            yield running
            assert running.box.channels() == 0
            said = (running.box.home.asterisk_log / "messages.log").read_text(errors="replace")
            assert "does not exist in any format" not in said
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def history(office: Desks) -> Iterator[Desks]:
    """No daemon while the test dials; it is started by ``told``."""
    office.provider.asked.clear()
    yield office
    if office.box.daemon is not None:
        office.box.stop_daemon()


def call_out(office: Desks, phone: Phone, dialed: str) -> None:
    """Dial, talk for a second and hang up."""
    phone.dial(dialed)
    talks(phone)
    hears(phone, str(office.provider.hz))
    talked(phone, 1000)
    phone.hangup()
    until(lambda: not phone.calls, 10, "the phone has hung up: what is asked of it next is of the next call")
    office.over()


def told(office: Desks, number: str) -> sqlite3.Row:
    """The daemon comes and knows the one call to a number."""
    assert office.box.channels() == 0
    if office.box.daemon is None:
        office.box.start_daemon()
    query = "SELECT * FROM call WHERE number = ? AND ended_ms IS NOT NULL"
    (row,) = until(lambda: office.box.rows(query, number), 20, f"{number} in the history")
    return row


def files(office: Desks) -> list[Path]:
    return [path for path in office.box.home.recordings.rglob("*") if path.is_file()]


def test_a_campaign_is_always_recorded_and_another_never_whatever_line_and_agent_say(history: Desks) -> None:
    office = history
    with office.phone("201", login=True) as first, office.phone("202", login=True) as always:
        call_out(office, first, "*31*011987650001")
        assert len(files(office)) == 1
        call_out(office, always, "*312*011987650002")
        assert len(files(office)) == 1
        call_out(office, always, "*399*011987650003")
        assert len(files(office)) == 2
        call_out(office, first, "011987650004")
        assert len(files(office)) == 2
    assert [asked.number for asked in office.provider.asked] == [f"551198765000{n}" for n in (1, 2, 3, 4)]
    spring = told(office, "+5511987650001")
    assert (spring["campaign"], spring["direction"], spring["category"]) == ("spring", "out", "connected")
    assert (spring["phone"], spring["line"]) == ("201", "out")
    assert [step.detail for step in office.box.detail(spring["id"]).steps if step.kind == "campaign"] == [
        {"campaign": "spring"}
    ]
    ((_, wave),) = heard.recordings(office, spring)
    assert wave.channels == 2, "stereo, as the campaign says"
    assert any(there for (there,) in sound.tones_present(wave.samples[0], wave.rate_hz, [office.provider.hz]))
    assert any(there for (there,) in sound.tones_present(wave.samples[1], wave.rate_hz, [HZ["201"]]))
    quiet = told(office, "+5511987650002")
    assert (quiet["campaign"], quiet["category"]) == ("quiet", "connected")
    assert office.box.detail(quiet["id"]).recordings == ()
    ((_, wave),) = heard.recordings(office, told(office, "+5511987650003"))
    assert wave.channels == 1, "who says nothing leaves it to agent, line and office"
    assert told(office, "+5511987650003")["campaign"] == "open"
    assert told(office, "+5511987650004")["campaign"] == ""


def test_who_was_called_for_a_campaign_stays_unrecorded_when_handed_on(history: Desks) -> None:
    office = history
    before = files(office)
    with office.phone("201") as first, office.phone("202", agents.ANSWER, login=True) as always:
        first.dial("*312*011987650011")
        talks(first)
        talked(first, 500)
        first.transfer("202")
        talks(always)
        hears(always, str(office.provider.hz))
        always.dtmf("*1")
        talked(always, 1000)
        always.hangup()
        office.over()
    assert files(office) == before
    assert told(office, "+5511987650011")["campaign"] == "quiet"


def test_a_code_no_campaign_has_is_told_and_calls_nobody(history: Desks) -> None:
    office = history
    with office.phone("201") as phone:
        for dialed in ("*32*011987650021", "*3123*011987650021", "*30*011987650021", "*31*", "*31*0119", "*31*201"):
            agents.dial_code(office.box, phone, dialed)
        assert office.provider.asked == []
    office.box.start_daemon()
    query = "SELECT * FROM call WHERE category = 'service' AND number LIKE '*3%' AND ended_ms IS NOT NULL"
    assert len(until(lambda: office.box.rows(query), 20, "the refused codes")) == 3


def test_a_campaign_calls_no_number_that_the_phone_may_not(history: Desks) -> None:
    office = history
    with office.phone("201") as phone:
        for dialed in ("*31*+442079460031", "*31*00442079460031", "*31*0900123456"):
            agents.dial_code(office.box, phone, dialed)
        assert office.provider.asked == []
    office.box.start_daemon()
    query = "SELECT * FROM call WHERE number = '+442079460031' AND ended_ms IS NOT NULL"
    rows = until(lambda: office.box.rows(query), 20, "the refused calls")
    assert {(row["campaign"], row["direction"], row["category"]) for row in rows} == {
        ("spring", "out", "not_connected")
    }


def test_help_is_called_for_no_campaign_even_with_a_mistaken_code(history: Desks) -> None:
    office = history
    before = files(office)
    with office.phone("201") as phone:
        call_out(office, phone, "*31*190")
        call_out(office, phone, "*377*192")
    assert [asked.number for asked in office.provider.asked] == ["190", "192"]
    assert files(office) == before
    assert told(office, "190")["campaign"] == ""
    assert told(office, "192")["campaign"] == ""
