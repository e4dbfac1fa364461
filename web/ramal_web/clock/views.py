"""``/clock``: whether the time is trusted and by what, when the clock was set; saying that it is right; setting it."""

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

from ramal_web.asking import NotDone, ask
from ramal_web.clock import words
from ramal_web.i18n import gettext
from ramal_web.security import only
from ramal_web.told import not_done, told

blueprint = Blueprint("clock", __name__)
SET = 'ramal clock set "2026-11-22 17:30"'
WHEN_MAX = 40


@blueprint.app_context_processor
def _words() -> dict[str, object]:
    return {"clock_words": words}


@blueprint.get("/clock")
@only("owner", "supervisor")
def index() -> str:
    try:
        state, problem = ask("clock.status"), None
    except NotDone as refused:
        state, problem = None, refused.sentence
    return render_template("clock/index.html", state=state, problem=problem, command=SET)


@blueprint.post("/clock/trust")
@only("owner")
def trust() -> Response:
    try:
        ask("clock.trust")
    except NotDone as problem:
        return not_done(problem, "/clock")
    return told(gettext("The time is trusted from now on."), "/clock")


@blueprint.post("/clock/set")
@only("owner")
def set_to() -> Response:
    try:
        ask("clock.set", when=request.form.get("when", "")[:WHEN_MAX])
    except NotDone as problem:
        return not_done(problem, "/clock")
    return told(gettext("The clock is being set; this page shows it in a moment."), "/clock")
