"""Callers who are called back instead of waiting, with real phones, callers and a provider; no daemon runs while the
calls are made, unless a test says so. The history is read afterwards.
"""

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ramal.core import sound
from ramal.virtual.phone import Phone
from tests.system import agents, box
from tests.system.box import TestBox
from tests.system.provider import Provider
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system

SALES, NIGHT, BRIEF, FIRST = "+551133330001", "+551133330002", "+551133330003", "+551133330004"
AGENT_HZ, CUSTOMER_HZ = 440.0, 620.0


@dataclass(frozen=True, slots=True)
class Office:
    """A box without a daemon, and the provider its calls go out to."""

    box: TestBox
    provider: Provider
    voice: Path

    def ask(self, number: str, user: str, after_ms: int = 2500) -> None:
        """A caller waits, presses the key, confirms, and is gone. Who is not the first in line hears the place for some
        seconds, and app_queue swallows a key pressed meanwhile (asterisk/asterisk#543)."""
        self.box.call(Caller(number, user, stay_ms=30_000, keys=((after_ms, "2"), (after_ms + 3000, "1"))))
        for _, process in self.box.callers:
            assert process.wait(60) == 0
        self.box.callers.clear()

    def record(self, user: str) -> list[str]:
        """The callback's record in AstDB, its fields; none when there is none."""
        said = self.box.command(f"database get ramal-callback {user.removeprefix('+')}")
        return said.partition("Value:")[2].strip().split("|") if "Value:" in said else []

    def standins(self) -> int:
        return self.box.command("core show channels concise").count("@ramal-standin") // 2

    def asked(self) -> list[str]:
        """Whom the provider was asked for, in order."""
        return [each.number for each in self.provider.asked]

    def clear(self) -> None:
        """No callback is left of the test before."""
        self.box.command("database deltree ramal-callback")
        self.box.command("channel request hangup all")
        until(lambda: self.box.channels() == 0, 15, "no call left")
        self.provider.asked.clear()
        self.provider.manner, self.provider.ring_s = "answer", 0.2


@pytest.fixture(scope="module")
def module() -> Iterator[Office]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    provider = Provider("127.0.0.2", hz=CUSTOMER_HZ)
    voice = folder / "agent.wav"
    voice.write_bytes(sound.wav_bytes(sound.tone([AGENT_HZ], 2000)))
    try:
        text = box.office("callback").replace("5999", str(provider.port))
        with box.running(folder, text, daemon=False) as running:
            yield Office(running, provider, voice)
    finally:
        provider.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def office(module: Office) -> Iterator[Office]:
    module.clear()
    yield module
    module.clear()


def talks(desk: Phone) -> bool:
    return any(call.state == "answered" for call in desk.calls.values())


def rings(desk: Phone) -> bool:
    return any(call.state == "incoming" for call in desk.calls.values())


def shares(office: Office, path: Path) -> tuple[float, float]:
    """How much of a recording is the agent's tone, and the customer's: of windows, 0 to 1."""
    wave = sound.read_wave(path.read_bytes())
    return sound.tone_share(wave.mono, wave.rate_hz, AGENT_HZ), sound.tone_share(wave.mono, wave.rate_hz, CUSTOMER_HZ)


def rows(office: Office, query: str, *values: object) -> list[sqlite3.Row]:
    return until(lambda: office.box.rows(query, *values), 20, query)


