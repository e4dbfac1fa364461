"""A hostile caller, a hostile phone: what they try costs nothing, forges nothing and leaves nothing behind.

No daemon runs while they try, unless a test says so.
"""

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.system import agents, box
from tests.system.box import TestBox
from tests.system.provider import Provider
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system
SALES, OURS = "+551133330001", "+551133330003"


@dataclass(frozen=True, slots=True)
class Office:
    """A box without a daemon, and its provider."""

    box: TestBox
    provider: Provider

    def asks(self, callers: list[str], keys: tuple[tuple[int, str], ...]) -> None:
        """They call at once and press ``keys``, and have gone, or are refused a callback and then go."""
        before = self.refused()
        for user in callers:
            self.box.call(Caller(SALES, user, stay_ms=keys[-1][0] + 5000, keys=keys))
        talking = [process for _, process in self.box.callers]
        until(lambda: self.refused() > before or all(each.poll() is not None for each in talking), 60, "served")
        if any(each.poll() is None for each in talking):
            self.box.end_calls()
        for process in talking:
            process.wait(60)
        self.box.callers.clear()

    def refused(self) -> int:
        return self.journal().count("callback-refused|")

    def records(self) -> list[str]:
        said = self.box.command("database show ramal-callback")
        return re.findall(r"^/ramal-callback/(\d+)", said, re.MULTILINE)

    def journal(self) -> str:
        """Asterisk's journal of calls, as far as it is written."""
        files = sorted(self.box.home.asterisk_log.rglob("*.csv")) + sorted(self.box.home.asterisk_log.rglob("cel*"))
        return unquote("\n".join(file.read_text(errors="replace") for file in files if file.is_file()))


@pytest.fixture(scope="module")
def office() -> Iterator[Office]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    provider = Provider("127.0.0.2")
    text = box.office("callback").replace("5999", str(provider.port))
    text = text.replace('language = "pt-BR"', 'language = "pt-BR"\ndial_out = "national"', 1)
    text = text.replace(
        'title = "Vendas"', 'title = "Vendas"\nextension = "600"\nmax_waiting = 6\nannounce_position = false', 1
    )
    text = text.replace('pin = "7306"', 'pin = "7306"\nsupervisor = true', 1)
    try:
        with box.running(folder, text, daemon=False, terse=True) as running:
            yield Office(running, provider)
            said = (running.home.asterisk_log / "messages.log").read_text(errors="replace")
            # Of the dialplan; what PJSIP says so of is a stray datagram of another test to our port.
            assert not re.findall(r"^(?!.*PJSIP syntax error).*syntax error.*", said, re.MULTILINE)
            assert not re.findall(r".*(?:does not exist in any format|No such label|No such file).*", said)
    finally:
        provider.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def afterwards(office: Office) -> Iterator[None]:
    yield
    for family in ("ramal-callback", "ramal-callback-hour", "ramal-forward"):
        office.box.command(f"database deltree {family}")
    office.box.command("channel request hangup all")
    until(lambda: office.box.channels() == 0, 20, "no channel left")
    office.provider.asked.clear()


CONFIRM = ((2500, "2"), (5500, "1"))


def test_strangers_with_many_numbers_make_us_owe_only_so_many_calls(office: Office) -> None:
    with agents.logged_in(office.box, "201", agents.IGNORE) as desk:
        crowd = [f"+55119888801{place:02}" for place in range(8)]
        for user in crowd[1:6]:
            office.asks([user], CONFIRM)
        assert len(office.records()) == 3, "half of the queue's six places"
        assert "callback-refused|sales|full" in office.journal()
        office.box.command("database deltree ramal-callback")
        office.box.command("channel request hangup all")
        until(lambda: office.box.channels() == 0, 20, "no channel left")
        office.box.command("database put ramal-callback-hour sales 0|99")
        office.asks([crowd[6]], CONFIRM)
        assert len(office.records()) == 1, "an hour that has passed does not count"
        hour = office.box.command("database get ramal-callback-hour sales").partition("Value: ")[2].split("|")[0]
        office.box.command(f"database put ramal-callback-hour sales {hour}|6")
        office.asks([crowd[7]], CONFIRM)
        assert len(office.records()) == 1, "and one that has not, does"
        desk.hangup()
    assert not office.provider.asked


@pytest.mark.parametrize(
    "typed",
    ["09001234567", "0014155552671", "01133330003", "11988880100"],
)
def test_nobody_is_called_back_at_a_number_that_costs_or_leads_back_here(office: Office, typed: str) -> None:
    office.box.command('database put ramal-contact 5511988880100 "b||||"')
    keys = [(2500, "2"), (5500, "2")]
    keys += [(8500 + 300 * place, key) for place, key in enumerate(f"{typed}#")]
    keys += [(keys[-1][0] + 3000, "1")]
    with agents.logged_in(office.box, "201", agents.IGNORE):
        office.asks(["+5511988880200"], tuple(keys))
        assert office.records() == []
    assert not office.provider.asked


def test_a_call_that_shows_our_own_number_is_not_called_back_there(office: Office) -> None:
    with agents.logged_in(office.box, "201", agents.IGNORE):
        office.asks([OURS], CONFIRM)
        assert office.records() == []


