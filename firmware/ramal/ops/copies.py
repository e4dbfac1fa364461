"""The copier: brings kept recordings to where the office's ``[copy]`` says, in the night or when somebody asks.

Law: level-triggered, one rclone at a time, and only while the box is calm; what was sent counts only when it was seen
there again. Its thread, named ``copies``, has the lowest priority; a daemon that dies in between leaves rows that the
next one takes up. Requests run on the control thread and only look or hand over.
"""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.core import copies as rules
from ramal.core import warnings
from ramal.core.copies import Code
from ramal.core.events import ConditionSeen
from ramal.core.office import Copy
from ramal.errors import RamalError
from ramal.ops import copying
from ramal.ops.far import Far, FarFailed, program
from ramal.ops.leisure import Leisure, Stopping
from ramal.ops.means import Means, Subject
from ramal.store import copies as rows
from ramal.store.copies import Due, RunKind

log = logging.getLogger(__name__)

FILES_A_BATCH = 100
TEST_WAIT_S = 5.0
IDLE_TICKS = 6
"""Looking for what is due reads every row of what is kept."""
NICE = 19
DAY_MS = 24 * 3_600_000


def subject(means: Means, load: Callable[[], float] = lambda: os.getloadavg()[0]) -> Subject:
    """``copies.now``, ``copies.check`` (begin one), ``copies.test`` (does a connection work), ``copies.status``,
    ``copies.dropped`` (nothing lies at ``place`` any more)."""
    copier = Copier(means, load=load)
    return Subject(
        "copies",
        {
            "copies.now": lambda _: copier.ask("now"),
            "copies.check": lambda _: copier.ask("check"),
            "copies.test": lambda _: copier.test(),
            "copies.status": lambda _: copier.told(),
            "copies.dropped": copier.dropped,
        },
        start=copier.start,
        stop=copier.stop,
    )


def forget(means: Means, recordings: Iterable[int]) -> "Future[int]":
    """Have the copies of ``recordings`` removed wherever they lie; how many there are. Inside a transaction of your own
    call ``store.copies.forget`` with it instead; ``store.copies.left_far`` tells when they are gone."""
    wanted = tuple(recordings)
    return means.write(lambda db: rows.forget(db, wanted))


class NotNow(RamalError):
    """Nothing can be copied as things are."""

    def __init__(self, code: Code) -> None:
        super().__init__(rules.SENTENCES[code])
        self.code = code


