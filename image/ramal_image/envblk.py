"""What a PC's GRUB makes of a file of NAME=VALUE lines (its "environment block"), and what loader/grub.cfg then starts.

PURE. Written from GRUB's documentation and source (lib/envblk.c, commands/loadenv.c) and apart from the box's own
writer (ramal.core.slots), so that the proofs and the tests do not repeat a mistake of it. The proof ``uefi`` holds it
against the real GRUB.
"""

from collections.abc import Iterator
from dataclasses import dataclass

HEADING = b"# GRUB Environment Block\n"
SIZE = 512
"""Bytes of every such file that is ever written: one sector."""


def pairs(data: bytes) -> Iterator[tuple[str, str]]:
    """The names and values of ``data`` in their order; none when it does not begin with the heading.

    A line that begins with ``#`` is skipped. A name goes to the next ``=``, over ends of lines: so a line without one
    (``[all]``) becomes part of the next name, which then is no name that anybody asks for.
    """
    if not data.startswith(HEADING) or len(data) <= len(HEADING):
        return
    at = len(HEADING)
    while at < len(data):
        if data[at : at + 1] != b"#":
            equals = data.find(b"=", at)
            if equals < 0:
                return
            name, at, value = data[at:equals], equals + 1, bytearray()
            while at < len(data) and data[at : at + 1] != b"\n":
                at += data[at : at + 1] == b"\\"
                value += data[at : at + 1]
                at += 1
            if at >= len(data):
                return  # a value that no line ends is none
            yield name.decode("latin-1"), value.decode("latin-1")
        end = data.find(b"\n", at)
        at = end + 1 if end >= 0 else len(data)


def load(data: bytes, name: str) -> str:
    """``load_env -f FILE NAME``: the last value of that very name; "" without one."""
    return dict(pairs(data)).get(name, "")


def save(data: bytes, name: str, value: str) -> bytes | None:
    """``save_env -f FILE NAME`` for a value as long as the one that is there; None when GRUB would refuse."""
    old = f"{name}={load(data, name)}\n".encode()
    at = data.find(b"\n" + old)
    if len(value) != len(load(data, name)) or at < 0:
        return None
    return data[: at + 1] + f"{name}={value}\n".encode() + data[at + 1 + len(old) :]


@dataclass(frozen=True, slots=True)
class Start:
    """What is started: the partitions in the order they are asked for, whether the first is a try, and try.env after
    it."""

    order: tuple[int, ...]
    once: bool
    try_env: bytes


def start(autoboot: bytes, try_env: bytes, writes: bool = True) -> Start:
    """What grub.cfg does with these two files. ``writes``: whether the disk takes what GRUB writes."""
    usual = 3 if load(autoboot, "boot_partition") == "3" else 2
    asked = load(try_env, "try")
    after = save(try_env, "try", "0") if asked in ("2", "3") and writes else None
    if after is None:
        return Start((usual, 5 - usual), once=False, try_env=try_env)
    return Start((int(asked), usual, 5 - usual), once=True, try_env=after)
