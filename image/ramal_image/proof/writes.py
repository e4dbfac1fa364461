"""What a day of 500 calls writes to the card, beside the recordings themselves: measured, and held under a budget.

Read from the kernel's own count of the data partition (journal and tables of the file system included): a quiet while,
then CALLS calls; what a call adds, and what the box writes anyhow, make the day. The quiet while begins when the box
has settled: all sentences spoken, first backup not due. The phone stays registered, as in an office. The recordings
themselves are the wav while people talk, and the sealed Opus file afterwards.
"""

import time

from ramal.provide.say import say
from ramal_image import ImageError
from ramal_image.proof import call, office
from ramal_image.proof.bench import BOOT_S, Bench
from ramal_image.qemu.shell import Shell

BUDGET_MB = 200.0
CALLS_A_DAY = 500
QUIET_S = 420.0
CALLS = 24
"""As many as the database's journal takes until it begins anew in its place: a shorter while would show its growth."""
STAY_MS = 12_000
LATER_S = 75.0
"""So long after the last call its recording is finished, sealed and written down."""
RECORDED = (
    'import sqlite3; print(sqlite3.connect("file:/data/ramal/db/ramal.db?mode=ro", uri=True).execute('
    '"SELECT coalesce(sum(bytes + duration_ms * channels * 16), 0) FROM sound").fetchone()[0])'
)
SPEAKS = "journalctl -b -q -u ramal --since=-90s -g 'Speaking prompts'"


def prove(bench: Bench) -> None:
    """ImageError when a day would write more than the budget."""
    office.furnish(bench)
    with bench.inside() as shell, bench.start() as running:
        bench.up(running)
        browser = office.signed_in(running)
        office.wait_for_daemon(shell, running)
        call.sign_in(shell, running, bench.folder / "phone")
        running.until(lambda: running.age_s > 240 and shell.run(SPEAKS)[0] != 0, BOOT_S, "all sentences are spoken")
        written, began_s = _written(shell), time.monotonic()
        time.sleep(QUIET_S)
        quiet, quiet_s = _written(shell) - written, time.monotonic() - began_s
        say(f"  quiet: {quiet / 1e3:.0f} kB in {quiet_s:.0f} s")
        heard = len(call.recordings(browser))
        recorded = _recorded(shell)
        written, began_s = _written(shell), time.monotonic()
        call.converse(bench, shell, running, STAY_MS, CALLS)
        time.sleep(LATER_S)
        busy, busy_s = _written(shell) - written, time.monotonic() - began_s
        sound = _recorded(shell) - recorded
        if len(call.recordings(browser)) < heard + CALLS:
            raise ImageError(
                f"Of {CALLS} calls the page shows {len(call.recordings(browser)) - heard} with a recording."
            )
        office.switch_off(shell, running)
    of_a_call = max(0.0, busy - quiet * busy_s / quiet_s - sound) / CALLS
    anyhow = quiet / quiet_s * 86_400
    day_mb = (anyhow + CALLS_A_DAY * of_a_call) / 1e6
    bench.figures |= {"day_mb": day_mb, "call_kb": of_a_call / 1e3, "quiet_day_mb": anyhow / 1e6}
    say(f"  {CALLS} calls: {busy / 1e3:.0f} kB in {busy_s:.0f} s, {sound / 1e3:.0f} kB of them recordings")
    say(f"  a day of {CALLS_A_DAY} calls writes {day_mb:.0f} MB beside the recordings: {anyhow / 1e6:.0f} MB anyhow, "
        f"{of_a_call / 1e3:.0f} kB a call (budget {BUDGET_MB:.0f} MB)")  # fmt: skip
    if day_mb > BUDGET_MB:
        raise ImageError(f"A day of {CALLS_A_DAY} calls writes {day_mb:.0f} MB beside the recordings.")


def _written(shell: Shell) -> int:
    """Bytes written to the data partition since the start, all that was dirty included."""
    shell.must("sync")
    where = "$(basename $(readlink -f /dev/ramal/data))"
    return int(shell.must(f"cat /sys/class/block/{where}/stat").split()[6]) * 512


def _recorded(shell: Shell) -> int:
    """Bytes of recordings, as wav and as they are kept."""
    return int(shell.must(office.as_ramal(f"/opt/ramal/bin/python -c '{RECORDED}'")).split()[-1])
