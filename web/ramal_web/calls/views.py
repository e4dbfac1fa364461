"""``/calls``, ``/calls/<id>`` and ``/recordings/<id>``."""

import logging
import time
from datetime import datetime
from itertools import groupby

from flask import Blueprint, abort, current_app, g, render_template, request
from werkzeug.wrappers import Response

from ramal.control.client import Control, DaemonDown, Refused
from ramal.core.history import RECEIVED, Step
from ramal.store.read import CallRow, MessageRow
from ramal.vault.sound import NoSound, gain_db
from ramal_web.asking import NotDone, ask
from ramal_web.calls import audio, opinions
from ramal_web.calls import words as call_words
from ramal_web.calls.heard import Heard
from ramal_web.calls.query import read_query
from ramal_web.formats import local_day
from ramal_web.history import history, office
from ramal_web.messages.boxes import mine
from ramal_web.security import may, only

log = logging.getLogger("ramal.web.calls")
blueprint = Blueprint("calls", __name__)

ROWS = 50
LISTENERS = ("owner", "supervisor", "agent")
"""Roles that may play recordings; links to them are shown to no others."""
THINKS = ("owner", "supervisor")
"""Roles that may see what one caller thinks: who answers must not fear to meet the one who was judged."""


@blueprint.get("/calls")
def index() -> str:
    query = read_query(request.args)
    zone = office().zone
    since_ms, until_ms = query.span_ms(zone, datetime.now(zone).date())
    page = history().calls(
        query.search, query.category, query.direction, since_ms, until_ms, query.before, query.after, ROWS
    )
    days = [(rows[0].started_ms, rows) for rows in _by_day(page.rows)]
    return render_template(
        "calls/list.html", query=query, page=page, days=days, categories=RECEIVED, say=call_words.Speaker(office())
    )


@blueprint.get("/calls/<call_id>")
def one(call_id: str) -> str:
    detail = history().call(call_id) if len(call_id) <= 64 else None
    if detail is None:
        abort(404)
    say = call_words.Speaker(office())
    told = may(*THINKS)
    return render_template(
        "calls/one.html",
        call=detail.call,
        steps=[step for step in detail.steps if told or step.kind != "survey_answer"],
        recordings=[take for take in detail.recordings if told or take.kind != "survey"],
        listeners=detail.listeners,
        holds=history().holds_of(detail.call.id, time.time_ns() // 1_000_000),
        legs=detail.legs,
        clock=detail.clock,
        callback=history().callback_of(detail.call.id),
        contact=history().contact(detail.call.caller),
        noted=_noted(detail.steps, say),
        notes=history().notes(detail.call.id),
        answer=history().answer(detail.call.key) if told else None,
        opinions=opinions,
        say=say,
        call_words=call_words,
        gain_db=gain_db,
    )


@blueprint.get("/recordings/<int:recording_id>")
@only(*LISTENERS)
def recording(recording_id: int) -> Response:
    found = history().recording(recording_id) if recording_id < 1 << 63 else None
    if found is None or found.state == "writing":
        abort(404)
    if found.kind == "survey" and not may(*THINKS):
        abort(403)
    message = history().message_of_recording(recording_id) if found.kind == "message" else None
    if message is not None and message.box not in mine(g.user):
        abort(403)
    try:
        sound = history().sound(current_app.config["RAMAL"].home, recording_id)
    except NoSound:
        abort(404)
    as_file = "download" in request.args
    if request.method == "GET" and as_file:
        _written_down("recording.downloaded", recording_id, found.call_id)
    elif request.method == "GET" and _listened(recording_id, found.call_id) and message is not None:
        _heard(message)
    return audio.answer(sound, found, as_file=as_file)


def _noted(steps: tuple[Step, ...], say: call_words.Speaker) -> str:
    """What an agent said that the call was; the last word counts."""
    for step in reversed(steps):
        if step.kind == "disposition":
            return say.disposition(str(step.detail.get("queue", "")), str(step.detail.get("code", "")))
    return ""


def _by_day(rows: tuple[CallRow, ...]) -> list[list[CallRow]]:
    return [list(day) for _, day in groupby(rows, key=lambda row: local_day(row.started_ms))]


def _heard(message: MessageRow) -> None:
    """A message that somebody plays here is heard: its lamps go out. Without the daemon it stays new."""
    if message.state == "new":
        try:
            ask("message.act", id=message.id, act="heard")
        except NotDone as problem:
            log.warning("message %s stays new: %s", message.id, problem.sentence)


def _listened(recording_id: int, call_id: str) -> bool:
    """Write down who listened to what: once per listening, not once per piece the browser fetches. Whether it began."""
    heard: Heard = current_app.extensions["ramal.heard"]
    if not heard.first(g.user.name, recording_id, time.monotonic()):
        return False
    _written_down("recording.played", recording_id, call_id)
    return True


def _written_down(what: str, recording_id: int, call_id: str) -> None:
    """A line of the audit. A download is one each time: what leaves the box is never the same listening."""
    detail = f"recording {recording_id} of call {call_id}"
    control: Control = current_app.extensions["ramal.control"]
    try:
        control.ask("audit", 1.0, who=g.user.name, what=what, detail=detail)
    except (DaemonDown, Refused) as error:
        log.warning("audit kept here only: %s %s %s (%s)", g.user.name, what, detail, error)
