"""What a day's history writes to the card, by the size of the database's pages: 500 calls, read second by second.

    python -m tests.bench.bench_card [calls]

Prints kB a call that go into the write-ahead log (each commit appends the pages it changed) and, folded back, into the
database; ``make image-test PROOFS=writes`` measures the whole box.
"""

import argparse
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from ramal.store import db as database
from ramal.store.ingest import Ingest
from ramal.store.migrations import migrate
from tests.store.office_day import START_S, a_call

GAP_MS = 72_000
SIZES = (1024, 2048, 4096)
_FRAME_HEAD_BYTES = 24


def card(folder: Path, calls: int, page_bytes: int) -> tuple[float, float]:
    """kB a call: in the log, in the database."""
    file = folder / "db" / "ramal.db"
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as new:
        new.execute(f"PRAGMA page_size={page_bytes}")
        new.execute("PRAGMA journal_mode=WAL")
    with closing(database.open_writer(file)) as db:
        migrate(db)
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("PRAGMA wal_autocheckpoint=0")
        journal = Ingest(db, folder / "log")
        logged = folded = 0
        for _ in _seconds(folder / "log", calls):
            while journal.step():
                pass
            frames = max(0, Path(f"{file}-wal").stat().st_size - 32) // (page_bytes + _FRAME_HEAD_BYTES)
            if frames >= database.WAL_PAGES:
                logged, folded = logged + frames, folded + _fold(db, file, page_bytes)
        frames = max(0, Path(f"{file}-wal").stat().st_size - 32) // (page_bytes + _FRAME_HEAD_BYTES)
        logged, folded = logged + frames, folded + _fold(db, file, page_bytes)
    return logged * (page_bytes + _FRAME_HEAD_BYTES) / calls / 1e3, folded / calls / 1e3


def _fold(db: sqlite3.Connection, file: Path, page_bytes: int) -> int:
    """Have the log folded back and begin anew; bytes of the database's blocks of 4096 that this writes."""
    wal = Path(f"{file}-wal").read_bytes()
    frame = page_bytes + _FRAME_HEAD_BYTES
    pages = {int.from_bytes(wal[at : at + 4], "big") for at in range(32, len(wal) - frame + 1, frame)}
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return 4096 * len({(page - 1) * page_bytes // 4096 for page in pages})


def _seconds(folder: Path, calls: int) -> Iterator[None]:
    """Append to both journals what each second of the day brings; yields after a second that brought something."""
    chance = random.Random(7)
    (folder / "cel-custom").mkdir(parents=True)
    seconds: dict[int, tuple[list[str], list[str]]] = {}
    for n in range(calls):
        script = a_call(chance, n * 4, START_S * 1000 + n * GAP_MS)
        for which, lines in enumerate((script.cel, script.log)):
            for at_ms, line in lines:
                seconds.setdefault(at_ms // 1000, ([], []))[which].append(line + "\n")
    with (folder / "cel-custom" / "ramal.csv").open("w") as cel, (folder / "queue_log").open("w") as log:
        log.write(f"{START_S - 1}|NONE|NONE|NONE|QUEUESTART|\n")
        for _, (events, queued) in sorted(seconds.items()):
            for file, found in ((cel, events), (log, queued)):
                file.writelines(found)
                file.flush()
            yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calls", nargs="?", type=int, default=500)
    calls = parser.parse_args().calls
    for size in SIZES:
        folder = Path(tempfile.mkdtemp(prefix="ramal-card-"))
        try:
            logged, folded = card(folder, calls, size)
        finally:
            shutil.rmtree(folder)
        print(f"  pages of {size:4}: {logged:6.1f} kB a call in the log, {folded:6.1f} kB in the database")


if __name__ == "__main__":
    main()
