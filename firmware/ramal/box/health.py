"""Does the box work? Looks at every part by itself and places a real call, and decides about a release on trial.

Runs on the thread of ``ramal health``, beside the daemon and needing nothing of it. Law: a look changes nothing and
disturbs nobody (the call goes to an echo and rings no phone); every check has a time limit and ends in a sentence.
"""

import http.client
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ramal.ami.codec import Message
from ramal.ami.session import Session
from ramal.app import AMI_USER
from ramal.asterisk import render_health
from ramal.box import health_db, sticks, watchdog
from ramal.box.home import Home, reached_at
from ramal.box.image import Image, image_here
from ramal.box.slots import Boot
from ramal.control.client import Control
from ramal.core import health, slots, sound
from ramal.core.health import Check, Name
from ramal.errors import RamalError
from ramal.virtual import events
from ramal.virtual.caller import CALLER_HZ, agent_speaks
from ramal.virtual.phone import Account, Phone

ASTERISK_S = 10.0
DAEMON_S = 10.0
PAGE_S = 15.0
CALL_S = 25.0
AGAIN_S = 5.0
STORY_BYTES = 256 * 1024
STORIES_KEPT = 5


class Unwell(RamalError):
    """One part does not work; the sentence says which and what to do."""


class Doubtful(RamalError):
    """One part works, and is not as it should be."""


@dataclass(frozen=True, slots=True)
class Look:
    """Looks at one box."""

    home: Home
    image: Image

    def all(self, quick: bool = False) -> tuple[Check, ...]:
        """Every check, in order; a later one also when an earlier one failed. ``quick``: without the call, and without
        reading the whole database."""
        looks: list[tuple[Name, Callable[[], str]]] = []
        if self.image.is_here:
            looks += [("data", self._data), ("selector", self._selector), ("watchdog", self._watchdog)]
        looks += [("asterisk", self._asterisk), ("queues", self._queues), ("daemon", self._daemon)]
        looks += [("page", self._page), ("database", lambda: self._database(quick))]
        if not quick:
            looks.append(("call", self._call))
        return tuple(_checked(name, look) for name, look in looks)

    # -- the machine ---------------------------------------------------------------------------------------------------

    def _data(self) -> str:
        if str(self.image.data) not in sticks.mount_points(self.image):
            raise Unwell("The data partition is not mounted: nothing that is saved now would last. Restart the box.")
        return "The data partition is mounted."

    def _selector(self) -> str:
        if str(self.image.bootsel) not in sticks.mount_points(self.image):
            raise Unwell("The boot selector is not mounted, so no release could be kept. Restart the box.")
        facts = Boot(self.image).facts()
        if facts.running is None:
            raise Unwell("This start does not say which release runs (no ramal.slot). Flash the image again.")
        if facts.autoboot is None:
            return "The boot selector cannot be read; it is written anew when all else is well."
        return f"Slot {facts.running} runs; slot {facts.autoboot.default} boots by itself."

    def _watchdog(self) -> str:
        match watchdog.armed(self.image):
            case None:
                return "This machine has no watchdog that says anything: when it hangs, somebody must pull the plug."
            case False:
                raise Doubtful(
                    "The machine's watchdog is not armed: when the machine hangs, it does not start anew by itself. "
                    "Calls are not affected. Restart the box; if that does not help, see the log of process 1."
                )
            case True:
                return "The machine's watchdog is armed."

    # -- the programs --------------------------------------------------------------------------------------------------

    def _asterisk(self) -> str:
        booted: queue.SimpleQueue[Message] = queue.SimpleQueue()

        def heard(message: Message) -> None:
            if message.event == "FullyBooted":
                booted.put(message)

        with closing(_Ami(self.home, heard)) as session:
            try:
                booted.get(timeout=ASTERISK_S)
            except queue.Empty:
                raise Unwell("Asterisk runs, but has not finished its start. Wait a moment; see its log.") from None
            return f"Asterisk is up (AMI {session.version})."

    def _queues(self) -> str:
        """app_queue is the queue engine: without it callers reach nobody."""
        with closing(_Ami(self.home)) as session:
            answer, rows = session.request_list("QueueSummary", timeout_s=ASTERISK_S)
            if not answer.ok:
                raise Unwell(f"Asterisk has no queues ({answer.get('Message')}). See its log for app_queue.")
            return f"Asterisk answers for {len(rows)} queues."

    def _daemon(self) -> str:
        Control(self.home.control_sock).ask("ping", DAEMON_S)
        return "The daemon answers."

    def _page(self) -> str:
        settings = self.home.in_force()
        connection = http.client.HTTPConnection(reached_at(settings.page_bind), settings.page_port, timeout=PAGE_S)
        try:
            connection.request("GET", "/login")
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise Unwell(f"The page does not answer ({error}). Calls go on. See its log.") from error
        finally:
            connection.close()
        # An unclaimed box sends people to be claimed first.
        if status not in (200, 302, 303):
            raise Unwell(f"The page answers with status {status}. Calls go on. See its log.")
        return "The page answers."

    def _database(self, quick: bool) -> str:
        return health_db.asked(self.home, quick)

    # -- the call ------------------------------------------------------------------------------------------------------

    def _call(self) -> str:
        """A phone of ours calls an echo in Asterisk over SIP and must hear its own tone come back."""
        settings = self.home.in_force()
        name, secret = render_health.NAME, render_health.password(self.home.ami_secret())
        account = Account(name, secret, reached_at(settings.sip_bind), settings.sip_port)
        told: queue.SimpleQueue[events.PhoneEvent] = queue.SimpleQueue()
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="ramal-health-") as folder:
            voice = Path(folder) / "pilot.wav"
            voice.write_bytes(sound.wav_bytes(sound.pilot(CALLER_HZ)))
            with Phone(Path(folder) / "phone", name, account, voice=voice, on_event=told.put) as phone:
                phone.dial(render_health.NUMBER)
                _wait_for_echo(phone, told, began + CALL_S)
                phone.hangup()
        return f"A call to itself was answered and heard both ways after {time.monotonic() - began:.1f} s."


