"""What the half hour left behind, held against what its callers and phones saw on the wire."""

import shutil
import sqlite3
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ramal.box.home import Home
from ramal.core.history import RECEIVED
from ramal.store.db import open_reader
from ramal.virtual import events
from tests.bench.messages import messages
from tests.bench.usage import cpu_s
from tests.until import until

if TYPE_CHECKING:
    from tests.bench.half_hour import HalfHour

CLOSE_MS = 2500
"""What may lie between a caller's own clock readings and the history's, on a machine that carries everything."""
SERVED = frozenset({"answered"})


def of(run: "HalfHour") -> dict[str, Any]:
    """Every figure, and ``faults``: one sentence for each thing that does not hold."""
    box = run.box
    wanted = len(run.placed)
    query = "SELECT count(*) FROM call WHERE direction = 'in' AND ended_ms IS NOT NULL"
    faults: list[str] = []
    try:
        until(lambda: box.rows(query)[0][0] >= wanted, 60, "every call in the history")
    except AssertionError:
        faults.append(f"{box.rows(query)[0][0]} ended calls in the history of {wanted} placed")
    until(lambda: not box.rows("SELECT 1 FROM recording WHERE state = 'writing'"), 60, "recordings finished")
    with closing(open_reader(box.home.db)) as db:
        db.row_factory = sqlite3.Row
        rows = db.execute("SELECT * FROM call WHERE direction = 'in' ORDER BY started_ms, key").fetchall()
        faults += _each_call(run, rows)
        faults += _talks_apart(db)
        faults += _phones_agree(run, db)
        faults += _paused_left_alone(run)
        faults += _recordings(db)
        categories = Counter(row["category"] for row in rows)
        waits = sorted(row["wait_ms"] for row in rows if row["category"] == "answered" and row["wait_ms"] is not None)
        stays = dict(db.execute("SELECT outcome, count(*) FROM queue_stay GROUP BY outcome").fetchall())
    if sum(categories[name] for name in RECEIVED) != len(rows):
        faults.append(f"the categories {dict(categories)} do not sum to the {len(rows)} received calls")
    faults += _same_when_read_again(run)
    assert box.daemon is not None
    daemon_s = run.daemon_cpu_s + cpu_s(box.daemon.pid)
    minutes = run.length_s / 60
    return {
        "kind": "half hour",
        "minutes": minutes,
        "calls": wanted,
        "daemon_killed": len(run.deaths),
        "categories": dict(categories),
        "stays": stays,
        "wait_p50_ms": waits[len(waits) // 2] if waits else None,
        "wait_p95_ms": waits[len(waits) * 95 // 100] if waits else None,
        "daemon_cpu_s": round(daemon_s, 2),
        "daemon_cpu_ms_per_call": round(1000 * daemon_s / max(1, wanted), 2),
        "daemon_share_of_one_processor": round(daemon_s / (60 * minutes), 4),
        "asterisk_cpu_ms_per_call": round(1000 * run.asterisk_cpu_s / max(1, wanted), 2),
        "faults": faults,
    }


def text(result: dict[str, Any]) -> str:
    """For a terminal."""
    lines = [f"{name}: {value}" for name, value in result.items() if name != "faults"]
    faults = result["faults"]
    return "\n".join([*lines, "", f"{len(faults)} faults" if faults else "everything held", *faults[:60]])


def _each_call(run: "HalfHour", rows: list[sqlite3.Row]) -> Iterator[str]:
    """Every placed call is there once; its begin, end and who hung up are what the caller saw."""
    by_caller: dict[str, list[sqlite3.Row]] = defaultdict(list)
    for row in rows:
        by_caller[row["caller"]].append(row)
    placed = defaultdict(list)
    for one in run.placed:
        placed[one.caller.user].append(one)
    for caller, sent in placed.items():
        told = by_caller.pop(caller, [])
        if len(told) != len(sent):
            yield f"{caller} called {len(sent)} times, the history has {len(told)}"
            continue
        for one, row in zip(sent, told, strict=True):
            yield from _one_call(one.kind, list(messages(one.log)), row)
    for caller, told in by_caller.items():
        yield f"{len(told)} calls of {caller or 'nobody'} in the history that no caller made"


def _one_call(kind: str, seen: list[Any], row: sqlite3.Row) -> Iterator[str]:
    name = f"call {row['id']} ({kind}, {row['caller']})"
    invite = next((one for one in seen if one.direction == "sent" and one.is_request("INVITE")), None)
    bye = next((one for one in seen if one.is_request("BYE")), None)
    if invite is None:
        yield f"{name}: the caller never called, but the history has it"
        return
    if abs(row["started_ms"] - 1000 * invite.at_s) > CLOSE_MS:
        yield f"{name}: began at {row['started_ms']}, the caller says {1000 * invite.at_s:.0f}"
    if bye is not None:
        if row["ended_ms"] is None or abs(row["ended_ms"] - 1000 * bye.at_s) > CLOSE_MS:
            yield f"{name}: ended at {row['ended_ms']}, the caller says {1000 * bye.at_s:.0f}"
        hung_up = "caller" if bye.direction == "sent" else "other"
        if (row["hangup_by"] == "caller") != (hung_up == "caller"):
            yield f"{name}: hung up by {row['hangup_by']}, the caller says {hung_up} ({row['category']})"
    wanted = {"unknown": {"refused"}, "closed": {"closed"}, "silent": {"gave_up"}}.get(kind)
    if wanted and row["category"] not in wanted:
        yield f"{name}: is {row['category']}, should be {wanted}"
    if row["category"] in ("answered", "abandoned") and not row["queue"]:
        yield f"{name}: {row['category']} without a queue"
    if row["category"] == "answered" and (not row["agent"] or row["talk_ms"] is None):
        yield f"{name}: answered by {row['agent'] or 'nobody'}, talk {row['talk_ms']}"


def _talks_apart(db: sqlite3.Connection) -> Iterator[str]:
    """Nobody talks with two callers at once."""
    talks: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    query = "SELECT agent, left_ms, left_ms + talk_ms, call FROM queue_stay WHERE outcome = 'answered' AND talk_ms > 0"
    for agent, begin, end, key in db.execute(query):
        talks[agent].append((begin, end, key))
    for agent, spans in talks.items():
        for before, after in pairwise(sorted(spans)):
            if after[0] < before[1] - 1000:
                yield f"agent {agent} talks in calls {before[2]} and {after[2]} at once"


def _phones_agree(run: "HalfHour", db: sqlite3.Connection) -> Iterator[str]:
    """What a phone answered for a caller is what the history says its agent answered."""
    for desk in run.desks:
        incoming = {one.call_id for one in desk.told if isinstance(one, events.Incoming)}
        answered = [one for one in desk.told if isinstance(one, events.Answered) and one.call_id in incoming]
        query = "SELECT count(*) FROM queue_stay WHERE agent = ? AND outcome = 'answered'"
        (said,) = db.execute(query, (desk.code,)).fetchone()
        if said > len(answered):
            yield f"agent {desk.code}: {said} answered calls in the history, the phone answered {len(answered)}"
        if said < len(answered) - max(3, len(answered) // 10):  # a caller may leave in the moment of the answer
            yield f"agent {desk.code}: {said} answered calls in the history, the phone answered {len(answered)}"


def _paused_left_alone(run: "HalfHour") -> Iterator[str]:
    for desk in run.desks:
        for one in desk.told:
            if isinstance(one, events.Incoming) and any(begin < one.at_ms < end for begin, end in desk.away):
                yield f"agent {desk.code} was rung at {one.at_ms} while paused or out of service ({one.peer_uri})"


def _recordings(db: sqlite3.Connection) -> Iterator[str]:
    query = """SELECT c.id, c.talk_ms FROM call c WHERE c.category = 'answered' AND c.talk_ms > 1500 AND NOT EXISTS
        (SELECT 1 FROM recording r WHERE r.id BETWEEN c.key * 16 AND c.key * 16 + 15 AND r.state = 'ready')"""
    for call, talk_ms in db.execute(query):
        yield f"call {call}: a talk of {talk_ms} ms without a whole recording"


def _same_when_read_again(run: "HalfHour") -> Iterator[str]:
    """The whole history computed anew from the kept journal lines is the same, row for row."""
    copy = run.folder / "again"
    shutil.rmtree(copy, ignore_errors=True)
    run.box.stop_daemon()
    for part in ("db", "asterisk/log"):
        shutil.copytree(run.box.home.root / part, copy / part)
    shutil.copy(run.box.home.root / "settings.toml", copy / "settings.toml")
    argv = [sys.executable, "-m", "ramal", "--home", str(copy), "rebuild"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        yield f"ramal rebuild failed: {done.stdout}{done.stderr}"
    else:
        for table in ("call", "queue_stay", "agent_event", "hour_count"):
            before, after = _rows(run.box.home.db, table), _rows(Home(copy).db, table)
            if before != after:
                yield f"{table}: {len(before ^ after)} rows differ after ramal rebuild"
    run.box.start_daemon()


def _rows(path: Any, table: str) -> set[tuple[Any, ...]]:
    with closing(open_reader(path)) as db:
        return {tuple(row) for row in db.execute(f"SELECT * FROM {table}")}
