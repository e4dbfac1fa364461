"""``python -m ramal.box.settime``: root's part of setting the clock, when the daemon left a request.

Law: what is asked is parsed as a stranger's and bounded (``core.clock_set``); it is taken away before it is done, so it
is done once (``box.taking``).
"""

import fcntl
import os
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ramal.box import taking
from ramal.box.image import Image, image_here
from ramal.box.waking import set_clock
from ramal.core import clock_set
from ramal.errors import RamalError
from ramal.ops import machine

RTC = Path("/dev/rtc0")
_BYTES_MAX = 2000
_RTC_SET_TIME = 0x4024700A
"""linux/rtc.h: _IOW('p', 0x0a, struct rtc_time), nine ints."""


def run(image: Image, look: machine.Look = machine.look, set_to: Callable[[float], None] = set_clock) -> str:
    """Do what is asked; a sentence of what became of it. RamalError when it was not done."""
    wanted = clock_set.parse(taking.take(image.clock_request, _BYTES_MAX) or "")
    if wanted is None:
        raise RamalError("Nobody asked for a time that can be read. Nothing was changed.")
    at_ms = clock_set.due_ms(wanted, look(False))
    set_to(at_ms / 1000)
    kept = keep_in_battery_clock(RTC, at_ms // 1000)
    return f"The clock was set to {at_ms // 1000}, asked by {wanted.who!r}" + ("." if kept else "; no battery clock.")


def keep_in_battery_clock(device: Path, at_s: int) -> bool:
    """Set the battery clock (UTC), so that a power cut does not lose the time; False without one."""
    at = time.gmtime(at_s)
    fields = (at.tm_sec, at.tm_min, at.tm_hour, at.tm_mday, at.tm_mon - 1, at.tm_year - 1900, 0, 0, 0)
    with suppress(OSError):
        descriptor = os.open(device, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.ioctl(descriptor, _RTC_SET_TIME, struct.pack("9i", *fields))
        finally:
            os.close(descriptor)
        return True
    return False


def main() -> int:
    """0, or 1 when it was not done; always said."""
    try:
        print(f"ramal: {run(image_here())}")
    except RamalError as error:
        print(f"ramal: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
