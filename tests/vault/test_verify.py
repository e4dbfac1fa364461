"""``verify`` finds whatever was done to a file, a row or the catalogue, and says where."""

import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ramal.core.chain import Head
from ramal.store import seals, sounds
from ramal.vault import heads, removal
from ramal.vault.verify import Verification
from tests.vault.shelf import Shelf, spoken, stereo_wav
from tests.vault.test_keep import flaws, keeper

COUNT = 6
DAY_MS = 24 * 3_600_000


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """A home with recordings of two days; tests change copies of it."""
    shelf = Shelf.at(tmp_path_factory.mktemp("full") / "home")
    ids = []
    for number in range(COUNT):
        ids.append(shelf.put(stereo_wav(spoken(20, 300.0 + 50 * number), spoken(20, 900.0))))
        assert keeper(shelf).round() == 1
        if number == 2:
            shelf.now_ms += DAY_MS
            keeper(shelf).round()
    shelf.close()
    return shelf.home.root, ids


@pytest.fixture
def shelf(full: tuple[Path, list[int]], tmp_path: Path) -> Iterator[Shelf]:
    shutil.copytree(full[0], tmp_path / "home")
    one = Shelf.at(tmp_path / "home")
    one.now_ms += 2 * DAY_MS
    yield one
    one.close()


def sql(shelf: Shelf, statement: str, *values: object) -> None:
    shelf.write(lambda db: db.execute(statement, values))


def file_of(shelf: Shelf, recording: int) -> Path:
    row = shelf.read(lambda db: sounds.of(db, recording))
    return shelf.home.root / str(row.path)


def test_nothing_is_amiss_in_what_nobody_touched(shelf: Shelf) -> None:
    assert flaws(shelf) == []
    assert len(heads.days(shelf.home)) == 1
    tip = heads.tip(shelf.home)
    assert tip is not None
    assert tip.hash == shelf.read(seals.head).hash


@pytest.mark.parametrize("place", [0, 9, 30, 60, 5000, -20, -1])
def test_a_changed_byte_of_a_file_is_found_and_located(shelf: Shelf, full: tuple[Path, list[int]], place: int) -> None:
    file = file_of(shelf, full[1][3])
    data = bytearray(file.read_bytes())
    data[place] ^= 0x10
    file.write_bytes(data)
    (found,) = flaws(shelf)
    assert f"the file of recording {full[1][3]} was changed" in found
    assert str(file.relative_to(shelf.home.root)) in found
    at = place % len(data)
    if 48 <= at < 48 + 65552 < len(data):  # behind the header, in front of the last piece, which is looked at first
        begin, end = map(int, re.findall(r"byte (\d+) to (\d+)", found)[0])
        assert begin <= at < end


@pytest.mark.parametrize(
    ("place", "code", "facts"),
    [
        (0, "file-mark", {"said"}),
        (16, "file-key", {"said", "key"}),
        (-1, "file-piece", {"said", "begin", "end"}),
        (60, "file-spans", set()),
    ],
)
def test_a_changed_file_is_told_by_its_code_too(
    shelf: Shelf, full: tuple[Path, list[int]], place: int, code: str, facts: set[str]
) -> None:
    long = shelf.put(stereo_wav(spoken(40, 300.0), spoken(40, 900.0)))
    assert keeper(shelf).round() == 1
    file = file_of(shelf, long)
    data = bytearray(file.read_bytes())
    assert len(data) > 48 + 65552, "more than one piece, of which the last is looked at first"
    data[place] ^= 0x10
    file.write_bytes(data)
    (flaw,) = shelf.read(lambda db: list(Verification(shelf.home, db).flaws()))
    assert (flaw.kind, flaw.place, flaw.code) == ("file", "path", code)
    assert set(flaw.args) == {"recording", "path", *facts}
    assert flaw.args["recording"] == long
    assert bool(flaw.spans) == (code == "file-spans")


