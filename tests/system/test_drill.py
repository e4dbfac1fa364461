"""``ramal drill`` through a real box: it passes on a sound one, and says what is amiss on others."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import pytest

from ramal.box import prepare
from ramal.box.children import start_program
from tests.system import box
from tests.system.box import TestBox
from tests.until import until

pytestmark = pytest.mark.system


def demo() -> str:
    return resources.files("ramal").joinpath("offices", "demo.toml").read_text(encoding="utf-8")


@contextmanager
def demo_box(text: str) -> Iterator[TestBox]:
    """A box with its virtual office, as ``ramal up`` runs it."""
    with (
        tempfile.TemporaryDirectory(prefix="ramal-", dir="/tmp") as folder,
        box.running(Path(folder), text) as running,
    ):
        config = prepare.virtual_phones(running.home, running.settings, running.office)
        argv = [sys.executable, "-m", "ramal.virtual", "--config", str(config)]
        phones = start_program(argv, running.home.log / "virtual.log")
        try:
            until(lambda: free(running) == 3, 40, "three agents free")
            yield running
        finally:
            phones.stop()


def free(running: TestBox) -> int:
    return sum(agent["state"] == "free" for agent in running.control("live")["agents"])


def drill(running: TestBox) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "ramal", "--home", str(running.home.root), "drill"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=150, check=False)


def test_a_sound_box_passes_and_a_second_drill_waits_its_turn() -> None:
    with demo_box(demo()) as running:
        first = subprocess.Popen(
            [sys.executable, "-m", "ramal", "--home", str(running.home.root), "drill"],
            stdout=subprocess.PIPE,
            text=True,
        )
        until(lambda: free(running) == 2, 30, "an agent is busy with the first")
        second = drill(running)
        said, _ = first.communicate(timeout=120)
        assert first.returncode == 0, said
        assert "The drill passed." in said
        assert "FAILED" not in said
        assert "sound-agent" in said
        assert second.returncode == 1
        assert "already under way" in second.stderr
        calls = running.ended_calls(1)
        assert [call["category"] for call in calls] == ["answered"]


def test_a_box_that_does_not_record_fails_and_says_so() -> None:
    with demo_box(demo().replace('name = "vendas"\n', 'name = "vendas"\nrecord = false\n')) as running:
        said = drill(running)
        assert said.returncode == 1
        assert "The drill FAILED." in said.stdout
        assert "FAILED  recording" in said.stdout
        assert "ok      category" in said.stdout


def test_a_box_without_a_free_agent_refuses_with_a_sentence() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="ramal-", dir="/tmp") as folder,
        box.running(Path(folder), demo()) as running,
    ):
        said = drill(running)
        assert said.returncode == 1
        assert "Nobody in the queue" in said.stderr
        assert "Traceback" not in said.stderr
