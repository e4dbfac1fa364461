"""The boot selection on this machine: reads what is known, carries out plans of ``core.slots``, and is RAUC's backend.

Runs on the thread of a command (``ramal slot …``), as root. Law: nothing is ever created, renamed or made longer on the
boot selector's partition (measured: that is how a power cut leaves no autoboot.txt); its one sector is overwritten in
place, synced, read back and compared. Each write of a plan is on the disk before the next begins.
"""

import argparse
import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ramal.box.image import Image
from ramal.core import slots
from ramal.core.slots import HISTORY, SECTOR, Append, Facts, Plan, Reboot, Remove, Save, Slot, SlotsRefused
from ramal.errors import RamalError

HISTORY_BYTES = 64 * 1024
HISTORY_KEPT = 200
FILE_MAX = 1 << 20
COMMAND_S = 180.0
"""Longer than any unit that is started here may take (ramal-try@: TimeoutStartSec), so that none ends unheard."""
STATES = ("good", "bad")

Runs = Callable[[list[str]], None]
"""Runs a program of the machine to its end; RamalError when it fails."""


class NotAnImage(RamalError):
    """This machine has no slots."""

    code = "no-image"

    def __init__(self) -> None:
        super().__init__(
            "This machine was not started from a Ramal image, so it has no two releases to choose from. Nothing was "
            "changed. Ramal itself is updated here as it was installed: by its package, or with git."
        )


