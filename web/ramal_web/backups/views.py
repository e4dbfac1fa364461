"""``/backups``: what was backed up and whether it came back equal; making one, downloading, the recovery code, and
putting one back."""

import time
from pathlib import Path
from typing import Any

from flask import Blueprint, abort, render_template, request, send_file
from werkzeug.wrappers import Response

from ramal.core import backups as rules
from ramal.core.office_tables import BACKUP
from ramal.core.restoring import GOING
from ramal_web.asking import NotDone, ask
from ramal_web.backups import words
from ramal_web.history import history
from ramal_web.i18n import gettext
from ramal_web.keeping.words import figure, size
from ramal_web.pieces import BODY_MAX, PIECE, passed_on
from ramal_web.security import only, passive, takes
from ramal_web.told import not_done, told

blueprint = Blueprint("backups", __name__)
EXAMPLE = "\n".join(["[backup]", *(one.example for one in BACKUP.settings)])
COMMANDS = (
    "systemctl stop ramal ramal-web ramal-asterisk",
    "ramal restore FILE",
    "systemctl start ramal-asterisk ramal ramal-web",
)
FRESH_MS = 36 * 3_600_000


@blueprint.get("/backups")
@only("owner")
def index() -> str:
    return _page("")


@blueprint.get("/backups/state")
@only("owner")
@passive
def state() -> str:
    return render_template("backups/state.html", **_seen())


@blueprint.get("/backups/card")
@only("owner", "supervisor")
@passive
def card() -> str:
    """What the front page says of last night."""
    _, picture = history().backups()
    last = picture.last
    fresh = last is not None and time.time_ns() // 1_000_000 - last.began_ms < FRESH_MS
    return render_template("backups/card.html", last=last, fresh=fresh, backup_words=words)


@blueprint.post("/backups")
@only("owner")
def act() -> Response | str:
    """``act``: now, code or noted."""
    wanted = request.form.get("act", "")
    try:
        if wanted == "code":
            answer = ask("backups.code")
            return _page(str(answer.get("code", "")), asked=True)
        if wanted == "noted":
            ask("backups.noted")
            return told(gettext("Good. Keep it where a fire or a thief does not find both."), "/backups")
        if wanted != "now":
            abort(400)
        ask("backups.now")
        ask("audit", what="backups.now")
    except NotDone as problem:
        return not_done(problem, "/backups")
    return told(gettext("A backup is being made, restored for a look, and compared."), "/backups")


@blueprint.get("/backups/restore")
@only("owner")
@passive
def restoring() -> str:
    """How far putting one back is."""
    return render_template("backups/restoring.html", **_putting_back())


@blueprint.post("/backups/piece")
@only("owner")
@takes(BODY_MAX)
def piece() -> tuple[dict[str, Any], int]:
    """One piece of a backup, for pieces.js: ``{"upload", "bytes"}``, or ``{"error"}``."""
    try:
        return passed_on("restore.piece")
    except NotDone as problem:
        return {"error": _worded(problem).sentence}, problem.status


@blueprint.post("/backups/restore")
@only("owner")
def restore() -> Response:
    """``act``: restore (an ``upload`` or a ``name``, with a ``code``), or forget what was there before."""
    given = request.form
    try:
        if given.get("act") == "forget":
            ask("restore.forget")
            ask("audit", what="backups.forgotten")
            return told(gettext("What was there before is being removed."), "/backups")
        name, upload = given.get("name", "")[:100], given.get("upload", "")[:40]
        if given.get("sure") != "yes":
            unsure = gettext("Say first that the telephones may stop for some minutes. Nothing was changed.")
            return not_done(NotDone(unsure, 422), "/backups")
        ask("audit", what="backups.restore", detail=name)
        ask("restore.begin", upload=upload, name=name, code=given.get("code", "")[:300])
    except NotDone as problem:
        return not_done(_worded(problem), "/backups")
    return told(gettext("The backup is looked at first. Calls go on until it is found well."), "/backups")


@blueprint.get("/backups/<name>")
@only("owner")
def download(name: str) -> Response:
    """The encrypted file."""
    if rules.made_ms(name) is None:
        abort(404)
    try:
        path = Path(str(ask("backups.status")["folder"])) / name
        if path.is_symlink() or not path.is_file():
            abort(404)
        with path.open("rb"):
            ask("audit", what="backups.downloaded", detail=name)  # whoever takes everything along is written down
        answer = send_file(path, "application/octet-stream", as_attachment=True, download_name=name)
        answer.headers["Cache-Control"] = "no-store"
        return answer
    except NotDone as problem:
        return not_done(problem, "/backups")
    except OSError:
        unread = gettext("The page cannot read this file. Take it from the box's disk.")
        return not_done(NotDone(unread, 500), "/backups")


def _page(code: str, asked: bool = False) -> str:
    seen = _seen() | _putting_back()
    return render_template("backups/index.html", code=code, code_asked=asked, example=EXAMPLE, piece=PIECE, **seen)


def _putting_back() -> dict[str, Any]:
    try:
        found = ask("restore.status")
    except NotDone:
        found = {}
    standing = found.get("standing") or {}
    going = bool(found.get("asked")) or standing.get("phase") in GOING
    return {"putting": found, "standing": standing, "going": going, "backup_words": words, "size": size}


def _worded(problem: NotDone) -> NotDone:
    return NotDone(words.refused(problem.code), problem.status) if problem.code else problem


def _seen() -> dict[str, Any]:
    settings, picture = history().backups()
    try:
        now = ask("backups.status")
    except NotDone:
        now = {}
    return {
        "settings": settings,
        "commands": COMMANDS,
        "picture": picture,
        "here": [one for one in picture.latest if one.name and one.gone_ms is None],
        "now": now,
        "backup_words": words,
        "size": size,
        "figure": figure,
    }
