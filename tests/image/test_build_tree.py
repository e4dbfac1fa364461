"""Which modules a board's disk hangs on, read from its device tree."""

import struct

import pytest

from ramal_image import ImageError, tree

ALIASES = """\
# Aliases extracted from modules themselves.
alias of:N*T*Cbrcm,bcm2712-sdhciC* sdhci_brcmstb
alias of:N*T*Cbrcm,bcm2712-sdhci sdhci_brcmstb
alias of:N*T*Cregulator-fixedC* fixed
alias of:N*T*Cbrcm,bcm7445-gpioC* gpio-brcmstb
alias of:N*T*Cbrcm,mipC* irq_mip
alias of:N*T*Cbrcm,genetC* genet
alias of:N*T*Cbrcm,v3dC* v3d
alias pci:v0000* nothing_of_ours
""".splitlines()
BUILT_IN = b"clk.alias=of:N*T*Cbrcm,clkC*\0clk.license=GPL\0pci.alias=of:N*T*Cbrcm,pcie\0"
DRIVERS = tree.drivers(ALIASES, BUILT_IN)


def cells(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def flat(nodes: dict[str, dict[str, bytes]]) -> bytes:
    """A flattened tree of paths, in the order given (each after its parent)."""
    strings, body, path = b"", b"", ["\0none"]
    for name, properties in nodes.items():
        while path[-1] != "\0none" and not name.startswith(path[-1] + "/"):
            path.pop()
            body += cells(2)
        path.append(name)
        word = name.rpartition("/")[2].encode() + b"\0"
        body += cells(1) + word + b"\0" * (-len(word) % 4)
        for key, value in properties.items():
            body += cells(3, len(value), len(strings)) + value + b"\0" * (-len(value) % 4)
            strings += key.encode() + b"\0"
    body += cells(2) * (len(path) - 1) + cells(9)
    return cells(tree.MAGIC, 40 + len(body) + len(strings), 40, 40 + len(body), 0, 17, 16, 0, 0, 0) + body + strings


BOARD = {
    "": {},
    "/clk": {"compatible": b"brcm,clk\0", "phandle": cells(1), "#clock-cells": cells(1)},
    "/gpio": {"compatible": b"brcm,bcm7445-gpio\0", "phandle": cells(2), "#gpio-cells": cells(2)},
    "/sd-vcc": {"compatible": b"regulator-fixed\0", "phandle": cells(3), "gpios": cells(2, 3, 0)},
    "/mip": {"compatible": b"brcm,mip\0", "phandle": cells(4)},
    "/ethernet@1": {"compatible": b"brcm,genet\0", "phandle": cells(5)},
    "/mmc@2": {
        "compatible": b"brcm,bcm2712-sdhci\0",
        "clocks": cells(1, 5),  # the clock's fifth output, not the node with the handle 5
        "vmmc-supply": cells(3),
    },
    "/pcie@3": {"compatible": b"brcm,pcie\0", "msi-parent": cells(4)},
    "/mmc@4": {"compatible": b"brcm,v3d\0", "status": b"disabled\0"},
}


def test_a_disk_needs_its_regulator_and_the_pins_that_one_hangs_on() -> None:
    found = tree.needed(tree.parse(flat(BOARD)), DRIVERS, tree.DISKS)
    assert found == {"sdhci_brcmstb", "fixed", "gpio_brcmstb", "irq_mip"}


def test_the_whole_board_has_its_network_too_but_nothing_that_is_off_or_built_in() -> None:
    found = tree.needed(tree.parse(flat(BOARD)), DRIVERS)
    assert found == {"sdhci_brcmstb", "fixed", "gpio_brcmstb", "irq_mip", "genet"}


def test_what_a_telephone_system_does_not_need_is_left_out() -> None:
    board = BOARD | {"/mmc@4": {"compatible": b"brcm,v3d\0"}}
    assert "v3d" not in tree.needed(tree.parse(flat(board)), DRIVERS)


def test_devices_that_point_to_each_other_are_walked_once() -> None:
    ring = {
        "": {},
        "/mmc@1": {"compatible": b"regulator-fixed\0", "phandle": cells(1), "a-supply": cells(2)},
        "/b": {"compatible": b"brcm,mip\0", "phandle": cells(2), "b-supply": cells(1)},
    }
    assert tree.needed(tree.parse(flat(ring)), DRIVERS, tree.DISKS) == {"fixed", "irq_mip"}


@pytest.mark.parametrize("data", [b"", b"\0" * 64, flat(BOARD)[:80], cells(tree.MAGIC, 0, 40, 40) + b"\xff" * 24])
def test_a_file_that_is_no_device_tree_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="device tree"):
        tree.parse(data)
