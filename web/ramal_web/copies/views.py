"""``/copies``: what lies outside the box and what does not yet; copying now, checking, trying the connection."""

from typing import Any

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

from ramal.core.copies import place_of
from ramal.core.office_tables import COPY
from ramal_web.asking import NotDone, ask, ask_for
from ramal_web.copies import words
from ramal_web.history import history
from ramal_web.i18n import gettext
from ramal_web.keeping.words import figure, size
from ramal_web.security import only, passive
from ramal_web.told import not_done, told

blueprint = Blueprint("copies", __name__)
TEST_S = 150.0
EXAMPLE = "\n".join(["[copy]", *(one.example for one in COPY.settings if one.required)])


@blueprint.get("/copies")
@only("owner")
def index() -> str:
    return render_template("copies/index.html", **_seen())


@blueprint.get("/copies/state")
@only("owner")
@passive
def state() -> str:
    return render_template("copies/state.html", **_seen())


@blueprint.post("/copies")
@only("owner")
def act() -> Response:
    """``act``: now, check or test."""
    wanted = request.form.get("act", "")
    try:
        if wanted == "test":
            return _tested()
        if wanted in ("now", "check"):
            ask(f"copies.{wanted}")
            ask("audit", what=f"copies.{wanted}")
    except NotDone as problem:
        return not_done(_worded(problem), "/copies")
    if wanted == "check":
        return told(gettext("What lies there is being looked at. It waits while people call."), "/copies")
    return told(gettext("Copies are being made. That waits while people call."), "/copies")


@blueprint.post("/copies/dropped")
@only("owner")
def dropped() -> Response:
    try:
        ask("copies.dropped", place=request.form.get("place", "")[:500])
        ask("audit", what="copies.dropped")
    except NotDone as problem:
        return not_done(problem, "/copies")
    return told(gettext("Nobody asks after the copies there any more."), "/copies")


def _tested() -> Response:
    answer = ask_for("copies.test", TEST_S)
    ask("audit", what="copies.test")
    if answer.get("code"):
        sentence = words.reason(str(answer["code"]), str(answer.get("shown", "")))
        return not_done(NotDone(sentence, 409), "/copies")
    free = answer.get("free_bytes")
    works = gettext("The connection works: a file was written there, read back and removed.")
    room = gettext("%(size)s are free there.", size=size(free)) if isinstance(free, int) else ""
    return told(f"{works} {room}".strip(), "/copies")


def _worded(problem: NotDone) -> NotDone:
    return NotDone(words.reason(problem.code), problem.status) if problem.code else problem


def _seen() -> dict[str, Any]:
    copy, picture = history().copies()
    try:
        now = ask("copies.status") if copy else {}
    except NotDone:
        now = {}
    return {
        "copy": copy,
        "example": EXAMPLE,
        "place": place_of(copy) if copy else "",
        "picture": picture,
        "now": now,
        "night": next((run for run in picture.runs if run.kind == "night"), None),
        "copy_words": words,
        "size": size,
        "figure": figure,
    }
