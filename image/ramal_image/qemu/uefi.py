"""A mini-PC in QEMU: UEFI (OVMF) with variables of its own, an NVMe disk, an Intel network port. Nothing is emulated of
the loader: the firmware finds it on the image's own first partition.

Law: the image and its kernel's command line are what they are. What the harness needs on the inside (a root shell on
the second serial port) comes as systemd's own credentials in the machine's SMBIOS, which only who owns the machine
can set.
"""

import base64
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

from ramal_image import ImageError, tools
from ramal_image.qemu import shell, vm
from ramal_image.qemu.vm import Machine, Running

FOLDER = Path("/usr/share/OVMF")
OPEN = ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd")
SECURE = ("OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.ms.fd")
"""Code and variables; the second ones have Secure Boot on, with Microsoft's keys, as a PC is sold."""
LINE_S = 300.0
"""TCG: the firmware and GRUB need ten seconds on an idle processor."""
SHELL = """\
[Unit]
DefaultDependencies=no
[Service]
Environment=TERM=dumb
ExecStart=/usr/bin/sh
Restart=always
RestartSec=0
StandardInput=tty
TTYPath=/dev/ttyS1
KillMode=process
SendSIGHUP=yes
"""


@dataclass(slots=True)
class Pc:
    """A PC with ``image`` as its disk. Its firmware's variables last from start to start in ``scratch``."""

    image: Path
    template: Machine
    scratch: Path
    secure: bool = False
    inside: shell.Shell = field(init=False)

    def __post_init__(self) -> None:
        self.inside = shell.Shell(self.scratch / "shell")
        if lacking := [name for name in (*OPEN, *SECURE) if not (FOLDER / name).exists()]:
            raise ImageError(f"{FOLDER} has no {tools.capped(lacking)}. Run `apt-get install ovmf`, then this again.")

    def boot(self, log: Path | None = None, disk: str | None = None) -> Running:
        """Switch it on; ``disk`` instead of the image itself (an NBD volume over the same file)."""
        self.inside.close()
        code, kept = SECURE if self.secure else OPEN
        variables = self.scratch / kept
        if not variables.exists():
            shutil.copyfile(FOLDER / kept, variables)
        more = [*self.template.more, *_inside(), *shell.device("amd64", self.scratch / "shell")]
        if self.secure:
            more += ["-machine", "smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"]
        machine = replace(
            self.template,
            disk=disk or str(self.image),
            pflash=(FOLDER / code, variables),
            disk_model="nvme,serial=ramal",
            network_model="e1000e",
            processors=1,
            more=more,
        )
        return vm.start(machine, log)

    def boot_legacy(self, log: Path | None = None) -> Running:
        """Switch it on as a PC without UEFI."""
        return vm.start(replace(self.template, disk=str(self.image), pflash=(), disk_model="nvme,serial=ramal"), log)

    def started(self, running: Running, timeout_s: float = LINE_S) -> tuple[int, bool]:
        """What GRUB says it starts: the partition, and whether for one try."""
        found = running.wait_for(r"ramal-loader: starts partition (\d)(, once)?\.", timeout_s)
        return int(found[1]), bool(found[2])


def _inside() -> list[str]:
    """QEMU's words for a root shell on the second serial port."""
    units = {
        "systemd.extra-unit.ramal-proof-shell.service": SHELL,
        "systemd.unit-dropin.sysinit.target": "[Unit]\nWants=ramal-proof-shell.service\n",
    }
    words = []
    for name, text in units.items():
        data = base64.b64encode(text.encode()).decode()
        words += ["-smbios", f"type=11,value=io.systemd.credential.binary:{name}={data}"]
    return words
