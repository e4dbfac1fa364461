"""The bench's arithmetic, on samples made up here: a wrong table would be believed."""

import json
import math
from dataclasses import replace
from pathlib import Path

from tests.bench import scenarios, table
from tests.bench.messages import first, messages, talks
from tests.bench.table import BARE, RAMAL, Segment

GOOD = Segment(
    side=RAMAL,
    concurrent=20,
    placed=100,
    failed=0,
    seconds=90.0,
    cpu_s={"asterisk": 5.0, "daemon": 0.3, "page": 0.1},
    ring_ms=tuple(float(n) for n in range(1, 101)),
    recordings_missing=0,
    recordings_short=0,
    lost=(),
    memory_mb={"asterisk": 70.0, "daemon": 40.0, "page": 50.0},
    peak_mb={"asterisk": 70.0, "daemon": 41.0, "page": 110.0},
    busy=0.5,
    sipp_cpu_s=20.0,
    others_cpu_s=1.0,
)
PLAIN = replace(GOOD, side=BARE, cpu_s={"asterisk": 5.0}, memory_mb={"asterisk": 65.0})


def test_percentiles_are_values_that_were_measured() -> None:
    assert table.percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert table.percentile(range(1, 101), 0.99) == 99
    assert table.percentile([7.0], 0.99) == 7.0
    assert math.isnan(table.percentile([], 0.5))


def test_segments_of_one_side_and_load_become_one_cell_weighted_by_calls() -> None:
    long = replace(GOOD, placed=300, cpu_s={"asterisk": 27.0, "daemon": 0.3, "page": 0.1}, failed=2, lost=("a", "b"))
    (cell,) = table.cells([GOOD, long])
    assert cell.placed == 400
    assert cell.failed == 2
    assert cell.lost == 2
    assert cell.rings == 200
    assert math.isclose(cell.cpu_ms["asterisk"], 80.0)
    assert math.isclose(cell.total_cpu_ms, 82.0)
    assert [round(run, 1) for run in cell.total_cpu_ms_runs] == [54.0, 91.3]


def test_a_side_that_reaches_every_aim_is_told_so() -> None:
    (found,) = table.compare(table.cells([GOOD, PLAIN]))
    assert math.isclose(found.cpu_ratio, 1.08)
    assert found.added_p50_ms == 0
    assert found.missed == ()
    assert "Every aim reached." in table.text([GOOD, PLAIN])


def test_every_missed_aim_is_told_with_how_much() -> None:
    bad = replace(
        GOOD,
        cpu_s={"asterisk": 6.0, "daemon": 0.4, "page": 0.1},
        ring_ms=tuple(n + 30.5 for n in GOOD.ring_ms),
        failed=3,
        recordings_missing=1,
        recordings_short=1,
        lost=("+5511 is not in the history",),
        memory_mb={"asterisk": 70.0, "daemon": 66.0, "page": 95.0},
        busy=0.97,
    )
    shown = table.text([bad, PLAIN])
    for sentence in (
        "total CPU is 1.30 × bare, 0.15 over the aim of 1.15",
        "added ring time at p50 is 30.5 ms, 25.5 over the aim of 5.0",
        "added ring time at p99 is 30.5 ms, 10.5 over the aim of 20.0",
        "the daemon is 66 MB, 6 over the aim of 60",
        "the page is 95 MB, 15 over the aim of 80",
        "failed calls is 3, 3 over the aim of 0",
        "recordings missing or short is 2, 2 over the aim of 0",
        "calls not whole in the history is 1, 1 over the aim of 0",
        "the machine was the limit (97% busy",
        "+5511 is not in the history",
    ):
        assert sentence in shown, shown


def test_a_run_without_the_other_side_compares_nothing_and_still_prints() -> None:
    assert table.compare(table.cells([GOOD])) == ()
    assert table.text([GOOD]).splitlines()[2].startswith("| 20 | ramal | 50.0 | 3.0 | 1.0 | 54.0 | 50.0 ms | 99.0 ms |")


def test_every_row_has_as_many_cells_as_the_head() -> None:
    rows = [line for line in table.text([GOOD, PLAIN]).splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert len({row.count("|") for row in rows}) == 1


def test_the_record_holds_every_ring_time_and_survives_json() -> None:
    again = json.loads(json.dumps(table.record([GOOD, PLAIN])))
    assert [len(one["ring_ms"]) for one in again["segments"]] == [100, 100]
    assert again["comparisons"][0]["concurrent"] == 20


def test_the_tone_is_a_law_with_sound_in_it() -> None:
    sound = scenarios.tone(1)
    assert len(sound) == 8000
    assert len(set(sound)) > 60
    assert scenarios._alaw(0) == 0xD5
    assert scenarios._alaw(32767) == 0xAA
    assert scenarios._alaw(-32768) == 0x2A


LOG = """----------------------------------------------- 2026-11-22T04:55:19.000250Z
UDP message {0} [200] bytes:

INVITE sip:2001@127.0.0.1:45671 SIP/2.0\r
From: "A: B" <sip:+5511001000007@127.0.0.1>;tag=1\r
Call-ID: one\r
CSeq: 1 INVITE\r
\r
----------------------------------------------- 2026-11-22T04:55:20.000000Z
UDP message sent [186] bytes:

SIP/2.0 200 OK\r
From: <sip:+5511001000007@127.0.0.1>;tag=1\r
Call-ID: one\r
CSeq: 1 INVITE\r
\r
----------------------------------------------- 2026-11-22T04:55:35.500000Z
UDP message received [186] bytes:

BYE sip:2001@127.0.0.1:45671 SIP/2.0\r
From: <sip:+5511001000007@127.0.0.1>;tag=1\r
Call-ID: one\r
CSeq: 2 BYE\r
"""


def test_ring_and_talk_are_read_from_what_sipp_logged(tmp_path: Path) -> None:
    log = tmp_path / "agents.msg"
    log.write_text(LOG.format("received"))
    found = list(messages(log))
    assert [one.method for one in found] == ["INVITE", "INVITE", "BYE"]
    invites = first(one for one in found if one.is_request("INVITE"))
    assert list(invites) == ["+5511001000007"]
    assert math.isclose(invites["+5511001000007"] % 60, 19.00025, abs_tol=1e-5)
    assert [round(talk, 3) for talk in talks(found)] == [15.5]
    assert list(messages(log, log.stat().st_size)) == []
