"""What the Raspberry Pi's loader reads of autoboot.txt: which partition it boots, usually and on a one-shot try.

PURE. Written from the loader's documentation and apart from the box's own writer (ramal.box), so that the emulated
loader does not repeat a mistake of it.
"""

from dataclasses import dataclass

from ramal_image import ImageError, envblk

SIZE = 512
"""Bytes: one sector, always the same one; the file is only ever written in place."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Partition numbers; ``tried`` is what a boot with the tryboot flag takes."""

    usual: int
    tried: int


def read(data: bytes) -> Choice:
    """The loader's view of ``data``. ImageError when a real one would find no partition to boot.

    Lines before a section count for all; ``#`` begins a comment line; a later value replaces an earlier one; the
    ``[tryboot]`` section counts only for a tried boot.
    """
    section, usual, tried = "all", None, None
    for line in data.decode("ascii", "replace").splitlines():
        text = line.strip()
        if text.startswith("[") and text.endswith("]"):
            section = text[1:-1]
            continue
        key, equals, value = text.partition("=")
        if text.startswith("#") or not equals or key.strip() != "boot_partition":
            continue
        if not value.strip().isdigit():
            continue
        if section == "all":
            usual = int(value)
            tried = usual
        elif section == "tryboot":
            tried = int(value)
    if usual is None or tried is None or not 1 <= usual <= 128 or not 1 <= tried <= 128:
        raise ImageError("autoboot.txt names no partition: a Pi would boot nothing, or the wrong slot.")
    return Choice(usual, tried)


def text(choice: Choice, arch: str = "arm64") -> bytes:
    """The file as an image ships it: padded to one sector by empty lines, as the box's own writer does. A PC's begins
    with the heading that lets GRUB read it."""
    body = f"[all]\ntryboot_a_b=1\nboot_partition={choice.usual}\n[tryboot]\nboot_partition={choice.tried}\n"
    return ((envblk.HEADING if arch == "amd64" else b"") + body.encode()).ljust(SIZE, b"\n")