def test_who_asked_to_be_called_back_is_served_before_who_came_later(office: Office) -> None:
    first, second = "+5511988880001", "+5511988880002"
    with agents.logged_in(office.box, "201", agents.IGNORE, office.voice) as desk:
        office.ask(SALES, first)
        assert office.record(first)[0] == "sales"
        office.box.call(Caller(SALES, second, stay_ms=25_000))
        until(lambda: "has 2 calls" in agents.members(office.box, "sales"), 10, "both wait")
        assert office.asked() == [], "nobody is dialed before an agent has answered"
        desk.answer()
        until(lambda: office.asked() == [first.removeprefix("+")], 20, "the customer is dialed")
        assert office.provider.asked[0].shown == SALES.removeprefix("+")
        until(lambda: not office.record(first), 5, "the callback is over with the answer")
        recording = until(lambda: list(office.box.home.recordings.rglob("*-callback.wav")), 5, "a recording")[0]
        until(lambda: recording.stat().st_size > 3 * 16_000, 10, "three seconds recorded")
        desk.hangup()
        until(lambda: rings(desk), 15, "the second caller's turn")
        desk.hangup()
    agent, customer = shares(office, recording)
    assert agent > 0.2
    assert customer > 0.2
    office.box.wait_for_callers()
    office.box.start_daemon()
    try:
        asked = rows(office, "SELECT * FROM call WHERE caller = ? AND ended_ms IS NOT NULL", first)[0]
        assert (asked["category"], asked["queue"]) == ("withdrawn", "sales")
        callback = rows(office, "SELECT * FROM callback WHERE id = ?", asked["id"])[0]
        assert (callback["state"], callback["number"], callback["tries"]) == ("done", first, 1)
        assert (callback["result"], callback["agent"]) == ("spoken", "7")
        assert callback["spoken_ms"] - callback["joined_ms"] > asked["wait_ms"]
        served = rows(office, "SELECT * FROM call WHERE direction = 'out' AND number = ? AND ended_ms > 0", first)[0]
        assert (served["category"], served["agent"]) == ("connected", "7")
        assert served["talk_ms"] > 2000
        takes = until(
            lambda: [take for take in office.box.detail(served["id"]).recordings if take.state != "writing"], 20
        )
        assert [take.state for take in takes] == ["ready"]
        assert len(office.box.rows("SELECT 1 FROM recording WHERE path LIKE '%nowhere%'")) == 0
    finally:
        office.box.stop_daemon()


def test_a_number_is_noted_once(office: Office) -> None:
    user = "+5511988880003"
    with agents.logged_in(office.box, "201", agents.IGNORE):
        office.ask(SALES, user)
        kept = office.record(user)
        office.ask(SALES, user)
        assert office.record(user) == kept
        assert office.standins() == 1


def test_who_hangs_up_before_confirming_is_not_called_and_has_abandoned(office: Office) -> None:
    user = "+5511988880004"
    with agents.logged_in(office.box, "201", agents.IGNORE):
        office.box.call(Caller(SALES, user, stay_ms=5000, keys=((2500, "2"),)))
        office.box.wait_for_callers()
    assert not office.record(user)
    office.box.start_daemon()
    try:
        call = rows(office, "SELECT * FROM call WHERE caller = ? AND ended_ms IS NOT NULL", user)[0]
        assert (call["category"], call["queue"]) == ("abandoned", "sales")
        missed = rows(office, "SELECT * FROM missed WHERE number = ?", user)[0]
        assert (missed["state"], missed["times"], missed["last_call"]) == ("open", 1, call["id"])
    finally:
        office.box.stop_daemon()


def test_another_number_can_be_typed_and_only_a_national_one(office: Office) -> None:
    user, other = "+5511988880005", "11977776666"
    typed = [(5500, "2")] + [(9500 + 250 * n, key) for n, key in enumerate("0014155550100#")]
    typed += [(19_000 + 250 * n, key) for n, key in enumerate(f"{other}#")] + [(24_000, "1")]
    with agents.logged_in(office.box, "201", agents.IGNORE):
        office.box.call(Caller(SALES, user, stay_ms=45_000, keys=((2500, "2"), *typed)))
        until(lambda: office.record(f"55{other}"), 45, "the typed number is noted")
        assert not office.record(user)
        for _, process in office.box.callers:
            assert process.wait(30) == 0
        office.box.callers.clear()


def test_who_does_not_confirm_goes_back_to_the_same_place(office: Office) -> None:
    user, later = "+5511988880006", "+5511988880007"
    with agents.logged_in(office.box, "201", agents.IGNORE) as desk:
        office.box.call(Caller(SALES, user, stay_ms=25_000, keys=((2500, "2"), (5500, "3"))))
        until(lambda: "has 1 calls" in agents.members(office.box, "sales"), 10, "the first waits")
        joined_s = time.time()
        until(lambda: time.time() > joined_s + 1.1, 5, "another second: the order is kept to the second")
        office.box.call(Caller(SALES, later, stay_ms=22_000))
        until(lambda: "ramal-callback" in office.box.command("core show channels concise"), 10, "the dialogue")
        until(lambda: "has 2 calls" in agents.members(office.box, "sales"), 15, "both wait again")
        listed = agents.members(office.box, "sales").partition("Callers:")[2].splitlines()
        order = [line for line in listed if "PJSIP/line-loop" in line]
        assert order[0].strip().startswith("1.")
        first = office.box.command(f"core show channel {order[0].split()[1]}")
        assert user in first, "the one who came first is first again"
        desk.hangup()
        office.box.wait_for_callers()


