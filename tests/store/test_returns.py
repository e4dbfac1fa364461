"""The work list of missed calls and the callbacks: who is on it, what takes them off, whatever accidents happen."""

import random
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramal.errors import RamalError
from ramal.store import callbacks, returns
from ramal.store.ingest import CEL_NAME, QUEUE_NAME
from ramal.store.returns import Missed
from tests.store.history import Life, history_of, rows
from tests.store.office_day import START_S, Script, merge

ANA, BIA = "+5511987650001", "+5511987650002"
START_MS = START_S * 1000


def came(serial: int, at_s: int, number: str = ANA) -> Script:
    return Script(serial, START_MS + at_s * 1000, number, "").arrive()


def gave_up(serial: int, at_s: int, number: str = ANA, waited_ms: int = 20_000) -> Script:
    return came(serial, at_s, number).join().wait(waited_ms).abandon()


def spoke(serial: int, at_s: int, number: str = ANA) -> Script:
    return came(serial, at_s, number).join().wait(2000).talk("sales", "7", "201", 2000, 30_000)


def returned(serial: int, at_s: int, number: str = ANA, *, reached: bool = True) -> Script:
    """An agent's phone calls the number from the list."""
    script = Script(serial, START_MS + at_s * 1000, "201", "Fone 201")
    script.line, script.place = f"PJSIP/201-{serial:08x}", "ramal-return"
    script.event("CHAN_START", script.main, script.line)
    script.pick_up().say("RETURN", f"7|201|{number}").say("OUT", f"{number}|main")
    unique, channel = script.ring("line-main")
    if reached:
        script.wait(4000).event("ANSWER", unique, channel)
        both = ((unique, channel), (script.main, script.line))
        script.bridge("BRIDGE_ENTER", *both)
        script.wait(60_000).bridge("BRIDGE_EXIT", *both)
    script.hang(unique, channel, channel)
    return script.wait(2).end(script.line)


def asked(serial: int, at_s: int, number: str = ANA) -> Script:
    """A caller waits 20 s, presses the key and confirms."""
    script = came(serial, at_s, number).join().wait(20_000)
    script.queued("sales", "NONE", "EXITWITHKEY", "2", 1, 1, 20)
    script.say("QUEUE_END", "sales|KEY").wait(5000)
    joined_s = script.joined_ms // 1000
    return script.say("CALLBACK", f"{script.id}|sales|{number}|{joined_s}|{joined_s + 14_400}").wait(3000).end()


def stood_in(serial: int, at_s: int, callback: str, number: str, *ends: tuple[str, str]) -> Script:
    """The stand-in's call: it waits, and says what ``ends`` tell."""
    script = Script(serial, START_MS + at_s * 1000, number, "")
    script.line, script.place = f"Local/{number[1:]}@ramal-standin-{serial:08x};1", "ramal-standin"
    script.event("CHAN_START", script.main, script.line)
    script.say("STANDIN", f"{callback}|sales|{number}|0").wait(60_000)
    for name, rest in ends:
        script.say(name, f"{callback}|{rest}").wait(1000)
    return script.end("")


def row(life: Life, number: str = ANA) -> Missed:
    found = returns.of_number(life.db, number)
    assert found is not None
    return found


def test_a_caller_nobody_spoke_with_is_on_the_list_once_with_how_often_and_how_long(life: Life) -> None:
    first, second = gave_up(100, 0, waited_ms=45_000), gave_up(200, 600, waited_ms=9_000)
    life.keep(first, second)
    (found,) = returns.listed(life.db)
    assert (found.number, found.state, found.times, found.queue) == (ANA, "open", 2, "sales")
    assert (found.category, found.last_call) == ("abandoned", second.id)
    assert found.longest_ms == 45_003
    assert found.first_ms < found.last_ms == second.now_ms
    assert returns.waiting(life.db) == 1


@pytest.mark.parametrize(
    ("script", "listed"),
    [
        (came(100, 0).join().wait(300_000).time_out().leave_message().end(), "timed_out"),
        (came(100, 0).pick_up().say("CLOSED", "office").end(""), "closed"),
        (came(100, 0).say("QUEUE", "sales|").say("QUEUE_END", "sales|JOINEMPTY").end(""), "blocked"),
        (came(100, 0).pick_up().leave_message().end(), "message"),
        (came(100, 0).pick_up().say("GREETING").wait(2000).say("MENU", "main").wait(900).end(), None),
        (came(100, 0).say("REFUSED", "unknown-number").end(""), None),
        (gave_up(100, 0, "anonymous"), None),
        (spoke(100, 0), None),
    ],
    ids=["timed out", "closed", "nobody there", "message", "menu", "refused", "no number", "answered"],
)
def test_what_is_on_the_list(life: Life, script: Script, listed: str | None) -> None:
    life.keep(script)
    assert [each.category for each in returns.listed(life.db)] == ([listed] if listed else [])


