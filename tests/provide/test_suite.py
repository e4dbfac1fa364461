"""The second look of ``make test``, with a real pytest on suites of a few lines."""

import os
import sys
from pathlib import Path

import pytest

from ramal.provide import suite

ONCE = """
from pathlib import Path
def test_first_try_fails():
    mark = Path("mark")
    seen = mark.exists()
    mark.touch()
    assert seen
"""


def _run(folder: Path, text: str, *words: str) -> int:
    (folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (folder / "test_it.py").write_text(text)
    return suite.run(Path(sys.executable), folder, words, dict(os.environ))


def test_what_passes_alone_passes_and_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert _run(tmp_path, ONCE) == 0
    assert "Unsteady, to be mended:\n  test_it.py::test_first_try_fails" in capfd.readouterr().out
    assert (tmp_path / suite.UNSTEADY).read_text() == "test_it.py::test_first_try_fails\n"
    assert _run(tmp_path, ONCE) == 0
    assert not (tmp_path / suite.UNSTEADY).exists(), "of the last run only"


def test_a_story_is_looked_at_from_its_beginning(tmp_path: Path) -> None:
    story = "began = []\ndef test_begins():\n    began.append(1)\n"
    assert _run(tmp_path, story + ONCE.replace("    mark =", "    assert began\n    mark =")) == 0
    assert (tmp_path / suite.UNSTEADY).read_text() == "test_it.py::test_first_try_fails\n"


def test_what_fails_alone_too_fails(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert _run(tmp_path, ONCE + "def test_broken():\n    assert False\n") == 1
    assert "Unsteady" not in capfd.readouterr().out
    assert not (tmp_path / suite.UNSTEADY).exists()


def test_many_failures_are_no_bad_luck(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    many = "".join(
        ONCE.replace("first_try", f"number_{at}").replace('"mark"', f'"{at}"') for at in range(suite.LIMIT + 1)
    )
    assert _run(tmp_path, many) == 1
    assert "once more" not in capfd.readouterr().out


def test_a_suite_that_cannot_be_read_gets_no_second_look(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert _run(tmp_path, "import nothing_of_that_name") == 2
    assert "once more" not in capfd.readouterr().out


def test_side_by_side_failures_are_seen_as_well(tmp_path: Path) -> None:
    assert _run(tmp_path, ONCE, "-n", "2", "--dist", "loadfile") == 0
    assert (tmp_path / suite.UNSTEADY).exists()
