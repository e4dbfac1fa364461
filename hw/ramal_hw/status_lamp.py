"""The status lamp as a thing: the kernel's own LED where there is one, else a pin of the header through gpiozero.

Runs on the thread of whoever drives it. Law: a box without a lamp is a box; whatever cannot be driven is None, and a
lamp that fails later goes dark without a word.
"""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

PIN = 22
"""BCM 22 is STATUS, green (HARDWARE.md 6.2)."""
LEDS = Path("/sys/class/leds")
HAT = "ramal:status"
"""As the HAT's overlay names it; the kernel drives it, so that it lives without us."""
BOARD = ("ACT", "led0")
"""The green one on every Raspberry Pi, for boxes without a HAT."""


class Lamp(Protocol):
    """A lamp that is on or off."""

    def show(self, lit: bool) -> None:
        """Let it shine, or not."""
        ...

    def close(self) -> None:
        """Leave it dark, and to whoever had it before."""
        ...


class KernelLamp:
    """An LED that the kernel drives. OSError of the constructor: it may not be driven."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        chosen = folder.joinpath("trigger").read_text(encoding="ascii")
        self._before = chosen.partition("[")[2].partition("]")[0] or "none"
        self._full = folder.joinpath("max_brightness").read_text(encoding="ascii").strip() or "1"
        folder.joinpath("trigger").write_text("none")

    def show(self, lit: bool) -> None:
        """As ``Lamp.show``."""
        with contextlib.suppress(OSError):
            self._folder.joinpath("brightness").write_text(self._full if lit else "0")

    def close(self) -> None:
        """As ``Lamp.close``: the kernel has it again (the disk's activity)."""
        with contextlib.suppress(OSError):
            self._folder.joinpath("trigger").write_text(self._before)


class PinLamp:
    """A pin of the header. Raises what gpiozero raises: no pins here, or taken."""

    def __init__(self, pin: int = PIN) -> None:
        from gpiozero import LED  # type: ignore[import-untyped]  # looks for a board

        self._led = LED(pin)

    def show(self, lit: bool) -> None:
        """As ``Lamp.show``."""
        self._led.value = 1 if lit else 0

    def close(self) -> None:
        """As ``Lamp.close``."""
        self._led.close()


class Lamps:
    """Several that say the same: the header's pin cannot tell whether a lamp hangs on it."""

    def __init__(self, lamps: Sequence[Lamp]) -> None:
        self._lamps = tuple(lamps)

    def show(self, lit: bool) -> None:
        """As ``Lamp.show``."""
        for lamp in self._lamps:
            lamp.show(lit)

    def close(self) -> None:
        """As ``Lamp.close``."""
        for lamp in self._lamps:
            lamp.close()


def find(leds: Path = LEDS, pin: Callable[[], Lamp] = PinLamp) -> Lamp | None:
    """This box's lamps: the HAT's; without one the header's pin and the board's own. None: none may be driven."""
    with contextlib.suppress(OSError):
        return KernelLamp(leds / HAT)
    found: list[Lamp] = []
    with contextlib.suppress(Exception):  # whatever gpiozero says where there are no pins
        found.append(pin())
    for name in BOARD:
        with contextlib.suppress(OSError):
            found.append(KernelLamp(leds / name))
            break
    return Lamps(found) if found else None
