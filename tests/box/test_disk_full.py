"""Full disks under a running box: the recordings', then the database's. Calls go on, and what can be is caught up.

The box runs in a view of the files of its own (unshare), in which both folders are small disks that the test fills.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ramal.provide import peers
from tests.box.boxes import Up, new_home
from tests.system import sipp, spoken
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system

NOBODY = os.geteuid() != 0
NUMBER = "+551133330000"
RECORDINGS_MB, DATABASE_MB = 48, 24
NOTICE_MS = 9000
"""So long "this call is recorded" may take, before anybody rings."""


@dataclass(frozen=True, slots=True)
class Cramped:
    """A box on small disks."""

    up: Up

    def inside(self, path: Path) -> Path:
        """A file as the box sees it."""
        return Path(f"/proc/{self.up.process.pid}/root{path}")

    def fill(self, folder: Path, leave_bytes: int = 0) -> Path:
        """Fill the disk of ``folder``; remove the returned file to give the space back."""
        stuff = self.inside(folder) / "stuff"
        with stuff.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        size = stuff.stat().st_size
        os.truncate(stuff, max(0, size - leave_bytes))
        return stuff

    def call(self, user: str, stay_ms: int) -> "subprocess.Popen[bytes]":
        work = self.up.home.root / "callers"
        work.mkdir(exist_ok=True)
        caller = Caller(NUMBER, user, keys=((2500, "1"),), stay_ms=stay_ms)
        return sipp.start(caller, peers(), work, self.up.home.settings().sip_port)

    def warned(self) -> dict[str, Any]:
        return {warning["code"]: warning["text_args"] for warning in self.up.live().get("warnings", ())}

    def rows(self, query: str, *values: object) -> list[Any]:
        """What the database says. Asked from within: SQLite follows /proc/…/root back to the files out here."""
        enter = ["nsenter", "-t", str(self.up.process.pid), "-m", *(["-U", "--preserve-credentials"] if NOBODY else [])]
        ask = "import json, sqlite3, sys; db = sqlite3.connect(f'file:{sys.argv[1]}?mode=rw', uri=True); "
        ask += "print(json.dumps(db.execute(sys.argv[2], json.loads(sys.argv[3])).fetchall()))"
        words = [*enter, sys.executable, "-c", ask, str(self.up.home.db), query, json.dumps(values)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=20)
        if "unable to open" in done.stderr or "disk is full" in done.stderr:  # no room for the reader's own -shm
            return []
        assert done.returncode == 0, done.stderr
        return [tuple(row) for row in json.loads(done.stdout)]

    def recording(self, user: str) -> tuple[str, int, int]:
        """(state, duration_ms, talk_ms) of the recording of a caller's one call, once its books are closed."""
        query = (
            "SELECT r.state, coalesce(r.duration_ms, 0), c.talk_ms FROM call c JOIN recording r ON r.id / 16 = c.key"
        )
        query += " WHERE c.caller = ? AND c.category = 'answered' AND r.state <> 'writing'"
        (found,) = until(lambda: self.rows(query, user), 30, f"the recording of {user} registered")
        return found

    def daemon_log(self) -> str:
        return (self.up.home.log / "daemon.log").read_text()


