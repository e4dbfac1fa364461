"""Who rings when: the known agent, those who can, then all; levels, limits at entry, what waiting callers are told.

No daemon runs until the last tests: everything before them is the dialplan's own. The daemon then lifts who waits, and
its history explains the calls that were made without it.
"""

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.core import order
from ramal.virtual.phone import Phone
from tests.system import agents, box
from tests.system.box import TestBox
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system

PLAIN, ENGLISH, XRAY, HURRIED, TINY, OTHER = (f"+55113333000{n}" for n in range(1, 7))
QUICK = ("-m", "tests.system.quick")


@pytest.fixture(scope="module")
def office() -> Iterator[TestBox]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    try:
        with box.running(folder, box.office("stages"), daemon=False, terse=True) as running:
            yield running
            said = (running.home.asterisk_log / "messages.log").read_text(errors="replace")
            assert not re.findall(r".*(?:does not exist in any format|Unable to open|No such file).*", said)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def rings(desk: Phone, caller: str) -> bool:
    return any(caller in call.peer_uri for call in desk.calls.values())


def whys(office: TestBox, caller: str) -> list[str]:
    """The reasoned lines and stages the dialplan wrote about a caller, in order."""
    lines = (office.home.asterisk_log / "cel-custom" / "ramal.csv").read_text(errors="replace").splitlines()
    mine = [line for line in lines if f",%2B{caller[1:]}," in line]
    found = [re.search(r",(WHY|STAGE|VOICEMAIL),%7B%22extra%22%3A%22([^,]*)%22%7D", line) for line in mine]
    return [match[2].replace("%7C", "|").replace("%2F", "/") for match in found if match]


def prios(office: TestBox, queue: str) -> list[int]:
    """The numbers app_queue has, the next caller's first."""
    return [int(prio) for prio in re.findall(r"prio: (\d+)\)", office.command(f"queue show {queue}"))]


def put(office: TestBox, family: str, key: str, value: str) -> None:
    office.command(f'database put {family} {key} "{value}"')


def seen(office: TestBox, caller: str) -> None:
    """Enough of this caller."""
    office.end_calls(caller)
    office.wait_for_callers()


def test_only_the_skilled_agent_rings_until_the_call_is_widened(office: TestBox) -> None:
    caller = "+5511900000101"
    with (
        agents.logged_in(office, "201", agents.IGNORE) as other,
        agents.logged_in(office, "202", agents.IGNORE) as able,
    ):
        office.call(Caller(XRAY, caller, stay_ms=12_000))
        until(lambda: rings(able, caller), 10, "the skilled agent rings")
        assert not rings(other, caller)
        place = prios(office, "sales--x-ray")
        until(lambda: rings(other, caller), 8, "widened")
        assert prios(office, "sales") == place  # the same place in the order
        seen(office, caller)
        for desk in (other, able):
            agents.dial_code(office, desk, "*46")
    assert whys(office, caller) == ["needs-skill|x-ray|4", "sales--x-ray|need", "widened|x-ray|4", "sales|all"]


def test_the_callers_language_is_a_need_like_a_skill(office: TestBox) -> None:
    caller = "+5511900000102"
    with (
        agents.logged_in(office, "201", agents.IGNORE) as other,
        agents.logged_in(office, "202", agents.IGNORE) as able,
    ):
        office.call(Caller(ENGLISH, caller, stay_ms=15_000))
        until(lambda: rings(able, caller), 10, "the agent who speaks English rings")
        assert not rings(other, caller)
        seen(office, caller)
        for desk in (other, able):
            agents.dial_code(office, desk, "*46")
    assert whys(office, caller) == ["needs-skill|en|4", "sales--en|need"]


def test_when_nobody_with_the_skill_is_there_everybody_is_asked_at_once(office: TestBox) -> None:
    caller = "+5511900000103"
    with agents.logged_in(office, "201", agents.IGNORE) as desk:
        office.call(Caller(XRAY, caller, stay_ms=15_000))
        until(lambda: rings(desk, caller), 3, "the one who is there rings")
        seen(office, caller)
        agents.dial_code(office, desk, "*46")
    assert whys(office, caller) == ["nobody-with-skill|x-ray", "sales|all"]


def test_the_known_agent_rings_first_then_the_queue_at_the_same_place(office: TestBox) -> None:
    caller = "+5511900000104"
    put(office, "ramal-contact", caller[1:], "||8||")
    with (
        agents.logged_in(office, "201", agents.IGNORE) as other,
        agents.logged_in(office, "202", agents.IGNORE) as known,
    ):
        office.call(Caller(PLAIN, caller, stay_ms=12_000))
        until(lambda: rings(known, caller), 10, "the known agent rings, though 201 comes first by penalty")
        assert not rings(other, caller)
        place = prios(office, "agent-8")
        until(lambda: rings(other, caller), 8, "then the queue")
        assert prios(office, "sales") == place
        seen(office, caller)
        for desk in (other, known):
            agents.dial_code(office, desk, "*46")
    assert whys(office, caller) == ["agent-first|8|4", "agent-8|agent-first", "sales|all"]


