"""Which of the two releases on the disk boots: what is known, what may follow, and every write of it in its order.

Pure. Law: ``autoboot.txt`` alone decides what boots (one sector, written in place by nothing but ``good``), so no
order of power cuts can make the firmware boot a slot for ever that was not healthy once. All files on the data
partition are notes: lost or torn, they cost words on a page and never a boot. A plan is data: writes that are made one
after the other, each on the disk before the next begins.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from ramal.errors import RamalError

Slot = Literal["A", "B"]
SLOTS: tuple[Slot, Slot] = ("A", "B")
PARTITION: Mapping[Slot, int] = {"A": 2, "B": 3}
"""The boot partition of each slot, as ``autoboot.txt`` names them."""
SECTOR = 512
"""Bytes of autoboot.txt: the firmware reads no more, and a disk writes no less at once."""
GRUB_HEADING = b"# GRUB Environment Block\n"
"""How a file begins whose NAME=VALUE lines GRUB reads (``load_env``); a comment to the Pi's loader."""
TRIES_MAX = 3
"""So often a release may be tried without having come up; then it must be installed again."""
TRYING, HISTORY = "trying", "history.jsonl"
WHY_MAX = 300

State = Literal["unknown", "writing", "new", "good", "bad"]
Stage = Literal["armed", "started"]
What = Literal["installed", "failed", "started", "kept", "returned", "refused", "back"]
"""What the history of updates tells: an installation that ended or failed; a first start; a release that was kept;
one that did not come up, was not healthy, or that the owner sent back."""


class SlotsRefused(RamalError):
    """Something the boot selection must not do now."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Autoboot:
    """What the firmware boots by itself, and what it boots once when it was asked to try."""

    default: Slot
    once: Slot


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of one slot. ``tries``: starts since it was installed that brought no verdict; ``why``: what a
    ``bad`` one failed at; ``at_ms``: since when, Unix time."""

    state: State = "unknown"
    version: str = ""
    why: str = ""
    tries: int = 0
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Trying:
    """A slot that is to be started once (armed), or was (started)."""

    slot: Slot
    stage: Stage


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything known at one moment. ``running`` and ``autoboot`` are None where they cannot be read."""

    running: Slot | None
    autoboot: Autoboot | None
    notes: Mapping[Slot, Note] = field(default_factory=dict)
    trying: Trying | None = None

    def note(self, slot: Slot) -> Note:
        """What is known of ``slot``."""
        return self.notes.get(slot, Note())

    @property
    def on_trial(self) -> bool:
        """Whether what runs is not what would boot by itself. Where that cannot be read, the note of the try counts:
        a release that comes up without the boot selector must not be kept."""
        if self.running is None or self.autoboot is None:
            return self.running is not None and self.trying == Trying(self.running, "started")
        return self.running != self.autoboot.default

    @property
    def armed(self) -> Slot | None:
        """What waits to be started once. A try that was begun and is over (left, or cut off) is none any more, also
        before ``after_boot`` has said so."""
        waits = self.trying is not None and self.trying.stage == "armed" and not self.on_trial
        return self.trying.slot if self.trying is not None and waits else None

    @property
    def primary(self) -> Slot | None:
        """What RAUC calls so: the slot that comes next, be it for one try."""
        if self.trying is not None and not self.on_trial:
            return self.trying.slot
        return self.autoboot.default if self.autoboot else None


# -- writes ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WriteAutoboot:
    """The one sector, in place."""

    default: Slot


@dataclass(frozen=True, slots=True)
class Save:
    """A file of the slots' folder, whole."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Remove:
    """A file of the slots' folder; it may not be there."""

    name: str


@dataclass(frozen=True, slots=True)
class Append:
    """A line of the history of updates."""

    line: str


@dataclass(frozen=True, slots=True)
class Reboot:
    """Start anew; ``once``: tell the firmware to try the other slot, this once."""

    once: bool


Write = WriteAutoboot | Save | Remove | Append | Reboot
Plan = tuple[Write, ...]


# -- what happens ------------------------------------------------------------------------------------------------------


