"""How long recordings are kept, what goes when room is short, and for how long there is room.

Pure; time is a parameter. The law of this module: what is under a legal hold and what is younger than its minimum is
never chosen, whatever the settings are and however full the disk is. When that leaves too little room, ``Plan.short``
says so: then recording stops, and calls go on. Sizes are bytes, times ms since 1970 UTC.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ramal.core.office import Campaign, Office, Queue, Recordings
from ramal.core.retention_rules import Purpose, minimum_days

DAY_MS = 86_400_000
GB = 1_000_000_000
MB = 1 << 20
SPARE_SHARE = 0.02
"""Of the disk, kept free when the office does not say how much."""
SPARE_MIN, SPARE_MAX = 20 * MB, 1024 * MB
RESUME = 1.25
"""Recording begins again when so many times the floor is free."""
COMFORT = 1.5
"""Recordings begin to go before their time when less than so many times the floor is free: before recording stops."""
QUOTA_SLACK = 0.01
"""So much below the quota is made at once, and is needed to record again, so that nothing turns on and off."""
HORIZON_DAYS = 730
WEEKS = 4
THIN_DAYS = 14
"""With fewer days of evidence nothing is foretold."""
SOON_DAYS = 14
CLOCK_JUMP_MS = 40 * DAY_MS
CLOCK_TRUST_MS = DAY_MS

Why = Literal["age", "quota", "room"]


@dataclass(frozen=True, slots=True)
class Kept:
    """A recording whose file is there. ``queues``: every one its call waited in; ``campaign``: what it was made for."""

    id: int
    purpose: Purpose
    begun_ms: int
    bytes: int
    queues: tuple[str, ...] = ()
    held: bool = False
    campaign: str = ""

    @property
    def places(self) -> tuple[str, ...]:
        """Whatever may have terms of its own: its queues, and ``place_of`` its campaign."""
        return (*self.queues, place_of(self.campaign)) if self.campaign else self.queues


def place_of(campaign: str) -> str:
    """What a campaign is called where queues are called by their names; no queue's name has a slash."""
    return f"campaign/{campaign}"


def _is_campaign(place: str) -> bool:
    return place.startswith(place_of(""))


@dataclass(frozen=True, slots=True)
class Term:
    """How long one recording is kept: ``keep_days`` 0 = for as long as there is room."""

    keep_days: int
    minimum_days: int

    def due_ms(self, begun_ms: int) -> int | None:
        """When it goes by itself; None = not by its age."""
        return begun_ms + max(self.keep_days, self.minimum_days) * DAY_MS if self.keep_days else None


@dataclass(frozen=True, slots=True)
class Remembered:
    """The minimum a queue or campaign once had: it holds for what was recorded until ``until_ms``, also when that is
    renamed or no longer customer service by law."""

    minimum_days: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Terms:
    """The office's settings as they apply to one recording after another. ``own_keep``, ``sac`` and ``remembered`` are
    about ``Kept.places``."""

    country: str
    settings: Recordings
    own_keep: Mapping[str, int]
    sac: frozenset[str]
    remembered: Mapping[str, Remembered] = field(default_factory=dict)
    _known: dict[tuple[Purpose, tuple[str, ...]], Term] = field(default_factory=dict, compare=False, repr=False)

    def of(self, kept: Kept) -> Term:
        """A call of several queues, or of a campaign and a queue, is kept as the one that keeps longest says."""
        places = kept.places
        term = self._usual(kept.purpose, places)
        once = (self.remembered.get(place) for place in places) if self.remembered else ()
        least = max((one.minimum_days for one in once if one and kept.begun_ms <= one.until_ms), default=0)
        return term if least <= term.minimum_days else Term(term.keep_days, least)

    def _usual(self, purpose: Purpose, places: tuple[str, ...]) -> Term:
        """The term of all recordings alike: computed once, for there may be a hundred thousand of them."""
        known = self._known.get((purpose, places))
        if known is None:
            own = [self.own_keep[place] for place in places if place in self.own_keep]
            if purpose == "campaign" and not any(place in self.own_keep for place in places if _is_campaign(place)):
                own.append(self.settings.campaign_days)
            if purpose == "message":
                keep = self.settings.message_days
            elif purpose == "survey":
                keep = self.settings.survey_days
            else:
                keep = _longest(own) if own else self.settings.keep_days
            laws = [minimum_days(self.country, purpose)]
            if purpose in ("talk", "campaign") and self.sac.intersection(places):
                laws.append(minimum_days(self.country, "sac"))
            known = Term(keep, max(self.settings.minimum_days, *laws))
            self._known[purpose, places] = known
        return known


