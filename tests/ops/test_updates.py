"""The daemon's part of an update: it takes bundles in pieces, asks root by a file, and waits for calls."""

import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ramal.ami.codec import Message, decode
from ramal.backup_first import PATIENCE_MS
from ramal.box.home import Home
from ramal.box.image import Image
from ramal.control.protocol import Request
from ramal.core import slots, updates
from ramal.core.office import Office
from ramal.core.slots import Note, SlotsRefused
from ramal.core.state import State
from ramal.core.updates import Asked, Standing, UpdateRefused
from ramal.errors import RamalError
from ramal.ops import updates as ops
from ramal.ops.means import Means
from ramal.ops.updates import Desk
from tests.until import until


@dataclass
class Asterisk:
    """Tells which channels there are, as CoreShowChannels does."""

    channels: list[tuple[str, str]] = field(default_factory=list)
    down: bool = False
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def ask(self, action: str, headers: Any = (), variables: Any = (), *, action_id: str = "") -> Message:
        self.asked.append((action, dict(headers)["Channel"], dict(headers)["Context"]))
        return decode("Response: Success")

    def ask_list(self, action: str, headers: Any = (), *, timeout_s: float = 10.0) -> tuple[Message, list[Message]]:
        assert action == "CoreShowChannels"
        if self.down:
            raise RamalError("Asterisk is not connected.")
        rows = [decode(f"Event: CoreShowChannel\r\nChannel: {a}\r\nLinkedid: {b}") for a, b in self.channels]
        return decode("Response: Success"), rows


class Box:
    def __init__(self, root: Path) -> None:
        self.image, self.asterisk, self.now_ms = Image(root), Asterisk(), int(time.time() * 1000)
        for folder in ("etc", "proc", "bootsel", "data/system/slots", "data/system/failed-boots", "data/ramal"):
            (root / folder).mkdir(parents=True)
        self.image.release.write_text("VERSION=1.0.0\n")
        self.image.command_line.write_text("ramal.slot=A\n")
        self.image.autoboot.write_bytes(slots.render_autoboot("A"))

        def never(*_: Any, **__: Any) -> Any:
            raise AssertionError("an update asks nothing of this")

        self.means = Means(
            home=Home(root / "data/ramal"),
            write=never,
            write_soon=never,
            read=never,
            work=never,
            ask=self.asterisk.ask,
            ask_list=self.asterisk.ask_list,
            say=never,
            tell=never,
            office=lambda: Office(name="Sol"),
            state=State,
            clock_ms=lambda: self.now_ms,
        )
        self.desk = Desk(self.means, self.image, 0.02)

    def arm(self) -> None:
        (self.image.slots / "B").write_text(slots.note_text(Note("new", "1.1.0")))
        (self.image.slots / "trying").write_text("B armed\n")

    def asked(self) -> Asked | None:
        return updates.parse_asked(self.image.request.read_text()) if self.image.request.exists() else None

    def says(self, standing: Standing) -> None:
        self.image.updates.mkdir(exist_ok=True)
        self.image.progress.write_text(updates.standing_text(standing))

    def send(self, data: bytes, piece: int = 1000) -> str:
        name, at = "", 0
        while at < len(data):
            part = base64.b64encode(data[at : at + piece]).decode()
            told = self.desk.piece(ask("update.piece", upload=name, at=at, data=part))
            name, at = told["upload"], told["bytes"]
        return name


def ask(do: str, **given: Any) -> Request:
    return Request(1, do, given)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    found = Box(tmp_path)
    found.desk.start()
    yield found
    found.desk.stop()


def test_a_bundle_that_comes_in_pieces_is_whole_and_asked_for_by_its_path(box: Box) -> None:
    data = bytes(range(256)) * 40
    name = box.send(data)
    box.desk.install(ask("update.install", upload=name, who="owner"))
    path = box.image.updates / f"{name}.raucb"
    assert path.read_bytes() == data
    assert box.asked() == Asked("install", str(path), "owner", box.now_ms)
    assert box.desk.status()["asked"]


def test_pieces_out_of_order_or_of_strangers_names_are_refused(box: Box) -> None:
    name = box.send(b"x" * 10)
    for upload, at in ((name, 5), (name, 20), ("0" * 32, 0), ("../../etc/passwd", 0), (name + "\n", 10)):
        with pytest.raises(UpdateRefused):
            box.desk.piece(ask("update.piece", upload=upload, at=at, data="eA=="))
    with pytest.raises(RamalError, match="base64"):
        box.desk.piece(ask("update.piece", data="???"))
    with pytest.raises(UpdateRefused):
        box.desk.install(ask("update.install", upload="../../etc/passwd"))


def test_a_file_without_room_for_it_is_not_kept(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "RESERVE_BYTES", 1 << 60)
    with pytest.raises(UpdateRefused) as told:
        box.send(b"x")
    assert told.value.code == "no-room"
    assert list(box.image.updates.glob("*.raucb")) == []


