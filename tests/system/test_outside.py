"""Calls that go out over lines: which line, what it shows, what passes, and what it says when nothing does.

No daemon runs while these calls are made: lines, rests and permissions are Asterisk's own. The history is read after.
"""

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ramal.core import sound
from ramal.virtual.phone import Phone
from tests.system import agents, box
from tests.system.box import TestBox
from tests.system.provider import Asked, Provider
from tests.until import until

pytestmark = pytest.mark.system

LINE = """
[[line]]
name = "{name}"
kind = "sip-peer"
host = "{host}"
port = {port}
addresses = ["{host}"]
channels = {channels}
rest_s = {rest_s}
caller_ids = {caller_ids}
"""


@dataclass(frozen=True, slots=True)
class Ways:
    """A box with three lines, in this order."""

    box: TestBox
    first: Provider
    second: Provider
    third: Provider

    def reset(self) -> None:
        """Every provider answers, and no line rests."""
        for provider in (self.first, self.second, self.third):
            provider.manner, provider.ring_s = "answer", 0.2
            provider.asked.clear()
        self.box.command("database deltree ramal-line")

    def asked(self) -> list[int]:
        return [len(provider.asked) for provider in (self.first, self.second, self.third)]


@pytest.fixture(scope="module")
def running() -> Iterator[Ways]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    providers = [Provider(f"127.0.0.{last}") for last in (2, 3, 4)]
    text = box.office().replace('language = "pt-BR"', 'language = "pt-BR"\ndial_out = "national"', 1)
    shown = ('["+551133330000", "+551133330001"]', "[]", '["+551144440000"]')
    for name, provider, ids, rest_s in zip(("one", "two", "three"), providers, shown, (60, 60, 60), strict=True):
        text += LINE.format(
            name=name, host=provider.host, port=provider.port, channels=1, rest_s=rest_s, caller_ids=ids
        )
    try:
        with box.running(folder, text, daemon=False) as running:
            yield Ways(running, *providers)
            assert running.channels() == 0
            said = (running.home.asterisk_log / "messages.log").read_text(errors="replace")
            assert not re.findall(r".*(?:does not exist in any format|Unable to open|No such file).*", said)
            assert "syntax error" not in said
    finally:
        for provider in providers:
            provider.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def ways(running: Ways) -> Ways:
    running.reset()
    return running


@pytest.fixture(scope="module")
def desk(running: Ways) -> Iterator[Phone]:
    with agents.phone(running.box, "201") as desk:
        yield desk


def states(desk: Phone) -> list[str]:
    return [call.state for call in desk.calls.values()]


def dial(desk: Phone, number: str) -> None:
    desk.dial(number)
    until(lambda: "answered" in states(desk), 20, f"{number} answered")


def hang_up(ways: Ways, desk: Phone) -> None:
    desk.hangup()
    until(lambda: not desk.calls and ways.box.channels() == 0, 15, "all is over")


def test_a_call_goes_over_the_first_line_and_shows_its_first_number(ways: Ways, desk: Phone) -> None:
    dial(desk, "011987654321")
    heard = next(iter(desk.calls.values())).heard
    until(lambda: _hears(heard, ways.first.hz), 10, "the other side is heard")
    hang_up(ways, desk)
    assert ways.first.asked == [Asked("5511987654321", "551133330000")]
    assert ways.asked() == [1, 0, 0]


def _hears(heard: Path, hz: float) -> bool:
    wave = sound.read_wave(heard.read_bytes())
    return wave.duration_s > 1 and sound.tone_share(wave.mono[-6000:], wave.rate_hz, hz) > 0.5


@pytest.mark.parametrize("manner", ["503", "500", "403", "silent"])
def test_a_line_that_fails_gives_way_to_the_next_within_one_attempt_and_rests(
    ways: Ways, desk: Phone, manner: str
) -> None:
    ways.first.manner = manner
    dial(desk, "1133335555")
    hang_up(ways, desk)
    assert ways.asked() == [1, 1, 0]
    assert ways.second.asked[0].number == "551133335555"
    assert ways.second.asked[0].shown == "ramal"
    ways.first.manner = "answer"
    dial(desk, "1133335555")
    hang_up(ways, desk)
    assert ways.asked() == [1, 2, 0]


def test_two_lines_fail_and_the_third_carries_the_call(ways: Ways, desk: Phone) -> None:
    ways.first.manner, ways.second.manner = "silent", "503"
    dial(desk, "1133335555")
    hang_up(ways, desk)
    assert ways.asked() == [1, 1, 1]
    assert ways.third.asked[0].shown == "551144440000"


def test_a_line_comes_back_when_its_rest_is_over_or_lies_beyond_any_rest(ways: Ways, desk: Phone) -> None:
    for until_s in ("1000", "99999999999"):
        ways.box.command(f"database put ramal-line one {until_s}")
        dial(desk, "1133335555")
        hang_up(ways, desk)
    assert ways.asked() == [2, 0, 0]


