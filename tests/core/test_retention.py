"""How long recordings are kept: whatever the settings, what is held or too young stays; a year; forecasts."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from ramal.core import retention
from ramal.core.office import Campaign, Office, Queue, Recordings
from ramal.core.retention import (
    DAY_MS,
    HORIZON_DAYS,
    MB,
    Disk,
    Kept,
    Pace,
    Plan,
    Remembered,
    Room,
    Terms,
    clock_trusted,
    full_in,
    may_record,
    plan,
    room,
    terms,
)
from ramal.core.retention_rules import RULES, Purpose, minimum_days

NOW = 1_800_000_000_000
PURPOSES = ("talk", "sac", "campaign", "message", "survey")
QUEUES = ("sales", "care", "gone")
PLACES = (*QUEUES, retention.place_of("spring"), retention.place_of("gone"))
ENOUGH = Disk(10**12, 10**12, 0)
NO_LIMIT = Room(None, 0)

kepts = st.lists(
    st.builds(
        Kept,
        st.integers(1, 10_000),
        st.sampled_from(PURPOSES),
        st.integers(-5, 900).map(lambda days: NOW - days * DAY_MS),
        st.integers(0, 5000),
        st.lists(st.sampled_from(QUEUES), max_size=2, unique=True).map(tuple),
        st.booleans(),
        st.sampled_from(("", "spring", "gone")),
    ),
    max_size=40,
    unique_by=lambda one: one.id,
)
day_counts = st.sampled_from((0, 1, 7, 30, 90, 365))
policies = st.builds(
    Terms,
    st.sampled_from(("BR", "US")),
    st.builds(Recordings, day_counts, day_counts, day_counts, day_counts, day_counts),
    st.dictionaries(st.sampled_from(PLACES), day_counts),
    st.frozensets(st.sampled_from(PLACES)),
    st.dictionaries(
        st.sampled_from(PLACES),
        st.builds(Remembered, day_counts, st.integers(-10, 400).map(lambda days: NOW - days * DAY_MS)),
    ),
)
disks = st.builds(Disk, st.just(200_000), st.integers(0, 100_000), st.integers(0, 100_000))
rooms = st.builds(Room, st.none() | st.integers(0, 100_000), st.integers(0, 50_000))


def done(kept: list[Kept], disk: Disk, made: Plan) -> tuple[list[Kept], Disk]:
    """The world after the plan was carried out."""
    ids, freed = {one.id for one in made.going}, sum(one.bytes for one in made.going)
    return [one for one in kept if one.id not in ids], replace(disk, free=disk.free + freed, used=disk.used - freed)


@given(kepts, policies, disks, rooms, st.integers(1, 50))
@settings(max_examples=200)
def test_what_is_held_or_younger_than_its_minimum_never_goes(
    kept: list[Kept], policy: Terms, disk: Disk, space: Room, limit: int
) -> None:
    known = {one.id: one for one in kept}
    made = plan(kept, policy, disk, space, NOW, limit)
    assert len(made.going) <= limit
    assert len({one.id for one in made.going}) == len(made.going)
    for going in made.going:
        one = known[going.id]
        least = policy.settings.minimum_days
        by_law = one.purpose in ("talk", "campaign") and policy.sac & {*one.places}
        if policy.country == "BR" and (one.purpose == "sac" or by_law):
            least = max(least, 90)
        assert not one.held
        assert one.begun_ms + least * DAY_MS <= NOW
        for place in one.places:
            once = policy.remembered.get(place)
            assert once is None or one.begun_ms > once.until_ms or one.begun_ms + once.minimum_days * DAY_MS <= NOW


@given(kepts, policies, disks, rooms)
@settings(max_examples=200)
def test_planning_again_after_it_was_done_finds_nothing_to_do(
    kept: list[Kept], policy: Terms, disk: Disk, space: Room
) -> None:
    made = plan(kept, policy, disk, space, NOW, 1000)
    left, after = done(kept, disk, made)
    again = plan(left, policy, after, space, NOW, 1000)
    assert again.going == ()
    assert (again.short, again.fixed, again.held) == (made.short, made.fixed, made.held)
    assert (again.more, made.more) == (False, False)


@given(kepts, policies, disks, rooms, st.integers(1, 5))
@settings(max_examples=100)
def test_many_small_rounds_do_what_one_large_round_does(
    kept: list[Kept], policy: Terms, disk: Disk, space: Room, limit: int
) -> None:
    whole = {one.id for one in plan(kept, policy, disk, space, NOW, 1000).going}
    left, now_disk, gone = kept, disk, set[int]()
    for _ in range(100):
        made = plan(left, policy, now_disk, space, NOW, limit)
        gone |= {one.id for one in made.going}
        left, now_disk = done(left, now_disk, made)
        if not made.more and not made.going:
            break
    aged = {one.id for one in plan(kept, policy, ENOUGH, NO_LIMIT, NOW, 1000).going}
    assert aged <= gone
    if not any(one.bytes for one in kept if one.id in gone - aged):
        assert gone == whole
    assert plan(left, policy, now_disk, space, NOW, 1000).going == ()


@given(kepts, policies, disks, rooms)
@settings(max_examples=150)
def test_when_room_cannot_be_made_it_says_so_and_only_then(
    kept: list[Kept], policy: Terms, disk: Disk, space: Room
) -> None:
    made = plan(kept, policy, disk, space, NOW, 1000)
    _, after = done(kept, disk, made)
    need, _ = space.excess(after)
    assert (made.short > 0) == (need > 0)
    assert made.fixed == sum(one.bytes for one in kept if one.id not in {going.id for going in made.going}) or not (
        need > 0
    )


@given(kepts, policies)
@settings(max_examples=100)
def test_with_room_enough_only_what_is_past_its_time_goes(kept: list[Kept], policy: Terms) -> None:
    made = plan(kept, policy, ENOUGH, NO_LIMIT, NOW, 1000)
    assert all(one.why == "age" and not one.early for one in made.going)
    known = {one.id: one for one in kept}
    for one in made.going:
        term = policy.of(known[one.id])
        assert term.keep_days
        assert one.begun_ms + max(term.keep_days, term.minimum_days) * DAY_MS <= NOW
    begun = [one.begun_ms for one in made.going]
    assert begun == sorted(begun), "the oldest first"


def test_what_would_go_soonest_goes_first_when_room_is_short() -> None:
    policy = terms(Office("x", recordings=(Recordings(365, 90, minimum_days=0),)))
    kept = [
        Kept(1, "talk", NOW - 300 * DAY_MS, 100),  # 65 days left
        Kept(2, "message", NOW - 80 * DAY_MS, 100),  # 10 days left
        Kept(3, "talk", NOW - 10 * DAY_MS, 100),
    ]
    made = plan(kept, policy, Disk(10_000, 9000, 300), Room(210, 0), NOW, 10)
    assert [(one.id, one.why) for one in made.going] == [(2, "quota")]
    made = plan(kept, policy, Disk(10_000, 100, 300), Room(None, 200), NOW, 10)
    assert [(one.id, one.why) for one in made.going] == [(2, "room"), (1, "room")]


def test_a_queue_of_customer_service_keeps_ninety_days_in_brazil_whatever_the_office_says() -> None:
    recordings = Recordings(keep_days=10, minimum_days=0)
    office = Office("x", queues=(Queue("care", keep_days=5, sac=True), Queue("sales")), recordings=(recordings,))
    care = Kept(1, "talk", NOW - 89 * DAY_MS, 10, ("sales", "care"))
    assert plan([care], terms(office), Disk(100, 0, 100), Room(0, 50), NOW, 10).going == ()
    assert plan([care], terms(office), Disk(100, 0, 100), Room(0, 50), NOW, 10).short > 0
    old = replace(care, begun_ms=NOW - 90 * DAY_MS)
    assert [one.why for one in plan([old], terms(office), ENOUGH, NO_LIMIT, NOW, 10).going] == ["age"]
    abroad = replace(office, country="US")
    assert len(plan([care], terms(abroad), ENOUGH, NO_LIMIT, NOW, 10).going) == 1
    renamed = replace(office, queues=(Queue("sales"),))
    remembered = terms(renamed, {"care": Remembered(90, NOW - 50 * DAY_MS)})
    assert plan([care], remembered, ENOUGH, NO_LIMIT, NOW, 10).going == ()
    later = replace(care, begun_ms=NOW - 20 * DAY_MS)
    assert len(plan([later], remembered, ENOUGH, NO_LIMIT, NOW, 10).going) == 1, "recorded after it was no longer"


def test_a_call_of_several_queues_is_kept_as_long_as_the_longest_says() -> None:
    queues = (Queue("sales", keep_days=10), Queue("care", keep_days=0), Queue("other"))
    policy = terms(Office("x", queues=queues, recordings=(Recordings(100, minimum_days=0),)))
    days = {names: policy.of(Kept(1, "talk", NOW, 1, names)).keep_days for names in ((), ("sales",), ("sales", "care"))}
    assert days == {(): 100, ("sales",): 10, ("sales", "care"): 0}


def test_a_campaign_keeps_its_talks_for_its_own_days_or_for_those_of_all_campaigns() -> None:
    campaigns = (Campaign("short", "1", keep_days=10), Campaign("plain", "2"), Campaign("ever", "3", keep_days=0))
    queues = (Queue("sales", keep_days=50), Queue("care"))
    settings = Recordings(100, campaign_days=200, minimum_days=0)
    policy = terms(Office("x", queues=queues, campaigns=campaigns, recordings=(settings,)))

    def days(campaign: str, *queues: str) -> int:
        return policy.of(Kept(1, "campaign", NOW, 1, queues, campaign=campaign)).keep_days

    assert {name: days(name) for name in ("short", "plain", "ever", "gone")} == {
        "short": 10,
        "plain": 200,
        "ever": 0,
        "gone": 200,
    }
    assert days("short", "sales") == 50, "handed on to a queue that keeps longer"
    assert days("plain", "sales") == 200
    assert days("short", "care") == 10
    assert policy.of(Kept(1, "talk", NOW, 1, ("sales",))).keep_days == 50
    assert policy.of(Kept(1, "message", NOW, 1, (), campaign="short")).keep_days == settings.message_days


def test_a_campaign_of_customer_service_keeps_what_the_law_asks_for_also_when_it_is_renamed() -> None:
    recordings = (Recordings(minimum_days=0),)
    office = Office("x", campaigns=(Campaign("care", "1", keep_days=5, sac=True),), recordings=recordings)
    one = Kept(1, "campaign", NOW - 89 * DAY_MS, 10, campaign="care")
    assert retention.sac_places(office) == {retention.place_of("care")}
    assert plan([one], terms(office), Disk(100, 0, 100), Room(0, 50), NOW, 10).going == ()
    old = replace(one, begun_ms=NOW - 90 * DAY_MS)
    assert [going.why for going in plan([old], terms(office), ENOUGH, NO_LIMIT, NOW, 10).going] == ["age"]
    renamed = replace(office, campaigns=(Campaign("help", "1", keep_days=5),))
    once = {retention.place_of("care"): Remembered(90, NOW)}
    assert plan([one], terms(renamed, once), Disk(100, 0, 100), Room(0, 50), NOW, 10).going == ()
    queue = replace(office, campaigns=(), queues=(Queue("care", sac=True, keep_days=5),))
    assert len(plan([replace(old, begun_ms=NOW - 89 * DAY_MS)], terms(queue), Disk(9, 0, 9), Room(0, 5), NOW, 9).going)


def test_every_rule_has_a_source_and_a_date() -> None:
    assert minimum_days("BR", "sac") == 90
    assert minimum_days("US", "sac") == 0
    assert all(rule.source.startswith("https://") and rule.law for rule in RULES)
    assert all(rule.checked >= date(2026, 11, 22) for rule in RULES)


def test_recording_stops_at_the_floor_and_begins_again_only_well_above() -> None:
    space, said = Room(None, 100 * MB), []
    recording = True
    for free in (300, 101, 99, 100, 110, 124, 125, 101, 99):
        recording = may_record(recording, Disk(10**9, free * MB, 0), space, 0)
        said.append(recording)
    assert said == [True, True, False, False, False, False, True, True, False]


def test_recording_stops_when_what_may_not_go_fills_the_quota_alone() -> None:
    space, disk = Room(1000, 10), Disk(10**6, 10**5, 1001)
    assert may_record(True, disk, space, 1000)
    assert not may_record(True, disk, space, 1001)
    assert not may_record(False, disk, space, 995)
    assert may_record(False, disk, space, 990)


def test_the_floor_fits_the_disk() -> None:
    assert room(Recordings(), 48 * MB).floor == 20 * MB
    assert room(Recordings(), 32 * 1000 * MB).floor == 640 * MB
    assert room(Recordings(), 10**13).floor == 1024 * MB
    assert room(Recordings(keep_free_mb=500), 48 * MB).floor == 500 * MB
    assert room(Recordings(quota_gb=5, quota_percent=50), 8 * 10**9).quota == 4 * 10**9
    assert room(Recordings(quota_percent=100), 10**9).quota is None


# -- a year ------------------------------------------------------------------------------------------------------------


def a_year(policy: Terms, space: Room, total: int, held: Callable[[int], bool], every: int = 9) -> dict[str, int]:
    """A year of an office: 120 talks a working day, 10 messages, a round every so many days. What happened; the
    invariants. (``RAMAL_WHOLE_YEAR=1``: a round every day.)"""
    kept: list[Kept] = []
    counts: Counter[str] = Counter()
    recording, number = True, 0
    every = 1 if os.environ.get("RAMAL_WHOLE_YEAR") else every
    for day in range(365):
        now = NOW + day * DAY_MS
        if recording and day % 7 < 5:
            for each in range(130):
                number += 1
                purpose: Purpose = "message" if each >= 120 else "talk"
                queue = ("care",) if each % 4 == 0 else ("sales",)
                begun = now - DAY_MS + each * 60_000
                kept.append(Kept(number, purpose, begun, 300_000 + 7919 * (number % 97), queue, held(number)))
        if day % every:
            continue
        used = sum(one.bytes for one in kept)
        disk = Disk(total, total - used, used)
        while True:
            made = plan(kept, policy, disk, space, now, 4000)
            for one in made.going:
                counts[one.why] += 1
            kept, disk = done(kept, disk, made)
            if not made.going:
                break
        recording = may_record(recording, disk, space, made.fixed)
        counts["days off"] += 0 if recording else every
        assert disk.free >= 0, "a disk is never overfull"
        if made.short == 0:
            assert disk.used <= (space.quota or total)
    alive = {one.id for one in kept}
    counts["held"] = sum(held(n) for n in range(1, number + 1))
    assert all(n in alive for n in range(1, number + 1) if held(n)), "what is held is there after a year"
    limit = NOW + 364 * DAY_MS
    by_day = {one.id: one for one in kept}
    counts["recorded"], counts["left"] = number, len(kept)
    assert all(limit - one.begun_ms <= (366 + every) * DAY_MS for one in by_day.values())
    return dict(counts)


def test_a_year_of_a_quota_that_is_large_enough_for_the_law_records_every_day() -> None:
    office = Office("x", queues=(Queue("care", sac=True), Queue("sales")), recordings=(Recordings(),))
    told = a_year(terms(office), Room(7 * 10**9, 10**9), 10**10, lambda n: n % 500 == 0)
    assert told["days off"] == 0
    assert told["quota"] > 10_000, "the quota makes the oldest go"
    assert told["recorded"] == 261 * 130
    assert told["held"] > 60


def test_a_year_of_a_quota_that_is_too_small_for_the_law_stops_recording_instead_of_breaking_it() -> None:
    office = Office("x", queues=(Queue("care", sac=True), Queue("sales", sac=True)), recordings=(Recordings(),))
    told = a_year(terms(office), Room(10**9, 10**8), 10**10, lambda n: False)
    assert told["days off"] > 100
    assert told["recorded"] < 261 * 130


# -- the forecast ------------------------------------------------------------------------------------------------------


def weeks(pattern: tuple[int, ...]) -> tuple[int, ...]:
    return pattern * retention.WEEKS


def test_a_steady_pace_is_foretold_to_the_day() -> None:
    assert full_in(Pace({0: weeks((100,) * 7)}, 28), {}, 4150) == 41
    assert full_in(Pace({0: weeks((100,) * 7)}, 28), {}, 50) == 0


def test_weekends_count_as_weekends() -> None:
    pattern = (100, 100, 100, 100, 100, 0, 0)  # today is the first of them
    assert full_in(Pace({0: weeks(pattern)}, 28), {}, 499) == 4
    assert full_in(Pace({0: weeks(pattern)}, 28), {}, 500) == 7


def test_what_goes_by_its_age_makes_room() -> None:
    pace = Pace({30: weeks((100,) * 7)}, 28)
    assert full_in(pace, {}, 2950) == 29
    assert full_in(pace, {}, 3000) == HORIZON_DAYS, "from day 30 on as much goes as comes"
    assert full_in(Pace({0: weeks((100,) * 7)}, 28), {3: 1000}, 450) == 14


def test_with_thin_evidence_nothing_is_foretold() -> None:
    assert full_in(Pace({0: weeks((100,) * 7)}, 13), {}, 4150) is None
    assert full_in(Pace({}, 0), {}, 4150) is None
    assert full_in(Pace({}, 0), {}, 0) == 0, "no room is no forecast"


def test_days_before_the_office_recorded_do_not_thin_the_mean() -> None:
    arrived = (0,) * 14 + (100,) * 14
    assert full_in(Pace({0: arrived}, 14), {}, 1050) == 10


@given(
    st.dictionaries(day_counts, st.lists(st.integers(0, 1000), min_size=28, max_size=28)),
    st.integers(14, 28),
    st.integers(1, 100_000),
    st.integers(0, 10_000),
)
def test_more_room_is_never_full_sooner(arrived: dict[int, list[int]], days: int, space: int, more: int) -> None:
    pace = Pace(arrived, days)
    first, second = full_in(pace, {}, space), full_in(pace, {}, space + more)
    assert first is not None
    assert second is not None
    assert first <= second


def test_a_clock_that_jumps_years_ahead_removes_nothing_for_a_day() -> None:
    year = 365 * DAY_MS
    assert clock_trusted(NOW, None, 0)
    assert clock_trusted(NOW + 30 * DAY_MS, NOW, 0)
    assert not clock_trusted(NOW + 9 * year, NOW, 3_600_000)
    assert clock_trusted(NOW + 9 * year, NOW, DAY_MS)
    assert clock_trusted(NOW - year, NOW, 0), "an early clock removes too little, never too much"