def test_a_customer_who_is_not_reached_is_tried_again_and_then_it_expires(office: Office) -> None:
    user = "+5511988880008"
    office.provider.manner = "486"
    with agents.logged_in(office.box, "201", agents.ANSWER) as desk:
        desk.policy = agents.IGNORE
        office.ask(BRIEF, user)
        desk.answer()
        record = until(lambda: found if (found := office.record(user)) and found[5] == "1" else [], 20, "one attempt")
        record = until(lambda: found if (found := office.record(user)) and found[6] != "0" else [], 10, "a next time")
        until(lambda: not desk.calls, 15, "the agent is told and let go")
        digits = user.removeprefix("+")
        joined = record[2]
        # The next time is now, and not in a minute: the stand-in reads its record again within half a minute.
        now = "|".join([*record[:6], "1", *record[7:]])
        office.box.command(f'database put ramal-callback {digits} "{now}"')
        desk.policy = agents.ANSWER
        until(lambda: len(office.asked()) == 2, 60, "the second attempt")
        until(lambda: not office.record(user), 15, "the callback is over")
        until(lambda: not desk.calls, 15, "the agent is let go")
    office.box.start_daemon()
    try:
        ended = rows(office, "SELECT * FROM callback WHERE number = ? AND ended_ms IS NOT NULL", user)[0]
        assert (ended["state"], ended["tries"], ended["joined_ms"]) == ("expired", 2, int(joined) * 1000)
        missed = rows(office, "SELECT * FROM missed WHERE number = ?", user)[0]
        assert (missed["state"], missed["category"]) == ("open", "withdrawn")
        calls = rows(office, "SELECT category FROM call WHERE direction = 'out' AND number = ?", user)
        assert {call["category"] for call in calls} == {"not_connected"}
    finally:
        office.box.stop_daemon()


def test_outside_the_call_window_nobody_is_called(office: Office) -> None:
    user = "+5511988880009"
    with agents.logged_in(office.box, "201", agents.IGNORE) as desk:
        office.ask(NIGHT, user)
        desk.policy = agents.ANSWER
        until(lambda: office.standins() == 1, 5, "the stand-in waits")
        assert "has 0 calls" in agents.members(office.box, "night"), "not in the queue, so no agent is asked"
        assert office.asked() == []
        office.box.start_daemon()
        try:
            rows(office, "SELECT 1 FROM callback WHERE number = ? AND state = 'not_allowed'", user)
            shown = office.box.control("callback.list")["callbacks"]
            mine = [each for each in shown if each["number"] == user]
            assert [each["state"] for each in mine] == ["not_allowed"]
            callback_id = mine[0]["id"]
            office.box.control("callback.cancel", call=callback_id, who="owner", reason="came by")
            until(lambda: office.standins() == 0, 10, "the stand-in is gone")
            assert not office.record(user)
            assert rows(office, "SELECT state FROM callback WHERE id = ?", callback_id)[0]["state"] == "cancelled"
            assert office.box.rows("SELECT who FROM audit WHERE what = 'callback.cancelled'")[0]["who"] == "owner"
        finally:
            office.box.stop_daemon()


def test_a_customer_who_calls_in_and_is_answered_is_not_called_back(office: Office) -> None:
    user = "+5511988880010"
    with agents.logged_in(office.box, "201", agents.IGNORE) as desk:
        office.ask(NIGHT, user)
        until(lambda: office.standins() == 1, 5, "the stand-in waits")
        desk.policy = agents.ANSWER
        office.box.call(Caller(SALES, user, stay_ms=6000))
        until(lambda: not office.record(user), 15, "the callback is over")
        until(lambda: office.standins() == 0, 5, "its stand-in is gone")
        office.box.wait_for_callers()
    office.box.start_daemon()
    try:
        ended = rows(office, "SELECT * FROM callback WHERE number = ? AND ended_ms IS NOT NULL", user)[0]
        assert (ended["state"], ended["result"], ended["agent"]) == ("done", "served", "7")
    finally:
        office.box.stop_daemon()


