"""``ramal up``: the whole box in one terminal. Asterisk, the daemon, the page, the virtual phones.

Runs on the main thread of its own process, which holds the home's lock: started twice at once, the second says so.
On the image systemd does this; here a stranger's terminal does, and Ctrl-C ends all of it. When this process itself is
killed (-9), calls go on, and the next start finds Asterisk and keeps it (``box.leftovers``).
"""

import argparse
import contextlib
import fcntl
import json
import os
import secrets
import signal
import socket
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

from ramal.asterisk.render_pjsip import is_loopback
from ramal.box import asterisk, leftovers, logs, ports, prepare
from ramal.box.children import Child, Keeper, start_program
from ramal.box.home import UMASK, Home, Settings, default_home, open_to_lan, reached_at
from ramal.control.client import Control, DaemonDown
from ramal.core.office import Office
from ramal.errors import RamalError
from ramal.provide import Peers, peers

HEALTHY_WITHIN_S = 60.0
LOGS_EVERY_S = 60.0
AGAIN_S = 0.01
"""After so long a wish to end that came where it would be lost is looked at again."""


class Ended(Exception):
    """A signal asked for the end."""


def main(arguments: list[str] | None = None) -> int:
    """Parse, start, keep, end. 0 after Ctrl-C or SIGTERM, 1 after a RamalError (its sentence on stderr)."""
    parser = argparse.ArgumentParser(prog="ramal up", description="Start the whole box in this terminal.")
    parser.add_argument("--office", default=None, help="an office file, “empty”, or “demo”")
    parser.add_argument("--lan", action="store_true", help="open SIP and the page to the local network")
    parser.add_argument("--home", type=Path, default=None, help="the folder for everything (RAMAL_HOME)")
    given = parser.parse_args(arguments)
    os.umask(UMASK)
    home = Home(given.home.resolve()) if given.home else default_home()
    try:
        return _run(home, given.office, lan=given.lan)
    except RamalError as error:
        sentence = str(error)
    except (OSError, sqlite3.Error) as error:
        where = f": {error.filename}" if isinstance(error, OSError) and error.filename else ""
        sentence = (
            f"The box cannot run ({getattr(error, 'strerror', None) or error}{where}). Whatever was started is stopped "
            f"again. Check that the home {home.root} can be written and that its disk has room, then start it again."
        )
    print(f"ramal: {sentence}", file=sys.stderr, flush=True)
    return 1


def _run(home: Home, office_choice: str | None, *, lan: bool) -> int:
    asked = _Asked()
    keeper = Keeper(say=_say, undisturbed=asked.later)
    home.prepare()
    with _only_one(home), asked.by_signals():
        try:
            settings = home.settings()
            if not home.settings_file.exists():
                home.save_settings(settings)
            settings = open_to_lan(settings) if lan else settings
            kept = leftovers.settle(home, settings, _say)
            ports.check(settings, str(home.settings_file), asterisk_runs="asterisk" in kept)
            _start(home, settings, office_choice, keeper, kept)
            shortened_s = time.monotonic()
            while True:
                keeper.look()
                if time.monotonic() - shortened_s > LOGS_EVERY_S:
                    shortened_s = time.monotonic()
                    logs.shorten(logs.logs_of(home.log, home.asterisk_log, home.run))
                time.sleep(0.3)
        except Ended:
            _say("Ending: virtual phones, page, daemon, Asterisk …")
        finally:
            keeper.end()
            with contextlib.suppress(OSError):
                home.put_in_force(None)
    _say("Everything is stopped. Start it again with: make run")
    return 0


def _start(
    home: Home,
    settings: Settings,
    office_choice: str | None,
    keeper: Keeper,
    kept: Mapping[leftovers.Name, leftovers.Adopted],
) -> None:
    programs = peers()
    made = prepare.office(home, office_choice, _say)
    asterisk.lay_data(home, programs)
    prepare.generation(home, settings, programs, made, _say)
    password = prepare.owner(home)
    home.put_in_force(settings)
    pid = home.run.joinpath
    child = Child("Asterisk", lambda: asterisk.start(home, programs), pid("up-asterisk.pid"))
    keeper.launch(child, kept.get("asterisk"))
    _launch_ours(home, "daemon", "The daemon", keeper)
    _launch_ours(home, "page", "The page", keeper)
    before = prepare.phones_asked_for(home)
    config = prepare.virtual_phones(home, settings, made)
    phones = kept.get("phones")
    if phones is not None and (config is None or prepare.phones_asked_for(home) != before):
        phones.stop()
        phones = None
    if config is not None:
        _launch_ours(home, "phones", "The virtual phones", keeper, phones)
    _wait_healthy(home, settings, made, keeper)
    _tell(home, settings, made, programs, password)


def _launch_ours(
    home: Home, name: leftovers.Name, called: str, keeper: Keeper, running: leftovers.Adopted | None = None
) -> None:
    words = [sys.executable, *leftovers.argv(home, name)]
    log = home.log / f"{name}.log"
    keeper.launch(Child(called, lambda: start_program(words, log), home.run / f"up-{name}.pid"), running)


