"""``python -m ramal.box.lamp``: keeps the status lamp's rhythm (``core.status_lamp``). One process, its main thread.

Law: it needs neither daemon nor database and nothing needs it; a box without a lamp ends it at once, in order.
"""

import contextlib
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ramal.box import early
from ramal.box.home import Home, default_home
from ramal.box.pulse import answers_sip
from ramal.control.client import Control
from ramal.core import warnings
from ramal.core.status_lamp import RHYTHMS, Facts, sign_of
from ramal.errors import RamalError
from ramal_hw import status_lamp
from ramal_hw.status_lamp import Lamp

LOOK_MS = 10_000
LIVE_S = 1.5
AMISS = frozenset({warnings.ASTERISK_DOWN, warnings.DISK_LOW, warnings.DISK_FULL, warnings.RECORDING_STOPPED})
"""What somebody has to look after soon; all else can wait for the page."""


def facts_of(home: Home, mark: Path = Path(early.MARK), up_ms: int | None = None) -> Facts:
    """How this box is."""
    now_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000 if up_ms is None else up_ms
    try:
        ports = home.in_force()
        calls = answers_sip(ports.sip_bind, ports.sip_port, LIVE_S)
    except (RamalError, OSError):
        calls = False
    return Facts(now_ms, mark.exists(), calls, calls and _well(home), not home.claim.exists())


def _well(home: Home) -> bool:
    try:
        live = Control(home.control_sock).ask("live", LIVE_S)
    except RamalError:
        return False
    return not any(one.get("code") in AMISS for one in live.get("warnings", ()))


def play(
    lamp: Lamp,
    look: Callable[[], Facts],
    now_ms: Callable[[], int],
    pause: Callable[[float], object],
    ended: Callable[[], bool],
) -> None:
    """Until ``ended``. ``pause`` waits so many seconds."""
    rhythm, began_ms, due_ms = RHYTHMS["starting"], now_ms(), now_ms()
    while not ended():
        if now_ms() >= due_ms:
            # A look may take seconds; a lamp that stands still meanwhile is none that says another thing.
            wanted = RHYTHMS[sign_of(look())]
            due_ms = now_ms() + LOOK_MS
            if wanted != rhythm:
                rhythm, began_ms = wanted, now_ms()
        at_ms = now_ms() - began_ms
        lamp.show(rhythm.is_lit(at_ms))
        pause(min(rhythm.until_change_ms(at_ms), max(1, due_ms - now_ms())) / 1000)


def main() -> int:
    """Until SIGTERM. 0."""
    lamp = status_lamp.find()
    if lamp is None:
        print("ramal: this box has no status lamp")
        return 0
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: ended.append(number))
    home = default_home()
    with contextlib.suppress(KeyboardInterrupt):
        play(lamp, lambda: facts_of(home), lambda: time.monotonic_ns() // 1_000_000, time.sleep, lambda: bool(ended))
    lamp.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
