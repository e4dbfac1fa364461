"""``/night``: the hours as they are now, as a part of the first page; switching them is asked of the daemon."""

from flask import Blueprint, abort, render_template, request
from werkzeug.wrappers import Response

from ramal_web.asking import NotDone, ask
from ramal_web.i18n import gettext
from ramal_web.security import only, passive
from ramal_web.told import not_done, told

blueprint = Blueprint("night", __name__)
STATES = ("open", "closed", "auto")


@blueprint.get("/night")
@passive
def index() -> str:
    try:
        rows, problem = ask("night.list").get("hours", []), None
    except NotDone as refused:
        rows, problem = [], refused.sentence
    return render_template("night/card.html", rows=rows, problem=problem)


@blueprint.post("/night")
@only("owner", "supervisor")
def switch() -> Response:
    state, hours = request.form.get("state", ""), request.form.get("hours", "")[:64]
    if state not in STATES:
        abort(400)
    try:
        ask("night.set", hours=hours, state=state)
    except NotDone as problem:
        return not_done(problem, "/")
    return told(
        {
            "open": gettext("Switched to open."),
            "closed": gettext("Switched to closed."),
        }.get(state, gettext("The hours go by the clock again.")),
        "/",
    )
