"""``ramal up``: the whole box in one terminal. Asterisk, the daemon, the page, the virtual phones.

Runs on the main thread of its own process, which holds the home's lock: started twice at once, the second says so.
On the image systemd does this; here a stranger's terminal does, and Ctrl-C ends all of it.
"""

import argparse
import contextlib
import fcntl
import json
import os
import secrets
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from ramal.asterisk.render_pjsip import is_loopback
from ramal.box import asterisk, ports, prepare
from ramal.box.children import Child, Keeper, start_program
from ramal.box.home import Home, Settings, default_home, open_to_lan
from ramal.control.client import Control, DaemonDown
from ramal.core.office import Office
from ramal.errors import RamalError
from ramal.provide import Peers, peers

HEALTHY_WITHIN_S = 60.0


class Ended(Exception):
    """A signal asked for the end."""


def main(arguments: list[str] | None = None) -> int:
    """Parse, start, keep, end. 0 after Ctrl-C or SIGTERM, 1 after a RamalError (its sentence on stderr)."""
    parser = argparse.ArgumentParser(prog="ramal up", description="Start the whole box in this terminal.")
    parser.add_argument("--office", default=None, help="an office file, “empty”, or “demo”")
    parser.add_argument("--lan", action="store_true", help="open SIP and the page to the local network")
    parser.add_argument("--home", type=Path, default=None, help="the folder for everything (RAMAL_HOME)")
    given = parser.parse_args(arguments)
    home = Home(given.home.resolve()) if given.home else default_home()
    try:
        return _run(home, given.office, lan=given.lan)
    except RamalError as error:
        print(f"ramal: {error}", file=sys.stderr, flush=True)
        return 1


def _run(home: Home, office_choice: str | None, *, lan: bool) -> int:
    keeper = Keeper(say=_say)
    home.prepare()
    with _only_one(home), _ended_by_signals():
        try:
            settings = home.settings()
            if not home.settings_file.exists():
                home.save_settings(settings)
            settings = open_to_lan(settings) if lan else settings
            ports.check(settings, str(home.settings_file))
            _start(home, settings, office_choice, keeper)
            while True:
                keeper.look()
                time.sleep(0.3)
        except Ended:
            _say("Ending: virtual phones, page, daemon, Asterisk …")
        finally:
            keeper.end()
            home.put_in_force(None)
    _say("Everything is stopped. Start it again with: make run")
    return 0


def _start(home: Home, settings: Settings, office_choice: str | None, keeper: Keeper) -> None:
    programs = peers()
    made = prepare.office(home, office_choice, _say)
    asterisk.lay_data(home, programs)
    prepare.generation(home, settings, programs, made, _say)
    password = prepare.owner(home)
    home.put_in_force(settings)
    pid = home.run.joinpath
    keeper.launch(Child("Asterisk", lambda: asterisk.start(home, programs), pid("up-asterisk.pid")))
    python = [sys.executable, "-m"]
    at = ["--home", str(home.root)]
    daemon = [*python, "ramal", "run", *at]
    keeper.launch(Child("The daemon", lambda: start_program(daemon, home.log / "daemon.log"), pid("up-daemon.pid")))
    page = [*python, "ramal_web", *at]
    keeper.launch(Child("The page", lambda: start_program(page, home.log / "page.log"), pid("up-page.pid")))
    config = prepare.virtual_phones(home, settings, made)
    if config is not None:
        phones = [*python, "ramal.virtual", "--config", str(config)]
        log = home.log / "virtual.log"
        keeper.launch(Child("The virtual phones", lambda: start_program(phones, log), pid("up-virtual.pid")))
    _wait_healthy(home, settings, made, keeper)
    _tell(home, settings, made, programs, password)


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
    print("\n".join(lines) + "\n", flush=True)


def _page_url(settings: Settings) -> str:
    address = "127.0.0.1" if settings.page_bind in ("0.0.0.0", "::") else settings.page_bind
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


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    def ask_to_end(number: int, frame: FrameType | None) -> None:
        # A second Ctrl-C must not cut the clean end short.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Ended

    before = {number: signal.signal(number, ask_to_end) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(sentence: str) -> None:
    print(f"ramal: {sentence}", flush=True)
