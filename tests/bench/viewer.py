"""Somebody who watches the live view: signed in, asking as often as the page in a browser asks."""

import http.cookiejar
import re
import threading
import urllib.error
import urllib.parse
import urllib.request

EVERY_S = 1.0
_TOKEN = re.compile(rb'name="csrf" value="([^"]+)"')
_NEXT = re.compile(rb'hx-get="([^"]+)"')


class Viewer:
    """``sign_in`` first, then ``start``; ``answers`` and ``failures`` count what the page said."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self._url, self._user, self._password = f"http://127.0.0.1:{port}", user, password
        self._open = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        ).open
        self._next = "/live"
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="viewer", daemon=True)
        self.answers = self.failures = 0

    def sign_in(self) -> bool:
        """Whether the page is up and has let us in."""
        try:
            with self._open(f"{self._url}/login", timeout=5) as page:
                token = _TOKEN.search(page.read())
            assert token is not None
            form = {"csrf": token[1].decode(), "user": self._user, "password": self._password}
            with self._open(f"{self._url}/login", urllib.parse.urlencode(form).encode(), timeout=10) as page:
                return self._note(page.read())
        except urllib.error.HTTPError:
            raise
        except OSError:
            return False

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _watch(self) -> None:
        while not self._stopping.wait(EVERY_S):
            try:
                with self._open(self._url + self._next, timeout=5) as answer:
                    self._note(answer.read())
                self.answers += 1
            except OSError:
                self.failures += 1

    def _note(self, body: bytes) -> bool:
        found = _NEXT.search(body)
        if found:
            self._next = found[1].decode().replace("&amp;", "&")
        return found is not None