class Copier:
    """The thread. ``load`` and ``clock`` are what tests put in the place of the box's own."""

    def __init__(
        self,
        means: Means,
        *,
        load: Callable[[], float] = lambda: os.getloadavg()[0],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._means, self._clock = means, clock
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._leisure = Leisure(means, load, clock, self._stopping)
        self._asked: set[RunKind] = set()
        self._rclone = threading.Lock()
        """Held by whoever has an rclone running."""
        self._run: tuple[int, RunKind] | None = None
        self._doing = ""
        self._waiting = False
        """For the box to become calm."""
        self._outage: tuple[Code, str, int, float] | None = None
        """What keeps everything from being copied: why, what was seen there, how often, and until when."""
        self._first = True
        self._place = ""
        self._thread = threading.Thread(target=self._work, name="copies", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is being sent is cut off and looked at again by the next one."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(10.0)

    # -- requests ------------------------------------------------------------------------------------------------------

    def ask(self, kind: RunKind) -> Answer:
        """Copy, or check what lies there, as soon as the box is calm. RamalError when that cannot be."""
        if not self._means.office().copy:
            raise NotNow("no-copy")
        if program() is None:
            raise NotNow("no-rclone")
        self._asked.add(kind)
        self._outage = None
        self._woken.set()
        return self.told()

    def told(self) -> Answer:
        """``{"doing", "waiting", "asked", "reason", "shown", "place"}``; doing: copying, checking, removing or ""."""
        outage = self._outage
        return {
            "doing": self._doing,
            "waiting": self._waiting,
            "asked": sorted(self._asked),
            "reason": outage[0] if outage else "",
            "shown": outage[1] if outage else "",
            "place": self._place,
        }

    def test(self) -> "Future[Answer]":
        """Whether the other side is who it should be, takes a file and gives it back: ``{"code", "sentence", "shown",
        "free_bytes"}``, code "" when all is well."""
        done: Future[Answer] = Future()

        def job() -> None:
            try:
                done.set_result(self._tested())
            except BaseException as error:
                done.set_exception(error)

        threading.Thread(target=job, name="copies test", daemon=True).start()
        return done

    def dropped(self, request: Request) -> "Future[Answer]":
        """The owner says that nothing lies at a former place any more."""
        place = request.text("place")
        if place == self._place:
            raise RamalError("Copies go there now, so nothing was changed.")
        return self._means.write(lambda db: {"count": rows.drop_place(db, place)})

    def _tested(self) -> Answer:
        office = self._means.office()
        answer: dict[str, Any] = {"code": "", "sentence": "", "shown": "", "free_bytes": None}
        if not office.copy:
            return answer | {"code": "no-copy", "sentence": rules.SENTENCES["no-copy"]}
        if not self._rclone.acquire(timeout=TEST_WAIT_S):
            return answer | {"code": "copying", "sentence": "Copies are being made just now; try again afterwards."}
        try:
            far = Far(office.copy[0], self._means.home.copies)
            far.try_out()
            answer["free_bytes"] = far.free_bytes()
            self._outage = None
            self._woken.set()
        except FarFailed as failed:
            log.info("the off-box copy's test: %s (%s)", failed, failed.said)
            answer |= {"code": failed.code, "sentence": str(failed), "shown": failed.shown}
        finally:
            self._rclone.release()
        return answer

    # -- rounds --------------------------------------------------------------------------------------------------------

    def round(self) -> bool:
        """Do what is due now; whether there may be more at once. Errors are told, not raised, but for Stopping."""
        office = self._means.office()
        if not office.copy:
            self._place = ""
            if office.name:
                self._means.tell(ConditionSeen(warnings.COPIES_BEHIND, False, ()))
            return False
        copy = office.copy[0]
        self._take_up(copy)
        more = False
        outage = self._outage
        if outage is None or self._clock() >= outage[3]:
            try:
                self._waiting = not self._leisure.calm(working=False)
                more = not self._waiting and self._do(copy, office.timezone)
            except FarFailed as failed:
                self._fail(failed)
            finally:
                self._doing = ""
        self._tell(copy)
        return more

    def _work(self) -> None:
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        except OSError:
            log.debug("copies are made at normal priority", exc_info=True)
        while not self._stopping.is_set():
            more = False
            try:
                more = self.round()
            except Stopping as error:
                log.info("copying stops: %s", error)
            except RamalError as error:
                log.warning("copies wait: %s", error)
            except Exception:
                log.exception("copying recordings stumbled; it is tried again")
            if not more:
                self._woken.wait(self._means.tick_s * (1 if self._waiting else IDLE_TICKS))
                self._woken.clear()

    def _take_up(self, copy: Copy) -> None:
        """A new place, and after a restart what the last daemon had begun."""
        place = rules.place_of(copy)
        if place != self._place:
            now_ms = self._means.clock_ms()
            self._end(also_now=False)
            self._write(lambda db: rows.use_place(db, place, now_ms))
            self._place, self._outage = place, None
        if self._first:
            self._first = False
            self._write(lambda db: rows.disown(db, self._place))
            cut = self._write(lambda db: rows.cut_off(db, self._place, self._means.clock_ms()))
            self._asked.update(run.kind for run in cut if run.kind != "night")
            if cut:
                log.info("copying goes on where the last daemon was cut off")

    def _do(self, copy: Copy, zone: str) -> bool:
        """One piece of work; whether there may be more."""
        now_ms = self._means.clock_ms()
        gone = self._means.read(lambda db: rows.to_forget(db, self._place, now_ms, FILES_A_BATCH, copy.delete))
        if gone:
            self._doing = "removing"
            with self._rclone:
                return self._forget(copy, gone)
        if "check" in self._asked:
            self._doing = "checking"
            self._check(copy)
            return True
        kind = self._kind(copy, zone, now_ms)
        if kind is None:
            return False
        files = self._means.read(lambda db: rows.due(db, self._place, now_ms, FILES_A_BATCH))
        if not files:
            self._end(also_now=kind == "now")
            return False
        self._doing = "copying"
        with self._rclone:
            self._send(copy, copying.portion(files))
        return True

    def _kind(self, copy: Copy, zone: str, now_ms: int) -> RunKind | None:
        """Why copies may be made now; begins, resumes and ends the night's run."""
        if "now" in self._asked:
            if self._run is None or self._run[1] != "now":
                self._end(also_now=False)
                self._run = (self._write(lambda db: rows.begin_run(db, "now", self._place, now_ms)), "now")
                self._write(lambda db: rows.hurry(db, self._place))  # who asks does not wait for what failed before
            return "now"
        local = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(zone))
        passed_min = rules.into(copy.window, local.hour * 60 + local.minute)
        if passed_min is None:
            self._end(also_now=False)
            return None
        if self._run is None:
            opened_ms = now_ms - (passed_min + 1) * 60_000
            last = self._means.read(lambda db: rows.last_run(db, "night"))
            if last is not None and last.place == self._place and opened_ms <= last.began_ms <= now_ms:
                if last.ended_ms is None or self._means.read(lambda db: rows.due(db, self._place, now_ms, 1)):
                    self._write(lambda db: rows.end_run(db, last.id, None))
                    self._run = (last.id, "night")
            else:
                self._run = (self._write(lambda db: rows.begin_run(db, "night", self._place, now_ms)), "night")
        if self._run is not None and self._run[1] == "night":
            return "night"
        return None

    def _end(self, also_now: bool) -> None:
        if also_now:
            self._asked.discard("now")
        if self._run is not None:
            run, now_ms = self._run[0], self._means.clock_ms()
            self._write(lambda db: rows.end_run(db, run, now_ms))
            self._run = None

    # -- the work ------------------------------------------------------------------------------------------------------

    def _send(self, copy: Copy, files: Sequence[Due]) -> None:
        self._write(lambda db: rows.sending(db, self._place, files))
        far = Far(copy, self._means.home.copies, self._leisure.pace)
        sent = copying.send(self._means.home, far, files, self._leisure.pace)
        now_ms, run, reason = self._means.clock_ms(), self._run[0] if self._run else 0, sent.outage

        def job(db: sqlite3.Connection) -> None:
            rows.arrived(db, self._place, sent.arrived, now_ms)
            for recording, code in sent.wrong.items():
                rows.failed(db, self._place, recording, now_ms, code)
            rows.add_to_run(db, run, len(sent.arrived), sent.bytes, len(sent.wrong), reason.code if reason else "")

        self._write(job)
        log.info("off-box copy: %d recordings arrived, %d KiB", len(sent.arrived), sent.bytes // 1024)
        if reason is not None:
            raise reason
        self._outage = None

    def _forget(self, copy: Copy, gone: Sequence[tuple[int, str]]) -> bool:
        far = Far(copy, self._means.home.copies, self._leisure.pace)
        paths = [path for _, path in gone]
        trouble: FarFailed | None = None
        try:
            far.remove(paths)
        except FarFailed as failed:
            trouble = failed
        still = far.lying(paths, hashes=False)
        self._outage = None
        away = [recording for recording, path in gone if path not in still]
        now_ms = self._means.clock_ms()
        reason = trouble.code if trouble else "other"

        def job(db: sqlite3.Connection) -> None:
            rows.forgotten(db, self._place, away)
            for recording, path in gone:
                if path in still:
                    rows.failed(db, self._place, recording, now_ms, reason)

        self._write(job)
        log.info("off-box copy: %d copies were removed there, %d could not be", len(away), len(gone) - len(away))
        return True

    def _check(self, copy: Copy) -> None:
        """Whether everything that was copied still lies there, whole; what does not is copied again."""
        now_ms = self._means.clock_ms()
        run = self._write(lambda db: rows.begin_run(db, "check", self._place, now_ms))
        self._asked.discard("check")
        after = 0
        try:
            while files := self._means.read(partial(rows.copied, place=self._place, after=after, limit=FILES_A_BATCH)):
                self._leisure.wait()
                with self._rclone:
                    far = Far(copy, self._means.home.copies, self._leisure.pace)
                    wrong = copying.not_there(self._means.home, far, files)
                self._write(partial(_checked, self._place, run, files, wrong, self._means.clock_ms()))
                after = files[-1].recording
            self._outage = None
        except FarFailed as failed:
            code = failed.code
            self._write(lambda db: rows.add_to_run(db, run, 0, 0, 0, code))
            raise
        except Stopping:
            self._asked.add("check")
            raise
        finally:
            if not self._stopping.is_set():
                ended_ms = self._means.clock_ms()
                self._write(lambda db: rows.end_run(db, run, ended_ms))

    # -- waiting, telling ----------------------------------------------------------------------------------------------

    def _fail(self, failed: FarFailed) -> None:
        tries = (self._outage[2] if self._outage and self._outage[0] == failed.code else 0) + 1
        if tries == 1:
            log.warning("off-box copy: %s (%s)", failed, failed.said[:500])
        self._outage = (failed.code, failed.shown, tries, self._clock() + rules.wait_ms(tries) / 1000)
        if self._run is not None:
            run, code = self._run[0], failed.code
            self._write(lambda db: rows.add_to_run(db, run, 0, 0, 0, code))
            if self._run[1] == "now":
                self._end(also_now=True)
        self._asked.discard("now")

    def _tell(self, copy: Copy) -> None:
        """Level-triggered: what has been without its copy for too long, as a warning."""
        count, _, oldest_ms = self._means.read(lambda db: rows.left(db, self._place))
        since_ms = self._means.read(
            lambda db: db.execute("SELECT since_ms FROM copy_place WHERE place = ?", (self._place,)).fetchone()[0]
        )
        days = 0 if oldest_ms is None else (self._means.clock_ms() - max(oldest_ms, since_ms)) // DAY_MS
        reason = self._outage[0] if self._outage else ("no-rclone" if program() is None else "")
        late = days >= copy.warn_days
        args: warnings.Args = (("count", count), ("days", days), ("reason", reason)) if late else ()
        self._means.tell(ConditionSeen(warnings.COPIES_BEHIND, late, args))

    def _write(self, job: Callable[[sqlite3.Connection], Any]) -> Any:
        return self._means.write(job).result()


def _checked(
    place: str, run: int, files: Sequence[Due], wrong: Sequence[Due], now_ms: int, db: sqlite3.Connection
) -> None:
    for one in wrong:
        rows.failed(db, place, one.recording, now_ms, "different")
    rows.add_to_run(db, run, len(files) - len(wrong), sum(one.bytes for one in files), len(wrong), "")
