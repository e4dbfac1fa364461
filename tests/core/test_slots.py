"""The boot selection against a simulated firmware: every power cut between its writes, and pairs of cuts, ends in a
healthy release that boots by itself, and no bad one is started for ever."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest

from ramal.core import slots
from ramal.core.slots import (
    HISTORY,
    SECTOR,
    Append,
    Autoboot,
    Facts,
    Note,
    Plan,
    Reboot,
    Remove,
    Save,
    Slot,
    SlotsRefused,
    Trying,
    WriteAutoboot,
)

GOOD, BROKEN, HANGS, HALF, LATE = "good", "broken", "hangs", "half", "no power long enough"
"""What is in a slot: comes up and is healthy; comes up and is not; never says anything; not wholly written."""
BOOTS_MAX = 12


class PowerCut(Exception):
    """The plug was pulled."""


class Restart(Exception):
    """The box starts anew."""


@dataclass
class Box:
    """Disk, firmware register and what the slots hold. ``pc``: the register is a sector of the disk, which outlives the
    power and which GRUB writes over before it starts what it names. ``cuts``: at which of its writes the power goes,
    counted from the last cut; ``torn``: what then becomes of a file that was being written."""

    content: dict[Slot, str] = field(default_factory=lambda: {"A": GOOD, "B": HALF})
    autoboot: bytes = slots.render_autoboot("A")
    files: dict[str, str] = field(default_factory=lambda: {"A": slots.note_text(Note("good", "1.0"))})
    tryboot: bool = False
    pc: bool = False
    running: Slot = "A"
    cuts: list[int] = field(default_factory=list)
    torn: str = "lost"
    writes: int = 0
    boots: list[Slot] = field(default_factory=list)
    started_bad: int = 0
    version: dict[Slot, str] = field(default_factory=lambda: {"A": "1.0", "B": ""})

    def facts(self) -> Facts:
        return slots.facts_of(f"quiet ramal.slot={self.running} ro", self.autoboot, self.files)

    def write(self) -> None:
        """Before each write: does the power go now?"""
        self.writes += 1
        if self.cuts and self.writes == self.cuts[0]:
            self.cuts.pop(0)
            self.writes = 0
            raise PowerCut

    def do(self, plan: Plan) -> None:
        if self.pc and plan and self.tryboot and Reboot(once=True) not in plan:
            self.write()  # ramal.box.slots takes a try back that did not come
            self.tryboot = False
        for each in plan:
            match each:
                case WriteAutoboot(default):
                    self.write()  # a sector is written wholly or not at all
                    self.autoboot = slots.render_autoboot(default)
                case Save(name, text):
                    self.tear(name, text)
                    self.files[name] = text
                case Append(line):
                    whole = self.files.get(HISTORY, "") + line
                    self.tear(HISTORY, whole)
                    self.files[HISTORY] = whole
                case Remove(name):
                    self.write()
                    self.files.pop(name, None)
                case Reboot(once):
                    self.write()
                    self.tryboot = once
                    if self.pc:
                        self.write()  # between the sector and the restart
                    raise Restart

    def tear(self, name: str, text: str) -> None:
        """A file that was not synced when the power went may be the old one, half of the new one, empty or gone."""
        try:
            self.write()
        except PowerCut:
            if self.torn == "half":
                self.files[name] = text[: len(text) // 2]
            elif self.torn == "empty":
                self.files[name] = ""
            elif self.torn == "gone":
                self.files.pop(name, None)
            raise

    def put(self, slot: Slot, what: str) -> None:
        """RAUC writes a slot: a cut in between leaves it half."""
        self.content[slot] = HALF
        self.write()
        self.content[slot] = what

    # -- life ----------------------------------------------------------------------------------------------------------

    def firmware(self) -> None:
        if self.pc and self.tryboot:
            self.write()  # GRUB takes it back; a cut before that leaves it
        known = slots.parse_autoboot(self.autoboot)
        assert known is not None, "the firmware finds nothing to boot"
        assert known.once != known.default
        self.running = known.once if self.tryboot else known.default
        self.tryboot = False
        self.boots.append(self.running)
        assert len(self.boots) <= BOOTS_MAX, f"it starts in a circle: {self.boots}"

    def start(self) -> bool:
        """One start until its health is known; whether the box stays up."""
        self.firmware()
        what = self.content[self.running]
        if what in (HANGS, HALF, LATE):
            self.started_bad += 1
            self.write()  # the watchdog's reset, or the plug
            return False
        self.do(slots.after_boot(self.facts(), 1))
        if what == GOOD:
            self.do(slots.good(self.facts(), self.version[self.running], 1))
        else:
            self.started_bad += 1
            self.do(slots.bad(self.facts(), "the call failed", 1))
        return True

    def live(self, *scenes: Callable[["Box"], None]) -> None:
        """Play the scenes; after a cut or a restart the box comes up by itself and goes on with the next scene."""
        for scene in scenes:
            try:
                scene(self)
            except PowerCut:
                self.tryboot &= self.pc  # a Pi's register does not outlive the power
            except Restart:
                pass
            else:
                continue
            self.come_up()

    def come_up(self) -> None:
        while True:
            try:
                if self.start():
                    return
            except PowerCut:
                self.tryboot &= self.pc
            except Restart:
                pass

    def check(self) -> None:
        """Where everything must end: a healthy slot runs, and is what boots by itself."""
        known = slots.parse_autoboot(self.autoboot)
        assert known is not None
        assert self.running == known.default
        assert self.content[self.running] == GOOD
        assert self.facts().note(self.running).state in ("good", "unknown", "new")


# -- scenes ------------------------------------------------------------------------------------------------------------


def install(what: str, version: str = "2.0") -> Callable[[Box], None]:
    """What RAUC does with the backend: mark the target bad, write both partitions, make it primary."""

    def scene(box: Box) -> None:
        target = slots.other_of(box.running)
        box.do(slots.before_writing(box.facts(), target, 2))
        box.put(target, what)
        box.version[target] = version
        box.do(slots.written(box.facts(), target, 3))
        box.do(slots.named(box.facts(), target, version, 4))

    return scene


def try_it(box: Box) -> None:
    """The owner presses “start it”; refused when nothing waits."""
    try:
        plan = slots.try_now(box.facts(), 5)
    except SlotsRefused:
        return
    box.do(plan)


def try_that_never_restarts(box: Box) -> None:
    """The loader was told, and then the restart did not come: the box goes on."""
    with suppress(Restart):
        try_it(box)


def go_back(box: Box) -> None:
    try:
        plan = slots.back(box.facts(), 6)
    except SlotsRefused:
        return
    box.do(plan)
    try_it(box)


def plain_restart(box: Box) -> None:
    box.do((Reboot(once=False),))


SCENES: dict[str, tuple[Callable[[Box], None], ...]] = {
    "a good update": (install(GOOD), try_it, plain_restart),
    "an update that is not healthy": (install(BROKEN), try_it, plain_restart),
    "an update that hangs": (install(HANGS), try_it, plain_restart),
    "power that is never on long enough for a verdict": (install(LATE), try_it, try_it, try_it, try_it, try_it),
    "an update after another": (install(GOOD), try_it, install(GOOD, "3.0"), try_it, plain_restart),
    "a bad update after a good one": (install(GOOD), try_it, install(HANGS, "3.0"), try_it, plain_restart),
    "a good update after a bad one": (install(BROKEN), try_it, install(GOOD, "3.0"), try_it, plain_restart),
    "the owner goes back": (install(GOOD), try_it, go_back, plain_restart),
    "back and forth": (install(GOOD), try_it, go_back, go_back, plain_restart),
    "an update that waits while the box is restarted": (install(GOOD), plain_restart, try_it),
}
TORN = ("lost", "half", "empty", "gone")


def length_of(scenes: tuple[Callable[[Box], None], ...], pc: bool = False) -> int:
    box = Box(pc=pc)
    box.live(*scenes)
    return box.writes


def cuts_of(writes: int) -> Iterator[tuple[int, ...]]:
    yield ()
    yield from ((one,) for one in range(1, writes + 1))
    yield from itertools.product(range(1, writes + 1), range(1, 9))


@pytest.mark.parametrize("pc", [False, True], ids=["pi", "pc"])
@pytest.mark.parametrize("name", SCENES)
def test_every_power_cut_ends_in_a_healthy_release(name: str, pc: bool) -> None:
    scenes = SCENES[name]
    writes = length_of(scenes, pc)
    assert writes > 6
    tried = 0
    for torn in TORN:
        for cuts in cuts_of(writes):
            box = Box(cuts=list(cuts), torn=torn, pc=pc)
            box.live(*scenes)
            box.check()
            assert box.started_bad <= 5, (cuts, torn, box.boots)
            tried += 1
    assert tried > 4 * writes


@pytest.mark.parametrize("pc", [False, True], ids=["pi", "pc"])
@pytest.mark.parametrize("name", SCENES)
def test_after_every_power_cut_the_next_update_still_works(name: str, pc: bool) -> None:
    scenes = SCENES[name]
    for torn in TORN:
        for cut in range(1, length_of(scenes, pc) + 1):
            box = Box(cuts=[cut], torn=torn, pc=pc)
            box.live(*scenes)
            box.boots.clear()
            box.live(install(GOOD, "9.9"), try_it)
            box.check()
            assert box.version[box.running] == "9.9", (cut, torn)


@pytest.mark.parametrize("pc", [False, True], ids=["pi", "pc"])
@pytest.mark.parametrize("name", SCENES)
def test_a_release_that_does_not_come_up_is_not_started_for_ever(name: str, pc: bool) -> None:
    """Whoever presses the button again and again meets a refusal, whatever cut came before."""
    for cut in range(1, length_of(SCENES[name], pc) + 1):
        box = Box(cuts=[cut], torn="lost", pc=pc)
        box.live(*SCENES[name])
        box.boots.clear()
        box.started_bad = 0
        box.content[slots.other_of(box.running)] = HANGS
        box.live(*[try_it] * 8)
        box.check()
        assert box.started_bad <= slots.TRIES_MAX


def test_without_a_cut_a_good_update_runs_and_the_old_one_is_kept_for_the_way_back() -> None:
    box = Box()
    box.live(install(GOOD), try_it)
    assert list(box.boots) == ["B"]
    assert box.facts().note("B") == Note("good", "2.0", at_ms=1)
    assert box.facts().trying is None
    assert [entry.what for entry in slots.parse_history(box.files[HISTORY])] == ["kept", "started", "installed"]
    box.live(go_back)
    assert box.running == "A"


def test_a_bad_update_is_left_and_says_why() -> None:
    box = Box()
    box.live(install(BROKEN), try_it)
    assert box.running == "A"
    assert box.facts().note("B").state == "bad"
    assert box.facts().note("B").why == "the call failed"
    assert [entry.what for entry in slots.parse_history(box.files[HISTORY])] == ["refused", "started", "installed"]


def test_an_update_that_says_nothing_is_left_without_a_verdict_and_may_be_tried_again() -> None:
    box = Box()
    box.live(install(HANGS), try_it)
    assert box.running == "A"
    assert (box.facts().note("B").state, box.facts().note("B").why) == ("new", "no-verdict")
    assert box.facts().trying == Trying("B", "armed")
    box.live(try_it, try_it)
    assert box.started_bad == slots.TRIES_MAX
    with pytest.raises(SlotsRefused):
        slots.try_now(box.facts(), 1)


@pytest.mark.parametrize("pc", [False, True], ids=["pi", "pc"])
@pytest.mark.parametrize("torn", ["lost", "half", "empty", "gone"])
def test_a_slot_that_was_only_half_written_is_not_even_started(torn: str, pc: bool) -> None:
    scenes = (install(GOOD), install(GOOD, "3.0"))
    for cut in range(1, length_of(scenes, pc) + 1):
        box = Box(cuts=[cut], torn=torn, pc=pc)
        box.live(*scenes, try_it)
        box.check()
        assert box.started_bad == 0, cut


def test_on_a_pc_a_try_that_never_came_does_not_start_what_is_half_written_over_it() -> None:
    scenes = (install(GOOD), try_that_never_restarts, install(GOOD, "3.0"))
    for torn in TORN:
        for cuts in cuts_of(length_of(scenes, pc=True)):
            box = Box(cuts=list(cuts), torn=torn, pc=True)
            box.live(*scenes)
            box.check()
            assert box.started_bad == 0, (cuts, torn)


@pytest.mark.parametrize("note", [Note("bad"), Note("writing"), Note("new", tries=slots.TRIES_MAX)])
def test_what_is_known_to_be_bad_is_not_started_though_it_is_armed(note: Note) -> None:
    with pytest.raises(SlotsRefused, match="not started again"):
        slots.try_now(Facts("A", Autoboot("A", "B"), {"B": note}, Trying("B", "armed")), 0)


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_release_that_was_left_does_not_wait_to_be_started_before_the_notes_are_in_order() -> None:
    left = Facts("A", Autoboot("A", "B"), {"B": Note("bad", "2.0", "call")}, Trying("B", "started"))
    assert left.armed is None
    assert replace(left, trying=Trying("B", "armed")).armed == "B"
    assert replace(left, running="B").armed is None


def on_trial() -> Facts:
    return Facts("B", Autoboot("A", "B"), {"A": Note("good"), "B": Note("new")}, Trying("B", "started"))


def test_nothing_is_installed_over_the_release_that_boots() -> None:
    settled = Facts("A", Autoboot("A", "B"))
    with pytest.raises(SlotsRefused, match="is the one that runs"):
        slots.before_writing(settled, "A", 0)
    for target in slots.SLOTS:
        with pytest.raises(SlotsRefused, match="on trial"):
            slots.before_writing(on_trial(), target, 0)


def test_nothing_is_armed_while_a_release_runs_on_trial() -> None:
    with pytest.raises(SlotsRefused, match="on trial"):
        slots.written(on_trial(), "A", 0)
    assert slots.written(on_trial(), "B", 0) == ()
    with pytest.raises(SlotsRefused):
        slots.try_now(on_trial(), 0)


def test_a_box_that_cannot_read_what_boots_changes_nothing_but_mends_it_when_healthy() -> None:
    blind = Facts("A", None)
    asked: tuple[Callable[[], Plan], ...] = (
        lambda: slots.before_writing(blind, "B", 0),
        lambda: slots.written(blind, "B", 0),
        lambda: slots.try_now(blind, 0),
        lambda: slots.back(blind, 0),
    )
    for ask in asked:
        with pytest.raises(SlotsRefused, match="cannot be read"):
            ask()
    assert slots.bad(blind, "x", 0) == ()
    assert slots.after_boot(blind, 0) == ()
    assert slots.good(blind, "1.0", 0)[0] == WriteAutoboot("A")


def test_a_release_that_comes_up_without_the_boot_selector_is_left_when_it_is_ill() -> None:
    blind = Facts("B", None, {}, Trying("B", "started"))
    assert slots.bad(blind, "bootsel", 0)[-1] == Reboot(once=False)
    assert slots.bad(Facts("A", None, {}, Trying("B", "started")), "bootsel", 0) == ()


def test_a_release_that_was_kept_is_not_left_for_being_ill_and_a_healthy_one_is_not_written_about_twice() -> None:
    settled = Facts("A", Autoboot("A", "B"), {"A": Note("good", "1.0")})
    assert slots.bad(settled, "asterisk", 0) == ()
    assert slots.good(settled, "1.0", 99) == ()
    assert slots.good(settled, "1.1", 99) == (Save("A", slots.note_text(Note("good", "1.1", at_ms=99))),)


def test_there_is_no_way_back_to_what_was_never_healthy() -> None:
    for note in (Note(), Note("new"), Note("bad"), Note("writing")):
        with pytest.raises(SlotsRefused, match="no release that was healthy"):
            slots.back(Facts("A", Autoboot("A", "B"), {"B": note}), 0)


def test_the_owner_leaves_a_trial_by_a_plain_restart() -> None:
    plan = slots.back(on_trial(), 7)
    assert plan[-1] == Reboot(once=False)
    assert slots.parse_note(plan[0].text).why == "owner"  # type: ignore[union-attr]


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slot", slots.SLOTS)
def test_the_sector_is_whole_and_read_as_it_was_written(slot: Slot) -> None:
    data = slots.render_autoboot(slot)
    assert len(data) == SECTOR
    assert slots.parse_autoboot(data) == Autoboot(slot, slots.other_of(slot))
    assert data.isascii()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"", None),
        (b"\x00" * 512, None),
        (b"[tryboot]\nboot_partition=3\n", None),
        (b"boot_partition=3\n", Autoboot("B", "B")),
        (b"[ALL]\r\n boot_partition = 2 \r\n# x\r\n[tryboot]\r\nboot_partition=3\r\n", Autoboot("A", "B")),
        (b"[all]\nboot_partition=7\n", None),
        (b"[all]\nboot_partition=2" + b"\n" * 600 + b"[all]\nboot_partition=3", Autoboot("A", "A")),
    ],
)
def test_other_hands_sectors_are_read_as_the_firmware_does(text: bytes, found: Autoboot | None) -> None:
    assert slots.parse_autoboot(text) == found


def test_torn_notes_are_unknown_and_never_an_error() -> None:
    whole = slots.note_text(Note("good", "1.0", "", 1, 5))
    assert slots.parse_note(whole) == Note("good", "1.0", "", 1, 5)
    for end in range(len(whole) - 2):
        assert slots.parse_note(whole[:end]) == Note()
    for text in ("[]", '{"state": 3}', "\x00\x00", '{"state":"good","tries":"x","at_ms":null}'):
        assert slots.parse_note(text).tries == 0
    for text in ("", "B", "B armed", "C armed\n", "B later\n", "B armed now\n"):
        assert slots.parse_trying(text) is None
    assert slots.parse_trying("B started\n") == Trying("B", "started")


def test_the_history_is_read_from_its_end_and_torn_lines_are_left_out() -> None:
    lines = "".join(f'{{"at_ms": {n}, "what": "kept", "slot": "A", "version": "{n}", "why": ""}}\n' for n in range(9))
    found = slots.parse_history(lines + '{"at_ms": 9, "wh', 3)
    assert [entry.at_ms for entry in found] == [8, 7, 6]


def test_the_running_slot_is_what_the_kernel_was_told() -> None:
    assert slots.running_slot("console=tty1 ramal.slot=B ro") == "B"
    assert slots.running_slot("console=tty1 ro") is None
    assert slots.running_slot("ramal.slot=C") is None