def _wait_for_echo(phone: Phone, told: "queue.SimpleQueue[events.PhoneEvent]", deadline_s: float) -> None:
    answered = False
    while time.monotonic() < deadline_s:
        with suppress(queue.Empty):
            match told.get(timeout=0.25):
                case events.Answered():
                    answered = True
                case events.Closed(reason=reason, code=code):
                    raise Unwell(f"A call to itself was refused or cut ({code or ''} {reason}). See Asterisk's log.")
                case events.Ended(last_words=words):
                    raise Unwell(f"The phone for the call to itself died ({words}).")
                case _:
                    pass
        heard = next((call.heard for call in phone.calls.values()), None)
        if answered and heard is not None:
            with suppress(OSError, sound.SoundError):
                if agent_speaks(sound.read_wave(heard.read_bytes()).mono, CALLER_HZ):
                    return
    what = "was answered, but nothing was heard of it" if answered else "was not answered"
    raise Unwell(f"A call to itself {what} within {CALL_S:g} s. See Asterisk's log.")


class _Ami(Session):
    """A session of ours, logged in; RamalError when Asterisk does not let it in."""

    def __init__(self, home: Home, heard: Callable[[Message], None] = lambda message: None) -> None:
        port = home.in_force().ami_port
        super().__init__("127.0.0.1", port, heard, lambda reason: None, ASTERISK_S)
        self.open()
        headers = [("Username", AMI_USER), ("Secret", home.ami_secret()), ("Events", "system")]
        answer = self.request("Login", headers, timeout_s=ASTERISK_S)
        if not answer.ok:
            self.end()
            raise Unwell(f"Asterisk refuses the box's own login ({answer.get('Message')}). Restart it.")

    def close(self) -> None:
        """For ``closing``."""
        self.end()


def _checked(name: Name, look: Callable[[], str]) -> Check:
    began, doubt = time.monotonic(), False
    try:
        ok, sentence = True, look()
    except Doubtful as error:
        ok, sentence, doubt = True, str(error), True
    except RamalError as error:
        ok, sentence = False, str(error)
    except Exception as error:  # whatever a broken release does, the others are looked at too
        ok, sentence = False, f"Looking at this failed ({type(error).__name__}: {error})."
    return Check(name, ok, sentence, round((time.monotonic() - began) * 1000), doubt)


