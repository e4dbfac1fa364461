"""``/mine``: the agent's own page, its changing parts, and what the agent does there; ``/dial``: a call by a press.

Law: nothing is done here; the daemon is asked, and knows by the name who signed in which agent that is. What changes by
the second is asked for twice a second and answered by 204 without a look at the database while nothing happened.
"""

import re
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from flask import Blueprint, Response, current_app, g, render_template, request, session, url_for
from werkzeug.wrappers import Response as BaseResponse

from ramal.store.read import AgentDay
from ramal_web.asking import NotDone, ask
from ramal_web.calls.query import day_start_ms
from ramal_web.calls.views import LISTENERS
from ramal_web.calls.words import Speaker
from ramal_web.desk.views import my_phone
from ramal_web.formats import number as written
from ramal_web.history import User, history, office
from ramal_web.i18n import gettext
from ramal_web.languages import language
from ramal_web.live.feed import Feed
from ramal_web.mine import words
from ramal_web.mine.picture import Mine, cheap, mine, told_of
from ramal_web.security import passive
from ramal_web.told import not_done, told

blueprint = Blueprint("mine", __name__)
MISSED = 6
NOTE_MAX = 1000
CODE_MAX = 64
ACTS = {
    "resume": lambda: gettext("You are back: you take calls again."),
    "wrap-up-end": lambda: gettext("Your notes are done: you take calls again."),
    "wrap-up-more": lambda: gettext("You have more time for your notes."),
}
_CALL = re.compile(r"[0-9]{1,12}\.[0-9]{1,12}\Z")
_SAME: dict[tuple[str, str], tuple[int, str]] = {}
"""(agent, language) → what ``cheap`` said last, and the version that was on the screen then. At most one entry an agent
and language; replaced whole, so that no thread sees half of one."""


@blueprint.app_context_processor
def _given() -> dict[str, object]:
    return {"attempt": lambda: secrets.token_hex(8), "can_dial": can_dial, "campaigns": lambda: office().campaigns}


def can_dial(number: str) -> bool:
    """Whether a button to call ``number`` makes sense."""
    return isinstance(number, str) and number.startswith("+") and g.get("user") is not None


@blueprint.get("/mine")
def index() -> str:
    user: User = g.user
    shown = _look() if user.agent else None
    phone = shown.person.phone if shown and shown.person and shown.person.state != "out" else ""
    if phone and session.get("phone") != phone:
        session["phone"] = phone  # missed calls are returned with it, and numbers are called with it
    return render_template("mine/page.html", **(_parts(shown) | _side() | _note(shown)))


@blueprint.get("/mine/now")
@passive
def now() -> Response:
    """The changing part; 204 when the reader has it already (``seen``). ``call-changed`` is told when the call on the
    screen (``call``) is another one now."""
    user: User = g.user
    if not user.agent:
        return Response(status=204)
    feed: Feed = current_app.extensions["ramal.feed"]
    key, seen = (user.agent, language()), request.args.get("seen", "")
    mark = cheap(feed.look(), user.agent, key[1], time.time())
    if _SAME.get(key) == (mark, seen):
        return Response(status=204)
    shown = _look()
    version = shown.version(key[1])
    if len(_SAME) > 500:
        _SAME.clear()
    _SAME[key] = (mark, version)
    if version == seen:
        return Response(status=204)
    answer = Response(render_template("mine/now.html", **_parts(shown)))
    if request.args.get("call", "") != (shown.pop.call if shown.pop else ""):
        answer.headers["HX-Trigger-After-Swap"] = "call-changed"
    return answer


@blueprint.get("/mine/side")
@passive
def side() -> str:
    return render_template("mine/side.html", **_side())


@blueprint.get("/mine/note")
@passive
def note_form() -> str:
    return render_template("mine/note.html", **_note(_look() if g.user.agent else None))


@blueprint.post("/mine/pause")
def pause() -> BaseResponse:
    reason = request.form.get("reason", "")[:CODE_MAX]
    return _act(lambda: ask("mine.act", act="pause", reason=reason), gettext("You are on a break now."))


@blueprint.post("/mine/act")
def act() -> BaseResponse:
    what = request.form.get("act", "")
    if what not in ACTS:
        return not_done(NotDone(gettext("There is no such act. Nothing was done."), 400), url_for(".index"))
    return _act(lambda: ask("mine.act", act=what), ACTS[what]())


