"""Names, times, what is kept: the nightly backup's decisions, and how an alarm and the office file speak of it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.core import alarm_words, backups, office_file
from ramal.core.alarm import Reading, read
from ramal.core.backups import DAY_MS, Lying
from ramal.core.office import Alarm, Backup, Office
from ramal.core.office_problems import OfficeRefused
from ramal.core.state import State
from ramal.core.warnings import BACKUP_AWAY, BACKUP_FAILED, BACKUP_LATE, Warned

ZONE = "America/Sao_Paulo"
NOW_MS = 1_795_000_000_000


def ms(text: str, zone: str = ZONE) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def nights(count: int, end: str = "2026-11-22T03:00") -> list[Lying]:
    """A backup each night, the last one at ``end``; each of a million bytes."""
    last = ms(end)
    return [Lying(backups.name_of(last - n * DAY_MS), 1_000_000, equal=True) for n in reversed(range(count))]


def test_of_two_in_one_second_the_second_one_is_the_newer() -> None:
    first = backups.name_of(NOW_MS)
    again = [first.replace(".ramal", f"-{number}.ramal") for number in (2, 10)]
    lying = [Lying(name, 1) for name in (again[1], first, again[0])]
    assert backups.to_remove(lying, Backup(days=1, weeks=0, months=0), ZONE) == (first, again[0])


@given(st.integers(0, 250_000_000_000_000))
def test_a_name_says_when_and_names_in_order_are_times_in_order(at_ms: int) -> None:
    name = backups.name_of(at_ms)
    assert backups.made_ms(name) == at_ms // 1000 * 1000
    assert backups.name_of(at_ms + 1000) > name


@pytest.mark.parametrize(
    "name", ["ramal.db", "ramal-20261122-031500", "ramal-20261322-031500.ramal-backup", "x/ramal-20261122-031500", ""]
)
def test_other_files_are_no_backups(name: str) -> None:
    assert backups.made_ms(name) is None
    assert backups.to_remove([*nights(400), Lying(name, 1)], Backup(), ZONE).count(name) == 0


def test_a_second_one_of_the_same_second_is_a_backup_too() -> None:
    assert backups.made_ms("ramal-20261122-031500-2.ramal-backup") == backups.made_ms(
        "ramal-20261122-031500.ramal-backup"
    )


@pytest.mark.parametrize(
    "name",
    [
        *("../x", "/etc/passwd", "own/../secrets/ami", "own/", "own//x", "secrets/..", "etc/x", "own/a\\b", "own/a\0b"),
        *("own/a\nb", "", "own", "Own/x", "tables/../../x", "own/" + "x" * 500, "own/" + "é" * 200, "recordings/x"),
    ],
)
def test_a_part_cannot_have_a_name_that_leads_elsewhere(name: str) -> None:
    assert not backups.part_ok(name)


@pytest.mark.parametrize("name", ["office.toml", "tables/call.jsonl", "own/music/calm/Ünï côde 1.wav", "secrets/ami"])
def test_a_part_has_the_name_of_what_it_is(name: str) -> None:
    assert backups.part_ok(name)


def test_after_half_a_year_seven_days_four_weeks_and_six_months_are_kept() -> None:
    lying = nights(200)
    gone = set(backups.to_remove(lying, Backup(), ZONE))
    days = [datetime.fromtimestamp(backups.made_ms(one.name) / 1000, ZoneInfo(ZONE)) for one in lying
            if one.name not in gone]  # fmt: skip
    kept = [f"{day:%m-%d}" for day in days]
    assert kept == [
        *("06-30", "07-31", "08-31", "09-30", "10-31"),  # the last of each month
        *("11-01", "11-08", "11-15"),  # Sundays: the last of each week
        *("11-16", "11-17", "11-18", "11-19", "11-20", "11-21", "11-22"),
    ]


@given(st.lists(st.integers(0, 400), min_size=1, unique=True), st.integers(1, 9), st.integers(0, 5), st.integers(0, 8))
def test_removing_every_night_keeps_what_removing_once_would(
    ages: list[int], days: int, weeks: int, months: int
) -> None:
    rules = Backup(days=days, weeks=weeks, months=months)
    every = [Lying(backups.name_of(NOW_MS - age * DAY_MS), 1) for age in sorted(ages, reverse=True)]
    held: list[Lying] = []
    for one in every:
        held.append(one)
        gone = set(backups.to_remove(held, rules, ZONE))
        held = [other for other in held if other.name not in gone]
    once = set(backups.to_remove(every, rules, ZONE))
    assert [one.name for one in held] == [one.name for one in every if one.name not in once]
    assert held[-1] == every[-1]


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 10**9), st.booleans()), min_size=1, max_size=40),
    st.integers(1, 3000),
)
def test_no_more_bytes_are_kept_than_allowed_but_for_the_newest_and_the_newest_good_one(
    found: list[tuple[int, int, bool]], max_mb: int
) -> None:
    unique = {age: Lying(backups.name_of(NOW_MS - age * DAY_MS), size, equal) for age, size, equal in found}
    lying = list(unique.values())
    gone = backups.to_remove(lying, Backup(max_mb=max_mb), ZONE)
    kept = sorted((one for one in lying if one.name not in gone), key=lambda one: one.name, reverse=True)
    newest = max(lying, key=lambda one: one.name)
    good = max((one for one in lying if one.equal), key=lambda one: one.name, default=newest)
    assert newest in kept
    assert good in kept
    assert list(gone) == sorted(gone)
    if set(kept) != {newest, good}:
        assert sum(one.bytes for one in kept) <= max_mb * 1_000_000 or len(kept) <= 2


def test_one_is_due_once_a_night_and_a_missed_night_is_made_up_for() -> None:
    birth = ms("2026-11-20T10:00")
    due = [
        (None, "2026-11-20T23:00", False),  # a new box waits for its first night
        (None, "2026-11-21T03:00", True),
        ("2026-11-21T03:00", "2026-11-21T03:05", False),
        ("2026-11-21T03:00", "2026-11-22T02:59", False),
        ("2026-11-21T03:00", "2026-11-22T03:00", True),
        ("2026-11-21T03:00", "2026-11-24T15:00", True),  # it was switched off for nights
        ("2026-11-22T14:00", "2026-11-22T15:00", False),  # somebody asked for one at noon
        ("2026-11-22T14:00", "2026-11-23T03:00", True),
    ]
    for last, now, wanted in due:
        assert backups.due(3, ZONE, ms(last) if last else None, birth, ms(now)) is wanted, (last, now)


def test_a_backup_of_a_wrong_clock_does_not_stop_all_others() -> None:
    assert backups.due(3, ZONE, ms("2031-01-01T00:00"), 0, ms("2026-11-22T12:00"))
    assert not backups.due(3, ZONE, ms("2026-11-22T12:30"), 0, ms("2026-11-22T12:00"))


def test_the_hour_is_the_offices_also_where_the_clock_is_turned() -> None:
    # Berlin turned its clock back at 03:00 on 2026-10-25; 02:00 came twice, and one backup is made.
    first = ms("2026-10-25T02:00", "Europe/Berlin")
    seen = {backups.last_time_ms(2, "Europe/Berlin", first + minute * 60_000) for minute in range(0, 24 * 60, 7)}
    assert seen == {first}


@given(st.integers(0, 23), st.integers(NOW_MS - 400 * DAY_MS, NOW_MS + 400 * DAY_MS))
def test_the_last_time_is_past_and_no_older_than_a_day_and_an_hour(hour: int, now_ms: int) -> None:
    for zone in (ZONE, "Europe/Berlin", "Australia/Lord_Howe"):
        at_ms = backups.last_time_ms(hour, zone, now_ms)
        assert 0 <= now_ms - at_ms <= DAY_MS + 2 * 3_600_000


def test_it_is_late_after_two_days() -> None:
    assert backups.late(NOW_MS - 2 * DAY_MS + 1, 0, NOW_MS) == 0
    assert backups.late(NOW_MS - 2 * DAY_MS, 0, NOW_MS) == 2
    assert backups.late(None, NOW_MS - 5 * DAY_MS, NOW_MS) == 5
    assert backups.late(None, NOW_MS - DAY_MS, NOW_MS) == 0


def test_waiting_grows_to_six_hours() -> None:
    waits = [backups.wait_ms(tries) for tries in range(1, 40)]
    assert waits[0] == 5 * 60_000
    assert waits[-1] == 6 * 3_600_000
    assert waits == sorted(waits)


def test_a_code_may_be_typed_as_it_reads() -> None:
    assert backups.canonical(" Abcd-EFGH 2345\n") == backups.canonical("abcdefgh2345")
    assert backups.grouped("abcdefgh2345") == "abcd-efgh-2345"


@pytest.mark.parametrize("code", [BACKUP_LATE, BACKUP_FAILED, BACKUP_AWAY])
def test_an_alarm_of_backups_holds_while_something_is_amiss_with_them_also_without_asterisk(code: str) -> None:
    alarm = Alarm("copias", "backup")
    assert read(alarm, State(), NOW_MS) == Reading(False)
    assert read(alarm, State(warnings={code: Warned(code, 1)}), NOW_MS) == Reading(True)


@pytest.mark.parametrize("language", ["pt-BR", "en", "es"])
def test_the_mail_of_such_an_alarm_speaks_of_no_queue(language: str) -> None:
    facts = {"event": "raised", "alarm": "a", "office": "o", "measure": "backup", "queue": "", "queue_title": "",
             "value": 0, "limit": 0, "window_min": 30, "raised_ms": NOW_MS, "at_ms": NOW_MS}  # fmt: skip
    subject, body = alarm_words.mail(facts, language, ZONE)  # type: ignore[arg-type]
    assert subject.startswith("o – ")
    assert len(body.splitlines()) == 2


def test_the_office_file_says_where_and_when_and_how_many() -> None:
    text = "[office]\nname = 'x'\n[backup]\nhour = 4\nfolder = '/data/backups'\nstick = '/media/stick'\ndays = 3\n"
    office = office_file.read(text)
    assert backups.settings_of(office) == Backup(4, "/data/backups", "/media/stick", days=3)
    assert office_file.read(office_file.write(office)) == office
    assert backups.settings_of(Office("x")) == Backup()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("off_box = true", "no \\[copy\\]"),
        ("stick = 'media/x'", "begins with /"),
        ("folder = '/a/../b'", "cannot be a folder"),
        ("hour = 24", "from 0 to 23"),
        ("days = 0", "from 1 to 60"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(row: str, said: str) -> None:
    with pytest.raises(OfficeRefused, match=said):
        office_file.read(f"[office]\nname = 'x'\n[backup]\n{row}\n")


def test_an_alarm_of_backups_needs_no_limit() -> None:
    office = office_file.read("[office]\nname='x'\n[[alarm]]\nname='copias'\nmeasure='backup'\n")
    assert office.alarms[0].measure == "backup"


def test_the_names_of_a_year_are_all_different() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert len({backups.name_of(round((start + timedelta(days=n)).timestamp() * 1000)) for n in range(365)}) == 365
