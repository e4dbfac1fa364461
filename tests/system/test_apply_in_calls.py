"""Changing the office while people talk and wait: nobody notices, and whatever goes wrong, one whole office remains."""

import contextlib
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ramal.app import peers_of
from ramal.control.client import DaemonDown
from ramal.core import office_file
from ramal.core.places import asterisk_queues
from ramal.store import settings
from ramal.store.db import open_reader
from tests.core.test_office_mistakes import MISTAKES
from tests.system import agents, box
from tests.system.box import TestBox
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system

SALES = "+551133330001"


@pytest.fixture(scope="module")
def office() -> Iterator[TestBox]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    try:
        with box.running(folder, box.office()) as running:
            until(lambda: (running.home.etc / "loaded").exists(), 20, "Asterisk holds the office")
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ramal(office: TestBox, *words: str, given: str = "") -> "subprocess.CompletedProcess[str]":
    """The command line as a person uses it."""
    return subprocess.run(_argv(office, *words), input=given, capture_output=True, text=True, timeout=60, check=False)


def _argv(office: TestBox, *words: str) -> list[str]:
    return [sys.executable, "-m", "ramal", "--home", str(office.home.root), *words]


def _started(office: TestBox, file: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        _argv(office, "apply", str(file)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def export(office: TestBox) -> str:
    done = ramal(office, "export")
    assert done.returncode == 0, done.stderr
    return done.stdout


def changed(text: str, mark: str) -> str:
    """The office with another name, another text in a menu, another queue, phone and agent."""
    text = re.sub(r'(\[office\]\nname = )"[^"]*"', rf'\1"Oficina {mark}"', text)
    text = text.replace("Tecle um para vendas", f"Oficina {mark}: tecle um para vendas")
    text = re.sub(r'title = "Vendas[^"]*"', f'title = "Vendas {mark}"', text)
    text = re.sub(r'name = "Fone 202[^"]*"', f'name = "Fone 202 {mark}"', text)
    text = re.sub(r'\n\[\[queue\]\]\nname = "extra-[^[]*', "\n", text)
    return text + f'\n[[queue]]\nname = "extra-{mark.lower()}"\noverflow = "hangup"\n'


def everything(office: TestBox) -> tuple[object, ...]:
    """All that an apply could change: the database, Asterisk's files, and Asterisk. Not ``room``: how full the disk is,
    which each round writes."""
    with closing(open_reader(office.home.db)) as connection:
        query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
        names = [name for (name,) in connection.execute(query) if name != "room"]
        tables = {name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}
    etc = office.home.etc
    files = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in etc.rglob("*") if path.is_file()}
    links = tuple(os.readlink(etc / name) for name in ("current", "loaded"))
    return tables, files, links, office.command("dialplan show"), office.command("pjsip show auths")


def quiet(office: TestBox) -> tuple[object, ...]:
    """``everything`` once the history of what was before is written, and the rounds have written ahead."""
    seen: list[object] = []

    def twice() -> bool:
        seen.append(everything(office))
        return len(seen) > 3 and seen[-1] == seen[-2] == seen[-3]

    until(twice, 40, "the box is quiet", 0.5)
    return everything(office)


def agrees(office: TestBox) -> bool:
    """Whether database, live picture, Asterisk's files and Asterisk itself have the same office."""
    with closing(open_reader(office.home.db)) as connection:
        kept = settings.load(connection)
    assert kept is not None
    if office.control("live")["office"]["name"] != kept.name or not os.path.lexists(office.home.etc / "loaded"):
        return False
    current, loaded = (os.readlink(office.home.etc / name) for name in ("current", "loaded"))
    wanted = peers_of(office.home).render(kept)
    files = {name: (office.home.etc / "current" / name).read_text(encoding="utf-8") for name in wanted}
    held = set(re.findall(r"^([\w-]+) has \d+ calls", office.command("queue show"), re.MULTILINE))
    return current == loaded and files == dict(wanted) and held == {one.name for one in asterisk_queues(kept)}


def test_a_talk_and_a_waiting_caller_do_not_notice_a_changed_office(office: TestBox, tmp_path: Path) -> None:
    file = tmp_path / "new.toml"
    file.write_text(changed(export(office), "Nova"), encoding="utf-8")
    with agents.logged_in(office, "201"):
        office.call(Caller(SALES, "+5511960000001", stay_ms=7000))
        until(lambda: any(agent["state"] == "talking" for agent in office.control("live")["agents"]), 15, "a talk")
        office.call(Caller(SALES, "+5511960000002", stay_ms=12_000))
        waiting = until(lambda: office.control("live")["waiting"], 15, "a waiting caller")
        wav = max(office.home.recordings.rglob("*.wav"), key=lambda path: path.stat().st_mtime_ns)
        before, size = channels(office), wav.stat().st_size
        applied = ramal(office, "apply", str(file))
        assert applied.returncode == 0, applied.stderr
        assert "Reloaded in Asterisk" in applied.stdout
        until(lambda: agrees(office), 10, "the new office is in force")
        assert channels(office) == before
        assert office.control("live")["waiting"] == waiting
        until(lambda: wav.stat().st_size > size + 16_000, 10, "the talk is recorded on")
        office.wait_for_callers()
    for caller in ("+5511960000001", "+5511960000002"):
        query = "SELECT category, agent, hangup_by FROM call WHERE caller = ? AND ended_ms IS NOT NULL"
        rows = until(lambda query=query, caller=caller: office.rows(query, caller), 20, "in the history")
        assert tuple(rows[0]) == ("answered", "7", "caller")


def channels(office: TestBox) -> list[str]:
    """Of people; the timers' own come and go (dialplan/timer.conf)."""
    told = office.command("core show channels concise").splitlines()
    return sorted(line.split("!")[0] for line in told if "!" in line and "@ramal-tick-" not in line)


def test_a_file_full_of_mistakes_gets_a_sentence_each_and_changes_nothing(office: TestBox, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(MISTAKES, encoding="utf-8")
    before = quiet(office)
    refused = ramal(office, "apply", str(file))
    assert refused.returncode == 1
    sentences = [line for line in refused.stderr.splitlines() if re.match(rf"{re.escape(str(file))}:\d+: \S", line)]
    assert len(sentences) == 34, refused.stderr
    assert len(set(sentences)) == 34
    assert "nothing was changed" in refused.stderr.lower()
    assert "Traceback" not in refused.stderr
    assert everything(office) == before


def test_applying_what_was_exported_changes_nothing(office: TestBox) -> None:
    before = quiet(office)
    text = export(office)
    applied = ramal(office, "apply", "-", given=text)
    assert (applied.returncode, applied.stderr) == (0, "")
    assert "Nothing to change" in applied.stdout
    assert everything(office) == before
    assert export(office) == text


def test_the_office_is_the_same_without_a_daemon_and_after_its_death(office: TestBox) -> None:
    text = export(office)
    office.kill_daemon()
    assert export(office) == text
    office.start_daemon()
    assert export(office) == text


def test_of_two_applies_at_once_one_comes_after_the_other(office: TestBox, tmp_path: Path) -> None:
    text = export(office)
    running = []
    for mark in ("A", "B", "C"):
        file = tmp_path / f"{mark}.toml"
        file.write_text(changed(text, mark), encoding="utf-8")
        running.append(_started(office, file))
    for process in running:
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 0 or "Another apply is running" in said, said
    until(lambda: agrees(office), 10, "one office is in force everywhere")
    assert office.control("live")["office"]["name"] in ("Oficina A", "Oficina B", "Oficina C")


class _Asked(threading.Thread):
    """Asks the daemon itself for an apply. (The command would do it alone when the daemon dies.)"""

    def __init__(self, office: TestBox, text: str) -> None:
        super().__init__()
        self._office, self._text = office, text
        self.done = False

    def run(self) -> None:
        with contextlib.suppress(DaemonDown):
            self._office.control("apply", 30.0, toml=self._text, file="office.toml")
            self.done = True


def test_a_daemon_killed_in_the_middle_of_an_apply_leaves_one_office(office: TestBox) -> None:
    dice, text, cut, half = random.Random(20261122), export(office), 0, 0
    for turn in range(14):
        asked = _Asked(office, changed(text, f"T{turn}"))
        steps, wanted, wait_s = _steps(office), dice.randint(0, 16), dice.choice((0.0, dice.uniform(0.0, 0.06)))
        asked.start()
        until(lambda s=steps, w=wanted, a=asked: _steps(office) - s >= w or not a.is_alive(), 30, step_s=0.001)
        at_s = time.monotonic() + wait_s
        until(lambda at_s=at_s: time.monotonic() >= at_s, 5, step_s=0.001)
        office.kill_daemon()
        asked.join(30)
        cut += not asked.done
        half += not os.path.lexists(office.home.etc / "loaded") or bool(
            list((office.home.etc / "generations").glob(".*"))
        )
        office.start_daemon()
        until(lambda: agrees(office), 20, f"turn {turn}: one office in database, files, Asterisk and live")
        if asked.done:
            assert office.control("live")["office"]["name"] == f"Oficina T{turn}", "what was acknowledged is kept"
        assert office_file.read(export(office), "export", lambda: "") is not None
        with closing(sqlite3.connect(office.home.db)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    print(f"{cut} of 14 were not acknowledged, {half} left half-done work on the disk")
    assert cut >= 2
    assert half >= 1


def _steps(office: TestBox) -> int:
    """Grows with every file that an apply writes."""
    etc, count = office.home.etc, 0
    for folder in (etc, etc / "generations", *(etc / "generations").iterdir()):
        with contextlib.suppress(OSError):
            count += 1 + len(list(folder.iterdir()))
    return count
