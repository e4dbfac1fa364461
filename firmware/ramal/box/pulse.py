"""``python -m ramal.box.pulse``: ends an Asterisk that runs and answers nothing; systemd starts it again. On a full
disk it makes the room that Asterisk needs (``box.ballast``).

One process, its main thread, as the user ``ramal`` (whose processes it may end, and no others). The rule is in
``core.pulse``. Law: it needs nothing of ours, neither daemon nor database, and what it cannot know ends nobody. The
standard library only.
"""

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ramal.box import ballast
from ramal.box.home import Home, Settings, default_home
from ramal.core import pulse
from ramal.core.pulse import Knock, Pulse
from ramal.errors import RamalError

PATIENCE_S = 4.0
"""For one answer, on this very machine."""
NAME = "ramal-health"
"""Who knocks: the phone that the box calls itself with (asterisk.render_health), so that no log calls it a stranger."""
_SETTINGS_MS = 60_000


@dataclass(slots=True)
class Watch:
    """The loop's state; ``say`` tells a person."""

    home: Home
    patience_s: float = PATIENCE_S
    say: Callable[[str], None] = lambda sentence: print(f"ramal: {sentence}", file=sys.stderr, flush=True)
    now_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000
    state: Pulse = field(default_factory=Pulse)
    _settings: Settings | None = None
    _read_ms: int = 0

    def look(self) -> bool:
        """Knock once; whether Asterisk was ended."""
        pid = pid_of(self.home.run / "asterisk.pid")
        ports = self._ports()
        phones = bool(pid) and answers_sip(ports.sip_bind, ports.sip_port, self.patience_s)
        manager = phones or not pid or answers_manager(ports.ami_port, self.patience_s)
        knock = Knock(self.now_ms(), pid, cpu_ms(pid), phones, manager)
        self.state = pulse.after(self.state, knock)
        if not pulse.hangs(self.state, knock):
            return False
        silent_s = (knock.at_ms - self.state.well.at_ms) // 1000 if self.state.well else 0
        self.state = Pulse()
        # Once more: the number may be another process's by now.
        if pid_of(self.home.run / "asterisk.pid") != pid:
            return False
        self.say(f"Asterisk (process {pid}) has answered nothing for {silent_s} s and is started anew.")
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)  # what hangs hears nothing else
        return True

    def _ports(self) -> Settings:
        """The settings in force; the last known ones when they cannot be read."""
        now_ms = self.now_ms()
        if self._settings is None or now_ms - self._read_ms >= _SETTINGS_MS:
            try:
                self._settings = self.home.in_force()
            except (RamalError, OSError):
                self._settings = self._settings or Settings()
            self._read_ms = now_ms
        return self._settings


def pid_of(file: Path) -> int:
    """The Asterisk that wrote ``file`` and still runs; 0 when there is none, or it is none of this user's."""
    try:
        text = file.read_text(encoding="ascii").strip()
        if not text.isdigit() or len(text) > 9 or int(text) < 2:
            return 0
        about = Path("/proc") / text
        if about.stat().st_uid != os.geteuid() or about.joinpath("comm").read_text().strip() != "asterisk":
            return 0
    except (OSError, UnicodeDecodeError):
        return 0
    return int(text)


def cpu_ms(pid: int) -> int:
    """What a process has used of the processor since it began; 0 when nobody can tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        # The name in brackets may hold anything; what follows its last bracket does not.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf("SC_CLK_TCK")
    return 0


def answers_sip(bind: str, port: int, patience_s: float) -> bool:
    """Whether something at the phones' door answers an OPTIONS, whatever the answer is."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    mark = f"pulse{time.monotonic_ns()}"
    shown = f"[{host}]" if ":" in host else host
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as door:
            door.connect((host, port))
            door.settimeout(patience_s)
            here = f"{shown}:{door.getsockname()[1]}"
            door.send(
                f"OPTIONS sip:{NAME}@{shown}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {here};rport;branch=z9hG4bK{mark}\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:{NAME}@{shown}>;tag={mark}\r\nTo: <sip:{NAME}@{shown}>\r\n"
                f"Contact: <sip:{NAME}@{here}>\r\nCall-ID: {mark}\r\nCSeq: 1 OPTIONS\r\n"
                "Content-Length: 0\r\n\r\n".encode()
            )
            until_s = time.monotonic() + patience_s
            while (left_s := until_s - time.monotonic()) > 0:
                door.settimeout(left_s)
                if mark.encode() in door.recv(65536):
                    return True
    except OSError:
        pass
    return False


def answers_manager(port: int, patience_s: float) -> bool:
    """Whether the manager's door says who it is; nobody logs in."""
    try:
        with socket.create_connection(("127.0.0.1", port), patience_s) as door:
            door.settimeout(patience_s)
            return door.recv(64).startswith(b"Asterisk")
    except OSError:
        return False


def main() -> int:
    """Until SIGTERM, which ends it as it stands."""
    watch = Watch(default_home())
    while True:
        watch.look()
        if told := ballast.look(watch.home):
            watch.say(told)
        time.sleep(pulse.next_ms(watch.state) / 1000)


if __name__ == "__main__":
    sys.exit(main())
