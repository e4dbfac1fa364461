"""A person is erased from a real box, which dies in between and goes on, and nobody else is touched: every byte of the
home is looked at, the catalogue still verifies, and the history computed anew is the same."""

import contextlib
import json
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ramal import cli
from ramal.box.children import start_program
from ramal.control.client import DaemonDown
from ramal.core import sound
from ramal.store import privacy as book
from ramal.store.db import open_reader
from tests.system import agents, box
from tests.system.box import TestBox
from tests.system.callbacks import calling_back
from tests.system.sipp import Caller
from tests.system.test_messages import leave
from tests.until import until

pytestmark = pytest.mark.system
SALES, CLOSED = "+551133330001", "+551133330002"
ERASED, NAME, OTHER = "+5511987650431", "Zuleica Quaresma", "+5511987650432"
NATIONAL = ERASED.removeprefix("+55")
HERS = (
    "SELECT coalesce(s.path, r.path) FROM recording r JOIN call c ON c.key = r.id / 16"
    " LEFT JOIN sound s ON s.recording = r.id WHERE c.caller = ? AND r.state IN ('ready', 'short')"
)
STEPS = ("rows", "sound", "asterisk", "calls", "journals", "files", "rest", "compact", "prove", "forget", "sweep")


@pytest.fixture(scope="module")
def office() -> Iterator[TestBox]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    try:
        with box.running(folder, box.office(), daemon=False, terse=True, whole="office") as running:
            daemon(running)
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def daemon(office: TestBox, dies: str = "") -> None:
    office.start_daemon("-m", "tests.system.erasing", str(office.home.root), *([dies] if dies else []))


def answers(office: TestBox) -> bool:
    with contextlib.suppress(DaemonDown):
        return bool(office.control("ping"))
    return False


def dying_daemon(office: TestBox, step: str) -> None:
    """A daemon that dies in this step; it may be dead before anybody has seen it up."""
    argv = [sys.executable, "-m", "tests.system.erasing", str(office.home.root), step]
    office.daemon = start_program(argv, office.home.log / "daemon.log")
    if step == STEPS[0]:
        until(lambda: answers(office), 20, "the daemon up")


def call(office: TestBox, number: str, user: str, **more: Any) -> None:
    assert office.call(Caller(number, user, **more)).wait(60) == 0
    office.callers.clear()


def traces(home: Path, number: str = ERASED, name: str = NAME) -> list[str]:
    """Every file of the home whose bytes hold the number, however it is written, or the name. What callers of the test
    itself wrote is not the product's."""
    national = number.removeprefix("+55")
    digits = rb"[^0-9A-Za-z]{0,3}".join(bytes([byte]) for byte in national.encode())
    named = rb"(?:%20|%2520|[ +._-])?".join(re.escape(part.encode()) for part in name.split())
    wanted = re.compile(digits + b"|" + national[2:].encode() + b"|" + named, re.IGNORECASE)
    found = []
    for path in sorted(home.rglob("*")):
        if "callers" in path.relative_to(home).parts or not path.is_file() or path.is_symlink():
            continue
        if wanted.search(str(path).encode()) or wanted.search(path.read_bytes()):
            found.append(str(path.relative_to(home)))
    return found


def handed_out(office: TestBox, file: Path) -> dict[str, Any]:
    """What somebody else is given when they ask: all data and every sound, but for when it was."""
    assert cli.main(["--home", str(office.home.root), "subject", "export", OTHER, str(file)]) == 0
    with zipfile.ZipFile(file) as archive:
        told: dict[str, Any] = {name: archive.read(name) for name in archive.namelist() if name.startswith("audio/")}
        told["data"] = json.loads(archive.read("data.json"))
    del told["data"]["at_ms"]
    assert len(told) == 2
    return told


def others(office: TestBox) -> dict[str, Any]:
    """All that is kept of somebody else."""
    with closing(open_reader(office.home.db)) as db:
        keys = book.party(db, OTHER)
        rows = {key: book.rows_about(db, key) for key in keys}
        lines = {key: (book.lines_of(db, key).cel, book.lines_of(db, key).queue) for key in keys}
    return {"rows": rows, "lines": lines}


def figures(office: TestBox) -> list[Any]:
    """Everything of the history of callers but who it was. Calls inside come on their own: Asterisk takes a message
    whose sound is gone out of its box."""
    queries = (
        "SELECT key, category, ended_ms, queue, agent, wait_ms, talk_ms, missed FROM call WHERE direction = 'in'",
        "SELECT * FROM queue_stay",
        "SELECT * FROM hour_count WHERE direction = 'in'",
        "SELECT at_ms, agent, queue, kind, detail FROM agent_event",
        "SELECT state, times, first_ms, last_ms, category FROM missed ORDER BY last_ms",
    )
    return [[tuple(row) for row in office.rows(query)] for query in queries]


def erased(office: TestBox, state: str = "done") -> dict[str, Any]:
    """The receipt of the latest erasure, once it has come so far."""
    latest = "(SELECT max(id) FROM subject_request WHERE kind = 'erase')"
    query = f"SELECT told FROM subject_request WHERE id = {latest} AND state = ?"
    try:
        told = until(lambda: office.rows(query, state), 40, state)[0][0]
    except AssertionError:
        rows = [tuple(row) for row in office.rows("SELECT * FROM subject_request")]
        raise AssertionError(f"{rows} {office.daemon_log()[-4000:]}") from None
    found: dict[str, Any] = json.loads(told)
    return found


def test_asterisk_writes_its_switches_ahead(office: TestBox) -> None:
    """Or each of five commits a call makes and removes a file on the card."""
    office.command("database put ramal-test one two")
    ahead = office.home.asterisk_lib / "astdb.sqlite3-wal"
    until(lambda: ahead.exists() and b"/ramal-test/one" in ahead.read_bytes(), 10, "in the journal that goes ahead")
    office.command("database del ramal-test one")


