"""The one order of callers across queues, as a real app_queue keeps it: what core/order.py relies on.

Callers join with numbers of our choosing (QUEUE_PRIO); one agent, later two, serve both queues. Also measured here:
while the first of a queue is being rung at another agent, callers of other queues are not held back; between two of its
rings (``retry_s``, an announcement) they are. So nobody is held back for ever by a caller who cannot be taken. Equals
of different queues who came within one second have no order there.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.core import order
from ramal.virtual.phone import Call, Phone
from tests.system import agents, box
from tests.system.box import TestBox
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system

DIALPLAN = """
[line-loop]
exten => _alpha.,1,Answer(,i)
 same => n,Set(QUEUE_PRIO=${EXTEN:5})
 same => n,Queue(alpha,,,,100)
 same => n,Hangup()
exten => _beta.,1,Answer(,i)
 same => n,Set(QUEUE_PRIO=${EXTEN:4})
 same => n,Queue(beta,,,,100)
 same => n,Hangup()
"""
SOON = order.prio(2, order.EPOCH + 1000)
LATER = order.prio(2, order.EPOCH + 1001)
HIGH = order.prio(9, order.EPOCH + order.SPAN)
LOW = order.prio(0, order.EPOCH + 1)


@pytest.fixture(scope="module")
def office() -> Iterator[TestBox]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    made = box.make(folder, box.office("order"))
    (made.home.etc / "custom" / "extensions.conf").write_text(DIALPLAN, encoding="utf-8")
    try:
        made.start()
        yield made
    finally:
        made.end()
        shutil.rmtree(folder, ignore_errors=True)


def join(office: TestBox, queue: str, prio: int, user: str) -> None:
    """A caller in the queue, before the next one comes."""
    office.call(Caller(f"{queue}{prio}", user, stay_ms=60_000))
    until(lambda: f"Queue!{queue}" in line_of(office, user), 8, f"{user} in {queue}")


def line_of(office: TestBox, user: str) -> str:
    lines = office.command("core show channels concise").splitlines()
    return next((line for line in lines if f"!{user}!" in line), "")


def rung(desk: Phone) -> Call | None:
    """The call that rings at a phone."""
    return next((call for call in desk.calls.values() if call.state == "incoming"), None)


def serve(desk: Phone) -> str:
    """Take the next call, end it at once, and say whose it was."""
    call = until(lambda: rung(desk), 15, "the next call rings")
    desk.answer()
    until(lambda: desk.calls[call.call_id].state == "answered", 5, "answered")
    desk.hangup(call.call_id)
    until(lambda: call.call_id not in desk.calls, 5, "hung up")
    return call.peer_uri.removeprefix("sip:").partition("@")[0]


def test_an_agent_of_two_queues_is_offered_callers_in_one_total_order(office: TestBox) -> None:
    with agents.logged_in(office, "201", agents.IGNORE) as desk:
        office.command("queue pause member PJSIP/201")
        join(office, "alpha", LATER, "+5511900000001")
        came_s = int(time.time())
        join(office, "beta", SOON, "+5511900000002")
        join(office, "alpha", HIGH, "+5511900000003")
        join(office, "beta", LOW, "+5511900000004")
        until(lambda: int(time.time()) > came_s, 2, "another second: app_queue knows no less")
        join(office, "beta", LATER, "+5511900000005")  # like the first: who came earlier
        office.command("queue unpause member PJSIP/201")
        served = [serve(desk) for _ in range(5)]
        agents.dial_code(office, desk, "*46")
    office.wait_for_callers()
    assert [user[-1] for user in served] == ["3", "2", "1", "5", "4"]


def test_a_changed_priority_moves_a_caller_at_once_and_across_queues(office: TestBox) -> None:
    with agents.logged_in(office, "201", agents.IGNORE) as desk:
        office.command("queue pause member PJSIP/201")
        join(office, "alpha", HIGH, "+5511900000011")
        join(office, "beta", SOON, "+5511900000012")
        join(office, "beta", LATER, "+5511900000013")
        channel = line_of(office, "+5511900000013").partition("!")[0]
        office.command(f"queue priority caller {channel} on beta to {HIGH + 1} immediate")
        office.command("queue unpause member PJSIP/201")
        served = [serve(desk) for _ in range(3)]
        agents.dial_code(office, desk, "*46")
    office.wait_for_callers()
    assert [user[-1] for user in served] == ["3", "1", "2"]


def test_a_first_caller_who_cannot_be_taken_holds_back_nobody_for_ever(office: TestBox) -> None:
    with agents.logged_in(office, "201", agents.IGNORE) as deaf, agents.logged_in(office, "202", agents.IGNORE) as desk:
        join(office, "alpha", HIGH, "+5511900000021")
        until(lambda: rung(deaf), 10, "alpha's first rings at the agent who does not answer")
        join(office, "beta", LOW, "+5511900000022")
        assert serve(desk)[-1] == "2"  # 202 serves alpha too, but is asked there only after 201
        until(lambda: not rung(deaf), 10, "between two rings")
        until(lambda: rung(deaf), 10, "and it rings again")
        assert serve(deaf)[-1] == "1"
        agents.dial_code(office, deaf, "*46")
        agents.dial_code(office, desk, "*46")
    office.wait_for_callers()
