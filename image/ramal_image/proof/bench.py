"""A board with a fresh copy of the built image, the ports that lead into it, and how long its starts took."""

import shutil
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from ramal.provide.say import say
from ramal_image import ImageError
from ramal_image.build import Built, Wanted
from ramal_image.proof import reach
from ramal_image.qemu.firmware import Board
from ramal_image.qemu.vm import Forward, Machine, Running

DISK_MIB = 4096
"""A small card: the image grows its data partition onto it."""
BOOT_S = 420.0
"""TCG on two busy processors; a Pi needs a tenth."""
RTP_PORTS = 40


@dataclass(slots=True)
class Bench:
    """One proof's board."""

    want: Wanted
    built: Built
    folder: Path
    page: int
    sip: int
    board: Board
    tls: int = 0
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def card(self) -> Path:
        return self.board.image

    @property
    def log(self) -> Path:
        """Everything the box said on its serial line, over all its starts."""
        return self.folder / "console.log"

    def start(self) -> Running:
        """Switch it on."""
        running = self.board.boot(self.log)
        chosen = self.board.starts[-1]
        say(f"  the loader boots partition {chosen.partition}{' for one try' if chosen.tried else ''}")
        return running

    def up(self, running: Running, timeout_s: float = BOOT_S) -> None:
        """Wait until calls and the page are there; notes when each came."""
        match = running.wait_for(r"ramal-initrd: root=\S+ slot=(\w) up=([\d.]+)", timeout_s)
        say(f"  {running.age_s:6.1f} s  root found (slot {match[1]}, the kernel {match[2]} s old)")
        self.figures["initramfs_s"] = float(match[2])
        calls_s = running.until(lambda: bool(reach.options(self.sip)), timeout_s, "SIP OPTIONS is answered")
        self.figures["calls_s"] = calls_s
        say(f"  {calls_s:6.1f} s  takes calls: {reach.options(self.sip)}")
        page_s = running.until(lambda: reach.page(self.page).status in (200, 302, 303), timeout_s, "the page answers")
        self.figures["page_s"] = page_s
        say(f"  {page_s:6.1f} s  the page answers {reach.page(self.page).status}")


def bench(want: Wanted, built: Built, folder: Path, append: str = "") -> Bench:
    """A new board in the new folder ``folder``; the copy of the image is as wide as a small card."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    card = folder / "card.img"
    done = subprocess.run(["cp", "--sparse=always", built.image, card])
    if done.returncode != 0:
        raise ImageError(f"{built.image} could not be copied (is the disk full?).")
    with card.open("r+b") as file:
        file.truncate(DISK_MIB << 20)
    page, sip = reach.free_port(), reach.free_port(socket.SOCK_DGRAM)
    first = 10000
    forwards = [Forward("tcp", page, 80), Forward("udp", sip, 5060)]
    forwards += [Forward("udp", port, port) for port in range(first, first + RTP_PORTS)]
    template = Machine(want.arch, Path(), Path(), "", "", forwards=forwards)
    return Bench(want, built, folder, page, sip, Board(card, template, folder, append))
