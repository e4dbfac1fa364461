"""``python -m ramal_web --home DIR [--bind ADDRESS] [--port PORT]``: serve the page of one home until SIGTERM.

Prints one line when it listens. Exit 2 with a sentence when it cannot start (a taken port, no session key).
"""

import argparse
import errno
import logging
import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.server import create_server  # type: ignore[import-untyped]

from ramal.box.home import UMASK, Home, Settings, default_home
from ramal.errors import RamalError
from ramal_web.app import create_app
from ramal_web.bodies import Bodies, Request
from ramal_web.settings import of_home

THREADS = 4
REQUEST_WITHIN_S = 20.0
"""A request that has not come whole by then is hung up on: waitress itself waits as long as single bytes drip in."""
LARGE_WITHIN_S = 180.0
"""The same for a file of 20 MB from somebody who is signed in, over a slow wireless network."""
CONNECTIONS_MAX = 200


class PromptChannel(HTTPChannel):  # type: ignore[misc]
    """A connection whose requests must come in one go; otherwise a few hundred slow ones would close the page."""

    began_s = 0.0
    parser_class = Request

    @staticmethod
    def now() -> float:
        """Seconds; the test has its own clock."""
        return time.monotonic()

    def take(self, data: bytes) -> bool:
        """What waitress does with the bytes."""
        return bool(super().received(data))

    @property
    def _is_large(self) -> bool:
        return bool(getattr(self.request, "is_large", False))

    def received(self, data: bytes) -> bool:
        if self.request is None:
            self.began_s = self.now()
        elif self.now() - self.began_s > (LARGE_WITHIN_S if self._is_large else REQUEST_WITHIN_S):
            self.will_close = True
            return False
        return self.take(data)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="ramal_web", description="The page of one Ramal box.")
    parser.add_argument("--home", type=Path, help="the box's home (RAMAL_HOME, else .ramal)")
    parser.add_argument("--bind", help="address to listen on instead of the home's setting")
    parser.add_argument("--port", type=int, help="port to listen on instead of the home's setting; 0 takes a free one")
    given = parser.parse_args(arguments)
    os.umask(UMASK)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    try:
        return _serve(Home(given.home.resolve()) if given.home else default_home(), given.bind, given.port)
    except RamalError as error:
        print(f"ramal-web: {error}", file=sys.stderr)
        return 2


def _serve(home: Home, bind: str | None, port: int | None) -> int:
    given = _given_door()
    settings = Settings() if given is not None else home.in_force()  # a damaged file must not close the image's page
    host = settings.page_bind if bind is None else bind
    wanted = settings.page_port if port is None else port
    app = create_app(of_home(home))
    place: dict[str, Any] = {"sockets": [given]} if given is not None else {"host": host, "port": wanted}
    try:
        server = create_server(
            app,
            **place,
            threads=THREADS,
            connection_limit=CONNECTIONS_MAX,
            channel_timeout=60,
            max_request_body_size=app.config["MAX_CONTENT_LENGTH"],
            max_request_header_size=16 * 1024,
            ident="",
            # They are believed nowhere; but the claim must see that somebody else stands behind (ramal_web.claim).
            clear_untrusted_proxy_headers=False,
        )
    except OSError as error:
        raise RamalError(_cannot_listen(host, wanted, error)) from error

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):  # a shell's background job would ignore SIGINT otherwise
        signal.signal(number, end)
    Request.bodies = Bodies(app)
    server.channel_class = PromptChannel
    where = "the door that systemd opened" if given is not None else f"http://{host}:{server.effective_port}/"
    print(f"The page listens on {where}", flush=True)
    try:
        server.run()
    finally:
        server.close()
    return 0


def _given_door() -> socket.socket | None:
    """The listening socket that systemd gives (ramal-web.socket), or None: then the page opens its own."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    return socket.socket(fileno=3)


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"The page's port {port} on {host} is taken by another program. Calls are not affected. "
            "Stop that program, or set page_port in settings.toml to a free port."
        )
    return (
        f"The page cannot listen on {host}, port {port} ({error.strerror or error}). Calls are not affected. "
        "Set page_bind and page_port in settings.toml."
    )


if __name__ == "__main__":
    sys.exit(main())
