"""The composition root of the page: ``create_app(settings)``.

The process is unprivileged: it holds no AMI secret, reads the database and the recordings, and asks the daemon for
everything else. It keeps nothing that a restart would lose, but for counters of failed logins.
"""

import hashlib
import logging

from flask import Flask, Response, g, render_template, request, url_for
from werkzeug.exceptions import HTTPException

from ramal.control.client import Control
from ramal.errors import RamalError
from ramal.store.read import DatabaseUnusable
from ramal_web import (
    audit,
    auth,
    backups,
    calls,
    claim,
    clock,
    contacts,
    copies,
    desk,
    drill,
    formats,
    health,
    history,
    keeping,
    languages,
    live,
    menus,
    messages,
    mine,
    network,
    night,
    office,
    people,
    privacy,
    prompts,
    provision,
    returns,
    seal,
    security,
    surveys,
    updates,
    wall,
)
from ramal_web.calls.heard import Heard
from ramal_web.i18n import gettext
from ramal_web.live.feed import Feed
from ramal_web.live.kept import Kept
from ramal_web.live.reasons import Reasons
from ramal_web.settings import WebSettings
from ramal_web.throttle import Throttle
from ramal_web.wall.figures import Figures

log = logging.getLogger("ramal.web")

BODY_MAX = 64 * 1024
THEMES = ("light", "dark")


def create_app(settings: WebSettings) -> Flask:
    """The WSGI application of one box. Raises RamalError when the session key cannot be read."""
    app = Flask("ramal_web")
    key = _session_key(settings)
    app.config.update(
        RAMAL=settings,
        SECRET_KEY=key,
        # Cookies know no ports: two boxes on one machine must not sign each other's people out.
        SESSION_COOKIE_NAME="ramal_" + hashlib.sha256(b"cookie " + key).hexdigest()[:8],
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=BODY_MAX,
        MAX_FORM_PARTS=50,
    )
    control = Control(settings.control_sock)
    app.extensions["ramal.control"] = control
    app.extensions["ramal.feed"] = Feed(control)
    app.extensions["ramal.throttle"] = Throttle()
    app.extensions["ramal.heard"] = Heard()
    app.extensions["ramal.reasons"] = Reasons()
    app.extensions["ramal.figures"] = Figures(settings.db)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    history.install(app)
    security.install(app)
    languages.install(app)
    formats.install(app)
    for area in (auth, live, mine, desk, calls, returns, contacts, menus, night, wall, audit, drill, health, provision):
        app.register_blueprint(area.blueprint)
    app.register_blueprint(claim.blueprint)
    app.register_blueprint(seal.blueprint)
    app.register_blueprint(copies.blueprint)
    app.register_blueprint(backups.blueprint)
    app.register_blueprint(messages.blueprint)
    app.register_blueprint(keeping.blueprint)
    app.register_blueprint(surveys.blueprint)
    app.register_blueprint(prompts.blueprint)
    app.register_blueprint(privacy.blueprint)
    app.register_blueprint(updates.blueprint)
    app.register_blueprint(clock.blueprint)
    app.register_blueprint(network.blueprint)
    app.register_blueprint(office.blueprint)
    app.register_blueprint(people.blueprint)
    app.jinja_env.globals["asset"] = _asset(app)
    app.jinja_env.globals["kept"] = Kept()
    app.jinja_env.globals["theme"] = _theme
    app.jinja_env.globals["safe_mode"] = lambda: _safe_mode(settings)
    _errors(app)
    return app


def _session_key(settings: WebSettings) -> bytes:
    try:
        key = settings.secret_key.read_bytes().strip()
    except OSError as error:
        raise RamalError(
            f"The page cannot read its session key {settings.secret_key} ({error.strerror}). Calls are not affected. "
            "Start the box with `ramal up`, or give this user the right to read the file."
        ) from error
    if len(key) < 32:
        raise RamalError(
            f"The session key in {settings.secret_key} is too short to be safe. Calls are not affected. "
            "Delete the file and start Ramal again: a new one is made, and everybody signs in again."
        )
    return key


def _asset(app: Flask):  # type: ignore[no-untyped-def]
    """``asset('css/base.css')`` → its address with a version, so that browsers may keep it for ever."""
    addresses: dict[tuple[str, str], str] = {}

    def asset(name: str) -> str:
        key = (request.script_root, name)
        if key not in addresses:
            path = app.root_path + "/static/" + name
            with open(path, "rb") as file:
                version = hashlib.sha256(file.read()).hexdigest()[:10]
            addresses[key] = url_for("static", filename=name, v=version)
        return addresses[key]

    return asset


def _theme() -> str:
    chosen = request.cookies.get("ramal_theme", "")
    return chosen if chosen in THEMES else "auto"


def _safe_mode(settings: WebSettings) -> str:
    """``starts`` or ``no-data`` while the box is in safe mode, else ""."""
    try:
        return settings.home.safe_mode.read_text(encoding="ascii", errors="replace").strip() or "starts"
    except OSError:
        return ""


def _errors(app: Flask) -> None:
    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response | tuple[str, int, list[tuple[str, str]]]:
        if error.response is not None or error.code is None or error.code < 400:
            return error  # type: ignore[return-value]
        sentence = {
            400: gettext("Your browser sent something this page cannot use."),
            403: gettext("Your sign-in does not allow this. Ask the owner of the office."),
            404: gettext("There is no such page."),
            405: gettext("There is no such page."),
            413: gettext("That was more than this page accepts."),
        }.get(error.code, gettext("The page could not do that."))
        if error.description == "csrf":
            sentence = gettext("This page was open for too long. Go back, reload it and try again.")
        # Content-Range of a 416, Allow of a 405: what the error itself has to say stays.
        headers = [(name, value) for name, value in error.get_headers() if name != "Content-Type"]
        return (*_page(sentence, error.code), headers)

    @app.errorhandler(DatabaseUnusable)
    def unusable(error: DatabaseUnusable) -> tuple[str, int]:
        log.error("%s", error)
        return _page(gettext("The history cannot be read right now. Calls go on, and nothing is lost."), 503)

    @app.errorhandler(RamalError)
    def refused(error: RamalError) -> tuple[str, int]:
        log.warning("%s: %s", request.endpoint, error)
        return _page(str(error), 503)

    @app.errorhandler(Exception)
    def broken(error: Exception) -> tuple[str, int]:
        log.exception("%s %s failed", request.method, request.endpoint, exc_info=error)
        return _page(gettext("The page failed. Calls go on. The reason is in the page's log."), 500)


def _page(sentence: str, status: int) -> tuple[str, int]:
    g.setdefault("user", None)
    if request.url_rule is None and status == 400:  # a request so broken that no address can be made for it
        return sentence, status
    try:
        return render_template("error.html", sentence=sentence, status=status), status
    except Exception:  # the page that explains a failure must not fail itself, e.g. without a database
        log.exception("the error page failed")
        return sentence, status
