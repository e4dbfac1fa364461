"""``/claim``: the code and the owner's own password. Only while the box is unclaimed, only from its own network.

The code is the owner's one-time password (``box.claim``), compared as every password is: argon2, in its own time. What
ends the claim is the daemon's saving of the new password, one transaction; this page changes nothing by itself.
"""

import logging
import math
import time

from flask import Blueprint, current_app, redirect, render_template, request
from werkzeug.wrappers import Response

from ramal.control.client import Control, DaemonDown, Refused
from ramal_web import failures
from ramal_web.auth import passwords
from ramal_web.auth.views import fault_sentence, wait_sentence
from ramal_web.history import history
from ramal_web.i18n import gettext
from ramal_web.security import begin_session, public
from ramal_web.throttle import Throttle
from ramal_web.unclaimed import Neighbours, is_neighbour, is_unclaimed

log = logging.getLogger("ramal.web.claim")
blueprint = Blueprint("claim", __name__)
Page = str | Response | tuple[str, int] | tuple[str, int, dict[str, str]]
CODE_MAX = 40
PASSED_ON = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP",
             "True-Client-IP", "CF-Connecting-IP")  # fmt: skip
"""Said by a proxy, which may stand in the office while who asks through it does not; nobody else has a reason to."""
OWNER, GUESSING = "owner", "the claim"


@blueprint.record_once
def _install(state):  # type: ignore[no-untyped-def]
    state.app.extensions["ramal.neighbours"] = Neighbours()


@blueprint.get("/claim")
@public
def page() -> Page:
    return _elsewhere() or _form()


@blueprint.post("/claim")
@public
def take() -> Page:
    elsewhere = _elsewhere()
    if elsewhere is not None:
        return elsewhere
    throttle: Throttle = current_app.extensions["ramal.throttle"]
    address = request.remote_addr or ""
    wait_s = throttle.charge(GUESSING, address, time.monotonic())
    if wait_s > 0:
        failures.note(address)
        return *_form(wait_sentence(wait_s), 429), {"Retry-After": str(math.ceil(wait_s))}
    owner = history().user(OWNER)
    if owner is None or not passwords.right(code_of(request.form.get("code", "")), owner.password_hash):
        log.warning("a claim from %s had a wrong code", address)
        failures.note(address)
        return _form(gettext("This is not the code of this box."), 401)
    throttle.refund(GUESSING, address)
    new = request.form.get("new", "")
    fault = passwords.fault(new, OWNER, owner.password_hash)
    if fault:
        return _form(fault_sentence(fault), 422)
    if new != request.form.get("again", ""):
        return _form(gettext("The two new passwords are not the same."), 422)
    return _claim(new, address)


def code_of(text: str) -> str:
    """The code as it was given out, however it was typed: with or without dashes, in capitals, with spaces."""
    plain = "".join(mark for mark in text[:CODE_MAX].lower() if mark.isascii() and mark.isalnum())
    return "-".join(plain[at : at + 4] for at in range(0, len(plain), 4))


def _elsewhere() -> Page | None:
    """Where who asks belongs, when that is not here."""
    if not is_unclaimed():
        return redirect("/login", 303)
    if not is_neighbour(request.remote_addr or "") or any(name in request.headers for name in PASSED_ON):
        log.warning("the claim was asked for from %s, which is not in the box's network", request.remote_addr)
        return render_template("claim/stranger.html"), 403
    return None


def _claim(new: str, address: str) -> Page:
    control: Control = current_app.extensions["ramal.control"]
    try:
        control.ask("user.set_password", name=OWNER, hash=passwords.hashed(new))
    except (DaemonDown, Refused) as error:
        log.warning("the box could not be claimed: %s", error)
        return _form(
            gettext("The box is not claimed yet: its control program does not answer. Try again in a moment."), 503
        )
    try:
        control.ask("audit", 1.0, who=OWNER, what="box.claimed", detail=address)
    except (DaemonDown, Refused) as error:
        log.warning("audit kept here only: the box was claimed from %s (%s)", address, error)
    owner = history().user(OWNER)
    if owner is None:
        return redirect("/login", 303)
    begin_session(owner)
    log.info("the box was claimed from %s", address)
    return redirect("/", 303)


def _form(problem: str | None = None, status: int = 200) -> tuple[str, int]:
    code = request.form.get("code", "")[:CODE_MAX] if status != 401 else ""
    return render_template("claim/form.html", problem=problem, code=code), status
