"""What an installed image has outside of any home: only names of files, and whether this machine is one.

Law: no other module writes these names down. ``root`` is "/" on a box; tests and ``RAMAL_IMAGE_ROOT`` say otherwise.
Layout of what lasts (``/data/system``)::

    slots/          trying, A, B, history.jsonl: notes of the boot selection (core.slots)
    failed-boots/   what a release that was left had to say: B-<unix time>.txt
"""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Image:
    """The names below ``root``. Making one touches nothing."""

    root: Path = Path("/")

    @property
    def release(self) -> Path:
        """VERSION=, ARCH=, BUILT=: only an image has it."""
        return self.root / "etc/ramal-release"

    @property
    def command_line(self) -> Path:
        return self.root / "proc/cmdline"

    @property
    def mounts(self) -> Path:
        return self.root / "proc/self/mountinfo"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def bootsel(self) -> Path:
        """Where the boot selector's partition is mounted, read-only."""
        return self.root / "bootsel"

    @property
    def autoboot(self) -> Path:
        return self.bootsel / "autoboot.txt"

    @property
    def slots(self) -> Path:
        return self.data / "system/slots"

    @property
    def failed_boots(self) -> Path:
        return self.data / "system/failed-boots"

    @property
    def updates(self) -> Path:
        """The daemon's folder: what became of what it asked for (progress.json), and the bundles that are sent to the
        page. Root's ``ramal update serve`` trusts nothing in it."""
        return self.data / "ramal/updates"

    @property
    def run(self) -> Path:
        """The daemon's folder in memory: sockets, and what it asks of root. The home's own ``run`` is a link to it that
        the daemon could lead elsewhere; both sides name a request by this path, and root follows no link."""
        return self.root / "run/ramal"

    @property
    def request(self) -> Path:
        """What the daemon asks of root about updates; in memory, so that it is not done again after a power cut."""
        return self.run / "update-wanted.json"

    @property
    def progress(self) -> Path:
        return self.updates / "progress.json"

    @property
    def restore_request(self) -> Path:
        """What the daemon asks of root about putting a backup back; in memory, for it holds a recovery code."""
        return self.run / "restore.json"

    @property
    def network_request(self) -> Path:
        """What the daemon asks of root about the network (core.network_asked); in memory."""
        return self.run / "network-wanted.json"

    @property
    def clock_request(self) -> Path:
        """A time said in the page, for root to set (core.clock_set); in memory, for it ends with the power."""
        return self.run / "clock-wanted.json"

    @property
    def restore_go(self) -> Path:
        """The same, found well by root and for root; what ``ramal-restore`` waits for."""
        return self.root / "run/ramal-restore/go.json"

    @property
    def restore_standing(self) -> Path:
        """What became of it; outlasts the restart."""
        return self.root / "data/system/restoring.json"

    @property
    def network_kept(self) -> Path:
        """The network's settings as they were confirmed last (core.network)."""
        return self.data / "system/network.toml"

    @property
    def network_trial(self) -> Path:
        """Those on trial, while they are; in memory."""
        return self.root / "run/ramal-network/trial.toml"

    @property
    def network_said(self) -> Path:
        """What root said of the last request about them."""
        return self.root / "run/ramal-network/said.json"

    @property
    def sticks(self) -> Path:
        """Where USB sticks are mounted, read-only, while somebody looks for updates on them."""
        return self.root / "run/ramal-sticks"

    @property
    def system_conf(self) -> Path:
        return self.root / "etc/rauc/system.conf"

    @property
    def tryboot_flags(self) -> tuple[Path, Path]:
        """Where “try the other slot at the next start, once” is written: QEMU's port, the Pi module's parameter."""
        return (
            self.root / "dev/virtio-ports/ramal.tryboot",
            self.root / "sys/module/ramal_tryboot/parameters/once",
        )

    @property
    def try_env(self) -> Path:
        """The same on a PC: one sector beside autoboot.txt, which GRUB takes back before it starts what is tried."""
        return self.bootsel / "try.env"

    @property
    def watchdog(self) -> Path:
        """What the kernel says of the machine's own watchdog, active or not; missing where there is none."""
        return self.root / "sys/class/watchdog/watchdog0/state"

    @property
    def is_here(self) -> bool:
        """Whether this machine is an image at all, and not a computer with Ramal on it."""
        return self.release.is_file()

    def version(self) -> str:
        """VERSION of the release file; "" without one."""
        return self.about().get("VERSION", "")

    def about(self) -> dict[str, str]:
        """The release file as a table; empty without one."""
        try:
            text = self.release.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return {}
        pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
        return {name.strip(): value.strip().strip('"')[:100] for name, _, value in pairs}


def image_here() -> Image:
    """This machine's, or that of ``RAMAL_IMAGE_ROOT``."""
    return Image(Path(os.environ.get("RAMAL_IMAGE_ROOT") or "/"))