def terms(office: Office, remembered: Mapping[str, Remembered] | None = None) -> Terms:
    """The terms of an office."""
    return Terms(
        office.country,
        settings_of(office),
        {name: each.keep_days for name, each in _own(office) if each.keep_days is not None},
        sac_places(office),
        remembered or {},
    )


def sac_places(office: Office) -> frozenset[str]:
    """The queues and campaigns that are customer service by law, as ``Kept.places`` calls them."""
    return frozenset(name for name, each in _own(office) if each.sac)


def _own(office: Office) -> list[tuple[str, Queue | Campaign]]:
    queues = ((queue.name, queue) for queue in office.queues)
    return [*queues, *((place_of(campaign.name), campaign) for campaign in office.campaigns)]


def settings_of(office: Office) -> Recordings:
    """The office's ``[recordings]``, or the defaults."""
    return office.recordings[0] if office.recordings else Recordings()


@dataclass(frozen=True, slots=True)
class Disk:
    """The recordings' disk and how much of it recordings take: bytes."""

    total: int
    free: int
    used: int


@dataclass(frozen=True, slots=True)
class Room:
    """What the settings make of a disk. ``quota`` None = recordings may take all but ``floor``."""

    quota: int | None
    floor: int

    def excess(self, disk: Disk) -> tuple[int, Why]:
        """Bytes that must go (0 = none) and why; once it is too much, a little more than needed."""
        over = room = 0
        if self.quota is not None and disk.used > self.quota:
            over = disk.used - int(self.quota * (1 - QUOTA_SLACK))
        if disk.free < self.floor * COMFORT:
            room = int(self.floor * COMFORT) - disk.free
        return max(over, room), "quota" if over >= room else "room"

    def capacity(self, disk: Disk) -> int:
        """What recordings may take altogether before some must go early."""
        left = disk.used + disk.free - int(self.floor * COMFORT)
        return max(0, left if self.quota is None else min(left, self.quota))


