"""Who may ask what: sessions, CSRF tokens and the headers of every answer.

Law: a view needs a session unless it is marked ``public``; every request that changes something carries the session's
CSRF token, and what only some roles may do is marked at the view (``only``). A session is a signed cookie bound to the
user's epoch, so a changed password ends all others of that user.
"""

import hmac
import secrets
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, g, redirect, request, session, url_for
from flask.sessions import SecureCookieSessionInterface
from werkzeug.wrappers import Response as BaseResponse

from ramal_web import unclaimed
from ramal_web.history import User, history

View = TypeVar("View", bound=Callable[..., Any])

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
TOUCH_S = 60
"""The cookie's clock is renewed at most this often, and never by the live view's own questions."""


def public(view: View) -> View:
    """Mark a view that works without a session."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def passive(view: View) -> View:
    """Mark a view the page asks by itself: it does not keep a session alive, and has no page to come back to."""
    view.is_passive = True  # type: ignore[attr-defined]
    return view


def only(*roles: str) -> Callable[[View], View]:
    """Mark a view that only users of these roles may ask; others get 403."""

    def mark(view: View) -> View:
        view.roles = frozenset(roles)  # type: ignore[attr-defined]
        return view

    return mark


def takes(body_max: int) -> Callable[[View], View]:
    """Mark a view that takes a file: so many bytes, from who is signed in."""

    def mark(view: View) -> View:
        view.body_max = body_max  # type: ignore[attr-defined]
        return view

    return mark


def may(*roles: str) -> bool:
    """Whether this request's user has one of these roles."""
    user: User | None = g.get("user")
    return user is not None and user.role in roles


class Sessions(SecureCookieSessionInterface):
    """Flask's signed cookie, ``Secure`` exactly when the page came over https."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure

    def should_set_cookie(self, app: Flask, session: Any) -> bool:
        return bool(session.modified)


def install(app: Flask) -> None:
    """Guard every route of ``app``."""
    app.session_interface = Sessions()
    app.before_request(_guard)
    app.after_request(_headers)
    app.jinja_env.globals["csrf_token"] = csrf_token
    app.jinja_env.globals["may"] = may
    app.jinja_env.globals["signed_in"] = lambda: g.get("user")


def csrf_token() -> str:
    """This session's token; made when first asked for."""
    token = session.get("csrf")
    if not isinstance(token, str):
        token = session["csrf"] = secrets.token_urlsafe(24)
    return token


def begin_session(user: User) -> None:
    """Forget everything known about this browser and bind it to ``user``."""
    session.clear()
    now_s = int(time.time())
    session.update(user=user.name, epoch=user.epoch, began=now_s, seen=now_s)
    g.user = user


def local_path(path: str) -> str:
    """``path`` when it is a page of this box, else the start page: nobody is sent elsewhere after a login."""
    try:
        parts = urlsplit(path)
    except ValueError:  # “//[x” is no address at all
        return "/"
    if (
        not path.startswith("/")
        or path.startswith(("//", "/\\"))
        or parts.netloc
        or "\\" in path
        or not path.isprintable()
    ):
        return "/"
    return path


def _guard() -> BaseResponse | None:
    view = current_app.view_functions.get(request.endpoint or "")
    body_max = getattr(view, "body_max", None)
    if body_max and _session_user() is not None:
        request.max_content_length = body_max
    if request.method not in SAFE_METHODS:
        _check_token()
    if request.endpoint not in unclaimed.OPEN_ENDPOINTS and unclaimed.is_unclaimed():
        return _away(url_for("claim.page"))
    if request.endpoint == "static" or getattr(view, "is_public", False):
        return None
    passive_view = getattr(view, "is_passive", False)
    g.user = _session_user()
    if g.user is None:
        return _to_login(passive_view)
    if g.user.must_change and request.endpoint not in ("auth.password", "auth.logout"):
        return _away(url_for("auth.password"))
    roles = getattr(view, "roles", None)
    if roles and g.user.role not in roles:
        abort(403)
    now_s = int(time.time())
    if not passive_view and abs(now_s - session["seen"]) >= TOUCH_S:
        session["seen"] = now_s
    return None


def session_user() -> User | None:
    """The user of a public page's request, if there is one."""
    if "user" not in g:
        g.user = _session_user()
    user: User | None = g.user
    return user


def _session_user() -> User | None:
    name, epoch = session.get("user"), session.get("epoch")
    began, seen = session.get("began"), session.get("seen")
    if not isinstance(name, str) or not isinstance(began, int) or not isinstance(seen, int):
        return None
    settings = current_app.config["RAMAL"]
    now_s = time.time()
    # abs(): after a power cut without a clock the box may live in its own past for a while.
    if abs(now_s - seen) > settings.idle_s or abs(now_s - began) > settings.longest_s:
        return None
    user = history().user(name)
    return user if user is not None and user.epoch == epoch else None


def _to_login(passive_view: bool) -> BaseResponse:
    wanted = request.full_path.rstrip("?") if request.method == "GET" and not passive_view else "/"
    target = url_for("auth.login") if wanted == "/" else url_for("auth.login", next=wanted)
    return _away(target)


def _away(target: str) -> BaseResponse:
    if request.headers.get("HX-Request"):
        return Response(status=401, headers={"HX-Redirect": target})
    return redirect(target, 303)


def _check_token() -> None:
    origin = request.headers.get("Origin")
    if origin is not None and _host_of(origin) != request.host:
        abort(400, "csrf")
    given = request.form.get("csrf") or request.headers.get("X-CSRF-Token") or ""
    known = session.get("csrf")
    if not isinstance(known, str) or not hmac.compare_digest(given.encode(), known.encode()):
        abort(400, "csrf")


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _headers(response: Response) -> Response:
    headers = response.headers
    headers["Content-Security-Policy"] = POLICY
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=()"
    if request.endpoint == "static":
        headers["Cache-Control"] = "public, max-age=31536000, immutable" if "v" in request.args else "no-cache"
    elif "Cache-Control" not in headers:
        headers["Cache-Control"] = "no-store"
    return response
