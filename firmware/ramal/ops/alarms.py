"""Alarms: looked at every tick, told to people, shown in the page and by a lamp.

Two threads: ``alarms`` looks, ``outbox`` (ops.outbox) tells, so that a mail server that hangs delays no alarm and no
call. Law: a change is on the disk, together with its notices, before anybody is told, and counts only then. The lamp
and the warning are level-triggered: a restart, of this process or of Asterisk, brings them back to what holds.
"""

import logging
import threading
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.core import kpi, night, warnings
from ramal.core.alarm import Known, Reading, Told, device, follow, read
from ramal.core.events import ConditionSeen
from ramal.core.holidays_known import holidays_of
from ramal.core.hours import is_open
from ramal.core.office import Alarm, Office
from ramal.core.state import State
from ramal.errors import RamalError
from ramal.ops import asterisk
from ramal.ops.means import Means, Subject
from ramal.ops.night import switches as night_switches
from ramal.ops.outbox import Outbox
from ramal.store import kpi as kpi_rows
from ramal.store import notices, users
from ramal.store.notices import Way

log = logging.getLogger(__name__)


def subject(means: Means) -> Subject:
    """``alarm.list`` and ``alarm.test`` (who, alarm)."""
    watch = Watch(means, Outbox(means))
    return Subject(
        "alarms",
        {"alarm.list": lambda _: means.work(watch.listed), "alarm.test": watch.test},
        start=watch.start,
        stop=watch.stop,
        at_up=watch.up,
        now_and_then=watch.up,
    )


class Watch:
    """Looks at the alarms; ``up``, ``listed`` and ``test`` may be asked by other threads."""

    def __init__(self, means: Means, outbox: Outbox) -> None:
        self._means, self._outbox = means, outbox
        self._known: dict[str, Known] | None = None
        self._lamps: dict[str, bool] = {}
        self._came_up = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)

    def start(self) -> None:
        """Begin to look and to send."""
        self._outbox.start()
        self._thread.start()

    def stop(self) -> None:
        """End both threads."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(2.0)
        self._outbox.stop()

    def up(self) -> None:
        """Asterisk came up, has a new office, or some time has passed: its lamps may be anything and are set again."""
        self._came_up.set()

    def listed(self) -> Answer:
        """``{"alarms": [{"name", "raised_ms", "told_ms"}], "notices": […]}``; raised_ms 0 = not raised."""
        known, told = self._means.read(lambda db: (notices.known(db), notices.listed(db)))
        rows = [
            {"name": alarm.name, "raised_ms": one.raised_ms, "told_ms": one.told_ms}
            for alarm in self._means.office().alarms
            for one in (known.get(alarm.name, Known()),)
        ]
        return {"alarms": rows, "notices": told}

    def test(self, request: Request) -> "Future[Answer]":
        """Send a test notice everywhere an alarm tells; ``{"notices": n}``. RamalError for no such alarm."""
        who, name, at_ms = request.text("who", "command line"), request.text("alarm"), self._means.clock_ms()
        office = self._means.office()
        alarm = next((one for one in office.alarms if one.name == name), None)
        if alarm is None:
            raise RamalError(f"This office has no alarm called “{name[:40]}”. Nobody was told anything.")
        facts = _facts(office, alarm, "test", at_ms, at_ms, 0)

        def job(db: Any) -> Answer:
            users.audit(db, at_ms, who, "alarm.tested", name)
            return {"notices": notices.add(db, at_ms, name, _ways(alarm), facts)}

        future: Future[Answer] = self._means.write(job)
        future.add_done_callback(lambda _: self._outbox.wake())
        return future

    # -- alarms thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.wait(self._means.tick_s):
            try:
                self.look()
            except RamalError as error:
                log.warning("the alarms were not looked at (%s); the next look tries again", error)
            except Exception:
                log.exception("looking at the alarms stumbled; the next look tries again")

    def look(self) -> None:
        """One look at every alarm."""
        state, now_ms = self._means.state(), self._means.clock_ms()
        if not state.office.name:
            return
        if self._known is None:
            self._known = self._means.write_soon(notices.known).result()
            self._means.write(lambda db: notices.prune(db, now_ms)).result()
        if self._came_up.is_set():
            self._came_up.clear()
            self._lamps.clear()
        switches = self._switches(state) if any(alarm.measure == "no-agent" for alarm in state.office.alarms) else {}
        for alarm in state.office.alarms:
            self._look_at(alarm, state, now_ms, switches)
        self._forget(state)

    def _look_at(self, alarm: Alarm, state: State, now_ms: int, switches: dict[str, night.Switch] | None) -> None:
        assert self._known is not None
        before = self._known.get(alarm.name, Known())
        reading = self._read(alarm, state, now_ms, switches)
        after, told = follow(alarm, before, reading.holds, now_ms)
        if told or (after.raised_ms, after.told, after.told_ms) != (before.raised_ms, before.told, before.told_ms):
            self._keep(state.office, alarm, before, after, told, reading, now_ms)
        self._known[alarm.name] = after
        args = (("limit", alarm.limit), ("measure", alarm.measure), ("queue", alarm.queue), ("value", reading.value))
        self._warn(state, warnings.ALARM + alarm.name, after.raised_ms > 0, args if reading.holds is not None else None)
        self._light(alarm.name, after.raised_ms > 0)

    def _read(self, alarm: Alarm, state: State, now_ms: int, switches: dict[str, night.Switch] | None) -> Reading:
        level = kpi.Ratio(0, 0)
        if alarm.measure == "service-level" and state.asterisk.up:
            level = self._level(alarm, state.office, now_ms)
        opened = _opened(alarm, state.office, now_ms, switches) if alarm.measure == "no-agent" else True
        return read(alarm, state, now_ms, level, opened)

    def _level(self, alarm: Alarm, office: Office, now_ms: int) -> kpi.Ratio:
        """The service level of the last minutes; over all queues each call counts by its queue's own T."""
        part = whole = 0
        since_ms = now_ms - 60_000 * alarm.window_min
        for queue in office.queues:
            if alarm.queue in ("", queue.name):
                found = self._means.read(lambda db: kpi_rows.offers(db, queue.name, since_ms, now_ms + 1, now_ms))  # noqa: B023
                level = kpi.f6(kpi.tally(found.offers, 1000 * queue.answer_within_s))
                part, whole = part + level.part, whole + level.whole
        return kpi.Ratio(part, whole)

    def _switches(self, state: State) -> dict[str, night.Switch] | None:
        """Hours that somebody switched by hand; None when Asterisk does not tell."""
        if not state.asterisk.up:
            return None
        try:
            return night_switches(self._means)
        except RamalError:
            return None

    def _keep(
        self, office: Office, alarm: Alarm, before: Known, after: Known, told: Told, reading: Reading, now_ms: int
    ) -> None:
        facts = _facts(office, alarm, told, now_ms, after.raised_ms or before.raised_ms, reading.value)

        def job(db: Any) -> None:
            notices.keep(db, alarm.name, after)
            if told:
                notices.add(db, now_ms, alarm.name, _ways(alarm), facts)

        self._means.write(job).result()
        if bool(after.raised_ms) != bool(before.raised_ms):
            log.info("alarm %s: %s (%s)", alarm.name, "raised" if after.raised_ms else "cleared", reading.value)
        if told:
            self._outbox.wake()

    def _forget(self, state: State) -> None:
        """Alarms that are no more leave no state, no warning and no lamp."""
        assert self._known is not None
        names = {alarm.name for alarm in state.office.alarms}
        for name in [name for name in self._known if name not in names]:
            self._means.write(lambda db: notices.keep(db, name, None)).result()  # noqa: B023
            self._light(name, False)
            del self._known[name]
            self._lamps.pop(name, None)
        for code in state.warnings:
            if code.startswith(warnings.ALARM) and code.removeprefix(warnings.ALARM) not in names:
                self._means.tell(ConditionSeen(code, False))

    def _warn(self, state: State, code: str, holds: bool, args: warnings.Args | None) -> None:
        shown = state.warnings.get(code)
        if holds != (shown is not None) or (shown is not None and args is not None and shown.args != args):
            self._means.tell(ConditionSeen(code, holds, args or ()))

    def _light(self, name: str, lit: bool) -> None:
        if self._lamps.get(name) is lit:
            return
        try:
            asterisk.light(self._means, device(name), lit)
        except RamalError as error:
            log.debug("the lamp of alarm %s waits: %s", name, error)
            return
        self._lamps[name] = lit


