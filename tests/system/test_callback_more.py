"""Callbacks where it gets difficult: every way to ask for one, crashes that lose or bring back records, many at once,
and customers who call in while they are called. Real phones, callers and a provider, as in test_callback.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ramal.core import sound
from tests.system import agents
from tests.system.callbacks import SALES, Office, calling_back, rings, rows, talks
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system

OFFER, DIRECT, MENU, SKILL, BIG = (f"+55113333000{n}" for n in range(5, 10))
MORE = f"""
[[queue]]
name = "offer"
ring_s = 30
retry_s = 1
wrap_up_s = 0
overflow = "hangup"
callback = "agent-first"
callback_offer_s = 60

[[queue]]
name = "big"
ring_s = 30
retry_s = 1
wrap_up_s = 0
max_waiting = 120
callback = "agent-first"

[[number]]
number = "{OFFER}"
to = "queue:offer"

[[number]]
number = "{DIRECT}"
to = "callback:sales"

[[number]]
number = "{MENU}"
to = "menu:main"

[[number]]
number = "{SKILL}"
to = "queue:sales"
need = "x-ray"

[[number]]
number = "{BIG}"
to = "callback:big"

[[menu]]
name = "main"
text = "Menu."
wait_s = 10
options = {{ 1 = "callback:sales" }}

[[agent]]
code = "9"
name = "Rui Prado"
phone = "203"
pin = "5512"
queues = ["sales", "offer", "big"]
skills = ["x-ray"]

[[phone]]
extension = "203"
name = "Fone 203"
"""


@pytest.fixture(scope="module")
def module() -> Iterator[Office]:
    with calling_back(MORE) as running:
        yield running


@pytest.fixture
def office(module: Office) -> Iterator[Office]:
    module.clear()
    yield module
    if module.box.daemon is not None:
        module.box.stop_daemon()
    module.clear()


def end_well(office: Office) -> None:
    for caller, process in office.box.callers:
        assert process.wait(60) == 0, caller
    office.box.callers.clear()


def ask_directly(office: Office, user: str, number: str = DIRECT) -> None:
    """Confirm at once, where the dialogue comes first."""
    office.box.call(Caller(number, user, stay_ms=40_000, keys=((1500, "1"),)))
    assert office.box.callers.pop()[1].wait(60) == 0
    assert office.record(user)


def pending_of(office: Office, users: list[str]) -> list[dict[str, Any]]:
    return [each for each in office.box.control("callback.list")["callbacks"] if each["number"] in users]


def waiting(office: Office, queue: str) -> list[str]:
    """The channels of a queue of app_queue, in its order."""
    listed = agents.members(office.box, queue).partition("Callers:")[2].splitlines()
    return [line.split()[1] for line in listed if "(wait:" in line]


def test_a_crash_loses_no_callback_that_the_journal_knows_and_brings_none_back_that_is_over(office: Office) -> None:
    """What was written into AstDB in the last second before a crash is gone: records, and that they were deleted.
    The first test here: what others leave behind would be called back too."""
    lost, kept, over = "+5511988881010", "+5511988881011", "+5511988881012"
    with agents.logged_in(office.box, "203", agents.IGNORE) as desk:
        ask_directly(office, over)
        brought_back = office.record(over)
        desk.answer()
        until(lambda: not office.record(over), 20, "the first is spoken to")
        office.provider.hang_up()
        until(lambda: not desk.calls, 15, "over")
        for user in (lost, kept):
            ask_directly(office, user)
        record = office.record(lost)
        office.box.kill_asterisk()
    office.forget(lost)
    office.recall(over, brought_back)
    office.box.start()
    assert not office.record(lost)
    office.lively_daemon()
    until(lambda: office.record(lost) == record, 30, f"noted again as it was: {record}")
    until(lambda: not office.record(over), 30, "who was spoken to is not called")
    until(lambda: office.standins() == 2, 10, "each has its stand-in")
    office.provider.asked.clear()
    with agents.logged_in(office.box, "203", agents.ANSWER):
        for n in (1, 2):
            until(lambda n=n: len(office.asked()) == n, 30, "a customer is dialed")
            user = (lost, kept)[n - 1]
            until(lambda user=user: not office.record(user), 10, "and has answered")
            office.provider.hang_up()
        until(lambda: office.box.channels() == 0, 15, "nobody is left")
    assert office.asked() == [lost.removeprefix("+"), kept.removeprefix("+")], "each once, in order"
    for user in (lost, kept, over):
        rows(office, "SELECT 1 FROM callback WHERE number = ? AND state = 'done'", user)
    again = office.box.rows("SELECT id FROM callback WHERE ended_ms IS NULL")
    assert not again


def test_a_callback_is_offered_at_entry_when_the_predicted_wait_is_long(office: Office) -> None:
    keeper, accepts, declines = "+5511988881001", "+5511988881002", "+5511988881003"
    with agents.logged_in(office.box, "203", agents.IGNORE) as desk:
        until_s = int(time.time()) + 300
        office.box.command(f'database put ramal-wait offer "{until_s}|5-9-400,5-9-400,5-9-400"')
        office.box.call(Caller(OFFER, keeper, stay_ms=60_000))
        until(lambda: rings(desk), 10, "who finds a free agent is offered nothing")
        office.box.call(Caller(OFFER, accepts, stay_ms=40_000, keys=((1000, "1"), (3000, "1"))))
        until(lambda: office.record(accepts), 15, "noted")
        office.box.call(Caller(OFFER, declines, stay_ms=60_000))
        until(lambda: len(waiting(office, "offer")) == 3, 15, "who says nothing waits")
        assert "@ramal-standin" in waiting(office, "offer")[1], "before the one who came later"
        assert not office.record(declines)
        for user in (keeper, declines):
            office.box.end_calls(user)
        end_well(office)


def test_a_callback_asked_for_in_a_menu_dials_the_customer_only_once_the_customer_has_hung_up(office: Office) -> None:
    """An agent is free, so it is the customer's turn at once, while the customer still hears that it is noted."""
    user = "+5511988881004"
    words = office.box.home.prompts / "pt_BR" / "callback-noted.wav"
    words = next(iter(office.box.home.prompts.rglob("callback-noted.wav"))) if not words.exists() else words
    short = words.read_bytes()
    try:
        words.unlink()
        words.write_bytes(sound.wav_bytes(sound.tone([400.0], 5000)))
        with agents.logged_in(office.box, "203", agents.ANSWER) as desk:
            caller = office.box.call(Caller(MENU, user, stay_ms=40_000, keys=((1500, "1"), (3000, "1"))))
            until(lambda: office.asked() or caller.poll() is not None, 30, "the caller is gone")
            assert office.asked() == []
            assert caller.wait(1) == 0
            until(lambda: office.asked() == [user.removeprefix("+")], 20, "then the customer is dialed")
            until(lambda: talks(desk) and not office.record(user), 10, "and spoken to")
            office.provider.hang_up()
            until(lambda: not desk.calls, 15, "over")
        office.box.callers.clear()
    finally:
        words.unlink()
        words.write_bytes(short)


