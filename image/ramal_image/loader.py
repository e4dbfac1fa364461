"""What lies on the first partition, and the command line's file as its reader wants it: a Pi's loader, or a PC's UEFI.

On arm64 autoboot.txt alone. On amd64 Debian's shim (signed by Microsoft), Debian's GRUB (signed by Debian) and
loader/grub.cfg beside it, at the names where a PC's firmware and they themselves look; both are taken out of their
packages as files and never installed. No release and no update writes them again: what changes with a release
(kernel, initramfs, command line) lies in its slot. Main thread.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ramal_image import ImageError, autoboot, debs, envblk, sbom, tools
from ramal_image.debs import Deb

TAKEN: Mapping[str, tuple[str, str]] = {
    "shim-signed": ("usr/lib/shim/shimx64.efi.signed", "EFI/BOOT/BOOTX64.EFI"),
    "grub-efi-amd64-signed": ("usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", "EFI/BOOT/grubx64.efi"),
}
"""Package: its file, and where that lies on the partition."""
CONFIG = "EFI/debian/grub.cfg"
"""Where Debian's signed GRUB looks; the folder is part of what is signed."""
LEGACY = (
    "Ramal starts on PCs with UEFI, and this one starts by its legacy BIOS.\r\n"
    "In its setup, turn UEFI on (and CSM or Legacy off), then start again.\r\n"
)
NO_TRY = (envblk.HEADING + b"try=0\n").ljust(envblk.SIZE, b"#")


def legacy() -> bytes:
    """What a PC without UEFI runs from the first sector (its first 440 bytes): says LEGACY, and stops."""
    code = bytes.fromhex("31c0 8ed8 fc be197c ac 84c0 7409 b40e bb0700 cd10 ebf2 f4 ebfd")
    # xor ax, ax; mov ds, ax; cld; mov si, text; next: lodsb; test al, al; jz end; mov ah, 0eh (write a letter);
    # mov bx, 7; int 10h; jmp next; end: hlt; jmp end; text:
    return (code + LEGACY.encode("ascii")).ljust(440, b"\0")


def command_line_file(arch: str, line: str) -> str:
    """cmdline.txt: the line itself for a Pi's loader; for GRUB with its heading and a name."""
    if "\n" in line or "\\" in line:
        raise ImageError(f"The kernel's command line {line!r} cannot be written down for the loader.")
    return f"{envblk.HEADING.decode()}cmdline={line}\n" if arch == "amd64" else f"{line}\n"


def command_line_of(text: str) -> str:
    """The line that a loader makes of either kind of cmdline.txt."""
    lines = [line for line in text.strip().splitlines() if not line.startswith("#")]
    return lines[0].removeprefix("cmdline=") if lines else ""


def unpack(locked: Sequence[Deb], arch: str, cache: Path, folder: Path, mirror: str | None = None) -> list[sbom.Part]:
    """Unpack the loader's packages into ``folder``; what they are, for the SBOM. Nothing on arm64."""
    ours = [deb for deb in locked if deb.group == "loader"]
    missing = sorted(set(debs.LOADER.get(arch, ())) - {deb.name for deb in ours})
    if missing:
        raise ImageError(f"The package lock lacks {tools.capped(missing)}. Run `make image-lock ARCH={arch}`.")
    if not ours:
        return []
    papers = []
    for path in (found for _, found in sorted(debs.fetch(ours, arch, cache, mirror).items())):
        tools.run("dpkg-deb", "-x", path, folder)
        papers.append(debs.control(path))
    status = folder / "var/lib/dpkg/status"
    status.parent.mkdir(parents=True, exist_ok=True)
    status.write_text("\n\n".join(papers) + "\n")
    return sbom.of_root(folder)


def files(arch: str, unpacked: Path, checkout: Path, scratch: Path) -> Mapping[str, Path]:
    """Name on the first partition: file here. The two that are ever written come first, each one sector."""
    scratch.mkdir(parents=True, exist_ok=True)
    selector = scratch / "autoboot.txt"
    selector.write_bytes(autoboot.text(autoboot.Choice(usual=2, tried=3), arch))
    found = {"autoboot.txt": selector}
    if arch == "amd64":
        flag, config = scratch / "try.env", scratch / "grub.cfg"
        flag.write_bytes(NO_TRY)
        config.write_bytes((checkout / "image/loader/grub.cfg").read_bytes())
        found |= {"try.env": flag, CONFIG: config}
        found |= {there: unpacked / here for here, there in TAKEN.values()}
    lacking = [name for name, path in found.items() if not path.is_file()]
    if lacking:
        raise ImageError(f"The loader's packages hold no {tools.capped(lacking)} any more; nothing was built.")
    return found
