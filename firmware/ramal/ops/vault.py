"""The keeper: turns measured recordings into what is kept (``ramal.vault``), one at a time, while the box has time.

Law: level-triggered. What is due is asked of the database every round; a failure keeps the wav, is told once as a
warning and tried again later and later. Runs on its own thread, named ``keeper``, at the lowest priority; the requests
run on the control thread and only look or hand over.
"""

import errno
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ramal.core import seal_words, warnings
from ramal.core.calm import calm, own_load
from ramal.core.chain import Seal, head_of
from ramal.core.events import ConditionSeen
from ramal.core.retention import settings_of
from ramal.core.state import State
from ramal.errors import RamalError
from ramal.ops.means import Means, Subject
from ramal.ops.verifying import Verifier
from ramal.store import gaps, notices, seals, sounds
from ramal.store.sounds import Due
from ramal.vault import keep, keys, opus
from ramal.vault.cipher import Key, SealBroken

log = logging.getLogger(__name__)

SETTLE_MS = 60_000
"""So long after a call's end its recording is left alone: late lines of the journal may still say what must not be
heard, or make the call part of another one."""
AT_ONCE = 16
ALL_EVERY_S = 3600.0
BACK_OFF_S, BACK_OFF_MAX_S = 60.0, 6 * 3600.0
BUSY_LOOK_S = 5.0
NICE = 19

GapsOf = Callable[[sqlite3.Connection, int], Any]


class Stopping(RamalError):
    """The daemon ends; what was being made is made again by the next one."""


@dataclass(slots=True)
class _Trouble:
    reason: str
    tries: int = 0
    next_s: float = 0.0

    def again(self, reason: str, now_s: float) -> None:
        self.reason, self.tries = reason, self.tries + 1
        self.next_s = now_s + min(BACK_OFF_MAX_S, BACK_OFF_S * 2 ** (self.tries - 1))


def subject(
    means: Means,
    settle_ms: int = SETTLE_MS,
    load: Callable[[], float] = lambda: os.getloadavg()[0],
    linger_ms: int = keep.LINGER_MS,
) -> Subject:
    """``recordings.verify`` (start one), ``recordings.verifying`` (how far it is), ``recordings.checked`` (the command
    line did one). ``settle_ms``, ``load`` and ``linger_ms`` as ``Keeper``."""
    keeper = Keeper(means, settle_ms=settle_ms, load=load, linger_ms=linger_ms)
    verifier = Verifier(means, keeper.wait_while_busy)
    keeper.every_round = verifier.now_and_then

    def stop() -> None:
        keeper.stop()
        verifier.stop()

    return Subject(
        "recordings",
        {
            "recordings.verify": lambda _: verifier.begin(),
            "recordings.verifying": lambda _: verifier.told(),
            "recordings.checked": verifier.checked,
        },
        start=keeper.start,
        stop=stop,
    )


