"""``/room``: the card of the first page. ``/keeping``: how long recordings are kept, the holds, putting and ending one.

Reads the database itself, so it tells what was last known also while the daemon is dead.
"""

import time
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, render_template, request
from werkzeug.wrappers import Response

from ramal.core.retention import DAY_MS, settings_of
from ramal_web.asking import NotDone, ask
from ramal_web.calls.words import Speaker
from ramal_web.history import history, office
from ramal_web.i18n import gettext
from ramal_web.keeping import words
from ramal_web.security import only, passive
from ramal_web.told import not_done, told

blueprint = Blueprint("keeping", __name__)
ROLES = ("owner", "supervisor")
KINDS = ("call", "number", "queue")


@blueprint.app_context_processor
def _words() -> dict[str, object]:
    return {"keep_words": words}


@blueprint.get("/room")
@only(*ROLES)
@passive
def room() -> str:
    return render_template("keeping/card.html", look=history().look())


@blueprint.get("/keeping")
@only(*ROLES)
def index() -> str:
    known = history().whole_office()
    now_ms = time.time_ns() // 1_000_000
    return render_template(
        "keeping/index.html",
        look=history().look(),
        rows=tuple(words.rows(known)),
        settings=settings_of(known),
        holds=history().holds(),
        known=known,
        now_ms=now_ms,
        long_gaps=history().long_gaps(now_ms - 30 * DAY_MS),
        say=Speaker(office()),
        call=request.args.get("call", "")[:64],
        number=request.args.get("number", "")[:32],
    )


@blueprint.post("/keeping/holds")
@only(*ROLES)
def hold() -> Response:
    form, zone = request.form, office().zone
    kind = form.get("kind", "")
    if kind not in KINDS:
        abort(400)
    try:
        days = [_ms(form.get(name, ""), zone, later) for name, later in (("from", 0), ("to", 1), ("until", 1))]
        what, why = form.get(kind, "")[:200], form.get("why", "")[:500]
        ask("recordings.hold", kind=kind, what=what, why=why, **dict(zip(("from", "to", "until"), days, strict=True)))
    except NotDone as problem:
        return not_done(problem, "/keeping")
    return told(gettext("These recordings are kept until the hold ends."), "/keeping")


@blueprint.post("/keeping/holds/<int:number>/release")
@only(*ROLES)
def release(number: int) -> Response:
    try:
        ask("recordings.release", id=str(number))
    except NotDone as problem:
        return not_done(problem, "/keeping")
    return told(gettext("The hold has ended. Its recordings go when their time comes."), "/keeping")


def _ms(day: str, zone: ZoneInfo, days_later: int) -> str:
    """The begin of a day, or the last moment of it, as the daemon wants it; NotDone when it is none."""
    if not day:
        return ""
    try:
        at = date.fromisoformat(day) + timedelta(days=days_later)
        return str(int(datetime(at.year, at.month, at.day, tzinfo=zone).timestamp() * 1000) - days_later)
    except (ValueError, OverflowError) as error:
        raise NotDone(gettext("This is no day. Nothing was changed."), 400) from error
