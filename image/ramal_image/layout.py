"""Where everything lies in the image file: the partitions, their numbers, and the one sector between them.

PURE: arithmetic only. Offsets and sizes in bytes where the name says nothing else; MiB where it does.
"""

import uuid
from dataclasses import dataclass

MIB = 1 << 20
SECTOR = 512
FAT_TYPE = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
"""An EFI system partition: where a PC's firmware looks for a loader."""
LINUX_TYPE = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
_NAMESPACE = uuid.UUID("6a9e2f0c-5d7b-5f0e-9a51-7b2d3c1e4f60")
FAT32_LEAST_CLUSTERS = 65_525
"""Below that a FAT32 file system is taken for FAT16, and the Pi's loader does not find autoboot.txt."""


@dataclass(frozen=True, slots=True)
class Partition:
    """``sectors_per_cluster`` only for the FAT ones (0: not FAT)."""

    number: int
    name: str
    start_mib: int
    size_mib: int
    sectors_per_cluster: int = 0

    @property
    def start(self) -> int:
        return self.start_mib * MIB

    @property
    def size(self) -> int:
        return self.size_mib * MIB

    def type(self, arch: str) -> str:
        """What the partition table calls it. Only a PC needs an EFI system partition, so a Pi's table has none."""
        if self.number == 1 and arch == "amd64":
            return ESP_TYPE
        return FAT_TYPE if self.sectors_per_cluster else LINUX_TYPE


BOOTSEL = Partition(1, "ramal-bootsel", 1, 64, 1)
BOOT_A = Partition(2, "ramal-boot-a", 65, 128, 2)
BOOT_B = Partition(3, "ramal-boot-b", 193, 128, 2)
ROOT_A = Partition(4, "ramal-root-a", 321, 512)
ROOT_B = Partition(5, "ramal-root-b", 833, 512)
DATA = Partition(6, "ramal-data", 1346, 64)
"""Grows to the end of the disk at the first boot; in the file it is only wide enough to be seen as a partition."""
PARTITIONS = (BOOTSEL, BOOT_A, BOOT_B, ROOT_A, ROOT_B, DATA)

STATE_OFFSET = 1345 * MIB
"""One sector in the gap before the data partition, written in place only: whether data was ever made. So that nothing
but this sector can make the box format it: a damaged file system is never taken for a new disk."""
STATE_NEW = b"RAMAL-DATA-NEW"
STATE_MADE = b"RAMAL-DATA-MADE"
IMAGE_BYTES = 1411 * MIB
"""The file: after data one MiB for the second GPT."""

BOOT_PARTITION = {"A": BOOT_A, "B": BOOT_B}
ROOT_PARTITION = {"A": ROOT_A, "B": ROOT_B}


def state_sector(state: bytes) -> bytes:
    """The sector's 512 bytes."""
    return state.ljust(SECTOR - 1, b" ") + b"\n"


def guid(version: str, arch: str, of: str) -> str:
    """A number that is the same for the same release and thing: reproducible, and new with every release."""
    return str(uuid.uuid5(_NAMESPACE, f"{version}/{arch}/{of}")).upper()


def volume_id(version: str, arch: str, of: str) -> str:
    """A FAT volume's number: eight hexadecimal digits."""
    return guid(version, arch, of).replace("-", "")[:8]


def sfdisk_script(version: str, arch: str) -> str:
    """What sfdisk makes the partition table of."""
    lines = ["label: gpt", f"label-id: {guid(version, arch, 'disk')}", "unit: sectors", "sector-size: 512", ""]
    for part in PARTITIONS:
        lines.append(
            f"start={part.start // SECTOR}, size={part.size // SECTOR}, type={part.type(arch)}, "
            f"uuid={guid(version, arch, part.name)}, name={part.name}"
        )
    return "\n".join(lines) + "\n"


def clusters(part: Partition) -> int:
    """At least how many clusters its FAT32 has (32 reserved sectors, two tables)."""
    sectors = part.size // SECTOR
    most = sectors // part.sectors_per_cluster
    table_sectors = -(-(most + 2) * 4 // SECTOR)
    return (sectors - 32 - 2 * table_sectors) // part.sectors_per_cluster