def test_a_phone_cannot_have_a_callback_dial_what_it_may_not(office: Office) -> None:
    with agents.logged_in(office.box, "201", agents.IGNORE), agents.phone(office.box, "202") as desk:
        desk.dial("600")
        until(lambda: any(call.state == "answered" for call in desk.calls.values()), 10, "the queue answers")
        until(lambda: "has 1 calls" in agents.members(office.box, "sales"), 10, "it waits")
        desk.dtmf("2")
        until(lambda: "callback-refused|sales|phone" in office.journal(), 15, "refused")
        until(lambda: "has 1 calls" in agents.members(office.box, "sales"), 10, "it waits on")
        desk.hangup()
    assert office.records() == []


@pytest.mark.parametrize("to", ["01133330003", "190", "0014155552671", "09001234567"])
def test_a_phone_is_not_forwarded_to_ourselves_emergency_or_costly_numbers(office: Office, to: str) -> None:
    with agents.phone(office.box, "202") as desk:
        agents.dial_code(office.box, desk, f"*72{to}")
    assert "Value" not in office.box.command("database get ramal-forward 202")


def test_a_forward_that_leads_back_to_us_is_not_followed(office: Office) -> None:
    office.box.command(f"database put ramal-forward 202 {OURS}")
    with agents.phone(office.box, "202") as desk, agents.phone(office.box, "201") as other:
        other.dial("202")
        until(lambda: any(call.state == "incoming" for call in desk.calls.values()), 10, "the phone itself rings")
        other.hangup()
        until(lambda: not desk.calls, 10, "over")
    assert not office.provider.asked


def test_forwards_in_a_circle_end(office: Office) -> None:
    office.box.command("database put ramal-forward 201 202")
    office.box.command("database put ramal-forward 202 201")
    with agents.phone(office.box, "202") as desk, agents.phone(office.box, "201") as other:
        other.dial("202")
        until(lambda: desk.calls or len(other.calls) != 1, 10, "it ends at a phone")
        other.hangup()
        desk.hangup()
        until(lambda: office.box.channels() == 0, 15, "no channel left")


HOSTILE = (
    '"\\"; ${SHELL(touch /tmp/ramal-pwned)}, ${MATH(1+1)}|a|b"',
    '"):5)} · ](%s%n%x) &&& ^^^"',
    '"a\\\\,b\\\\|c;d=e?f:g"',
    f'"{"N" * 500}"',
    '"x Event: UserEvent UserEvent: RamalJoin"',
)


def test_hostile_names_forge_nothing_and_are_served(office: Office) -> None:
    Path("/tmp/ramal-pwned").unlink(missing_ok=True)
    with agents.logged_in(office.box, "201", agents.ANSWER) as desk:
        for place, display in enumerate(HOSTILE):
            office.box.call(Caller(SALES, f"+551197777010{place}", display=display, stay_ms=3000))
            until(lambda: any(call.state == "answered" for call in desk.calls.values()), 15, f"{display[:40]} served")
            office.box.wait_for_callers()
            until(lambda: not desk.calls, 10, "the phone is free")
    assert not Path("/tmp/ramal-pwned").exists()
    office.box.start_daemon()
    try:
        rows = office.box.ended_calls(len(HOSTILE))
        hostile = [row for row in rows if row["caller"].startswith("+55119777701")]
        assert [row["category"] for row in hostile] == ["answered"] * len(HOSTILE)
        assert {row["agent"] for row in hostile} == {"7"}
    finally:
        office.box.kill_daemon()


def test_a_wrong_pin_for_one_code_makes_the_phone_wait_for_every_code(office: Office) -> None:
    office.box.command("database put ramal-pin-tries 201-8 5")
    with agents.phone(office.box, "201") as desk:
        agents.dial_code(office.box, desk, "*46")
        desk.dial("*587")
        until(lambda: any(call.state == "answered" for call in desk.calls.values()), 10, "it answers")
        until(lambda: "!Read!" in office.box.command("core show channels concise"), 10, "a code is asked for")
        desk.dtmf("8#")
        until(lambda: "Value: 6" in office.box.command("database get ramal-pin-tries 201-8"), 10, "a PIN is asked for")
        desk.dtmf("0000#")
        until(lambda: not desk.calls, 20, "refused")
        for code in ("*458", "*558"):
            desk.dial(code)
            if code == "*558":
                until(lambda: "!Read!" in office.box.command("core show channels concise"), 10, "a code is asked for")
                desk.dtmf("8#")
            until(lambda: not desk.calls, 20, f"{code}: it is not even asked for the PIN")
            assert "Value: 6" in office.box.command("database get ramal-pin-tries 201-8"), code
    assert "Value: 202" not in office.box.command("database get ramal-agent 8")


def test_codes_of_others_and_unknown_ones_change_nothing(office: Office) -> None:
    with agents.logged_in(office.box, "201", agents.IGNORE) as desk, agents.logged_in(office.box, "202", agents.IGNORE):
        for code in ("*477", "*40", "*409", "*49", "*50", "pause-8", "wrap-8", "missed-8", "in-8"):
            agents.dial_code(office.box, desk, code)
            assert "paused" not in agents.members(office.box, "sales"), code
            assert "Value: 202" in office.box.command("database get ramal-agent 8"), code
            assert "Value: 201" in office.box.command("database get ramal-agent 7"), code
