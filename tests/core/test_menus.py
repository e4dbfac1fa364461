"""What callers did in menus: every entering ends in exactly one way, and a menu reached twice counts twice."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ramal.core.fold import fold
from ramal.core.history import Call
from ramal.core.menus import PATH_MAX
from ramal.core.timeline import timeline
from tests.core.test_history import a_call, journal
from tests.store.office_day import Script


def called(script: Script) -> tuple[str, dict[tuple[str, str, str], int]]:
    call = fold(journal(script))
    return call.menu, counted(call)


def counted(call: Call) -> dict[tuple[str, str, str], int]:
    return {(one.menu, one.event, one.key): one.n for one in call.menus}


def test_a_hang_up_in_the_second_menu_is_its_drop_out_point() -> None:
    script = a_call().pick_up().say("MENU", "main").say("KEY", "main|1").say("MENU", "sales").wait(700).end()
    assert called(script) == (
        "main:1 sales",
        {("main", "entered", ""): 1, ("main", "key", "1"): 1, ("sales", "entered", ""): 1, ("sales", "hung-up", ""): 1},
    )


def test_a_menu_reached_twice_counts_twice_and_stands_twice_in_the_way() -> None:
    script = a_call().pick_up().say("MENU", "main").say("KEY", "main|1").say("MENU", "sales").say("KEY", "sales|*")
    script.say("MENU", "main").say("KEY", "main|1").say("MENU", "sales").say("KEY", "sales|1").join().abandon()
    way, counts = called(script)
    assert way == "main:1 sales:* main:1 sales:1"
    assert counts == {
        ("main", "entered", ""): 2,
        ("main", "key", "1"): 2,
        ("sales", "entered", ""): 2,
        ("sales", "key", "*"): 1,
        ("sales", "key", "1"): 1,
    }


def test_a_menu_heard_again_by_a_key_was_entered_once() -> None:
    script = a_call().pick_up().say("MENU", "main").say("KEY", "main|9").say("MENU", "main|again").wait(500).end()
    way, counts = called(script)
    assert way == "main:9 main"
    assert counts == {
        ("main", "entered", ""): 1,
        ("main", "key", "9"): 1,
        ("main", "again", ""): 1,
        ("main", "hung-up", ""): 1,
    }


def test_wrong_keys_and_silence_end_in_a_menu_given_up_and_nobody_hung_up_in_it() -> None:
    script = a_call().pick_up().say("MENU", "main").say("WRONG_KEY", "main|7").say("NO_KEY", "main")
    script.say("MENU_GIVEN_UP", "main|silent").join().abandon()
    assert called(script)[1] == {
        ("main", "entered", ""): 1,
        ("main", "wrong", ""): 1,
        ("main", "silent", ""): 1,
        ("main", "given-up", ""): 1,
    }
    given_up = next(step for step in timeline(journal(script)) if step.kind == "menu_given_up")
    assert given_up.detail == {"menu": "main", "reason": "silent"}


def test_a_call_that_still_runs_has_not_dropped_out_anywhere() -> None:
    assert called(a_call().pick_up().say("MENU", "main"))[1] == {}


def test_a_power_cut_in_a_menu_is_no_callers_doing() -> None:
    script = a_call().pick_up().say("MENU", "main")
    counts = counted(fold(journal(script, restarted_ms=script.now_ms + 1000)))
    assert counts == {("main", "entered", ""): 1, ("main", "lost", ""): 1}


def test_a_call_closed_out_of_a_queue_names_the_queue() -> None:
    call = fold(journal(a_call().pick_up().say("CLOSED", "office|sales").say("WHY", "closed|sales|office").end("")))
    assert (call.category, call.queue) == ("closed", "sales")


def test_language_and_need_stand_in_the_timeline() -> None:
    script = a_call().pick_up().say("MENU", "main").say("KEY", "main|2").say("LANGUAGE", "en").say("NEED", "x-ray")
    steps = [(step.kind, step.detail) for step in timeline(journal(script.join().abandon()))]
    assert ("language", {"language": "en"}) in steps
    assert ("need", {"skill": "x-ray"}) in steps


def test_somebody_who_plays_with_the_keys_does_not_grow_the_way_for_ever() -> None:
    script = a_call().pick_up().say("MENU", "main")
    for _ in range(500):
        script.say("KEY", "main|1").say("MENU", "sales").say("KEY", "sales|*").say("MENU", "main")
    way, counts = called(script.end())
    assert len(way.split()) == PATH_MAX
    assert (counts["main", "entered", ""], counts["main", "key", "1"], counts["sales", "key", "*"]) == (501, 500, 500)


STEPS = st.lists(st.sampled_from(["key", "again", "wrong", "silent", "given-up", "queue"]), max_size=30)


@given(STEPS, st.booleans())
def test_every_entering_ends_in_exactly_one_way(steps: list[str], cut: bool) -> None:
    """What the dialplan can say, in the order it can say it: a queue's overflow may lead back to a menu."""
    script = a_call().pick_up().say("MENU", "main")
    names = ["main", "sales", "late-hours"]
    place = 0
    for step in steps:
        here = names[place % 3]
        if step == "wrong":
            script.say("WRONG_KEY", f"{here}|7")
        elif step == "silent":
            script.say("NO_KEY", here)
        elif step == "again":
            script.say("KEY", f"{here}|9").say("MENU", f"{here}|again")
        else:
            script.say("MENU_GIVEN_UP", f"{here}|wrong") if step == "given-up" else script.say("KEY", f"{here}|1")
            if step == "queue":
                script.say("QUEUE", "sales|").say("QUEUE_END", "sales|TIMEOUT")
            place += 1
            script.say("MENU", names[place % 3])
    if cut:
        call = fold(journal(script, restarted_ms=script.now_ms + 1000))
    else:
        call = fold(journal(script.end()))
    sums: Counter[str] = Counter()
    for one in call.menus:
        sums[one.event] += one.n
    ended = sums["key"] + sums["given-up"] + sums["hung-up"] + sums["lost"]
    assert sums["entered"] + sums["again"] == ended
    assert (sums["hung-up"], sums["lost"]) == ((0, 1) if cut else (1, 0))
    assert (sums["wrong"], sums["silent"]) == (steps.count("wrong"), steps.count("silent"))
