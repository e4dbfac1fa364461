"""What the power cuts left behind, held against what callers and phones saw (``cut_calls``)."""

import sqlite3
import statistics
import subprocess
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ramal.box.home import Home
from ramal.core import sound
from ramal.core.history import RECEIVED
from ramal.provide import peers
from ramal.store import sounds
from ramal.store.db import open_reader
from ramal.store.ledger import TAKES
from ramal.vault.sound import open_sound
from ramal.vault.verify import Verification
from tests.system.box import TestBox
from tests.system.sipp import Caller
from tests.until import until

LOST_S = 3.0
"""So much of a talk may be missing: what Asterisk held in memory when the power went (32 KiB: two seconds of mono)."""
ENDED_LOST_S = 1.0
"""The same of a talk that ended before."""
NEW_MS = 1000
"""A talk that young when the power goes may be in no journal yet."""
YOUNG_MS = 2000
"""Of a talk that young nothing may have reached the disk: its wav is a header, and stays one."""
LATE_MS = 1000
"""The agent's voice begins within this time of the recording's beginning, and ends within it of the caller's."""
WINDOW_MS = 50
WHOLE, SHARE = 0.95, 0.2
"""In so much of the time a voice must sound, with so much of the energy: in mono both sound at once."""


@dataclass(slots=True)
class Placed:
    """A caller that was sent. ``code``: its end, None when the cut came before; ``answered_ms``: the box's 200."""

    caller: Caller
    process: "subprocess.Popen[bytes]"
    log: Path
    code: int | None = None
    answered_ms: int | None = None
    cut_ms: int = 0


@dataclass(frozen=True, slots=True)
class Talk:
    """A talk as the agent's phone saw it (ms since 1970). ``cut``: the power ended it."""

    peer: str
    hz: int
    begun_ms: int
    ended_ms: int
    cut: bool

    @property
    def span_ms(self) -> int:
        return self.ended_ms - self.begun_ms


def keeper(home: Home) -> str:
    """What the keeper was in the middle of, when nothing runs any more."""
    with closing(open_reader(home.db)) as db:
        if db.execute("SELECT 1 FROM sound WHERE unlink_due").fetchone():
            return "row written, wav to be removed"
    if any(home.recordings_work.glob("*.part")):
        return "half made"
    if any(path.with_suffix("").with_suffix(".wav").exists() for path in home.recordings.rglob("*.ogg.sealed")):
        return "named, no row yet"
    return "between two" if any(home.recordings.rglob("*.wav")) else "nothing to do"


def told(box: TestBox, placed: list[Placed], talks: list[Talk], cuts: int, met: Counter[str]) -> list[str]:
    """Print the table; one sentence for each thing that does not hold."""
    faults = list(_finish(box))
    with closing(open_reader(box.home.db)) as db:
        db.row_factory = sqlite3.Row
        faults += _calls(db, placed, talks)
        lost: dict[bool, list[int]] = {True: [], False: []}
        for talk in talks:
            faults += _recording(box.home, db, talk, _of(placed, talk), lost[talk.cut])
        kept = db.execute("SELECT count(*) FROM sound WHERE gone_ms IS NULL AND cipher").fetchone()[0]
        integrity = db.execute("PRAGMA integrity_check").fetchone()[0]
        categories = Counter(row[0] for row in db.execute("SELECT category FROM call WHERE direction = 'in'"))
    with closing(open_reader(box.home.db)) as db:
        flaws = list(Verification(box.home, db).flaws())
    faults += [str(flaw) for flaw in flaws] + ([f"the database: {integrity}"] if integrity != "ok" else [])
    left = [path for path in box.home.recordings.rglob("*") if path.suffix in (".wav", ".raw", ".part")]
    empty = [path for path in left if path.suffix == ".wav" and path.stat().st_size <= sound.HEADER_BYTES]
    faults += [f"{path.name} ({path.stat().st_size} bytes) is left" for path in left if path not in empty]
    young = sum(talk.cut and talk.span_ms < YOUNG_MS for talk in talks)
    faults += [f"{len(empty)} recordings without sound, of {young} young talks"] if len(empty) > young else []
    copies = Counter(path.name.partition(".ogg")[0] for path in box.home.recordings.rglob("*.ogg.sealed"))
    faults += [f"{name}: {count} copies" for name, count in copies.items() if count > 1]
    cut = sum(talk.cut for talk in talks)
    faults += [] if cut else ["no talk was cut, so nothing is shown"]
    print(f"calls {len(placed)}, cuts {cuts} (the keeper: {dict(met)}), categories {dict(categories)}")
    print(f"talks cut {cut}, ended normally {len(talks) - cut}")
    print(f"kept as Opus {kept}, without any sound {len(empty)}, wavs left otherwise {len(left) - len(empty)}")
    for name, values in (("cut", lost[True]), ("ended normally", lost[False])):
        if values:
            print(f"lost of talks {name}: p50 {statistics.median(values):.0f} ms, max {max(values)} ms, {len(values)}")
    print(f"amiss {len(flaws)}, database {integrity}, faults {len(faults)}", flush=True)
    return faults