@blueprint.post("/mine/calls/<call_id>/said")
def said(call_id: str) -> BaseResponse:
    code = request.form.get("code", "")[:CODE_MAX]
    return _act(lambda: ask("mine.said", call=call_id[:CODE_MAX], code=code), gettext("Noted what the call was."))


@blueprint.post("/calls/<call_id>/note")
def note(call_id: str) -> BaseResponse | tuple[str, int]:
    """Keep the note; from the page itself (htmx) the answer is a line about it."""
    text, to = request.form.get("text", ""), url_for("calls.one", call_id=call_id)
    by_itself = bool(request.headers.get("HX-Request"))
    try:
        kept = ask("call.note", call=call_id[:CODE_MAX], text=text)
    except NotDone as problem:
        if by_itself:
            return render_template("mine/kept.html", problem=problem.sentence, at_ms=0), 200
        return not_done(problem, to)
    if by_itself:
        return render_template("mine/kept.html", problem="", at_ms=int(kept.get("at_ms", 0))), 200
    return told(gettext("The note is kept."), to)


@blueprint.post("/dial")
def dial() -> BaseResponse:
    """Ring this person's phone, then call ``number``, for a campaign if one is chosen."""
    number, phone = request.form.get("number", "")[:40], _phone()
    attempt, campaign = (request.form.get(name, "")[:CODE_MAX] for name in ("attempt", "campaign"))
    try:
        if not phone:
            raise NotDone(gettext("Choose your phone first. Nobody was called."), 409)
        done = ask("dial.start", number=number, phone=phone, attempt=attempt, campaign=campaign)
    except NotDone as problem:
        return not_done(problem, url_for(".index"))
    called = written(str(done.get("number", number)))
    sentence = gettext("Phone %(phone)s rings. Pick it up: then %(number)s is called.", phone=phone, number=called)
    return told(sentence, url_for(".index"))


def _phone() -> str:
    """Where this person calls from: an agent's own seat, else the phone chosen in this session."""
    user: User = g.user
    if user.agent:
        feed: Feed = current_app.extensions["ramal.feed"]
        row = told_of(feed.look(), user.agent)
        if row and row.get("state") != "out":
            return str(row.get("phone", ""))
    return my_phone()


def _act(do: Callable[[], object], sentence: str) -> BaseResponse:
    try:
        do()
    except NotDone as problem:
        return not_done(problem, url_for(".index"))
    return told(sentence, url_for(".index"))


def _look() -> Mine:
    feed: Feed = current_app.extensions["ramal.feed"]
    return mine(feed.look(), g.user.agent, office(), history(), time.time_ns() // 1_000_000)


def _parts(shown: Mine | None) -> dict[str, object]:
    return {
        "mine": shown,
        "version": shown.version(language()) if shown else "",
        "now_ms": time.time_ns() // 1_000_000,
        "office_words": office(),
        "mine_words": words,
        "say": Speaker(office()),
        "listeners": LISTENERS,
        "phones": office().phones,
        "phone": my_phone(),
    }


def _side() -> dict[str, object]:
    """The agent's day, and whom somebody has to call back."""
    user: User = g.user
    rows = history().missed_calls("open", None, MISSED)
    now_ms = time.time_ns() // 1_000_000
    zone = office().zone
    since_ms = day_start_ms(datetime.fromtimestamp(now_ms / 1000, zone).date(), zone)
    day: AgentDay | None = None
    outside = (0, 0)
    if user.agent:
        day = next((one for one in history().agents_today(since_ms, now_ms) if one.agent == user.agent), None)
        outside = history().outside_today(user.agent, since_ms)
    return {
        "day": day,
        "outside": outside,
        "missed": rows,
        "missed_open": history().missed_open() if len(rows) == MISSED else len(rows),
        "mine_words": words,
        "office_words": office(),
        "say": Speaker(office()),
        "linked": bool(user.agent),
    }


def _note(shown: Mine | None) -> dict[str, object]:
    """The note of this person on the call on the screen, or on the one asked for."""
    pop = shown.pop if shown else None
    own: Sequence[str] = [one.text for one in pop.notes if one.who == g.user.name] if pop else ()
    return {"note_call": pop.call if pop else "", "note_text": next(iter(own), ""), "note_max": NOTE_MAX}
