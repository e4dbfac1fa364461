"""The box restarts for an update while somebody talks to it: they are waited for, then told, and then it restarts."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.box.image import Image
from ramal.core import slots, updates
from ramal.core.slots import Note
from tests.system import box, sipp
from tests.system.box import TestBox
from tests.until import until

pytestmark = pytest.mark.system


@pytest.fixture
def image(monkeypatch: pytest.MonkeyPatch) -> Iterator[Image]:
    """An image's files below a folder, with a release that waits to be started."""
    with tempfile.TemporaryDirectory(prefix="ramal-image-", dir="/tmp") as folder:
        found = Image(Path(folder))
        for path in (found.slots, found.bootsel, found.data / "ramal", found.root / "etc", found.root / "proc"):
            path.mkdir(parents=True)
        found.release.write_text("VERSION=1.0.0\n")
        found.command_line.write_text("ramal.slot=A\n")
        found.autoboot.write_bytes(slots.render_autoboot("A"))
        (found.slots / "B").write_text(slots.note_text(Note("new", "1.1.0")))
        (found.slots / "trying").write_text("B armed\n")
        monkeypatch.setenv("RAMAL_IMAGE_ROOT", folder)
        yield found


def test_a_caller_is_waited_for_and_told_before_the_box_restarts(image: Image) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="ramal-", dir="/tmp") as folder,
        box.running(Path(folder), box.office()) as running,
    ):
        until(lambda: running.control("live")["asterisk"]["up"], 40, "Asterisk is up")
        number = running.office.numbers[0].number
        running.call(sipp.Caller(number, stay_ms=60_000))
        until(lambda: running.channels() > 0, 15, "somebody calls")
        running.control("update.restart", act="try", wait_s=3)
        until(lambda: waits_for(running) == 1, 5, "the call is seen")
        assert not image.request.exists()
        until(lambda: "ramal-restart" in running.command("core show channels concise"), 15, "they are told")
        assert not image.request.exists()
        until(image.request.exists, 20, "then root is asked to restart")
        asked = updates.parse_asked(image.request.read_text())
        assert asked is not None
        assert asked.act == "try"
        until(lambda: running.channels() == 0, 10, "the call has ended")


def waits_for(running: TestBox) -> int | None:
    restart = running.control("update.status")["restart"]
    return restart["calls"] if restart else None
