"""``ramal health`` on a real box: a sound one is found well by a real call that rings nobody and is in no figure; and
each part that is broken is named."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from ramal.store import read
from ramal.store.db import open_reader
from tests.system import box
from tests.system.box import TestBox
from tests.until import until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def running() -> Iterator[TestBox]:
    text = resources.files("ramal").joinpath("offices", "demo.toml").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="ramal-", dir="/tmp") as folder, box.running(Path(folder), text) as found:
        until(lambda: found.control("live")["asterisk"]["up"], 40, "Asterisk is up")
        yield found


def health(running: TestBox, *words: str) -> dict[str, dict[str, Any]]:
    argv = [sys.executable, "-m", "ramal", "--home", str(running.home.root), "health", "--json", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    told = json.loads(done.stdout)
    assert (done.returncode == 0) == told["well"], done.stderr
    return {check["name"]: check for check in told["checks"]}


def test_every_part_is_looked_at_and_a_call_is_heard_both_ways(running: TestBox) -> None:
    found = health(running)
    for name in ("asterisk", "queues", "daemon", "database", "call"):
        assert found[name]["ok"], found[name]["sentence"]
    assert "heard both ways" in found["call"]["sentence"]
    assert not found["page"]["ok"], "no page runs in this box"


def test_the_call_is_nobodys(running: TestBox) -> None:
    """No agent was disturbed, and the history knows nothing of it, though Asterisk's journal does."""
    assert health(running)["call"]["ok"]
    journal = running.home.asterisk_log / "cel-custom" / "ramal.csv"
    until(lambda: "ramal-health-" in journal.read_text(), 10, "the journal has the call")
    until(lambda: running.control("live")["ingest"]["behind_bytes"] == 0, 20, "the journal was read")
    db = open_reader(running.home.db)
    try:
        assert read.calls(db, limit=10).rows == ()
        assert db.execute("SELECT count(*) FROM call").fetchone() == (0,)
    finally:
        db.close()
    assert running.control("live")["today"]["received"] == 0


def test_sound_that_does_not_come_back_is_found(running: TestBox) -> None:
    """Asterisk answers, and its echo is gone: as a release with a broken media part would be."""
    running.command("dialplan remove extension echo@ramal-health 3")
    running.command("dialplan add extension echo,3,Wait(30) into ramal-health")
    try:
        found = health(running)
        assert not found["call"]["ok"]
        assert "A call to itself" in found["call"]["sentence"]
        assert found["asterisk"]["ok"]
    finally:
        running.command("dialplan reload")
    assert health(running)["call"]["ok"]


def test_a_box_without_queues_is_not_well(running: TestBox) -> None:
    running.command("module unload app_queue.so")
    try:
        assert not health(running, "--quick")["queues"]["ok"]
    finally:
        running.command("module load app_queue.so")
    assert health(running, "--quick")["queues"]["ok"]
