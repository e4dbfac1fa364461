"""The watch over the box's clock: may it be believed, when was it set, and putting right what it was wrong about.

Law: nobody who asks waits (``trusted``), a clock that may not be believed stops what dials, deletes and dates by
itself and nothing else, and calls go on. The order is fixed: the epoch is kept, then history is put right, then
Asterisk's callbacks, then Asterisk is told that the time is known, so that nothing is decided by half of it.

Runs on its own thread, named ``clock``, which may wait for the writer, the disk and Asterisk; requests run on the
control thread and hand over to the worker.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Literal

from ramal.box.home import Home, write_whole
from ramal.box.image import Image, image_here
from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.core import clock as core
from ramal.core import clock_set, warnings
from ramal.core.clock import FAMILY, KEY, RANK, SAVE_EVERY_MS, Epoch, Facts, Source, Why
from ramal.core.clock_set import WHO_MAX, Wanted
from ramal.core.commands import PutSwitch
from ramal.core.events import ConditionSeen
from ramal.errors import RamalError
from ramal.ops import asterisk, machine
from ramal.ops.means import Means, Subject
from ramal.store import callbacks, users
from ramal.store import clock as book
from ramal.store.ingest import Ingest

log = logging.getLogger(__name__)

LOOK_S = 2.0
WORDS: dict[Why, str] = {
    "": "",
    "before-built": "it shows a day before this program was made",
    "before-known": "it shows a time that this box has seen pass already",
    "no-rtc": "this box has no battery clock, and no time server was heard since it was switched on",
    "rtc-behind": "the battery clock has lost the time",
    "rtc-apart": "the battery clock says another time",
    "far-ahead": "it is more than a year ahead of what was known",
}
"""For the log and the command line; the page has its own in three languages."""


class Watch:
    """What is believed of the clock. Made on the main thread, which waits for the first look; ``trusted`` and ``now``
    are free to all threads, the rest runs on the clock's."""

    def __init__(
        self, home: Home, write: Callable[[Callable[[sqlite3.Connection], Any]], "Future[Any]"], look: machine.Look
    ) -> None:
        self._home, self._write, self._facts = home, write, look
        self._lock = threading.Lock()
        self._mark = machine.read_mark(home)
        self._good_ms = self._mark.good_ms if self._mark is not None else 0
        self._kept_ms: int | None = None
        self._seen_ms: int | None = None
        self._epoch: Epoch | None = None
        self._shown: tuple[Source, Why, Facts | None] = ("none", "", None)
        self.look()

    def trusted(self) -> bool:
        """Whether ages and hours may be believed now."""
        return self._shown[0] != "none"

    @property
    def source(self) -> Source:
        """By what."""
        return self._shown[0]

    @property
    def why(self) -> Why:
        """Why not."""
        return self._shown[1]

    @property
    def boot(self) -> str:
        """Which boot this is."""
        return "" if self._shown[2] is None else self._shown[2].boot

    @property
    def since_ms(self) -> int:
        """Since when it is so, by the clock itself."""
        return 0 if self._epoch is None else self._epoch.from_ms

    def facts(self) -> Facts:
        """The machine now; the battery clock is not asked."""
        return self._facts(False)

    def look(self) -> bool:
        """One look; whether an epoch began with it. sqlite3.Error, RamalError: nothing is known to have changed."""
        with self._lock:
            facts = self._facts(self._shown[0] in ("none", "rtc"))
            if self._shown[2] is None:
                self._begin(facts)
            standing = core.standing(self._epoch, facts)
            source, why = core.judge(facts, self._good_ms, standing)
            return self._turned(facts, source, why)

    def say(self, who: str) -> None:
        """A person says that the clock is right. RamalError with a sentence when that cannot be."""
        with self._lock:
            facts = self._facts(True)
            source, why = core.judge(facts, self._good_ms, core.standing(self._epoch, facts))
            if why == "before-built":
                raise RamalError(
                    "The clock shows a day before this program was made, so it cannot be right. Nothing was changed. "
                    "Set it first: ramal clock set “2026-11-22 17:30”."
                )
            if RANK[source] >= RANK["said"]:
                raise RamalError("The time is trusted already. Nothing was changed.")
            detail = f"{facts.wall_ms} {source} {why}".strip()
            self._turned(facts, "said", "", lambda db: users.audit(db, facts.wall_ms, who, "clock.trusted", detail))

    def keep(self) -> None:
        """Keep the time on the disk when that is due, or (``end``) anyway. OSError is logged: it is tried again."""
        facts = self._shown[2]
        if facts is not None and (self._kept_ms is None or facts.boottime_ms - self._kept_ms >= SAVE_EVERY_MS):
            self._keep(facts)

    def end(self) -> None:
        """The daemon ends: keep the time."""
        try:
            self._keep(self._facts(False))
        except Exception:
            log.exception("the time could not be kept")

    def _begin(self, facts: Facts) -> None:
        """What the database and the disk know from before: also what the clock showed when this boot began."""
        self._epoch, mark = self._write(book.last).result(), self._mark
        if mark is None or mark.boot != facts.boot:
            return
        self._seen_ms = mark.boottime_ms
        if self._epoch is None or self._epoch.boot != mark.boot:
            then = replace(facts, boottime_ms=mark.boottime_ms, wall_ms=mark.wall_ms)
            self._turned(then, mark.source, mark.why)

    def _turned(
        self, facts: Facts, source: Source, why: Why, also: Callable[[sqlite3.Connection], None] | None = None
    ) -> bool:
        known_ms = self._mark.wall_ms if self._mark is not None and self._mark.boot != facts.boot else 0
        step_ms = core.stepped_ms(self._epoch, facts)
        ended, begun = core.follow(self._epoch, facts, source, why, self._seen_ms, known_ms)
        if begun is not None:

            def job(db: sqlite3.Connection) -> Epoch:
                if also is not None:
                    also(db)
                return book.turn(db, ended, begun)

            self._epoch = self._write(job).result()
            self._tell(source, why, step_ms)
            self._kept_ms = None
        self._seen_ms = facts.boottime_ms
        self._shown = (source, why, facts)
        if source != "none":
            self._good_ms = facts.wall_ms
        return begun is not None

    def _tell(self, source: Source, why: Why, step_ms: int) -> None:
        if step_ms:
            log.warning("the clock was set by %+.1f s", step_ms / 1000)
        if source == "none":
            log.warning("the clock is not trusted: %s. Calls go on; callbacks and deletions wait", WORDS[why])
        elif source != self._shown[0]:
            log.info("the clock is trusted (%s)", source)

    def _keep(self, facts: Facts) -> None:
        try:
            machine.keep_mark(self._home, facts, self._shown[0], self._shown[1], self._good_ms)
        except OSError as error:
            log.warning("the time could not be kept on the disk (%s); it is tried again", error)
        self._kept_ms = facts.boottime_ms


