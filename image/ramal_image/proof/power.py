"""Twenty power cuts in the middle of writing, on a disk that loses what was not flushed.

The image is unchanged and its initramfs does what it always does (fsck, mount); instead of systemd its own shell is
started (``ramal.init=``, a switch of the harness's command line), and told to run WRITER on the image's own Python with
the product's own code: rows in a database as the daemon opens it, files as the home writes them, the boot selector's
sector as updates write it. What was acknowledged over the serial line before a cut must be there after it.
"""

import base64
import random
import re
import zlib
from collections.abc import Callable
from dataclasses import replace

from ramal.provide.say import say
from ramal_image import ImageError, autoboot, layout
from ramal_image.proof.bench import BOOT_S, Bench
from ramal_image.qemu.vm import Running
from ramal_image.qemu.volume import Volume

CUTS = 20
WRITER = r"""
import hashlib, os, subprocess, sys
from pathlib import Path
sys.dont_write_bytecode = True
def mount(*words): subprocess.run(["mount", *words], check=False, capture_output=True)
mount("-t", "proc", "proc", "/proc"); mount("-t", "sysfs", "sysfs", "/sys")
from ramal.box.home import write_whole
from ramal.box.slots import overwrite
from ramal.core.slots import render_autoboot
from ramal.store.db import open_writer
folder = Path("/data/power"); (folder / "files").mkdir(parents=True, exist_ok=True)
selector = Path("/bootsel/autoboot.txt").read_bytes()
words = [line for line in selector.decode("latin-1").splitlines() if line and not line.startswith("#")]
tails = (["boot_partition=2", "[tryboot]", "boot_partition=3"], ["boot_partition=3", "[tryboot]", "boot_partition=2"])
boots = len(selector) == 512 and [word.rstrip("#") for word in words][-3:] in tails
db = open_writer(folder / "power.db")
whole = db.execute("PRAGMA integrity_check").fetchone()[0]
db.execute("CREATE TABLE IF NOT EXISTS row (id INTEGER PRIMARY KEY, sum TEXT, data BLOB) STRICT"); db.commit()
last, count = db.execute("SELECT coalesce(max(id), 0), count(*) FROM row").fetchone()
newest = db.execute("SELECT sum, data FROM row ORDER BY id DESC LIMIT 300").fetchall()
torn = sum(hashlib.sha1(data).hexdigest() != kept for kept, data in newest)
names = [p for p in (folder / "files").iterdir() if not p.name.startswith(".")]
bad = sum(p.read_text()[:40] != hashlib.sha1(p.read_text()[40:].encode()).hexdigest() for p in names)
have = max([int(p.name) for p in names], default=0)
print(f"POWER-CHECK whole={whole} last={last} count={count} torn={torn} files={len(names)} ", end="")
print(f"bad={bad} have={have} boots={int(boots)}", flush=True)
number = last
while True:
    number += 1
    data = os.urandom(600)
    db.execute("INSERT INTO row VALUES (?, ?, ?)", (number, hashlib.sha1(data).hexdigest(), data)); db.commit()
    print(f"POWER-ACK {number}.", flush=True)
    if number % 5 == 0:
        text = os.urandom(20000).hex()
        write_whole(folder / "files" / str(number), hashlib.sha1(text.encode()).hexdigest() + text, 0o640)
        print(f"POWER-FILE {number}.", flush=True)
    if number % 9 == 0:
        subprocess.run(["mount", "-o", "remount,rw", "/bootsel"], check=True)
        overwrite(Path("/bootsel/autoboot.txt"), render_autoboot("A" if number % 2 else "B"))
        subprocess.run(["mount", "-o", "remount,ro", "/bootsel"], check=True)
        print(f"POWER-SELECT {number}.", flush=True)
"""
CHECK = re.compile(
    r"POWER-CHECK whole=(\S+) last=(\d+) count=(\d+) torn=(\d+) files=(\d+) bad=(\d+) have=(\d+) boots=(\d)"
)


