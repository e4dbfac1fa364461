"""``/messages``: what callers left, by box.

Law: the list is read from the database, of those boxes only that this person may hear; what is done with a message is
asked of the daemon, which has Asterisk do it, so that phones and lamps know. Listening is ``/recordings/<id>``.
"""

import re

from flask import Blueprint, abort, g, render_template, request, url_for
from werkzeug.wrappers import Response

from ramal.store.read import MessageRow
from ramal_web.asking import NotDone, ask
from ramal_web.calls.words import Speaker
from ramal_web.history import history, office
from ramal_web.i18n import gettext
from ramal_web.messages import words
from ramal_web.messages.boxes import mine
from ramal_web.told import not_done, told

blueprint = Blueprint("messages", __name__)
ROWS = 50
STATES = ("open", "returned", "deleted", "all")
TEXT_MAX = 500
_ID = re.compile(r"[0-9]{1,11}\.[0-9]{1,11}(-[0-9]{1,3})?\Z")


@blueprint.get("/messages")
def index() -> str:
    boxes = mine(g.user)
    state = request.args.get("state", "open")
    state = state if state in STATES else "open"
    chosen = request.args.get("box", "")
    chosen = chosen if chosen in boxes else ""
    before = request.args.get("before", "")
    before_ms = int(before) if before.isascii() and before.isdigit() and len(before) <= 15 else None
    rows = history().messages([chosen] if chosen else list(boxes), state, before_ms, ROWS + 1)
    return render_template(
        "messages/list.html",
        rows=rows[:ROWS],
        older=rows[ROWS - 1].at_ms if len(rows) > ROWS else None,
        first=before_ms is None,
        state=state,
        boxes=boxes,
        chosen=chosen,
        waiting=history().messages_waiting(),
        letters=history().letters([row.id for row in rows[:ROWS]]),
        say=Speaker(office()),
        message_words=words,
    )


@blueprint.post("/messages/<id>/returned")
def returned(id: str) -> Response:
    return _act(id, "returned", gettext("Marked as returned."))


@blueprint.post("/messages/<id>/deleted")
def deleted(id: str) -> Response:
    return _act(id, "deleted", gettext("The message is deleted. It can be brought back for a week."))


@blueprint.post("/messages/<id>/restored")
def restored(id: str) -> Response:
    return _act(id, "restored", gettext("The message is back in its box."))


@blueprint.post("/messages/<id>/note")
def note(id: str) -> Response:
    text = " ".join(request.form.get("text", "").split())[:TEXT_MAX]
    try:
        ask("message.note", id=_known(id).id, text=text)
    except NotDone as problem:
        return not_done(problem, url_for(".index"))
    return told(gettext("The note is kept.") if text else gettext("The note is gone."), url_for(".index"))


def _act(id: str, act: str, sentence: str) -> Response:
    try:
        ask("message.act", id=_known(id).id, act=act)
    except NotDone as problem:
        return not_done(problem, url_for(".index"))
    return told(sentence, url_for(".index"))


def _known(id: str) -> MessageRow:
    """The message, when this person may hear it; else there is none."""
    row = history().message(id) if _ID.match(id) else None
    if row is None or row.box not in mine(g.user):
        abort(404)
    return row
