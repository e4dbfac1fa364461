"""What this computer says about its time, and the file that keeps it over a power cut. Any thread; waits for the disk.

Law: only looking, with no rights at all; what cannot be read counts as not there. Whether a server was heard is told by
systemd-timesyncd's file or by the kernel (``adjtimex``), which also knows of chrony and of a virtual machine's host; a
hardened service may not ask the kernel, and then the file alone counts.
"""

import json
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from ramal.box.home import Home, write_whole
from ramal.core.clock import SOURCES, Facts, Mark, Source, Why

Look = Callable[[bool], Facts]
"""A look at the machine; whether the battery clock, which is slow to read, is to be asked too."""

RELEASE = Path("/etc/ramal-release")
"""What an image of ours has (VERSION, ARCH, BUILT), and no other computer."""
HEARD = Path("/run/systemd/timesync/synchronized")
BOOT = Path("/proc/sys/kernel/random/boot_id")
RTC = Path("/sys/class/rtc")
_UNSYNC = 0x40
_READ_MAX = 4096


def look(rtc: bool = True) -> Facts:
    """The machine now."""
    # Both clocks in one breath: between them the process may be put aside.
    before_ms, wall_ms, after_ms = boottime_ms(), time.time_ns() // 1_000_000, boottime_ms()
    return Facts(
        boot=_text(BOOT) or "unknown",
        boottime_ms=(before_ms + after_ms) // 2,
        wall_ms=wall_ms,
        synced=HEARD.exists() or _kernel_synced(),
        rtc_ms=_rtc_ms() if rtc else None,
        box=RELEASE.exists(),
        built_ms=built_ms(_text(RELEASE)),
    )


def boottime_ms() -> int:
    """Milliseconds since the boot, also while the computer slept."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def built_ms(release: str) -> int:
    """When an image was made, by its ``BUILT=`` (seconds since 1970, or a date and time of ISO 8601); 0 = not said."""
    for line in release.splitlines():
        name, _, value = line.partition("=")
        value = value.strip().strip("\"'")
        if name.strip() != "BUILT":
            continue
        if value.isascii() and value.isdigit() and len(value) <= 11:
            return int(value) * 1000
        from datetime import UTC, datetime

        with suppress(ValueError):
            at = datetime.fromisoformat(value)
            return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    return 0


def mark_file(home: Home) -> Path:
    """Where the last look is kept."""
    return home.root / "clock.json"


def read_mark(home: Home) -> Mark | None:
    """The last look that was kept; None when there is none that can be read."""
    with suppress(ValueError, TypeError):
        mark = Mark(**json.loads(_text(mark_file(home)) or "null"))
        numbers = (mark.boottime_ms, mark.wall_ms, mark.good_ms)
        texts = isinstance(mark.boot, str) and mark.source in SOURCES and mark.why in get_args(Why)
        if texts and all(isinstance(one, int) and 0 <= one < 1 << 53 for one in numbers):
            return mark
    return None


def keep_mark(home: Home, facts: Facts, source: Source, why: Why, good_ms: int) -> None:
    """Keep a look; on the disk when it returns. OSError."""
    mark = Mark(facts.boot, facts.boottime_ms, facts.wall_ms, source, why, good_ms)
    owner = None
    if os.geteuid() == 0:  # at boot; the daemon reads it as the user whose home it is
        found = home.root.stat()
        owner = (found.st_uid, found.st_gid)
    write_whole(mark_file(home), json.dumps(asdict(mark)), 0o640, owner)


def last_sign_ms(home: Home) -> int:
    """The latest time this box is known to have seen: what was kept, and when its journals and database were written.
    0 = none. What is written on after this time is in order."""
    files = [mark_file(home), home.db, home.db.with_name(home.db.name + "-wal")]
    files += [home.asterisk_log / name for name in ("queue_log", "cel-custom/ramal.csv", "messages.log", "full")]
    times = [0]
    for file in files:
        with suppress(OSError):
            times.append(file.stat().st_mtime_ns // 1_000_000)
    mark = read_mark(home)
    return max(times) if mark is None else max(*times, mark.wall_ms)


def _kernel_synced() -> bool:
    """The kernel's own word; False where it may not be asked."""
    try:
        import ctypes  # what its import does, a hardened service may forbid

        libc = ctypes.CDLL(None, use_errno=True)
        buffer = (ctypes.c_byte * 512)()  # struct timex, modes = 0: only reading
        if libc.adjtimex(ctypes.byref(buffer)) < 0:
            return False
    except (OSError, AttributeError, ImportError, MemoryError):
        return False
    # modes (int), then offset, freq, maxerror, esterror (long), then status (int).
    long = ctypes.sizeof(ctypes.c_long)
    status = ctypes.c_int.from_buffer(buffer, 5 * long)
    return not status.value & _UNSYNC


def _rtc_ms() -> int | None:
    """The first battery clock's time; None without one."""
    with suppress(OSError):
        for name in sorted(os.listdir(RTC)):
            text = _text(RTC / name / "since_epoch")
            if text.isascii() and text.isdigit() and len(text) <= 11:
                return int(text) * 1000
    return None


def _text(path: Path) -> str:
    """At boot root reads what the home holds: nothing there may make it wait."""
    with suppress(OSError, UnicodeDecodeError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return os.read(descriptor, _READ_MAX).decode().strip()
        finally:
            os.close(descriptor)
    return ""