def test_a_file_that_cannot_be_read_says_why_by_the_system_s_code(shelf: Shelf, full: tuple[Path, list[int]]) -> None:
    file = file_of(shelf, full[1][0])
    file.unlink()
    file.symlink_to("/dev/null")
    (flaw,) = shelf.read(lambda db: list(Verification(shelf.home, db).flaws()))
    assert (flaw.code, flaw.args["reason"]) == ("file-unread", "ELOOP")
    assert flaw.what.startswith(f"the file of recording {full[1][0]} cannot be read: ")


def test_a_shorter_a_missing_and_a_foreign_file_are_found(shelf: Shelf, full: tuple[Path, list[int]]) -> None:
    ids = full[1]
    one, two, three, four = (file_of(shelf, number) for number in ids[:4])
    one.write_bytes(one.read_bytes()[:-100])
    two.unlink()
    swap = three.read_bytes()
    three.write_bytes(four.read_bytes())
    four.write_bytes(swap)
    (shelf.home.recordings / "2026" / "put.ogg.sealed").write_bytes(swap)
    told = flaws(shelf)
    assert len(told) == 5
    assert f"the file of recording {ids[0]} was changed" in told[0]
    assert f"the file of recording {ids[1]} is not there" in told[1]
    for index in (2, 3):
        assert f"recording {ids[index]}" in told[index]
    assert "no row of the catalogue knows this file" in told[4]


@pytest.mark.parametrize(
    "change",
    [
        "duration_ms = duration_ms + 1", "sha256 = zeroblob(32)", "path = 'recordings/2026/other.ogg.sealed'",
        "gaps = '[[0,1000]]'", "made_ms = made_ms - 1", "peak_db = -1.5", "key_id = 'x'", "channels = 1",
        "source = 'recordings/y.wav'", "gone_ms = 1, gone_why = 'retention'", "recording = recording + 1",
        "plain_sha256 = zeroblob(32)", "file_id = zeroblob(24)", "bytes = bytes + 1",
    ],
)  # fmt: skip
def test_a_changed_row_about_a_file_is_found(shelf: Shelf, full: tuple[Path, list[int]], change: str) -> None:
    sql(shelf, f"UPDATE sound SET {change} WHERE recording = ?", full[1][2])
    told = flaws(shelf)
    assert any(str(full[1][2])[:-1] in one and one.startswith("sound") for one in told), told


def test_a_removed_row_about_a_file_is_found(shelf: Shelf, full: tuple[Path, list[int]]) -> None:
    sql(shelf, "DELETE FROM sound WHERE recording = ?", full[1][5])
    told = flaws(shelf)
    assert any(f"sound recording {full[1][5]}: its row was removed" in one for one in told)
    assert any("no row of the catalogue knows this file" in one for one in told)


@pytest.mark.parametrize("n", range(1, COUNT + 2))
def test_every_row_of_the_catalogue_is_missed_when_it_is_removed(shelf: Shelf, n: int) -> None:
    sql(shelf, "DELETE FROM seal WHERE n = ?", n)
    assert f"row row {n}: removed from the" in " ".join(flaws(shelf))


@pytest.mark.parametrize("n", range(1, COUNT + 2))
@pytest.mark.parametrize("change", ["at_ms = at_ms + 1", "digest = zeroblob(32)", "recording = recording + 1"])
def test_every_changed_row_of_the_catalogue_is_found(shelf: Shelf, n: int, change: str) -> None:
    sql(shelf, f"UPDATE seal SET {change} WHERE n = ?", n)
    assert any(re.search(rf"\b{n}\b", one.split(":")[0]) for one in flaws(shelf))


def _forge(db: sqlite3.Connection, last: int) -> None:
    """The last recording never was: its row, its seals and every seal behind it are written anew."""
    db.execute("DELETE FROM sound WHERE recording = ?", (last,))
    rows = list(seals.rows(db))
    db.execute("DELETE FROM seal")
    for row in rows:
        if row.recording != last:
            seals.append(db, row.at_ms, row.kind, row.recording, row.digest)  # type: ignore[arg-type]


def test_a_forged_catalogue_is_found_by_the_heads_kept_apart(shelf: Shelf, full: tuple[Path, list[int]]) -> None:
    file_of(shelf, full[1][0]).unlink()
    shelf.write(lambda db: _forge(db, full[1][0]))
    assert any("written anew" in one or "removed from the end" in one for one in flaws(shelf))


