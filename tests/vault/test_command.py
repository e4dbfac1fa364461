"""``ramal recordings``, as a person types it, while no daemon runs."""

import json
import re
import stat
from pathlib import Path

import pytest

from ramal import cli
from ramal.store import seals
from ramal.vault import keys
from tests.vault.shelf import Shelf
from tests.vault.test_keep import TALK, keeper


def ramal(shelf: Shelf, *words: str) -> int:
    shelf.writer.stop()
    code = cli.main(["--home", str(shelf.home.root), "recordings", *words])
    shelf.writer = Shelf.at(shelf.home.root).writer
    return code


def test_verify_says_that_all_is_well_prints_the_seal_and_writes_it_down(
    shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.put(TALK)
    keeper(shelf).round()
    assert ramal(shelf, "verify") == 0
    told = capsys.readouterr().out
    assert "Everything is as it was sealed (1 files" in told
    printed = re.findall(r"1(?:-[0-9a-f]{8}){8}", told)[0]
    check = shelf.read(seals.last_check)
    assert (check.amiss, check.files, check.seals, check.head) == (0, 1, 1, printed)
    assert ramal(shelf, "verify", "--head", printed) == 0
    assert ramal(shelf, "verify", "--head", "1" + "-00000000" * 8) == 1
    assert "not what the head that was given stands for" in capsys.readouterr().out
    assert ramal(shelf, "verify", "--head", "nonsense") == 1


def test_verify_tells_every_flaw_and_ends_with_one(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    recording = shelf.put(TALK)
    keeper(shelf).round()
    file = shelf.path(recording)
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    assert ramal(shelf, "verify") == 1
    assert "was changed" in capsys.readouterr().out
    assert json.loads(shelf.read(seals.last_check).found)[0]["kind"] == "file"
    assert ramal(shelf, "verify", "--json") == 1
    assert json.loads(capsys.readouterr().out.splitlines()[0])["kind"] == "file"
    assert ramal(shelf, "verify", "--quick") == 0
    file.unlink()
    assert ramal(shelf, "verify", "--quick") == 1


def test_the_key_goes_to_another_box_and_back(shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ramal(shelf, "key") == 0
    assert "There is no key yet" in capsys.readouterr().out
    assert ramal(shelf, "key", "export") == 1
    shelf.put(TALK)
    keeper(shelf).round()
    out = tmp_path / "key.txt"
    assert ramal(shelf, "key", "export", str(out)) == 0
    told = capsys.readouterr()
    assert "without it nobody ever can again" in told.err
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert ramal(shelf, "key", "export", str(out)) == 1, "an older export is never written over"
    ((who, what),) = shelf.read(lambda db: db.execute("SELECT who, what FROM audit").fetchall())
    assert (who[:6], what) == ("shell:", "recordings.key-exported")
    shelf.home.recordings_key.unlink()
    assert ramal(shelf, "key", "show") == 1
    assert "MISSING" in capsys.readouterr().out
    assert ramal(shelf, "key", "import", str(out)) == 0
    assert ramal(shelf, "key") == 0
    assert ramal(shelf, "key", "new") == 0
    assert len(keys.load(shelf.home).keys) == 2
    assert ramal(shelf, "key", "sell") == 1


def test_the_list_shows_hostile_paths_as_text(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    shelf.put(TALK, "recordings/2026/\x1b[2Jx\u202e.wav")
    keeper(shelf).round()
    assert ramal(shelf, "list") == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "1 recordings are kept" in told
    assert ramal(shelf, "list", "--json") == 0
    assert json.loads(capsys.readouterr().out)["form"] == "opus"


def test_a_rebuild_leaves_everything_that_was_kept(shelf: Shelf) -> None:
    shelf.put(TALK)
    keeper(shelf).round()
    shelf.writer.stop()
    assert cli.main(["--home", str(shelf.home.root), "rebuild"]) == 0
    assert cli.main(["--home", str(shelf.home.root), "recordings", "verify"]) == 0
    shelf.writer = Shelf.at(shelf.home.root).writer