def before_writing(facts: Facts, target: Slot, now_ms: int) -> Plan:
    """``target`` is about to be overwritten (RAUC: ``set-state target bad``). SlotsRefused when that could cost the
    release that boots."""
    running, autoboot = _known(facts)
    if facts.on_trial:
        raise SlotsRefused(
            "on-trial",
            f"The release in slot {running} runs on trial: the box has not decided yet whether it is kept. Nothing was "
            "installed. Wait some minutes, or go back, then install again.",
        )
    if target in (running, autoboot.default):
        raise SlotsRefused("in-use", f"Slot {target} is the one that runs. Nothing was written to it.")
    note = Note("writing", at_ms=now_ms)
    return (*_disarm(facts, target), Save(target, note_text(note)))


def written(facts: Facts, target: Slot, now_ms: int) -> Plan:
    """``target`` is whole and is to be started once (RAUC: ``set-primary target``). This only arms: what boots by
    itself stays. Naming what boots already takes a try back."""
    running, autoboot = _known(facts)
    if facts.on_trial:
        if target == running:
            return ()  # it is kept or left by its health alone
        raise SlotsRefused(
            "on-trial", f"The release in slot {running} runs on trial; what comes next is decided by its health."
        )
    if target == autoboot.default:
        return _disarm(facts, None)
    note = facts.note(target)
    if note.state != "good":
        note = replace(note, state="new", why="", tries=0, at_ms=now_ms)
    return (Save(target, note_text(note)), Save(TRYING, f"{target} armed\n"))


def named(facts: Facts, target: Slot, version: str, now_ms: int) -> Plan:
    """An installation ended: which version ``target`` holds now."""
    note = replace(facts.note(target), version=version[:40])
    return (Save(target, note_text(note)), _line(now_ms, "installed", target, note.version))


def failed(target: Slot, version: str, why: str, now_ms: int) -> Plan:
    """An installation into ``target`` did not end well; what was there is no more."""
    return (_line(now_ms, "failed", target, version[:40], why),)


def try_now(facts: Facts, now_ms: int) -> Plan:
    """Start the armed slot, once. SlotsRefused when none is, or it did not come up too often."""
    running, _ = _known(facts)
    trying = facts.trying
    if facts.on_trial or trying is None or trying.slot == running:
        raise SlotsRefused("not-armed", "No other release waits to be started. Install one first.")
    note = facts.note(trying.slot)
    if note.tries >= TRIES_MAX or note.state in ("bad", "writing"):
        raise SlotsRefused(
            "tried-enough",
            f"The release in slot {trying.slot} did not come up well before and is not started again. "
            "The box stays as it is. Install it again, or a newer one.",
        )
    note = replace(note, tries=note.tries + 1)
    return (
        Save(trying.slot, note_text(note)),
        _line(now_ms, "started", trying.slot, note.version),
        Save(TRYING, f"{trying.slot} started\n"),
        Reboot(once=True),
    )


def after_boot(facts: Facts, now_ms: int) -> Plan:
    """What a start found: the notes of a try that is over are brought in order. Asked once a boot; asking again, or
    never, does no harm."""
    trying = facts.trying
    if facts.running is None or facts.autoboot is None or facts.on_trial or trying is None or trying.stage == "armed":
        return ()
    note = facts.note(trying.slot)
    if trying.slot == facts.autoboot.default:  # it was kept, and the power went before that was noted
        kept = replace(note, state="good", why="", tries=0, at_ms=now_ms)
        return (Save(trying.slot, note_text(kept)), _line(now_ms, "kept", trying.slot, note.version), Remove(TRYING))
    if note.state == "bad":
        return (Remove(TRYING),)  # its own health check said so, and the history has it
    why = note.why or "no-verdict"
    told = replace(note, why=why, at_ms=now_ms)
    left: Write = Save(TRYING, f"{trying.slot} armed\n") if told.tries < TRIES_MAX else Remove(TRYING)
    return (_line(now_ms, "returned", trying.slot, note.version, why), Save(trying.slot, note_text(told)), left)


