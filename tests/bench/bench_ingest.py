"""History ingest and the slowest page: a generated journal of N calls through the real code.

    python -m tests.bench.bench_ingest [calls] [--json FILE] [--keep FOLDER]

Prints calls per second, database bytes per million calls, and each page query's p50 and worst of 30, warm.
"""

import argparse
import json
import random
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from ramal.core.history import first_key
from ramal.store import read
from ramal.store.db import open_reader, open_writer
from ramal.store.ingest import Ingest
from ramal.store.migrations import migrate
from tests.store.office_day import START_S, Script, a_call, merge

GAP_MS = 4000
BLOCK = 2000
STEP_BYTES = 1 << 20


def generate(folder: Path, calls: int) -> None:
    """Both journals of ``calls`` random calls, one every GAP_MS, overlapping as in life; in bounded memory."""
    chance = random.Random(7)
    (folder / "cel-custom").mkdir(parents=True)
    late: list[Script] = []
    with (folder / "cel-custom" / "ramal.csv").open("wb") as cel, (folder / "queue_log").open("wb") as log:
        log.write(f"{START_S - 1}|NONE|NONE|NONE|QUEUESTART|\n".encode())
        for block in range(0, calls, BLOCK):
            numbers = range(block, min(block + BLOCK, calls))
            scripts = late + [a_call(chance, n * 4 % 1_000_000, START_S * 1000 + n * GAP_MS) for n in numbers]
            horizon_ms = START_S * 1000 + (numbers[-1] + 1) * GAP_MS
            late = [script for script in scripts if script.now_ms >= horizon_ms]
            done, kept = split(scripts, horizon_ms), late
            late = kept
            for file, data in zip((cel, log), merge(done), strict=True):
                file.write(data)
        for file, data in zip((cel, log), merge(late), strict=True):
            file.write(data)


def split(scripts: list[Script], horizon_ms: int) -> Iterator[Script]:
    """The lines before the horizon, taken out of their scripts."""
    for script in scripts:
        before = Script(script.serial, script.born_ms)
        before.cel = [line for line in script.cel if line[0] < horizon_ms]
        before.log = [line for line in script.log if line[0] < horizon_ms]
        script.cel = [line for line in script.cel if line[0] >= horizon_ms]
        script.log = [line for line in script.log if line[0] >= horizon_ms]
        yield before


