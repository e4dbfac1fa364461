"""Exactly once: whatever happens to the files, the daemon and the disk, history comes out the same."""

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ramal.core.history import CATEGORIES
from ramal.store import ledger, read
from ramal.store.ingest import CEL_NAME, QUEUE_NAME, Ingest
from tests.store.history import Life, history_of, rows
from tests.store.office_day import START_S, Script, a_call, merge

SAMPLES = Path(__file__).parent / "samples"


def a_day(seed: int, calls: int, gap_ms: int = 3000) -> tuple[bytes, bytes]:
    """Both files of some overlapping calls, with agents coming and going and two restarts of Asterisk."""
    chance = random.Random(seed)
    scripts = [a_call(chance, n * 4, START_S * 1000 + n * gap_ms) for n in range(calls)]
    cel, log = merge(scripts)
    lines = log.decode().splitlines()
    lines += [f"{START_S - 5}|NONE|NONE|NONE|QUEUESTART|", f"{START_S + 40}|1.5|sales|agent-7|ADDMEMBER|"]
    lines += [f"{START_S + 41}|NONE|sales|agent-7|PAUSE|lunch", f"{START_S + 90}|NONE|sales|agent-7|UNPAUSE|"]
    lines += [f"{START_S + 90_000}|NONE|NONE|NONE|QUEUESTART|"]
    lines.sort(key=lambda line: int(line.split("|")[0]))
    return cel, "".join(line + "\n" for line in lines).encode()


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["cel", "cel", "queue", "queue", "read", "read", "crash", "fail", "rotate cel", "rotate queue"]
        ),
        st.integers(min_value=0, max_value=6000),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(min_value=0, max_value=50), OPERATIONS)
def test_any_splitting_crash_and_rotation_gives_the_same_history(seed: int, operations: list[tuple[str, int]]) -> None:
    cel, queue = a_day(seed, 6)
    with tempfile.TemporaryDirectory() as folder:
        expected = history_of(Path(folder) / "whole", cel, queue)
        life = Life(Path(folder) / "lived")
        left = {"cel": cel, "queue": queue}
        names = {"cel": CEL_NAME, "queue": QUEUE_NAME}
        for operation, amount in operations:
            if operation in left:
                life.write(names[operation], left[operation][:amount])
                left[operation] = left[operation][amount:]
            elif operation == "read":
                life.read(max(200, amount))
            elif operation == "crash":
                life.crash()
            elif operation == "fail":
                life.fail_within(amount)
            else:
                which = operation.removeprefix("rotate ")
                # Asterisk rotates between two records, never within one.
                end = left[which].find(b"\n") + 1
                done = {"cel": cel, "queue": queue}[which][: -len(left[which]) or None]
                if done and not done.endswith(b"\n"):
                    life.write(names[which], left[which][:end])
                    left[which] = left[which][end:]
                life.rotate(names[which])
        for which, name in names.items():
            life.write(name, left[which])
        life.read_all()
        assert rows(life.db) == expected
        life.close()


def test_reading_in_the_smallest_steps_gives_the_same_history(tmp_path: Path) -> None:
    cel, queue = a_day(3, 40)
    expected = history_of(tmp_path / "whole", cel, queue)
    life = Life(tmp_path / "steps")
    life.write(CEL_NAME, cel)
    life.write(QUEUE_NAME, queue)
    life.read_all(300)
    assert rows(life.db) == expected
    life.close()


@pytest.mark.parametrize("first", [CEL_NAME, QUEUE_NAME])
def test_the_order_of_the_two_files_does_not_matter(tmp_path: Path, first: str) -> None:
    cel, queue = a_day(4, 30)
    expected = history_of(tmp_path / "whole", cel, queue)
    life = Life(tmp_path / "apart")
    files = {CEL_NAME: cel, QUEUE_NAME: queue}
    for name in (first, ({*files} - {first}).pop()):
        life.write(name, files[name])
        life.read_all()
    assert rows(life.db) == expected
    assert expected["held"] == []
    life.close()


