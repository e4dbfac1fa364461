"""The Raspberry Pi's loader in front of QEMU: autoboot.txt, the one-shot tryboot flag, a slot's kernel, command line.

Law: it reads the same files of the same image as a Pi does, and writes none; so what works with it works by the files
alone. The flag is lost after one start, whatever happens in it.
"""

import contextlib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from ramal.provide.say import say
from ramal_image import ImageError, autoboot, layout, tools
from ramal_image.qemu import vm
from ramal_image.qemu.vm import Machine, Running

SERIAL = {"amd64": "ttyS0", "arm64": "ttyAMA0"}
FALLS_MAX = 4
"""Starts of one machine that may end in QEMU's own fault before it is given up."""
FIRST_WORD_S = 900.0


@dataclass(frozen=True, slots=True)
class Booted:
    """One start, as the loader chose it."""

    partition: int
    tried: bool


@dataclass(slots=True)
class Board:
    """A board with ``image`` as its card. ``append`` goes behind every command line; ``template`` is the rest of the
    machine (ports, memory)."""

    image: Path
    template: Machine
    scratch: Path
    append: str = ""
    tryboot: bool = False
    starts: list[Booted] = field(default_factory=list)

    def choose(self) -> Booted:
        """What the loader boots now; the flag is used up by it."""
        choice = autoboot.read(self._file(layout.BOOTSEL, "autoboot.txt"))
        chosen = Booted(choice.tried if self.tryboot else choice.usual, self.tryboot)
        self.tryboot = False
        return chosen

    def boot(self, log: Path | None = None, disk: str | None = None) -> Running:
        """Start the chosen slot; ``disk`` instead of the image itself (an NBD volume over the same file)."""
        chosen = self.choose()
        self.starts.append(chosen)
        part = next((part for part in layout.PARTITIONS if part.number == chosen.partition), None)
        if part not in layout.BOOT_PARTITION.values() or part is None:
            raise ImageError(f"autoboot.txt names partition {chosen.partition}, which holds no slot: a Pi hangs here.")
        config = settings(self._file(part, "config.txt").decode("ascii", "replace"))
        for key, file in (("kernel", "kernel8.img"), ("initramfs", "initramfs.zst")):
            name = config.get(key, file).split()[0]
            (self.scratch / file).write_bytes(self._file(part, name))
        flag = self.scratch / "tryboot"
        flag.write_bytes(b"")
        line = command_line(self._file(part, "cmdline.txt").decode("ascii", "replace"), self.template.arch)
        machine = replace(
            self.template,
            kernel=self.scratch / "kernel8.img",
            initramfs=self.scratch / "initramfs.zst",
            command_line=f"{line} {self.append}".strip(),
            disk=disk or str(self.image),
            tryboot=flag,
        )
        return _started(machine, log)

    def ended(self) -> None:
        """Look after a start whether the box asked for the one-shot flag."""
        self.tryboot = (self.scratch / "tryboot").read_bytes().strip().startswith(b"tryboot")

    def _file(self, part: layout.Partition, name: str) -> bytes:
        out = self.scratch / "file"
        out.unlink(missing_ok=True)
        tools.run("mcopy", "-n", "-i", f"{self.image}@@{part.start}", f"::{name}", out, env={"MTOOLS_SKIP_CHECK": "1"})
        return out.read_bytes()


def _started(machine: Machine, log: Path | None) -> Running:
    """The machine, once the image's initramfs has said its first word; begun again, aloud, where QEMU's processor
    emulation fell over before that (``vm.fell_over``): then nothing of the image has run, and no disk was written."""
    for fall in range(FALLS_MAX):
        running = vm.start(machine, log)
        with contextlib.suppress(ImageError):  # whoever waits for more says what there is to say
            running.wait_for(r"ramal-initrd:|Kernel panic", FIRST_WORD_S)
        if not vm.fell_over(running.said):
            return running
        running.kill()
        say(f"  QEMU's emulation of the processor fell over before the image ran (int3, fall {fall + 1}): begun again")
    raise ImageError(f"QEMU fell over {FALLS_MAX} times before the image ran; this says nothing of the image.")


def settings(text: str) -> dict[str, str]:
    """config.txt: ``key=value`` lines, and ``initramfs`` with its words; only the ``[all]`` section."""
    found: dict[str, str] = {}
    section = "all"
    for line in text.splitlines():
        words = line.split("#")[0].strip()
        if words.startswith("["):
            section = words.strip("[]")
        elif section == "all" and words.startswith("initramfs "):
            found["initramfs"] = words.removeprefix("initramfs ").strip()
        elif section == "all" and "=" in words:
            key, _, value = words.partition("=")
            found[key.strip()] = value.strip()
    return found


def command_line(text: str, arch: str) -> str:
    """cmdline.txt as the kernel gets it: one line, ``serial0`` replaced by the board's port."""
    first = text.strip().splitlines()[0] if text.strip() else ""
    return re.sub(r"\bserial0\b", SERIAL[arch], first)