def ingest(folder: Path, database: Path) -> dict[str, float]:
    connection = open_writer(database)
    migrate(connection)
    connection.execute("PRAGMA synchronous=NORMAL")
    journal = Ingest(connection, folder)
    begun, cpu = time.perf_counter(), time.process_time()
    slowest, steps, lines = 0.0, 0, 0
    for step in count(1):
        at = time.perf_counter()
        read_lines = journal.step(STEP_BYTES)
        slowest = max(slowest, time.perf_counter() - at)
        if not read_lines:
            break
        steps, lines = step, lines + read_lines
    wall_s, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    (calls,) = connection.execute("SELECT count(*) FROM call").fetchone()
    (held,) = connection.execute("SELECT count(*) FROM held").fetchone()
    (running,) = connection.execute("SELECT count(*) FROM call WHERE ended_ms IS NULL").fetchone()
    refused = connection.execute("SELECT sum(refused) FROM journal").fetchone()[0]
    tables = dict(connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC"))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    size = database.stat().st_size
    return {
        "calls": calls,
        "lines": lines,
        "steps": steps,
        "held": held,
        "running": running,
        "refused": refused,
        "wall_s": round(wall_s, 2),
        "calls_per_s": round(calls / wall_s),
        "calls_per_cpu_s": round(calls / cpu_s),
        "slowest_step_ms": round(slowest * 1000),
        "database_bytes": size,
        "bytes_per_million_calls": round(size / calls * 1_000_000),
        "peak_rss_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        **{f"table {name}": size for name, size in tables.items()},
    }


def pages(database: Path) -> dict[str, tuple[float, float]]:
    """(p50, worst) in ms of every query the page makes."""
    db = open_reader(database)
    (first,) = db.execute("SELECT min(key) FROM call").fetchone()
    (last, last_ms) = db.execute("SELECT key, started_ms FROM call ORDER BY key DESC LIMIT 1").fetchone()
    middle = (first + last) // 2
    chance = random.Random(3)
    keys = [row for row in (db.execute(_NEAR, (chance.randrange(first, last),)).fetchone() for _ in range(30)) if row]
    day_ms = 86_400_000
    queries: dict[str, Callable[[int], object]] = {
        "list, first page": lambda n: read.calls(db),
        "list, deep page": lambda n: read.calls(db, before=middle - n * 5000),
        "list, newer page": lambda n: read.calls(db, after=first + n * 5000),
        "list, abandoned": lambda n: read.calls(db, category="abandoned", before=middle + n),
        "list, category without calls": lambda n: read.calls(db, category="overflowed"),
        "list, outgoing (none)": lambda n: read.calls(db, direction="out"),
        "list, one agent": lambda n: read.calls(db, agent=str(n % 8 + 1), before=middle),
        "list, one queue": lambda n: read.calls(db, queue="sales", before=middle),
        "list, agent and category that never meet": lambda n: read.calls(db, agent="3", category="abandoned"),
        "list, one day": lambda n: read.calls(db, since_ms=last_ms - (n + 1) * day_ms, until_ms=last_ms - n * day_ms),
        "search, whole number": lambda n: read.calls(db, search=keys[n % len(keys)][1]),
        "search, 4 digits": lambda n: read.calls(db, search=keys[n % len(keys)][1][-4:]),
        "search, 3 digits": lambda n: read.calls(db, search=keys[n % len(keys)][1][-3:]),
        "search, 2 digits": lambda n: read.calls(db, search="47"),
        "search, area code": lambda n: read.calls(db, search="+55 (11)"),
        "search, number nobody has": lambda n: read.calls(db, search=f"5511 0{n:02d}00-0000"),
        "search, number in pieces that all exist": lambda n: read.calls(db, search=f"551195511{n:02d}"),
        "search, first name": lambda n: read.calls(db, search="mar"),
        "search, whole name": lambda n: read.calls(db, search="José Araújo"),
        "search, name nobody has": lambda n: read.calls(db, search="ariasil"),
        "search, number on one day": lambda n: read.calls(
            db, search="55", since_ms=last_ms - (n + 5) * day_ms, until_ms=last_ms - (n + 4) * day_ms
        ),
        "one call": lambda n: read.call(db, keys[n % len(keys)][0]),
        "counts of a month": lambda n: read.counts(db, last_ms - 30 * day_ms - n * 1000, last_ms),
        "counts of everything": lambda n: read.counts(db, 0, last_ms + day_ms),
        "agents, one day": lambda n: read.agents_today(db, last_ms - day_ms, last_ms),
        "running calls": lambda n: read.running(db),
    }
    result = {}
    for name, query in queries.items():
        times = []
        for n in range(30):
            at = time.perf_counter()
            query(n)
            times.append((time.perf_counter() - at) * 1000)
        result[name] = (round(statistics.median(times), 2), round(max(times), 2))
    assert first_key(last_ms) <= last + 2048 * 60
    db.close()
    return result


_NEAR = "SELECT id, caller FROM call WHERE key >= ? AND caller <> '' LIMIT 1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calls", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, help="leave the journals and the database in this folder")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="ramal-ingest-"))
    try:
        at = time.perf_counter()
        if not (folder / "log").exists():
            generate(folder / "log", options.calls)
        print(f"generated {options.calls} calls in {time.perf_counter() - at:.0f} s", flush=True)
        database = folder / "db" / "ramal.db"
        result: dict[str, object] = {}
        if not database.exists():
            result["ingest"] = ingest(folder / "log", database)
            for name, value in result["ingest"].items():  # type: ignore[attr-defined]
                print(f"  {name:32} {value:>16,}", flush=True)
        result["pages_ms"] = pages(database)
        for name, (middle, worst) in sorted(result["pages_ms"].items(), key=lambda item: -item[1][1]):  # type: ignore
            print(f"  {name:44} p50 {middle:8.2f} ms   worst {worst:8.2f} ms")
        if options.json:
            options.json.write_text(json.dumps(result, indent=2) + "\n")
    finally:
        if not options.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