def prove(bench: Bench) -> None:
    """CUTS power cuts, and one more start that looks. ImageError at the first loss."""
    chance = random.Random(5)
    rows, files = 0, 0
    counts = {"lost": 0, "torn": 0, "kept": 0}
    bench.board.append = "ramal.init=/usr/bin/sh"
    # One processor: with two, QEMU's TCG now and then runs half-patched kernel text (int3 in sched_clock_tick, seen).
    bench.board.template = replace(bench.board.template, processors=1)
    fixed = _slot_a(bench)
    for cut in range(CUTS + 1):
        volume = Volume(bench.card, bench.folder / "nbd", seed=cut)
        try:
            with bench.board.boot(bench.log, f"nbd:unix:{volume.path}") as running:
                fsck = "new" if cut == 0 else running.wait_for(r"fsck of data: (\d+)", BOOT_S)[1]
                running.wait_for(r"ramal-initrd: root=", BOOT_S)
                type_in(running)
                said = CHECK.search(running.wait_for(CHECK.pattern, BOOT_S)[0])
                assert said is not None
                _judge(cut, fsck, said, rows, files)
                if cut == CUTS:
                    break
                volume.cut_after(chance.randrange(30, 240))
                running.until(volume.cut_reached.is_set, BOOT_S, "the power cut")
                acked = [int(number) for number in re.findall(r"POWER-ACK (\d+)\.", running.said)]
                rows = max([rows, *acked])
                files = max([files, *[int(number) for number in re.findall(r"POWER-FILE (\d+)\.", running.said)]])
        finally:
            done = volume.cut() if cut < CUTS else volume.cache.counts
            volume.close()
        for name in counts:
            counts[name] += getattr(done, name)
        say(f"  cut {cut + 1}: {rows} rows and file {files} acknowledged; {done.writes} writes, "
            f"{done.lost} lost, {done.torn} torn, {done.kept} kept of those not flushed; fsck {fsck}")  # fmt: skip
        fixed(bench)
    bench.figures |= {"cuts": CUTS, "rows": rows, **{f"writes_{name}": value for name, value in counts.items()}}
    if not counts["lost"]:
        raise ImageError("No write was ever lost: the disk was not volatile, and the cuts showed nothing.")


def typed() -> list[str]:
    """WRITER as lines for a shell; the last one becomes it."""
    data = base64.b64encode(zlib.compress(WRITER.encode(), 9)).decode()
    parts = [data[at : at + 200] for at in range(0, len(data), 200)]
    program = "import base64,os,zlib;exec(zlib.decompress(base64.b64decode(os.environ['w'])).decode())"
    last = f'export w; PATH=/usr/sbin:/usr/bin exec /opt/ramal/bin/python -c "{program}"'
    return ["stty -echo; w=", *(f"w=${{w}}{part}" for part in parts), last]


def type_in(running: Running) -> None:
    """Line by line, each after the shell has taken the one before: a serial port without flow control loses more."""
    *lines, last = typed()
    for number, line in enumerate(lines):
        running.type(f"{line}; echo taken''-{number}.\n")
        running.wait_for(rf"taken-{number}\.", BOOT_S)
    running.type(f"{last}\n")


def _judge(cut: int, fsck: str, said: "re.Match[str]", rows: int, files: int) -> None:
    whole, last, _, torn, _, bad, have, boots = said.groups()
    wrong = [
        *([f"fsck said {fsck}"] if fsck not in ("new", "0", "1") else []),
        *([f"the database is not whole: {whole}"] if whole != "ok" else []),
        *([f"row {rows} was acknowledged and the last one is {last}"] if int(last) < rows else []),
        *([f"{torn} rows are torn"] if torn != "0" else []),
        *([f"{bad} files are torn"] if bad != "0" else []),
        *([f"file {files} was acknowledged and the last one is {have}"] if int(have) < files else []),
        *(["autoboot.txt is neither the one nor the other"] if boots != "1" else []),
    ]
    if wrong:
        raise ImageError(f"After cut {cut}: " + "; ".join(wrong) + ".")


def _slot_a(bench: Bench) -> Callable[[Bench], None]:
    """Slot B is empty on a new card, and the writer flips the selector: this puts it back between two starts, after
    the loader read it as whole."""
    with bench.card.open("rb") as file:
        file.seek(layout.BOOTSEL.start)
        at = file.read(layout.BOOTSEL.size).index(autoboot.text(autoboot.Choice(2, 3), bench.want.arch))

    def fix(bench: Bench) -> None:
        bench.board.choose()  # ImageError when a Pi would boot nothing
        with bench.card.open("r+b") as file:
            file.seek(layout.BOOTSEL.start + at)
            file.write(autoboot.text(autoboot.Choice(2, 3), bench.want.arch))

    return fix