def test_the_agent_a_contact_names_rings_first_also_where_the_last_agent_does_not(office: TestBox) -> None:
    """The queue ``plain`` has no ``sticky_s``."""
    named, spoken = "+5511900000106", "+5511900000107"
    put(office, "ramal-contact", named[1:], "||8||")
    put(office, "ramal-last", spoken[1:], f"8|{int(time.time())}|plain|")
    with (
        agents.logged_in(office, "201", agents.IGNORE) as other,
        agents.logged_in(office, "202", agents.IGNORE) as known,
    ):
        office.call(Caller(OTHER, named, stay_ms=15_000))
        until(lambda: rings(known, named), 10, "the contact's agent rings, though 201 comes first by penalty")
        assert not rings(other, named)
        seen(office, named)
        office.call(Caller(OTHER, spoken, stay_ms=15_000))
        until(lambda: rings(other, spoken), 10, "the queue")
        seen(office, spoken)
        for desk in (other, known):
            agents.dial_code(office, desk, "*46")
    assert whys(office, named) == ["agent-first|8|20", "agent-8|agent-first"]
    assert whys(office, spoken) == ["plain|all"]


def test_a_known_agent_who_is_not_free_is_not_waited_for(office: TestBox) -> None:
    caller = "+5511900000105"
    put(office, "ramal-contact", caller[1:], "||8||")
    with (
        agents.logged_in(office, "201", agents.IGNORE) as other,
        agents.logged_in(office, "202", agents.IGNORE) as known,
    ):
        agents.dial_code(office, known, "*47")
        office.call(Caller(PLAIN, caller, stay_ms=15_000))
        until(lambda: rings(other, caller), 3, "the queue at once")
        seen(office, caller)
        for desk in (other, known):
            agents.dial_code(office, desk, "*46")
    assert whys(office, caller) == ["agent-first-busy|8", "sales|all"]


def test_a_vip_overtakes_and_a_number_lifts(office: TestBox) -> None:
    plain, hurried, vip = (f"+551190000011{n}" for n in range(3))
    put(office, "ramal-contact", vip[1:], "v||||")
    with agents.logged_in(office, "201", agents.IGNORE) as desk:
        agents.dial_code(office, desk, "*47")
        for caller, number in ((plain, PLAIN), (hurried, HURRIED), (vip, PLAIN)):
            before = len(prios(office, "sales"))
            office.call(Caller(number, caller, stay_ms=15_000))
            until(lambda: len(prios(office, "sales")) > before, 8, f"{caller} waits")  # noqa: B023
        levels = [order.level_of(prio) for prio in prios(office, "sales")]
        agents.dial_code(office, desk, "*48")
        until(lambda: rings(desk, vip), 8, "the VIP first")
        for caller in (plain, hurried, vip):
            office.end_calls(caller)
        office.wait_for_callers()
        agents.dial_code(office, desk, "*46")
    assert levels == sorted(levels, reverse=True)
    assert levels[0] - levels[2] == 3
    assert levels[1] - levels[2] == 2
    assert whys(office, vip)[0] == "vip"


def test_the_dialplan_computes_the_number_of_core_order(office: TestBox) -> None:
    caller = "+5511900000120"
    with agents.logged_in(office, "201", agents.IGNORE) as desk:
        agents.dial_code(office, desk, "*47")
        before_s = int(time.time())
        office.call(Caller(HURRIED, caller, stay_ms=15_000))
        found = until(lambda: prios(office, "sales"), 8, "the caller waits")
        after_s = int(time.time())
        seen(office, caller)
        agents.dial_code(office, desk, "*46")
    joined = range(before_s, after_s + 1)
    assert found[0] in [order.prio(2, order.deadline_s(joined_s, 20)) for joined_s in joined]


def test_a_full_queue_and_a_long_predicted_wait_send_callers_elsewhere_at_entry(office: TestBox) -> None:
    first, second, third = (f"+551190000013{n}" for n in range(3))
    soon = int(time.time()) + 600
    with agents.logged_in(office, "201", agents.IGNORE) as desk:
        agents.dial_code(office, desk, "*47")
        office.call(Caller(TINY, first, stay_ms=30_000))
        until(lambda: prios(office, "tiny"), 8, "one waits")
        office.call(Caller(TINY, second, stay_ms=3000))
        until(lambda: "tiny/" not in str(whys(office, second)) and len(whys(office, second)) > 1, 8, "turned away")
        office.end_calls(first)
        office.wait_for_callers()
        put(office, "ramal-wait", "tiny", f"{soon}|1-3-101,2-5-200")
        office.call(Caller(TINY, third, stay_ms=3000))
        office.wait_for_callers()
        agents.dial_code(office, desk, "*46")
    assert whys(office, second)[0] == "full|tiny|1"
    assert whys(office, second)[1].startswith("tiny|")  # the voicemail box
    assert whys(office, third)[0] == "predicted-too-long|tiny|101|100"
    assert whys(office, third)[1].startswith("sales|")