def test_received_calls_are_the_sum_of_their_categories(life: Life) -> None:
    cel, queue = a_day(5, 300)
    life.write(CEL_NAME, cel)
    life.write(QUEUE_NAME, queue)
    life.read_all()
    counts = read.counts(life.db, 0, 1 << 53)
    assert set(counts) <= set(CATEGORIES)
    assert sum(counts.values()) == life.db.execute("SELECT count(*) FROM call WHERE direction = 'in'").fetchone()[0]
    assert sum(counts.values()) == 300
    per_row = dict(life.db.execute("SELECT category, count(*) FROM call GROUP BY 1").fetchall())
    assert dict(counts) == per_row
    assert len(counts) >= 5


def test_half_a_line_waits_for_its_end(life: Life) -> None:
    cel, _ = merge([Script(1, START_S * 1000).arrive().end()])
    life.write(CEL_NAME, cel[:-30])
    life.read_all()
    assert life.db.execute("SELECT ended_ms IS NULL FROM call").fetchall() == [(0,)]  # by its HANGUP
    life.write(CEL_NAME, cel[-30:])
    life.read_all()
    (lines,) = life.db.execute("SELECT lines FROM journal WHERE name = ?", (CEL_NAME,)).fetchone()
    assert lines == cel.count(b"\n")
    assert life.db.execute("SELECT sum(refused) FROM journal").fetchone() == (0,)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"\0" * 5000,
        b"\xff\xfe\n\r\n,,,,,,,,,,,\n",
        b"1763700000.000000,CHAN_START\n",
        b"x" * 70_000 + b"\n",
        b"y" * 300_000,
        b"1763700000.000000,A,'; DROP TABLE call;--,1.1,,,,,,,,\n",
    ],
    ids=["empty line", "zeros", "binary", "half", "long", "endless", "sql"],
)
def test_garbage_is_counted_and_skipped_and_costs_no_other_line(tmp_path: Path, garbage: bytes) -> None:
    before, after = (merge([Script(n, START_S * 1000 + n).arrive().end()])[0] for n in (1, 2))
    life = Life(tmp_path)
    life.write(CEL_NAME, before + garbage + (b"" if garbage.endswith((b"\n", b"\0")) else b"\n") + after)
    life.read_all(4096)
    assert life.db.execute("SELECT count(*) FROM call WHERE category = 'gave_up'").fetchone() == (2,)
    (lines,) = life.db.execute("SELECT count(*) FROM call_journal WHERE length(lines) > 50").fetchone()
    assert lines == 2
    assert life.db.execute("SELECT refused FROM journal WHERE name = ?", (CEL_NAME,)).fetchone()[0] >= 1
    life.close()


def test_a_journal_cut_short_by_a_power_failure_loses_and_repeats_nothing(tmp_path: Path) -> None:
    cel, queue = a_day(6, 20)
    expected = history_of(tmp_path / "whole", cel, queue)
    life = Life(tmp_path / "cut")
    life.write(CEL_NAME, cel)
    life.write(QUEUE_NAME, queue)
    life.read_all()
    for name, whole in ((CEL_NAME, cel), (QUEUE_NAME, queue)):
        with (life.log / name).open("r+b") as file:
            file.truncate(len(whole) - 700)  # not on the disk yet when the power went, though it had been read
    life.crash()
    life.read_all()
    later_cel, later_queue = merge([Script(7777, START_S * 1000 + 80_000_000).arrive().join().wait(900).abandon()])
    life.write(CEL_NAME, b"\n" + later_cel)
    life.write(QUEUE_NAME, b"\n" + later_queue)
    life.read_all()
    after = rows(life.db)
    new = [row for row in after["call"] if row not in expected["call"]]
    assert [row[3] for row in new] == ["abandoned"]
    assert len(after["call"]) == len(expected["call"]) + 1
    assert after["agent_event"] == expected["agent_event"]
    assert [line for line in after["lines"] if line in expected["lines"]] == expected["lines"]
    life.close()


