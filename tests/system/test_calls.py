"""Every way a received call can go, with real Asterisk, real phones and real callers, and the daemon watching.

One box for the module: calls are sent one after another, each from its own caller number, and found by it.
"""

import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.core import sound
from ramal.store import read
from ramal.virtual.phone import Account, Phone
from tests.system import agents, box, ears
from tests.system.box import TestBox
from tests.system.leaving import leave_word
from tests.system.sipp import Caller, quoted
from tests.until import until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def office() -> Iterator[TestBox]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    try:
        with box.running(folder, box.office(), daemon=False, terse=True, whole="office") as running:
            running.start_daemon("-m", "tests.system.brisk", str(running.home.root))
            yield running
            assert running.channels() == 0
            said = (running.home.asterisk_log / "messages.log").read_text(errors="replace")
            assert not re.findall(r".*(?:does not exist in any format|Unable to open|No such file).*", said)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def history(office: TestBox, caller: str) -> sqlite3.Row:
    """The one ended call of a caller."""
    query = "SELECT * FROM call WHERE caller = ? AND ended_ms IS NOT NULL"
    rows = until(lambda: office.rows(query, caller), 20, f"the call of {caller} in the history")
    assert len(rows) == 1
    return rows[0]


def recording(office: TestBox, call: sqlite3.Row) -> read.Recording:
    """The call's one recording, once it is finished."""

    def finished() -> list[read.Recording]:
        detail = office.detail(call["id"])
        return [row for row in detail.recordings if row.state != "writing"]

    return until(finished, 20, "the recording registered")[0]


def connected(office: TestBox) -> int:
    """How many callers of queues have talked to an agent, each from the moment when the agent has heard the title."""
    queue_log = office.home.asterisk_log / "queue_log"
    return queue_log.read_text().count("|CONNECT|") if queue_log.exists() else 0


def place(office: TestBox, caller: Caller) -> sqlite3.Row:
    office.call(caller)
    office.wait_for_callers()
    return history(office, caller.user)


def served(office: TestBox, caller: Caller) -> sqlite3.Row:
    """A caller who gets to an agent, whose call is ended as soon as they talk."""
    before = connected(office)
    office.call(caller)
    until(lambda: connected(office) > before, 20, "the agent talks")
    office.end_calls(caller.user)
    office.wait_for_callers()
    return history(office, caller.user)


def test_a_call_is_answered_recorded_and_stands_in_the_history(office: TestBox, tmp_path: Path) -> None:
    voice = tmp_path / "voice.wav"
    voice.write_bytes(sound.wav_bytes(sound.tone([440.0], 2000)))
    with agents.logged_in(office, "201", voice=voice):
        call = place(office, Caller("+551133330001", "+5511900000001", stay_ms=4500))
    assert call["category"] == "answered"
    assert call["agent"] == "7"
    assert call["queue"] == "sales"
    assert call["number"] == "+551133330001"
    assert call["line"] == "loop"
    assert call["hangup_by"] == "caller"
    assert 0 <= call["wait_ms"] < 4000
    assert call["talk_ms"] > 2000
    row = recording(office, call)
    assert row.state == "ready"
    assert (row.duration_ms or 0) >= call["talk_ms"] - 500
    wave = sound.read_wave((office.home.root / row.path).read_bytes())
    assert ears.part(wave.mono, 440.0, 0.5, wave.rate_hz) > 0.5


def test_the_agent_may_hang_up_first(office: TestBox) -> None:
    with agents.logged_in(office, "201") as desk:
        before = connected(office)
        office.call(Caller("+551133330001", "+5511900000002", stay_ms=30_000))
        # Before that the agent hears the queue's title; who hangs up then leaves the caller waiting.
        until(lambda: connected(office) > before, 15, "the agent talks")
        desk.hangup()
        office.wait_for_callers()
    call = history(office, "+5511900000002")
    assert (call["category"], call["hangup_by"]) == ("answered", "agent")


def test_a_key_by_info_chooses_from_the_menu(office: TestBox) -> None:
    with agents.logged_in(office, "201"):
        call = served(office, Caller("+551133330000", "+5511900000003", keys=((1500, "1"),), stay_ms=20_000))
    assert (call["category"], call["menu"], call["queue"]) == ("answered", "main:1", "sales")


@pytest.mark.parametrize("after_ms", [1, 300, 700])
def test_a_key_pressed_within_the_first_second_counts(office: TestBox, after_ms: int) -> None:
    with agents.logged_in(office, "201"):
        caller = Caller("+551133330000", f"+551190003{after_ms:04}", keys=((after_ms, "1"),), stay_ms=20_000)
        call = served(office, caller)
    assert (call["category"], call["menu"], call["queue"]) == ("answered", "main:1", "sales")