def run_program(argv: list[str]) -> None:
    """The machine's own programs. RamalError with what they said."""
    try:
        done = subprocess.run(argv, capture_output=True, timeout=COMMAND_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RamalError(f"{argv[0]} could not be run ({error}). Calls are not affected.") from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        raise RamalError(f"{' '.join(argv[:4])} failed: {said[-1][:300] if said else done.returncode}.")


@dataclass(frozen=True, slots=True)
class Boot:
    """The slots of one image. ``runs`` is how programs are started (mount, systemctl)."""

    image: Image
    runs: Runs = run_program
    clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000

    def facts(self) -> Facts:
        """What is known now. NotAnImage where there are no slots."""
        if not self.image.is_here:
            raise NotAnImage
        names = (*slots.SLOTS, slots.TRYING)
        files = {name: _text(self.image.slots / name) for name in names}
        return slots.facts_of(_text(self.image.command_line), _bytes(self.image.autoboot), files)

    def history(self, most: int = 50) -> tuple[slots.Entry, ...]:
        """The newest lines first."""
        return slots.parse_history(_text(self.image.slots / HISTORY), most)

    def carry_out(self, plan: Plan) -> None:
        """Every write of ``plan``, in its order, each lasting before the next. RamalError at the first that fails: what
        came before it stands, and is good by itself."""
        if Reboot(once=True) in plan:
            self.way_to_try()  # or a start would be noted that never was
        elif plan and self.grub and slots.parse_try(_bytes(self.image.try_env)):
            self._ask_grub("never")  # a restart that was asked for and did not come: nothing may be written over it
        for write in plan:
            try:
                self._do(write)
            except OSError as error:
                raise RamalError(
                    f"The boot selection could not be written ({error}). What runs goes on; what boots by itself is "
                    "as it was. Check the card, then try again."
                ) from error

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only one who changes the boot selection; waits for who does."""
        if not self.image.is_here:
            raise NotAnImage
        try:
            self.image.slots.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.image.slots / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise RamalError(f"The notes of the boot selection cannot be written ({error}). Ask as root.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _do(self, write: slots.Write) -> None:
        match write:
            case slots.WriteAutoboot(default):
                self._write_autoboot(default)
            case Save(name, text):
                _save(self.image.slots / name, text)
            case Remove(name):
                (self.image.slots / name).unlink(missing_ok=True)
                _sync_folder(self.image.slots)
            case Append(line):
                _append(self.image.slots / HISTORY, line)
            case Reboot(once):
                if once:
                    self._try_once()
                self.runs(["systemctl", "reboot"])

    def _write_autoboot(self, default: Slot) -> None:
        data = slots.render_autoboot(default, for_grub=self.image.about().get("ARCH") == "amd64")
        self._overwrite(self.image.autoboot, data)

    def _overwrite(self, path: Path, data: bytes) -> None:
        self.runs(["mount", "-o", "remount,rw", str(self.image.bootsel)])
        try:
            overwrite(path, data)
        finally:
            self.runs(["mount", "-o", "remount,ro", str(self.image.bootsel)])

    def _try_once(self) -> None:
        path = self.way_to_try()
        if path == self.image.try_env:
            self._ask_grub("once")
            return
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, b"1\n" if "parameters" in path.parts else b"tryboot\n")
        finally:
            os.close(descriptor)

    def way_to_try(self) -> Path:
        """Where the firmware is told to try the other slot once; RamalError when this machine has no such place."""
        for path in (self.image.try_env,) if self.grub else self.image.tryboot_flags:
            if path.exists():
                return path
        raise RamalError(
            "This machine has no way to start the other release once (neither the Pi's tryboot module, nor QEMU's "
            "port, nor a PC's try.env beside autoboot.txt). Nothing was restarted; the release that runs goes on."
        )

    @property
    def grub(self) -> bool:
        """Whether this start came by a PC's GRUB, which then also takes the next one."""
        return slots.started_by_grub(_text(self.image.command_line))

    def write_try(self, slot: Slot | None) -> None:
        """GRUB's one-shot flag, in place. RamalError where there is none, or nothing may be written."""
        try:
            self._overwrite(self.image.try_env, slots.render_try(slot))
        except OSError as error:
            raise RamalError(
                f"The loader's one-shot flag could not be written ({error}). Nothing was changed. Only a PC's image "
                "has one, and only ramal-try@once.service may write it; start another release by “ramal slot try”."
            ) from error

    def _ask_grub(self, how: str) -> None:
        # A unit of its own mounts for it: who asks (root's part of an update) may mount nothing.
        self.runs(["systemctl", "start", f"ramal-try@{how}.service"])
        if bool(slots.parse_try(_bytes(self.image.try_env))) != (how == "once"):
            raise RamalError(
                "The loader's one-shot flag (try.env) does not read back as it was written. Nothing was restarted; the "
                "release that runs goes on. Look at “systemctl status ramal-try@once”."
            )


def overwrite(path: Path, data: bytes) -> None:
    """Put ``data`` (one sector) over the beginning of a file that has room for it, and read it back.

    RamalError when the file is shorter (making it longer would write the partition's tables) or reads back otherwise.
    """
    if len(data) != SECTOR:
        raise ValueError(f"a sector has {SECTOR} bytes, not {len(data)}")
    descriptor = os.open(path, os.O_RDWR | os.O_SYNC | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_size < SECTOR:
            raise RamalError(
                f"{path} is shorter than {SECTOR} bytes, so it cannot be changed safely. Nothing was written. "
                "Flash the image again."
            )
        if os.pwrite(descriptor, data, 0) != SECTOR:
            raise RamalError(f"{path} could not be written whole.")
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        if os.pread(descriptor, SECTOR, 0) != data:
            raise RamalError(f"{path} does not read back as it was written. The card may be failing; replace it.")
    finally:
        os.close(descriptor)


# -- the command -------------------------------------------------------------------------------------------------------


def run(boot: Boot, arguments: argparse.Namespace) -> int:
    """``ramal slot``. The first five acts are RAUC's custom bootloader backend (1.8 to 1.15): one word on standard
    output, 0 when done."""
    act, target = arguments.act, _slot(arguments.slot)
    if act == "status":
        _show(boot, arguments.json)
    elif act == "get-current":
        print(_named(boot.facts().running))
    elif act == "get-primary":
        print(_named(boot.facts().primary))
    elif act == "get-state":
        print(_state(boot.facts(), _needed(target)))
    elif act in ("once", "never"):  # ramal-try@.service; who asked for it holds the lock
        known = boot.facts().autoboot
        boot.write_try(known.once if known and act == "once" else None)
    else:
        with boot.alone():
            boot.carry_out(_plan(boot, act, target, arguments.state))
    return 0


def _plan(boot: Boot, act: str, target: Slot | None, state: str) -> Plan:
    facts, now_ms, version = boot.facts(), boot.clock_ms(), boot.image.version()
    match act:
        case "set-primary":
            return slots.written(facts, _needed(target), now_ms)
        case "set-state" if state not in STATES:
            raise RamalError("A slot is set to “good” or “bad”. Nothing was changed.")
        case "set-state" if state == "good" and _needed(target) == facts.running:
            return slots.good(facts, version, now_ms)
        case "set-state" if state == "good":
            raise SlotsRefused("not-running", f"Slot {target} does not run now; a release proves itself by running.")
        case "set-state" if target == facts.running and facts.on_trial:
            return tuple(one for one in slots.bad(facts, "rauc", now_ms) if not isinstance(one, Reboot))
        case "set-state":
            return slots.before_writing(facts, _needed(target), now_ms)
        case "try":
            return slots.try_now(facts, now_ms)
        case "good":
            return slots.good(facts, version, now_ms)
        case _:
            # One way back also where nothing is on trial: arm, then start it once.
            plan = slots.back(facts, now_ms)
            if facts.on_trial:
                return plan
            boot.carry_out(plan)
            return slots.try_now(boot.facts(), now_ms)


def _state(facts: Facts, slot: Slot) -> str:
    """As RAUC wants it: whether a start of the slot may be expected to work."""
    known = facts.note(slot).state
    healthy = known in ("good", "new") or (known == "unknown" and facts.running == slot)
    return "good" if healthy else "bad"


def _show(boot: Boot, as_json: bool) -> None:
    facts = boot.facts()
    table = {
        "running": facts.running,
        "default": facts.autoboot.default if facts.autoboot else None,
        "on_trial": facts.on_trial,
        "armed": facts.armed,
        "slots": {
            slot: {name: getattr(facts.note(slot), name) for name in ("state", "version", "why", "tries")}
            for slot in slots.SLOTS
        },
    }
    if as_json:
        print(json.dumps(table, indent=1))
        return
    for slot in slots.SLOTS:
        note = facts.note(slot)
        words = [slot, note.version or "?", note.state, *([note.why] if note.why else [])]
        marks = [
            "runs" if facts.running == slot else "",
            "on trial" if facts.running == slot and facts.on_trial else "",
            "boots by itself" if table["default"] == slot else "",
            "is to be tried" if table["armed"] == slot else "",
        ]
        print("  ".join([*words, ", ".join(mark for mark in marks if mark)]).rstrip())
    if facts.autoboot is None:
        print("autoboot.txt cannot be read: it is written anew when this release was found healthy.", file=sys.stderr)


def _slot(word: str) -> Slot | None:
    if word not in ("", *slots.SLOTS):
        raise RamalError(f"“{word[:20]}” is no slot; there are A and B. Nothing was changed.")
    return None if not word else "A" if word == "A" else "B"


def _needed(slot: Slot | None) -> Slot:
    if slot is None:
        raise RamalError("Say which slot: A or B. Nothing was changed.")
    return slot


def _named(slot: Slot | None) -> str:
    if slot is None:
        raise SlotsRefused("not-known", "What boots here cannot be read. See “ramal slot status”.")
    return slot


# -- files -------------------------------------------------------------------------------------------------------------


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(FILE_MAX)
    except OSError:
        return b""


def _text(path: Path) -> str:
    return _bytes(path).decode("utf-8", "replace")


def _save(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fchmod(file.fileno(), 0o644)  # the daemon reads it for the page
        os.fsync(file.fileno())
    os.replace(temporary, path)
    _sync_folder(path.parent)


def _append(path: Path, line: str) -> None:
    before = _text(path)
    if before and not before.endswith("\n"):
        line = "\n" + line  # a torn last line must not swallow this one
    if len(before) > HISTORY_BYTES:
        _save(path, "".join(before.splitlines(keepends=True)[-HISTORY_KEPT:]) + line)
        return
    with path.open("a", encoding="utf-8") as file:
        file.write(line)
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
