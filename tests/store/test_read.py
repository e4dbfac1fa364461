"""Every page of the call list is right, in both directions, with every filter and search."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramal.core.history import Category
from ramal.store import listing, read
from ramal.store.ingest import CEL_NAME, QUEUE_NAME
from tests.store.history import Life
from tests.store.office_day import START_S, Script, a_call, merge

CALLS = 400


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    life = Life(tmp_path_factory.mktemp("office"))
    chance = random.Random(1)
    scripts = [a_call(chance, n * 4, (START_S + n * 60) * 1000) for n in range(CALLS)]
    scripts.append(Script(9999, (START_S + 5) * 1000, "201", "Fone 201"))
    inside = scripts[-1]
    inside.line = "PJSIP/201-0000ffff"
    inside.event("CHAN_START", inside.main, inside.line, number="201")
    inside.say("INTERNAL", "201|202").end()
    for name, data in zip((CEL_NAME, QUEUE_NAME), merge(scripts), strict=True):
        life.write(name, data)
    life.write(QUEUE_NAME, b"")
    life.read_all()
    life.db.execute("INSERT INTO setting VALUES ('agent', '3', 0, '{\"name\": \"Jo\\u00e3o Souza\"}')")
    life.db.execute("INSERT INTO setting VALUES ('queue', 'sales', 0, '{\"title\": \"Vendas\"}')")
    life.db.execute("INSERT INTO setting VALUES ('queue', 'broken', 1, 'no json')")
    yield life
    life.close()


def everything(life: Life) -> list[read.CallRow]:
    return list(read.calls(life.db, limit=10_000).rows)


def test_the_list_is_newest_first_and_whole(office: Life) -> None:
    rows = everything(office)
    assert len(rows) == CALLS + 1
    assert [row.key for row in rows] == sorted((row.key for row in rows), reverse=True)
    assert rows[0].started_ms > rows[-1].started_ms


CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "category": st.sampled_from(["answered", "abandoned", "timed_out", "system", "gave_up", "not_connected"]),
        "direction": st.sampled_from(["in", "out", "internal"]),
        "queue": st.sampled_from(["sales", "support", "nothing"]),
        "agent": st.sampled_from(["1", "3", "99"]),
        "since_ms": st.integers(START_S * 1000, (START_S + CALLS * 60) * 1000),
        "until_ms": st.integers(START_S * 1000, (START_S + CALLS * 60) * 1000),
        "search": st.sampled_from(
            ["11", "119", "(11) 9", "maria", "joão", "JOAO", "ma sil", "a", "João S", "zzz", "+"]
        ),
    },
)


@settings(max_examples=150, deadline=None)
@given(CONDITIONS, st.sampled_from([1, 7, 50]))
def test_turning_pages_forth_and_back_shows_every_fitting_call_once(
    office: Life, conditions: dict[str, str], limit: int
) -> None:
    def pages(**cursor: int) -> read.Page:
        return read.calls(office.db, limit=limit, **cursor, **conditions)  # type: ignore[arg-type]

    whole = read.calls(office.db, limit=10_000, **conditions)  # type: ignore[arg-type]
    assert whole.older is None
    assert not whole.cut
    forth: list[read.CallRow] = []
    page = pages()
    trail = [page]
    while True:
        forth += page.rows
        if page.older is None:
            break
        page = pages(before=page.older)
        trail.append(page)
    assert tuple(forth) == whole.rows
    for wanted in reversed(trail[:-1]):
        assert page.newer is not None
        page = pages(after=page.newer)
        assert page.rows == wanted.rows
    assert page.newer is None or not pages(after=page.newer).rows


@settings(max_examples=150, deadline=None)
@given(CONDITIONS)
def test_a_filter_shows_what_fits_and_nothing_else(office: Life, conditions: dict[str, str]) -> None:
    conditions.pop("search", None)
    found = {row.id for row in read.calls(office.db, limit=10_000, **conditions).rows}  # type: ignore[arg-type]
    queues = dict[str, set[str]]()
    for call_id, queue in office.db.execute("SELECT id, s.queue FROM queue_stay s JOIN call ON key = call"):
        queues.setdefault(call_id, set()).add(queue)
    for row in everything(office):
        fits = (
            row.category == conditions.get("category", row.category)
            and row.direction == conditions.get("direction", row.direction)
            and row.agent == conditions.get("agent", row.agent)
            and row.started_ms >= int(conditions.get("since_ms", 0))
            and row.started_ms < int(conditions.get("until_ms", 1 << 60))
            and ("queue" not in conditions or conditions["queue"] in queues.get(row.id, ()))
        )
        assert (row.id in found) == fits


def ids(page: read.Page) -> set[str]:
    return {row.id for row in page.rows}


def test_a_number_is_found_however_it_is_typed(office: Life) -> None:
    row = next(row for row in everything(office) if row.direction == "in")
    local = row.caller.removeprefix("+55")
    for typed in (row.caller, row.caller[1:], local, f"({local[:2]}) {local[2:7]}-{local[7:]}", local[-8:], local[3:9]):
        assert row.id in ids(read.calls(office.db, search=typed, limit=1000)), typed


def test_a_search_for_digits_finds_exactly_the_numbers_that_hold_them(office: Life) -> None:
    for typed in ("11", "119", "1198", "5511", "47", "471", "0", "99999999", "511955"):
        expected = {
            row.id
            for row in everything(office)
            if typed in row.caller or (row.direction != "in" and typed in row.number)
        }
        assert ids(read.calls(office.db, search=typed, limit=1000)) == expected, typed


def test_a_name_is_found_without_accents_and_case_and_word_by_word(office: Life) -> None:
    for typed, wanted in (("JOSE ara", "José Araújo"), ("araújo", "Araújo"), ("mar sil", "Maria Silva")):
        page = read.calls(office.db, search=typed, limit=1000)
        assert page.rows, typed
        assert all(wanted.split()[-1] in row.caller_name for row in page.rows)


def test_an_agents_or_queues_name_finds_their_calls(office: Life) -> None:
    agents = ids(read.calls(office.db, search="joao souza", limit=1000))
    assert agents >= ids(read.calls(office.db, agent="3", limit=1000))
    assert ids(read.calls(office.db, search="vendas", limit=1000)) == ids(
        read.calls(office.db, queue="sales", limit=1000)
    )


@pytest.mark.parametrize("search", ["1", "joao souza", "a"])
@pytest.mark.parametrize("category", ["gave_up", "answered"])
def test_a_search_that_would_look_at_too_much_stops_and_loses_nothing_when_it_goes_on(
    office: Life, monkeypatch: pytest.MonkeyPatch, search: str, category: Category
) -> None:
    whole = read.calls(office.db, search=search, category=category, limit=10_000).rows
    monkeypatch.setattr(listing, "LOOKED_AT_MAX", 20)
    found: list[read.CallRow] = []
    page = read.calls(office.db, search=search, category=category, limit=10)
    while True:
        found += page.rows
        if page.older is None:
            break
        page = read.calls(office.db, search=search, category=category, limit=10, before=page.older)
    assert tuple(found) == whole


def test_a_page_without_calls_can_say_that_it_only_looked_so_far(office: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LOOKED_AT_MAX", 5)
    page, pages = read.calls(office.db, agent="3", category="abandoned"), 1
    while page.older is not None:
        assert page.cut
        assert page.rows == ()
        page, pages = read.calls(office.db, agent="3", category="abandoned", before=page.older), pages + 1
    assert not page.cut
    assert pages > 3


@pytest.mark.parametrize(
    "typed", ['"', "'", "*", "a* OR b", "NEAR(a b)", "digits : 1", "-", "()", "%", "_", "\\", "x" * 5000, "a\0b"]
)
def test_no_search_text_is_an_error(office: Life, typed: str) -> None:
    read.calls(office.db, search=typed)


def test_counts_over_any_span_are_the_calls_in_it(office: Life) -> None:
    chance = random.Random(2)
    rows = [row for row in everything(office) if row.direction == "in"]
    for _ in range(60):
        since, until = sorted(chance.randrange((START_S - 99) * 1000, (START_S + CALLS * 62) * 1000) for _ in range(2))
        expected: dict[str, int] = {}
        for row in rows:
            if since <= row.started_ms < until:
                expected[str(row.category)] = expected.get(str(row.category), 0) + 1
        assert dict(read.counts(office.db, since, until)) == expected


def test_one_call_is_told_with_its_steps(office: Life) -> None:
    row = next(row for row in everything(office) if row.category == "answered")
    detail = read.call(office.db, row.id)
    assert detail is not None
    assert detail.call == row
    assert detail.steps[0].kind == "arrived"
    assert detail.steps[-1].kind == "hung_up"
    assert read.call(office.db, "1763700000.77777") is None
    assert read.call(office.db, "no id") is None


def test_agents_are_told_with_their_state_and_work(tmp_path: Path) -> None:
    life = Life(tmp_path)
    lines = [
        (0, "sales|agent-7|ADDMEMBER|"),
        (0, "support|agent-7|ADDMEMBER|"),
        (100, "sales|agent-7|PAUSE|lunch"),
        (100, "support|agent-7|PAUSE|lunch"),
        (160, "sales|agent-7|UNPAUSE|"),
        (160, "support|agent-7|UNPAUSE|"),
        (200, "sales|agent-8|ADDMEMBER|PAUSED"),
        (300, "sales|agent-9|ADDMEMBER|"),
        (320, "sales|agent-9|REMOVEMEMBER|"),
    ]
    life.write(QUEUE_NAME, "".join(f"{START_S + at}|NONE|{rest}\n" for at, rest in lines).encode())
    script = Script(1, (START_S + 210) * 1000).arrive().join().miss("sales", "7", "201", 15_000)
    for name, data in zip((CEL_NAME, QUEUE_NAME), merge([script.talk("sales", "7", "201", 2000, 30_000)]), strict=True):
        life.write(name, data)
    life.read_all()
    now = (START_S + 400) * 1000
    days = {day.agent: day for day in read.agents_today(life.db, START_S * 1000, now)}
    seven = days["7"]
    assert (seven.state, seven.since_ms) == ("in", (START_S + 160) * 1000)
    assert (seven.answered, seven.missed, seven.talk_ms) == (1, 1, 30_000)
    assert (seven.logged_in_ms, seven.paused_ms) == (400_000, 60_000)
    assert (days["8"].state, days["9"].state, days["9"].logged_in_ms) == ("paused", "out", 20_000)
    later = {day.agent for day in read.agents_today(life.db, now + 1000, now + 2000)}
    assert later == {"7", "8"}
    life.close()


def test_users_are_read(office: Life) -> None:
    assert read.user(office.db, "owner") is None
    office.db.execute("INSERT INTO user VALUES ('owner', 'owner', 'hash', 1, 5, 2, '')")
    assert read.user(office.db, "owner") == read.User("owner", "owner", "hash", True, 5, 2)
    assert [user.name for user in read.users(office.db)] == ["owner"]