def _ways(alarm: Alarm) -> tuple[tuple[Way, str], ...]:
    ways: list[tuple[Way, str]] = [("mail", address) for address in alarm.mail]
    return (*ways, ("webhook", alarm.webhook)) if alarm.webhook else tuple(ways)


def _facts(office: Office, alarm: Alarm, event: str, at_ms: int, raised_ms: int, value: int) -> dict[str, Any]:
    """What a webhook gets (with ``id``), and what a mail is made of. ``value``: see ``core.alarm.Reading``."""
    titles = {queue.name: queue.title or queue.name for queue in office.queues}
    return {
        "event": event,
        "alarm": alarm.name,
        "office": office.name,
        "measure": alarm.measure,
        "queue": alarm.queue,
        "queue_title": titles.get(alarm.queue, alarm.queue),
        "value": value,
        "limit": alarm.limit,
        "window_min": alarm.window_min,
        "raised_ms": raised_ms,
        "at_ms": at_ms,
    }


def _opened(alarm: Alarm, office: Office, now_ms: int, switches: dict[str, night.Switch] | None) -> bool | None:
    """Whether an alarm's hours are open now; always, without hours. None = Asterisk does not tell."""
    queue = next((one for one in office.queues if one.name == alarm.queue), None)
    name = alarm.hours or (queue.hours if queue else "")
    hours = next((one for one in office.hours if one.name == name), None)
    if hours is None:
        return True
    if switches is None:
        return None
    switch = switches.get(name)
    if switch is not None and switch.counts(now_ms // 1000):
        return switch.state == "open"
    return is_open(hours, datetime.fromtimestamp(now_ms / 1000, UTC), office.timezone, holidays_of(office))