def test_a_forged_catalogue_with_forged_heads_is_found_by_a_printed_head(
    shelf: Shelf, full: tuple[Path, list[int]]
) -> None:
    printed: Head = shelf.read(seals.head)
    file_of(shelf, full[1][5]).unlink()
    shelf.write(lambda db: _forge(db, full[1][5]))
    for name in ("days", "tip"):
        (shelf.home.seals / name).unlink()
    assert flaws(shelf) == []
    told = shelf.read(lambda db: list(Verification(shelf.home, db, (printed,)).flaws()))
    assert [flaw.kind for flaw in told] == ["head"]


def test_a_removed_recording_is_no_flaw_but_hiding_the_removal_is(shelf: Shelf, full: tuple[Path, list[int]]) -> None:
    one = full[1][1]
    file = file_of(shelf, one)
    size = file.stat().st_size
    assert removal.remove(shelf.home, shelf.write, one, shelf.now_ms, "retention") == size
    assert not file.exists()
    assert removal.remove(shelf.home, shelf.write, one, shelf.now_ms, "retention") == 0
    keeper(shelf).round()
    assert flaws(shelf) == []
    sql(shelf, "UPDATE sound SET gone_why = 'legal' WHERE recording = ?", one)
    assert len(flaws(shelf)) == 1
    sql(shelf, "UPDATE sound SET gone_why = '', gone_ms = NULL WHERE recording = ?", one)
    assert any("the file was removed, says the catalogue" in told for told in flaws(shelf))


def test_an_erased_person_leaves_only_seals_and_the_chain_holds(shelf: Shelf, full: tuple[Path, list[int]]) -> None:
    one = full[1][2]
    file = file_of(shelf, one)
    freed = file.stat().st_size
    assert removal.erase(shelf.home, shelf.write, [one], shelf.now_ms) == freed
    assert shelf.read(lambda db: sounds.of(db, one)) is None
    keeper(shelf).round()
    assert flaws(shelf) == []


def test_seen_is_told_of_progress_and_may_end_it(shelf: Shelf) -> None:
    seen: list[int] = []

    def until_three(progress: object) -> None:
        seen.append(progress.done)  # type: ignore[attr-defined]
        if len(seen) > 6:
            raise InterruptedError

    watch: Callable[[object], None] = until_three
    with pytest.raises(InterruptedError):
        shelf.read(lambda db: list(Verification(shelf.home, db, seen=watch).flaws()))
    assert seen == sorted(seen)


def test_days_heads_grow_by_lines_and_survive_a_torn_one(shelf: Shelf) -> None:
    before = (shelf.home.seals / "days").read_bytes()
    shelf.now_ms += DAY_MS
    keeper(shelf).round()
    after = (shelf.home.seals / "days").read_bytes()
    assert after.startswith(before)
    assert len(after.splitlines()) == 2
    (shelf.home.seals / "days").write_bytes(after[:-30])
    keeper(shelf).round()
    assert flaws(shelf) == []


def test_a_clock_that_was_set_back_breaks_nothing(shelf: Shelf) -> None:
    shelf.now_ms -= 400 * DAY_MS
    keeper(shelf).round()
    assert shelf.put(stereo_wav(spoken(2), spoken(2)))
    keeper(shelf).round()
    shelf.now_ms += 500 * DAY_MS
    keeper(shelf).round()
    assert flaws(shelf) == []


def test_a_file_whose_name_is_no_text_is_found_as_any_other(shelf: Shelf) -> None:
    put = os.fsencode(shelf.home.recordings) + b"/2026/\xff\xfe.ogg.sealed"
    with open(put, "wb") as file:
        file.write(b"x")
    (flaw,) = shelf.read(lambda db: list(Verification(shelf.home, db).flaws()))
    assert flaw.code == "file-unknown"
    assert flaw.args["path"].isprintable()  # type: ignore[union-attr]
    json.dumps(flaw.plain(), ensure_ascii=False).encode()