def test_a_restart_of_asterisk_keeps_the_callback_and_its_place(office: Office) -> None:
    user = "+5511988880011"
    with agents.logged_in(office.box, "201", agents.IGNORE, office.voice):
        office.ask(SALES, user)
        kept = office.record(user)
        office.box.kill_asterisk()
    office.box.start()
    assert office.record(user) == kept
    until(lambda: office.standins() == 1, 10, "the stand-in is there again, without a daemon")
    with agents.logged_in(office.box, "201", agents.ANSWER, office.voice) as desk:
        until(lambda: office.asked() == [user.removeprefix("+")], 30, "the customer is dialed")
        until(lambda: not office.record(user), 10, "and has answered")
        desk.hangup()


def test_a_missed_caller_is_called_back_with_one_press_and_only_once(office: Office) -> None:
    user = "+5511988880012"
    with agents.logged_in(office.box, "201", agents.IGNORE, office.voice) as desk:
        office.box.call(Caller(SALES, user, stay_ms=2500))
        office.box.wait_for_callers()
        office.box.start_daemon()
        try:
            rows(office, "SELECT 1 FROM missed WHERE number = ? AND state = 'open'", user)
            press = {"number": user, "phone": "201", "who": "ana", "attempt": "attempt-0001"}
            desk.policy = agents.ANSWER
            assert office.box.control("missed.call", **press)["again"] is False
            assert office.box.control("missed.call", **press)["again"] is True
            until(lambda: office.asked() == [user.removeprefix("+")], 15, "the caller is called")
            assert office.provider.asked[0].shown == SALES.removeprefix("+")
            until(lambda: talks(desk), 5, "they talk")
            until(lambda: office.box.command("core show channels concise").count("!Up!") == 2, 5, "phone and line")
            desk.hangup()
            query = "SELECT * FROM missed WHERE number = ? AND state = 'returned'"
            row = rows(office, query, user)[0]
            assert row["done_by"] == "7"
            call = rows(office, "SELECT * FROM call WHERE id = ?", row["done_call"])[0]
            assert (call["direction"], call["category"], call["number"]) == ("out", "connected", user)
            assert office.asked() == [user.removeprefix("+")]
        finally:
            office.box.stop_daemon()


def test_customer_first_is_called_only_when_an_agent_is_free_and_keeps_the_place(office: Office) -> None:
    user, later = "+5511988880013", "+5511988880014"
    office.box.start_daemon()
    try:
        with agents.logged_in(office.box, "201", agents.IGNORE, office.voice) as desk:
            until(lambda: office.box.command("database get ramal-daemon alive").startswith("Value"), 15, "it lives")
            office.ask(FIRST, user)
            assert office.record(user)[0] == "first"
            until(lambda: office.standins() == 1, 5, "held")
            until(lambda: office.asked() == [user.removeprefix("+")], 15, "an agent is free, so the customer is called")
            until(lambda: rings(desk), 20, "the customer is there and the agent's phone rings")
            office.box.call(Caller(FIRST, later, stay_ms=28_000))
            desk.answer()
            until(lambda: talks(desk), 5, "they talk")
            until(lambda: not office.record(user), 5, "the callback is over")
            until(lambda: office.standins() == 0, 8, "its stand-in is gone")
            until(lambda: "has 1 calls" in agents.members(office.box, "first"), 15, "the later one waits")
            office.ask(FIRST, "+5511988880015", after_ms=8000)
            until(lambda: office.standins() == 1, 5, "the second callback is held")
            assert len(office.asked()) == 1, "nobody is dialed while no agent is free"
            desk.hangup()
            for _, process in office.box.callers:
                process.wait(30)
            office.box.callers.clear()
        row = rows(office, "SELECT * FROM callback WHERE number = ? AND state = 'done'", user)[0]
        assert (row["tries"], row["result"], row["agent"]) == (1, "served", "7")
        call = rows(office, "SELECT * FROM call WHERE direction = 'out' AND number = ? AND talk_ms > 0", user)[-1]
        assert (call["category"], call["agent"]) == ("connected", "7")
    finally:
        office.box.stop_daemon()


def test_customer_first_goes_on_agent_first_when_the_daemon_is_dead(office: Office) -> None:
    user = "+5511988880016"
    office.box.command("database put ramal-daemon alive 1")
    with agents.logged_in(office.box, "201", agents.IGNORE, office.voice) as desk:
        office.ask(FIRST, user)
        until(lambda: "has 1 calls" in agents.members(office.box, "first"), 10, "the stand-in waits in the queue")
        assert office.asked() == []
        desk.answer()
        until(lambda: office.asked() == [user.removeprefix("+")], 20, "the customer is dialed")
        until(lambda: not office.record(user), 10, "and has answered")
        desk.hangup()