def test_nobody_is_told_a_wait_while_as_many_agents_are_free_as_callers_are_ahead(office: TestBox) -> None:
    first, second = "+5511900000160", "+5511900000161"
    with agents.logged_in(office, "201", agents.IGNORE) as one, agents.logged_in(office, "202", agents.IGNORE) as two:
        put(office, "ramal-wait", "plain", f"{int(time.time()) + 600}|4-7-240,4-7-240")
        office.call(Caller(OTHER, first, stay_ms=20_000))
        until(lambda: rings(one, first), 8, "the first caller rings")
        office.call(Caller(OTHER, second, stay_ms=20_000))
        until(lambda: rings(two, second), 8, "the second rings the agent who is free")
        office.end_calls()
        office.wait_for_callers()
        office.command("database del ramal-wait plain")
        for desk in (one, two):
            agents.dial_code(office, desk, "*46")
    assert whys(office, second) == ["plain|all"]


def test_the_wait_is_said_as_a_band_of_minutes_and_silence_when_it_is_stale(office: TestBox) -> None:
    callers = [f"+551190000014{n}" for n in range(4)]
    now = int(time.time())
    bands = ("4-7-240", "0-3-60", "0-1-20")
    with agents.logged_in(office, "201", agents.IGNORE) as desk:
        agents.dial_code(office, desk, "*47")
        for caller, band in zip(callers, bands, strict=False):
            put(office, "ramal-wait", "plain", f"{now + 600}|{band}")
            office.call(Caller(OTHER, caller, stay_ms=30_000))
            until(lambda: "plain|all" in whys(office, caller), 9, "said, then waiting")  # noqa: B023
            seen(office, caller)
        put(office, "ramal-wait", "plain", f"{now - 1}|4-7-240")
        office.call(Caller(OTHER, callers[3], stay_ms=2000))
        office.wait_for_callers()
        agents.dial_code(office, desk, "*46")
    assert [whys(office, caller)[0] for caller in callers] == [
        "wait-said|4|7",
        "wait-said|0|3",
        "wait-said|0|1",
        "plain|all",
    ]


def test_the_daemon_lifts_who_waits_once_also_after_it_died(office: TestBox) -> None:
    with agents.logged_in(office, "201", agents.IGNORE) as desk:
        agents.dial_code(office, desk, "*47")
        office.call(Caller(OTHER, "+5511900000151", stay_ms=60_000))
        base = until(lambda: prios(office, "plain"), 8, "waiting")[0]
        until(lambda: int(time.time()) % 2 == 0, 3, "another second")
        office.start_daemon(*QUICK, str(office.home.root))
        until(lambda: prios(office, "plain")[0] >= base + order.SPAN, 30, "lifted by the daemon")
        office.kill_daemon()
        joined_s = order.EPOCH + order.SPAN - 1 - base % order.SPAN - 20
        office.start_daemon(*QUICK, str(office.home.root))
        until(lambda: prios(office, "plain")[0] >= base + 3 * order.SPAN, 40, "and by the next one")
        most = (int(time.time()) - joined_s) // 4  # age_every_s
        assert prios(office, "plain")[0] <= base + most * order.SPAN
        assert (prios(office, "plain")[0] - base) % order.SPAN == 0
        live = office.control("live")
        assert [caller["queue"] for caller in live["waiting"]] == ["plain"]
        channel = next(line for line in office.command("core show channels concise").splitlines() if "000151" in line)
        office.command(f"channel request hangup {channel.partition('!')[0]}")
        office.wait_for_callers()
        agents.dial_code(office, desk, "*46")


def test_the_history_shows_one_stay_for_all_stages_and_says_why(office: TestBox) -> None:
    ended = "SELECT * FROM call WHERE caller = ? AND ended_ms IS NOT NULL"
    until(lambda: office.rows(ended, "+5511900000151"), 20, "the last call read")
    call = office.rows(ended, "+5511900000104")[0]
    detail = office.detail(call["id"])
    stays = office.rows("SELECT queue, outcome FROM queue_stay WHERE call = ?", call["key"])
    assert [tuple(stay) for stay in stays] == [("sales", "abandoned")]
    assert call["queue"] == "sales"
    assert call["category"] == "abandoned"
    assert 4000 < call["wait_ms"] < 14_000, "both stages' waiting"
    reasons = [step.detail["code"] for step in detail.steps if step.kind == "decision"]
    assert reasons == ["agent-first"]
    lifted = office.rows(ended, "+5511900000151")[0]
    steps = office.detail(lifted["id"]).steps
    assert [step.detail["code"] for step in steps if step.kind == "decision"].count("aged") >= 3
