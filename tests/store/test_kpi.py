"""The rows behind a queue's figures: which calls belong to a period, and what counts from the first joining."""

import pytest

from ramal.core import kpi
from ramal.core.kpi import Offer, Ratio, tally
from ramal.store import kpi as rows
from tests.store.history import Life
from tests.store.office_day import START_S, Script

START_MS = START_S * 1000
EVER = 1 << 53
T = 20_000


def caller(serial: int, at_ms: int = START_MS) -> Script:
    return Script(serial * 4, at_ms + serial * 1000).arrive().pick_up()


def seen(life: Life, queue: str = "sales", since_ms: int = 0, until_ms: int = EVER, now_ms: int = EVER) -> list[Offer]:
    return list(rows.offers(life.db, queue, since_ms, until_ms, now_ms).offers)


def test_each_call_counts_once_in_each_queue_it_was_in_and_once_for_the_office(life: Life) -> None:
    there = caller(1).join("sales").wait(8_000).time_out("sales").join("support").wait(500)
    life.keep(there.talk("support", "7", "201", 1_000, 5_000), caller(2).join("sales").wait(3_000).abandon("sales"))
    sales = seen(life)
    assert [offer.fate for offer in sales] == ["timed_out", "abandoned"]
    assert sales[0].spoken_ms is not None
    assert 9_500 <= sales[0].spoken_ms < T, "from the first joining, in another queue"
    (support,) = seen(life, "support")
    assert support.fate == "answered"
    assert support.wait_ms == sales[0].spoken_ms, "what the caller waited in the first queue counts in the second"
    assert kpi.f6(tally(sales, T)) == Ratio(1, 1)
    assert [offer.fate for offer in seen(life, "")] == ["answered", "abandoned"]


def test_a_call_that_was_answered_too_late_after_an_overflow_is_not_within(life: Life) -> None:
    there = caller(1).join("sales").wait(T).time_out("sales").join("support").wait(500)
    life.keep(there.talk("support", "7", "201", 1_000, 5_000))
    assert kpi.f6(tally(seen(life), T)) == Ratio(0, 1)
    assert kpi.f6(tally(seen(life, "support"), T)) == Ratio(0, 1)


def test_a_call_belongs_to_the_period_in_which_it_joined_its_first_queue(life: Life) -> None:
    begun = caller(1)
    joined_ms = begun.now_ms
    life.keep(begun.join("sales").wait(60_000).abandon("sales"))
    assert len(seen(life, since_ms=joined_ms, until_ms=joined_ms + 10)) == 1
    assert seen(life, since_ms=joined_ms + 10) == []
    assert seen(life, until_ms=joined_ms) == []
    assert len(seen(life, since_ms=joined_ms - 5, until_ms=joined_ms + 10)) == 1, "it called before the period"


def test_a_call_that_still_waits_is_late_once_it_cannot_be_answered_in_time(life: Life) -> None:
    waits = caller(1).join("sales")
    joined_ms = waits.joined_ms
    life.keep(waits)
    early = seen(life, now_ms=joined_ms + T)
    assert [offer.fate for offer in early] == ["waiting"]
    assert kpi.f6(tally(early, T)).share is None
    assert kpi.f6(tally(seen(life, now_ms=joined_ms + T + 1_000), T)) == Ratio(0, 1)


def test_one_can_see_the_calls_behind_a_figure_page_by_page(life: Life) -> None:
    answered = [caller(n).join("sales").wait(500).talk("sales", "7", "201", 900, 5_000) for n in range(1, 6)]
    life.keep(*answered, caller(9).join("sales").wait(50_000).abandon("sales"), caller(10).join("sales").abandon())

    def page(part: kpi.Part, before: int | None = None) -> tuple[list[str], int, int | None]:
        calls, count, older = rows.behind(life.db, "sales", 0, EVER, EVER, part, T, 3, before)
        return [call.id for call in calls], count, older

    first, count, older = page("within")
    assert (first, count) == ([call.id for call in reversed(answered[2:])], 5)
    second, _, end = page("within", older)
    assert (second, end) == ([answered[1].id, answered[0].id], None)
    assert page("whole")[1] == 6
    assert page("late")[1] == page("lost")[1] == 1
    assert page("short")[1] == 1
    assert page("received")[1] == 7


def test_too_many_calls_are_cut_and_say_so(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    life.keep(*[caller(n).join("sales").abandon() for n in range(1, 5)])
    monkeypatch.setattr(rows, "ROWS_MAX", 3)
    found = rows.offers(life.db, "sales", 0, EVER, EVER)
    assert found.cut
    assert len(found.offers) == 3