def test_a_message_is_told_of(life: Life) -> None:
    life.keep(came(100, 0).join().wait(300_000).time_out().leave_message().end())
    assert row(life).has_message


def test_a_later_call_that_was_answered_takes_them_off(life: Life) -> None:
    answered = spoke(300, 700)
    life.keep(gave_up(100, 0), gave_up(200, 300), gave_up(150, 100, BIA), answered)
    found = row(life)
    assert (found.state, found.times, found.done_by, found.done_call) == ("closed", 2, "7", answered.id)
    assert [each.number for each in returns.listed(life.db)] == [BIA]


def test_a_call_answered_before_takes_nobody_off(life: Life) -> None:
    life.keep(spoke(100, 0), gave_up(200, 300))
    assert row(life).state == "open"


def test_calling_back_takes_them_off_and_says_who_did(life: Life) -> None:
    back = returned(200, 300)
    life.keep(gave_up(100, 0), back)
    found = row(life)
    assert (found.state, found.done_by, found.done_call) == ("returned", "7", back.id)


def test_calling_back_somebody_who_does_not_answer_changes_nothing(life: Life) -> None:
    life.keep(gave_up(100, 0), returned(200, 300, reached=False))
    assert row(life).state == "open"


def test_who_is_missed_again_comes_back_with_the_new_calls_alone(life: Life) -> None:
    life.keep(gave_up(100, 0), spoke(200, 300), gave_up(300, 900, waited_ms=7000))
    found = row(life)
    assert (found.state, found.times, found.longest_ms, found.done_ms) == ("open", 1, 7003, None)


def test_a_person_can_dismiss_with_a_reason_and_it_is_audited(life: Life) -> None:
    life.keep(gave_up(100, 0))
    with pytest.raises(RamalError, match="why"):
        returns.dismiss(life.db, START_MS + 100_000, "owner", ANA, "  ")
    returns.dismiss(life.db, START_MS + 100_000, "owner", ANA, "wrote a mail")
    found = row(life)
    assert (found.state, found.done_by, found.reason) == ("dismissed", "owner", "wrote a mail")
    assert life.db.execute("SELECT who, what, detail FROM audit").fetchall() == [
        ("owner", "missed.dismissed", f"{ANA} wrote a mail")
    ]
    with pytest.raises(RamalError, match="not on the list"):
        returns.dismiss(life.db, START_MS + 100_001, "owner", ANA, "again")
    life.keep(gave_up(200, 900))
    assert (row(life).state, row(life).times) == ("open", 1)


def test_an_attempt_is_kept_once_and_two_people_do_not_call_the_same_caller(life: Life) -> None:
    assert returns.begin(life.db, START_MS, "ana", ANA, "201", "7", "attempt-1") == "attempt-1"
    assert returns.begin(life.db, START_MS + 10, "ana", ANA, "201", "7", "attempt-1") is None
    with pytest.raises(RamalError, match="201"):
        returns.begin(life.db, START_MS + 20, "bia", ANA, "202", "8", "attempt-2")
    assert returns.begin(life.db, START_MS + 61_000, "bia", ANA, "202", "8", "attempt-3") == "attempt-3"


def test_a_callback_that_expired_is_a_missed_call(life: Life) -> None:
    call = asked(100, 0)
    life.keep(call)
    assert returns.listed(life.db) == []
    (pending,) = callbacks.pending(life.db)
    assert (pending.id, pending.state, pending.number) == (call.id, "waiting", ANA)
    life.keep(stood_in(200, 40, call.id, ANA, ("CALLBACK_TRY", "1"), ("CALLBACK_END", "expired|")))
    (found,) = returns.listed(life.db)
    assert (found.category, found.last_call, found.number) == ("withdrawn", call.id, ANA)
    life.keep(spoke(300, 900))
    assert row(life).state == "closed"


def test_a_callback_that_was_spoken_is_done_and_its_wait_is_known(life: Life) -> None:
    call = asked(100, 0)
    standin = stood_in(200, 40, call.id, ANA, ("CALLBACK_TRY", "1"), ("CALLBACK_END", "spoken|"))
    life.keep(call, standin)
    found = callbacks.get(life.db, call.id)
    assert found is not None
    assert (found.state, found.tries, found.result) == ("done", 1, "spoken")
    assert found.spoken_ms is not None
    assert found.spoken_ms - found.joined_ms > 100_000
    (line_wait,) = life.db.execute("SELECT wait_ms FROM call WHERE id = ?", (call.id,)).fetchone()
    assert 20_000 <= line_wait < 21_000
    assert callbacks.pending(life.db) == []
    assert returns.listed(life.db) == []


