"""What a day of 500 calls writes to the card, beside the recordings themselves: measured, and held under a budget.

Read from the kernel's own count of the data partition (journal and tables of the file system included): a quiet while,
then CALLS short calls, then a long one. What a call adds and what the box writes anyhow make the day. The recordings
themselves are the wav while people talk, the sealed Opus file afterwards, and what it costs to have the wav on the disk
every few seconds; the long call shows that, and it is told as kB a minute of talk. The phone stays registered, as in an
office, and the office has contacts, VIPs among them.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ramal.provide.say import say
from ramal.vault.keep import LINGER_MS
from ramal_image import ImageError
from ramal_image.proof import call, office
from ramal_image.proof.bench import Bench
from ramal_image.qemu.shell import Shell
from ramal_image.qemu.vm import Running

BUDGET_MB = 200.0
CALLS_A_DAY = 500
CONTACTS, VIPS = 3000, 700
LONG_ENOUGH = 4_200_000
"""Bytes of a database's journal (its log), by which it begins anew in its place: SQLite's thousand pages of 4 KiB for
Asterisk's own, 4000 of 1 KiB for ours. A box of some days has such ones; until then each commit also makes the file
longer, and the file system's journal tells of that."""
JOURNALS = {
    "db/ramal.db": ("CREATE TABLE long(b)", f"INSERT INTO long VALUES (zeroblob({LONG_ENOUGH}))", "DROP TABLE long"),
    "asterisk/lib/astdb.sqlite3": (
        f"INSERT INTO astdb VALUES (hex(0), zeroblob({LONG_ENOUGH}))",
        "DELETE FROM astdb WHERE key = hex(0)",
    ),
}
"""Statements that write so much to each; Asterisk would not take new tables."""
QUIET_S = 300.0
CALLS = 16
STAY_MS = 12_000
LONG_MS = 160_000
KEPT_S = 2400.0 + LINGER_MS / 1000
"""Until a recording is kept and its wav, which may wait for others, is removed: that costs a commit too."""
CALM_BYTES, CALM_S, SETTLED_S, FOLDED_S = 60_000, 45.0, 3600.0, 120.0
_READ = 'import sqlite3; db = sqlite3.connect("file:/data/ramal/db/ramal.db?mode=ro", uri=True); '
RECORDED = _READ + (
    'print(*db.execute("SELECT count(*), coalesce(sum(bytes + duration_ms * channels * 16), 0),'
    ' coalesce(sum(duration_ms), 0) FROM sound WHERE unlink_due = 0").fetchone())'
)
WAITING = _READ + (
    'print(*db.execute("SELECT count(*) FROM recording r WHERE duration_ms > 0'
    ' AND NOT EXISTS (SELECT 1 FROM sound s WHERE s.recording = r.id AND s.unlink_due = 0)").fetchone())'
)
"""Recordings of before, whose wav was written long ago, would be counted as recorded when they are kept."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a while cost: bytes beside the recordings, s, s of recorded talk."""

    beside: int
    lasted_s: float
    talk_s: float


def prove(bench: Bench) -> None:
    """ImageError when a day would write more than the budget."""
    office.furnish(bench)
    with bench.inside() as shell, bench.start() as running:
        bench.up(running)
        office.wait_for_daemon(shell, running)
        _contacts(shell, running)
        call.sign_in(shell, running, bench.folder / "phone")
        _lengthen(shell)
        _settled(shell, running)
        _folded(shell, running)
        quiet = _spent(shell, running, 0, lambda: time.sleep(QUIET_S))
        short = _spent(shell, running, CALLS, lambda: call.converse(bench, shell, running, STAY_MS, CALLS))
        long = _spent(shell, running, 1, lambda: call.converse(bench, shell, running, LONG_MS))
        office.switch_off(shell, running)
    anyhow = quiet.beside / quiet.lasted_s
    of_a_short, short_s = (short.beside - anyhow * short.lasted_s) / CALLS, short.talk_s / CALLS
    of_a_long = long.beside - anyhow * long.lasted_s
    of_a_second = (of_a_long - of_a_short) / (long.talk_s - short_s)
    of_a_call = of_a_short - of_a_second * short_s
    anyhow_mb = anyhow * 86_400 / 1e6
    day_mb = anyhow_mb + CALLS_A_DAY * of_a_call / 1e6
    bench.figures |= {
        "day_mb": day_mb,
        "call_kb": of_a_call / 1e3,
        "talk_kb_a_minute": of_a_second * 0.06,
        "quiet_day_mb": anyhow_mb,
    }
    say(f"  a day of {CALLS_A_DAY} calls writes {day_mb:.0f} MB beside the recordings (budget {BUDGET_MB:.0f} MB): "
        f"{anyhow_mb:.0f} MB anyhow, {of_a_call / 1e3:.0f} kB a call")  # fmt: skip
    say(f"  a minute of talk writes {of_a_second * 0.06:.0f} kB beside its sound, to have it on the disk every 5 s")
    if day_mb > BUDGET_MB:
        raise ImageError(f"A day of {CALLS_A_DAY} calls writes {day_mb:.0f} MB beside the recordings.")