def good(facts: Facts, version: str, now_ms: int) -> Plan:
    """What runs is healthy (RAUC: ``set-state running good``): on trial, it is kept from now on. Nothing to do when
    that is known already."""
    if facts.running is None:
        raise SlotsRefused("no-slot", "This start has no slot (no ramal.slot on the kernel's command line).")
    running, before = facts.running, facts.note(facts.running)
    note = Note("good", version[:40] or before.version, at_ms=now_ms)
    if facts.autoboot is None or facts.on_trial:
        # The sector first: a cut after it boots what was healthy; the notes follow at that start (after_boot).
        return (
            WriteAutoboot(running),
            Save(running, note_text(note)),
            _line(now_ms, "kept", running, note.version),
            Remove(TRYING),
        )
    if (before.state, before.version, before.tries) == (note.state, note.version, 0):
        return ()
    return (Save(running, note_text(note)),)


def bad(facts: Facts, why: str, now_ms: int) -> Plan:
    """What runs is not healthy: on trial, it is left. A release that was kept once is never left by itself: the other
    one need not be better, and nobody asked for it."""
    if facts.running is None or not facts.on_trial:
        return ()
    note = replace(facts.note(facts.running), state="bad", why=why[:WHY_MAX], at_ms=now_ms)
    return (
        Save(facts.running, note_text(note)),
        _line(now_ms, "refused", facts.running, note.version, why[:WHY_MAX]),
        Reboot(once=False),
    )


def back(facts: Facts, now_ms: int) -> Plan:
    """The owner wants the release before. On trial that is what boots by itself; else the other slot is armed, when it
    was healthy once, and started like any other: its health decides."""
    running, _ = _known(facts)
    if facts.on_trial:
        note = replace(facts.note(running), state="bad", why="owner", at_ms=now_ms)
        return (
            Save(running, note_text(note)),
            _line(now_ms, "back", running, note.version, "owner"),
            Reboot(once=False),
        )
    other = other_of(running)
    note = facts.note(other)
    if note.state != "good":
        raise SlotsRefused(
            "no-way-back", f"Slot {other} holds no release that was healthy on this box. The box stays as it is."
        )
    return (_line(now_ms, "back", other, note.version, "owner"), Save(TRYING, f"{other} armed\n"))


def other_of(slot: Slot) -> Slot:
    """The slot that is not this one."""
    return "B" if slot == "A" else "A"


def _known(facts: Facts) -> tuple[Slot, Autoboot]:
    if facts.running is None or facts.autoboot is None:
        raise SlotsRefused(
            "not-known",
            "What boots here cannot be read (the kernel's command line or autoboot.txt). Nothing was changed; the box "
            "goes on with what runs. See “ramal slot status”.",
        )
    return facts.running, facts.autoboot


def _disarm(facts: Facts, target: Slot | None) -> Plan:
    armed = facts.trying is not None and target in (None, facts.trying.slot)
    return (Remove(TRYING),) if armed else ()


def _line(at_ms: int, what: What, slot: Slot, version: str, why: str = "") -> Append:
    table = {"at_ms": at_ms, "what": what, "slot": slot, "version": version, "why": why}
    return Append(json.dumps(table, ensure_ascii=True) + "\n")


# -- files -------------------------------------------------------------------------------------------------------------


def render_autoboot(default: Slot, for_grub: bool = False) -> bytes:
    """The sector. Its tail is empty lines, which every reader of such files skips.

    ``for_grub``: with the heading that makes a PC's GRUB read the same sector. Its names go to the next ``=``, over
    ends of lines; so only the first ``boot_partition`` is one to it: the one of ``[all]``.
    """
    text = (
        f"[all]\ntryboot_a_b=1\nboot_partition={PARTITION[default]}\n"
        f"[tryboot]\nboot_partition={PARTITION[other_of(default)]}\n"
    )
    return ((GRUB_HEADING if for_grub else b"") + text.encode("ascii")).ljust(SECTOR, b"\n")


