"""One QEMU machine: its command line (PURE), and the running process with its serial line.

The serial line is read by a thread of its own into a text that only grows, so that nothing waits on a fixed time and
no output is lost. Everything else is for the thread that started the machine.
"""

import re
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ramal_image import ImageError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Forward:
    """A port of this machine (loopback) that leads to one of the virtual machine's."""

    protocol: str
    here: int
    there: int


@dataclass(frozen=True, slots=True)
class Machine:
    """What is put together. ``disk``: a raw file, or ``nbd:unix:/path``; ``memory_mib``; ``tap``: a
    network interface instead of forwarded ports; ``tryboot`` takes what the guest writes to its one-shot flag.

    ``pflash``: a UEFI's code and variables, which then find a loader on the disk themselves (no kernel given); empty:
    a legacy BIOS instead, which talks on the serial line."""

    arch: str
    kernel: Path
    initramfs: Path
    command_line: str
    disk: str
    forwards: Sequence[Forward] = ()
    memory_mib: int = 1024
    processors: int = 2
    tap: str = ""
    tryboot: Path | None = None
    snapshot: bool = False
    pflash: Sequence[Path] | None = None
    disk_model: str = "virtio-blk-pci"
    network_model: str = "virtio-net-pci"
    more: Sequence[str] = ()


_BOARD = {
    # TCG, never KVM: /dev/kvm may be there and not carry a kernel (IMAGE.md 4).
    "amd64": ("qemu-system-x86_64", "-M", "q35", "-cpu", "Nehalem"),
    "arm64": ("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72"),
}


def argv(machine: Machine, serial: Path) -> list[str]:
    """QEMU's command line; the serial line becomes the unix socket ``serial``."""
    cache = "none" if machine.disk.startswith("nbd:") else "unsafe"
    drive = f"file={machine.disk},format=raw,if=none,id=disk,cache={cache}"
    words = [*_BOARD[machine.arch], "-accel", "tcg,thread=multi", "-smp", str(machine.processors)]
    words += ["-m", str(machine.memory_mib), *_loading(machine)]
    words += ["-drive", drive + (",snapshot=on" if machine.snapshot else "")]
    words += ["-device", f"{machine.disk_model},drive=disk", "-device", "virtio-rng-pci"]
    if machine.tap:
        words += ["-nic", f"tap,ifname={machine.tap},script=no,downscript=no,model={machine.network_model}"]
    else:
        net = "".join(f",hostfwd={item.protocol}:{LOOPBACK}:{item.here}-:{item.there}" for item in machine.forwards)
        words += ["-nic", f"user,model={machine.network_model}{net}"]
    if machine.tryboot is not None:
        words += ["-device", "virtio-serial-pci", "-chardev", f"file,id=tryboot,path={machine.tryboot}"]
        words += ["-device", "virtserialport,chardev=tryboot,name=ramal.tryboot"]
    words += ["-display", "none", "-monitor", "none", "-chardev", f"socket,id=serial,path={serial},server=on,wait=off"]
    return [*words, "-serial", "chardev:serial", "-no-reboot", *machine.more]


def _loading(machine: Machine) -> list[str]:
    if machine.pflash is None:
        return ["-kernel", str(machine.kernel), "-initrd", str(machine.initramfs), "-append", machine.command_line]
    words = [] if machine.pflash else ["-machine", "graphics=off"]
    for path, more in zip(machine.pflash, (",readonly=on", ""), strict=False):
        words += ["-drive", f"if=pflash,format=raw,file={path}{more}"]
    return words


_FELL = re.compile(r"Oops: int3:")


def fell_over(said: str) -> bool:
    """Whether QEMU's TCG ran kernel text that the kernel was just patching (an ``int3`` nobody set, seen with QEMU 7.2
    and two processors), before anything of the image ran. PURE."""
    return _FELL.search(said) is not None and "ramal-initrd:" not in said


