"""``/agents/<code>`` and the acts of supervisors on agents and on waiting callers.

Law: nothing is done here; the daemon is asked, which keeps who asked before Asterisk is told.
"""

from collections.abc import Callable

from flask import Blueprint, abort, render_template, request, session, url_for
from werkzeug.wrappers import Response

from ramal_web.asking import NotDone, ask
from ramal_web.history import office
from ramal_web.i18n import gettext
from ramal_web.live.picture import Person
from ramal_web.live.views import look
from ramal_web.security import only
from ramal_web.told import not_done, told

blueprint = Blueprint("desk", __name__)
SUPERVISORS = ("owner", "supervisor")
MODES = ("listen", "whisper", "barge")
CODE_MAX = 64


@blueprint.get("/agents/<code>")
@only(*SUPERVISORS)
def agent(code: str) -> str:
    words = office()
    return render_template(
        "desk/agent.html", person=_person(code), phones=words.phones, pauses=words.pauses, phone=my_phone()
    )


@blueprint.post("/agents/<code>/pause")
@only(*SUPERVISORS)
def pause(code: str) -> Response:
    reason = request.form.get("reason", "")[:CODE_MAX]
    return _act(lambda: ask("agent.pause", agent=code[:CODE_MAX], reason=reason), code, gettext("The agent is paused."))


@blueprint.post("/agents/<code>/resume")
@only(*SUPERVISORS)
def resume(code: str) -> Response:
    return _act(lambda: ask("agent.resume", agent=code[:CODE_MAX]), code, gettext("The agent takes calls again."))


@blueprint.post("/agents/<code>/logout")
@only(*SUPERVISORS)
def logout(code: str) -> Response:
    return _act(lambda: ask("agent.logout", agent=code[:CODE_MAX]), code, gettext("The agent is signed out."))


@blueprint.post("/agents/<code>/listen")
@only(*SUPERVISORS)
def listen(code: str) -> Response:
    mode, phone = request.form.get("mode", ""), remembered_phone()
    if mode not in MODES:
        abort(400)
    sentence = gettext("Phone %(phone)s rings. Pick it up to hear the call.", phone=phone)
    return _act(lambda: ask("spy.start", agent=code[:CODE_MAX], mode=mode, phone=phone), code, sentence)


@blueprint.post("/waiting/<call>/move")
@only(*SUPERVISORS)
def move(call: str) -> Response:
    queue = request.form.get("queue", "")[:CODE_MAX]
    try:
        ask("caller.move", call=call[:CODE_MAX], queue=queue)
    except NotDone as problem:
        return not_done(problem, "/")
    return told(gettext("The caller goes to “%(queue)s”.", queue=office().queues.get(queue, queue)), "/")


@blueprint.post("/waiting/<call>/first")
@only(*SUPERVISORS)
def first(call: str) -> Response:
    try:
        ask("caller.first", call=call[:CODE_MAX])
    except NotDone as problem:
        return not_done(problem, "/")
    return told(gettext("This caller comes first now."), "/")


def my_phone() -> str:
    """The phone this user listens and calls with; "" until one was chosen in this session."""
    phone = session.get("phone", "")
    return phone if isinstance(phone, str) and phone in office().phones else ""


def remembered_phone() -> str:
    """The phone chosen in this form, remembered for the next time."""
    phone = request.form.get("phone", "")[:12]
    if phone in office().phones:
        session["phone"] = phone
    return phone


def _person(code: str) -> Person:
    found = next((person for person in look().people if person.code == code), None)
    if found is None:
        abort(404)
    return found


def _act(do: Callable[[], object], code: str, sentence: str) -> Response:
    to = url_for("desk.agent", code=code) if code in office().agents else "/"
    try:
        do()
    except NotDone as problem:
        return not_done(problem, to)
    return told(sentence, to)
