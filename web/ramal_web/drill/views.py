"""``/try``: start a drill, and watch it."""

import re

from flask import Blueprint, abort, current_app, redirect, render_template, url_for
from werkzeug.wrappers import Response

from ramal.control.client import Control, DaemonDown, Refused
from ramal_web.drill import words as drill_words
from ramal_web.i18n import gettext
from ramal_web.security import passive

blueprint = Blueprint("drill", __name__)
DRILL_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
Page = str | Response | tuple[str, int]


def _control() -> Control:
    control: Control = current_app.extensions["ramal.control"]
    return control


@blueprint.get("/try")
def index() -> Page:
    return render_template("drill/start.html", problem=None)


@blueprint.post("/try")
def start() -> Page:
    try:
        drill = str(_control().ask("drill.start", 5.0)["drill"])
    except DaemonDown:
        return render_template(
            "drill/start.html", problem=gettext("The test call was not placed: Ramal's control program is not running.")
        ), 503
    except Refused as error:
        problem = drill_words.refused(error.code, str(error))
        return render_template("drill/start.html", problem=problem), 409
    return redirect(url_for("drill.one", drill=drill), 303)


@blueprint.get("/try/<drill>")
def one(drill: str) -> Page:
    return render_template("drill/one.html", drill=drill, drill_words=drill_words, **_state(drill))


@blueprint.get("/try/<drill>/steps")
@passive
def steps(drill: str) -> Page:
    return render_template("drill/steps.html", drill=drill, drill_words=drill_words, **_state(drill))


def _state(drill: str) -> dict[str, object]:
    if not DRILL_ID.match(drill):
        abort(404)
    try:
        told = _control().ask("drill.status", 2.0, drill=drill)
    except DaemonDown:
        return {"state": "unknown", "steps": [], "call": None}
    except Refused:
        abort(404)
    return {"state": told.get("state", "running"), "steps": told.get("steps", []), "call": told.get("call")}
