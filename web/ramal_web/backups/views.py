"""``/backups``: what was backed up and whether it came back equal; making one, downloading, the recovery code."""

import time
from pathlib import Path
from typing import Any

from flask import Blueprint, abort, render_template, request, send_file
from werkzeug.wrappers import Response

from ramal.core import backups as rules
from ramal.core.office_tables import BACKUP
from ramal_web.asking import NotDone, ask
from ramal_web.backups import words
from ramal_web.history import history
from ramal_web.i18n import gettext
from ramal_web.keeping.words import figure, size
from ramal_web.security import only, passive
from ramal_web.told import not_done, told

blueprint = Blueprint("backups", __name__)
EXAMPLE = "\n".join(["[backup]", *(one.example for one in BACKUP.settings)])
COMMANDS = (
    "systemctl stop ramal ramal-web ramal-asterisk",
    "ramal restore FILE",
    "systemctl start ramal-asterisk ramal ramal-web",
)
NAME_MAX, CODE_MAX = 120, 200
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
    """``act``: now, code, noted, or restore of a ``backup`` (``stick/NAME``) with its ``code``."""
    wanted = request.form.get("act", "")
    try:
        if wanted == "code":
            answer = ask("backups.code")
            return _page(str(answer.get("code", "")), asked=True)
        if wanted == "noted":
            ask("backups.noted")
            return told(gettext("Good. Keep it where a fire or a thief does not find both."), "/backups")
        if wanted == "restore":
            where, _, name = request.form.get("backup", "")[:NAME_MAX].partition("/")
            ask("restore.start", where=where, name=name, code=request.form.get("code", "")[:CODE_MAX])
            sentence = gettext("The backup is being put back. The box starts anew in some minutes; calls end then.")
            return told(sentence, "/backups")
        if wanted != "now":
            abort(400)
        ask("backups.now")
        ask("audit", what="backups.now")
    except NotDone as problem:
        return not_done(problem, "/backups")
    return told(gettext("A backup is being made, restored for a look, and compared."), "/backups")


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
    try:
        back = ask("restore.status")
    except NotDone:
        back = {}
    return render_template("backups/index.html", code=code, code_asked=asked, example=EXAMPLE, back=back, **_seen())


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