def test_a_new_upload_forgets_the_one_before_and_a_forgotten_one_ends(box: Box) -> None:
    first, second = box.send(b"1"), box.send(b"2")
    assert [path.stem for path in box.image.updates.glob("*.raucb")] == [second] != [first]
    box.now_ms += ops.LIFE_MS + 60_000
    box.desk.tidy()
    assert list(box.image.updates.glob("*.raucb")) == []


@pytest.mark.parametrize("source", ["", "ftp://x/y", "/etc/shadow", "http://", "x" * 3000, "/run/ramal-sticks/a.raucb"])
def test_only_addresses_and_what_was_found_on_a_stick_are_asked_for(box: Box, source: str) -> None:
    with pytest.raises(UpdateRefused):
        box.desk.install(ask("update.install", source=source))
    assert box.asked() is None


def test_what_was_found_on_a_stick_can_be_installed(box: Box) -> None:
    box.desk.look(ask("update.look"))
    assert box.asked() == Asked("look", "", "command line", box.now_ms)
    box.image.request.unlink()
    box.says(Standing(sticks=("/run/ramal-sticks/sda1/a.raucb",)))
    box.desk.install(ask("update.install", source="/run/ramal-sticks/sda1/a.raucb"))
    assert (box.asked() or Asked("look")).source == "/run/ramal-sticks/sda1/a.raucb"


def test_one_thing_at_a_time_but_not_for_ever(box: Box) -> None:
    box.says(Standing("installing", 40, at_ms=box.now_ms))
    for again in (
        lambda: box.desk.install(ask("update.install", source="http://x/y")),
        lambda: box.desk.look(ask("update.look")),
        lambda: box.send(b"x"),
    ):
        with pytest.raises(UpdateRefused) as told:
            again()
        assert told.value.code == "busy"
    box.says(Standing("installing", 40, at_ms=1000))  # of before this machine was started
    assert box.desk.status()["standing"]["phase"] == "idle"
    box.desk.install(ask("update.install", source="http://x/y"))


