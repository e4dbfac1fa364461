"""The data partition is full to its last block: calls go on, the page says so, and with room again all is as before.

A phone registers and a caller comes when not a byte was left: the box must have let go what it holds for that day."""

from ramal.provide.say import say
from ramal_image import ImageError
from ramal_image.proof import call, office
from ramal_image.proof.bench import BOOT_S, Bench
from ramal_image.proof.outside import Browser
from ramal_image.qemu.shell import Shell
from ramal_image.qemu.vm import Running

SAYS = ("The disk is full", "New calls are NOT recorded")
FILL = "/data/filler"
BALLAST = "/data/ramal/ballast/room"


def prove(bench: Bench) -> None:
    """ImageError at the first thing that does not hold."""
    office.furnish(bench)
    with bench.inside() as shell, bench.start() as running:
        bench.up(running)
        browser = office.signed_in(running)
        office.wait_for_daemon(shell, running)
        call.sign_in(shell, running, bench.folder / "phone")
        running.until(lambda: shell.run(f"test -e {BALLAST}")[0] == 0, 120, "the box holds some room")
        shell.run(f"fallocate -l $(($(df --output=avail -B1 /data | tail -1) - 8388608)) {FILL}", 300)
        shell.run(f"dd if=/dev/zero of={FILL}.2 bs=64k; dd if=/dev/zero of={FILL}.3 bs=512; sync", 300)
        left = shell.must("df --output=avail -B1 /data | tail -1")
        say(f"  the data partition has {left.strip()} bytes left")
        held = "the box lets go the room it holds for that day"
        running.until(lambda: shell.run(f"test -e {BALLAST}")[0] != 0, 120, held)
        call.converse(bench, shell, running)
        running.until(lambda: _says(browser), BOOT_S, "the page says that the disk is full")
        say(f"  the page says: {next(one for one in SAYS if one in _front(browser))}…")
        _room_again(bench, shell, running, browser)


def _room_again(bench: Bench, shell: Shell, running: Running, browser: Browser) -> None:
    shell.must(f"rm -f {FILL}*; sync")
    running.until(lambda: not _says(browser), BOOT_S, "the page does not say any more that the disk is full")
    before = call.recordings(browser)
    call.converse(bench, shell, running)
    running.until(lambda: len(call.recordings(browser)) > len(before), 240, "the next call is in the page, recorded")
    whole = shell.must("sqlite3 -version >/dev/null 2>&1; " + CHECK)
    if "ok" not in whole:
        raise ImageError(f"After the full disk the database is not whole: {whole[-400:]}")
    failed = [unit for unit in ("ramal", "ramal-asterisk", "ramal-web")
              if shell.run(f"systemctl is-active -q {unit}")[0] != 0]  # fmt: skip
    if failed:
        raise ImageError(f"After the full disk {', '.join(failed)} does not run.")
    say("  with room again the next call is recorded and in the page; the database is whole")


CHECK = (
    "/opt/ramal/bin/python -c \"import sqlite3; print(sqlite3.connect('file:/data/ramal/db/ramal.db?mode=ro', "
    "uri=True).execute('PRAGMA integrity_check').fetchone()[0])\""
)


def _front(browser: Browser) -> str:
    return browser.get("/").body


def _says(browser: Browser) -> bool:
    page = _front(browser)
    return any(one in page for one in SAYS)
