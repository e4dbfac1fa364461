"""Which modules a board's devices hang on, read from its device tree: the disk's controller, and with it the regulator,
the pins, the interrupt controller that it waits for (a kernel that lacks one of them waits for ever, and says nothing).

PURE but for ``modules``, which reads a root's files. Names of modules are with underscores.
"""

import re
import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ramal_image import ImageError

Nodes = Mapping[str, Mapping[str, bytes]]
"""Path of a node, and its properties."""
MAGIC = 0xD00DFEED
DISKS = re.compile(r"^(mmc|pcie|usb|watchdog)@")
"""Nodes that a root can come by, and what restarts a box whose root does not come."""
UNWANTED = ("v3d", "pisp_be", "hci_uart", "vchiq", "snd_soc_hdmi_codec")
"""Of a board, but no business of a telephone system: 3D, camera, Bluetooth, sound."""
_ALIAS = re.compile(r"of:N\*T\*C([^*]+?)(?:C\*)?$")
_CELLS = {
    "clocks": "#clock-cells", "power-domains": "#power-domain-cells", "resets": "#reset-cells", "dmas": "#dma-cells",
    "phys": "#phy-cells", "mboxes": "#mbox-cells", "iommus": "#iommu-cells", "interrupts-extended": "#interrupt-cells",
    "msi-parent": "#msi-cells", "gpio": "#gpio-cells", "gpios": "#gpio-cells", "interrupt-parent": "", "nvmem": "",
}  # fmt: skip


@dataclass(slots=True)
class Drivers:
    """``modules``: a compatible word and the modules for it; ``built_in``: the words that the kernel itself serves."""

    modules: Mapping[str, set[str]] = field(default_factory=dict)
    built_in: set[str] = field(default_factory=set)

    def of(self, node: Mapping[str, bytes]) -> set[str]:
        words = _words(node.get("compatible", b""))
        if any(word in self.built_in for word in words):
            return set()
        return {name for word in words for name in self.modules.get(word, ())}


def parse(data: bytes) -> Nodes:
    """A flattened device tree. ImageError when it is none."""
    try:
        magic, _, at, strings = struct.unpack_from(">4I", data)
        if magic != MAGIC:
            raise ImageError("A device tree of the kernel's packages is none.")
        nodes: dict[str, dict[str, bytes]] = {}
        path: list[str] = []
        while True:
            (token,) = struct.unpack_from(">I", data, at)
            at += 4
            if token == 1:
                end = data.index(b"\0", at)
                path.append(data[at:end].decode())
                at = (end + 4) & ~3
                nodes["/".join(path)] = {}
            elif token == 2:
                path.pop()
            elif token == 3:
                size, name = struct.unpack_from(">2I", data, at)
                value = data[at + 8 : at + 8 + size]
                at = (at + 8 + size + 3) & ~3
                begin = strings + name
                nodes["/".join(path)][data[begin : data.index(b"\0", begin)].decode()] = value
            elif token == 9:
                return nodes
    except (struct.error, ValueError, IndexError) as error:
        raise ImageError(f"A device tree of the kernel's packages cannot be read ({error}).") from error


def needed(nodes: Nodes, drivers: Drivers, roots: re.Pattern[str] | None = None) -> set[str]:
    """The modules of the enabled nodes whose names match ``roots`` (None: of all) and of all that they wait for."""
    handles = {_number(node["phandle"]): path for path, node in nodes.items() if "phandle" in node}
    open_paths = [path for path in nodes if _on(nodes[path]) and (roots is None or roots.match(path.split("/")[-1]))]
    seen: set[str] = set()
    found: set[str] = set()
    while open_paths:
        path = open_paths.pop()
        if path in seen:
            continue
        seen.add(path)
        found |= drivers.of(nodes[path])
        open_paths += [other for other in _suppliers(nodes, path, handles) if _on(nodes[other])]
    return found - set(UNWANTED)


def _suppliers(nodes: Nodes, path: str, handles: Mapping[int, str]) -> list[str]:
    """What the driver core makes a device wait for: its parent and whatever its properties point to."""
    found = [path.rpartition("/")[0]] if "/" in path else []
    for name, value in nodes[path].items():
        if name.endswith("-supply") or re.fullmatch(r"pinctrl-\d", name):
            cells = ""
        elif name.endswith(("-gpios", "-gpio")):
            cells = "#gpio-cells"
        elif name in _CELLS:
            cells = _CELLS[name]
        else:
            continue
        at = 0
        while at + 4 <= len(value):
            target = handles.get(_number(value[at : at + 4]))
            if target is None:
                break
            found.append(target)
            at += 4 * (1 + (_number(nodes[target].get(cells, b"\0\0\0\0")) if cells else 0))
    return found


def drivers(aliases: Iterable[str], built_in: bytes) -> Drivers:
    """Of the lines of modules.alias and the bytes of modules.builtin.modinfo."""
    modules: dict[str, set[str]] = defaultdict(set)
    for line in aliases:
        words = line.split()
        match = _ALIAS.fullmatch(words[1]) if len(words) == 3 and words[0] == "alias" else None
        if match:
            modules[match[1]].add(words[2].replace("-", "_"))
    served = set()
    for item in built_in.decode("utf-8", "replace").split("\0"):
        match = _ALIAS.fullmatch(item.partition(".alias=")[2])
        if match:
            served.add(match[1])
    return Drivers(dict(modules), served)


def modules(home: Path, trees: Sequence[Path], roots: re.Pattern[str] | None = None) -> set[str]:
    """Of all boards of ``trees``, with the kernel whose modules (indexed) lie in ``home``; empty without trees."""
    if not trees:
        return set()
    known = drivers((home / "modules.alias").read_text().splitlines(), (home / "modules.builtin.modinfo").read_bytes())
    return {name for file in trees for name in needed(parse(file.read_bytes()), known, roots)}


def _number(value: bytes) -> int:
    return int.from_bytes(value[:4], "big")


def _words(value: bytes) -> list[str]:
    return [word for word in value.decode("utf-8", "replace").split("\0") if word]


def _on(node: Mapping[str, bytes]) -> bool:
    return node.get("status", b"okay\0") in (b"okay\0", b"ok\0")
