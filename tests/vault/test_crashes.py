"""Killed at any step, there is one good copy, and the next keeper goes on."""

import subprocess
import sys
from pathlib import Path

import pytest

from ramal.store import sounds
from ramal.vault.keep import STEPS
from tests.vault.shelf import Shelf
from tests.vault.test_keep import TALK, flaws, keeper, plain

ROOT = Path(__file__).parents[2]


def killed_at(shelf: Shelf, step: str, times: int = 1) -> None:
    shelf.close()
    words = [sys.executable, "-m", "tests.vault.child", str(shelf.home.root), str(shelf.now_ms), step, str(times)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == -9, done.stderr
    shelf.writer = Shelf.at(shelf.home.root).writer


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step_there_is_one_good_copy_and_it_is_taken_up(shelf: Shelf, step: str) -> None:
    first, second = shelf.put(TALK), shelf.put(TALK)
    killed_at(shelf, step)
    for recording in (first, second):
        sound = plain(shelf, recording)
        assert sound == TALK or sound[:4] == b"OggS"
    # The wav may still stand beside a kept file that has its row; never may both be gone, or the row come first.
    row = shelf.read(lambda db: sounds.of(db, first))
    assert (row is not None) == (STEPS.index(step) >= STEPS.index("written"))
    assert shelf.path(first, ".wav").exists() == (STEPS.index(step) < STEPS.index("removed"))
    one = keeper(shelf)
    while one.round():
        pass
    for recording in (first, second):
        assert plain(shelf, recording)[:4] == b"OggS"
        assert not shelf.path(recording, ".wav").exists()
    assert [path.name for path in shelf.home.recordings_work.iterdir()] == ["keys"]
    assert flaws(shelf) == []


def test_killed_again_and_again_it_still_ends_well(shelf: Shelf) -> None:
    recording = shelf.put(TALK)
    for step in ("encoded", "named", "written"):
        killed_at(shelf, step)
    assert keeper(shelf).round() == 0, "only the wav was left to be removed"
    assert plain(shelf, recording)[:4] == b"OggS"
    assert not shelf.path(recording, ".wav").exists()
    assert flaws(shelf) == []


def test_a_kept_file_that_turns_out_bad_while_the_wav_is_there_is_made_again(shelf: Shelf) -> None:
    recording = shelf.put(TALK)
    killed_at(shelf, "written")
    shelf.path(recording).write_bytes(b"what a dying disk left")
    assert keeper(shelf).round() == 1
    assert plain(shelf, recording)[:4] == b"OggS"
    assert not shelf.path(recording, ".wav").exists()
    assert flaws(shelf) == []
