"""The pages around the session: ``/login``, ``/logout``, ``/password``, ``/language``."""

import logging
import math
import time

from flask import Blueprint, current_app, g, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from ramal.control.client import Control, DaemonDown, Refused
from ramal_web import failures, languages
from ramal_web.auth import passwords
from ramal_web.catalogs import LANGUAGES
from ramal_web.history import User, history
from ramal_web.i18n import gettext, ngettext
from ramal_web.security import begin_session, local_path, public, session_user
from ramal_web.throttle import Throttle

log = logging.getLogger("ramal.web.auth")
blueprint = Blueprint("auth", __name__)
Page = str | Response | tuple[str, int] | tuple[str, int, dict[str, str]]


@blueprint.get("/login")
@public
def login() -> Page:
    if session_user() is not None:
        return redirect("/", 303)
    return _login_page()


@blueprint.post("/login")
@public
def sign_in() -> Page:
    name = request.form.get("user", "").strip()[:64]
    password = request.form.get("password", "")
    address = request.remote_addr or ""
    throttle: Throttle = current_app.extensions["ramal.throttle"]
    wait_s = throttle.charge(name, address, time.monotonic())
    if wait_s > 0:
        failures.note(address)
        return _too_soon(wait_s)
    user = history().user(name)
    if not passwords.right(password, user.password_hash if user else None) or user is None:
        log.warning("login of %r from %s failed", name, address)
        failures.note(address)
        return _login_page(gettext("This name and this password do not belong together."), 401)
    throttle.refund(name, address)
    begin_session(user)
    log.info("login of %r from %s", name, address)
    _audit(user.name, "session.started", address)
    if user.must_change:
        return redirect(url_for("auth.password"), 303)
    wanted = local_path(request.form.get("next", "/"))
    return redirect(_home(user) if wanted == "/" else wanted, 303)


@blueprint.post("/logout")
def logout() -> Page:
    session.clear()
    return redirect(url_for("auth.login"), 303)


@blueprint.route("/password", methods=["GET", "POST"])
def password() -> Page:
    user: User = g.user
    if request.method != "POST":  # a HEAD may carry a body, and the token is asked of a POST only
        return render_template("auth/password.html", problem=None)
    # A one-time password was typed a moment ago; otherwise an open page alone must not be enough.
    if not user.must_change:
        throttle: Throttle = current_app.extensions["ramal.throttle"]
        address = request.remote_addr or ""
        wait_s = throttle.charge(user.name, address, time.monotonic())
        if wait_s > 0:
            return _password_page(wait_sentence(wait_s), 429)
        if not passwords.right(request.form.get("old", ""), user.password_hash):
            return _password_page(gettext("The old password is not right."), 401)
        throttle.refund(user.name, address)
    new = request.form.get("new", "")
    fault = passwords.fault(new, user.name, user.password_hash)
    if fault:
        return _password_page(fault_sentence(fault), 422)
    if new != request.form.get("again", ""):
        return _password_page(gettext("The two new passwords are not the same."), 422)
    return _change(user, new)


@blueprint.post("/language")
@public
def language() -> Page:
    response = redirect(local_path(request.form.get("next", "/")), 303)
    tag = request.form.get("language", "")
    if tag in LANGUAGES:
        languages.remember(response, tag)
    return response


def _home(user: User) -> str:
    """Where this user begins: an agent at the own desk."""
    return url_for("mine.index") if user.role == "agent" and user.agent else "/"


def _change(user: User, new: str) -> Page:
    control: Control = current_app.extensions["ramal.control"]
    try:
        control.ask("user.set_password", name=user.name, hash=passwords.hashed(new))
    except DaemonDown:
        return _password_page(
            gettext(
                "The password was not changed, because Ramal's control program is not running. "
                "Your old password still works."
            ),
            503,
        )
    except Refused as error:
        log.warning("the daemon refused a password for %r: %s", user.name, error)
        return _password_page(gettext("The password was not changed. Your old password still works."), 503)
    changed = history().user(user.name)
    if changed is None:
        session.clear()
        return redirect(url_for("auth.login"), 303)
    begin_session(changed)
    return redirect(_home(changed), 303)


def _audit(who: str, what: str, detail: str) -> None:
    control: Control = current_app.extensions["ramal.control"]
    try:
        control.ask("audit", 1.0, who=who, what=what, detail=detail)
    except (DaemonDown, Refused) as error:
        log.warning("audit kept here only: %s %s %s (%s)", who, what, detail, error)


def _too_soon(wait_s: float) -> Page:
    page, _ = _login_page(wait_sentence(wait_s), 429)
    return page, 429, {"Retry-After": str(math.ceil(wait_s))}


def wait_sentence(wait_s: float) -> str:
    """What who tried too often is told."""
    seconds = math.ceil(wait_s)
    if seconds < 90:
        return ngettext(
            "Too many wrong attempts. Try again in %(num)s second.",
            "Too many wrong attempts. Try again in %(num)s seconds.",
            seconds,
        )
    return ngettext(
        "Too many wrong attempts. Try again in %(num)s minute.",
        "Too many wrong attempts. Try again in %(num)s minutes.",
        math.ceil(seconds / 60),
    )


def fault_sentence(fault: passwords.Fault) -> str:
    """What is wrong with a new password."""
    if fault == "short":
        return gettext("The new password needs at least %(count)s characters.", count=passwords.SHORTEST)
    if fault == "long":
        return gettext("The new password may have at most %(count)s characters.", count=passwords.LONGEST)
    if fault == "same":
        return gettext("The new password is the old one. Choose another.")
    return gettext("This password is too easy to guess. Three or four words make a good one.")


def _login_page(problem: str | None = None, status: int = 200) -> tuple[str, int]:
    wanted = local_path(request.values.get("next", "/"))
    name = request.form.get("user", "")[:64]
    return render_template("auth/login.html", problem=problem, next=wanted, name=name), status


def _password_page(problem: str, status: int) -> tuple[str, int]:
    return render_template("auth/password.html", problem=problem), status
