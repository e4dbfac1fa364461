"""The daemon, put together: the only module that sees everything. ``run(home)`` is the process's main thread.

Threads: main = engine; ``ami link`` and the session's reader; ``steering`` (commands out); ``store writer`` (the only
writer of the database); ``chronicle`` (journals, disk); ``recordings`` (measuring them); ``durable`` (bringing running
ones onto the disk); ``control`` (the socket); ``apply`` (settings); ``drill`` (a test call). Edges only put events;
whatever must wait does so on its own thread. Law: the daemon may die at any instant and calls go on.
"""

import logging
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from ramal.ami import translate
from ramal.ami.codec import Message
from ramal.ami.link import Link
from ramal.ami.session import Session
from ramal.asterisk.prompts import Prompt
from ramal.asterisk.reload import AmiReloader, Reloader
from ramal.books import Books
from ramal.box import watchdog
from ramal.box.home import UMASK, Home
from ramal.box.image import image_here
from ramal.chronicle import LOOK_S, SLOW_LOOK_S, Chronicle
from ramal.control.protocol import Request
from ramal.control.server import Answer, Server
from ramal.core import retention, warnings
from ramal.core.commands import Command, NoteDecision
from ramal.core.events import AmiDown, ConditionSeen, OfficeLoaded
from ramal.core.live import live
from ramal.core.office import Office
from ramal.core.step import step
from ramal.engine import TICK_S, Engine, clock_ms
from ramal.errors import RamalError
from ramal.in_force import InForce, Means
from ramal.notify import Notifier
from ramal.ops import (
    agents,
    alarms,
    backups,
    card,
    clock,
    contacts,
    copies,
    forecast,
    keeping,
    machine,
    mending,
    messages,
    mine,
    music,
    network,
    night,
    phones,
    privacy,
    prompts,
    restoring,
    returns,
    supervise,
    updates,
    vault,
    wall,
)
from ramal.ops import means as ops
from ramal.ops import users as page_users
from ramal.ops.means import Subject
from ramal.ops.rounds import Rounds
from ramal.starts import Starts
from ramal.steer import Steering
from ramal.store import decisions, settings, users
from ramal.store.db import open_reader
from ramal.store.durable import Durable
from ramal.store.ingest import CEL_NAME, QUEUE_NAME
from ramal.store.recordings import Finisher
from ramal.store.writer import Writer
from ramal.worker import Worker
from ramal.writer_lock import only_writer

log = logging.getLogger(__name__)

AMI_USER = "ramal"
AT_ONCE = 40
"""Sentences spoken in one go, 60 ms of work each: more than a change of an office needs, less than a new box lacks."""
TAKEN_S = 5.0
"""So long the answer to who applies an office waits for the engine to have it."""
SUBJECTS: tuple[Callable[[ops.Means], Subject], ...] = (
    contacts.subject,
    supervise.subject,
    night.subject,
    returns.subject,
    forecast.subject,
    agents.subject,
    wall.subject,
    alarms.subject,
    phones.subject,
    mine.subject,
    page_users.subject,
    prompts.subject,
    mending.subject,
    music.subject,
    vault.subject,
    messages.subject,
    keeping.subject,
    copies.subject,
    backups.subject,
    privacy.subject,
    updates.subject,
    restoring.subject,
    network.subject,
)
"""What the page and the command line can ask for, beside what stands here."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things are looked at, in seconds; tests are less patient than a box."""

    tick_s: float = TICK_S
    look_s: float = LOOK_S
    slow_look_s: float = SLOW_LOOK_S
    round_s: float = 60.0
    ami_ping_s: float = 5.0
    ami_silence_s: float = 15.0
    ami_longest_wait_s: float = 8.0


class Drills(Protocol):
    """Places a test call through everything. ``start`` and ``status`` are asked on the control thread and return at
    once."""

    def start(self, number: str | None) -> Mapping[str, Any]:
        """``{"drill": id}``; RamalError while one is running."""

    def status(self, drill: str) -> Mapping[str, Any]:
        """``{"state", "steps", "call"}`` of a drill; RamalError when there is none of that id."""

    def stop(self) -> None:
        """Hang up a test call in progress; the daemon is ending. On the main thread, may take some seconds."""


