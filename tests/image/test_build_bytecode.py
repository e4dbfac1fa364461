"""Who makes an image's byte code."""

from dataclasses import replace
from pathlib import Path

import pytest

from ramal.provide import archive
from ramal_image import ImageError, bytecode, debs

IMAGE = Path(__file__).parents[2] / "image"
LOCKS = {arch: debs.read((IMAGE / f"packages-{arch}.lock").read_text()) for arch in debs.ARCHITECTURES}
HERE = archive.architecture()
ABROAD = next(arch for arch in debs.ARCHITECTURES if arch != HERE)


def test_the_machines_own_image_makes_it_by_itself(tmp_path: Path) -> None:
    with bytecode.runner(LOCKS[HERE], LOCKS[HERE], HERE, 0, tmp_path, None) as runner:
        assert runner is None


@pytest.mark.parametrize("name", bytecode.MAKERS)
def test_another_version_of_python_makes_none_for_an_image(name: str, tmp_path: Path) -> None:
    other = [replace(deb, version="3.14.99-1") if deb.name == name else deb for deb in LOCKS[HERE]]
    with bytecode.runner(LOCKS[ABROAD], other, ABROAD, 0, tmp_path, None) as runner:
        assert runner is None
    assert list(tmp_path.iterdir()) == []


def test_the_committed_locks_have_the_same_python_so_that_no_build_is_slow() -> None:
    for name in bytecode.MAKERS:
        assert {debs.version_of(lock, name) for lock in LOCKS.values()} == {debs.version_of(LOCKS[HERE], name)}
        assert debs.version_of(LOCKS[HERE], name) is not None


def test_a_root_without_that_python_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no Python"):
        bytecode.compile_all(tmp_path)
