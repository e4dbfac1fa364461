"""``make bench``: the benches, their tables on the terminal and their figures in build/bench/*.json.

``BENCH="--quick"`` takes a few minutes; ``--calls``, ``--ingest``, ``--steer``, ``--forecast``, ``--vault``,
``--power-cuts``, ``--cut-calls`` and ``--half-hour`` run only those. The half hour is real (30 minutes); it, the power
cuts and the cut calls run only when they are asked for.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ramal.errors import RamalError
from tests.bench import bench_calls

OUT = Path(__file__).resolve().parents[2] / "build" / "bench"
INGEST_CALLS, INGEST_CALLS_QUICK = 1_000_000, 30_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; non-zero when one of them could not be run. A missed aim is told, not an error."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small and short: does everything work?")
    parser.add_argument("--calls", action="store_true", help="only Ramal against bare Asterisk")
    parser.add_argument("--ingest", action="store_true", help="only the journals' ingest and the pages")
    parser.add_argument("--steer", action="store_true", help="only the steering core")
    parser.add_argument("--forecast", action="store_true", help="only the wait that is told, against Asterisk's")
    parser.add_argument("--vault", action="store_true", help="only keeping recordings, against opusenc and copying")
    parser.add_argument("--power-cuts", action="store_true", help="200 recordings kept while the keeper is killed")
    parser.add_argument("--cut-calls", action="store_true", help="200 real calls, everything killed in every 20")
    parser.add_argument(
        "--half-hour", action="store_true", help="a real half hour of calls, the daemon killed five times"
    )
    given = parser.parse_args(arguments)
    only = (given.calls, given.ingest, given.steer, given.forecast, given.half_hour, given.vault, given.power_cuts)
    everything = not any((*only, given.cut_calls))
    OUT.mkdir(parents=True, exist_ok=True)
    code = 0
    if given.calls or everything:
        print("# Calls: Ramal against bare Asterisk", flush=True)
        try:
            quick = ["--quick"] if given.quick else []
            code = bench_calls.main([*quick, "--json", str(OUT / f"calls{'-quick' if given.quick else ''}.json")])
        except RamalError as error:
            print(f"ramal: {error}", file=sys.stderr)
            code = 1
    if given.ingest or everything:
        print("\n# Ingest: the journals of many calls, and the pages on them", flush=True)
        calls = INGEST_CALLS_QUICK if given.quick else INGEST_CALLS
        file = OUT / f"ingest{'-quick' if given.quick else ''}.json"
        words = [sys.executable, "-m", "tests.bench.bench_ingest", str(calls), "--json", str(file)]
        code = subprocess.run(words, check=False).returncode or code  # a process of its own: it reports its peak memory
        print("\n# Card: what a day's history writes, by the size of the database's pages", flush=True)
        code = subprocess.run([sys.executable, "-m", "tests.bench.bench_card"], check=False).returncode or code
    for name, wanted in (("steer", given.steer), ("forecast", given.forecast), ("half_hour", given.half_hour)):
        if wanted or (everything and name != "half_hour"):
            print(f"\n# {name.replace('_', ' ').capitalize()}", flush=True)
            words = [sys.executable, "-m", f"tests.bench.{name if name == 'half_hour' else f'bench_{name}'}"]
            words += ["--minutes", "2", "--kills", "1"] if given.quick and name == "half_hour" else []
            words += ["--json", str(OUT / f"{name}.json")] if name != "forecast" else []
            code = subprocess.run(words, check=False).returncode or code
    for name, wanted in (("bench_vault", given.vault or everything), ("power_cuts", given.power_cuts)):
        if wanted:
            print(f"\n# {'Recordings: ' + name.removeprefix('bench_').replace('_', ' ')}", flush=True)
            few = {"bench_vault": ["--minutes", "2"], "power_cuts": ["20"]}[name] if given.quick else []
            code = subprocess.run([sys.executable, "-m", f"tests.bench.{name}", *few], check=False).returncode or code
    if given.cut_calls:
        print("\n# Calls and power cuts", flush=True)
        few = ["8", "--at-once", "4"] if given.quick else []
        code = subprocess.run([sys.executable, "-m", "tests.bench.cut_calls", *few], check=False).returncode or code
    return code


if __name__ == "__main__":
    sys.exit(main())
