"""The initramfs' script of the data partition, run by a shell below a folder: real dd on a (sparse) disk file; what
would make, check and mount file systems only writes down that it was called."""

import re
import subprocess
from pathlib import Path

import pytest

from ramal_image import layout

SCRIPT = Path(__file__).parents[2] / "image/initramfs/data"
AROUND = """
FACTS={root}/facts disk=disk data=part
say() {{ echo "say $*" >> {root}/told; }}
in_root() {{ echo "run ${{1##*/}}" >> {root}/told; }}
mount() {{ echo "mount $2" >> {root}/told; [ "$2" != ext4 ] || {mounts}; }}
{dd}
. {root}/data
prepare_data
"""
REFUSES = 'dd() { case "$*" in *of=*) return 1 ;; *) command dd "$@" ;; esac; }'
FORGETS = 'dd() { case "$*" in *of=*) cat > /dev/null ;; *) command dd "$@" ;; esac; }'


class Disk:
    """A disk file with the sector that says whether data was made, and the machine around it."""

    def __init__(self, root: Path, state: bytes) -> None:
        self.root = root
        for folder in ("dev", "facts", "run", "newroot/data", "proc/sys/vm", "sys/class/block/disk"):
            (root / folder).mkdir(parents=True)
        for name, numbers in (("disk", {"size": 100}), ("part", {"size": 100, "start": 0, "partition": 6})):
            (root / "sys/class/block" / name).mkdir(exist_ok=True)
            for file, number in numbers.items():
                (root / "sys/class/block" / name / file).write_text(f"{number}\n")
        (root / "dev/part").write_bytes(bytes(4096))
        with (root / "dev/disk").open("wb") as file:
            file.seek(layout.STATE_OFFSET)
            file.write(layout.state_sector(state))
        # Every path of the machine's own, or this would be no test but a start.
        text = re.sub(r"(?<![\w}])/(?=dev/(?!null)|proc/|run/|newroot/|sys/)", f"{root}/", SCRIPT.read_text())
        (root / "data").write_text(text)

    def start(self, dd: str = "", mounts: str = "true") -> list[str]:
        """What one start says and calls."""
        around = AROUND.format(root=self.root, dd=dd, mounts=mounts)
        (self.root / "told").write_text("")
        subprocess.run(["sh", "-c", around], timeout=30, check=True)
        return (self.root / "told").read_text().splitlines()

    @property
    def is_safe(self) -> bool:
        return (self.root / "run/ramal-safe").exists()

    @property
    def state(self) -> bytes:
        with (self.root / "dev/disk").open("rb") as file:
            file.seek(layout.STATE_OFFSET)
            return file.read(layout.SECTOR)


def mounted(lines: list[str]) -> list[str]:
    return [line.split()[1] for line in lines if line.startswith("mount ")]


def test_the_first_start_makes_the_file_system_once_and_mounts_it(tmp_path: Path) -> None:
    disk = Disk(tmp_path, layout.STATE_NEW)
    first = disk.start()
    assert first.count("run mke2fs") == 1
    assert mounted(first) == ["ext4"]
    assert disk.state.startswith(layout.STATE_MADE)
    second = disk.start()
    assert "run mke2fs" not in second
    assert "run e2fsck" in second
    assert mounted(second) == ["ext4"]
    assert not disk.is_safe


@pytest.mark.parametrize("dd", [REFUSES, FORGETS], ids=["refused", "accepted and not kept"])
def test_what_would_be_made_anew_at_the_next_start_is_never_mounted(tmp_path: Path, dd: str) -> None:
    disk = Disk(tmp_path, layout.STATE_NEW)
    lines = disk.start(dd)
    assert mounted(lines) == ["tmpfs"]
    assert disk.is_safe
    assert any("NO DATA" in line and "another card" in line for line in lines)
    assert disk.state.startswith(layout.STATE_NEW)
    assert mounted(disk.start()) == ["ext4"], "it is made at the next start, when the card takes the mark"


def test_a_data_partition_that_cannot_be_mounted_is_left_alone(tmp_path: Path) -> None:
    disk = Disk(tmp_path, layout.STATE_MADE)
    lines = disk.start(mounts="false")
    assert "run mke2fs" not in lines
    assert mounted(lines) == ["ext4", "tmpfs"]
    assert disk.is_safe
    assert any("nothing on it was changed" in line for line in lines)


def test_a_mark_that_nobody_can_read_makes_nothing_anew(tmp_path: Path) -> None:
    disk = Disk(tmp_path, b"\xff" * 15)
    lines = disk.start()
    assert "run mke2fs" not in lines
    assert mounted(lines) == ["ext4"]
