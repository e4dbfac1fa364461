"""The daemon with its CPU told by thread and by function: ``python -m tests.bench.profiled OUT HOME``.

At its end OUT.threads holds each thread's CPU seconds (cheap and exact), and OUT.<thread> a cProfile in CPU time, when
RAMAL_BENCH_FUNCTIONS is set (costs as much as the daemon itself: read its shares, never its sums).
"""

import cProfile
import os
import sys
import threading
import time
from pathlib import Path

from ramal import app
from ramal.box.home import Home


def _cpu_s(tid: int) -> float:
    return int(Path(f"/proc/self/task/{tid}/schedstat").read_text().split()[0]) / 1e9


def main(out: str, home: str) -> int:
    """Run the daemon until SIGTERM; write what was seen."""
    spent: dict[str, float] = {}
    functions = bool(os.environ.get("RAMAL_BENCH_FUNCTIONS"))
    run = threading.Thread.run

    def watched(thread: threading.Thread) -> None:
        profile = cProfile.Profile(time.thread_time) if functions else None
        try:
            if profile is None:
                run(thread)
            else:
                profile.runcall(run, thread)
        finally:
            spent[thread.name] = spent.get(thread.name, 0.0) + _cpu_s(threading.get_native_id())
            if profile is not None:
                profile.dump_stats(f"{out}.{thread.name.replace(' ', '-').replace('/', '-')}")

    threading.Thread.run = watched  # type: ignore[method-assign, assignment]
    begun_s = _cpu_s(os.getpid())
    profile = cProfile.Profile(time.thread_time) if functions else None
    try:
        if profile is None:
            return app.run(Home(Path(home)))
        return int(profile.runcall(app.run, Home(Path(home))))
    finally:
        if profile is not None:
            profile.dump_stats(f"{out}.main")
        spent["main (engine)"] = _cpu_s(os.getpid())
        lines = [f"{cpu_s:9.3f} s  {name}" for name, cpu_s in sorted(spent.items(), key=lambda item: -item[1])]
        Path(f"{out}.threads").write_text("\n".join([*lines, f"{begun_s:9.3f} s  of main: imports"]) + "\n")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