def test_who_waits_for_a_skill_is_called_back_by_who_has_it(office: Office) -> None:
    user = "+5511988881005"
    with (
        agents.logged_in(office.box, "201", agents.IGNORE) as plain,
        agents.logged_in(office.box, "203", agents.IGNORE) as skilled,
    ):
        office.ask(SKILL, user)
        assert office.record(user)[8] == "x-ray"
        until(lambda: rings(skilled), 10, "the one with the skill is rung")
        assert len(waiting(office, "sales--x-ray")) == 1
        assert not plain.calls
        skilled.answer()
        until(lambda: office.asked() == [user.removeprefix("+")], 15, "the customer is dialed")
        until(lambda: not office.record(user), 10, "and spoken to")
        office.provider.hang_up()
        until(lambda: not skilled.calls, 15, "over")


def test_three_callers_from_one_number_at_once_are_one_callback(office: Office) -> None:
    user = "+5511988881006"
    with agents.logged_in(office.box, "203", agents.IGNORE):
        for _ in range(3):
            office.box.call(Caller(DIRECT, user, stay_ms=40_000, keys=((1500, "1"),)))
        end_well(office)
        assert office.keys("ramal-callback") == [user.removeprefix("+")]
        assert office.standins() == 1
        journal = (office.box.home.asterisk_log / "cel-custom" / "ramal.csv").read_text()
        mine = [line for line in journal.splitlines() if user.removeprefix("+") in line]
        assert sum(",CALLBACK," in line for line in mine) == 1
        assert sum(",CALLBACK_AGAIN," in line for line in mine) == 2


