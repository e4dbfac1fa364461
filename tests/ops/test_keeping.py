"""Room for recordings, on real files, a real database and the real vault: what goes, what stays, and what is told."""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ramal.ami.codec import Message
from ramal.control.protocol import Request
from ramal.core.events import ConditionSeen
from ramal.core.office import Campaign, Office, Queue, Recordings
from ramal.core.retention import DAY_MS, MB
from ramal.errors import RamalError
from ramal.holding import room_line
from ramal.ops import keeping, sweeping
from ramal.ops.keeping import FAMILY, KEY, Keeping, wish_of
from ramal.ops.means import Means
from ramal.ops.sweeping import Ballast, sweep
from ramal.store import holds, seals, sounds, stock
from ramal.store.holds import Wish
from ramal.store.ledger import TAKES
from ramal.store.writer import Writer
from ramal.vault import keep
from ramal.vault.verify import Verification
from tests.vault.shelf import ENDED_MS, Shelf

BEGUN_MS = ENDED_MS - 60_000
WAV = b"RIFF" + bytes(40_000)


@dataclass(slots=True)
class World:
    """A shelf, an office, and a disk of which the test says how much is free beside the recordings."""

    shelf: Shelf
    office: Office = field(default_factory=lambda: Office("x", queues=(Queue("sales"),)))
    free_mb: int = 900
    total_mb: int = 1000
    switches: dict[str, str] = field(default_factory=dict)
    now_s: float = 0.0
    asterisk_up: bool = True

    def means(self) -> Means:
        def ask(action: str, headers: Any = (), variables: Any = (), *, action_id: str = "") -> Message:
            if not self.asterisk_up:
                raise RamalError("Asterisk is not there.")
            given = dict(headers)
            if action == "DBPut":
                self.switches[f"{given['Family']}/{given['Key']}"] = given["Val"]
            if action == "DBDel":
                self.switches.pop(f"{given['Family']}/{given['Key']}", None)
            return Message((("Response", "Success"),))

        return replace(self.shelf.means(), ask=ask, office=lambda: self.office)

    def keeping(self) -> Keeping:
        return Keeping(self.means(), statvfs=self.statvfs, load=lambda: 0.0, clock=lambda: self.now_s)

    def statvfs(self, _: object) -> Any:
        return SimpleNamespace(f_blocks=self.total_mb, f_bavail=self.free_mb, f_frsize=MB)

    def later(self, days: float) -> None:
        """Time goes by, for the wall and for the clock."""
        now_ms = BEGUN_MS + int(days * DAY_MS)
        self.now_s += (now_ms - self.shelf.now_ms) / 1000
        self.shelf.now_ms = now_ms

    def put(self, caller: str = "", queue: str = "", campaign: str = "") -> int:
        number = self.shelf.put(WAV)
        values = (caller, queue, campaign, number // TAKES)
        self.shelf.write(
            lambda db: db.execute("UPDATE call SET caller = ?, queue = ?, campaign = ? WHERE key = ?", values)
        )
        return number

    def there(self, recording: int) -> bool:
        return self.shelf.path(recording, ".wav").exists()

    def warned(self) -> Mapping[str, Mapping[str, Any]]:
        told: dict[str, ConditionSeen] = {}
        for event in self.shelf.told:
            told[event.code] = event
        return {code: dict(event.args) for code, event in told.items() if event.holds}

    def hold(self, wish: Wish) -> holds.Hold:
        at_ms = self.shelf.now_ms
        return self.shelf.write(lambda db: holds.add(db, at_ms, "boss", wish))

    def look(self) -> stock.Look:
        self.shelf.write(lambda db: None)  # what was written soon is written now
        found = self.shelf.read(stock.look)
        assert found is not None
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    shelf = Shelf.at(tmp_path / "home")
    yield World(shelf)
    shelf.close()


def test_what_is_past_its_time_goes_through_the_vault_and_the_catalogue_knows_why(world: World) -> None:
    world.office = replace(world.office, recordings=(Recordings(keep_days=40, minimum_days=10),))
    one = world.put()
    room = world.keeping()
    world.later(39)
    assert room.round() == 0
    assert world.there(one)
    world.later(41)
    assert room.round() == 1
    assert not world.there(one)
    gone = world.shelf.read(lambda db: sounds.of(db, one))
    assert (gone.gone_why, gone.unlink_due) == ("age", 0)
    assert [seal.kind for seal in world.shelf.read(lambda db: list(seals.rows(db)))] == ["gone"]
    assert list(world.shelf.read(lambda db: list(Verification(world.shelf.home, db).flaws()))) == []
    assert world.look().count == 0
    world.later(42)
    assert room.round() == 0, "done is done"


@pytest.mark.parametrize(
    "wish",
    [
        Wish("number", "+5511987654321", "a court asks"),
        Wish("queue", "sales", "a court asks", BEGUN_MS - 1, BEGUN_MS + 1),
        Wish("call", "", "a court asks"),
    ],
    ids=lambda wish: wish.kind,
)
def test_what_is_under_a_hold_stays_until_it_is_released(world: World, wish: Wish) -> None:
    world.office = replace(world.office, recordings=(Recordings(keep_days=40),))
    held, other = world.put("+5511987654321", "sales"), world.put("+5511900000000", "care")
    call = world.shelf.read(lambda db: db.execute("SELECT id FROM call WHERE key = ?", (held // TAKES,)).fetchone())[0]
    made = world.hold(replace(wish, what=wish.what or call))
    room = world.keeping()
    world.free_mb = 0
    world.later(50)
    assert room.round() == 1
    assert (world.there(held), world.there(other)) == (True, False)
    assert world.look().held == 1
    world.shelf.write(lambda db: holds.release(db, world.shelf.now_ms, "boss", made.id))
    world.later(51)
    assert room.round() == 1
    assert not world.there(held)
    audit = world.shelf.read(lambda db: db.execute("SELECT who, what FROM audit ORDER BY id").fetchall())
    assert audit == [("boss", "recordings.hold"), ("boss", "recordings.release")]


def test_a_hold_that_is_put_between_the_plan_and_the_removal_still_holds(world: World) -> None:
    world.office = replace(world.office, recordings=(Recordings(keep_days=40),))
    one = world.put("+5511987654321")
    means = world.means()
    put = False

    def write(job: Any) -> Any:
        nonlocal put
        if not put:
            put = True
            world.hold(Wish("number", "+5511987654321", "a court asks"))
        return world.shelf.writer.submit(job)

    world.later(50)
    room = Keeping(replace(means, write=write), statvfs=world.statvfs, load=lambda: 0.0, clock=lambda: world.now_s)
    room.round()
    assert world.there(one)


def test_a_hold_with_an_end_ends_by_itself(world: World) -> None:
    world.office = replace(world.office, recordings=(Recordings(keep_days=40),))
    one = world.put("+5511987654321")
    world.hold(Wish("number", "+5511987654321", "a court asks", until_ms=BEGUN_MS + 60 * DAY_MS))
    room = world.keeping()
    world.later(59)
    room.round()
    assert world.there(one)
    world.later(61)
    room.round()
    assert not world.there(one)


def test_holds_that_make_no_sense_are_refused_with_a_sentence(world: World) -> None:
    for wish in (
        Wish("number", "+5511987654321", " "),
        Wish("queue", "sales", "x", 2, 1),
        Wish("call", "1.2", "x"),
        Wish("queue", "sales", "x", until_ms=1),
    ):
        with pytest.raises(RamalError, match="Nothing was changed"):
            world.hold(wish)
    with pytest.raises(RamalError, match="no telephone number"):
        wish_of(world.office, "number", "twelve", "x", "", "", "")
    with pytest.raises(RamalError, match="call, number, queue"):
        wish_of(world.office, "agent", "7", "x", "", "", "")
    assert wish_of(world.office, "number", "(11) 98765-4321", "x", "", "", "").what == "+5511987654321"
    with pytest.raises(RamalError, match="no hold 9"):
        world.shelf.write(lambda db: holds.release(db, 1, "boss", 9))


def test_with_too_little_room_new_calls_are_not_recorded_and_then_are_again(world: World) -> None:
    room = world.keeping()
    room.round()
    assert world.switches == {}
    world.free_mb, world.now_s = 19, world.now_s + 10
    room.round()
    until_s = int(world.switches[f"{FAMILY}/{KEY}"])
    assert until_s - world.shelf.now_ms // 1000 == keeping.LASTS_S
    assert world.warned()["recording-stopped"]["reason"] == "room"
    assert world.look().off == "room"
    world.free_mb, world.now_s = 24, world.now_s + 10
    room.round()
    assert world.switches, "not before there is a quarter more"
    world.free_mb, world.now_s = 25, world.now_s + 10
    room.round()
    assert world.switches == {}
    assert "recording-stopped" not in world.warned()
    assert world.look().off == ""


def test_a_new_daemon_goes_on_with_what_the_last_one_decided(world: World) -> None:
    world.free_mb = 19
    world.keeping().round()
    assert world.look().off == "room"
    world.free_mb = 24
    again = world.keeping()
    again.round()
    assert world.switches
    assert "recording-stopped" in world.warned()


def test_asterisk_is_told_when_it_is_back(world: World) -> None:
    room = world.keeping()
    world.asterisk_up, world.free_mb = False, 0
    room.round()
    assert world.switches == {}
    assert "recording-stopped" in world.warned(), "the page is told meanwhile"
    world.asterisk_up = True
    room.again()
    room.round()
    assert world.switches


def test_what_may_go_early_goes_before_recording_stops(world: World) -> None:
    numbers = [world.put() for _ in range(3)]
    room = world.keeping()
    world.later(31)
    world.free_mb = 29
    assert room.round() == 3
    assert not any(map(world.there, numbers))
    world.shelf.write(lambda db: None)
    assert world.switches == {}
    assert world.warned()["recordings-early"]["count"] == 3
    assert world.warned()["recordings-early"]["days"] == 31


def test_what_is_too_young_stays_and_recording_stops_instead(world: World) -> None:
    numbers = [world.put() for _ in range(3)]
    room = world.keeping()
    world.later(29)
    world.free_mb = 0
    assert room.round() == 0
    assert all(map(world.there, numbers))
    assert world.look().short > 0
    assert world.look().young == 3
    assert world.switches


def test_a_clock_that_wakes_up_years_ahead_removes_nothing(world: World) -> None:
    one = world.put()
    room = world.keeping()
    room.round()
    world.shelf.now_ms += 3000 * DAY_MS
    world.now_s += 3600
    assert room.round() == 0
    assert world.there(one)
    world.now_s += 86_401
    world.shelf.now_ms += DAY_MS + 1000
    assert room.round() == 1, "after a day it is believed"


def test_rounds_are_small_and_go_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "AT_ONCE", 2)
    world.office = replace(world.office, recordings=(Recordings(keep_days=40),))
    for _ in range(5):
        world.put()
    room = world.keeping()
    world.later(50)
    assert [room.round() for _ in range(4)] == [2, 2, 1, 0]


def test_a_busy_box_removes_nothing_that_can_wait(world: World) -> None:
    world.office = replace(world.office, recordings=(Recordings(keep_days=40),))
    one = world.put()
    load = 99.0
    room = Keeping(world.means(), statvfs=world.statvfs, load=lambda: load, clock=lambda: world.now_s)
    world.later(50)
    assert room.round() == 0
    load = 0.0
    assert room.round() == 1
    assert not world.there(one)


def test_a_box_that_is_busy_from_its_start_does_not_say_that_it_counted(world: World) -> None:
    world.put()
    load = 99.0
    room = Keeping(world.means(), statvfs=world.statvfs, load=lambda: load, clock=lambda: world.now_s)
    room.round()
    assert not world.look().counted
    assert room_line(world.look()).startswith("Recordings: not counted yet;")
    load = 0.0
    world.later(1)
    room.round()
    assert world.look().counted
    assert room_line(world.look()).startswith("Recordings: 1 recordings take ")


def test_the_minimum_of_a_queue_outlives_the_queue(world: World) -> None:
    world.office = Office("x", queues=(Queue("care", sac=True),), recordings=(Recordings(10, minimum_days=0),))
    one = world.put(queue="care")
    world.later(1)
    world.keeping().round()
    world.office = Office("x", queues=(), recordings=(Recordings(10, minimum_days=0),))
    room = world.keeping()
    world.later(80)
    room.round()
    assert world.there(one)
    world.later(91)
    room.round()
    assert not world.there(one)


def test_talks_of_a_campaign_go_by_its_own_days_but_not_while_held_or_too_young(world: World) -> None:
    campaigns = (Campaign("spring", "1", keep_days=20), Campaign("plain", "2"), Campaign("young", "3", keep_days=1))
    settings = Recordings(keep_days=40, campaign_days=60, minimum_days=10)
    world.office = replace(world.office, campaigns=campaigns, recordings=(settings,))
    own, held = world.put(campaign="spring"), world.put("+5511987654321", campaign="spring")
    plain, talk, young = world.put(campaign="plain"), world.put(), world.put(campaign="young")
    world.hold(Wish("number", "+5511987654321", "a court asks"))
    room = world.keeping()
    left = {}
    for day in (9, 11, 21, 41, 61):
        world.later(day)
        while room.round():
            pass
        left[day] = [world.there(one) for one in (own, held, plain, talk, young)]
    assert left == {
        9: [True, True, True, True, True],
        11: [True, True, True, True, False],
        21: [False, True, True, True, False],
        41: [False, True, True, False, False],
        61: [False, True, False, False, False],
    }


def test_the_minimum_of_a_campaign_outlives_the_campaign(world: World) -> None:
    recordings = (Recordings(10, campaign_days=10, minimum_days=0),)
    world.office = Office("x", campaigns=(Campaign("care", "1", sac=True),), recordings=recordings)
    one, other = world.put(campaign="care"), world.put(queue="care")
    world.later(1)
    world.keeping().round()
    world.office = Office("x", recordings=recordings)
    room = world.keeping()
    world.later(80)
    room.round()
    assert (world.there(one), world.there(other)) == (True, False), "a queue of the same name is another thing"
    world.later(91)
    room.round()
    assert not world.there(one)


def test_files_of_nobody_are_told_of_and_left_alone_and_empty_folders_go(world: World) -> None:
    home = world.shelf.home
    known = world.put()
    stray = home.recordings / "2020" / "01" / "02" / "stray.wav"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"x")
    empty = home.recordings / "2020" / "02" / "03"
    empty.mkdir(parents=True)
    (home.recordings / ".vault").mkdir(exist_ok=True)
    (home.recordings / ".vault" / "9.part").write_bytes(b"x")
    now_s = stray.stat().st_mtime + 8 * 86_400
    found = sweep(home, world.shelf.read, now_s)
    assert found.orphans == ("recordings/2020/01/02/stray.wav",)
    assert stray.exists()
    assert not empty.exists()
    assert not empty.parent.exists()
    assert world.there(known)
    young = sweep(home, world.shelf.read, stray.stat().st_mtime + 3600)
    assert young.orphans == ()


def test_a_file_that_came_back_after_it_was_gone_is_removed_again(world: World) -> None:
    world.office = replace(world.office, recordings=(Recordings(keep_days=40),))
    one = world.put()
    room = world.keeping()
    world.later(50)
    assert room.round() == 1
    path = world.shelf.path(one, ".wav")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(WAV)
    world.later(52)
    room.round()
    keep.tidy(keep.Ways(world.shelf.home, world.shelf.write, lambda name: [name], lambda: world.shelf.now_ms))
    assert not path.exists()


def test_room_kept_aside_is_thrown_away_only_when_there_is_no_other(world: World) -> None:
    ballast = Ballast(world.shelf.home)
    path = world.shelf.home.recordings_work / "ballast"
    assert not ballast.throw(sqlite3.OperationalError("database or disk is full")), "none was kept"
    ballast.keep(False)
    assert not path.exists()
    ballast.keep(True)
    assert path.stat().st_blocks * 512 >= sweeping.BALLAST_BYTES
    assert not ballast.throw(OSError(5, "input/output error"))
    assert path.exists()
    assert ballast.throw(sqlite3.OperationalError("database or disk is full"))
    assert not path.exists()


def test_a_hold_is_asked_for_over_the_control_socket(world: World) -> None:
    subject = keeping.subject(world.means())
    asked = {"kind": "number", "what": "11 98765-4321", "why": "a court asks", "who": "ana"}
    answer = subject.handlers["recordings.hold"](Request(1, "recordings.hold", asked)).result()  # type: ignore[union-attr]
    assert answer["hold"]["what"] == "+5511987654321"
    ended = Request(2, "recordings.release", {"id": str(answer["hold"]["id"]), "who": "ana"})
    subject.handlers["recordings.release"](ended).result()  # type: ignore[union-attr]
    with pytest.raises(RamalError, match="ended already"):
        subject.handlers["recordings.release"](ended).result()  # type: ignore[union-attr]


def test_the_forecast_of_a_steady_office_stands_in_the_look(world: World) -> None:
    for day in range(30):
        for each in range(4):
            number = world.put()
            begun_ms = BEGUN_MS + day * DAY_MS
            key = begun_ms // 1000 * 2048 + 1000 + each
            world.shelf.write(lambda db, n=number, k=key, b=begun_ms: _move(db, n, k, b))
    room = world.keeping()
    world.later(30)
    room.round()
    look = world.look()
    assert look.count == 120
    assert look.used == 120 * len(WAV)
    a_day = 4 * len(WAV)
    assert look.full_days is not None
    assert abs(look.full_days - (look.capacity - look.used) / a_day) <= 1 or look.full_days == 730
    world.free_mb = 30 + 10 * a_day // MB
    world.later(30.1)
    room.round()
    assert world.look().full_days is not None
    assert world.look().full_days < 14  # type: ignore[operator]
    assert world.warned()["room-soon"]["days"] == world.look().full_days


def _move(db: sqlite3.Connection, number: int, key: int, begun_ms: int) -> None:
    old = number // TAKES
    db.execute("UPDATE recording SET id = ?, started_ms = ? WHERE id = ?", (key * TAKES, begun_ms, number))
    db.execute("UPDATE call SET key = ?, id = id || 'm', started_ms = ? WHERE key = ?", (key, begun_ms, old))


def test_removing_works_on_a_writer_that_was_closed_and_opened_again(world: World) -> None:
    world.office = replace(world.office, recordings=(Recordings(keep_days=40),))
    one = world.put()
    world.shelf.writer.stop()
    world.shelf.writer = Writer(world.shelf.home.db)
    world.later(50)
    with contextlib.suppress(RamalError):
        world.keeping().round()
    assert not world.there(one)