@pytest.fixture(scope="module")
def cramped() -> Iterator[Cramped]:
    alone = ("unshare", "-rm") if NOBODY else ("unshare", "-m")
    if subprocess.run([*alone, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode != 0:
        pytest.skip("this machine lets nobody mount a disk of his own")
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    home = new_home(folder / "home", disk_reserve_mb=30)
    home.db.parent.mkdir(exist_ok=True)
    spoken.lay(home.prompts)  # a minute of the processor otherwise; that a first start speaks is test_up's matter
    disks = (
        f"mount -t tmpfs -o size={RECORDINGS_MB}m none {home.recordings} && "
        f"mount -t tmpfs -o size={DATABASE_MB}m none {home.db.parent} && "
        'exec "$@"'
    )
    up = Up(home, before=(*alone, "sh", "-c", disks, "sh"))
    try:
        up.wait_up()
        until(lambda: up.agents_free() == 3, 30, "three agents free")
        yield Cramped(up)
    finally:
        up.end()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_full_disk_costs_recordings_and_nothing_else(cramped: Cramped) -> None:
    up = cramped.up
    asterisk, daemon = up.pid("asterisk"), up.pid("daemon")
    process = cramped.call("+5511950000001", 13_000 + NOTICE_MS)
    until(lambda: any(agent["state"] == "talking" for agent in up.live()["agents"]), 30, "an agent talks")
    until(lambda: list(cramped.inside(up.home.recordings).rglob("*.wav")), 10, "it is recorded")
    stuff = cramped.fill(up.home.recordings, leave_bytes=24_576)
    until(lambda: {"disk-full", "recording-stopped"} <= set(cramped.warned()), 40, "the page is told")
    assert cramped.warned()["disk-full"]["free_mb"] < 20
    second = cramped.call("+5511950000002", 9000)
    for one in (process, second):
        assert one.wait(60) == 0, "the caller was served to the end"
    first = cramped.recording("+5511950000001")
    assert first[0] == "short", first
    assert 0 < first[1] < first[2]
    second_call = "SELECT category FROM call WHERE caller = ? AND ended_ms IS NOT NULL"
    assert until(lambda: cramped.rows(second_call, "+5511950000002"), 30, "its history") == [("answered",)]
    query = "SELECT r.id FROM recording r JOIN call c ON c.key = r.id / 16 WHERE c.caller = ?"
    assert cramped.rows(query, "+5511950000002") == [], "it was not to be recorded"
    until(lambda: {"recordings-short", "recordings-missing"} & set(cramped.warned()), 25, "the page counts them")
    assert "warning disk-full: raised" in cramped.daemon_log()
    assert re.search(r"WARNING .* the recording .* is short", cramped.daemon_log())
    stuff.unlink()
    until(lambda: "recording-stopped" not in cramped.warned(), 40, "recording begins again")
    assert cramped.call("+5511950000003", 9000 + NOTICE_MS).wait(60) == 0
    third = cramped.recording("+5511950000003")
    assert third[0] == "ready", third
    until(lambda: "disk-full" not in cramped.warned(), 25, "the warning is taken back")
    assert (up.pid("asterisk"), up.pid("daemon")) == (asterisk, daemon)


def test_a_full_disk_of_the_database_costs_no_call_and_no_line_of_the_history(cramped: Cramped) -> None:
    up = cramped.up
    daemon = up.pid("daemon")
    stuff = cramped.fill(up.home.db.parent)
    users = [f"+551195000{number:04}" for number in range(10, 14)]
    until(lambda: up.agents_free() == 3, 20, "three agents free")
    calls = [cramped.call(user, 9000 + NOTICE_MS) for user in users[:2]]
    assert [call.wait(60) for call in calls] == [0, 0], "callers are served"
    until(lambda: "history-behind" in cramped.warned(), 40, "the page is told")
    assert "cannot be read into the history now" in cramped.daemon_log()
    os.kill(daemon, 9)  # also a daemon that starts on a full disk must not hurt, and comes up when there is room
    until(lambda: "The daemon ended (killed by SIGKILL)" in up.said(), 20, "it is missed")
    calls = [cramped.call(user, 16_000 + NOTICE_MS) for user in users[2:]]  # the others are in their wrap-up
    assert [call.wait(60) for call in calls] == [0, 0], "callers are served"
    stuff.unlink()
    for user in users:
        query = "SELECT category FROM call WHERE caller = ? AND ended_ms IS NOT NULL"
        assert until(lambda query=query, user=user: cramped.rows(query, user), 60, f"{user} in the history") == [
            ("answered",)
        ]
    until(lambda: "history-behind" not in cramped.warned(), 40, "the warning is taken back")
