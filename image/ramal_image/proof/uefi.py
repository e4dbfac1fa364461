"""A mini-PC: the built image, unchanged, found and started by a PC's firmware (UEFI) through Debian's signed loader.

Two proofs. ``loader``: for every state that the box can write, what the real GRUB starts and what it leaves on the disk
are compared with the model that the unit tests use (``envblk``), on a disk whose writes fail and are lost too; with
Secure Boot on, and with a loader that nobody signed. ``uefi``, the whole: calls and page answer; a try of slot B that
is not kept, tries with power cuts in between, one that is kept; at the end the same disk with Secure Boot on.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ramal.core import slots
from ramal.core.updates import Asked, asked_text
from ramal.provide.say import say
from ramal_image import ImageError, autoboot, envblk, layout, loader, tools
from ramal_image.proof.bench import BOOT_S, Bench
from ramal_image.qemu.uefi import LINE_S, Pc
from ramal_image.qemu.vm import Running
from ramal_image.qemu.volume import Volume

END_S = 600.0
SYSTEM = {"usual": slots.render_autoboot("A", True), "other": slots.render_autoboot("B", True)}
DAMAGED = {"of zeros": bytes(512), "of a Pi": slots.render_autoboot("B"), "empty": b"\n" * 512}
TRIES = {"no try": slots.render_try(None), "try A": slots.render_try("A"), "try B": slots.render_try("B")}


@dataclass(slots=True)
class Disk:
    """The two sectors of the first partition that are ever written, on the card itself."""

    card: Path
    selector_at: int
    flag_at: int

    def selector(self) -> bytes:
        return self._read(self.selector_at)

    def flag(self) -> bytes:
        return self._read(self.flag_at)

    def put(self, selector: bytes, flag: bytes) -> None:
        """Both, as if the box (or a failing card) had left them so."""
        with self.card.open("r+b") as file:
            for at, data in ((self.selector_at, selector), (self.flag_at, flag)):
                file.seek(at)
                file.write(data)

    @property
    def default(self) -> int:
        """The partition that boots by itself."""
        return autoboot.read(self.selector()).usual

    def _read(self, at: int) -> bytes:
        with self.card.open("rb") as file:
            file.seek(at)
            return file.read(layout.SECTOR)


def prove_loader(bench: Bench) -> None:
    """The proof ``loader``: minutes. ImageError at the first thing that does not hold."""
    pc, disk = _bench(bench)
    with pc.boot_legacy(bench.log) as running:
        running.wait_for(re.escape(loader.LEGACY.splitlines()[0]), LINE_S)
    say("  a PC without UEFI says what it lacks")
    _without_b(bench, pc, disk)
    _write_b(bench)
    _every_state(bench, pc, disk)
    _cut_while_it_writes(bench, pc, disk)
    guarded = Pc(pc.image, pc.template, pc.scratch, secure=True)
    disk.put(SYSTEM["usual"], TRIES["try B"])
    with _starts(bench, guarded, disk, "Secure Boot, try B"):
        pass
    _unsigned(bench, guarded)


def prove(bench: Bench) -> None:
    """The proof ``uefi``: the life of a box on a PC. ImageError at the first thing that does not hold."""
    pc, disk = _bench(bench)
    _write_b(bench)
    _life(bench, pc, disk)
    _secure(bench, pc, disk)


def _bench(bench: Bench) -> tuple[Pc, Disk]:
    if bench.want.arch != "amd64":
        raise ImageError("Only the amd64 image is for a PC; a Pi's loader is proved by the other proofs.")
    return Pc(bench.card, bench.board.template, bench.folder), _disk(bench)


# -- the loader alone --------------------------------------------------------------------------------------------------


def _disk(bench: Bench) -> Disk:
    whole = bench.built.bootsel.read_bytes()
    found = {}
    for name, data in (("selector", SYSTEM["usual"]), ("flag", loader.NO_TRY)):
        if whole.count(data) != 1:
            raise ImageError(f"The first partition holds the {name} {whole.count(data)} times.")
        found[name] = layout.BOOTSEL.start + whole.index(data)
    return Disk(bench.card, found["selector"], found["flag"])


def _without_b(bench: Bench, pc: Pc, disk: Disk) -> None:
    """As it is flashed, slot B is empty: whatever the selector says, A starts."""
    disk.put(SYSTEM["other"], TRIES["no try"])
    with pc.boot(bench.log) as running:
        running.wait_for(r"partition 3 has no command line", LINE_S)
        chosen = pc.started(running)
    if chosen != (2, False):
        raise ImageError(f"With an empty slot B, partition {chosen[0]} was started.")
    say("  with an empty slot B the other one starts, whatever autoboot.txt says")
    disk.put(SYSTEM["usual"], TRIES["no try"])


def _every_state(bench: Bench, pc: Pc, disk: Disk) -> None:
    states = [(f"{one}, {two}", SYSTEM[one], TRIES[two]) for one in SYSTEM for two in TRIES]
    states += [(f"a selector {name}", data, TRIES["no try"]) for name, data in DAMAGED.items()]
    states += [("a flag of zeros", SYSTEM["other"], bytes(512))]
    for name, selector, flag in states:
        disk.put(selector, flag)
        with _starts(bench, pc, disk, name):
            pass
    say(f"  {len(states)} states of the two sectors: GRUB starts, and leaves on the disk, what the model says")


@contextmanager
def _starts(bench: Bench, pc: Pc, disk: Disk, what: str) -> Iterator[Running]:
    """Switch on, and hold what GRUB does against the model: what it starts, and what the flag is from then on."""
    expected = envblk.start(disk.selector(), disk.flag())
    with pc.boot(bench.log) as running:
        chosen = pc.started(running)
        if chosen != (expected.order[0], expected.once):
            raise ImageError(f"{what}: GRUB started {chosen} instead of {expected.order[0], expected.once}.")
        if disk.flag() != expected.try_env:
            raise ImageError(f"{what}: GRUB started what is tried before the try was taken back: {disk.flag()[:60]!r}.")
        say(f"  {running.age_s:6.1f} s  {what}: starts partition {chosen[0]}{', once' if chosen[1] else ''}")
        yield running


def _cut_while_it_writes(bench: Bench, pc: Pc, disk: Disk) -> None:
    """The power goes at the very write by which GRUB takes a try back; what of it lasts is chance (by a seed)."""
    left = set()
    for seed in range(4):
        disk.put(SYSTEM["usual"], TRIES["try B"])
        volume = Volume(bench.card, bench.folder / "nbd", seed)
        try:
            volume.cut_after(1)
            with pc.boot(bench.log, f"nbd:unix:{volume.path}") as running:
                running.until(volume.cut_reached.is_set, LINE_S, "GRUB takes the try back")
        finally:
            volume.cut()
            volume.close()
        now = envblk.load(disk.flag(), "try")
        left.add(now)
        with _starts(bench, pc, disk, f"after cut {seed + 1} of GRUB's own write (try={now})"):
            pass
    if not left <= {"0", "3"}:
        raise ImageError(f"Cuts of GRUB's write left try={left}.")


# -- the whole ---------------------------------------------------------------------------------------------------------


def _write_b(bench: Bench) -> None:
    """Slot B with the same release, as an update would leave it."""
    boot, line = bench.folder / "b.vfat", bench.folder / "cmdline.txt"
    boot.write_bytes(bench.built.boot.read_bytes())
    tools.run("mcopy", "-n", "-i", boot, "::cmdline.txt", line, env={"MTOOLS_SKIP_CHECK": "1"})
    text = line.read_text()
    if text.count("ramal.slot=A") != 1:
        raise ImageError(f"cmdline.txt does not name its slot once: {text!r}")
    line.write_text(text.replace("ramal.slot=A", "ramal.slot=B"))
    tools.run("mcopy", "-o", "-i", boot, line, "::cmdline.txt", env={"MTOOLS_SKIP_CHECK": "1"})
    for part, source in ((layout.BOOT_B, boot), (layout.ROOT_B, bench.built.root)):
        tools.run("dd", f"if={source}", f"of={bench.card}", "bs=1M", f"seek={part.start_mib}", "conv=notrunc,sparse")
    boot.unlink()


def _life(bench: Bench, pc: Pc, disk: Disk) -> None:
    with _starts(bench, pc, disk, "the first start") as running:
        bench.up(running)
        pc.inside.must("ramal slot set-primary B", BOOT_S)
        _asked_as_the_page_does(pc)
        running.wait_end(END_S)
    with _starts(bench, pc, disk, "the try that the page asked for") as running:
        _slot(running, "B")
        pc.inside.must("systemctl stop ramal-health.timer ramal-health.service ramal-trial.timer", BOOT_S)
        if '"on_trial": true' not in (said := pc.inside.must("ramal slot status --json", BOOT_S)):
            raise ImageError(f"Slot B runs, and does not know that it is on trial: {said}")
        pc.inside.must("systemctl reboot --no-block", BOOT_S)
        running.wait_end(END_S)
    with _starts(bench, pc, disk, "after a restart without a verdict") as running:
        _slot(running, "A")
        _try_again(pc, running)
        running.until(lambda: envblk.load(disk.flag(), "try") == "3", END_S, "the try is on the disk")
        running.kill()
    with _starts(bench, pc, disk, "after a power cut between the flag and the restart") as running:
        running.kill()
    with _starts(bench, pc, disk, "after a power cut in the first second of what was tried") as running:
        _slot(running, "A")
        _try_again(pc, running)
        running.wait_end(END_S)
    _kept(bench, pc, disk)


def _kept(bench: Bench, pc: Pc, disk: Disk) -> None:
    with _starts(bench, pc, disk, "the try that is kept") as running:
        figures = dict(bench.figures)
        bench.up(running)
        bench.figures |= figures
        running.until(lambda: disk.default == 3, BOOT_S, "the health check keeps the release in slot B")
        say(f"  {running.age_s:6.1f} s  kept: partition 3 boots by itself")
        pc.inside.must("systemctl poweroff --no-block", BOOT_S)
        running.wait_end(END_S)
    if disk.selector() != SYSTEM["other"]:
        raise ImageError("autoboot.txt is not what the box writes for slot B; a Pi's heading is missing, or GRUB's.")
    with _starts(bench, pc, disk, "the start after it") as running:
        _slot(running, "B")


def _slot(running: Running, slot: str) -> None:
    found = running.wait_for(r"ramal-initrd: root=\S+ slot=(\w)", BOOT_S)[1]
    if found != slot:
        raise ImageError(f"Slot {found} runs, and it was to be {slot}.")


def _asked_as_the_page_does(pc: Pc) -> None:
    """Through the daemon's request file and the closed service that serves it."""
    text = asked_text(Asked("try", who="proof", at_ms=1)).strip()
    folder = "/run/ramal"
    pc.inside.must(f"install -d -m 750 -o ramal -g ramal {folder} && printf '%s\\n' '{text}' > {folder}/.r && "
                   f"mv {folder}/.r {folder}/update-wanted.json", BOOT_S)  # fmt: skip