def test_how_far_the_reader_is_behind_is_told_in_bytes(life: Life) -> None:
    assert life.ingest.behind_bytes() == 0
    script = Script(1, START_S * 1000).arrive().join().talk("sales", "7", "201", 1000, 3000)
    cel, queue = merge([script])
    life.write(CEL_NAME, cel)
    life.write(QUEUE_NAME, queue)
    life.read_all()
    assert life.ingest.behind_bytes() == 0
    life.write(CEL_NAME, cel)
    life.write(QUEUE_NAME, queue)
    assert life.ingest.behind_bytes() == len(cel) + len(queue)


def test_a_file_that_is_copied_and_emptied_is_followed(life: Life) -> None:
    first, second, third = (merge([Script(n, (START_S + n) * 1000).arrive().end()])[0] for n in (1, 2, 3))
    path = life.log / CEL_NAME
    life.write(CEL_NAME, first)
    life.read_all()
    life.write(CEL_NAME, second)
    path.with_name("ramal.csv.1").write_bytes(path.read_bytes())
    path.write_bytes(b"")
    life.read_all()
    life.write(CEL_NAME, third)
    life.read_all()
    assert life.db.execute("SELECT count(*) FROM call WHERE ended_ms IS NOT NULL").fetchone() == (3,)


def test_a_home_moved_to_another_disk_is_not_read_twice(tmp_path: Path) -> None:
    cel, queue = a_day(8, 20)
    life = Life(tmp_path / "old")
    life.write(CEL_NAME, cel)
    life.write(QUEUE_NAME, queue)
    life.read_all()
    expected = rows(life.db)
    for name in (CEL_NAME, QUEUE_NAME):
        path = life.log / name
        copy = path.with_name(path.name + ".new")
        copy.write_bytes(path.read_bytes())
        copy.replace(path)  # the same bytes, another inode
    life.crash()
    life.read_all()
    assert rows(life.db) == expected
    life.close()


def test_files_rotated_several_times_while_the_daemon_was_dead_are_all_read(life: Life) -> None:
    scripts = [Script(n, (START_S + n * 100) * 1000).arrive().join().wait(1000).abandon() for n in range(5)]
    for n, script in enumerate(scripts):
        cel, queue = merge([script])
        life.write(CEL_NAME, cel)
        life.write(QUEUE_NAME, queue)
        if n == 0:
            life.read_all()
        if n < 4:
            life.rotate(CEL_NAME)
            life.rotate(QUEUE_NAME)
    life.read_all()
    assert life.db.execute("SELECT count(*) FROM call WHERE category = 'abandoned'").fetchone() == (5,)
    assert life.db.execute("SELECT count(*) FROM held").fetchone() == (0,)


def test_queue_log_of_a_channel_that_did_not_begin_its_call_finds_the_call_before_and_after(tmp_path: Path) -> None:
    script = Script(1, START_S * 1000).arrive()
    unique, channel = script.ring("202")
    script.wait(500)
    script.event("ANSWER", unique, channel, number="202")
    queued = f"{START_S + 1}|{unique}|sales|NONE|ENTERQUEUE||202|1\n".encode()
    cel, _ = merge([script])
    for order in ((CEL_NAME, QUEUE_NAME), (QUEUE_NAME, CEL_NAME)):
        life = Life(tmp_path / order[0].replace("/", "-"))
        for name in order:
            life.write(name, {CEL_NAME: cel, QUEUE_NAME: queued}[name])
            life.read_all()
        assert life.db.execute("SELECT count(*) FROM held").fetchone() == (0,)
        assert [row[0] for row in life.db.execute("SELECT id FROM call")] == [script.id]
        assert life.db.execute("SELECT queue FROM queue_stay").fetchall() == [("sales",)]
        life.close()


