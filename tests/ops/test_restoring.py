"""The daemon's part of putting a backup back: a file in pieces, and a request that root may read."""

import base64
import time
from pathlib import Path
from typing import Any

import pytest

from ramal.box.image import Image
from ramal.control.protocol import Request
from ramal.core import restoring
from ramal.core.restoring import Asked, Standing
from ramal.errors import RamalError
from ramal.ops.restoring import Desk, RestoreRefused
from ramal.ops.uploads import UploadRefused
from tests.ops.test_updates import Box as Daemon

NAME = "ramal-20261122-030000.ramal-backup"


class Box:
    def __init__(self, root: Path) -> None:
        self.daemon = Daemon(root)
        self.image: Image = self.daemon.image
        (root / "run/ramal").mkdir(parents=True)
        self.desk = Desk(self.daemon.means, self.image)

    def asks(self, **given: Any) -> Asked | None:
        self.desk.begin(Request(1, "restore.begin", given))
        return restoring.parse_asked(self.image.restore_request.read_text())

    def send(self, data: bytes, upload: str = "", at: int = 0) -> dict[str, Any]:
        given = {"upload": upload, "at": at, "data": base64.b64encode(data).decode()}
        return dict(self.desk.piece(Request(1, "restore.piece", given)))

    def said(self, standing: Standing) -> None:
        self.image.restore_standing.write_text(restoring.standing_text(standing))


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "image")


def test_what_lies_on_the_box_is_asked_for_by_its_name_and_only_root_reads_the_code(box: Box) -> None:
    asked = box.asks(name=NAME, code="abcd 2345", who="owner")
    assert asked == Asked("restore", NAME, "abcd 2345", "owner", box.daemon.now_ms)
    assert box.image.restore_request.stat().st_mode & 0o777 == 0o600
    with pytest.raises(RestoreRefused, match="already"):
        box.asks(name=NAME)


def test_a_file_is_sent_in_pieces_and_asked_for(box: Box) -> None:
    first = box.send(b"RAMAL")
    second = box.send(b"more", first["upload"], 5)
    assert second["bytes"] == 9
    asked = box.asks(upload=first["upload"], name=NAME)
    assert asked is not None
    assert (box.image.updates / asked.file).read_bytes() == b"RAMALmore", "what was sent counts, not the name"
    box.daemon.now_ms += 10 * 3_600_000
    box.desk.tidy()
    assert (box.image.updates / asked.file).exists(), "root is about to open it"


def test_what_nobody_went_on_with_is_dropped_and_a_new_file_takes_its_place(box: Box) -> None:
    first = box.send(b"one")
    second = box.send(b"two")
    with pytest.raises(UploadRefused, match="not here"):
        box.send(b"more", first["upload"], 3)
    box.daemon.now_ms += 3_600_000
    box.desk.tidy()
    with pytest.raises(UploadRefused, match="not here"):
        box.asks(upload=second["upload"])


@pytest.mark.parametrize("name", ["", "../db/ramal.db", "/etc/passwd", "ramal-20261399-030000.ramal-backup", "x" * 500])
def test_no_other_name_is_asked_for(box: Box, name: str) -> None:
    with pytest.raises(RestoreRefused, match="no backup"):
        box.asks(name=name)
    assert not box.image.restore_request.exists()


def test_a_code_that_is_none_is_refused(box: Box) -> None:
    with pytest.raises(RestoreRefused, match="not so long"):
        box.asks(name=NAME, code="a" * 301)


def test_nothing_is_asked_while_one_is_put_back(box: Box) -> None:
    box.said(Standing("restoring", at_ms=box.daemon.now_ms))
    for act in (lambda: box.asks(name=NAME), lambda: box.send(b"x"), lambda: box.desk.forget(Request(1, "f", {}))):
        with pytest.raises(RestoreRefused, match="already"):
            act()


def test_what_was_cut_off_by_a_power_cut_is_said_and_blocks_nothing(box: Box) -> None:
    booted_ms = box.daemon.now_ms - time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    box.said(Standing("restoring", at_ms=booted_ms - 1000))
    assert box.desk.status()["standing"]["code"] == "stopped"
    assert box.asks(name=NAME) is not None


def test_a_machine_without_an_image_is_told_how(box: Box) -> None:
    box.image.release.unlink()
    assert box.desk.status() == {"image": False}
    with pytest.raises(RestoreRefused, match="ramal restore FILE"):
        box.asks(name=NAME)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"act": "restore", "file": "/etc/shadow", "at_ms": 1}', "[" * 100_000]
)
def test_what_is_no_request_is_none(text: str) -> None:
    assert restoring.parse_asked(text) is None
    assert restoring.parse_standing(text) == Standing()


def test_a_disk_that_takes_no_request_is_told(box: Box) -> None:
    box.image.restore_request.parent.rmdir()
    with pytest.raises(RamalError, match="Nothing was changed"):
        box.asks(name=NAME)
