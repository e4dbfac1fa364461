"""What the history must know before a callback that Asterisk lost in a crash is noted again: all of its record, that
Asterisk was started anew since it was last spoken of, and that the journals are read.
"""

import pytest

from ramal.core import callback_history
from ramal.store import callbacks
from ramal.store.ingest import CEL_NAME, QUEUE_NAME
from tests.store.history import Life
from tests.store.office_day import Script
from tests.store.test_returns import ANA, START_MS, asked, came, stood_in

KEPT = "1790014400|399999900|+551133330001|x-ray|pt_BR|Ana%20%7C%20Souza"


def asked_with(kept: str) -> Script:
    """Asked for, and the dialplan says the record's fields after the place."""
    script = came(100, 0).join().wait(20_000)
    script.queued("sales", "NONE", "EXITWITHKEY", "2", 1, 1, 20)
    script.say("QUEUE_END", "sales|KEY").wait(5000)
    return script.say("CALLBACK", f"{script.id}|sales|{ANA}|1790000000|{kept}").wait(3000).end()


def record(life: Life, call: Script) -> str:
    found = callbacks.get(life.db, call.id)
    assert found is not None
    return callback_history.record(found, callbacks.kept(life.db, call.id))


def test_the_record_is_made_again_as_the_dialplan_kept_it_with_the_attempts_since(life: Life) -> None:
    call = asked_with(KEPT)
    life.keep(call, stood_in(200, 40, call.id, ANA, ("CALLBACK_TRY", "1")))
    rest = "+551133330001|x-ray|pt_BR|Ana%20%7C%20Souza"
    assert record(life, call) == f"sales|{call.id}|1790000000|399999900|1790014400|1|0|{rest}"


def test_a_journal_of_before_says_too_little_for_a_record_and_is_read_all_the_same(life: Life) -> None:
    call = asked(100, 0)
    life.keep(call)
    assert record(life, call) == ""


@pytest.mark.parametrize(
    "kept",
    [
        KEPT.replace("x-ray", "x;ray"),
        KEPT.replace("%20", " "),
        KEPT.replace("Ana", "${SHELL(id)}"),
        KEPT.replace("399999900", ""),
        KEPT.replace("|+551133330001", ""),
    ],
)
def test_what_is_no_record_is_never_given_to_asterisk(life: Life, kept: str) -> None:
    call = asked_with(kept)
    life.keep(call)
    assert record(life, call) == ""


def test_only_a_restart_after_the_last_word_about_it_can_have_lost_it(life: Life) -> None:
    call = asked_with(KEPT)
    life.keep(call)
    assert not callbacks.silent_since_restart(life.db, call.id)
    life.db.execute("INSERT INTO restart VALUES (?)", (START_MS + 35_000,))
    assert callbacks.silent_since_restart(life.db, call.id)
    life.keep(stood_in(200, 40, call.id, ANA))
    assert not callbacks.silent_since_restart(life.db, call.id), "its stand-in came up after the restart"


def test_a_journal_is_read_only_when_this_very_file_is(life: Life) -> None:
    life.keep(asked_with(KEPT))
    rows = life.db.execute("SELECT name, inode, offset FROM journal").fetchall()
    marks = {name: (inode, offset) for name, inode, offset in rows}
    assert set(marks) == {CEL_NAME, QUEUE_NAME}
    assert callbacks.read_past(life.db, marks)
    inode, offset = marks[CEL_NAME]
    assert not callbacks.read_past(life.db, marks | {CEL_NAME: (inode, offset + 1)})
    assert not callbacks.read_past(life.db, marks | {CEL_NAME: (inode + 1, offset)})