def test_cancelling_is_durable_audited_and_outlives_a_rebuild(life: Life) -> None:
    call = asked(100, 0)
    life.keep(call)
    callbacks.cancel(life.db, START_MS + 60_000, "owner", call.id, "came by")
    with pytest.raises(RamalError, match="over already"):
        callbacks.cancel(life.db, START_MS + 60_001, "owner", call.id, "again")
    before = rows(life.db)
    assert life.ingest.refold() is not None
    assert rows(life.db) == before
    found = callbacks.get(life.db, call.id)
    assert found is not None
    assert (found.state, found.result) == ("cancelled", "owner")
    assert life.db.execute("SELECT what FROM audit").fetchall() == [("callback.cancelled",)]


def some_days(seed: int) -> list[Script]:
    """Calls of three people, overlapping, of every kind."""
    chance = random.Random(seed)
    scripts: list[Script] = []
    for n in range(chance.randrange(2, 14)):
        number = chance.choice((ANA, BIA, "+5511987650003"))
        at_s, serial = chance.randrange(0, 900), 100 * (n + 1)
        kind = chance.randrange(6)
        if kind < 2:
            scripts.append(gave_up(serial, at_s, number, chance.randrange(1000, 200_000)))
        elif kind == 2:
            scripts.append(spoke(serial, at_s, number))
        elif kind == 3:
            scripts.append(returned(serial, at_s, number, reached=chance.random() < 0.7))
        else:
            call = asked(serial, at_s, number)
            end = chance.choice(("spoken|", "expired|", "served"))
            scripts += [call, stood_in(serial + 50, at_s + 31, call.id, number, ("CALLBACK_END", end))]
    return scripts


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(200, 5000))
def test_crashes_pieces_and_rebuilds_give_the_same_list(
    tmp_path_factory: pytest.TempPathFactory, seed: int, piece: int
) -> None:
    scripts = some_days(seed)
    cel, queue = merge(scripts)
    whole = history_of(tmp_path_factory.mktemp("whole"), cel, queue)
    life = Life(tmp_path_factory.mktemp("pieces"))
    chance = random.Random(seed)
    done = {CEL_NAME: 0, QUEUE_NAME: 0}
    while any(done[name] < len(data) for name, data in ((CEL_NAME, cel), (QUEUE_NAME, queue))):
        for name, data in ((CEL_NAME, cel), (QUEUE_NAME, queue)):
            life.write(name, data[done[name] : done[name] + piece])
            done[name] += piece
        life.read(piece)
        if chance.random() < 0.2:
            life.crash()
    life.read_all()
    assert rows(life.db) == whole
    after: int | None = 0
    while after is not None:
        after = life.ingest.refold(after, 3)
    assert rows(life.db) == whole
    life.close()


def test_the_list_never_looks_at_all_calls(life: Life) -> None:
    def plan(query: str) -> str:
        return " ".join(str(line[-1]) for line in life.db.execute("EXPLAIN QUERY PLAN " + query))

    assert "SCAN" not in plan(
        "SELECT 1 FROM missed WHERE state = 'open' AND last_ms < 9 ORDER BY last_ms DESC LIMIT 50"
    )
    assert "TEMP B-TREE" not in plan("SELECT 1 FROM missed WHERE state = 'open' ORDER BY last_ms DESC LIMIT 50")
    assert "SCAN" not in plan("SELECT 1 FROM missed_call WHERE number = 'x' AND call < 9 AND ended_ms <= 9 LIMIT 1")
    assert "SCAN" not in plan("SELECT at_ms FROM callback_note WHERE id = 'x'")
    assert "callback_pending" in plan("SELECT id FROM callback WHERE ended_ms IS NULL ORDER BY joined_ms, id LIMIT 9")


def test_a_machine_that_calls_all_night_is_one_bounded_line(life: Life) -> None:
    life.keep(*(gave_up(2 * n + 100, 3 * n, waited_ms=1000) for n in range(returns.KEPT + 50)))
    (found,) = returns.listed(life.db)
    assert found.times == returns.KEPT


def test_what_people_decided_is_refused_in_a_state_that_is_none(life: Life) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        life.db.execute("INSERT INTO return_call SELECT 1, 'x', 1, 1, 'mail', ''")