@pytest.mark.parametrize(("way", "user"), [("rtp_event", "+5511900000004"), ("info", "+5511900000005")])
def test_a_key_pressed_on_a_real_phone_chooses_from_the_menu(
    office: TestBox, tmp_path: Path, way: str, user: str
) -> None:
    account = Account(user, port=office.settings.sip_port)
    before = connected(office)
    with (
        agents.logged_in(office, "201") as desk,
        Phone(tmp_path / "caller", "caller", account, dtmf=way) as caller,  # type: ignore[arg-type]
    ):
        caller.dial(f"sip:+551133330000@127.0.0.1:{office.settings.sip_port}")
        until(lambda: any(call.state == "answered" for call in caller.calls.values()), 10, "the menu answers")
        caller.dtmf("1")  # at once: a key counts at any time
        until(lambda: connected(office) > before, 15, f"the agent talks after {way}")
        caller.hangup()
        until(lambda: not desk.calls, 10, "the agent's phone is free")
    call = history(office, user)
    assert (call["category"], call["menu"]) == ("answered", "main:1")


def test_a_key_as_sound_alone_chooses_from_the_menu(office: TestBox) -> None:
    with agents.logged_in(office, "201"):
        call = served(office, Caller("+551133330000", "+5511900000006", tones="1", stay_ms=20_000))
    assert (call["category"], call["menu"]) == ("answered", "main:1")


def test_no_key_and_a_wrong_key_lead_to_the_menus_other_way(office: TestBox) -> None:
    with agents.logged_in(office, "201"):
        call = served(office, Caller("+551133330000", "+5511900000007", keys=((1500, "7"),), stay_ms=30_000))
    assert (call["category"], call["queue"]) == ("answered", "sales")


def test_hanging_up_in_the_menu_is_not_an_abandoned_queue_call(office: TestBox) -> None:
    call = place(office, Caller("+551133330000", "+5511900000008", stay_ms=1500))
    assert call["category"] == "gave_up"
    assert call["queue"] == ""


def test_a_caller_who_hangs_up_while_waiting_has_abandoned(office: TestBox) -> None:
    with agents.logged_in(office, "201", agents.IGNORE):
        call = place(office, Caller("+551133330001", "+5511900000009", stay_ms=2500))
    assert (call["category"], call["hangup_by"]) == ("abandoned", "caller")
    assert 1500 <= call["wait_ms"] < 6000


def test_who_waits_hears_the_position_and_music(office: TestBox, tmp_path: Path) -> None:
    account = Account("+5511900000019", port=office.settings.sip_port)
    with agents.logged_in(office, "201", agents.IGNORE), Phone(tmp_path / "caller", "caller", account) as caller:
        caller.dial(f"sip:+551133330001@127.0.0.1:{office.settings.sip_port}")

        def heard() -> bool:
            files = [call.heard for call in caller.calls.values()]
            wave = sound.read_wave(files[0].read_bytes()) if files and files[0].exists() else None
            return wave is not None and wave.duration_s > 6 and sound.rms_dbfs(wave.mono[-24_000:]) > -45

        until(heard, 20, "six seconds of sound, the last three not silent")
        caller.hangup()
    assert history(office, "+5511900000019")["category"] == "abandoned"


def test_the_second_in_the_queue_hears_the_place_in_portuguese(office: TestBox, tmp_path: Path) -> None:
    """The words “você é o número” are a tone here, so that hearing them can be measured."""
    words = office.home.prompts / "pt_BR" / "asterisk" / "queue-thereare.wav"
    spoken = words.read_bytes()
    account = Account("+5511900000027", port=office.settings.sip_port)
    try:
        words.write_bytes(sound.wav_bytes(sound.tone([1000.0], 1500)))
        with agents.logged_in(office, "201", agents.IGNORE), Phone(tmp_path / "caller", "caller", account) as caller:
            office.call(Caller("+551133330001", "+5511900000028", stay_ms=12_000))
            until(lambda: office.control("live")["waiting"], 10, "somebody waits already")
            caller.dial(f"sip:+551133330001@127.0.0.1:{office.settings.sip_port}")

            def told() -> bool:
                files = [call.heard for call in caller.calls.values()]
                wave = sound.read_wave(files[0].read_bytes()) if files and files[0].exists() else None
                found = sound.tones_present(wave.mono, wave.rate_hz, [1000.0], share=0.8) if wave is not None else []
                return sum(there for (there,) in found) >= 10

            until(told, 15, "the words before the number")
            caller.hangup()
        office.wait_for_callers()
    finally:
        words.write_bytes(spoken)


