"""Ramal against bare Asterisk: the same calls, interleaved, on one machine in one run.

``python -m tests.bench.bench_calls [--quick] [--json FILE]``. Times are never asserted: the table says what was
measured and by how much an aim was missed.
"""

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import table
from tests.bench.side import SPARE_AGENTS, Side, both
from tests.bench.table import BARE, RAMAL, Segment


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run: calls a segment by how many stand at once; each load has ``rounds`` segments a side."""

    loads: Mapping[int, int]
    hold_s: float
    rounds: int
    idle_s: float


FULL = Plan({20: 100, 60: 160, 100: 200}, hold_s=15.0, rounds=2, idle_s=20.0)
QUICK = Plan({20: 40}, hold_s=5.0, rounds=1, idle_s=5.0)


def measure(plan: Plan, folder: Path, only: str = "", profile: bool = False) -> dict[str, object]:
    """Run the plan; what ``table.record`` says of it, and what the machine and idling were like."""
    segments: list[Segment] = []
    with both(folder, max(plan.loads) + SPARE_AGENTS, only=only, profile=profile) as sides:
        idle = {name: side.idle(plan.idle_s) for name, side in sides.items()}
        print(f"idle, CPU ms a second: {_idle(idle)}", flush=True)
        for concurrent, calls in plan.loads.items():
            for number in range(plan.rounds):
                for side in sides.values():
                    segments.append(_segment(side, concurrent, calls, plan, number))
    print("\n" + table.text(segments), flush=True)
    return {
        "kind": "calls",
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "plan": {"loads": dict(plan.loads), "hold_s": plan.hold_s, "rounds": plan.rounds},
        "idle_cpu_ms_per_s": idle,
        **table.record(segments),
    }


def _segment(side: Side, concurrent: int, calls: int, plan: Plan, number: int) -> Segment:
    segment = side.run(concurrent, calls, plan.hold_s)
    cell = table.cells([segment])[0]
    print(
        f"{side.name:>5}, {concurrent} calls at once, run {number + 1}: {segment.placed - segment.failed} of "
        f"{segment.placed} calls, CPU {cell.total_cpu_ms:.1f} ms/call "
        f"({', '.join(f'{name} {cpu:.1f}' for name, cpu in cell.cpu_ms.items())}), "
        f"ring p50 {cell.ring_p50_ms:.1f} ms, p99 {cell.ring_p99_ms:.1f} ms, "
        f"machine {segment.busy:.0%} busy, {segment.seconds:.0f} s",
        flush=True,
    )
    return segment


def _idle(idle: Mapping[str, Mapping[str, float]]) -> str:
    return "; ".join(f"{side}: " + ", ".join(f"{name} {ms}" for name, ms in of.items()) for side, of in idle.items())


def machine() -> dict[str, object]:
    """What it ran on."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            model = line.partition(":")[2].strip()
            break
    return {
        "processors": os.cpu_count(),
        "model": model,
        "architecture": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": os.getloadavg(),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one load, few short calls: does the bench work at all?")
    parser.add_argument("--json", type=Path, help="write the result into this file")
    parser.add_argument("--load", type=int, action="append", help="only this many calls at once; may be repeated")
    parser.add_argument("--side", choices=(RAMAL, BARE), default="", help="only this side")
    parser.add_argument("--profile", action="store_true", help="profile the daemon (cProfile, every thread)")
    parser.add_argument("--keep", type=Path, help="leave both homes and sipp's logs in this (short) folder")
    given = parser.parse_args(arguments)
    plan = QUICK if given.quick else FULL
    if given.load:
        plan = Plan({load: FULL.loads.get(load, 2 * load) for load in given.load}, FULL.hold_s, FULL.rounds, 5.0)
    folder = given.keep or Path(tempfile.mkdtemp(prefix="rb-"))
    try:
        result = measure(plan, folder, given.side, given.profile)
    finally:
        if given.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(f"written: {given.json}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
