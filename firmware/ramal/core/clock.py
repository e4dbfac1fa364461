"""The box's clock: may its time be believed, what it was wrong by, and how a call's times are put right.

Pure. A computer has two clocks: the wall's (``wall_ms``, since 1970 UTC), which anybody may set, and the one that only
counts since the boot (``boottime_ms``). Their difference is constant until somebody sets the wall's clock: an *epoch*
is a time with one difference and one reason to believe. Law: when the time gets known, every earlier epoch of the same
boot is off by the difference of the differences, which is computed anew each time and never added up, so repairing
twice repairs once. An epoch of a boot that ended before the time was known stays unknown: its calls keep their order.

``ntp``: a time server was heard. ``said``: a person looked at a clock. ``rtc``: a battery clock that agrees with all
that is known. ``host``: not a box we flashed; whoever runs that computer looks after its clock, so nothing changes
there, unless it shows a day before this program was made. ``none``: not trusted.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:  # every start of a box imports this before calls: only what mends needs the shapes of history
    from ramal.core.history import Call
    from ramal.core.journal import Journal

Source = Literal["none", "host", "rtc", "said", "ntp"]
SOURCES: tuple[Source, ...] = get_args(Source)
Why = Literal["", "before-built", "before-known", "no-rtc", "rtc-behind", "rtc-apart", "far-ahead"]
"""Why a clock is not trusted: it shows a day before the program was made, or before one the box has seen; there is no
battery clock, or it lost the time, or says another time than the computer; or it is a year ahead of what was known."""
RANK: dict[Source, int] = {"none": 0, "host": 1, "rtc": 1, "said": 2, "ntp": 3}

EARLIEST_MS = 1_767_225_600_000
"""2026 in UTC: before that this program was not made."""
STEP_MS = 2_000
"""A clock set by less was only corrected."""
MEND_MS = 60_000
"""Times that are wrong by less stay as they are."""
SLACK_MS = 60_000
"""So far a battery clock may be from what is known."""
FAR_MS = 366 * 86_400_000
SAVE_EVERY_MS = 300_000
FAMILY, KEY = "ramal-clock", "untrusted"
"""AstDB: 1 while the clock is not trusted; ``dialplan/night.conf`` and ``dialplan/callback.conf`` read it."""
"""How often the time is kept on the disk."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One look at the machine. ``synced``: the kernel or the time service says that a server was heard; ``rtc_ms``:
    the battery clock's time, None without one; ``box``: flashed by us; ``built_ms``: when its image was made."""

    boot: str
    boottime_ms: int
    wall_ms: int
    synced: bool = False
    rtc_ms: int | None = None
    box: bool = False
    built_ms: int = 0

    @property
    def offset_ms(self) -> int:
        """Constant while nobody sets the clock."""
        return self.wall_ms - self.boottime_ms


@dataclass(frozen=True, slots=True)
class Mark:
    """What is kept on the disk: the last look, and ``good_ms``, the last time that was trusted (0 = never)."""

    boot: str
    boottime_ms: int
    wall_ms: int
    source: Source
    why: Why
    good_ms: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """From ``from_ms`` to ``until_ms`` (None = now) by the clock as it was then; ``boottime_ms`` at its beginning.
    ``shift_ms``: what is to be added for the right time; None while that is not known, or nothing is to be repaired."""

    id: int
    boot: str
    boottime_ms: int
    from_ms: int
    source: Source
    why: Why = ""
    until_ms: int | None = None
    shift_ms: int | None = None

    @property
    def offset_ms(self) -> int:
        """As ``Facts.offset_ms``."""
        return self.from_ms - self.boottime_ms


def judge(facts: Facts, good_ms: int, before: Source) -> tuple[Source, Why]:
    """What the time may be believed by. ``before``: the same at the last look, "none" when the clock was set or the
    computer started since. ``good_ms``: the last time that was trusted, 0 = never."""
    floor_ms = max(EARLIEST_MS, facts.built_ms)
    if facts.wall_ms < floor_ms:
        return "none", "before-built"
    if facts.synced or before == "ntp":
        return "ntp", ""
    if before == "said" or not facts.box:
        return ("said" if before == "said" else "host"), ""
    if facts.wall_ms < good_ms - SLACK_MS:
        return "none", "before-known"
    if before == "rtc":
        return "rtc", ""
    if facts.rtc_ms is None:
        return "none", "no-rtc"
    if facts.rtc_ms < max(floor_ms, good_ms - SLACK_MS):
        return "none", "rtc-behind"
    if good_ms and facts.rtc_ms > good_ms + FAR_MS:
        return "none", "far-ahead"
    if abs(facts.rtc_ms - facts.wall_ms) > SLACK_MS:
        return "none", "rtc-apart"
    return "rtc", ""


def stepped_ms(last: Epoch | None, facts: Facts) -> int:
    """By how much the clock was set since ``last`` began; 0 for another boot and for mere corrections."""
    if last is None or last.boot != facts.boot:
        return 0
    step_ms = facts.offset_ms - last.offset_ms
    return step_ms if abs(step_ms) >= STEP_MS else 0


def standing(last: Epoch | None, facts: Facts) -> Source:
    """What still counts of the last epoch's reason to believe: nothing after a boot or a step."""
    return last.source if last is not None and last.boot == facts.boot and not stepped_ms(last, facts) else "none"