# -- what follows ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Judge:
    """Decides about what runs. ``look`` gives the checks (quick or not), ``up_s`` how long the machine is up."""

    boot: Boot
    look: Callable[[bool], Sequence[Check]]
    up_s: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] = threading.Event().wait
    patience_s: float = health.PATIENCE_S

    def decide(self) -> tuple[Check, ...]:
        """Look until there is a verdict, and carry it out: what is on trial is kept, or its story is kept and the box
        restarts into the release before. What was kept once is only looked at, quickly, and never left."""
        boot = self.boot
        with boot.alone():
            boot.carry_out(slots.after_boot(boot.facts(), boot.clock_ms()))
        facts = boot.facts()
        settled = not facts.on_trial and facts.autoboot is not None
        proven = settled and facts.running is not None and facts.note(facts.running).state == "good"
        checks = tuple(self.look(proven))
        while not proven and (said := health.verdict(checks, self.up_s(), self.patience_s)) != "good":
            if said == "bad":
                self._leave(checks)
                return checks
            self.pause(AGAIN_S)
            checks = tuple(self.look(False))
        if health.is_well(checks) and not proven:
            self._keep()
        return checks

    def _keep(self) -> None:
        """Through RAUC, whose service may mount; by ourselves where it is not there."""
        with suppress(RamalError):
            self.boot.runs(["rauc", "status", "mark-good", "booted"])
        with self.boot.alone():
            facts = self.boot.facts()
            self.boot.carry_out(slots.good(facts, self.boot.image.version(), self.boot.clock_ms()))

    def _leave(self, checks: Sequence[Check]) -> None:
        facts = self.boot.facts()
        if not facts.on_trial:
            return
        with suppress(OSError):
            keep_story(self.boot.image, f"{facts.running}-{self.boot.clock_ms() // 1000}", checks)
        with self.boot.alone():
            self.boot.carry_out(slots.bad(self.boot.facts(), health.why(checks), self.boot.clock_ms()))


def keep_story(image: Image, name: str, checks: Sequence[Check]) -> None:
    """Keep what a release that is left had to say: its checks and the end of its journal. The newest few stay."""
    image.failed_boots.mkdir(parents=True, exist_ok=True)
    lines = [f"{check.mark:7} {check.name}: {check.sentence}\n" for check in checks]
    try:
        argv = ["journalctl", "-b", "--no-pager", "-o", "short-monotonic", "-n", "3000"]
        journal = subprocess.run(argv, capture_output=True, timeout=30).stdout[-STORY_BYTES:]
    except (OSError, subprocess.TimeoutExpired):
        journal = b"(no journal)\n"
    path = image.failed_boots / f"{name}.txt"
    path.write_bytes("".join(lines).encode() + b"\n" + journal)
    path.chmod(0o640)
    try:
        os.chown(path, -1, (image.data / "ramal").stat().st_gid)  # the daemon shows it to the owner
    except OSError:
        path.chmod(0o644)
    for old in sorted(image.failed_boots.glob("*.txt"), key=lambda found: found.stat().st_mtime)[:-STORIES_KEPT]:
        old.unlink(missing_ok=True)


def run(home: Home, as_json: bool, quick: bool, decide: bool) -> int:
    """``ramal health``: 0 when all is well, else 1."""
    image = image_here()
    look = Look(home, image)
    if decide and image.is_here:
        checks = Judge(Boot(image), look.all).decide()
    else:
        checks = look.all(quick)
    if as_json:
        table = [asdict(one) for one in checks]
        print(json.dumps({"well": health.is_well(checks), "checks": table}, ensure_ascii=False, indent=1))
    else:
        for one in checks:
            print(f"{one.mark:7} {one.name:9} {one.sentence}")
    if not health.is_well(checks):
        print("The box is not well.", file=sys.stderr)
    return 0 if health.is_well(checks) else 1