def test_without_an_agent_the_caller_goes_to_the_overflow_and_leaves_a_message(office: TestBox, tmp_path: Path) -> None:
    leave_word(office, tmp_path, "+5511900000010", "+551133330001")
    call = history(office, "+5511900000010")
    assert call["category"] == "blocked"
    assert call["has_message"] == 1


def test_nobody_answers_within_the_wait_limit(office: TestBox) -> None:
    with agents.logged_in(office, "201", agents.IGNORE):
        call = place(office, Caller("+551133330005", "+5511900000011", stay_ms=9000))
    assert call["category"] == "timed_out"
    assert "7" in call["missed"]


def test_an_agent_who_rejects_is_passed_over_for_the_next(office: TestBox) -> None:
    with agents.logged_in(office, "201", agents.REJECT), agents.logged_in(office, "202"):
        call = served(office, Caller("+551133330001", "+5511900000012", stay_ms=30_000))
    assert (call["category"], call["agent"]) == ("answered", "8")
    assert "7" in call["missed"]


def test_a_busy_agent_is_not_rung_and_the_caller_waits(office: TestBox) -> None:
    with agents.logged_in(office, "201") as desk:
        office.call(Caller("+551133330001", "+5511900000013", stay_ms=7000))
        until(lambda: any(call.state == "answered" for call in desk.calls.values()), 10, "the agent talks")
        office.call(Caller("+551133330001", "+5511900000014", stay_ms=3000))
        office.wait_for_callers()
    assert history(office, "+5511900000013")["category"] == "answered"
    second = history(office, "+5511900000014")
    assert (second["category"], second["missed"]) == ("abandoned", history(office, "+5511900000013")["missed"])


def test_a_closed_number_takes_a_message_or_says_so(office: TestBox, tmp_path: Path) -> None:
    leave_word(office, tmp_path, "+5511900000015", "+551133330002")
    message = history(office, "+5511900000015")
    assert (message["category"], message["has_message"]) == ("closed", 1)
    spoken = place(office, Caller("+551133330003", "+5511900000016", stay_ms=20_000))
    assert (spoken["category"], spoken["has_message"]) == ("closed", 0)


def test_a_number_may_lead_straight_to_a_phone(office: TestBox) -> None:
    with agents.phone(office, "203", agents.ANSWER):
        call = place(office, Caller("+551133330006", "+5511900000017", stay_ms=3000))
    assert (call["category"], call["phone"]) == ("answered", "203")


def test_a_call_to_a_number_that_is_not_ours_is_refused_and_counted(office: TestBox) -> None:
    call = place(office, Caller("+551144440000", "+5511900000018", answered=False))
    assert call["category"] == "refused"


HOSTILE = {
    "+5511900000020": quoted("'; DROP TABLE call; --"),
    "+5511900000021": quoted("<script>alert(1)</script>"),
    "+5511900000022": quoted('José "o bom", ${EXTEN} `id` $(id) %0d%0a'),
    "+5511900000023": quoted("a\u2028CallerIDNum: 0800\u0085Uniqueid: 1"),
    "+5511900000024": quoted("x" * 2000),
    "+5511900000025": quoted("agent-7|ABANDON|1|1|1"),
}


def test_hostile_names_go_through_a_call_harmlessly(office: TestBox) -> None:
    with agents.logged_in(office, "201", agents.IGNORE):
        for user, display in HOSTILE.items():
            office.call(Caller("+551133330001", user, display, stay_ms=2500))
        live = until(
            lambda: rows if len(rows := office.control("live")["waiting"]) == len(HOSTILE) else [], 10, "all wait"
        )
        assert {row["caller"] for row in live} == set(HOSTILE)
        office.wait_for_callers()
    for user in HOSTILE:
        call = history(office, user)
        assert call["category"] == "abandoned"
        assert len(call["caller_name"]) <= 80
    assert history(office, "+5511900000021")["caller_name"] == "<script>alert(1)</script>"
    assert history(office, "+5511900000020")["caller_name"] == "'; DROP TABLE call; --"


def test_an_anonymous_caller_and_a_number_that_is_none_are_served(office: TestBox) -> None:
    with agents.logged_in(office, "201"):
        anonymous = place(office, Caller("+551133330001", "anonymous", quoted("Anonymous"), stay_ms=2500))
        odd = place(office, Caller("+551133330001", "not-a.number", stay_ms=2500))
    assert anonymous["category"] == "answered"
    assert odd["category"] == "answered"


def test_the_categories_sum_to_what_was_received(office: TestBox) -> None:
    by_category = office.rows("SELECT category, count(*) FROM call WHERE direction = 'in' GROUP BY 1")
    received = office.rows("SELECT count(*) FROM call WHERE direction = 'in'")[0][0]
    assert all(row[0] is not None for row in by_category)
    assert sum(row[1] for row in by_category) == received > 20
