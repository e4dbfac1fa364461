"""Three starts that nobody saw come up (the plug is pulled in each): the fourth is a safe one, in which calls go to one
phone, the page is there and ssh is not; the one after it is a usual one again, with all that the office had. At last a
data partition that cannot be read: the page says so, and not a byte of it is changed."""

import hashlib
from pathlib import Path

from ramal.provide.say import say
from ramal_image import ImageError, layout
from ramal_image.proof import call, office, outside
from ramal_image.proof.bench import BOOT_S, Bench
from ramal_image.proof.outside import Browser
from ramal_image.qemu.shell import Shell
from ramal_image.qemu.vm import Running

COUNT = "/data/system/failed-boots/count"
MARK = "/run/ramal-safe"
STARTS = 3
BANNER = "banner-safe-mode"
NO_DATA = 'data-safe="no-data"'
GROUP_BYTES, COPIES = 128 << 20, (0, 1, 3, 5, 7, 9, 25, 27)
"""Where ext4 has its superblock and the copies of it (sparse_super), on a disk as small as ours."""


def prove(bench: Bench) -> None:
    """ImageError at the first thing that does not hold."""
    office.furnish(bench)
    with bench.inside() as shell:
        for start in range(1, STARTS + 1):
            with bench.start() as running:
                _pull(shell, running, start)
        with bench.start() as running:
            bench.up(running)
            _safe(bench, shell, running)
            office.start_anew(shell, running)
        with bench.start() as running:
            bench.up(running)
            _usual(bench, shell, running)
            office.switch_off(shell, running)
    _unreadable(bench)


def _unreadable(bench: Bench) -> None:
    """Damage the data partition beyond repair, and start once more."""
    with bench.card.open("r+b") as card:
        for copy in COPIES:
            if layout.DATA.start + copy * GROUP_BYTES < bench.card.stat().st_size:
                card.seek(layout.DATA.start + copy * GROUP_BYTES)
                card.write(bytes(layout.MIB))
    before = _data(bench.card)
    with bench.start() as running:
        running.wait_for(r"NO DATA: ", BOOT_S)
        running.until(_says_no_data, BOOT_S, "the page says that the disk cannot be read")
    if _data(bench.card) != before:
        raise ImageError("A data partition that cannot be read was written to.")
    say("  with a data partition that cannot be read the page says so, and nothing was written to it")


def _says_no_data() -> bool:
    page = Browser().get("/")
    return BANNER in page.body and NO_DATA in page.body


def _data(card: Path) -> str:
    """The digest of the data partition, but for the last MiB (where the second GPT is)."""
    with card.open("rb") as file:
        file.seek(layout.DATA.start)
        left, digest = card.stat().st_size - layout.DATA.start - layout.MIB, hashlib.sha256()
        while left > 0 and (piece := file.read(min(left, 4 * layout.MIB))):
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()


def _pull(shell: Shell, running: Running, start: int) -> None:
    """Pull the plug as soon as this start is counted."""
    running.wait_for(r"ramal-initrd: root=\S+", BOOT_S)
    counted = f"the start is counted as number {start}"
    running.until(lambda: shell.run(f"cat {COUNT}")[1].strip() == str(start), BOOT_S, counted)
    if shell.run(f"test -e {MARK}")[0] == 0:
        raise ImageError(f"Start {start} is a safe one already.")
    say(f"  {running.age_s:6.1f} s  the plug is pulled in start {start}, before it came up")
    running.kill()
    shell.close()


def _safe(bench: Bench, shell: Shell, running: Running) -> None:
    if shell.run(f"test -e {MARK}")[0] != 0:
        raise ImageError(f"After {STARTS} starts that did not come up, this one is not a safe one.")
    page = Browser().get("/login")
    if page.status != 200 or BANNER not in page.body:
        raise ImageError(f"The page does not say that the box is in safe mode: {page.status} {page.body[:300]}")
    shell.run("systemctl start ssh.service ramal.service ramal-asterisk.service", 120)
    wrong = [unit for unit in ("ssh", "ramal", "ramal-asterisk") if _runs(shell, unit)]
    if wrong:
        raise ImageError(f"In safe mode there runs {', '.join(wrong)}.")
    if "sales" in call.asterisk(shell, "queue show"):
        raise ImageError("In safe mode the office's queue is still there.")
    call.converse(bench, shell, running, 20_000)
    say(f"  safe: the page says so, no ssh, and the call to {outside.NUMBER} rang at the phone itself, without a queue")


def _usual(bench: Bench, shell: Shell, running: Running) -> None:
    if shell.run(f"test -e {MARK}")[0] == 0:
        raise ImageError("The start after the safe one is a safe one, too.")
    browser = office.signed_in(running)
    office.wait_for_daemon(shell, running)
    if BANNER in browser.get("/").body:
        raise ImageError("The page says safe mode in a usual start.")
    before = call.recordings(browser)
    call.sign_in(shell, running, bench.folder / "phone")
    call.converse(bench, shell, running, 20_000)
    running.until(lambda: len(call.recordings(browser)) > len(before), 240, "the next call is in the page, recorded")
    forgotten = "the start is seen to have come up"
    running.until(lambda: shell.run(f"cat {COUNT}")[1].strip() in ("", "0"), BOOT_S, forgotten)
    say("  the start after it is a usual one: queue, history and recordings as before, and the count is forgotten")


def _runs(shell: Shell, unit: str) -> bool:
    return shell.run(f"systemctl is-active -q {unit}.service")[0] == 0
