"""What processes and the machine used, read from /proc. CPU in seconds, memory in MiB."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """User and system time of a process and all its threads, ended ones too; to 10 ms. 0.0 when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mb(pid: int) -> tuple[float, float]:
    """What the process has resident now, and the most it ever had; zeros when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0, 0.0
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return tuple(round(int(fields[name].split()[0]) / 1024, 1) for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Machine:
    """The whole machine since boot: seconds of all processors together."""

    busy_s: float
    idle_s: float

    @staticmethod
    def now() -> "Machine":
        user, nice, system, idle, iowait, irq, softirq, steal = (
            int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        )
        return Machine((user + nice + system + irq + softirq + steal) / _TICKS, (idle + iowait) / _TICKS)


@dataclass(frozen=True, slots=True)
class Reading:
    """One moment: CPU by name of the process, and the machine's."""

    cpu: Mapping[str, float]
    machine: Machine

    @staticmethod
    def of(pids: Mapping[str, int]) -> "Reading":
        return Reading({name: cpu_s(pid) for name, pid in pids.items()}, Machine.now())


def used(before: Reading, after: Reading) -> dict[str, float]:
    """CPU seconds by name between two readings."""
    return {name: round(after.cpu[name] - at, 3) for name, at in before.cpu.items()}


def others_s(before: Reading, after: Reading, known_s: float) -> float:
    """Processor seconds used on the machine beyond the ``known_s`` of those who were meant to work."""
    return round(max(0.0, after.machine.busy_s - before.machine.busy_s - known_s), 2)


def busy(before: Reading, after: Reading) -> float:
    """How much of all processors was in use between two readings, 0.0 to 1.0, whoever used it."""
    worked = after.machine.busy_s - before.machine.busy_s
    rested = after.machine.idle_s - before.machine.idle_s
    return worked / (worked + rested) if worked + rested > 0 else 0.0