def _finish(box: TestBox) -> Iterator[str]:
    """Until the daemon has ended every call and kept every recording; then it is stopped."""

    def busy() -> int:
        calls = box.rows("SELECT count(*) FROM call WHERE ended_ms IS NULL")[0][0]
        measured = box.rows("SELECT count(*) FROM recording WHERE state = 'writing'")[0][0]
        query = "SELECT count(*) FROM recording WHERE duration_ms > 0 AND id NOT IN "
        return int(calls + measured + box.rows(query + "(SELECT recording FROM sound WHERE NOT unlink_due)")[0][0])

    try:
        until(lambda: busy() == 0, 180, "everything kept")
    except AssertionError:
        yield f"the daemon did not finish: {busy()} left"
    warnings = [one["code"] for one in box.control("live")["warnings"]]
    if "recordings-unkept" in warnings:
        yield "the daemon warns that recordings are not kept"
    if box.stop_daemon() != 0:
        yield "the daemon did not end well"


def _of(placed: list[Placed], talk: Talk) -> Placed:
    return next(one for one in placed if one.caller.user[3:] in talk.peer)


def _calls(db: sqlite3.Connection, placed: list[Placed], talks: list[Talk]) -> Iterator[str]:
    spoke = {_of(placed, talk).caller.user: talk for talk in talks}
    rows: dict[str, list[sqlite3.Row]] = {}
    for row in db.execute("SELECT * FROM call WHERE direction = 'in'"):
        rows.setdefault(row["caller"], []).append(row)
    for one in placed:
        user, found = one.caller.user, rows.pop(one.caller.user, [])
        if len(found) > 1 or (not found and one.answered_ms is not None):
            yield f"{user} is {len(found)} times in the history; answered at {one.answered_ms}, cut at {one.cut_ms}"
        if one.code:
            yield f"{user}: sipp ended with {one.code}"
        for row in found:
            if row["ended_ms"] is None or row["category"] not in RECEIVED:
                yield f"{user}: ended {row['ended_ms']}, category {row['category']}"
            talk = spoke.get(user)
            sure = talk is None or not talk.cut or talk.span_ms >= NEW_MS
            if sure and (row["category"] == "answered") != (talk is not None):
                yield f"{user}: {row['category']}, but its agent's phone saw {talk}"
    for user in rows:
        yield f"{user} is in the history and never called"


def _recording(home: Home, db: sqlite3.Connection, talk: Talk, one: Placed, lost: list[int]) -> Iterator[str]:
    """One good copy with both voices, whole until shortly before its end."""
    name = f"{one.caller.user}, {'cut' if talk.cut else 'ended'} after {talk.span_ms} ms"
    query = "SELECT r.id, r.state FROM recording r JOIN call c ON c.key = r.id / ? WHERE c.caller = ?"
    found = db.execute(query, (TAKES, one.caller.user)).fetchall()
    if len(found) != 1 or found[0]["state"] not in ("ready", "short"):
        if len(found) > 1 or talk.span_ms > 1000 * LOST_S or not talk.cut:
            yield f"{name}: recordings {[tuple(row) for row in found]}"
        return
    try:
        sides = _decoded(home, db, found[0]["id"])
    except Exception as error:
        yield f"{name}: {error!r}"
        return
    theirs, ours = _span(sides[0], one.caller.hz), _span(sides[-1], talk.hz)
    missing = talk.span_ms - (theirs[1] - theirs[0])
    lost.append(missing)
    if missing > 1000 * (LOST_S if talk.cut else ENDED_LOST_S):
        yield f"{name}: lacks {missing} ms"
    if talk.span_ms - missing > 2 * LATE_MS and (
        theirs[0] > 2 * WINDOW_MS
        or ours[0] > LATE_MS
        or abs(theirs[1] - ours[1]) > LATE_MS
        or min(theirs[2], ours[2]) < WHOLE
    ):
        yield f"{name}: the caller is heard {theirs}, the agent {ours} (from ms, to ms, share)"


def _span(samples: Sequence[int], hz: int) -> tuple[int, int, float]:
    """From when to when (ms) a pitch sounds, and in what part of that time."""
    there = [row[0] for row in sound.tones_present(samples, sound.RATE_HZ, [hz], WINDOW_MS, SHARE)]
    if True not in there:
        return 0, 0, 0.0
    first, last = there.index(True), len(there) - there[::-1].index(True)
    return first * WINDOW_MS, last * WINDOW_MS, sum(there) / (last - first)


def _decoded(home: Home, db: sqlite3.Connection, recording: int) -> list["array[int]"]:
    """Both sides, as a listener hears them."""
    row = sounds.of(db, recording)
    with open_sound(home, db, recording).file as file:
        data = file.read()
    if row is None:
        return list(sound.read_wave(data).samples)
    command = peers().argv("opusdec", "--quiet", "--no-dither", "--rate", str(sound.RATE_HZ), "-", "-")
    pcm = array("h")
    pcm.frombytes(subprocess.run(command, input=data, capture_output=True, check=True).stdout)
    return [pcm[side :: row.channels] for side in range(row.channels)]