def follow(
    last: Epoch | None, facts: Facts, source: Source, why: Why, seen_ms: int | None = None, known_ms: int = 0
) -> tuple[Epoch | None, Epoch | None]:
    """The epoch that ended with this look and the one that began (its id 0), or nothing of both.

    ``seen_ms``: the boottime of the look before, None when there was none in this boot: the clock was set between the
    two. ``known_ms``: the last time kept of an earlier boot.
    """
    if last is None or last.boot != facts.boot:
        begun = Epoch(0, facts.boot, 0, facts.offset_ms, source, why)
        if last is None:
            return None, begun
        until_ms = max(last.from_ms, known_ms, begun.from_ms if last.from_ms < begun.from_ms else 0)
        return replace(last, until_ms=until_ms), begun
    step_ms = stepped_ms(last, facts)
    if not step_ms and (last.source, last.why) == (source, why):
        return None, None
    at_ms = facts.boottime_ms
    if step_ms:
        at_ms = max(last.boottime_ms, min(at_ms, last.boottime_ms if seen_ms is None else seen_ms))
    ended = replace(last, until_ms=facts.boottime_ms + last.offset_ms)
    return ended, Epoch(0, facts.boot, at_ms, at_ms + facts.offset_ms, source, why)


def shifts(epochs: Sequence[Epoch]) -> dict[int, int]:
    """What one boot's epochs, in their order, are wrong by: id to ms, for those of which it is known. Whole seconds,
    because one of Asterisk's journals has no others; less than MEND_MS counts as right.

    The best word there is counts, at its first epoch. It puts right what was not trusted before; of a battery clock's
    or a person's word only the epoch right before it, because what else set the clock then is not known; and nothing on
    a computer that is not ours to judge (``host``).
    """
    best = max((RANK[epoch.source] for epoch in epochs), default=0)
    first = next((n for n, epoch in enumerate(epochs) if RANK[epoch.source] == best), 0)
    found: dict[int, int] = {}
    for n, epoch in enumerate(epochs[:first]):
        if epoch.source == "none" or (epoch.source != "host" and n + 1 == first):
            wrong_ms = round((epochs[first].offset_ms - epoch.offset_ms) / 1000) * 1000
            found[epoch.id] = wrong_ms if abs(wrong_ms) >= MEND_MS else 0
    return found


def covering(epochs: Sequence[Epoch], at_ms: int, now_ms: int) -> Epoch | None:
    """The epoch in which the clock showed ``at_ms``; the latest when it showed that more than once. ``now_ms``: what it
    shows now, which bounds the epoch that has not ended."""
    for epoch in reversed(epochs):
        if epoch.from_ms <= at_ms <= (now_ms if epoch.until_ms is None else epoch.until_ms):
            return epoch
    return None


def mended(journal: "Journal", spans: Sequence[Epoch]) -> "Journal":
    """The journal with its times put right. ``spans``: the repaired epochs of its boot from the one on in which it
    began, in their order. Which line belongs to which is told by the order of the lines: the same time may have been
    shown twice."""
    cel = _shifts((event.at_ms for event in journal.cel), spans)
    queue = _shifts((line.at_s * 1000 for line in journal.queue), spans)
    restarted_ms = journal.restarted_ms
    return replace(
        journal,
        cel=tuple(event._replace(at_ms=event.at_ms + by) for event, by in zip(journal.cel, cel, strict=True)),
        queue=tuple(line._replace(at_s=line.at_s + by // 1000) for line, by in zip(journal.queue, queue, strict=True)),
        restarted_ms=None if restarted_ms is None else mended_ms(restarted_ms, spans),
    )


def mended_call(call: "Call", spans: Sequence[Epoch]) -> "Call":
    """A call folded from a mended journal, with the times that stood in its lines' texts put right, too."""
    notes = tuple(
        replace(note, joined_ms=mended_ms(note.joined_ms, spans)) if note.joined_ms else note for note in call.callbacks
    )
    return replace(call, callbacks=notes)


def mended_ms(at_ms: int, spans: Iterable[Epoch]) -> int:
    """A single time put right: by the last epoch that showed it."""
    by = 0
    for span in spans:
        if span.from_ms <= at_ms <= (span.until_ms or 0):
            by = span.shift_ms or 0
    return at_ms + by


def _shifts(times: Iterable[int], spans: Sequence[Epoch]) -> Iterator[int]:
    place, last_ms = 0, None
    for at_ms in times:
        while place < len(spans) and _past(spans[place], at_ms, last_ms):
            place, last_ms = place + 1, None
        inside = place < len(spans) and at_ms >= spans[place].from_ms - SLACK_MS
        yield (spans[place].shift_ms or 0) if inside else 0
        last_ms = at_ms if last_ms is None else max(last_ms, at_ms)


def _past(span: Epoch, at_ms: int, last_ms: int | None) -> bool:
    """Whether a line was written after the epoch: later than its end, or the clock had been set back before it. That
    is not seen when nothing was written of the call for longer than the clock was set back by."""
    back = (span.shift_ms or 0) < 0 and last_ms is not None and last_ms - at_ms >= STEP_MS
    return back or at_ms > (span.until_ms or 0) + 999


def key_at(at_ms: int, spans: Iterable[Epoch]) -> int:
    """The lowest key a call that really began at ``at_ms`` or later can have. Keys are made of the time Asterisk
    believed in, and stay so: they are the order in which calls came. ``spans``: repaired epochs, in their order. Only
    where the clock was behind: where it was ahead, keys of two times lie among each other."""
    from ramal.core.history import first_key

    for span in spans:
        shift_ms, until_ms = span.shift_ms or 0, span.until_ms or 0
        if shift_ms > 0 and span.from_ms < at_ms <= until_ms + shift_ms:
            return first_key(max(span.from_ms, at_ms - shift_ms))
    return first_key(at_ms)