@dataclass(slots=True)
class Running:
    """A started machine. As a context manager it is killed at the end (a crash, not a power cut: see ``volume``)."""

    process: "subprocess.Popen[bytes]"
    began: float
    _line: socket.socket
    _folder: tempfile.TemporaryDirectory[str]
    _said: bytearray = field(default_factory=bytearray)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _reader: threading.Thread | None = None

    @property
    def age_s(self) -> float:
        """Since QEMU was started."""
        return time.monotonic() - self.began

    @property
    def said(self) -> str:
        """Everything that came over the serial line."""
        with self._news:
            return bytes(self._said).decode("utf-8", "replace")

    def type(self, text: str) -> None:
        """Type on the serial console."""
        self._line.sendall(text.encode())

    def wait_for(self, pattern: str, timeout_s: float, since: int = 0) -> "re.Match[str]":
        """The first match in what was said from ``since`` (characters) on; ImageError with the last lines otherwise."""
        found = re.compile(pattern)
        deadline = time.monotonic() + timeout_s
        with self._news:
            while True:
                match = found.search(bytes(self._said).decode("utf-8", "replace"), since)
                if match:
                    return match
                left_s = deadline - time.monotonic()
                if left_s <= 0 or (self.process.poll() is not None and not self._reading()):
                    break
                self._news.wait(min(left_s, 0.5))
        how = "the machine ended" if self.process.poll() is not None else f"{timeout_s:.0f} s went by"
        raise ImageError(f"{how} and the console never said “{pattern}”. Its last lines:\n{self.tail()}")

    def until(
        self, true: Callable[[], bool], timeout_s: float, what: str, more: Callable[[], str] | None = None
    ) -> float:
        """Ask until ``true`` says so; the machine's age then, in s. ImageError when it never does; ``more`` looks up
        what else is to be said then, while the machine runs."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if true():
                return self.age_s
            if self.process.poll() is not None:
                raise ImageError(f"The machine ended while waiting for: {what}. Its last lines:\n{self.tail()}")
            with self._news:
                self._news.wait(0.5)
        told = f" {more()}" if more is not None else ""
        raise ImageError(f"After {timeout_s:.0f} s still not: {what}.{told} The console's last lines:\n{self.tail()}")

    def wait_end(self, timeout_s: float) -> int:
        """The exit code of a machine that ends by itself (``-no-reboot``: also when it starts anew)."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ImageError(
                f"The machine did not end within {timeout_s:.0f} s. Its last lines:\n{self.tail()}"
            ) from None

    def tail(self, lines: int = 25) -> str:
        """The last lines of the console."""
        return "\n".join(self.said.replace("\r", "").splitlines()[-lines:])

    def kill(self) -> None:
        """End it at once. Idempotent."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self._reader is not None:
            self._reader.join()
        self._line.close()
        self._folder.cleanup()

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _reading(self) -> bool:
        return self._reader is not None and self._reader.is_alive()

    def read_on(self, log: Path | None) -> None:
        """The reader thread's whole life."""
        with log.open("ab") if log else tempfile.TemporaryFile() as file:
            while True:
                try:
                    data = self._line.recv(65536)
                except OSError:
                    data = b""
                if not data:
                    break
                file.write(data)
                file.flush()
                with self._news:
                    self._said += data
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()


def start(machine: Machine, log: Path | None = None) -> Running:
    """Start it; ``log`` collects the serial line. ImageError when QEMU is missing or gives up."""
    folder = tempfile.TemporaryDirectory(prefix="ramal-vm-")
    path = Path(folder.name) / "serial"
    errors = Path(folder.name) / "errors"
    try:
        with errors.open("wb") as stderr:
            process = subprocess.Popen(argv(machine, path), stdin=subprocess.DEVNULL, stderr=stderr, stdout=stderr)
    except FileNotFoundError as error:
        folder.cleanup()
        raise ImageError(
            f"{error.filename} is missing. Run `apt-get install qemu-system-x86 qemu-system-arm`."
        ) from error
    began = time.monotonic()
    line = socket.socket(socket.AF_UNIX)
    while True:
        try:
            line.connect(str(path))
            break
        except OSError:
            if process.poll() is not None or time.monotonic() - began > 20:
                process.kill()
                said = errors.read_text(errors="replace").strip()
                line.close()
                folder.cleanup()
                raise ImageError(f"QEMU did not start: {said[-500:]}") from None
            time.sleep(0.02)
    running = Running(process, began, line, folder)
    running._reader = threading.Thread(target=running.read_on, args=(log,), name="serial line", daemon=True)
    running._reader.start()
    return running
