"""A backup that the owner put back in the page: the daemon asks, root opens it, stops, puts in place, starts anew. Real
backups and homes; systemd is the test's."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.box.home import Home
from ramal.box.image import Image
from ramal.box.restore_serve import UNITS, serve
from ramal.core import restoring
from ramal.core.restoring import Asked, parse_asked
from ramal.errors import RamalError
from ramal.ops.restoring import Desk
from ramal.store import settings as office_rows
from ramal.store.db import open_reader
from ramal.vault import backup_keys
from tests.backups.grown import backup, grown
from tests.vault.shelf import Shelf
from tests.web.box import Box, demo_office


class World:
    """Another box: new hardware with an empty home, and a stick with the backup of the first."""

    def __init__(self, folder: Path) -> None:
        self.first: Box = grown(folder / "one" / "home")
        self.image, self.shelf = Image(folder / "image"), Shelf.at(folder / "image" / "data" / "ramal")
        self.image.release.parent.mkdir(parents=True)
        self.image.release.write_text("VERSION=1\n")
        self.image.backup_stick.mkdir(parents=True)
        self.name = backup(self.first, self.image.backup_stick).path.name
        self.code = backup_keys.load(self.first.home)[-1].code
        self.called: list[tuple[str, ...]] = []

    @property
    def home(self) -> Home:
        return self.shelf.home

    def systemd(self, words: Sequence[str]) -> None:
        self.called.append(tuple(words))
        if words[1] == "stop":
            self.shelf.close()  # the daemon's writer

    def root(self) -> bool:
        return serve(self.home, self.image, self.systemd).ok

    def desk(self) -> Desk:
        return Desk(self.shelf.means(), self.image)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.first.close()
    made.shelf.close()


def test_a_backup_on_the_stick_makes_another_box_the_first_one(world: World) -> None:
    desk = world.desk()
    assert desk.status()["stick"] == [world.name]
    desk.start("stick", world.name, world.code, "ana")
    assert desk.status()["waits"]
    assert world.home.restore_wanted.stat().st_mode & 0o777 == 0o600, "it holds the code"
    assert world.root()
    assert world.called == [("systemctl", "stop", *UNITS), ("systemctl", "reboot")]
    with open_reader(world.home.db) as db:
        assert office_rows.load(db) == demo_office()
        assert db.execute("SELECT 1 FROM audit WHERE what = 'backup.restored'").fetchone()
    assert not world.home.restore_wanted.exists()
    assert restoring.parse_said(world.image.restore_said.read_text()).ok  # type: ignore[union-attr]


def test_with_a_wrong_code_nothing_is_stopped(world: World) -> None:
    world.desk().start("stick", world.name, "aaaa-bbbb-cccc", "ana")
    before = world.home.db.read_bytes()
    assert not world.root()
    assert world.called == []
    assert world.home.db.read_bytes() == before
    said = world.desk().status()["said"]
    assert not said["ok"]
    assert said["sentence"]


def test_a_damaged_backup_leaves_the_box_as_it_was_and_running(world: World) -> None:
    path = world.image.backup_stick / world.name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    world.desk().start("stick", world.name, world.code, "ana")
    assert not world.root()
    assert ("systemctl", "reboot") not in world.called
    stops = [words for words in world.called if words[1] == "stop"]
    starts = [words for words in world.called if words[1] == "start"]
    assert len(stops) == len(starts), "what was ended goes on"


@pytest.mark.parametrize("name", ["../../etc/passwd", "photo.jpg", "", "ramal-20260101-000000.ramal-backup"])
def test_only_what_lies_there_can_be_asked_for(world: World, name: str) -> None:
    (world.image.backup_stick / "photo.jpg").touch()
    with pytest.raises(RamalError, match="Nothing was changed"):
        world.desk().start("stick", name, "", "ana")
    assert not world.home.restore_wanted.exists()


@given(st.text(max_size=60), st.sampled_from(("box", "stick", "/", "..")))
def test_root_is_never_led_out_of_the_two_places(name: str, where: str) -> None:
    asked = parse_asked(restoring.asked_text(Asked(where, name)))  # type: ignore[arg-type]
    assert asked is None or (asked.where in ("box", "stick") and "/" not in asked.name)


def test_root_follows_no_link(world: World, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    os.rename(world.image.backup_stick / world.name, target)
    (world.image.backup_stick / world.name).symlink_to(target)
    world.home.restore_wanted.write_text(restoring.asked_text(Asked("stick", world.name, world.code, "x")))
    assert not world.root()
    assert world.called == []