def test_a_person_is_erased_through_every_death_and_nobody_else_changes(
    office: TestBox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    voice = tmp_path / "voice.wav"
    voice.write_bytes(sound.wav_bytes(sound.tone([440.0], 2000)))
    office.control("contact.save", who="owner", contact={"number": ERASED, "name": NAME, "note": "gosta de café"})
    office.control("contact.save", who="owner", contact={"number": OTHER, "name": "Outra Pessoa"})
    display = f'"{NAME}" '
    with agents.logged_in(office, "201", voice=voice):
        call(office, SALES, ERASED, stay_ms=8000, display=display)
        call(office, SALES, OTHER, stay_ms=8000)
    call(office, SALES, "011987650431", stay_ms=2500)
    leave(office, tmp_path, ERASED, CLOSED)
    calls = office.ended_calls(4)
    assert sorted(row["caller"] for row in calls) == sorted([ERASED, ERASED, ERASED, OTHER])
    kept = "SELECT 1 FROM sound WHERE NOT unlink_due"
    until(lambda: len(office.rows(kept)) >= 2, 25, "recordings are kept")
    until(lambda: not office.rows("SELECT 1 FROM recording WHERE state = 'writing'"), 20, "all are measured")
    office.control("audit", who="owner", what="note", detail=f"called (11) {NATIONAL[2:7]}-{NATIONAL[7:]} about {NAME}")
    (office.home.log / "old.log.1").write_text(f"2026 something about +{ERASED[1:]}\nand others\n")
    with closing(open_reader(office.home.db)) as db:
        hers = {office.home.root / row[0] for row in db.execute(HERS, (ERASED,))}
    assert {path.suffix for path in hers} == {".wav", ".sealed"}, "a talk that is kept, and a message"
    before, history, given = others(office), figures(office), handed_out(office, tmp_path / "before.zip")
    assert traces(office.home.root), "there is something to erase"

    one = office.control("subject.open", who="owner", number="11 98765-0431", kind="erase")
    code = ""
    for step in STEPS:
        if office.daemon is not None:
            office.kill_daemon()
        dying_daemon(office, step)
        if not code:
            code = str(office.control("subject.erase", who="owner", id=str(one["id"]))["code"])
        assert office.daemon is not None
        dying = office.daemon
        until(lambda: dying.poll() is not None, 40, f"it dies in {step}")  # noqa: B023
        office.daemon = None
        if step != STEPS[-1]:
            continue
        daemon(office)
    told = erased(office)
    assert traces(office.home.root) == []
    assert others(office) == before
    assert figures(office) == history
    assert handed_out(office, tmp_path / "after.zip") == given
    assert cli.main(["--home", str(office.home.root), "recordings", "verify"]) == 0
    capsys.readouterr()
    assert told["left"] == [], told
    assert not any(path.exists() for path in hers)
    assert (told["recordings"], told["contact"], told["calls"]) == (len(hers), 1, 3), told  # a talk and a message
    with closing(open_reader(office.home.db)) as db:
        assert book.proves(db, one["id"], code, ERASED)
        assert not book.proves(db, one["id"], code, OTHER)
    office.stop_daemon()
    assert cli.main(["--home", str(office.home.root), "rebuild"]) == 0
    assert figures(office) == history
    assert others(office) == before
    assert traces(office.home.root) == []


def test_what_is_under_hold_stays_and_goes_by_itself_when_it_is_released(office: TestBox) -> None:
    if office.daemon is None:
        daemon(office)
    held = office.rows("SELECT id FROM call WHERE caller = ?", OTHER)[0][0]
    office.control(
        "recordings.hold", who="owner", kind="call", what=held, why="a trial", **{"from": "", "to": "", "until": ""}
    )
    one = office.control("subject.open", who="owner", number=OTHER, kind="erase")
    assert [row[1] for row in office.control("subject.staying", number=OTHER)["staying"]] == ["held"]
    office.control("subject.erase", who="owner", id=str(one["id"]))
    told = erased(office, "partly")
    assert [row[1] for row in told["away"]] == ["held"]
    assert office.rows("SELECT caller FROM call WHERE id = ?", held)[0][0] == OTHER
    assert not office.rows("SELECT 1 FROM contact WHERE number = ?", OTHER)
    assert traces(office.home.root, OTHER, "Outra Pessoa"), "the held call still knows it"
    hold = office.rows("SELECT id FROM hold")[0][0]
    office.control("recordings.release", who="owner", id=str(hold))
    erased(office)
    assert traces(office.home.root, OTHER, "Outra Pessoa") == []
    assert office.stop_daemon() == 0, office.daemon_log()[-3000:]


def test_who_is_to_be_called_back_is_not_and_is_erased() -> None:
    with calling_back() as waiting, agents.logged_in(waiting.box, "201", agents.IGNORE, waiting.voice):
        office = waiting.box
        waiting.ask(SALES, ERASED)
        assert waiting.record(ERASED)
        until(lambda: waiting.standins() == 1, 10, "somebody stands in for them")
        daemon(office)
        until(lambda: office.rows("SELECT 1 FROM callback WHERE ended_ms IS NULL"), 20, "the callback is known")
        one = office.control("subject.open", who="owner", number=ERASED, kind="erase")
        office.control("subject.erase", who="owner", id=str(one["id"]))
        told = erased(office)
        assert (told["left"], told["callbacks"]) == ([], 1)
        assert not waiting.record(ERASED)
        assert waiting.standins() == 0
        assert office.rows("SELECT state FROM callback")[0][0] == "cancelled"
        assert traces(office.home.root) == []
