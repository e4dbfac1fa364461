"""The daemon verifies when asked and once a week, and warns while something is amiss."""

import json

import pytest

from ramal.control.protocol import Request
from ramal.core import warnings
from ramal.ops.verifying import EVERY_MS, Verifier
from ramal.store import seals
from tests.until import until
from tests.vault.shelf import Shelf
from tests.vault.test_keep import TALK, keeper


def verified(shelf: Shelf, verifier: Verifier, checks: int) -> seals.Check:
    until(
        lambda: shelf.read(lambda db: db.execute("SELECT count(*) FROM seal_check").fetchone()[0]) == checks,
        10.0,
        "the verification is written down",
    )
    until(lambda: not verifier.told()["running"], 5.0, "it ended")
    check = shelf.read(seals.last_check)
    assert isinstance(check, seals.Check)
    return check


def test_a_verification_on_demand_is_written_down_and_warns_until_all_is_well_again(shelf: Shelf) -> None:
    recording = shelf.put(TALK)
    keeper(shelf).round()
    waits: list[int] = []
    verifier = Verifier(shelf.means(), lambda: waits.append(1))
    assert verifier.begin()["running"]
    assert verified(shelf, verifier, 1).amiss == 0
    assert waits, "it waits while the box is busy"
    file = shelf.path(recording)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    verifier.begin()
    check = verified(shelf, verifier, 2)
    assert check.amiss == 1
    assert "was changed" in json.loads(check.found)[0]["what"]
    assert (shelf.told[-1].code, shelf.told[-1].holds) == (warnings.SEALS_BROKEN, True)
    file.write_bytes(whole)
    verifier.begin()
    assert verified(shelf, verifier, 3).amiss == 0
    assert (shelf.told[-1].code, shelf.told[-1].holds) == (warnings.SEALS_BROKEN, False)


def test_once_a_week_it_is_done_by_itself(shelf: Shelf) -> None:
    verifier = Verifier(shelf.means(), lambda: None)
    verifier.now_and_then()
    assert not verifier.told()["running"], "nothing is sealed yet"
    shelf.put(TALK)
    keeper(shelf).round()
    verifier.now_and_then()
    assert shelf.read(seals.last_check) is None, "it was sealed just now"
    for week in (1, 2):
        shelf.now_ms += EVERY_MS + 1
        verifier.now_and_then()
        verified(shelf, verifier, week)
        verifier.now_and_then()
    assert shelf.read(lambda db: db.execute("SELECT count(*) FROM seal_check").fetchone()[0]) == 2


def test_after_a_restart_what_the_last_one_found_is_told_again(shelf: Shelf) -> None:
    shelf.write(lambda db: seals.keep_check(db, seals.Check(shelf.now_ms, 1, 1, 1, 1, 3, "[]", "")))
    Verifier(shelf.means(), lambda: None).now_and_then()
    assert (shelf.told[-1].code, shelf.told[-1].args) == (warnings.SEALS_BROKEN, (("count", 3),))


def test_the_command_line_s_verification_is_kept_and_nonsense_is_not(shelf: Shelf) -> None:
    verifier = Verifier(shelf.means(), lambda: None)
    check = '{"at_ms":1,"took_ms":1,"seals":1,"files":1,"bytes":1,"amiss":2,"found":"[]","head":""}'
    verifier.checked(Request("1", "recordings.checked", {"check": check})).result()
    assert shelf.read(seals.last_check).amiss == 2
    for wrong in ("", "[]", '{"at_ms":1}', '{"x":1}', "5"):
        with pytest.raises(Exception, match="no verification"):
            verifier.checked(Request("1", "recordings.checked", {"check": wrong}))