def _wait_healthy(home: Home, settings: Settings, office: Office, keeper: Keeper) -> None:
    """Until Asterisk, daemon and page answer and the virtual phones are there; RamalError naming what does not."""
    deadline_s = time.monotonic() + HEALTHY_WITHIN_S
    lacking = "everything"
    while time.monotonic() < deadline_s:
        keeper.look()
        lacking = _lacking(home, settings, office)
        if not lacking:
            return
        time.sleep(0.1)
    raise RamalError(
        f"Not everything came up within {HEALTHY_WITHIN_S:.0f} s: {lacking}. All of it was stopped again. "
        f"The logs in {home.log} say why."
    )


def _lacking(home: Home, settings: Settings, office: Office) -> str:
    try:
        live = Control(home.control_sock).ask("live")
    except (DaemonDown, RamalError):
        return "the daemon does not answer"
    if not live.get("asterisk", {}).get("up"):
        return "Asterisk does not answer the daemon"
    try:
        urllib.request.urlopen(f"{_page_url(settings)}/health", timeout=2).close()
    except (urllib.error.URLError, OSError):
        return "the page does not answer"
    reached = {phone["extension"] for phone in live.get("phones", []) if phone.get("reachable")}
    missing = [phone.extension for phone in office.phones if phone.virtual and phone.extension not in reached]
    return f"the virtual phones {', '.join(missing)} have not registered" if missing else ""


def _tell(home: Home, settings: Settings, office: Office, programs: Peers, password: str | None) -> None:
    lines = [
        "",
        f"  Ramal is up: {office.name}",
        f"  The page      {_page_url(settings)}/",
    ]
    if password is not None:
        lines.append(f"  Log in        user owner, one-time password {password} (the page asks for your own)")
    if settings.page_bind == "0.0.0.0":
        lan = _lan_address()
        lines.append(f"  From the LAN  http://{lan}:{settings.page_port}/, phones at {lan}:{settings.sip_port}")
    lines.append(f"  Asterisk      {programs.version}, SIP at {settings.sip_bind}:{settings.sip_port}")
    lines.append(f"  The home      {home.root}")
    if any(is_loopback(line) for line in office.lines) and any(phone.virtual for phone in office.phones):
        lines.append(
            "  Try it        press “Place a test call” in the page, or in another terminal: .venv/bin/ramal drill"
        )
    else:
        lines.append("  Next          log a phone in with *45, then call one of your numbers")
    lines.append("  Stop          Ctrl-C")
    _print("\n".join(lines) + "\n")


def _page_url(settings: Settings) -> str:
    address = reached_at(settings.page_bind)
    return f"http://{f'[{address}]' if ':' in address else address}:{settings.page_port}"


def _lan_address() -> str:
    """This machine's address in its network: the one a packet to elsewhere would carry; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


@contextlib.contextmanager
def _only_one(home: Home) -> Iterator[None]:
    """Hold the home's lock; RamalError naming the page of the box that already has it."""
    file = home.run / "up.lock"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 400, 0).decode(errors="replace")
            pid = json.loads(owner).get("pid") if owner.startswith("{") else "?"
            raise RamalError(
                f"Ramal is already running with the home {home.root} (process {pid}). "
                "It goes on undisturbed. For a second box choose another home: RAMAL_HOME=/path make run."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "token": secrets.token_hex(4)}).encode(), 0)
        yield
    finally:
        os.close(descriptor)


class _Asked:
    """Turns SIGINT, SIGTERM and SIGHUP (and its own timer) into Ended on the main thread, once; ``later`` holds it back
    for a moment."""

    _SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)

    def __init__(self) -> None:
        self._held = False
        self._asked = False

    @contextlib.contextmanager
    def by_signals(self) -> Iterator[None]:
        """Inside the block."""
        before = {number: signal.signal(number, self._ask) for number in self._SIGNALS}
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def later(self) -> Iterator[None]:
        """Inside the block nothing is raised; at its end it is, when a signal came."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._asked:
            raise Ended

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._is_lost(frame):
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S)  # asks again, in another frame
            return
        # A second Ctrl-C, or the terminal's end after it, must not cut the clean end short.
        for other in self._SIGNALS:
            signal.signal(other, signal.SIG_IGN)
        self._asked = True
        if not self._held:
            raise Ended

    @staticmethod
    def _is_lost(frame: FrameType | None) -> bool:
        """Whether what is raised in ``frame`` is only printed: Python calls it back to forget an import's lock."""
        return frame is not None and frame.f_code.co_name == "cb" and "importlib" in frame.f_code.co_filename


def _say(sentence: str) -> None:
    _print(f"ramal: {sentence}")


def _print(text: str) -> None:
    """A terminal that is gone (or a reader: ``make run | head``) does not end the box."""
    try:
        print(text, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