def _try_again(pc: Pc, running: Running) -> None:
    """The try is over and may be made again, as soon as the box has noted that."""
    running.until(lambda: "B armed" in pc.inside.run("cat /data/system/slots/trying", BOOT_S)[1], BOOT_S, "B is armed")
    pc.inside.must("(ramal slot try > /dev/console 2>&1 < /dev/null &)", BOOT_S)


# -- Secure Boot -------------------------------------------------------------------------------------------------------


def _secure(bench: Bench, pc: Pc, disk: Disk) -> None:
    guarded = Pc(pc.image, pc.template, pc.scratch, secure=True)
    with _starts(bench, guarded, disk, "with Secure Boot") as running:
        _slot(running, "B")
        locked = guarded.inside.must("cat /sys/kernel/security/lockdown", BOOT_S)
        if "[integrity]" not in locked:
            raise ImageError(f"Secure Boot is on, and the kernel does not know it: {locked}")
    say("  Secure Boot: Microsoft's keys accept the loader, the loader accepts the kernel, the kernel is locked down")


def _unsigned(bench: Bench, guarded: Pc) -> None:
    """One changed byte in GRUB: shim refuses it, or nothing above says anything about Secure Boot."""
    file = bench.folder / "grubx64.efi"
    where = f"{bench.card}@@{layout.BOOTSEL.start}"
    name = loader.TAKEN["grub-efi-amd64-signed"][1]
    tools.run("mcopy", "-n", "-i", where, f"::{name}", file, env={"MTOOLS_SKIP_CHECK": "1"})
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    tools.run("mcopy", "-o", "-i", where, file, f"::{name}", env={"MTOOLS_SKIP_CHECK": "1"})
    with guarded.boot(bench.log) as running:
        running.wait_for(r"(?i)security violation|verification failed", LINE_S)
        if "ramal-loader:" in running.said:
            raise ImageError("A changed GRUB was started under Secure Boot.")
    say("  Secure Boot: a GRUB with one changed byte is refused")