def render_try(slot: Slot | None) -> bytes:
    """GRUB's one-shot flag (a PC's try.env): the slot to be started once, or None."""
    number = PARTITION[slot] if slot else 0
    return (GRUB_HEADING + f"try={number}\n".encode("ascii")).ljust(SECTOR, b"#")


def parse_try(data: bytes) -> Slot | None:
    """Which slot GRUB would start once; None when none, or the sector is not one of ours."""
    found = {render_try(slot)[: len(GRUB_HEADING) + 6]: slot for slot in SLOTS}
    return found.get(data[: len(GRUB_HEADING) + 6])


def started_by_grub(command_line: str) -> bool:
    """Whether a PC's GRUB started this kernel: it says so itself."""
    return "ramal.loader=grub" in command_line.split()


def parse_autoboot(data: bytes) -> Autoboot | None:
    """As the firmware reads it: sections, ``name=value``, all else skipped. None when it leads nowhere."""
    section, found = "all", dict[str, Slot]()
    slots = {str(number): slot for slot, number in PARTITION.items()}
    for line in data[:SECTOR].decode("ascii", "replace").splitlines():
        words = line.strip()
        if words.startswith("[") and words.endswith("]"):
            section = words[1:-1].strip().lower()
        name, is_setting, value = words.partition("=")
        if is_setting and name.strip() == "boot_partition" and value.strip() in slots:
            found[section] = slots[value.strip()]
    if "all" not in found:
        return None
    return Autoboot(found["all"], found.get("tryboot", found["all"]))


def running_slot(command_line: str) -> Slot | None:
    """``ramal.slot`` of the kernel's command line."""
    for word in command_line.split():
        if word.startswith("ramal.slot=") and word.removeprefix("ramal.slot=") in SLOTS:
            return "A" if word.endswith("A") else "B"
    return None


def note_text(note: Note) -> str:
    """A slot's file."""
    table = {name: getattr(note, name) for name in ("state", "version", "why", "tries", "at_ms")}
    return json.dumps(table, ensure_ascii=True) + "\n"


def parse_note(text: str) -> Note:
    """A slot's file; “unknown” for one that is torn or of another kind."""
    table = _object(text)
    state, tries, at_ms = table.get("state"), table.get("tries"), table.get("at_ms")
    if state not in ("unknown", "writing", "new", "good", "bad"):
        return Note()
    return Note(
        cast(State, state),
        str(table.get("version", ""))[:40],
        str(table.get("why", ""))[:WHY_MAX],
        tries if isinstance(tries, int) and 0 <= tries < 1000 else 0,
        at_ms if isinstance(at_ms, int) else 0,
    )


def parse_trying(text: str) -> Trying | None:
    """What is to be tried; None when nothing is, or the file is torn."""
    words = text.split()
    if not text.endswith("\n") or len(words) != 2 or words[0] not in SLOTS or words[1] not in ("armed", "started"):
        return None
    return Trying("A" if words[0] == "A" else "B", cast(Stage, words[1]))


def facts_of(command_line: str, autoboot: bytes, files: Mapping[str, str]) -> Facts:
    """Everything known, from what lies on the disk; ``files``: of the slots' folder, by name, those that are there."""
    return Facts(
        running_slot(command_line),
        parse_autoboot(autoboot),
        {slot: parse_note(files.get(slot, "")) for slot in SLOTS},
        parse_trying(files.get(TRYING, "")),
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the history of updates."""

    at_ms: int
    what: str
    slot: str
    version: str
    why: str


def parse_history(text: str, most: int = 50) -> tuple[Entry, ...]:
    """The newest ``most`` lines, the newest first; torn ones are left out."""
    found: list[Entry] = []
    for line in reversed(text.splitlines()):
        table = _object(line)
        if isinstance(table.get("at_ms"), int) and isinstance(table.get("what"), str):
            words = (str(table.get(name, ""))[:WHY_MAX] for name in ("slot", "version", "why"))
            found.append(Entry(table["at_ms"], table["what"][:20], *words))
        if len(found) == most:
            break
    return tuple(found)


def _object(text: str) -> dict[str, Any]:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}