def test_a_line_of_a_channel_nobody_knows_is_held_and_not_lost(life: Life) -> None:
    line = b"1763700001|1763700001.5|sales|NONE|ENTERQUEUE||x|1"
    life.write(QUEUE_NAME, line + b"\n")
    life.read_all()
    assert life.db.execute("SELECT uniqueid, line FROM held").fetchall() == [("1763700001.5", line)]


def test_a_restart_ends_the_calls_before_it_and_none_after_it(life: Life) -> None:
    cut = Script(1, START_S * 1000).arrive().join()
    later = Script(1, (START_S + 100) * 1000).arrive().join()
    cel, queue = merge([cut, later])
    life.write(CEL_NAME, cel)
    life.write(QUEUE_NAME, queue)
    life.read_all()
    assert read.running(life.db) == 2
    life.write(QUEUE_NAME, f"{START_S + 60}|NONE|NONE|NONE|QUEUESTART|\n".encode())
    life.read_all()
    found = life.db.execute("SELECT id, category FROM call ORDER BY key").fetchall()
    assert found == [(cut.id, "system"), (later.id, None)]
    assert dict(read.counts(life.db, 0, 1 << 53)) == {"system": 1}


def test_a_restart_in_the_second_of_a_calls_last_sign_ends_it_and_no_call_of_its_own_second(life: Life) -> None:
    """Asterisk crashed and was back within the second, as the cut calls showed; its restart is known to the second."""
    cut = Script(1, START_S * 1000).arrive().wait(5400).join()
    later = Script(2, (START_S + 5) * 1000 + 900).arrive().join()
    cel, queue = merge([cut, later])
    life.write(CEL_NAME, cel)
    life.write(QUEUE_NAME, f"{START_S + 5}|NONE|NONE|NONE|QUEUESTART|\n".encode() + queue)
    life.read_all()
    found = life.db.execute("SELECT id, category, ended_ms > ? FROM call ORDER BY key", (START_S * 1000 + 5000,))
    assert found.fetchall() == [(cut.id, "system", 1), (later.id, None, None)]
    detail = read.call(life.db, cut.id)
    assert detail is not None
    assert detail.steps[-1].kind == "restarted"


@pytest.mark.parametrize("set_back_before_reading", [True, False])
def test_asterisk_started_by_a_clock_far_ahead_cuts_no_call_once_the_clock_is_right(
    life: Life, set_back_before_reading: bool
) -> None:
    ahead_s = 10 * 365 * 86400
    now_ms = START_S * 1000
    life.ingest = Ingest(life.db, life.log, lambda: now_ms)
    life.write(QUEUE_NAME, f"{START_S + ahead_s}|NONE|NONE|NONE|QUEUESTART|\n".encode())
    if not set_back_before_reading:
        now_ms += ahead_s * 1000
    life.read_all()
    now_ms = START_S * 1000 + 60_000
    talking = Script(1, now_ms).arrive().join().wait(1000).talk("sales", "7", "201", 1000, 5000)
    cel, queue = merge([talking])
    answered = cel.index(b",BRIDGE_ENTER,")
    life.write(CEL_NAME, cel[: cel.index(b"\n", answered) + 1])
    life.write(QUEUE_NAME, queue)
    life.read_all()
    assert life.db.execute("SELECT ended_ms, category FROM call").fetchall() == [(None, None)]


def test_a_call_that_goes_on_after_asterisks_late_start_line_is_not_cut(life: Life) -> None:
    script = Script(1, START_S * 1000).arrive().join().wait(5000)
    cel, queue = merge([script])
    life.write(CEL_NAME, cel)
    life.write(QUEUE_NAME, queue + f"{START_S + 3}|NONE|NONE|NONE|QUEUESTART|\n".encode())
    life.read_all()
    script.talk("sales", "7", "201", 1000, 5000)
    whole_cel, whole_queue = merge([script])
    life.write(CEL_NAME, whole_cel[len(cel) :])
    life.write(QUEUE_NAME, whole_queue[len(queue) :])
    life.read_all()
    assert life.db.execute("SELECT category FROM call").fetchall() == [("answered",)]


