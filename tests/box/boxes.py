"""``ramal up`` as a stranger starts it: a process of its own, a private home with free ports, what it leaves."""

import http.cookiejar
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ramal.box.home import Home, Settings
from ramal.control.client import Control, DaemonDown
from tests.system.ports import free_port, free_range
from tests.until import until

UP_WITHIN_S = 90.0
ENDED_WITHIN_S = 45.0
_counter = itertools.count(1)


def new_home(root: Path, prompts: Path | None = None, **changes: Any) -> Home:
    """A home whose ports are free; ``prompts`` of another one, so that nothing has to be spoken again."""
    home = Home(root.resolve())
    home.prepare()
    first, last = free_range(100)
    settings = Settings(
        sip_port=free_port(), ami_port=free_port(), page_port=free_port(), rtp_first=first, rtp_last=last
    )
    home.save_settings(replace(settings, **changes))
    if prompts is not None:
        shutil.copytree(prompts, home.prompts, dirs_exist_ok=True, symlinks=True)
    return home


@dataclass(slots=True)
class Up:
    """One ``ramal up``. What it prints, on both outputs, goes to a file beside the home."""

    home: Home
    arguments: Sequence[str] = ()
    before: Sequence[str] = ()
    """Words in front of it: a program that runs it in other surroundings."""
    output: Path = field(init=False)
    process: "subprocess.Popen[bytes]" = field(init=False)
    began_s: float = field(init=False)

    def __post_init__(self) -> None:
        root = self.home.root
        self.output = root.with_name(f"{root.name}-{next(_counter)}.out")
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*self.before, sys.executable, "-m", "ramal", "up", *self.arguments],
                env={**os.environ, "RAMAL_HOME": str(self.home.root), "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.began_s = time.monotonic()

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def wait_up(self) -> float:
        """Until it says that it is up; seconds since its start."""

        def there() -> bool:
            assert self.process.poll() is None, self.said()
            return "Ramal is up" in self.said() and "Ctrl-C" in self.said()

        until(there, UP_WITHIN_S, f"up: {self.output}")
        return time.monotonic() - self.began_s

    def refused(self) -> str:
        """Until it has ended by itself, with exit code 1, without a traceback, leaving nothing; what it said."""
        assert self.process.wait(60) == 1, self.said()
        assert "Traceback" not in self.said()
        assert processes(self.home) == {}
        return self.said()

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ask it to end; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(ENDED_WITHIN_S)

    def kill(self) -> None:
        """kill -9 of the keeper alone."""
        self.process.kill()
        self.process.wait(10)

    def live(self) -> dict[str, Any]:
        try:
            return dict(Control(self.home.control_sock).ask("live"))
        except DaemonDown:
            return {"asterisk": {"up": False}, "agents": [], "phones": []}

    def pid(self, name: str) -> int:
        """The process id that the keeper wrote down: asterisk, daemon, page, phones; 0 while it is not running."""
        try:
            return int((self.home.run / f"up-{name}.pid").read_text() or 0)
        except FileNotFoundError:
            return 0

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{self.home.settings().page_port}"

    def agents_free(self) -> int:
        return sum(agent["state"] == "free" for agent in self.live()["agents"])


def processes(home: Home) -> dict[int, str]:
    """Every process that has to do with a home, by its command line or its environment."""
    root = os.fsencode(home.root)
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            words, surroundings = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
        except OSError:
            continue
        if root in words or b"RAMAL_HOME=" + root in surroundings.split(b"\0"):
            found[int(entry.name)] = words.replace(b"\0", b" ").decode(errors="replace")
    return found


def listening(port: int, protocol: str) -> set[str]:
    """The addresses at which somebody listens on ``port`` (``tcp`` or ``udp``)."""
    found = set()
    for line in Path(f"/proc/net/{protocol}").read_text().splitlines()[1:]:
        words = line.split()
        at = int(words[1].partition(":")[2], 16)
        if at == port and (protocol == "udp" or words[3] == "0A"):
            found.add(address(words[1]))
    return found


def address(place: str) -> str:
    """An IPv4 address of /proc/net, ``0100007F:1F90``, as people write it."""
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(place.partition(":")[0])))


def sockets(home: Home) -> list[str]:
    """What a box of this home still listens on: ports by number, unix sockets by path."""
    settings = home.settings()
    left = [line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines() if str(home.root) in line]
    for port in (settings.sip_port, settings.ami_port, settings.page_port):
        left += [f"{protocol} {port}" for protocol in ("tcp", "udp") if listening(port, protocol)]
    return left


class Visitor:
    """Somebody with a browser, as far as signing in goes."""

    def __init__(self, page: str) -> None:
        self._page = page
        jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def get(self, path: str) -> tuple[str, str]:
        """(the path one was led to, the page)."""
        with self._opener.open(self._page + path, timeout=10) as answer:
            return urllib.parse.urlsplit(answer.url).path, answer.read().decode()

    def post(self, path: str, form_at: str, **fields: str) -> tuple[int, str]:
        """Fill in the form of a page; (status, the path one was led to)."""
        _, text = self.get(form_at)
        token = re.search(r'name="csrf" value="([^"]+)"', text)
        assert token is not None
        data = urllib.parse.urlencode({"csrf": token[1], **fields}).encode()
        try:
            with self._opener.open(self._page + path, data, timeout=20) as answer:
                return answer.status, urllib.parse.urlsplit(answer.url).path
        except urllib.error.HTTPError as error:
            with error:
                return error.code, path


def password_in(said: str) -> str:
    """The one-time password that ``ramal up`` printed."""
    found = re.search(r"one-time password ([a-z0-9-]+) ", said)
    assert found is not None, said
    return found[1]
