"""``/people``: who may use the page; letting somebody in, a new one-time password, taking it away. For the owner.

Law: a one-time password is made here, shown once to who asked for it, and kept nowhere but as its argon2 hash.
"""

from flask import Blueprint, g, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from ramal_web.asking import NotDone, ask
from ramal_web.auth import passwords
from ramal_web.history import history
from ramal_web.i18n import gettext
from ramal_web.people import words
from ramal_web.security import only
from ramal_web.told import not_done, told

blueprint = Blueprint("people", __name__)
NAME_MAX, CODE_MAX = 64, 20


@blueprint.get("/people")
@only("owner")
def index() -> str:
    users, agents = history().users(), history().office.agents
    taken = {user.agent for user in users}
    free = {code: name for code, name in agents.items() if code not in taken}
    once = session.pop("one_time", None)
    return render_template("people/index.html", users=users, agents=agents, free=free, once=once, words=words)


@blueprint.post("/people")
@only("owner")
def act() -> Response:
    """``act``: add (with ``role`` and ``agent``), password, remove; ``name``: whom."""
    here = url_for("people.index")
    wanted, name = request.form.get("act", ""), request.form.get("name", "").strip()[:NAME_MAX]
    password = passwords.one_time()
    try:
        match wanted:
            case "add":
                given = {
                    "role": request.form.get("role", "")[:NAME_MAX],
                    "agent": request.form.get("agent", "")[:CODE_MAX],
                }
                ask("users.add", name=name, hash=passwords.hashed(password), **given)
            case "password" if name != g.user.name:
                ask("users.reset", name=name, hash=passwords.hashed(password))
            case "remove" if name != g.user.name:
                ask("users.remove", name=name)
                return told(gettext("%(name)s can no longer sign in.", name=name), here)
            case _:
                return not_done(NotDone(gettext("Your browser sent something this page cannot use."), 400), here)
    except NotDone as problem:
        return not_done(problem, here)
    session["one_time"] = [name, password]  # shown once, to who made it
    return redirect(here, 303)
