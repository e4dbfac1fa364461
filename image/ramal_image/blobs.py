"""What chip makers give only as binaries: which files of Debian's non-free-firmware packages an image takes.

Law: single files by name, never a package's scripts; their terms of use go where the files go. PURE.
"""

from collections.abc import Mapping, Sequence

PI_LOADER = "usr/lib/raspi-firmware"
"""A Pi 4's and CM4's second loader (the first is in its EEPROM; a Pi 5 has all of it there): moved to the slot's boot
partition by ``kernel.take``."""
PI_TERMS = "usr/share/doc/raspi-firmware/copyright"
"""Must lie beside the loader: redistribution is allowed with the notice, for use on a Raspberry Pi."""
TAKEN: Mapping[str, Sequence[str]] = {
    "raspi-firmware": (f"{PI_LOADER}/start4.elf", f"{PI_LOADER}/fixup4.dat"),
    # The wired ports of most small PCs (RTL8111, 8168, 8125, 8126), and USB ones (8153, 8156).
    "firmware-realtek": ("usr/lib/firmware/rtl_nic/*",),
}
