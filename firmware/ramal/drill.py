"""The drill: one real call through line, menu, queue, a person's phone, recording and history, step by step.

``Drills`` is asked on the control thread and answers at once; a drill runs on a thread of its own and touches nothing
but the virtual caller's phone, the published picture and the database (reading). One at a time.
"""

import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from ramal.asterisk.render_pjsip import is_loopback
from ramal.box.home import Home, reached_at
from ramal.core import drill, sound
from ramal.core.drill import Code, Left, Step, Way
from ramal.core.office import Office
from ramal.errors import RamalError
from ramal.store import read
from ramal.store.db import open_reader
from ramal.virtual.caller import Caller, Key, place_call
from ramal.virtual.caller import Step as Heard

log = logging.getLogger(__name__)

FINISHED_WITHIN_S = 30.0
ANSWERED_WITHIN_S = 60.0
KEY_AFTER_S = 1.5
KEPT = 20
"""Drills whose steps can still be asked for."""
CALLER_NAME = "Ramal drill"
_SHOWN: Mapping[str, Code] = {
    "dialing": "calling",
    "answered": "answered",
    "pressed": "key",
    "agent-heard": "agent-answered",
    "hung-up": "hung-up",
}
_FINISHED = ("ready", "short", "missing", "damaged")


@dataclass(slots=True)
class _Drill:
    """One drill; written by its thread, read by the control thread (every value is replaced, none is changed)."""

    id: str
    began_s: float
    state: Literal["running", "passed", "failed"] = "running"
    steps: tuple[Step, ...] = ()
    call: str | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def at_ms(self) -> int:
        return round((time.monotonic() - self.began_s) * 1000)

    def add(self, what: Code, detail: str = "", ok: bool | None = True, at_ms: int | None = None) -> None:
        self.steps = (*self.steps, Step(self.at_ms() if at_ms is None else at_ms, what, detail, ok))


class DrillRefused(RamalError):
    """A test call that was not placed; ``code`` says which of a few reasons it was."""

    def __init__(
        self, code: Literal["under-way", "no-way", "no-loop", "asterisk-down", "nobody-free"], why: str
    ) -> None:
        super().__init__(why)
        self.code = code


