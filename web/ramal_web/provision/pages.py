"""``/phones``: the desk phones for people; which are there, which fetched their settings, and letting one in."""

from flask import render_template
from werkzeug.wrappers import Response

from ramal_web.asking import NotDone, ask
from ramal_web.i18n import gettext
from ramal_web.provision.views import blueprint
from ramal_web.security import only
from ramal_web.told import not_done, told

MINUTES = 30


@blueprint.get("/phones")
@only("owner", "supervisor")
def phones() -> str:
    try:
        rows, problem = ask("phones.list").get("phones", []), None
    except NotDone as refused:
        rows, problem = [], refused.sentence
    return render_template("provision/list.html", rows=rows, problem=problem, minutes=MINUTES)


@blueprint.post("/phones/<extension>/open")
@only("owner", "supervisor")
def let_in(extension: str) -> Response:
    try:
        ask("phones.open", extension=extension[:12], minutes=MINUTES)
    except NotDone as problem:
        return not_done(problem, "/phones")
    return told(
        gettext("Phone %(phone)s may fetch its settings now. Switch it on, or restart it.", phone=extension), "/phones"
    )
