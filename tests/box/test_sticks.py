"""A USB stick is a stranger's: it does not choose its file system, nor how long one looks at it."""

from pathlib import Path

import pytest

from ramal.box import sticks
from ramal.box.image import Image
from ramal.errors import RamalError


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """A box with one stick in it."""
    found = Image(tmp_path)
    disk = tmp_path / "sys/block/sda"
    (disk / "sda1").mkdir(parents=True)
    (disk / "sda1/partition").write_text("1\n")
    (disk / "removable").write_text("1\n")
    return found


@pytest.mark.parametrize("holds", ["vfat", "exfat", "ext4"])
def test_a_stick_is_mounted_as_what_sticks_have_and_as_nothing_else(image: Image, holds: str) -> None:
    tried: list[str] = []

    def runs(words: list[str]) -> None:
        kinds = [word.partition("=")[2] for word in words if word.startswith("--type=")]
        assert len(kinds) == 1, "the kernel would try every file system it has"
        tried.extend(kinds)
        if kinds != [holds]:
            raise RamalError("wrong fs type")
        (Path(words[-1]) / "a.raucb").touch()

    found = sticks.bundles(image, runs)
    assert [path.name for path in found] == (["a.raucb"] if holds in ("vfat", "exfat") else [])
    assert tried == (["vfat"] if holds == "vfat" else ["vfat", "exfat"])


def test_of_a_stick_with_any_number_of_files_only_so_many_are_read(
    image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sticks, "NAMES_MAX", 5)

    def runs(words: list[str]) -> None:
        for number in range(50):
            (Path(words[-1]) / f"{number}.raucb").touch()

    assert len(sticks.bundles(image, runs)) == 5
    monkeypatch.setattr(sticks, "NAMES_MAX", 2000)
    assert len(sticks.bundles(image, runs)) == sticks.PER_STICK
