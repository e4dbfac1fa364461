"""Night mode for the page and the command line, and its lamps.

The switch itself is Asterisk's (AstDB, ``core.night``), where phones write it too; nothing of it is kept here. Law: who
switched is saved before Asterisk is told; a switch ends by the time that stands in it, with or without this process.
The dialplan also times the lamp's end; this process looks at it again in every round. Asking Asterisk waits, so
requests work on the worker, lamps on the rounds thread.
"""

from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast, get_args
from zoneinfo import ZoneInfo

from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.core import night
from ramal.core.commands import PutSwitch
from ramal.core.holidays_known import holidays_of
from ramal.core.hours import is_open, next_change
from ramal.core.office import Hours
from ramal.errors import RamalError
from ramal.ops import asterisk
from ramal.ops.means import Means, Subject
from ramal.store import users

CHOICES = (*get_args(night.State), "auto")


def subject(means: Means) -> Subject:
    """``night.list`` and ``night.set``."""
    desk = _Night(means)
    return Subject(
        "night",
        {"night.list": lambda _: means.work(desk.listed), "night.set": desk.set},
        at_up=desk.light,
        now_and_then=desk.light,
    )


@dataclass(frozen=True, slots=True)
class _Night:
    means: Means

    def set(self, request: Request) -> "Future[Answer]":
        """Switch ``hours`` (empty = all) to ``state`` (open, closed, auto) for ``who``; answers as ``night.list``.

        RamalError with a sentence when there are no such hours or Asterisk is not there; then nothing changed.
        """
        name, state, who = request.text("hours", ""), request.text("state"), request.text("who", "command line")
        if state not in CHOICES:
            raise RamalError(f"“{state[:20]}” is not possible; hours are {', '.join(CHOICES)}. Nothing was changed.")
        chosen = [hours for hours in self.means.office().hours if name in ("", hours.name)]
        if not chosen:
            raise RamalError(f"This office has no hours called “{name[:40]}”. Nothing was changed.")

        def job() -> Answer:
            at_ms = self.means.clock_ms()
            self._switches()  # asks Asterisk first: an audit must not tell of what could not be done
            for hours in chosen:
                self._audit(at_ms, who, f"{hours.name} {state}")
                if state == "auto":
                    self._end(hours)
                else:
                    self._begin(hours, cast(night.State, state), at_ms // 1000)
            # Asterisk times the lamps itself, so that they go out also when this process is gone by then.
            asterisk.tick(self.means, "night")
            return self.listed()

        return self.means.work(job)

    def listed(self) -> Answer:
        """``{"hours": [{"name", "open", "state", "until_ms", "next_ms", "holiday"}]}``, in the file's order.

        ``state``: open or closed by a switch, else auto; ``until_ms``: when the switch ends, 0 = when somebody ends it.
        ``next_ms``: when the hours themselves turn over next, None = not within a year. ``holiday``: today's name.
        """
        office, now_ms = self.means.office(), self.means.clock_ms()
        days, at = holidays_of(office), datetime.fromtimestamp(now_ms / 1000, UTC)
        today = days.name(at.astimezone(ZoneInfo(office.timezone)).date())
        rows: list[dict[str, Any]] = []
        switches = self._switches()
        for hours in office.hours:
            switch = switches.get(hours.name)
            if switch is not None and not self._stands(switch, now_ms // 1000):
                switch = None
            turn = next_change(hours, at, office.timezone, days)
            rows.append(
                {
                    "name": hours.name,
                    "open": self._open(hours, at) if switch is None else switch.state == "open",
                    "state": "auto" if switch is None else switch.state,
                    "until_ms": 0 if switch is None else switch.until_s * 1000,
                    "next_ms": None if turn is None else int(turn.timestamp() * 1000),
                    "holiday": today if hours.holidays == "closed" else "",
                }
            )
        return {"hours": rows, "timezone": office.timezone}

    def _audit(self, at_ms: int, who: str, detail: str) -> None:
        self.means.write(lambda db: users.audit(db, at_ms, who, "night.set", detail)).result()

    def light(self) -> None:
        """Every lamp as its switch says; switches that have ended, or whose hours are gone, taken away."""
        now_s = self.means.clock_ms() // 1000
        switches = self._switches()
        for hours in self.means.office().hours:
            switch = switches.pop(hours.name, None)
            if switch is not None and not self._stands(switch, now_s):
                self._end(hours)
            else:
                self._lamp(hours, switch is not None)
        for name in switches:  # or hours of that name, written again in a year, would begin switched
            asterisk.tell(self.means, PutSwitch(night.FAMILY, name, ""))

    def _stands(self, switch: night.Switch, now_s: int) -> bool:
        """A person's word; a clock that is not trusted does not end it."""
        return not self.means.trusted() or switch.counts(now_s)

    def _open(self, hours: Hours, at: datetime) -> bool:
        """As the dialplan has it: always, while the clock is not trusted."""
        office = self.means.office()
        return not self.means.trusted() or is_open(hours, at, office.timezone, holidays_of(office))

    def _begin(self, hours: Hours, state: night.State, now_s: int) -> None:
        office = self.means.office()
        switch = night.switch(hours, state, now_s, office.timezone, holidays_of(office))
        if switch is None:
            self._end(hours)
            return
        told = asterisk.tell(self.means, PutSwitch(night.FAMILY, hours.name, str(switch)))
        if not told.ok:
            raise RamalError(f"Asterisk refused to switch {hours.name} ({told.get('Message')}). It is as it was.")
        self._lamp(hours, True)

    def _end(self, hours: Hours) -> None:
        # A refusal says that there is none, or that a call has just taken it away.
        asterisk.tell(self.means, PutSwitch(night.FAMILY, hours.name, ""))
        self._lamp(hours, False)

    def _switches(self) -> dict[str, night.Switch]:
        return switches(self.means)

    def _lamp(self, hours: Hours, lit: bool) -> None:
        device = night.device(hours.name)
        if asterisk.device_state(self.means, device) != ("INUSE" if lit else "NOT_INUSE"):
            asterisk.light(self.means, device, lit)


def switches(means: Means) -> dict[str, night.Switch]:
    """What AstDB holds, by the name of the hours; RamalError when Asterisk does not tell."""
    found = {name: night.parse(value) for name, value in asterisk.tree(means, night.FAMILY).items()}
    return {name: switch for name, switch in found.items() if switch is not None}
