"""Alarms: when something is bad enough, for long enough, that somebody must be told.

Pure. ``read`` says whether what an alarm watches holds at a moment; ``follow`` is its state machine. Law: an alarm is
raised once and cleared once. It changes only after ``holds_s`` seconds without a moment's return (hysteresis); what is
not known changes nothing, but ends such a while; within ``quiet_min`` minutes of a notice nothing is raised to people
again, though the lamp and the page show it; a clearing is told to those who were told of the raising, nobody else.
"""

from dataclasses import dataclass, replace
from typing import Literal, assert_never

from ramal.core.kpi import Ratio
from ramal.core.office import Alarm
from ramal.core.places import logical, personal
from ramal.core.state import State
from ramal.core.warnings import BACKUPS

Told = Literal["", "raised", "cleared"]
NO_CALLS = Ratio(0, 0)


@dataclass(frozen=True, slots=True)
class Known:
    """How an alarm stands. ``raised_ms``: since when it is raised, 0 = it is not. ``told``: whether people were told of
    this raising; ``told_ms``: when they were last told of any. ``turning_ms``: since when what is watched says
    otherwise, 0 = it does not; not worth keeping over a restart."""

    raised_ms: int = 0
    told: bool = False
    told_ms: int = 0
    turning_ms: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """What is watched, now. ``holds`` None: not known. ``value``: seconds, callers, tenths of a percent (-1 = over
    nothing), or agents."""

    holds: bool | None
    value: int = 0


def read(alarm: Alarm, state: State, now_ms: int, level: Ratio = NO_CALLS, is_open: bool | None = True) -> Reading:
    """What an alarm watches, now. ``level``: the service level of its window; ``is_open``: its hours, None = unknown.
    Of calls nothing is known while Asterisk is away."""
    if alarm.measure == "backup":
        return Reading(any(code in state.warnings for code in BACKUPS))
    if not state.asterisk.up:
        return Reading(None)
    match alarm.measure:
        case "longest-wait":
            longest_ms = _longest_ms(state, alarm.queue, now_ms)
            return Reading(longest_ms > 1000 * alarm.limit, longest_ms // 1000)
        case "callers-waiting":
            count = sum(len(line) for home, line in state.by_home().items() if alarm.queue in ("", home))
            return Reading(count > alarm.limit, count)
        case "service-level":
            low = level.whole >= alarm.min_calls and 100 * level.part < alarm.limit * level.whole
            return Reading(low, -1 if level.tenths is None else level.tenths)
        case "no-agent":
            count = _logged_in(state, alarm.queue)
            return Reading(None if is_open is None else is_open and count == 0, count)
    assert_never(alarm.measure)


def _longest_ms(state: State, queue: str, now_ms: int) -> int:
    """From the first joining of the call, where that is known."""
    return max(
        (
            now_ms - (min(1000 * caller.first_s, caller.joined_ms) if caller.first_s else caller.joined_ms)
            for home, line in state.by_home().items()
            for caller in line
            if queue in ("", home)
        ),
        default=0,
    )


def _logged_in(state: State, queue: str) -> int:
    return sum(
        any(queue in ("", logical(place)) for place, _ in seats if not personal(place))
        for seats in state.members.values()
    )


def follow(alarm: Alarm, known: Known, holds: bool | None, now_ms: int) -> tuple[Known, Told]:
    """The alarm's next standing, and what people are to be told of. ``now_ms`` may go back."""
    raised = known.raised_ms > 0
    if holds is None or holds is raised:
        known = replace(known, turning_ms=0)
    else:
        turning_ms = min(known.turning_ms or now_ms, now_ms)
        if now_ms - turning_ms < 1000 * alarm.holds_s:
            known = replace(known, turning_ms=turning_ms)
        elif raised:
            return Known(told_ms=known.told_ms), "cleared" if known.told and alarm.resolved else ""
        else:
            known = replace(known, raised_ms=max(1, now_ms), turning_ms=0)
    # A clock that was set back leaves no silence for years.
    quiet = known.told_ms and abs(now_ms - known.told_ms) < 60_000 * alarm.quiet_min
    if known.raised_ms and not known.told and not quiet and holds:
        return replace(known, told=True, told_ms=now_ms), "raised"
    return known, ""


def device(name: str) -> str:
    """The name of an alarm's lamp inside Asterisk."""
    return f"Custom:ramal-alarm-{name}"