class Keeper:
    """The thread. ``argv``, ``gaps_of`` and the times are what tests put in the place of the box's own."""

    def __init__(
        self,
        means: Means,
        *,
        argv: opus.Argv = opus.provided,
        gaps_of: GapsOf = gaps.of,
        settle_ms: int = SETTLE_MS,
        load: Callable[[], float] = lambda: os.getloadavg()[0],
        clock: Callable[[], float] = time.monotonic,
        linger_ms: int = keep.LINGER_MS,
    ) -> None:
        self._means, self._gaps_of, self._settle_ms, self._linger_ms = means, gaps_of, settle_ms, linger_ms
        self._load, self._clock = load, clock
        self._stopping = threading.Event()
        self._ways = keep.Ways(means.home, self._write, argv, means.clock_ms, self.wait_while_busy)
        self._trouble: dict[int, _Trouble] = {}
        self._outage: _Trouble | None = None
        """What keeps every recording from being kept, and until when nothing is tried."""
        self._tidy_s = float("-inf")
        self._lost_keys = 0
        self._all_s = float("-inf")
        self._own, self._own_s = 0.0, clock()
        self.every_round: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin to keep recordings."""
        self._thread.start()

    def stop(self) -> None:
        """End; a recording in hand is given up and made again later."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10.0)

    def wait_while_busy(self) -> None:
        """Return when the box is calm; Stopping when the daemon ends."""
        while True:
            if self._stopping.is_set():
                raise Stopping("The daemon ends.")
            if self._calm(working=True):
                return
            self._stopping.wait(BUSY_LOOK_S)

    def round(self) -> int:
        """Do what is due now; how many recordings were kept. Errors are told, not raised, but for Stopping."""
        now_s = self._clock()
        if self._outage is not None and now_s < self._outage.next_s:
            self._tidy_meanwhile(now_s)
            return 0
        try:
            keep.tidy(self._ways, self._linger_ms)
            self._mend()
            self._seal_day()
            if not self._calm(working=False):
                return 0
            everything = now_s - self._all_s >= ALL_EVERY_S
            if everything:
                self._look_for_keys()
                self._adopt()
            kept, more = self._keep_due(everything, now_s)
            if kept:
                keep.tidy(self._ways, self._linger_ms)
            if everything and not more:
                self._all_s = now_s
            if kept == 0 and not more:
                self._outage = None
        except Stopping:
            raise
        except (RamalError, OSError, sqlite3.OperationalError) as error:
            self._all_fail(_reason(error), error)
            kept = 0
        self._tell()
        return kept

    def _run(self) -> None:
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        except OSError:
            log.debug("recordings are kept at normal priority", exc_info=True)
        while not self._stopping.is_set():
            kept = 0
            try:
                kept = self.round()
                self.every_round()
            except Stopping:
                return
            except Exception:
                log.exception("keeping recordings stumbled; it is tried again")
            if not kept:
                self._stopping.wait(self._means.tick_s)

    def _tidy_meanwhile(self, now_s: float) -> None:
        """Remove what may go in an outage too: it may be the room that is missing. What fails is said by the outage."""
        if now_s < self._tidy_s:
            return
        self._tidy_s = now_s + BACK_OFF_S
        try:
            keep.tidy(self._ways, self._linger_ms)
        except (RamalError, OSError, sqlite3.OperationalError) as error:
            log.debug("nothing was removed in an outage: %s", error)

    def _keep_due(self, everything: bool, now_s: float) -> tuple[int, bool]:
        """How many were kept, and whether there are more that could be now."""
        now_ms, settle_ms = self._means.clock_ms(), self._settle_ms
        limit = AT_ONCE + len(self._trouble)
        found: tuple[Due, ...] = self._means.read(lambda db: sounds.due(db, now_ms, settle_ms, everything, limit))
        if everything and len(found) < limit:  # what is not due any more is no trouble any more
            left = {one.recording for one in found}
            self._trouble = {recording: one for recording, one in self._trouble.items() if recording in left}
        ready = [one for one in found if now_s >= self._retry_s(one)]
        if not ready:
            return 0, False
        key = self._key()
        kept = 0
        for one in ready[:AT_ONCE]:
            if not self._calm(working=False):
                return kept, True
            kept += self._keep(one, key)
        return kept, len(ready) > AT_ONCE

    def _keep(self, one: Due, key: Key) -> bool:
        began_s = self._clock()
        try:
            made = keep.keep(self._ways, one, self._silent(one), key)
        except FileNotFoundError as error:
            # Still called measured, and gone: a database that is older than the files, or somebody removed it.
            if not self._found_again(one):
                trouble = self._trouble.setdefault(one.recording, _Trouble("gone"))
                trouble.again("gone", self._clock())
                if trouble.tries == 1:
                    log.warning("the recording %s is gone: %s", one.path, error)
            return False
        except (keep.Damaged, keep.Changing) as error:
            trouble = self._trouble.setdefault(one.recording, _Trouble("sound"))
            trouble.again("sound", self._clock())
            if trouble.tries == 1 and not isinstance(error, keep.Changing):
                log.warning("the recording %s stays a wav file: %s", one.path, error)
            return False
        finally:
            self._calm(working=True)
        self._trouble.pop(one.recording, None)
        self._outage = None
        log.info(
            "the recording %s is kept: %.0f s of sound, %d KiB, in %.1f s",
            *(made.path, made.duration_ms / 1000, made.bytes // 1024, self._clock() - began_s),
        )
        return True

    def _found_again(self, one: Due) -> bool:
        try:
            found = keep.adopt(self._ways, one, self._silent(one), keys.load(self._means.home))
        except (SealBroken, keep.Damaged, opus.NotSound) as error:
            log.warning("the file kept for %s is not taken: %s", one.path, error)
            return False
        return found is not None

    def _adopt(self) -> None:
        """Look for kept files that the database does not know (any more)."""
        for one in self._means.read(sounds.unknown):
            self._found_again(one)

    def _silent(self, one: Due) -> list[tuple[int, int]]:
        """What may not be heard. Whoever cannot tell keeps the recording from being kept, never the silence away."""
        try:
            gaps = self._means.read(lambda db: tuple(self._gaps_of(db, one.recording)))
            return [(int(begin), int(end)) for begin, end in gaps]
        except Exception as error:
            raise keep.Damaged(f"it could not be told what may not be heard in it ({error!r})") from error

    def _key(self) -> Key:
        return keys.obtain(self._means.home, self._used(), self._means.clock_ms())

    def _used(self) -> Iterator[str]:
        """Asked for only when there is no key: it looks at every row."""
        yield from self._means.read(sounds.key_ids)

    def _look_for_keys(self) -> None:
        """An old key may be missing while there is one for new recordings (an older copy of the file was put back)."""
        ring = keys.load(self._means.home)
        self._lost_keys = len(self._means.read(sounds.key_ids) - set(ring.keys))

    def _mend(self) -> None:
        if not self._means.read(sounds.astray):
            return
        at_ms = self._means.clock_ms()
        if count := self._write(lambda db: sounds.mend(db, at_ms)):
            log.info("%d recordings found their kept sound again", count)

    def _seal_day(self) -> None:
        """When a day ended in which something was sealed, seal the day; not while nobody knows what day it is."""
        if not self._means.trusted():
            keep.note_tip(self._ways)
            return
        now_ms, zone = self._means.clock_ms(), ZoneInfo(self._means.office().timezone)

        def ended(db: sqlite3.Connection) -> bool:
            head = seals.head(db)
            return head is not None and _day(head.at_ms, zone) != _day(now_ms, zone)

        def sealed(db: sqlite3.Connection) -> Seal | None:
            last, seal = seals.head(db), seals.append_day(db, now_ms)
            if seal is not None and last is not None:
                office = self._means.office()
                ways: list[tuple[notices.Way, str]] = [("mail", to) for to in settings_of(office).seal_mail]
                day, text = _day(last.at_ms, zone).isoformat(), head_of(seal).text
                facts = {"event": seal_words.EVENT, "office": office.name, "day": day, "head": text}
                notices.add(db, now_ms, seal_words.EVENT, ways, facts)
            return seal

        if self._means.read(ended) and (seal := self._write(sealed)):
            # A head that left the box cannot be changed on it: by mail, and for who reads the log elsewhere.
            log.info("the seal of the recordings' last day: %s", head_of(seal).text)
        keep.note_tip(self._ways)

    def _retry_s(self, one: Due) -> float:
        trouble = self._trouble.get(one.recording)
        return trouble.next_s if trouble else float("-inf")

    def _all_fail(self, reason: str, error: Exception) -> None:
        if self._outage is None or self._outage.reason != reason:
            log.error("recordings stay wav files for now: %s", error)
            self._outage = _Trouble(reason)
        self._outage.again(reason, self._clock())

    def _tell(self) -> None:
        """Level-triggered: what keeps recordings from being kept, as a warning."""
        reason, count = "", 0
        if self._outage is not None:
            reason = self._outage.reason
            now_ms, settle_ms = self._means.clock_ms(), self._settle_ms
            count = max(1, len(self._means.read(lambda db: sounds.due(db, now_ms, settle_ms, True, 1000))))
        elif self._lost_keys:
            reason, count = "key", self._lost_keys
        else:
            for kind in ("gone", "sound"):
                lasting = sum(one.tries > 1 and one.reason == kind for one in self._trouble.values())
                reason, count = (reason, count) if reason or not lasting else (kind, lasting)
        args: tuple[tuple[str, str | int], ...] = (("count", count), ("reason", reason)) if reason else ()
        self._means.tell(ConditionSeen(warnings.RECORDINGS_UNKEPT, bool(reason), args))

    def _calm(self, working: bool) -> bool:
        now_s = self._clock()
        self._own, self._own_s = own_load(self._own, working, now_s - self._own_s), now_s
        return calm(calls_now(self._means.state()), self._load(), self._own, os.cpu_count() or 1)

    def _write(self, job: Callable[[sqlite3.Connection], Any]) -> Any:
        return self._means.write(job).result()


def calls_now(state: State) -> int:
    """Calls in progress, as far as the daemon knows; while it does not see Asterisk, one, to be on the safe side."""
    if not state.asterisk.up:
        return 1
    return len(state.talks) + len(state.rings) + sum(len(line) for line in state.waiting.values())


def _reason(error: Exception) -> str:
    match error:
        case keys.KeysUnusable():
            return "key"
        case opus.EncoderFailed():
            return "encoder"
        case keep.NoRoom():
            return "room"
    full = getattr(error, "errno", 0) == errno.ENOSPC or getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"
    return "room" if full else "disk"


def _day(at_ms: int, zone: ZoneInfo) -> Any:
    return datetime.fromtimestamp(at_ms / 1000, zone).date()