def test_lines_that_rest_are_tried_last_but_they_are_tried(ways: Ways, desk: Phone) -> None:
    ways.first.manner = "503"
    dial(desk, "1133335555")
    hang_up(ways, desk)
    ways.first.manner, ways.second.manner, ways.third.manner = "answer", "503", "503"
    dial(desk, "1133335555")
    hang_up(ways, desk)
    assert ways.asked() == [2, 2, 1]


@pytest.mark.parametrize("manner", ["486", "404", "603", "480"])
def test_what_the_called_person_or_the_number_says_is_final_and_no_lines_fault(
    ways: Ways, desk: Phone, manner: str
) -> None:
    ways.first.manner = manner
    desk.dial("1133335555")
    until(lambda: not desk.calls and ways.box.channels() == 0, 15, "refused")
    assert ways.asked() == [1, 0, 0]
    assert "ramal-line/one" not in ways.box.command("database show ramal-line")


def test_a_full_line_gives_way_and_does_not_rest(ways: Ways, desk: Phone) -> None:
    with agents.phone(ways.box, "202") as other:
        dial(other, "1133335555")
        dial(desk, "1133336666")
        hang_up_both = [other, desk]
        for phone in hang_up_both:
            phone.hangup()
        until(lambda: not other.calls, 10, "the other phone is free")
    until(lambda: ways.box.channels() == 0, 10, "all is over")
    assert ways.asked() == [1, 1, 0]
    assert "ramal-line/one" not in ways.box.command("database show ramal-line")


def test_a_line_known_to_be_gone_is_not_even_asked(ways: Ways, desk: Phone) -> None:
    def reachable(word: str) -> None:
        ways.box.command("pjsip qualify line-one")
        until(lambda: re.search(rf"line-one/.*{word}", ways.box.command("pjsip show contacts")), 10, word)

    ways.first.manner = "dead"
    reachable("Unavail")
    dial(desk, "1133335555")
    hang_up(ways, desk)
    assert ways.asked() == [0, 1, 0]
    dial(desk, "192")
    hang_up(ways, desk)
    assert ways.asked() == [0, 2, 0]
    ways.first.manner = "answer"
    reachable("Avail")


def test_an_emergency_call_passes_when_every_channel_is_taken_and_every_line_rests(ways: Ways, desk: Phone) -> None:
    with agents.phone(ways.box, "202") as other, agents.phone(ways.box, "203") as third:
        dial(other, "1133335555")
        dial(third, "1133336666")
        ways.third.manner = "503"
        dial(desk, "190")
        assert [asked.number for asked in ways.first.asked] == ["551133335555", "190"]
        assert states(other) == states(third) == ["answered"]
        for phone in (other, third, desk):
            phone.hangup()
        until(lambda: ways.box.channels() == 0, 15, "all is over")


@pytest.mark.parametrize("number", ["0021442079460000", "+442079460000", "+97911112222", "0900123456", "+1", "0123"])
def test_what_is_not_allowed_is_said_and_reaches_no_line(ways: Ways, desk: Phone, number: str) -> None:
    agents.dial_code(ways.box, desk, number)
    assert ways.asked() == [0, 0, 0]


def test_a_number_nobody_has_here_is_still_an_unknown_code(ways: Ways, desk: Phone) -> None:
    agents.dial_code(ways.box, desk, "4711")
    assert ways.asked() == [0, 0, 0]


def test_the_history_knows_every_call_that_went_out(ways: Ways, desk: Phone) -> None:
    ways.first.manner = "503"
    dial(desk, "1133337777")
    heard = next(iter(desk.calls.values())).heard
    until(lambda: _hears(heard, ways.second.hz), 10, "they talk")
    ways.second.hang_up()
    until(lambda: not desk.calls and ways.box.channels() == 0, 10, "all is over")
    agents.dial_code(ways.box, desk, "+442079460009")
    ways.box.start_daemon()
    rows = until(
        lambda: ways.box.rows("SELECT * FROM call WHERE number = '+551133337777' AND ended_ms IS NOT NULL"), 20, "kept"
    )
    (row,) = rows
    assert (row["direction"], row["category"], row["phone"], row["line"]) == ("out", "connected", "201", "two")
    steps = [(step.kind, dict(step.detail)) for step in ways.box.detail(row["id"]).steps]
    assert ("decision", {"code": "line-failed", "a": "one", "b": "congested", "c": "+551133337777"}) in steps
    (refused,) = ways.box.rows("SELECT * FROM call WHERE number = '+442079460009' AND ended_ms IS NOT NULL")
    assert (refused["direction"], refused["category"]) == ("out", "not_connected")
    ways.box.stop_daemon()