def _dumb(prompts: Sequence[Prompt], folder: Path) -> None:
    """For who has no voice."""


@dataclass(frozen=True, slots=True)
class Peers:
    """What rendering and speaking need of the machine; computed when first used, because a daemon that only watches
    needs neither."""

    render: Callable[[Office], Mapping[str, str]]
    speak: Callable[[Office], object]
    """Speaks some of what is missing; how many sentences still are, when it is known."""
    say: Callable[[Sequence[Prompt], Path], object] = _dumb
    """Speaks a few prompts into a folder of their own."""


def peers_of(home: Home) -> Peers:
    """Asterisk and the voice as this machine has them. Errors (not provided) come when they are used."""

    def render(office: Office) -> Mapping[str, str]:
        from ramal.asterisk.render import render
        from ramal.box.asterisk import box_of
        from ramal.provide import peers

        return render(office, box_of(home, home.in_force(), peers()))

    def speak(office: Office) -> int:
        from ramal.box import prepare
        from ramal.provide import peers

        return prepare.prompts(home, peers(), office, log.info, AT_ONCE)

    def say(prompts: Sequence[Prompt], folder: Path) -> None:
        from ramal.box import prepare
        from ramal.provide import peers

        prepare.say(home, peers(), prompts, folder)

    return Peers(render, speak, say)


def new_secret() -> str:
    """A phone's SIP password."""
    from ramal.box import prepare

    return prepare.new_secret()