class Clock:
    """The thread: looks, puts right, tells."""

    def __init__(self, means: Means, watch: Watch, image: Image) -> None:
        self._means, self._watch, self._image = means, watch, image
        self._told: bool | None = None
        self._wanted: Wanted | None = None
        self._setting: Literal["", "waits", "failed"] = ""
        """What became of the last time that was said in the page."""
        self._stopping, self._asked = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End, and keep the time."""
        self._stopping.set()
        self._asked.set()
        if self._thread.is_alive():
            self._thread.join(10.0)
        self._watch.end()

    def again(self) -> None:
        """Asterisk came up: tell it again."""
        self._told = None
        self._asked.set()

    def round(self) -> None:
        """One look, and what follows from it."""
        watch = self._watch
        watch.look()
        self._set_by_now()
        watch.keep()
        source, boot = watch.source, watch.boot
        args = (("why", watch.why),) if source == "none" else ()
        self._means.tell(ConditionSeen(warnings.CLOCK_UNTRUSTED, source == "none", args))
        if source != "none":
            self._mend(boot)
        if self._told != (source != "none") and self._means.state().asterisk.up:
            self._tell_asterisk(source != "none", boot)

    def trust(self, who: str) -> Answer:
        """As ``Watch.say``; what is so then, as ``told``. On the worker."""
        self._watch.say(who)
        self._asked.set()
        return self.told()

    def set(self, who: str, text: str) -> Answer:
        """Ask root to set the clock to ``text``, a time as the office's clocks show it; it is trusted once that is
        seen. RamalError with a sentence when it cannot be. On the worker."""
        at_ms, facts = clock_set.time_of(text, self._means.office().timezone), self._watch.facts()
        if not facts.box:
            raise RamalError("Whoever looks after this computer sets its clock. Nothing was changed.")
        wanted = Wanted(facts.boot, facts.boottime_ms, at_ms, who)
        clock_set.due_ms(wanted, facts)  # what root would refuse is refused now
        detail = f"{facts.wall_ms} {at_ms}"
        self._means.write(lambda db: users.audit(db, facts.wall_ms, who, "clock.set", detail)).result()
        try:
            write_whole(self._image.clock_request, clock_set.text_of(wanted), 0o640)
        except OSError as error:
            raise RamalError(f"The time could not be set ({error.strerror or error}). Nothing was changed.") from error
        self._wanted, self._setting = wanted, "waits"
        self._asked.set()
        return {}

    def _set_by_now(self) -> None:
        """A time that was said and is set by now is a person's word."""
        wanted, facts = self._wanted, self._watch.facts()
        if wanted is None:
            return
        if clock_set.is_set(wanted, facts):
            self._wanted, self._setting = None, ""
            if self._watch.source in ("none", "rtc", "host"):
                self._watch.say(wanted.who)
        elif clock_set.is_over(wanted, facts):
            self._wanted, self._setting = None, "failed"
            self._image.clock_request.unlink(missing_ok=True)
            log.warning("the clock was not set to what %s said: nobody carried it out", wanted.who)

    def told(self) -> Answer:
        """``{"source", "why", "at_ms", "since_ms", "settable", "setting", "epochs": […]}``; ``setting``: what became of
        a time said in the page, "waits" or "failed"; the latest epoch first. On the worker."""
        epochs: list[Epoch] = self._means.read(book.listed)
        return {
            "source": self._watch.source,
            "why": self._watch.why,
            "at_ms": self._means.clock_ms(),
            "since_ms": self._watch.since_ms,
            "settable": self._watch.facts().box,
            "setting": self._setting,
            "epochs": [
                {
                    "from_ms": one.from_ms,
                    "until_ms": one.until_ms,
                    "source": one.source,
                    "why": one.why,
                    "shift_ms": one.shift_ms,
                }
                for one in epochs
            ],
        }

    # -- clock thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.round()
            except RamalError as error:
                log.info("clock: %s", error)
            except Exception:
                log.exception("looking at the clock stumbled; it is tried again")
            self._asked.wait(min(LOOK_S, self._means.tick_s))
            self._asked.clear()

    def _mend(self, boot: str) -> None:
        """Put right what is known to be wrong by now; nothing is done, and nothing written, when all is."""
        wrong = self._means.read(lambda db: book.unmended(db, boot))
        if not wrong:
            return
        home, clock_ms = self._means.home, self._means.clock_ms
        calls = self._means.write(lambda db: Ingest(db, home.asterisk_log, clock_ms).mend(boot)).result()
        for epoch, shift_ms in wrong:
            log.info("the clock had been wrong by %+.0f s (%s)", shift_ms / 1000, epoch.source)
        log.info("the times of %d calls were put right; the journals keep what the clock showed", calls)

    def _tell_asterisk(self, trusted: bool, boot: str) -> None:
        if trusted:
            self._mend_callbacks(boot)
        # A refusal says that there was none.
        asterisk.tell(self._means, PutSwitch(FAMILY, KEY, "" if trusted else "1"))
        self._told = trusted

    def _mend_callbacks(self, boot: str) -> None:
        """Records of callbacks noted while the clock was wrong: joined, expires and next become right, or a callback
        would be over in the moment the clock is set. Stand-ins do nothing while the switch stands."""
        if not any(epoch.shift_ms for epoch in self._means.read(lambda db: book.of_boot(db, boot))):
            return
        # What history says by now is right; so a second time there is nothing to move.
        joined_s = {each.id: each.joined_ms // 1000 for each in self._means.read(callbacks.pending)}
        for digits, record in asterisk.tree(self._means, "ramal-callback").items():
            fields = record.split("|")
            if len(fields) < 7 or fields[1] not in joined_s or not fields[2].isdigit() or len(fields[2]) > 11:
                continue
            by_s = joined_s[fields[1]] - int(fields[2])
            if by_s:
                asterisk.tell(self._means, PutSwitch("ramal-callback", digits, "|".join(_moved(fields, by_s))))


def _moved(fields: list[str], by_s: int) -> list[str]:
    """A record with its times (3rd, 5th, 7th field) moved; 0 = none stays none."""
    moved = list(fields)
    for place in (2, 4, 6):
        if moved[place].isdigit() and len(moved[place]) < 12 and int(moved[place]):
            moved[place] = str(int(moved[place]) + by_s)
    return moved


def subject(means: Means, watch: Watch, image: Image | None = None) -> Subject:
    """``clock.status``; ``clock.trust``: the time is right, says ``who``; ``clock.set``: it is ``when``."""
    clock = Clock(means, watch, image or image_here())

    def who_of(request: Request) -> str:
        who = request.text("who", "").strip()[:WHO_MAX]
        if not who:
            raise RamalError("It must be said who asks. Nothing was done.")
        return who

    def trust(request: Request) -> "Future[Answer]":
        who = who_of(request)
        return means.work(lambda: clock.trust(who))

    def set(request: Request) -> "Future[Answer]":
        who, when = who_of(request), request.text("when")
        return means.work(lambda: clock.set(who, when))

    return Subject(
        "clock",
        {"clock.status": lambda _: means.work(clock.told), "clock.trust": trust, "clock.set": set},
        start=clock.start,
        stop=clock.stop,
        at_up=clock.again,
    )
