"""``/privacy``: what people asked about their own data (LGPD art. 18 and 19, GDPR art. 15 and 17). The owner alone, who
says the password again before anything is handed out or erased."""

import time
from datetime import datetime
from typing import Any

from flask import Blueprint, abort, current_app, g, render_template, request, stream_with_context, url_for
from werkzeug.wrappers import Response

from ramal.core.privacy import NoSubject, days_left
from ramal.store.read import SubjectRequest
from ramal_web.asking import NotDone, ask
from ramal_web.auth import passwords
from ramal_web.history import History, history, office
from ramal_web.i18n import gettext
from ramal_web.privacy import archive, words
from ramal_web.security import only
from ramal_web.throttle import Throttle
from ramal_web.told import not_done, told

blueprint = Blueprint("privacy", __name__)
ROLES = ("owner",)


@blueprint.get("/privacy")
@only(*ROLES)
def index() -> str:
    sought = request.args.get("q", "").strip()[:100]
    problem, people = "", []
    if sought:
        try:
            people = history().people_sought(sought)
        except NoSubject:
            problem = gettext("This is no number. Write it with its area code.")
        if not people and not problem:
            problem = gettext("Nobody of this name has called. Try the number.")
    now_ms = _now_ms()
    rows = [(one, days_left(one.at_ms, now_ms)) for one in history().subject_requests()]
    return render_template("privacy/index.html", rows=rows, sought=sought, people=people, problem=problem, words=words)


@blueprint.post("/privacy")
@only(*ROLES)
def begin() -> Response:
    kind = "erase" if request.form.get("kind") == "erase" else "access"
    try:
        made = ask("subject.open", number=request.form.get("number", "")[:60], kind=kind)
    except NotDone as problem:
        return not_done(problem, "/privacy")
    return told(gettext("The request is written down."), url_for("privacy.one", id=int(made["id"])))


@blueprint.get("/privacy/<int:id>")
@only(*ROLES)
def one(id: int) -> str:
    return _page(_request(id))


@blueprint.post("/privacy/<int:id>/export")
@only(*ROLES)
def export(id: int) -> Any:
    asked = _request(id)
    if not asked.number or asked.state == "done":
        abort(404)
    if problem := _wrong_password():
        return _page(asked, problem[0]), problem[1]
    person = history().identified(asked.number)
    found = history().person(person)
    try:
        ask("subject.exported", id=str(id), what=f"{found.calls} calls, {found.recordings + found.messages} recordings")
    except NotDone as failed:  # without the audit nothing is handed out
        return _page(asked, failed.sentence), failed.status
    settings = current_app.config["RAMAL"]
    case = archive.Case(History(settings.db), settings.home, person, office(), _now_ms())
    day = datetime.fromtimestamp(case.at_ms / 1000, case.office.zone)
    answer = Response(stream_with_context(archive.pieces(case)), mimetype="application/zip")
    answer.headers.set("Content-Disposition", "attachment", filename=f"ramal-{id}-{day:%Y-%m-%d}.zip")
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.post("/privacy/<int:id>/erase")
@only(*ROLES)
def erase(id: int) -> Any:
    asked = _request(id)
    if asked.kind != "erase" or asked.state != "open":
        abort(404)
    if problem := _wrong_password():
        return _page(asked, problem[0]), problem[1]
    try:
        code = str(ask("subject.erase", id=str(id))["code"])
    except NotDone as failed:
        return _page(asked, failed.sentence), failed.status
    command = f"ramal subject proof {id}-{code} +…"
    return render_template("privacy/code.html", asked=asked, code=code, command=command)


@blueprint.post("/privacy/<int:id>/close")
@only(*ROLES)
def close(id: int) -> Response:
    _request(id)
    try:
        ask("subject.close", id=str(id))
    except NotDone as problem:
        return not_done(problem, url_for("privacy.one", id=id))
    return told(gettext("The request is closed."), "/privacy")


def _page(asked: SubjectRequest, problem: str = "") -> str:
    found, staying = None, None
    if asked.number and asked.state in ("open", "running", "partly"):
        try:
            found = history().person(history().identified(asked.number))
        except NoSubject:
            found = None
        if asked.kind == "erase" and asked.state == "open":
            staying = _staying(asked.number)
    return render_template(
        "privacy/one.html",
        asked=asked,
        found=found,
        staying=staying,
        problem=problem,
        days=days_left(asked.at_ms, _now_ms()),
        words=words,
        office_name=office().name,
    )


def _staying(number: str) -> list[tuple[str, int, int | None]] | None:
    """What would stay: reason, how many recordings, the latest time; None when it cannot be told now."""
    try:
        rows = ask("subject.staying", number=number).get("staying", ())
    except NotDone:
        return None
    return words.summed([(str(row[1]), row[2]) for row in rows])


def _request(id: int) -> SubjectRequest:
    found = history().subject_request(id)
    if found is None:
        abort(404)
    return found


def _wrong_password() -> tuple[str, int] | None:
    """A sentence and a status unless the password came along: an open page alone must not be enough."""
    throttle: Throttle = current_app.extensions["ramal.throttle"]
    address = request.remote_addr or ""
    if throttle.charge(g.user.name, address, time.monotonic()) > 0:
        return gettext("Too many wrong attempts. Wait a minute, then try again."), 429
    if not passwords.right(request.form.get("password", ""), g.user.password_hash):
        return gettext("The password is not right. Nothing was done."), 401
    throttle.refund(g.user.name, address)
    return None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