def test_a_customer_who_is_answered_while_being_called_back_is_not_called_again(office: Office) -> None:
    user = "+5511988881007"
    office.provider.manner = "ring"
    with (
        agents.logged_in(office.box, "201", agents.IGNORE) as calls,
        agents.logged_in(office.box, "203", agents.IGNORE) as answers,
    ):
        office.ask(SALES, user)
        until(lambda: rings(calls) or rings(answers), 10, "an agent is rung")
        caller, other = (calls, answers) if rings(calls) else (answers, calls)
        caller.answer()
        until(lambda: len(office.asked()) == 1, 20, "the customer is being dialed")
        other.policy = agents.ANSWER
        office.box.call(Caller(SALES, user, stay_ms=5000))
        until(lambda: talks(other), 20, "and calls in at that moment, and is answered")
        until(lambda: office.provider.cancelled >= 1 and not caller.calls, 10, "the other attempt is given up")
        assert not office.record(user)
        end_well(office)
        until(lambda: office.box.channels() == 0, 15, "nobody is left")
    assert (office.keys("ramal-callback"), office.keys("ramal-standin")) == ([], [])
    assert len(office.asked()) == 1


def test_a_stand_in_that_was_lost_comes_back_to_its_place(office: Office) -> None:
    first, second = "+5511988881008", "+5511988881009"
    with agents.logged_in(office.box, "203", agents.IGNORE):
        ask_directly(office, first)
        ask_directly(office, second)
        until(lambda: len(waiting(office, "sales")) == 2, 10, "both wait")
        lost = waiting(office, "sales")[0]
        office.box.command(f"channel request hangup {lost}")
        until(lambda: len(waiting(office, "sales")) == 1, 5, "one is gone")
        office.lively_daemon()
        until(lambda: len(waiting(office, "sales")) == 2, 20, "and back")
        assert first.removeprefix("+") in waiting(office, "sales")[0]


@pytest.mark.parametrize("anew", [False, True])
def test_callbacks_that_found_nobody_are_served_in_their_order(office: Office, anew: bool) -> None:
    """Nobody waits in app_queue for agents who are not there: the first to enter when one comes would be served first,
    and so would be, of those that are started ``anew`` together, the one with the lowest number."""
    users = [f"+55119888813{n}{int(anew)}" for n in (4, 3, 2)]
    for user in users:
        ask_directly(office, user)
    until(lambda: office.standins() == 3, 5, "all have their stand-in")
    assert waiting(office, "sales") == []
    if anew:
        office.box.command("channel request hangup all")
        until(lambda: office.box.channels() == 0, 5, "none is left")
    with agents.logged_in(office.box, "203", agents.ANSWER):
        if anew:
            office.box.command("channel originate Local/heal@ramal-tick application NoOp")
        for n, user in enumerate(users, 1):
            until(lambda n=n: len(office.asked()) == n, 30, "a customer is dialed")
            until(lambda user=user: not office.record(user), 10, "in the order they asked")
            office.provider.hang_up()
        until(lambda: office.box.channels() == 0, 10, "the last one ends")


def test_sixty_callbacks_keep_their_order_and_leave_nothing_behind(office: Office) -> None:
    users = [f"+55119888820{n:02}" for n in range(60)]
    with agents.logged_in(office.box, "203", agents.IGNORE):
        pending = list(users)
        while pending or office.box.callers:
            office.box.callers[:] = [each for each in office.box.callers if each[1].poll() is None]
            while pending and len(office.box.callers) < 12:
                office.box.call(Caller(BIG, pending.pop(0), stay_ms=40_000, keys=((1500, "1"),)))
            with contextlib.suppress(Exception):
                if office.box.callers:
                    office.box.callers[0][1].wait(30)
        until(lambda: len(waiting(office, "big")) == 60, 20, "all wait")
        order = [channel.partition("/")[2].partition("@")[0] for channel in waiting(office, "big")]
        joined = [int(office.record(each)[2]) for each in order]
        assert joined == sorted(joined), "in the order they came"
        office.lively_daemon()
        held = until(lambda: found if len(found := pending_of(office, users)) == 60 else [], 30, "sixty are known")
        for each in held:
            office.box.control("callback.cancel", call=each["id"], who="owner", reason="over")
        until(lambda: office.box.channels() == 0, 20, "no channel is left")
    for family in ("ramal-callback", "ramal-standin", "ramal-timer"):
        assert office.keys(family) == []
