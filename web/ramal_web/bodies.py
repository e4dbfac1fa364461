"""How much a request may bring: little, but for the few pages that take files, and there only from who is signed in.

Runs on the server's own thread, before a request's body is taken off the network and put on the disk: what a stranger
sends to any page, or anybody to another page, ends at ``MAX_CONTENT_LENGTH``. Nothing is opened or asked here; the
session's signature is enough, for the page itself looks at the user again.
"""

import copy
from typing import Any

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from waitress.parser import HTTPRequestParser  # type: ignore[import-untyped]
from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_cookie


class Bodies:
    """The limits of one page. Free to all threads."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._pages = app.url_map.bind("")

    def most(self, path: str, cookie: str) -> int:
        """Bytes a POST to ``path`` with this Cookie header may bring; 0 = no more than any other."""
        try:
            endpoint, _ = self._pages.match(path, method="POST")
        except HTTPException:
            return 0
        body_max = int(getattr(self._app.view_functions.get(endpoint), "body_max", 0))
        return body_max if body_max and self._is_signed_in(cookie) else 0

    def _is_signed_in(self, cookie: str) -> bool:
        sessions = self._app.session_interface
        if not isinstance(sessions, SecureCookieSessionInterface):
            return False
        signer = sessions.get_signing_serializer(self._app)
        value = parse_cookie(cookie).get(self._app.config["SESSION_COOKIE_NAME"], "")
        try:
            known = signer.loads(value) if signer and value else {}
        except Exception:  # whatever a stranger writes there
            return False
        return isinstance(known, dict) and isinstance(known.get("user"), str)


class Request(HTTPRequestParser):  # type: ignore[misc]
    """waitress's parser of one request, with the limit its path and session deserve."""

    bodies: Bodies | None = None
    is_large = False
    adj: Any

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.bodies is None or self.command != "POST":
            return
        most = self.bodies.most(str(self.path), str(self.headers.get("COOKIE", "")))
        if most > self.adj.max_request_body_size:
            larger = copy.copy(self.adj)
            larger.max_request_body_size = most
            self.adj, self.is_large = larger, True
