"""The office closes while callers wait and a phone rings: who is in is served, nobody new is let in, nobody is stuck.

The switch (*60) and the end of the hours are the same for a call: both are asked once, at a number or a queue's door.
No daemon runs until the history is looked at.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.system import agents, box
from tests.system.box import TestBox
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system

OFFICE = """
[office]
name = "Fim do dia"
country = "BR"
timezone = "America/Sao_Paulo"

[[line]]
name = "loop"
kind = "sip-peer"
addresses = ["127.0.0.1"]
channels = 20

[[hours]]
name = "shop"
open = ["all 00:00-24:00"]

[[number]]
number = "+551133330001"
to = "queue:sales"
hours = "shop"
closed = "voicemail:sales"

[[number]]
number = "+551133330002"
to = "menu:main"

[[phone]]
extension = "201"

[[phone]]
extension = "202"

[[agent]]
code = "7"
name = "Ana"
phone = "201"
pin = "4821"
queues = ["sales"]

[[queue]]
name = "sales"
hours = "shop"
closed = "hangup"
ring_s = 60
wrap_up_s = 0
max_wait_s = 600
overflow = "queue:late"
sticky_s = 0

[[queue]]
name = "late"
hours = "shop"
closed = "voicemail:late"

[[menu]]
name = "main"
text = "Um."
wait_s = 20
options = { 1 = "queue:sales" }
"""
NUMBER, MENU = "+551133330001", "+551133330002"


@pytest.fixture(scope="module")
def office() -> Iterator[TestBox]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    try:
        with box.running(folder, OFFICE, daemon=False, terse=True) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def events(office: TestBox, user: str) -> list[str]:
    """What the journal says happened to one caller."""
    journal = office.home.asterisk_log / "cel-custom" / "ramal.csv"
    lines = [row.split(",") for row in journal.read_text().splitlines() if quote(user, safe="") in row]
    return [row[9] or row[1] for row in lines]


def waiting(office: TestBox) -> int:
    return office.command("queue show sales").count("PJSIP/line-loop")


def test_whoever_is_in_when_the_office_closes_is_served_and_nobody_else(office: TestBox) -> None:
    ana, other = "+5511900000001", "+5511900000002"
    in_menu, late, last = "+5511900000003", "+5511900000004", "+5511900000005"
    with agents.logged_in(office, "201", agents.IGNORE) as desk, agents.phone(office, "202") as owner:
        office.call(Caller(NUMBER, ana, stay_ms=17_000))
        until(lambda: desk.calls, 10, "the agent's phone rings")
        office.call(Caller(NUMBER, other, stay_ms=26_000))
        until(lambda: waiting(office) == 2, 10, "a second caller waits")
        office.call(Caller(MENU, in_menu, stay_ms=40_000, keys=((9_000, "1"),)))
        until(lambda: "MENU" in events(office, in_menu), 10, "a third is in the menu")

        agents.dial_code(office, owner, "*60")
        assert "closed|0|" in office.command("database get ramal-night shop")
        assert waiting(office) == 2
        office.call(Caller(NUMBER, late, stay_ms=3_000))
        until(lambda: "VOICEMAIL" in events(office, late), 10, "a caller after the closing is told so")
        assert "QUEUE" not in events(office, late)

        desk.answer()
        until(lambda: "BRIDGE_ENTER" in events(office, ana), 10, "the call that rang is answered")
        assert waiting(office) == 1
        desk.policy = agents.ANSWER
        until(lambda: "CLOSED" in events(office, in_menu), 20, "the one in the menu is told at the queue's door")
        until(lambda: "BRIDGE_EXIT" in events(office, ana), 40, "the first talk is over")
        until(lambda: "BRIDGE_ENTER" in events(office, other), 10, "who waited is served")
        office.wait_for_callers()
        office.call(Caller(NUMBER, last, stay_ms=2_000))
        office.wait_for_callers()
        agents.dial_code(office, owner, "*60")
    office.start_daemon()
    told = {row["caller"]: row for row in office.ended_calls(5)}
    assert {user: told[user]["category"] for user in (ana, other, in_menu, late, last)} == {
        ana: "answered",
        other: "answered",
        in_menu: "closed",
        late: "closed",
        last: "closed",
    }


def test_the_last_agent_leaves_after_closing_and_who_waits_is_told_and_not_stuck(office: TestBox) -> None:
    user = "+5511900000011"
    with agents.logged_in(office, "201", agents.IGNORE) as desk, agents.phone(office, "202") as owner:
        office.call(Caller(NUMBER, user, stay_ms=60_000))
        until(lambda: desk.calls, 10, "the agent's phone rings")
        agents.dial_code(office, owner, "*60")
        until(lambda: waiting(office) == 1, 5, "the caller waits on")
        desk.hangup()
        agents.dial_code(office, desk, "*46")
        until(lambda: "VOICEMAIL" in events(office, user), 30, "the caller is led on, past a closed queue")
        office.end_calls()
        office.wait_for_callers()
        agents.dial_code(office, owner, "*60")
    assert events(office, user).count("QUEUE_END") == 1