def _contacts(shell: Shell, running: Running) -> None:
    """The office's contacts, as an owner brings them; without names, which would be spoken for an hour, once."""
    rows = f'seq {CONTACTS} | awk \'{{printf "+551197%07d,,%s\\n", $1, $1 <= {VIPS} ? "yes" : ""}}\''
    shell.must(f"(echo number,name,vip; {rows}) > /run/contacts.csv; chmod 644 /run/contacts.csv")
    said = office.ask(shell, running, "ramal contacts import /run/contacts.csv")
    say(f"  contacts: {' '.join(said.split())[:120]}")


def _lengthen(shell: Shell) -> None:
    """Bring both databases' journals to where they begin anew. ImageError when one is not so long then."""
    for file, statements in JOURNALS.items():
        open_it = f'import sqlite3; db = sqlite3.connect("/data/ramal/{file}", isolation_level=None, timeout=60)'
        _python(shell, f"{open_it}; {'; '.join(f'db.execute({json.dumps(one)})' for one in statements)}")
        if (length := int(shell.must(f"stat -c %s /data/ramal/{file}-wal"))) < LONG_ENOUGH:
            raise ImageError(f"The journal of {file} is still only {length} bytes long.")


def _folded(shell: Shell, running: Running) -> None:
    """Have both journals folded back wholly now. One that is read at the moment is folded up to there only, and the
    rest would be counted with some call."""
    for file in JOURNALS:
        running.until(partial(_whole, shell, file), FOLDED_S, f"the journal of {file} is folded back")


def _whole(shell: Shell, file: str) -> bool:
    """Fold the journal of ``file`` back; whether all of it was."""
    words = 'execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()'
    said = _python(shell, f'import sqlite3; print(*sqlite3.connect("/data/ramal/{file}").{words})')
    busy, pages, folded = said[-3:]
    return busy == "0" and pages == folded


def _settled(shell: Shell, running: Running) -> None:
    """Until nothing waits to be kept and a while writes next to nothing: Asterisk has been told of every contact, all
    sentences are spoken."""

    def calm() -> bool:
        before = _written(shell)
        time.sleep(CALM_S)
        return _written(shell) - before < CALM_BYTES and _python(shell, WAITING)[-1:] == ["0"]

    running.until(calm, SETTLED_S, "the box has settled after the import")


def _spent(shell: Shell, running: Running, calls: int, what: Callable[[], None]) -> Spent:
    """Do ``what`` and wait until its ``calls`` recordings are kept and their wavs gone."""
    (count, sound, talk_ms), written, began_s = _recorded(shell), _written(shell), time.monotonic()
    what()
    running.until(lambda: _recorded(shell)[0] >= count + calls, KEPT_S, f"the recordings of {calls} calls are kept")
    beside, lasted_s = _written(shell) - written, time.monotonic() - began_s
    now = _recorded(shell)
    kept = now[1] - sound
    say(f"  {calls} calls in {lasted_s:.0f} s: {beside / 1e3:.0f} kB, {kept / 1e3:.0f} kB of them recordings")
    return Spent(beside - kept, lasted_s, (now[2] - talk_ms) / 1000)


def _written(shell: Shell) -> int:
    """Bytes written to the data partition since the start, all that was dirty included."""
    shell.must("sync")
    where = "$(basename $(readlink -f /dev/ramal/data))"
    return int(shell.must(f"cat /sys/class/block/{where}/stat").split()[6]) * 512


def _recorded(shell: Shell) -> tuple[int, int, int]:
    """Recordings that are kept and whose wav is gone, their bytes as wav and as kept, their talk in ms."""
    count, size, talk_ms = _python(shell, RECORDED)[-3:]
    return int(count), int(size), int(talk_ms)


def _python(shell: Shell, program: str) -> list[str]:
    """The words that ``program`` (without single quotes) prints on the box, after what its console may have said."""
    return shell.must(office.as_ramal(f"/opt/ramal/bin/python -c '{program}'")).split()