class Daemon:
    """Everything that runs while ``run`` runs. Made on the main thread, inside the writer's lock."""

    def __init__(
        self, home: Home, pace: Pace, peers: Peers, stack: ExitStack, look: machine.Look = machine.look
    ) -> None:
        self.home, self._peers = home, peers
        self.started_ms = clock_ms()
        self.in_force_settings = home.in_force()
        self.starts = Starts(home.starts)
        self.starts.note(self.started_ms)
        self.writer = Writer(home.db)
        stack.callback(self.writer.stop)
        self.watch = clock.Watch(home, self.writer.submit, look)
        self.engine = Engine(step, self._dispatch, notifier=Notifier(), tick_s=pace.tick_s)
        self.work = Worker("apply")
        self.link = Link(
            "127.0.0.1",
            self.in_force_settings.ami_port,
            AMI_USER,
            home.ami_secret(),
            self._on_event,
            self._on_up,
            lambda reason: self.engine.put(AmiDown(reason)),
            ping_s=pace.ami_ping_s,
            silence_s=pace.ami_silence_s,
            longest_wait_s=pace.ami_longest_wait_s,
        )
        self.steering = Steering(self._deliver, self.engine.put)
        self.in_force = InForce(
            Means(
                etc=home.etc,
                load=lambda: self.writer.submit(settings.load).result(),
                save=lambda office: self.writer.submit(lambda db: settings.save(db, office)).result(),
                render=peers.render,
                speak=peers.speak,
                secret=new_secret,
                reloader=self._reloader,
                loaded=self._loaded,
            )
        )
        self.finisher = Finisher(home.root, self.writer.submit_rebuildable)
        self.chronicle = Chronicle(
            (home.asterisk_log / QUEUE_NAME, home.asterisk_log / CEL_NAME),
            home.recordings,
            lambda connection: Books(connection, home, self.finisher),
            self.writer.submit_rebuildable,
            self.engine.put,
            lambda: self.engine.state.office.timezone,
            lambda: (self.starts.seen(clock_ms()), watchdog.seen(image_here())),
            reserve_mb=self.in_force_settings.disk_reserve_mb,
            look_s=pace.look_s,
            slow_look_s=pace.slow_look_s,
        )
        self.durable = Durable(home.db, home.root)
        self._tick_s = pace.tick_s
        self._given = self._means()
        self.subjects: tuple[Subject, ...] = (
            clock.subject(self._given, self.watch),
            *(subject(self._given) for subject in SUBJECTS),
        )
        self.rounds = Rounds(self.subjects, pace.round_s)
        self.drills: Drills | None = None
        """Set by ``run``; a daemon of a test may have none."""
        self.server = Server(home.control_sock, self._handlers())
        stack.callback(self.server.stop)

    def run(self) -> int:
        """Work until SIGTERM or SIGINT; the exit code."""
        office = self.writer.submit(settings.load).result()
        self.engine.put(ConditionSeen(warnings.OFFICE_EMPTY, office is None))
        if office is not None:
            self.engine.put(OfficeLoaded(office))
        with ExitStack() as stack:
            for part in (self.steering, self.finisher, self.durable, self.chronicle, self.rounds, self.link):
                part.start()
                stack.callback(part.stop)
            for subject in self.subjects:
                subject.start()
                stack.callback(subject.stop)
            stack.callback(self.work.stop, 5.0)
            if self.drills is not None:
                stack.callback(self.drills.stop)
            self.server.start()
            log.info("the daemon is up (version %s, process %d)", _version(), os.getpid())
            code = self.engine.run()
            Notifier().tell("STOPPING=1")
        if code == 0:
            self.starts.forget()
            log.info("the daemon ended as asked; calls go on without it")
        return code

    # -- Asterisk ------------------------------------------------------------------------------------------------------

    def _on_event(self, message: Message) -> None:
        if message.event == card.UNHOLD:
            channel, code = message.get("Channel"), retention.settings_of(self.engine.state.office).card_code
            self.steering.aside(lambda: card.held_no_more(self._given, channel, code))
            return
        event = translate.translate(message)
        if event is not None:
            self.engine.put(event)

    def _on_up(self, session: Session) -> None:
        self.engine.put(translate.snapshot(session, clock_ms()))
        self.work.submit(self._refresh)

    def _refresh(self) -> None:
        try:
            self.in_force.refresh()
        except RamalError as error:
            log.warning("Asterisk could not be brought to the office in force: %s", error)
        except Exception:
            log.exception("bringing Asterisk to the office in force failed")
        self._look_for_phones()
        self.engine.then(self.rounds.up)
        self._speak_on()

    def _speak_on(self) -> None:
        """Some sentences, and the next ones behind whatever else waits for the worker: a new box has hundreds to speak,
        and an apply must not wait for them."""
        if self.in_force.speak_on():
            self.work.submit(self._speak_on)

    def _look_for_phones(self) -> None:
        """Have Asterisk ask every phone whether it is there. After a restart it knows their addresses, but counts them
        as unreachable, and rings nobody, until it has asked by itself, which takes up to half a minute."""
        try:
            for phone in self.engine.state.office.phones:
                self.link.request("PJSIPQualify", (("Endpoint", phone.extension),))
        except RamalError as error:
            log.info("the phones were not asked whether they are there: %s", error)

    def _dispatch(self, command: Command) -> None:
        if isinstance(command, NoteDecision):
            at_ms = clock_ms()
            self.writer.submit_rebuildable(lambda db: decisions.note(db, at_ms, command))
        else:
            self.steering.send(command)

    def _deliver(self, action: translate.Action) -> Message:
        return self.link.request(action.name, action.headers, action.variables, action_id=action.action_id)

    def _reloader(self) -> Reloader | None:
        return AmiReloader(self.link) if self.link.is_up else None

    def _loaded(self, office: Office) -> None:
        self.engine.put(OfficeLoaded(office))
        self.engine.put(ConditionSeen(warnings.OFFICE_EMPTY, False))
        taken = threading.Event()
        self.engine.then(taken.set)
        taken.wait(TAKEN_S)  # who is told that it is in force may ask the next thing of the new office
        if self.link.is_up:
            self.rounds.up()

    def _means(self) -> ops.Means:
        return ops.Means(
            home=self.home,
            write=self.writer.submit,
            write_soon=self.writer.submit_rebuildable,
            read=self._read,
            work=self.work.submit,
            ask=self.link.request,
            ask_list=self.link.request_list,
            say=self._peers.say,
            tell=self.engine.put,
            office=lambda: self.engine.state.office,
            state=lambda: self.engine.state,
            clock_ms=clock_ms,
            tick_s=self._tick_s,
            trusted=self.watch.trusted,
        )

    def _read(self, job: Callable[[sqlite3.Connection], Any]) -> Any:
        with closing(open_reader(self.home.db)) as connection:
            return job(connection)

    # -- control: on the control thread, so everything here returns at once --------------------------------------------

    def _handlers(self) -> dict[str, Callable[[Request], "Answer | Future[Answer]"]]:
        return {
            "ping": self._ping,
            "live": self._live,
            "office": lambda _: self.work.submit(self.in_force.export),
            "apply": self._apply,
            "drill.start": lambda request: self._drills.start(request.text("number", "") or None),
            "drill.status": lambda request: self._drills.status(request.text("drill")),
            "user.set_password": self._set_password,
            "audit": self._audit,
            **{name: handler for subject in self.subjects for name, handler in subject.handlers.items()},
        }

    def _ping(self, request: Request) -> Answer:
        behind = {"inbox": self.engine.depth, "writer": self.writer.depth}
        return {"version": _version(), "pid": os.getpid(), "up_since_ms": self.started_ms, "depth": behind}

    def _live(self, request: Request) -> Answer:
        return self.picture()

    def picture(self) -> Answer:
        """What is going on now, from the last published state; any thread."""
        state = self.engine.state
        return live(state, clock_ms(), self.chronicle.today, state.warnings, self.chronicle.behind_bytes)

    def _apply(self, request: Request) -> "Future[Answer]":
        text, file = request.text("toml"), request.text("file", "office.toml")[:300]  # a name, not a second file
        answer: Future[Answer] = self.work.submit(lambda: self.in_force.apply(text, file))
        self.work.submit(self._speak_on)
        return answer

    @property
    def _drills(self) -> Drills:
        if self.drills is None:
            raise RamalError("This daemon has no drill. Calls are not affected.")
        return self.drills

    def _set_password(self, request: Request) -> "Future[Answer]":
        name, digest = request.text("name"), request.text("hash")

        def job(connection: sqlite3.Connection) -> Answer:
            users.set_password(connection, name, digest)
            return {}

        def changed(future: "Future[Answer]") -> None:
            if name == "owner" and future.exception() is None:
                self.home.forget_one_time_password()

        future = self.writer.submit(job)
        future.add_done_callback(changed)
        return future

    def _audit(self, request: Request) -> "Future[Answer]":
        who, what, detail = request.text("who"), request.text("what"), request.text("detail", "")
        at_ms = clock_ms()

        def job(connection: sqlite3.Connection) -> Answer:
            users.audit(connection, at_ms, who, what, detail)
            return {}

        return self.writer.submit(job)


