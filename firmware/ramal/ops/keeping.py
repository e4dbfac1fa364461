"""Room for recordings: what is past its time goes, the disk never fills, and legal holds.

Law: removing goes through the vault (row and seal first, then the file), in small rounds, and never takes what is under
a hold or younger than its minimum; when that leaves no room, new calls are not recorded and calls go on. Whether they
are stands in AstDB ahead of time, so that the dialplan obeys the last word with this process dead.

Runs on its own thread, named ``keeping``, which may wait for the writer, the disk and Asterisk; the requests run on the
control thread and hand over to the writer.
"""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from typing import Any, cast, get_args

from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.core import numbering, retention, warnings
from ramal.core.calm import calm
from ramal.core.commands import PutSwitch
from ramal.core.events import ConditionSeen
from ramal.core.retention import DAY_MS, MB, Disk, Kept, Plan, Room, Terms
from ramal.core.retention_rules import minimum_days
from ramal.errors import RamalError
from ramal.ops import asterisk
from ramal.ops.means import Means, Subject
from ramal.ops.sweeping import Ballast, sweep
from ramal.ops.vault import calls_now
from ramal.store import holds, stock
from ramal.store.ledger import TAKES
from ramal.store.stock import Look
from ramal.vault import removal

log = logging.getLogger(__name__)

FAMILY, KEY = "ramal-record", "full"
"""AstDB: until when (seconds since 1970) new calls are not recorded; ``dialplan/record.conf`` reads it."""
LASTS_S = 24 * 3600
"""A word of a daemon that is dead holds for so long: on a box that nobody mends, recording is tried again."""
REFRESH_S = 3600.0
WHOLE_S = 1800.0
"""How often everything is looked at (half a second of CPU for 100,000 recordings); the free room, every tick."""
PRESSED_S = 30.0
"""The same while there is too little room."""
SWEEP_S = 24 * 3600.0
AT_ONCE = 200
JUMP_S = 3600.0
NICE = 19

Statvfs = Callable[[Any], Any]


def subject(means: Means) -> Subject:
    """``recordings.hold``, ``recordings.release``, ``recordings.look`` (look at everything soon)."""
    keeping = Keeping(means)
    desk = _Desk(means, keeping.soon)
    return Subject(
        "keeping",
        {
            "recordings.hold": desk.hold,
            "recordings.release": desk.release,
            "recordings.look": desk.look,
        },
        start=keeping.start,
        stop=keeping.stop,
        at_up=keeping.again,
    )


