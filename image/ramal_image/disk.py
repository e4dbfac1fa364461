"""The image file put together from its parts: FAT by mtools, the table by sfdisk, the rest by copying to offsets.

Law: no loop device, no mount; times, numbers and order are given, never taken from the clock. Main thread.
"""

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ramal_image import ImageError, layout, loader, tools
from ramal_image.layout import Partition

_BLOCK = 1 << 20


def fat(out: Path, part: Partition, label: str, number: str, files: Mapping[str, Path], epoch: int) -> None:
    """A FAT32 file system of the partition's size with ``files`` (name on it: file here), in the order given; folders
    in the names are made."""
    if layout.clusters(part) < layout.FAT32_LEAST_CLUSTERS:
        raise ImageError(f"{part.name} would be too small for FAT32 ({layout.clusters(part)} clusters).")
    out.unlink(missing_ok=True)
    with out.open("wb") as file:
        file.truncate(part.size)
    tools.run(
        "mkfs.vfat", "-F", "32", "-s", str(part.sectors_per_cluster), "-n", label, "-i", number, "--invariant", out
    )
    stamp = {"SOURCE_DATE_EPOCH": str(epoch), "MTOOLS_SKIP_CHECK": "1"}
    made: set[PurePosixPath] = set()
    for name, source in files.items():
        for folder in reversed(PurePosixPath(name).parents[:-1]):
            if folder not in made:
                tools.run("mmd", "-i", out, f"::{folder}", env=stamp)
                made.add(folder)
        os.utime(source, (epoch, epoch))
        tools.run("mcopy", "-m", "-i", out, source, f"::{name}", env=stamp)


def bootsel(out: Path, version: str, arch: str, epoch: int, files: Mapping[str, Path]) -> None:
    """The boot selector with ``files`` (``loader.files``)."""
    fat(out, layout.BOOTSEL, "RAMALSEL", layout.volume_id(version, arch, "bootsel"), files, epoch)


def squashfs(root: Path, out: Path, epoch: int, level: int) -> None:
    """The root, read-only: everything with the same time, no attribute that a file system of the builder adds."""
    out.unlink(missing_ok=True)
    tools.run("mksquashfs", root, out, "-comp", "zstd", "-Xcompression-level", str(level), "-noappend", "-no-progress",
              "-quiet", "-no-xattrs", "-no-exports", "-mkfs-time", str(epoch), "-all-time", str(epoch), "-root-mode",
              "755", "-processors", "2")  # fmt: skip
    if out.stat().st_size > layout.ROOT_A.size:
        raise ImageError(
            f"The root is {out.stat().st_size / 1e6:.0f} MB and its partition {layout.ROOT_A.size_mib} MiB."
        )


def assemble(out: Path, version: str, arch: str, parts: Mapping[Partition, Path]) -> None:
    """The whole image: partition table, ``parts`` at their places, and the sector that says the data is to be made."""
    partial = out.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with partial.open("wb") as file:
        file.truncate(layout.IMAGE_BYTES)
    tools.run(
        "sfdisk", "-q", "--no-reread", "--no-tell-kernel", partial, given=layout.sfdisk_script(version, arch).encode()
    )
    with partial.open("r+b") as file:
        for part, source in parts.items():
            _copy(source, file.fileno(), part)
        os.pwrite(file.fileno(), layout.state_sector(layout.STATE_NEW), layout.STATE_OFFSET)
        if arch == "amd64":
            os.pwrite(file.fileno(), loader.legacy(), 0)
        os.fsync(file.fileno())
    partial.rename(out)


def _copy(source: Path, target: int, part: Partition) -> None:
    if source.stat().st_size > part.size:
        raise ImageError(f"{source.name} does not fit into {part.name} ({part.size_mib} MiB). Nothing was built.")
    offset = part.start
    with source.open("rb") as file:
        while block := file.read(_BLOCK):
            if block.strip(b"\0"):  # holes stay holes
                os.pwrite(target, block, offset)
            offset += len(block)


def compress(image: Path) -> Path:
    """``.img.xz`` beside it: what every flashing program reads."""
    out = image.with_name(image.name + ".xz")
    out.unlink(missing_ok=True)
    # A given block size, so that the bytes do not depend on how many processors work.
    tools.run("xz", "-1", "-T2", "--block-size=16MiB", "-k", image)
    return out