def drills_of(daemon: Daemon) -> Drills:
    """The real ones."""
    from ramal import drill

    def office() -> Office:
        return daemon.engine.state.office

    return drill.Drills(daemon.home, office, daemon.picture)


def run(
    home: Home,
    pace: Pace | None = None,
    peers: Peers | None = None,
    drills: Callable[[Daemon], Drills] | None = None,
    look: machine.Look = machine.look,
) -> int:
    """Be the daemon of ``home`` until SIGTERM or SIGINT; the exit code. RamalError when it cannot start. ``look``: at
    the machine's clock."""
    _log_to_stderr()
    os.umask(UMASK)
    home.prepare()
    with only_writer(home), ExitStack() as stack:
        try:
            daemon = Daemon(home, pace or Pace(), peers or peers_of(home), stack, look)
        except OSError as error:
            raise RamalError(
                f"The daemon cannot start ({error}). Calls go on. Repair the folder {home.root} and start it again."
            ) from error
        daemon.drills = (drills or drills_of)(daemon)

        def end(number: int, frame: FrameType | None) -> None:
            daemon.engine.stop()

        before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            return daemon.run()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _version() -> str:
    return version("ramal")


def _log_to_stderr() -> None:
    # systemd's journal has its own time stamps.
    stamp = "" if os.environ.get("JOURNAL_STREAM") else "%(asctime)s "
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format=stamp + "%(levelname)s %(name)s: %(message)s", force=True
    )
