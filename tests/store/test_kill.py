"""kill -9 at any instant: the next life reads on, and history is what it would have been."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from ramal.store.db import open_writer
from ramal.store.ingest import CEL_NAME, QUEUE_NAME
from tests.store.history import Life, history_of, rows
from tests.store.test_ingest import a_day
from tests.until import until

READ_ALL = """
import sys
from pathlib import Path
from ramal.store.ingest import Ingest
from ramal.store.writer import Writer

writer = Writer(Path(sys.argv[1]))
ingest = writer.submit(lambda db: Ingest(db, Path(sys.argv[2]))).result()
print("ready", flush=True)
steps = int(sys.argv[3])
while writer.submit_rebuildable(lambda db: ingest.step(2000)).result():
    steps -= 1
    if steps == 0:
        sys.stdin.read()  # killed by now, or soon: a slow killer must still find somebody
writer.stop()
print("whole", flush=True)
"""


def test_a_reader_killed_at_random_instants_loses_and_repeats_nothing(tmp_path: Path) -> None:
    cel, queue = a_day(11, 150)
    expected = history_of(tmp_path / "whole", cel, queue)
    life = Life(tmp_path / "killed")
    life.close()
    life.write(CEL_NAME, cel)
    life.write(QUEUE_NAME, queue)
    database = tmp_path / "killed" / "life0" / "db" / "ramal.db"
    chance = random.Random(5)
    killed, offset = 0, 0
    while True:
        process = subprocess.Popen(
            [sys.executable, "-c", READ_ALL, str(database), str(life.log), "12" if killed < 8 else "0"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin, process.stdout as said:
            assert said.readline() == "ready\n"
            if killed < 8:
                wanted = offset + chance.randrange(1, 15_000)
                until(lambda wanted=wanted: progress(database) > wanted, 30, "read so far")
                os.kill(process.pid, signal.SIGKILL)
                killed += 1
            else:
                assert said.readline() == "whole\n"
        code = process.wait(30)
        offset = progress(database)
        if code == 0:
            break
    db = open_writer(database)
    assert rows(db) == expected
    db.close()
    assert killed == 8


def progress(database: Path) -> int:
    """How far CEL was read."""
    db = open_writer(database)
    try:
        row = db.execute("SELECT offset FROM journal WHERE name = ?", (CEL_NAME,)).fetchone()
        return int(row[0]) if row else 0
    finally:
        db.close()
