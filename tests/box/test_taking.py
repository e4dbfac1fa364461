"""What the daemon leaves for root is taken away whatever it is; nothing is followed, waited for or done twice."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ramal.box import taking
from ramal.box.image import Image
from ramal.box.rauc import Rauc
from ramal.box.restoring import _taken as restore_taken
from ramal.box.slots import Boot
from ramal.box.updating import Updating
from tests.image.test_units import unit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "theirs"
    found.mkdir()
    return found


def lay_two_names(path: Path) -> None:
    path.write_text("{}")
    os.link(path, path.with_name("another"))


def lay_folder(path: Path) -> None:
    (path / "deep/deeper").mkdir(parents=True)
    (path / "deep/file").touch()


KINDS: dict[str, Callable[[Path], object]] = {
    "a link": lambda path: path.symlink_to("/etc/hostname"),
    "a link to nothing": lambda path: path.symlink_to("/nowhere"),
    "a FIFO": os.mkfifo,
    "a folder": lay_folder,
    "two names": lay_two_names,
    "too long": lambda path: path.write_text("x" * 101),
    "no text": lambda path: path.write_bytes(b""),
}


def test_a_request_is_taken_once_and_leaves_nothing(folder: Path) -> None:
    (folder / "wanted.json").write_text("a" * 100)
    assert taking.take(folder / "wanted.json", 100) == "a" * 100
    assert taking.take(folder / "wanted.json", 100) is None
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_request_is_taken_away_all_the_same(folder: Path, kind: str) -> None:
    """Else process 1 would start root's service for ever, and then never again."""
    path = folder / "wanted.json"
    KINDS[kind](path)
    assert taking.take(path, 100) == ""
    assert {one.name for one in folder.iterdir()} <= {"another"}
    assert taking.take(path, 100) is None


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("too long", "two names")])
def test_every_service_of_root_is_rid_of_it(tmp_path: Path, kind: str) -> None:
    """An update's, and a backup's that is put back; the clock's and the network's are in tests/ops."""
    image = Image(tmp_path)
    image.request.parent.mkdir(parents=True)
    KINDS[kind](image.request)
    assert not Updating(Boot(image, lambda words: None), Rauc(image)).serve()
    KINDS[kind](image.restore_request)
    assert restore_taken(image.restore_request) is None
    assert list(image.request.parent.iterdir()) == []


def test_a_folder_that_was_exchanged_for_a_link_is_not_entered(tmp_path: Path, folder: Path) -> None:
    (folder / "wanted.json").write_text("{}")
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert taking.take(link / "wanted.json", 100) is None
    with pytest.raises(OSError):
        taking.write(link / "wanted.json", "", 0o644)
    with pytest.raises(OSError):
        taking.remove(link / "wanted.json")
    assert (folder / "wanted.json").read_text() == "{}"


def test_what_is_asked_of_root_lies_in_memory_and_is_gone_with_the_power() -> None:
    """Else an update would be installed again after a power cut."""
    image = Image()
    assert unit("ramal-update.path")["PathExists"] == [str(image.request)]
    assert unit("ramal-restore-check.path")["PathExists"] == [str(image.restore_request)]
    for name in ("ramal-update", "ramal-restore-check", "ramal-clock-set", "ramal-network-ask"):
        assert unit(f"{name}.path")["PathExists"][0].startswith("/run/ramal/")
