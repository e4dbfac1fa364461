"""Copies to a real Samba server, where the machine has one (apt-get install samba)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ramal.store import copies as rows
from tests.copies.kept import Kept, work
from tests.copies.samba import SMBD, Samba

pytestmark = pytest.mark.skipif(SMBD is None, reason="this machine has no samba")


@pytest.fixture
def samba(tmp_path: Path) -> Iterator[Samba]:
    one = Samba(tmp_path / "samba").start()
    yield one
    one.stop()


def test_recordings_arrive_on_a_share_and_what_is_wrong_there_has_its_word(kept: Kept, samba: Samba) -> None:
    first, _, _ = kept.put(3)
    kept.to(samba.copy())
    assert kept.copier().test().result(60)["code"] == ""
    work(kept.copier())
    assert samba.files() == kept.files("ramal")
    kept.shelf.write(lambda db: rows.forget(db, [first.recording]))
    kept.shelf.write(lambda db: db.execute("DELETE FROM sound WHERE recording = ?", (first.recording,)))
    work(kept.copier())
    assert samba.files() == kept.files("ramal")
    right = kept.office.copy[0]
    for wrong, code in (
        (replace(right, secret="wrong"), "password"),
        (replace(right, folder="nix/ramal"), "no-folder"),
    ):
        kept.to(wrong)
        assert kept.copier().test().result(60)["code"] == code
    samba.stop()
    samba.writable = False
    samba.start()
    assert kept.to(right).copier().test().result(60)["code"] == "no-write"