def test_a_recording_appears_when_the_call_is_answered(life: Life) -> None:
    script = Script(1, START_S * 1000).arrive().join().wait(5000).talk("sales", "7", "201", 1000, 5000)
    cel, queue = merge([script])
    life.write(CEL_NAME, cel)
    life.write(QUEUE_NAME, queue)
    life.read_all()
    detail = read.call(life.db, script.id)
    assert detail is not None
    (recording,) = detail.recordings
    assert (recording.state, recording.kind, recording.call_id) == ("writing", "talk", script.id)
    assert recording.path == f"recordings/2026/11/22/{script.id}-1.wav"
    assert read.recording(life.db, recording.id) == recording


HOSTILE = [
    "'; DROP TABLE call; --",
    '" OR 1=1 --',
    "<script>alert(1)</script>",
    "a\r\nAction: Originate",
    "line\u2028separator\u2029",
    "\x00nul",
    "x" * 2000,
    "🦜" * 100,
    "عربي\u202eevil",
    "%00%0a%",
    "a,b|c|d",
    "\ud800".encode("utf-8", "replace").decode(),
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_are_harmless_and_can_be_searched(life: Life, name: str) -> None:
    number = "+5511" + name
    cel, queue = merge([Script(1, START_S * 1000, caller=number, name=name).arrive().join().wait(10).abandon()])
    life.write(CEL_NAME, cel)
    life.write(QUEUE_NAME, queue)
    life.read_all()
    (row,) = read.calls(life.db).rows
    assert row.category == "abandoned"
    assert not set("\r\n\0\u2028\u2029\u202e") & set(row.caller_name + row.caller)
    assert len(row.caller_name) <= 120
    for typed in (name, name[:5], row.caller_name, number):
        read.calls(life.db, search=typed)
    if len(row.caller_name.strip()) >= 3:
        assert read.calls(life.db, search=row.caller_name).rows == (row,)


def test_real_journals_of_asterisk_22_are_read(life: Life) -> None:
    life.write(CEL_NAME, (SAMPLES / "first.cel.csv").read_bytes())
    life.write(QUEUE_NAME, (SAMPLES / "first.queue_log").read_bytes())
    life.read_all()
    assert dict(read.counts(life.db, 0, 1 << 53)) == {"gave_up": 3, "abandoned": 2, "blocked": 2, "answered": 1}
    assert dict(read.counts(life.db, 0, 1 << 53, "internal")) == {"service": 1}
    assert life.db.execute("SELECT sum(refused) FROM journal").fetchone() == (0,)
    assert life.db.execute("SELECT count(*) FROM held").fetchone() == (0,)
    assert life.db.execute("SELECT agent, queue, kind FROM agent_event").fetchall() == [
        ("7", "sales", "login"),
        ("7", "support", "login"),
    ]


def test_a_call_that_our_code_cannot_fold_loses_no_line_and_stops_nothing(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    cel, queue = a_day(10, 12)
    expected = history_of(life.folder / "whole", cel, queue)
    half = cel.rfind(b"\n", 0, len(cel) // 2) + 1
    life.write(CEL_NAME, cel[:half])
    life.read_all()

    def broken(journal: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(ledger, "fold", broken)
    life.write(CEL_NAME, cel[half:])
    life.write(QUEUE_NAME, queue)
    life.read_all()
    monkeypatch.undo()
    assert life.ingest.refold(0, 1000) is not None
    assert rows(life.db) == expected


def test_folding_everything_again_changes_nothing(life: Life) -> None:
    cel, queue = a_day(9, 60)
    life.write(CEL_NAME, cel)
    life.write(QUEUE_NAME, queue)
    life.read_all()
    before = rows(life.db)
    at: int | None = 0
    while at is not None:
        at = life.ingest.refold(at, 7)
    assert rows(life.db) == before
