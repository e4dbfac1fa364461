"""``/updates``: which release runs, installing another one, starting it on trial, going back. For the owner.

Law: the page only asks the daemon, and the daemon only asks root. A bundle comes in pieces (pieces.js): no request is
large, nothing is kept by this process.
"""

from pathlib import PurePosixPath
from typing import Any

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

from ramal_web.asking import NotDone, ask
from ramal_web.i18n import gettext
from ramal_web.keeping.words import size
from ramal_web.pieces import BODY_MAX, PIECE, passed_on
from ramal_web.security import only, passive, takes
from ramal_web.told import not_done, told
from ramal_web.updates import words

blueprint = Blueprint("updates", __name__)
HERE = "/updates"


@blueprint.get("/updates")
@only("owner")
def index() -> str:
    return render_template("updates/index.html", piece=PIECE, **_seen())


@blueprint.get("/updates/state")
@only("owner")
@passive
def state() -> str:
    return render_template("updates/state.html", **_seen())


@blueprint.get("/updates/left/<name>")
@only("owner")
def story(name: str) -> str | Response:
    try:
        text = ask("update.story", name=name[:40])["text"]
    except NotDone as problem:
        return not_done(_worded(problem), HERE)
    return render_template("updates/story.html", name=name, text=text)


@blueprint.post("/updates/piece")
@only("owner")
@takes(BODY_MAX)
def piece() -> tuple[dict[str, Any], int]:
    """One piece of a bundle, for pieces.js: ``{"upload", "bytes"}``, or ``{"error"}``."""
    try:
        return passed_on("update.piece")
    except NotDone as problem:
        return {"error": _worded(problem).sentence}, problem.status


@blueprint.post("/updates")
@only("owner")
def act() -> Response:
    """``act``: install (an ``upload``, or a ``source``), look, try, back, stay."""
    wanted, given = request.form.get("act", ""), request.form
    try:
        match wanted:
            case "install":
                upload, source = given.get("upload", "")[:40], given.get("source", "").strip()[:2000]
                ask("update.install", upload=upload, source=source)
                ask("audit", what="update.install", detail=source)
                return told(gettext("The update is verified first, then installed. Calls go on."), HERE)
            case "look":
                ask("update.look")
                return told(gettext("The sticks are being looked at."), HERE)
            case "try" | "back":
                ask("update.restart", act=wanted, wait_s=_minutes(given.get("wait", "")) * 60)
                ask("audit", what=f"update.{wanted}")
                return told(gettext("The box restarts as soon as nobody is on a call."), HERE)
            case "stay":
                ask("update.stay")
                ask("audit", what="update.stay")
                return told(gettext("The box stays as it is."), HERE)
    except NotDone as problem:
        return not_done(_worded(problem), HERE)
    return not_done(NotDone(gettext("Your browser sent something this page cannot use."), 400), HERE)


def _minutes(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 15


def _worded(problem: NotDone) -> NotDone:
    return NotDone(words.refused(problem.code, problem.sentence), problem.status)


def _seen() -> dict[str, Any]:
    try:
        seen, problem = ask("update.status"), ""
    except NotDone as refused:
        seen, problem = {}, refused.sentence
    standing = seen.get("standing") or {}
    going = bool(seen.get("asked") or seen.get("backing") or seen.get("restart")) or words.phase(standing) != ""
    return {
        "seen": seen,
        "standing": standing,
        "going": going,
        "problem": problem,
        "sticks": [(path, PurePosixPath(path).name) for path in standing.get("sticks", ())],
        "update_words": words,
        "size": size,
    }
