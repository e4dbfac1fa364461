"""Calls that Asterisk joined are one call in history, however their lines arrive, and stay it when rebuilt.

``samples/attended.*`` are what Asterisk 22.10 wrote: agent 7 at 201 has a caller, calls 203, and connects the two.
"""

import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ramal.core.history import call_key
from ramal.store import joined
from ramal.store.ingest import CEL_NAME, QUEUE_NAME
from ramal.store.packing import unpack
from tests.store.history import Life, history_of, rows

SAMPLES = Path(__file__).parent / "samples"
CEL = (SAMPLES / "attended.cel.csv").read_bytes()
LOG = (SAMPLES / "attended.queue_log").read_bytes()
CALL, ASKING = "1795333705.13", "1795333706.26"
OLD, NEW, NEWEST = "1763.1", "1764.5", "1765.9"


def a_line(kind: str, linked: str, unique: str, extra: str = "") -> bytes:
    return f"1763000000.000001,{kind},{linked},{unique},c,n,n,s,x,,{extra},".encode()


def transfer(linked: str, *channels: str) -> bytes:
    names = ("channel2", "transferee_channel", "transfer_target_channel")
    extra = ",".join(f'"{name}_uniqueid":"{each}"' for name, each in zip(names, channels, strict=False))
    return a_line("ATTENDEDTRANSFER", linked, linked, f"{{{extra}}}".replace(",", "%2C").replace('"', "%22"))


@pytest.mark.parametrize(
    ("lines", "owner", "known", "homes", "expected"),
    [
        ([], {}, [], {}, {}),
        ([a_line("ANSWER", OLD, OLD), a_line("ANSWER", NEW, NEW)], {}, [], {}, {}),
        ([transfer(OLD, NEW), a_line("HANGUP", NEW, NEW)], {}, [], {}, {NEW: OLD}),
        ([transfer(NEW, OLD), a_line("HANGUP", OLD, OLD)], {}, [], {}, {NEW: OLD}),
        ([transfer(OLD, "1764.6")], {"1764.6": NEW}, [], {}, {NEW: OLD}),
        ([transfer(OLD, "1.1")], {}, [], {}, {}),
        ([a_line("BRIDGE_ENTER", OLD, NEW)], {NEW: OLD}, [NEW], {}, {NEW: OLD}),
        ([], {NEWEST: NEW}, [NEWEST], {NEW: OLD}, {NEW: OLD, NEWEST: OLD}),
        ([], {OLD: NEW}, [OLD], {NEWEST: NEW}, {NEW: OLD, NEWEST: OLD}),
        ([], {NEW: OLD}, [NEW], {NEW: OLD}, {NEW: OLD}),
    ],
    ids=[
        *("nothing", "strangers", "transfer", "older target", "channel of a call", "unknown channel"),
        *("goes on under another id", "chain", "older one found later", "again"),
    ],
)
def test_the_older_call_takes_the_younger(
    lines: list[bytes], owner: dict[str, str], known: list[str], homes: dict[str, str], expected: dict[str, str]
) -> None:
    grouped: dict[bytes, list[bytes]] = {}
    for line in lines:
        grouped.setdefault(line.split(b",")[2], []).append(line)
    assert joined.joins(grouped, owner, known, homes) == expected


IDS = st.sampled_from([OLD, NEW, NEWEST, "1766.2", "1767.4"])


@given(st.lists(st.tuples(IDS, IDS), max_size=12))
def test_whatever_is_joined_with_whatever_each_ends_in_the_oldest_and_no_circle_is_made(
    pairs: Sequence[tuple[str, str]],
) -> None:
    homes: dict[str, str] = {}
    for one, other in pairs:
        homes = joined.joins({}, {one: other}, [one], homes)
    for gone, home in homes.items():
        assert home not in homes
        assert float(home) < float(gone)
    for one, other in pairs:
        assert homes.get(one, one) == homes.get(other, other)


def test_lines_of_joined_calls_are_in_order_of_time_and_those_of_one_moment_as_they_came() -> None:
    lines = [b"1763000002.000000,B", b"1763000001.000000,X", b"1763000002.000000,A"]
    assert joined.in_order(lines) == [lines[1], lines[0], lines[2]]


def write(life: Life, cel: bytes = CEL, log: bytes = LOG) -> None:
    life.write(CEL_NAME, cel)
    life.write(QUEUE_NAME, log)
    life.read_all()


def ids(life: Life) -> list[str]:
    query = "SELECT id FROM call WHERE category <> 'service' OR category IS NULL ORDER BY id"
    return [str(name) for (name,) in life.db.execute(query)]


def test_a_consultation_that_ended_in_a_transfer_is_part_of_the_call(life: Life) -> None:
    write(life)
    assert ids(life) == [CALL]


def test_a_consultation_that_was_a_call_of_its_own_so_far_is_one_no_more(life: Life) -> None:
    before, transferred, after = CEL.partition(
        next(line for line in CEL.splitlines(True) if b"ATTENDEDTRANSFER" in line)
    )
    # Asterisk gives the asked phone the caller's linked id one line before it tells of the transfer.
    lines = before.splitlines(keepends=True)
    early = b"".join(line for line in lines if not line.startswith(b"1795333708"))
    late = b"".join(line for line in lines if line.startswith(b"1795333708"))
    write(life, early, b"")
    assert ids(life) == [CALL, ASKING]
    write(life, late + transferred + after)
    assert ids(life) == [CALL]
    assert rows(life.db)["lines"] == history_of(life.folder / "whole", CEL, LOG)["lines"]


def test_a_late_line_of_the_consultation_goes_to_the_call_it_became_part_of(life: Life) -> None:
    lines = CEL.splitlines(keepends=True)
    last = next(line for line in lines if b"LINKEDID_END," + ASKING.encode() in line)
    write(life, b"".join(line for line in lines if line != last))
    life.crash()
    write(life, last, b"")
    assert ids(life) == [CALL]
    (kept,) = life.db.execute("SELECT lines FROM call_journal WHERE call = ?", (call_key(CALL),)).fetchone()
    assert last.rstrip() in unpack(kept).cel


def test_rebuilding_gives_the_same(life: Life) -> None:
    write(life)
    before = rows(life.db)
    after: int | None = 0
    while after is not None:
        after = life.ingest.refold(after)
    assert rows(life.db) == before


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, len(CEL)), max_size=6), st.integers(0, len(LOG)), st.integers(0, 6), st.booleans())
def test_however_the_files_are_read_history_is_the_same(cuts: list[int], log_cut: int, when: int, dies: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        expected = history_of(Path(folder) / "whole", CEL, LOG)
        life = Life(Path(folder) / "lived")
        places = [0, *sorted(cuts), len(CEL)]
        for n, (start, stop) in enumerate(pairwise(places)):
            life.write(CEL_NAME, CEL[start:stop])
            life.write(QUEUE_NAME, LOG[:log_cut] if n == 0 else b"")
            life.read()
            if dies and n == when:
                life.crash()
        life.write(QUEUE_NAME, LOG[log_cut:])
        life.read_all()
        found = rows(life.db)
        life.close()
    assert found == expected