class Keeping:
    """The thread. ``statvfs``, ``load`` and ``clock`` are what tests put in the place of the box's own."""

    def __init__(
        self,
        means: Means,
        *,
        statvfs: Statvfs = os.statvfs,
        load: Callable[[], float] = lambda: os.getloadavg()[0],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._means, self._statvfs, self._load, self._clock = means, statvfs, load, clock
        self._stopping, self._asked = threading.Event(), threading.Event()
        self._look: Look | None = None
        self._believed_s, self._offset_s = clock(), means.clock_ms() / 1000 - clock()
        self._whole_s = self._sweep_s = self._told_s = float("-inf")
        self._ballast = Ballast(means.home)
        self._doubted = False
        self._thread = threading.Thread(target=self._run, name="keeping", daemon=True)

    def start(self) -> None:
        """Begin to look after the room."""
        self._thread.start()

    def stop(self) -> None:
        """End after the removal in hand."""
        self._stopping.set()
        self._asked.set()
        if self._thread.is_alive():
            self._thread.join(10.0)

    def soon(self) -> None:
        """Look at everything now; on any thread."""
        self._whole_s = float("-inf")
        self._asked.set()

    def again(self) -> None:
        """Asterisk came up, or has another office: tell it again, look again."""
        self._told_s = float("-inf")
        self.soon()

    def round(self) -> int:
        """Look at the disk, and at everything when that is due; how many recordings went."""
        now_s = self._clock()
        last = self._look or self._means.read(stock.look) or Look(self._means.clock_ms(), counted=False)
        settings = retention.settings_of(self._means.office())
        disk = self._disk(last.used)
        room = retention.room(settings, disk.total)
        pressed = room.excess(disk)[0] > 0
        gone = 0
        if now_s - self._whole_s >= (PRESSED_S if pressed else WHOLE_S) and (pressed or self._calm()):
            self._whole_s = now_s
            gone, last = self._whole(last, room)
            disk = self._disk(last.used)
        self._look = self._decide(replace(last, free=disk.free, total=disk.total, floor=room.floor), disk, room)
        self._tell(self._look)
        self._tell_asterisk(now_s)
        if now_s - self._sweep_s >= SWEEP_S and not pressed and self._calm():
            self._sweep()
            self._sweep_s = now_s
        self._ballast.keep(disk.free > room.floor * retention.COMFORT)
        return gone

    # -- keeping thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        except OSError:
            log.debug("the room for recordings is looked after at normal priority", exc_info=True)
        while not self._stopping.is_set():
            try:
                self.round()
            except RamalError as error:
                log.info("room for recordings: %s", error)
            except Exception:
                log.exception("looking after the room for recordings stumbled; it is tried again")
            self._asked.wait(self._means.tick_s)
            self._asked.clear()

    def _disk(self, used: int) -> Disk:
        found = self._statvfs(self._means.home.recordings)
        return Disk(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize, used)

    def _whole(self, last: Look, room: Room) -> tuple[int, Look]:
        """Plan, carry it out as far as one round goes, foretell; how many went, and what is so now."""
        now_ms = self._means.clock_ms()
        office = self._means.office()
        self._remember(now_ms)
        believed = self._believe(now_ms, last)

        def study(db: sqlite3.Connection) -> tuple[Terms, Plan, _Counted, retention.Pace, tuple[int, int]]:
            terms = retention.terms(office, stock.remembered(db))
            used, _ = stock.sums(db)
            counted = _Counted(terms, now_ms)
            made = retention.plan(counted(stock.kept(db, now_ms)), terms, self._disk(used), room, now_ms, AT_ONCE)
            early = stock.early(db, now_ms - 30 * DAY_MS)
            return terms, made, counted, stock.pace(db, terms, now_ms, office.timezone), early

        _, made, counted, pace, early = self._means.read(study)
        gone = self._carry_out(made, now_ms) if believed else 0
        if gone:
            early = self._means.read(lambda db: stock.early(db, now_ms - 30 * DAY_MS))
        used = max(0, counted.bytes - sum(one.bytes for one in made.going[:gone]))
        disk = self._disk(used)
        capacity = room.capacity(disk)
        look = replace(
            last,
            at_ms=now_ms,
            used=used,
            count=max(0, counted.count - gone),
            capacity=capacity,
            full_days=retention.full_in(pace, counted.leaving, capacity - used),
            short=made.short,
            fixed=made.fixed,
            held=made.held,
            young=made.young,
            early=early[0],
            early_ms=early[1],
            believed_ms=now_ms if believed else last.believed_ms,
            counted=True,
        )
        if made.more and believed:
            self._whole_s = float("-inf")  # and on with the next round
        return gone, look

    def _carry_out(self, made: Plan, now_ms: int) -> int:
        """Remove, one after the other; how many were dealt with."""
        freed = gone = 0
        for one in made.going:
            if self._stopping.is_set() or not (one.early or self._calm()):
                break
            freed += self._remove(one.id, one.why, now_ms)
            gone += 1
        if gone:
            early = sum(one.early for one in made.going[:gone])
            log.info("%d recordings went (%d before their time): %.1f MB are free again", gone, early, freed / 1e6)
        return gone

    def _remove(self, recording: int, why: str, now_ms: int) -> int:
        def held(db: sqlite3.Connection) -> bool:
            return bool(holds.of_call(db, recording // TAKES, now_ms))

        def write(job: Callable[[sqlite3.Connection], Any]) -> Any:
            return self._means.write(job).result()

        try:
            return removal.remove(self._means.home, write, recording, now_ms, why, unless=held)
        except (OSError, sqlite3.Error) as error:
            if not self._ballast.throw(error):
                raise
            log.warning("the disk is so full that nothing could be removed from it; the room kept for this is used")
            return removal.remove(self._means.home, write, recording, now_ms, why, unless=held)

    def _remember(self, now_ms: int) -> None:
        """Queues and campaigns that are customer service by law, for the time when they are not any more."""
        office = self._means.office()
        least = minimum_days(office.country, "sac")
        names = sorted(retention.sac_places(office))
        if least and names:

            def job(db: sqlite3.Connection) -> None:
                for name in names:
                    stock.remember(db, name, least, now_ms)

            self._means.write(job).result()

    def _believe(self, now_ms: int, last: Look) -> bool:
        now_s = self._clock()
        if abs(now_ms / 1000 - now_s - self._offset_s) > JUMP_S:
            self._believed_s, self._offset_s = now_s, now_ms / 1000 - now_s
        up_ms = int((now_s - self._believed_s) * 1000)
        believed = self._means.trusted() and retention.clock_trusted(now_ms, last.believed_ms or None, up_ms)
        if not believed and not self._doubted:
            ahead = "the clock is weeks ahead of the last look; for a day"
            why = ahead if self._means.trusted() else "the clock is not trusted; until it is"
            log.warning("%s no recording is removed for its age", why)
        self._doubted = not believed
        return believed

    def _decide(self, look: Look, disk: Disk, room: Room) -> Look:
        """Whether new calls are recorded; kept on the disk when it changes, and after a whole look."""
        goes_on = retention.may_record(not look.off, disk, room, look.fixed)
        now_ms = self._means.clock_ms()
        if goes_on and look.off:
            log.info("there is room again: new calls are recorded")
            look = replace(look, off="", off_since_ms=0)
        elif not goes_on and not look.off:
            why = "room" if disk.free < room.floor else "quota"
            log.error("new calls are NOT recorded (%s): %d MB are free; calls go on", why, disk.free // MB)
            look = replace(look, off=why, off_since_ms=now_ms)
        known = self._look
        if known is None or (look.off, look.at_ms) != (known.off, known.at_ms):
            self._told_s = self._told_s if known is not None and look.off == known.off else float("-inf")
            self._means.write_soon(lambda db: stock.put_look(db, look))
        return look

    def _tell_asterisk(self, now_s: float) -> None:
        if self._look is None or now_s - self._told_s < (REFRESH_S if self._look.off else float("inf")):
            return
        until_s = self._means.clock_ms() // 1000 + LASTS_S
        try:
            asterisk.tell(self._means, PutSwitch(FAMILY, KEY, str(until_s) if self._look.off else ""))
        except RamalError as error:
            log.debug("Asterisk is not told whether there is room: %s", error)
            return
        self._told_s = now_s

    def _tell(self, look: Look) -> None:
        now_ms = self._means.clock_ms()
        figures = (("reason", look.off), ("free_mb", look.free // MB), ("short_mb", -(-look.short // MB)))
        self._say(warnings.RECORDING_STOPPED, bool(look.off), figures)
        soon = look.full_days is not None and look.full_days <= retention.SOON_DAYS and not look.off
        self._say(warnings.ROOM_SOON, soon and not look.early, (("days", look.full_days or 0),))
        age = max(0, (now_ms - look.early_ms) // DAY_MS)
        self._say(warnings.RECORDINGS_EARLY, look.early > 0, (("count", look.early), ("days", age)))
        self._say(
            warnings.RECORDINGS_ORPHANED, look.orphans > 0, (("count", look.orphans), ("path", look.orphan[:200]))
        )

    def _say(self, code: str, holds_: bool, args: tuple[tuple[str, str | int], ...]) -> None:
        self._means.tell(ConditionSeen(code, holds_, args if holds_ else ()))

    def _sweep(self) -> None:
        """Files that should not be there."""
        now_s = self._means.clock_ms() / 1000
        found = sweep(self._means.home, self._means.read, now_s)
        if found.left:
            log.info("%d files should be gone by what is written down; the vault looks at them again", len(found.left))
            self._means.write(lambda db: stock.unlink_again(db, list(found.left))).result()
        assert self._look is not None
        if found.orphans and not self._look.orphans:
            log.warning("%d files among the recordings belong to none, such as %s", len(found.orphans), found.first)
        self._look = look = replace(self._look, orphans=len(found.orphans), orphan=found.first)
        self._means.write_soon(lambda db: stock.put_look(db, look))

    def _calm(self) -> bool:
        return calm(calls_now(self._means.state()), self._load(), 0.0, os.cpu_count() or 1)


class _Counted:
    """Looks at recordings as they pass: how many bytes there are, and what goes by its age on which day from today."""

    def __init__(self, terms: Terms, now_ms: int) -> None:
        self.bytes = self.count = 0
        self.leaving: dict[int, int] = {}
        self._terms, self._now_ms = terms, now_ms

    def __call__(self, kept: Iterable[Kept]) -> Iterator[Kept]:
        for one in kept:
            self.bytes += one.bytes
            self.count += 1
            due_ms = None if one.held else self._terms.of(one).due_ms(one.begun_ms)
            if due_ms is not None:
                day = max(0, (due_ms - self._now_ms) // DAY_MS)
                self.leaving[day] = self.leaving.get(day, 0) + one.bytes
            yield one


@dataclass(frozen=True, slots=True)
class _Desk:
    """What people ask for."""

    means: Means
    soon: Callable[[], None]

    def hold(self, request: Request) -> "Future[Answer]":
        """Put a hold for ``who``: ``kind`` (call, number, queue), ``what``, ``why``; ``from``, ``to``, ``until``: ms
        since 1970 as text, empty = open. ``{"hold": …}``; RamalError with a sentence."""
        wish, who = self._wish(request), request.text("who", "command line")
        at_ms = self.means.clock_ms()
        return self._done(lambda db: holds.add(db, at_ms, who, wish))

    def release(self, request: Request) -> "Future[Answer]":
        """End the hold ``id`` for ``who``."""
        number, who = request.text("id"), request.text("who", "command line")
        if not number.isascii() or not number.isdigit() or len(number) > 15:
            raise RamalError("A hold is named by its number. Nothing was changed.")
        at_ms = self.means.clock_ms()
        return self._done(lambda db: holds.release(db, at_ms, who, int(number)))

    def look(self, request: Request) -> Answer:
        """Have everything looked at soon."""
        self.soon()
        return {}

    def _done(self, job: Callable[[sqlite3.Connection], holds.Hold]) -> "Future[Answer]":
        def both(db: sqlite3.Connection) -> Answer:
            return {"hold": asdict(job(db))}

        future = self.means.write(both)
        future.add_done_callback(lambda _: self.soon())
        return future

    def _wish(self, request: Request) -> holds.Wish:
        kind, what, why = request.text("kind"), request.text("what").strip(), request.text("why", "")
        return wish_of(self.means.office(), kind, what, why, *(request.text(k, "") for k in ("from", "to", "until")))


def wish_of(office: Any, kind: str, what: str, why: str, from_: str, to: str, until: str) -> holds.Wish:
    """A hold as people ask for it; RamalError with a sentence."""
    if kind not in get_args(holds.Kind):
        raise RamalError("A hold is on a call, a number or a queue: call, number, queue. Nothing was changed.")
    if kind == "number":
        number = numbering.normalise(what, office.country, numbering.office_area(office))
        if not number:
            raise RamalError(f"“{what[:40]}” is no telephone number. Nothing was changed.")
        what = number
    times = []
    for text in (from_, to, until):
        if text and (not text.isascii() or not text.isdigit() or len(text) > 15):
            raise RamalError("A time of a hold cannot be read. Nothing was changed.")
        times.append(int(text) if text else None)
    return holds.Wish(cast(holds.Kind, kind), what[:200], why, *times)
