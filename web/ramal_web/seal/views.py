"""``/seal``: the head of the recordings' catalogue, for paper, and the last verification; asking for another one."""

from typing import Any

from flask import Blueprint, render_template
from werkzeug.wrappers import Response

from ramal_web.asking import NotDone, ask
from ramal_web.history import history, office
from ramal_web.i18n import gettext
from ramal_web.seal import words
from ramal_web.security import only, passive
from ramal_web.told import not_done, told

blueprint = Blueprint("seal", __name__)
ROLES = ("owner", "supervisor")


@blueprint.get("/seal")
@only(*ROLES)
def index() -> str:
    head, day, check = history().seal()
    return render_template(
        "seal/index.html",
        head=head,
        day=day,
        check=check,
        found=words.told(check.found) if check else (),
        running=_running(),
        command=f"ramal recordings verify --head {head.text}" if head else "",
        office_name=office().name,
    )


@blueprint.get("/seal/progress")
@only(*ROLES)
@passive
def progress() -> str:
    return render_template("seal/progress.html", running=_running())


@blueprint.post("/seal")
@only(*ROLES)
def verify() -> Response:
    try:
        ask("recordings.verify")
        ask("audit", what="recordings.verify")
    except NotDone as problem:
        return not_done(problem, "/seal")
    return told(gettext("The recordings are being checked. It may take a while, and waits while people call."), "/seal")


def _running() -> dict[str, Any] | None:
    try:
        told_of = ask("recordings.verifying")
    except NotDone:
        return None
    return told_of if told_of.get("running") else None
