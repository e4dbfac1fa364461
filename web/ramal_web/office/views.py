"""``/office``: the office's file, as ``ramal export`` prints it; changed here or sent as a file, and put into force as
``ramal apply`` does. For the owner: it holds the phones' and the lines' passwords.

Law: a text with mistakes is shown again with each of them and changes nothing; a box whose owner has no shell is set up
here.
"""

from collections.abc import Mapping
from importlib import resources
from typing import Any

from flask import Blueprint, Response, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from ramal_web.asking import NotDone, ask, ask_for
from ramal_web.i18n import gettext, ngettext
from ramal_web.security import only, takes
from ramal_web.told import told

blueprint = Blueprint("office", __name__)
Page = str | BaseResponse | tuple[str, int]
TEXT_MAX = 900_000
"""Bytes; an office travels in one line of the control socket."""
BODY_MAX = 4 * TEXT_MAX
"""A form's text is up to three times as long on its way."""
APPLY_S = 120.0
"""Speaking the sentences of a large new office takes a minute on a Pi."""
FILE = "office.toml"


@blueprint.get("/office")
@only("owner")
def index() -> Page:
    if request.args.get("start") == "example":
        return _page(example(), gettext("An example to begin with. Nothing of it is in force yet."))
    try:
        return _page(str(ask_for("office", 15.0)["toml"]))
    except NotDone as problem:
        return _page("", problem.sentence, status=problem.status)


@blueprint.get("/office.toml")
@only("owner")
def download() -> Page:
    try:
        text = str(ask_for("office", 15.0)["toml"])
        ask("audit", what="office.downloaded", detail="")
    except NotDone as problem:
        return _page("", problem.sentence, status=problem.status)
    headers = {"Content-Disposition": f"attachment; filename={FILE}", "Cache-Control": "no-store"}
    return Response(text, mimetype="application/toml", headers=headers)


@blueprint.post("/office")
@only("owner")
@takes(BODY_MAX)
def take() -> Page:
    """Put a text into force: that of the form, or of a file."""
    given = request.files.get("file")
    if given is not None and given.filename:
        data, name = given.read(TEXT_MAX + 1), given.filename[-80:]
        given.close()
    else:
        data, name = request.form.get("text", "").replace("\r\n", "\n").encode(), FILE
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _page("", gettext("This is not UTF-8 text. Nothing was changed. Save the file as UTF-8."), status=422)
    if len(data) > TEXT_MAX or not text.strip():
        sentence = gettext("An office's file has at most 900 kB, and is not empty. Nothing was changed.")
        return _page(text[:TEXT_MAX], sentence, status=422)
    try:
        done = ask_for("apply", APPLY_S, toml=text, file=name)
    except NotDone as problem:
        count = len(problem.problems)
        wrong = ngettext("%(num)s mistake. Nothing was changed.", "%(num)s mistakes. Nothing was changed.", count)
        return _page(text, wrong if count else problem.sentence, problem.problems, 422 if count else problem.status)
    changes = [str(one) for one in done.get("changes", ())]
    _noted(changes)
    if not changes:
        return told(gettext("Nothing to change: this office is in force already."), "/office")
    sentence = ngettext("In force: %(num)s change.", "In force: %(num)s changes.", len(changes))
    return told(" ".join([sentence, *map(str, done.get("warnings", ()))]), "/office")


def example() -> str:
    """A small office to begin with."""
    return resources.files("ramal").joinpath("offices", "first.toml").read_text(encoding="utf-8")


def _noted(changes: list[str]) -> None:
    """It is in force; that somebody did it is kept where it can be."""
    try:
        ask("audit", what="office.applied", detail="; ".join(changes)[:200])
    except NotDone:
        return


def _page(text: str, problem: str = "", problems: tuple[Mapping[str, Any], ...] = (), status: int = 200) -> Page:
    return render_template("office/index.html", text=text, problem=problem, problems=problems), status
