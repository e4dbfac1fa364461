"""A board with a fresh copy of the built image on a network of its own, and how long its starts took."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from ramal.provide.say import say
from ramal_image import ImageError
from ramal_image.build import Built, Wanted
from ramal_image.proof import reach
from ramal_image.qemu import shell, wire
from ramal_image.qemu.firmware import Board
from ramal_image.qemu.shell import Shell
from ramal_image.qemu.vm import Machine, Running

DISK_MIB = 4096
"""A small card: the image grows its data partition onto it."""
BOOT_S = 900.0
"""TCG: a minute and a half on two idle processors, five minutes on two that are busy; a Pi needs a tenth."""


@dataclass(slots=True)
class Bench:
    """One proof's board."""

    want: Wanted
    built: Built
    folder: Path
    board: Board
    host: str = wire.BOX
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def card(self) -> Path:
        return self.board.image

    @property
    def log(self) -> Path:
        """Everything the box said on its serial line, over all its starts."""
        return self.folder / "console.log"

    def start(self, disk: str | None = None) -> Running:
        """Switch it on."""
        running = self.board.boot(self.log, disk)
        chosen = self.board.starts[-1]
        say(f"  the loader boots partition {chosen.partition}{' for one try' if chosen.tried else ''}")
        return running

    def up(self, running: Running, timeout_s: float = BOOT_S) -> None:
        """Wait until calls and the page are there; notes when each came."""
        match = running.wait_for(r"ramal-initrd: root=\S+ slot=(\w) up=([\d.]+)", timeout_s)
        say(f"  {running.age_s:6.1f} s  root found (slot {match[1]}, the kernel {match[2]} s old)")
        self.figures["initramfs_s"] = float(match[2])
        calls_s = running.until(lambda: bool(reach.options(self.host)), timeout_s, "SIP OPTIONS is answered")
        self.figures["calls_s"] = calls_s
        say(f"  {calls_s:6.1f} s  takes calls: {reach.options(self.host)}")
        page_s = running.until(lambda: reach.page(self.host).status in (200, 302, 303), timeout_s, "the page answers")
        self.figures["page_s"] = page_s
        say(f"  {page_s:6.1f} s  the page answers {reach.page(self.host).status}")

    def fresh_card(self) -> None:
        """Another card: a new copy of the image."""
        _copy(self.built.image, self.card)

    @contextmanager
    def at_night(self) -> Iterator[None]:
        """Starts in this block are in the night after today, after the hour of backups everywhere in Brazil."""
        tomorrow = time.gmtime(time.time() + 86_400)
        kept = self.board.template
        self.board.template = replace(
            kept, more=[*kept.more, "-rtc", time.strftime("base=%Y-%m-%dT07:20:00", tomorrow)]
        )
        try:
            yield
        finally:
            self.board.template = kept

    @contextmanager
    def inside(self) -> Iterator[Shell]:
        """A root shell, for the starts made in this block."""
        path = self.folder / "shell"
        board = self.board
        kept, template = board.append, board.template
        board.append = f"{kept} {shell.switch(self.want.arch)}".strip()
        board.template = replace(template, more=[*template.more, *shell.device(self.want.arch, path)])
        opened = Shell(path)
        try:
            yield opened
        finally:
            opened.close()
            board.append, board.template = kept, template


def bench(want: Wanted, built: Built, folder: Path, append: str = "") -> Bench:
    """A new board in the new folder ``folder``; the copy of the image is as wide as a small card."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    card = folder / "card.img"
    _copy(built.image, card)
    template = Machine(want.arch, Path(), Path(), "", "", tap=wire.TAP)
    return Bench(want, built, folder, Board(card, template, folder, append))


def _copy(image: Path, card: Path) -> None:
    done = subprocess.run(["cp", "--sparse=always", image, card])
    if done.returncode != 0:
        raise ImageError(f"{image} could not be copied (is the disk full?).")
    with card.open("r+b") as file:
        file.truncate(DISK_MIB << 20)