def room(settings: Recordings, total: int) -> Room:
    """What the settings make of a disk of ``total`` bytes."""
    quotas = []
    if settings.quota_gb:
        quotas.append(settings.quota_gb * GB)
    if settings.quota_percent < 100:
        quotas.append(total * settings.quota_percent // 100)
    spare = settings.keep_free_mb * MB or max(SPARE_MIN, min(SPARE_MAX, int(total * SPARE_SHARE)))
    return Room(min(quotas) if quotas else None, spare)


@dataclass(frozen=True, slots=True)
class Going:
    """One that goes. ``early``: before its time, for want of room."""

    id: int
    bytes: int
    begun_ms: int
    why: Why

    @property
    def early(self) -> bool:
        return self.why != "age"


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes now, in this order. ``short``: bytes that would have to go and may not (held, or younger than their
    minimum); ``fixed``: bytes of all of those, ``held`` and ``young`` how many. ``more``: there is more than ``limit``.
    """

    going: tuple[Going, ...]
    short: int
    fixed: int
    held: int
    young: int
    more: bool


def plan(kept: Iterable[Kept], terms: Terms, disk: Disk, room: Room, now_ms: int, limit: int) -> Plan:
    """What goes now: everything past its time, the oldest first; then, while there is too little room, what would have
    gone soonest. Doing what it says and planning again ends with nothing to do."""
    aged: list[tuple[int, int, Kept]] = []
    spare: list[tuple[int, int, int, Kept]] = []
    aged_count = aged_bytes = spare_bytes = fixed = held = young = 0
    for one in kept:
        term = terms.of(one)
        is_young = one.begun_ms + term.minimum_days * DAY_MS > now_ms
        if one.held or is_young:
            held, young, fixed = held + one.held, young + is_young, fixed + one.bytes
            continue
        due_ms = term.due_ms(one.begun_ms)
        if due_ms is not None and due_ms <= now_ms:
            aged_count, aged_bytes = aged_count + 1, aged_bytes + one.bytes
            _push(aged, (-one.begun_ms, -one.id, one), limit)
        elif one.bytes > 0:
            spare_bytes += one.bytes
            last = -(due_ms if due_ms is not None else 1 << 62)
            _push(spare, (last, -one.begun_ms, -one.id, one), limit)
    going = [Going(one.id, one.bytes, one.begun_ms, "age") for *_, one in sorted(aged, reverse=True)]
    need, why = room.excess(disk)
    need -= aged_bytes
    for *_, one in sorted(spare, reverse=True):
        if need <= 0 or len(going) >= limit:
            break
        going.append(Going(one.id, one.bytes, one.begun_ms, why))
        need -= one.bytes
        spare_bytes -= one.bytes
    more = aged_count > len(aged) or (need > 0 and spare_bytes > 0)
    return Plan(tuple(going), max(0, need - spare_bytes), fixed, held, young, more)


def may_record(recording: bool, disk: Disk, room: Room, fixed: int) -> bool:
    """Whether new calls are recorded; ``recording`` is whether they were until now. Not while the disk has less than
    its floor free, nor while what may not go (``Plan.fixed``) fills the quota alone."""
    floor, quota = (1.0, 1.0) if recording else (RESUME, 1 - QUOTA_SLACK)
    return disk.free >= room.floor * floor and (room.quota is None or fixed <= room.quota * quota)


# -- the forecast ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pace:
    """What was recorded lately: by days that it is kept (0 = for as long as there is room), bytes of each of the last
    ``7 * WEEKS`` whole local days, the oldest first. ``days``: for how many of them the office has recorded at all."""

    arrived: Mapping[int, Sequence[int]]
    days: int


def full_in(pace: Pace, leaving: Mapping[int, int], room_bytes: int) -> int | None:
    """In how many days there is no more room at this pace, 0 = there is none; ``HORIZON_DAYS`` = not before that; None
    = too little is known. A weekday brings what such weekdays brought in the last weeks on average.

    ``leaving``: bytes of what is there now that go by their age, by day from today; ``room_bytes``: what still fits.
    """
    if room_bytes <= 0:
        return 0
    if pace.days < THIN_DAYS:
        return None
    weekdays = {keep: _by_weekday(bytes_, pace.days) for keep, bytes_ in pace.arrived.items()}
    left = float(room_bytes)
    for day in range(HORIZON_DAYS):
        left += leaving.get(day, 0)
        for keep, mean in weekdays.items():
            left -= mean[day % 7]
            if keep and day >= keep:
                left += mean[(day - keep) % 7]
        if left < 0:
            return day
    return HORIZON_DAYS


def _by_weekday(arrived: Sequence[int], days: int) -> tuple[float, ...]:
    """Mean bytes by weekday, today's first: a list of whole weeks begins with the same weekday as today."""
    first = max(0, len(arrived) - days)
    seen = [[bytes_ for at, bytes_ in enumerate(arrived) if at >= first and at % 7 == day] for day in range(7)]
    return tuple(sum(day) / len(day) if day else 0.0 for day in seen)


# -- the clock ---------------------------------------------------------------------------------------------------------


def clock_trusted(now_ms: int, looked_ms: int | None, up_ms: int) -> bool:
    """Whether ages may be believed: a box whose clock woke up years ahead must not remove everything. ``looked_ms``:
    when the last round was that believed it; ``up_ms``: for how long this clock has gone on without a jump."""
    if looked_ms is None or now_ms - looked_ms <= CLOCK_JUMP_MS:
        return True
    return up_ms >= CLOCK_TRUST_MS


def _longest(days: Iterable[int]) -> int:
    return max(days, key=lambda one: one or 1 << 30)


def _push(heap: list[Any], item: tuple[Any, ...], limit: int) -> None:
    """Keep the ``limit`` largest."""
    if len(heap) < limit:
        heapq.heappush(heap, item)
    else:
        heapq.heappushpop(heap, item)