class Drills:
    """All drills of one daemon. ``office`` and ``live`` give what is published; both may be called from any thread."""

    def __init__(self, home: Home, office: Callable[[], Office], live: Callable[[], Mapping[str, Any]]) -> None:
        self._home, self._office, self._live = home, office, live
        self._lock = threading.Lock()
        self._drills: dict[str, _Drill] = {}
        self._thread: threading.Thread | None = None

    def start(self, number: str | None) -> Mapping[str, Any]:
        """Begin a drill to ``number`` (or the first that leads to a person); ``{"drill": id}``. RamalError: why not."""
        way = self._ready(number)
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                raise DrillRefused(
                    "under-way", "A test call is already under way. Wait for its end, then place another."
                )
            drill_id = secrets.token_hex(6)
            run = self._drills[drill_id] = _Drill(drill_id, time.monotonic())
            while len(self._drills) > KEPT:
                del self._drills[next(iter(self._drills))]
            self._thread = threading.Thread(target=self._run, args=(run, way), name="drill", daemon=True)
            self._thread.start()
        return {"drill": drill_id}

    def status(self, drill_id: str) -> Mapping[str, Any]:
        """``{"state", "steps", "call"}``; RamalError when there is no such drill."""
        with self._lock:
            run = self._drills.get(drill_id)
        if run is None:
            raise RamalError("This test call is not known any more. Place a new one.")
        # The state first: what is read after it is at least as new, so “passed” never comes without its last step.
        state = run.state
        return {"state": state, "steps": [asdict(step) for step in run.steps], "call": run.call}

    def stop(self, timeout_s: float = 5.0) -> None:
        """Hang up a running test call and wait for its end."""
        with self._lock:
            thread = self._thread
            for run in self._drills.values():
                run.stop.set()
        if thread is not None:
            thread.join(timeout_s)

    def _ready(self, number: str | None) -> Way:
        office = self._office()
        known = [one.number for one in office.numbers]
        if number is not None and number not in known:
            has = ", ".join(known) or "none"
            raise RamalError(f"“{number[:20]}” is not a number of this office. Nothing was called. It has {has}.")
        way = drill.way(office, datetime.now(UTC), number)
        if way is None:
            raise DrillRefused(
                "no-way",
                "No number that is open now leads to a queue that an agent serves, so a test call would reach nobody. "
                "Nothing was called. Try again in opening hours, or add an agent to a queue and apply the office file.",
            )
        if not any(is_loopback(line) for line in office.lines):
            raise DrillRefused(
                "no-loop",
                "The office has no loopback line for the virtual caller, so no test call can come in. Nothing was "
                'called. Add [[line]] name = "loop", kind = "sip-peer", addresses = ["127.0.0.1"] and apply the file.',
            )
        live = self._live()
        if not live.get("asterisk", {}).get("up"):
            raise DrillRefused(
                "asterisk-down", "Asterisk does not answer the daemon now. Nothing was called; try again in a moment."
            )
        free = [agent for agent in live.get("agents", ()) if agent["state"] == "free" and way.queue in agent["queues"]]
        if not free:
            raise DrillRefused(
                "nobody-free",
                f"Nobody in the queue “{way.queue}” is free now, so nobody would answer. Nothing was called. "
                "Log an agent in with *45, or wait until somebody is free.",
            )
        return way

    # -- the drill's thread --------------------------------------------------------------------------------------------

    def _run(self, run: _Drill, way: Way) -> None:
        try:
            passed = self._course(run, way)
        except RamalError as error:
            run.add("calling", str(error), ok=False)
            passed = False
        except Exception:
            log.exception("the drill failed")
            run.add("calling", "The drill itself failed; the daemon's log says why.", ok=False)
            passed = False
        run.state = "passed" if passed else "failed"
        log.info("drill %s: %s", run.id, run.state)

    def _course(self, run: _Drill, way: Way) -> bool:
        number = f"+5511{900_000_000 + secrets.randbelow(99_999_999):09}"
        run.add("ready", f"{way.number} {' '.join(way.keys)} {way.queue}".replace("  ", " "))
        began_ms = time.time_ns() // 1_000_000
        trace = place_call(
            self._home.virtual / "caller",
            way.number,
            host=reached_at(self._home.in_force().sip_bind),
            port=self._home.in_force().sip_port,
            caller=Caller(
                number, CALLER_NAME, tuple(Key(key, KEY_AFTER_S) for key in way.keys), voice_hz=drill.CALLER_HZ
            ),
            agent_hz=drill.AGENT_HZ,
            talk_s=drill.TALK_S,
            limit_s=ANSWERED_WITHIN_S,
            stop=run.stop,
            on_step=lambda step: _tell(run, step),
        )
        if trace.answered_at_ms is None:
            run.add("answered", trace.reason, ok=False)
            return False
        if trace.agent_at_ms is None:
            run.add("agent-answered", trace.reason, ok=False)
            return False
        run.add("talked", f"{(trace.steps[-1].at_ms - trace.agent_at_ms) / 1000:.1f} s")
        detail = self._wait_for_history(run, number, began_ms)
        if detail is None:
            run.add("in-history", f"not within {FINISHED_WITHIN_S:.0f} s", ok=False)
            return False
        run.call = detail.call.id
        run.add("in-history", detail.call.id)
        verdict = drill.judge(self._left(detail), run.at_ms())
        run.steps = (*run.steps, *verdict)
        return all(step.ok for step in run.steps)

    def _wait_for_history(self, run: _Drill, number: str, began_ms: int) -> read.CallDetail | None:
        """The call as the page will show it, once it has ended and its recording is finished."""
        deadline_s = time.monotonic() + FINISHED_WITHIN_S
        found: read.CallDetail | None = None
        while time.monotonic() < deadline_s and not run.stop.is_set():
            with self._reader() as db:
                page = read.calls(db, search=number, since_ms=began_ms - 60_000, limit=1)
                found = read.call(db, page.rows[0].id) if page.rows else None
            if found is not None and found.call.ended_ms is not None:
                states = [recording.state for recording in found.recordings]
                if states and all(state in _FINISHED for state in states):
                    return found
            run.stop.wait(0.2)
        return found if found is not None and found.call.ended_ms is not None else None

    def _left(self, detail: read.CallDetail) -> Left:
        talk = next((recording for recording in detail.recordings if recording.kind == "talk"), None)
        tones = (False, False)
        if talk is not None:
            with contextlib.suppress(OSError, sound.SoundError):
                tones = _tones((self._home.root / talk.path).read_bytes())
        return Left(
            category=detail.call.category,
            agent=detail.call.agent or None,
            talk_ms=detail.call.talk_ms or 0,
            steps=tuple(step.kind for step in detail.steps),
            recording_state=talk.state if talk else "missing",
            recording_ms=(talk.duration_ms or 0) if talk else 0,
            tone_of_caller=tones[0],
            tone_of_agent=tones[1],
        )

    @contextlib.contextmanager
    def _reader(self) -> Iterator[Any]:
        with closing(open_reader(self._home.db)) as db:
            yield db


def _tones(data: bytes) -> tuple[bool, bool]:
    """Whether the caller's and the agent's tone sound for at least a second of the recording."""
    wave = sound.read_wave(data)
    windows = list(sound.tones_present(wave.mono, wave.rate_hz, [drill.CALLER_HZ, drill.AGENT_HZ], share=0.15))
    return sum(caller for caller, _ in windows) >= 10, sum(agent for _, agent in windows) >= 10


def _tell(run: _Drill, step: Heard) -> None:
    """The caller's steps that a drill shows."""
    code = _SHOWN.get(step.what)
    if code is not None:
        run.add(code, step.detail if step.what in ("dialing", "pressed") else "")
