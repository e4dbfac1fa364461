"""``/returns``: callers nobody has spoken with; one press rings a phone and calls back.

Law: the list is read from the database; calling and dismissing are asked of the daemon, which keeps an attempt before
anybody is dialed. The name of an attempt comes with the form, so that a button pressed twice calls once.
"""

import re
import secrets
from collections.abc import Mapping

from flask import Blueprint, g, render_template, request, session, url_for
from werkzeug.wrappers import Response

from ramal.store.read import MessageRow
from ramal_web.asking import NotDone, ask
from ramal_web.calls.words import Speaker
from ramal_web.desk.views import my_phone, remembered_phone
from ramal_web.formats import number as written
from ramal_web.history import MissedState, history, office
from ramal_web.i18n import gettext
from ramal_web.live.views import look
from ramal_web.messages.boxes import mine
from ramal_web.returns import words
from ramal_web.security import passive
from ramal_web.told import not_done, told

blueprint = Blueprint("returns", __name__)
ROWS = 50
STATES: Mapping[str, MissedState | None] = {
    "open": "open",
    "returned": "returned",
    "closed": "closed",
    "dismissed": "dismissed",
    "all": None,
}
REASON_MAX = 200
_ATTEMPT = re.compile(r"[a-f0-9]{16}\Z")


@blueprint.get("/returns")
def index() -> str:
    state = request.args.get("state", "open")
    state = state if state in STATES else "open"
    before = request.args.get("before", "")
    before_ms = int(before) if before.isascii() and before.isdigit() and len(before) <= 15 else None
    rows = history().missed_calls(STATES[state], before_ms, ROWS + 1)
    return render_template(
        "returns/list.html",
        rows=rows[:ROWS],
        older=rows[ROWS - 1].last_ms if len(rows) > ROWS else None,
        first=before_ms is None,
        state=state,
        waiting=history().missed_open(),
        callbacks=history().pending_callbacks() if before_ms is None and state in ("open", "all") else [],
        phones=_manned(),
        phone=my_phone(),
        attempts=[secrets.token_hex(8) for _ in rows],
        messages=_messages([row.number for row in rows[:ROWS] if row.has_message and row.state == "open"]),
        say=Speaker(office()),
        returns_words=words,
    )


@blueprint.get("/returns/line")
@passive
def line() -> str:
    """Callbacks that wait in the queues, as a part of the first page."""
    return render_template(
        "returns/line.html",
        callbacks=history().pending_callbacks(),
        waiting=history().missed_open(),
        say=Speaker(office()),
        returns_words=words,
    )


@blueprint.post("/returns/phone")
def choose_phone() -> Response:
    phone = remembered_phone()
    if not phone:
        session.pop("phone", None)
        return told(gettext("No phone is chosen any more."), url_for(".index"))
    return told(gettext("You call with phone %(phone)s.", phone=phone), url_for(".index"))


@blueprint.post("/returns/<number>/call")
def call(number: str) -> Response:
    phone, attempt = my_phone(), request.form.get("attempt", "")
    given = {"attempt": attempt} if _ATTEMPT.match(attempt) else {}
    try:
        if not phone:
            raise NotDone(gettext("Choose your phone first. Nobody was called."), 409)
        ask("missed.call", number=number[:20], phone=phone, **given)
    except NotDone as problem:
        return not_done(problem, url_for(".index"))
    sentence = gettext(
        "Phone %(phone)s rings. Pick it up: then %(number)s is called.", phone=phone, number=written(number[:20])
    )
    return told(sentence, url_for(".index"))


@blueprint.post("/returns/<number>/dismiss")
def dismiss(number: str) -> Response:
    reason = " ".join(request.form.get("reason", "").split())[:REASON_MAX]
    try:
        if not reason:
            raise NotDone(gettext("Say why nobody has to call back. Nothing was changed."), 409)
        ask("missed.dismiss", number=number[:20], reason=reason)
    except NotDone as problem:
        return not_done(problem, url_for(".index"))
    return told(gettext("Taken off the list."), url_for(".index"))


@blueprint.post("/returns/callbacks/<call_id>/cancel")
def cancel(call_id: str) -> Response:
    try:
        ask("callback.cancel", call=call_id[:64], reason="page")
    except NotDone as problem:
        return not_done(problem, url_for(".index"))
    return told(gettext("The call back is cancelled."), url_for(".index"))


def _messages(numbers: list[str]) -> dict[str, list[MessageRow]]:
    """Number → its messages that this person may hear."""
    found: dict[str, list[MessageRow]] = {}
    for row in history().messages_of_numbers(numbers, list(mine(g.user))) if numbers else []:
        found.setdefault(row.number, []).append(row)
    return found


def _manned() -> dict[str, str]:
    """Phones at which somebody is signed in, with the name."""
    here = (person for person in look().people if person.state != "out" and person.phone)
    return {person.phone: person.name for person in sorted(here, key=lambda person: person.phone)}
