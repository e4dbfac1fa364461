"""Time zones as phones want them: an offset, and two rules of a year. Pure.

Phones know few names of zones and their tables grow old; offsets and rules they all understand. A zone whose clock
turns other than twice in the year (Morocco at Ramadan) is given without rules, by the offset of most of its days.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Turn:
    """When the clock turns each year: ``week`` 1 to 4 or 5 = the last; ``weekday`` 0 (Monday) to 6; ``minute`` of the
    day on the clock before it turns."""

    month: int
    week: int
    weekday: int
    minute: int


@dataclass(frozen=True, slots=True)
class Zone:
    """``offset_s``: seconds east of UTC in standard time. ``save_s``: what summer time adds, 0 = there is none."""

    offset_s: int
    save_s: int = 0
    starts: Turn | None = None
    ends: Turn | None = None

    @property
    def posix(self) -> str:
        """The POSIX spelling, west positive: ``STD+3``, ``STD+0DST-1,M3.5.0/1,M10.5.0/2``."""
        standard = f"STD{_signed(-self.offset_s)}"
        if self.starts is None or self.ends is None:
            return standard
        rules = ",".join(
            f"M{turn.month}.{turn.week}.{(turn.weekday + 1) % 7}/{_hours(turn.minute)}"
            for turn in (self.starts, self.ends)
        )
        return f"{standard}DST{_signed(-self.offset_s - self.save_s)},{rules}"


def zone(name: str, year: int) -> Zone:
    """The zone ``name`` as it is in ``year``. ZoneInfoNotFoundError for a name that is none."""
    place = ZoneInfo(name)
    day, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    offsets: Counter[int] = Counter()
    turns: list[tuple[datetime, int, int]] = []
    while day < end:
        after = day + timedelta(days=1)
        here, there = _offset_s(place, day), _offset_s(place, after)
        offsets[here] += 1
        if here != there and after < end:
            turns.append((_moment(place, day, after), here, there))
        day = after
    if len(turns) != 2 or turns[0][1:] != turns[1][:0:-1]:
        return Zone(offsets.most_common(1)[0][0])
    rise, fall = sorted(turns, key=lambda turn: turn[1])
    return Zone(rise[1], rise[2] - rise[1], _turn(rise[0], rise[1]), _turn(fall[0], fall[1]))


def _offset_s(place: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(place).utcoffset()
    return round(offset.total_seconds()) if offset is not None else 0


def _moment(place: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The minute in which the offset changes."""
    before = _offset_s(place, low)
    while high - low > timedelta(minutes=1):
        middle = low + timedelta(minutes=(high - low) // timedelta(minutes=2))
        low, high = (middle, high) if _offset_s(place, middle) == before else (low, middle)
    return high


def _turn(at: datetime, offset_s: int) -> Turn:
    clock = at + timedelta(seconds=offset_s)
    last = (clock + timedelta(days=7)).month != clock.month
    return Turn(clock.month, 5 if last else (clock.day - 1) // 7 + 1, clock.weekday(), clock.hour * 60 + clock.minute)


def _signed(seconds: int) -> str:
    return f"{'-' if seconds < 0 else '+'}{_hours(abs(seconds) // 60)}"


def _hours(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}" if minutes % 60 else str(minutes // 60)
