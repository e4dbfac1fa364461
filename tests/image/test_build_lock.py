"""The package list and its lock."""

from pathlib import Path

import pytest

from ramal_image import debs
from ramal_image.debs import Deb, LockWrong, Wish

IMAGE = Path(__file__).parents[2] / "image"
ONE = Deb("root", "asterisk", "1:22.10.1+dfsg+~cs6.17-1", "amd64", "ab" * 32, 12)
TWO = Deb("kernel", "linux-modules-7.2.12+deb14-amd64", "7.2.12-1", "amd64", "cd" * 32, 99)


def test_a_lock_reads_back_as_it_was_written_in_one_order() -> None:
    assert debs.read(debs.written([ONE, TWO], "amd64")) == sorted([TWO, ONE])
    assert debs.written([ONE, TWO], "amd64") == debs.written([TWO, ONE], "amd64")


@pytest.mark.parametrize(
    "line",
    [
        "root asterisk 1.0 amd64 " + "ab" * 32,
        "root asterisk 1.0 amd64 " + "AB" * 32 + " 5",
        "root ../../etc 1.0 amd64 " + "ab" * 32 + " 5",
        "root asterisk 1.0/2 amd64 " + "ab" * 32 + " 5",
        "shell asterisk 1.0 amd64 " + "ab" * 32 + " 5",
        "root asterisk 1.0 sparc " + "ab" * 32 + " 5",
        "root asterisk 1.0 amd64 " + "ab" * 32 + " -5",
        "",
    ],
)
def test_a_line_that_is_not_one_of_ours_is_refused(line: str) -> None:
    with pytest.raises(LockWrong):
        debs.read(line)


def test_a_package_named_twice_is_refused() -> None:
    with pytest.raises(LockWrong):
        debs.read(debs.written([ONE], "amd64") + debs.written([ONE], "amd64"))


def test_another_version_hash_or_recipe_is_another_base_layer() -> None:
    key = debs.key([ONE, TWO], "1")
    assert key == debs.key([TWO, ONE], "1")
    assert key != debs.key([ONE, TWO], "2")
    assert key != debs.key([ONE], "1")
    assert key != debs.key([Deb(ONE.group, ONE.name, ONE.version, ONE.arch, "ff" * 32, 12), TWO], "1")


def test_the_list_knows_architectures_and_other_suites() -> None:
    text = "# why\nsystemd\nraspi-firmware @forky/non-free-firmware [arm64]  # Pi 4\nrclone @bookworm\n"
    assert debs.wishes(text, "amd64") == [Wish("systemd"), Wish("rclone", "bookworm")]
    loader = Wish("raspi-firmware", "forky", "non-free-firmware")
    assert debs.wishes(text, "arm64") == [Wish("systemd"), loader, Wish("rclone", "bookworm")]
    assert [wish.group for wish in debs.wishes(text, "arm64")] == ["root", "files", "beside"]


@pytest.mark.parametrize("line", ["systemd [sparc]", "two words", "Caps", "a;b", "x @one @two"])
def test_a_line_of_the_list_that_is_no_package_is_refused(line: str) -> None:
    with pytest.raises(LockWrong):
        debs.wishes(line, "amd64")


def test_the_committed_locks_hold_what_the_list_asks_for_and_no_compiler() -> None:
    locks = sorted(IMAGE.glob("packages-*.lock"))
    assert locks
    for path in locks:
        arch = path.stem.removeprefix("packages-")
        names = {deb.name for deb in debs.read(path.read_text()) if deb.group != "build"}
        assert {wish.name for wish in debs.wishes((IMAGE / "packages.txt").read_text(), arch)} <= names
        compilers = {
            name for name in names if name.startswith(("gcc", "g++", "clang", "make", "dkms", "cpp", "binutils"))
        }
        assert compilers <= {name for name in names if name.startswith("gcc-") and name.endswith("-base")}
        assert "://" not in path.read_text()
