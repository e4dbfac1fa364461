"""The menus' figures: counted once whatever comes late, the same after a rebuild, right for any span of time."""

import random
from pathlib import Path

from ramal import menu_figures
from ramal.box.home import Home
from ramal.store import read, settings
from ramal.store.menus import HOUR_MS, MenuFigures, menus
from tests.core.offices import demo
from tests.store.history import Life, fresh, rows
from tests.store.office_day import START_S, Script

START_MS = START_S * 1000
EVER = 1 << 53


def caller(serial: int, at_ms: int = START_MS) -> Script:
    return Script(serial * 4, at_ms + serial * 1000).arrive().pick_up().say("MENU", "main").wait(900)


def test_one_can_say_of_a_menu_how_many_entered_pressed_erred_and_gave_up(life: Life) -> None:
    life.keep(
        caller(1).say("KEY", "main|1").say("MENU", "sales").wait(500).end(),
        caller(2).say("KEY", "main|1").say("MENU", "sales").say("KEY", "sales|*").say("MENU", "main").wait(90).end(),
        caller(3).say("WRONG_KEY", "main|7").say("NO_KEY", "main").say("MENU_GIVEN_UP", "main|silent").join().abandon(),
        caller(4).say("KEY", "main|9").say("MENU", "main|again").say("KEY", "main|201").say("PHONE", "201").end(""),
        caller(5),
    )
    main = MenuFigures("main", 5, 1, {"1": 2, "9": 1, "201": 1}, wrong=1, silent=1, given_up=1, hung_up=1)
    assert menus(life.db, 0, EVER) == (main, MenuFigures("sales", 2, 0, {"*": 1}, hung_up=1))


def test_lines_that_come_late_take_back_what_the_call_had_added(life: Life) -> None:
    script = caller(1).wait(300).end()
    life.keep(script)
    assert menus(life.db, 0, EVER) == (MenuFigures("main", 1, hung_up=1),)
    late = Script(4, script.born_ms).wait(500)
    late.cel = []
    late.say("KEY", "main|3").say("QUEUE", "sales|")
    life.keep(late)
    assert menus(life.db, 0, EVER)[0].keys == {"3": 1}


def test_a_rebuild_gives_the_same_counts_and_mends_wrong_ones(life: Life) -> None:
    life.keep(*(caller(n).say("KEY", f"main|{n % 3}").join().wait(400).abandon() for n in range(1, 30)))
    before = rows(life.db)
    assert before["menu_count"]
    assert life.ingest.refold(0) is not None
    assert rows(life.db) == before
    life.db.execute("DELETE FROM call_menu")  # calls kept by a version that did not count yet
    life.db.execute("DELETE FROM menu_count")
    assert life.ingest.refold(0) is not None
    assert rows(life.db) == before


def test_any_span_is_counted_to_the_millisecond(life: Life) -> None:
    chance = random.Random(7)
    born = [START_MS + chance.randrange(9 * HOUR_MS) for _ in range(120)]
    life.keep(*(caller(n, at_ms - n * 1000).say("KEY", "main|1").join().abandon() for n, at_ms in enumerate(born, 1)))
    starts = [row[0] for row in life.db.execute("SELECT started_ms FROM call")]
    for _ in range(60):
        since = START_MS + chance.randrange(-HOUR_MS, 9 * HOUR_MS)
        until = since + chance.choice([1, 60_000, HOUR_MS, 3 * HOUR_MS + 5, 8 * HOUR_MS])
        expected = sum(since <= at < until for at in starts)
        found = menus(life.db, since, until)
        assert sum(one.entered for one in found) == expected
        assert sum(read.counts(life.db, since, until).values()) == expected


def test_whole_hours_cost_rows_of_hours_and_not_of_calls(life: Life) -> None:
    life.keep(*(caller(n).say("KEY", "main|1").join().abandon() for n in range(1, 200)))
    assert life.db.execute("SELECT count(*) FROM menu_count").fetchone()[0] <= 4
    query = "SELECT menu, event, key, sum(n) FROM menu_count WHERE hour >= 1 AND hour < 9 GROUP BY 1, 2, 3"
    plan = life.db.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
    assert "SEARCH menu_count USING PRIMARY KEY" in plan[0][3]


def test_the_command_shows_every_menu_and_key_of_the_office_also_those_nobody_used(tmp_path: Path) -> None:
    db = fresh(tmp_path)
    settings.save(db, demo())
    db.close()
    home = Home(tmp_path)
    told = menu_figures.figures(home, 7, START_S)
    (menu,) = told["menus"]
    assert (menu["menu"], menu["entered"]) == ("principal", 0)
    assert [key["key"] for key in menu["keys"]] == ["1", "2", "3", "9"]
    assert "principal" in menu_figures.text(told)


def test_days_are_those_of_the_office(tmp_path: Path) -> None:
    db = fresh(tmp_path)
    settings.save(db, demo())  # São Paulo, three hours behind UTC
    db.close()
    just_after_midnight = 1_763_694_000 + 60
    told = menu_figures.figures(Home(tmp_path), 1, just_after_midnight)
    assert told["until_ms"] - told["since_ms"] == 60_000
    assert told["since_ms"] - menu_figures.figures(Home(tmp_path), 3, just_after_midnight)["since_ms"] == 2 * 86_400_000
