"""What an agent says that a call was reaches that call, from whichever channel and in whatever pieces it is read."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from ramal.store import read
from ramal.store.agent_days import agents_today
from ramal.store.ingest import CEL_NAME, QUEUE_NAME
from tests.store.history import Life

S = 1_795_000_000


def line(
    at_s: int,
    kind: str,
    linked: str,
    channel: str,
    *,
    unique: str = "",
    extra: str = "",
    user: str = "",
    name: str = "",
) -> str:
    told = quote(json.dumps({"extra": extra}, separators=(",", ":")), safe="") if extra else ""
    return (
        f"{at_s}.000000,{kind},{linked},{unique or linked},{quote(channel, safe='')},%2B5511930000001,"
        f"{quote(name, safe='')},s,phone,{user},{told},\n"
    )


def call(linked: str, at_s: int, channel: str, *said: tuple[str, str], name: str = "") -> str:
    parts = [line(at_s, "CHAN_START", linked, channel, name=name)]
    parts += [line(at_s + 1, user, linked, channel, user=user, extra=extra, name=name) for user, extra in said]
    parts += [line(at_s + 2, kind, linked, channel, name=name) for kind in ("HANGUP", "LINKEDID_END")]
    return "".join(parts)


SOLD_AT_ONCE = call(
    f"{S}.1", S, "PJSIP/line-a-00000001", ("ARRIVE", "a|+551133330001|"), ("DISPOSITION", f"7|sales|sold|{S}.1")
)
LATER = call(f"{S + 60}.9", S + 60, "PJSIP/201-00000002", ("DISPOSITION", f"7|sales|again|{S}.1"))
LATEST = call(f"{S + 90}.12", S + 90, "PJSIP/201-00000003", ("DISPOSITION", f"7|sales|spam|{S}.1"))


@pytest.mark.parametrize("max_bytes", [150, 1 << 20])
def test_the_last_word_counts_once_and_a_rebuild_says_the_same(tmp_path: Path, max_bytes: int) -> None:
    life = Life(tmp_path)
    life.write(CEL_NAME, SOLD_AT_ONCE.encode())
    life.read_all(max_bytes)
    assert life.db.execute("SELECT disposition, ended_ms FROM call").fetchall() == [("sold", (S + 2) * 1000)]
    life.write(CEL_NAME, (LATER + LATEST).encode())
    life.read_all(max_bytes)
    found = life.db.execute("SELECT id, category, agent, disposition, ended_ms FROM call ORDER BY key").fetchall()
    assert found == [
        (f"{S}.1", "refused", "", "spam", (S + 2) * 1000),
        (f"{S + 60}.9", "service", "7", "", (S + 62) * 1000),
        (f"{S + 90}.12", "service", "7", "", (S + 92) * 1000),
    ]
    detail = read.call(life.db, f"{S}.1")
    assert detail is not None
    assert [s.detail["code"] for s in detail.steps if s.kind == "disposition"] == ["sold", "again", "spam"]
    assert [row.id for row in read.calls(life.db, disposition="spam").rows] == [f"{S}.1"]
    life.survives()
    life.close()


def test_a_word_about_a_call_nobody_knows_makes_no_call(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.write(CEL_NAME, LATER.encode())
    life.read_all()
    assert [row[0] for row in life.db.execute("SELECT id FROM call")] == [f"{S + 60}.9"]
    life.close()


def test_asterisks_timers_are_no_calls_but_a_stranger_named_like_one_is(tmp_path: Path) -> None:
    life = Life(tmp_path)
    stranger = call(f"{S}.1", S, "PJSIP/line-a-00000001", ("ARRIVE", "a|+55|"), name="Local/x@ramal-tick-00000001;2")
    timer = call(f"{S}.4", S, "Local/wrap-7_17950000001234_5@ramal-tick-00000001;1")
    life.write(CEL_NAME, (timer + stranger).encode())
    life.read_all()
    assert [row[0] for row in life.db.execute("SELECT id FROM call")] == [f"{S}.1"]
    life.close()


def test_pauses_are_counted_by_reason_and_wrap_up_is_none_of_them(tmp_path: Path) -> None:
    life = Life(tmp_path)
    log = [
        (0, "ADDMEMBER", ""),
        (100, "PAUSE", "lunch"),
        (400, "UNPAUSE", "Auto-Unpause"),
        (400, "PAUSE", "training"),
        (450, "UNPAUSE", ""),
        (500, "PAUSE", "wrap-up"),
        (530, "UNPAUSE", ""),
        (600, "REMOVEMEMBER", ""),
    ]
    life.write(QUEUE_NAME, "".join(f"{S + at}|NONE|sales|agent-7|{what}|{why}\n" for at, what, why in log).encode())
    life.read_all()
    (day,) = agents_today(life.db, S * 1000, (S + 1000) * 1000)
    assert day.pauses_ms == {"lunch": 300_000, "training": 50_000}
    assert (day.paused_ms, day.wrap_up_ms, day.logged_in_ms) == (350_000, 30_000, 600_000)
    life.close()