def test_progress_of_a_clock_that_was_ahead_blocks_no_update(box: Box) -> None:
    box.says(Standing("installing", 40, at_ms=box.now_ms + ops.STALE_MS // 2))
    assert box.desk.status()["standing"]["phase"] == "installing", "a small step back is none to speak of"
    box.says(Standing("installing", 40, at_ms=box.now_ms + 365 * 24 * 3_600_000))
    assert box.desk.status()["standing"]["phase"] == "idle"
    box.desk.install(ask("update.install", source="http://x/y"))
    assert (box.asked() or Asked("look")).source == "http://x/y"


def test_a_restart_waits_for_calls_and_not_for_the_boxs_own(box: Box) -> None:
    box.arm()
    box.asterisk.channels = [("PJSIP/line-1", "c1"), ("PJSIP/201-2", "c1"), ("Local/a@ramal-tick-1;1", "t")]
    box.desk.restart(ask("update.restart", act="try", wait_s=600, who="owner"))
    until(lambda: (box.desk.status()["restart"] or {}).get("calls") == 1, 3.0, "the call is seen")
    assert box.asked() is None
    with pytest.raises(UpdateRefused):
        box.desk.restart(ask("update.restart", act="try"))
    box.asterisk.channels = [("PJSIP/ramal-health-1", "h")]
    until(lambda: box.asked() is not None, 3.0, "nobody talks any more")
    assert box.asked() == Asked("try", "", "owner", box.now_ms)
    assert box.desk.status()["restart"] is None


def test_a_restart_does_not_wait_longer_than_the_owner_said_and_tells_who_is_left(box: Box) -> None:
    box.arm()
    box.asterisk.channels = [("PJSIP/line-loop-1", "c1"), ("PJSIP/201-2", "c1"), ("PJSIP/line-loop-3", "c2")]
    box.desk.restart(ask("update.restart", act="try", wait_s=600))
    until(lambda: (box.desk.status()["restart"] or {}).get("calls") == 2, 3.0, "it waits")
    box.now_ms += 599_000
    assert box.asked() is None
    assert box.asterisk.asked == []
    box.now_ms += 1_000
    until(lambda: len(box.asterisk.asked) == 2, 3.0, "the bound is over, callers are told")
    assert box.asterisk.asked[0] == ("Redirect", "PJSIP/line-loop-1", "ramal-restart")
    assert box.asked() is None, "they are to hear it"
    box.asterisk.channels.append(("PJSIP/line-loop-4", "c3"))
    until(lambda: len(box.asterisk.asked) == 3, 3.0, "who calls now is told, too")
    assert box.asterisk.asked[2] == ("Redirect", "PJSIP/line-loop-4", "ramal-restart")
    box.now_ms += ops.GOODBYE_MS
    until(lambda: box.asked() is not None, 3.0, "they have heard it")
    assert len(box.asterisk.asked) == 3, "each once"


def test_an_asterisk_that_does_not_answer_holds_a_restart_up_to_the_bound_only(box: Box) -> None:
    box.arm()
    box.asterisk.down = True
    box.desk.restart(ask("update.restart", act="try", wait_s=600))
    until(lambda: box.desk.status()["restart"] is not None, 3.0, "it waits")
    assert box.asked() is None
    box.now_ms += 600_000
    until(lambda: box.asked() is not None, 3.0, "the bound is over")


def test_a_restart_that_waits_can_be_called_off(box: Box) -> None:
    box.arm()
    box.asterisk.channels = [("PJSIP/line-1", "c1")]
    box.desk.restart(ask("update.restart", act="try", wait_s=600))
    assert box.desk.stay() == {"stays": True}
    assert box.desk.stay() == {"stays": False}
    box.asterisk.channels = []
    assert box.desk.status()["restart"] is None
    assert box.asked() is None


def test_what_cannot_be_started_is_refused_at_once(box: Box) -> None:
    with pytest.raises(SlotsRefused):
        box.desk.restart(ask("update.restart", act="try"))
    with pytest.raises(SlotsRefused):
        box.desk.restart(ask("update.restart", act="back"))
    with pytest.raises(UpdateRefused):
        box.desk.restart(ask("update.restart", act="try", wait_s=99999))
    assert box.desk.status()["restart"] is None


def test_the_picture_tells_both_releases_and_why_one_was_left(box: Box) -> None:
    (box.image.slots / "B").write_text(slots.note_text(Note("bad", "1.1.0", "asterisk call")))
    story = box.image.failed_boots / "B-1795000000.txt"
    story.write_text("FAILED asterisk\n")
    seen = box.desk.status()
    assert (seen["version"], seen["running"], seen["on_trial"], seen["armed"]) == ("1.0.0", "A", False, False)
    assert seen["other"] == {"slot": "B", "state": "bad", "version": "1.1.0", "why": "asterisk call", "tries": 0}
    assert seen["stories"] == ["B-1795000000"]
    assert box.desk.story(ask("update.story", name="B-1795000000")) == {"text": "FAILED asterisk\n"}
    for name in ("../slots/B", "B-1", "", "B-1795000000\n"):
        with pytest.raises(UpdateRefused):
            box.desk.story(ask("update.story", name=name))


def test_a_machine_without_an_image_says_so_and_does_nothing(box: Box) -> None:
    box.image.release.unlink()
    assert box.desk.status()["image"] is False
    acts: tuple[Callable[[], Any], ...] = (
        lambda: box.send(b"x"),
        lambda: box.desk.install(ask("update.install", source="http://x/y")),
        lambda: box.desk.look(ask("update.look")),
        lambda: box.desk.restart(ask("update.restart", act="try")),
    )
    for act in acts:
        with pytest.raises(UpdateRefused) as told:
            act()
        assert told.value.code == "no-image"
    box.desk.tidy()


@dataclass
class Backups:
    """What makes backups: whether one can be made, and whether it is over."""

    can: bool = True
    over: bool = False
    begun: int = 0

    def begin(self) -> bool:
        self.begun += 1
        return self.can

    def is_over(self) -> bool:
        return self.over


@pytest.fixture
def backed(tmp_path: Path) -> Iterator[tuple[Box, Backups]]:
    found, backups = Box(tmp_path), Backups()
    found.desk = Desk(found.means, found.image, 0.02, backups)
    yield found, backups
    found.desk.stop()


def test_a_backup_is_made_before_an_update_is_installed(backed: tuple[Box, Backups]) -> None:
    box, backups = backed
    box.desk.start()
    box.desk.install(ask("update.install", source="https://ramal.test/a.raucb", who="owner"))
    until(lambda: backups.begun == 1, 5)
    for _ in range(5):
        box.desk._look_at_backup()
    assert box.asked() is None, "root does not begin before"
    assert box.desk.status()["backing"]
    with pytest.raises(UpdateRefused):
        box.desk.install(ask("update.install", source="https://ramal.test/b.raucb", who="owner"))
    backups.over = True
    until(lambda: box.asked() is not None, 5)
    assert box.asked() == Asked("install", "https://ramal.test/a.raucb", "owner", box.now_ms)
    assert backups.begun == 1
    assert not box.desk.status()["backing"]


def test_a_backup_that_cannot_be_made_or_does_not_end_holds_up_no_update(backed: tuple[Box, Backups]) -> None:
    box, backups = backed
    backups.can = False
    box.desk.install(ask("update.install", source="https://ramal.test/a.raucb", who="owner"))
    box.desk._look_at_backup()
    assert box.asked() is not None
    box.image.request.unlink()
    backups.can = True
    box.desk.install(ask("update.install", source="https://ramal.test/b.raucb", who="owner"))
    box.desk._look_at_backup()
    box.now_ms += PATIENCE_MS - 1
    box.desk._look_at_backup()
    assert box.asked() is None
    box.now_ms += 2
    box.desk._look_at_backup()
    assert box.asked() is not None


@pytest.mark.parametrize("years", [-50, 50])
def test_nor_does_a_clock_that_is_set_meanwhile(backed: tuple[Box, Backups], years: int) -> None:
    box, _ = backed
    box.desk.install(ask("update.install", source="https://ramal.test/a.raucb", who="owner"))
    box.desk._look_at_backup()
    box.now_ms += years * 365 * 86_400_000
    box.desk._look_at_backup()
    assert box.asked() is not None
