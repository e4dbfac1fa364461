"""``/contacts``: search, change, block, delete; a file in and a file out.

Law: reading is the database's, every change is asked of the daemon, which checks it and tells Asterisk.
"""

from collections.abc import Mapping
from dataclasses import asdict

from flask import Blueprint, Response, abort, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ramal.core.contacts import CONTACTS_MAX, FIELDS, NAME_MAX, NOTE_MAX, Contact, ContactsRefused
from ramal.store import read
from ramal_web.asking import NotDone, ask, send_file
from ramal_web.history import history, office
from ramal_web.i18n import gettext, ngettext
from ramal_web.security import only, takes
from ramal_web.told import not_done, told

blueprint = Blueprint("contacts", __name__)
EDITORS = ("owner", "supervisor")
KINDS = ("", "vip", "blocked")
SEARCH_MAX = 100
PAGE_ROWS = 50
FILE_MAX = 9 << 20
Page = str | BaseResponse | tuple[str, int]


@blueprint.get("/contacts")
def index() -> str:
    sought = " ".join(request.args.get("search", "").split())[:SEARCH_MAX]
    kind = request.args.get("kind", "")
    kind = kind if kind in KINDS else ""
    number = _page(request.args)
    found = history().contacts(sought, number, kind)
    pages = -(-found.total // PAGE_ROWS)
    return render_template("contacts/list.html", found=found, sought=sought, kind=kind, number=number, pages=pages)


@blueprint.get("/contacts/new")
@only(*EDITORS)
def new() -> str:
    return _form({"number": request.args.get("number", "")[:40]}, None)


@blueprint.post("/contacts/new")
@only(*EDITORS)
def save_new() -> Page:
    return _save(None)


@blueprint.get("/contacts/<number>")
@only(*EDITORS)
def one(number: str) -> str:
    known = _known(number)
    return _form(asdict(known), known)


@blueprint.post("/contacts/<number>")
@only(*EDITORS)
def save(number: str) -> Page:
    return _save(_known(number))


@blueprint.post("/contacts/<number>/block")
@only(*EDITORS)
def block(number: str) -> BaseResponse:
    """Block or unblock; also somebody who is no contact yet, from a call's page."""
    to = url_for("contacts.index")
    blocked = "yes" if request.form.get("blocked") == "yes" else "no"
    try:
        ask("contact.save", contact={"number": number[:40], "blocked": blocked})
    except NotDone as problem:
        return not_done(problem, to)
    sentence = gettext("This number is blocked.") if blocked == "yes" else gettext("This number may call again.")
    return told(sentence, to)


@blueprint.post("/contacts/<number>/delete")
@only(*EDITORS)
def delete(number: str) -> BaseResponse:
    to = url_for("contacts.index")
    try:
        ask("contact.delete", number=number[:40])
    except NotDone as problem:
        return not_done(problem, to)
    return told(gettext("The contact was deleted."), to)


@blueprint.get("/contacts/export.csv")
@only(*EDITORS)
def export() -> Response:
    lines = "".join(read.write_contacts(history().every_contact()))
    headers = {"Content-Disposition": "attachment; filename=contacts.csv"}
    return Response("\ufeff" + lines, mimetype="text/csv", headers=headers)


@blueprint.get("/contacts/import")
@only(*EDITORS)
def bring() -> Page:
    return _import_page(None, ())


@blueprint.post("/contacts/import")
@only(*EDITORS)
@takes(FILE_MAX)
def take() -> Page:
    """Send the file to the daemon, in parts; nothing of it is used unless all of it is right."""
    given = request.files.get("file")
    if given is None or not given.filename:
        return _import_page(gettext("Choose a file first."), (), 422)
    file = given.filename[-80:]
    try:
        text = read.decoded(given.read(FILE_MAX), file)
        answer = send_file(text, file)
    except ContactsRefused as refused:
        problems = tuple({"line": problem.line, "what": problem.what} for problem in refused.problems)
        return _import_page(_wrong_lines(len(problems)), problems, 422)
    except NotDone as problem:
        sentence = _wrong_lines(len(problem.problems)) if problem.problems else problem.sentence
        return _import_page(sentence, problem.problems, 422 if problem.problems else problem.status)
    sentence = gettext(
        "%(added)s contacts added, %(changed)s changed, %(same)s were the same.",
        added=answer.get("added", 0),
        changed=answer.get("changed", 0),
        same=answer.get("same", 0),
    )
    return told(sentence, url_for("contacts.index"))


def _wrong_lines(count: int) -> str:
    return ngettext(
        "%(num)s line is wrong. Nothing was changed.", "%(num)s lines are wrong. Nothing was changed.", count
    )


def _import_page(problem: str | None, problems: tuple[Mapping[str, object], ...], status: int = 200) -> Page:
    return render_template(
        "contacts/import.html", problem=problem, problems=problems, fields=FIELDS, most=CONTACTS_MAX
    ), status


def _save(known: Contact | None) -> Page:
    given = {name: request.form.get(name, "") for name in ("name", "language", "agent", "queue", "note")}
    given["number"] = known.number if known else request.form.get("number", "")[:40]
    given |= {name: "yes" if request.form.get(name) else "no" for name in ("vip", "blocked")}
    try:
        answer = ask("contact.save", contact=given)
    except NotDone as problem:
        shown = given | {"vip": given["vip"] == "yes", "blocked": given["blocked"] == "yes"}
        return _form(shown, known, problem.sentence), problem.status
    if not answer.get("told", True):
        return told(gettext("Saved. The telephone system learns of it as soon as it answers."), url_for(".index"))
    return told(gettext("The contact was saved."), url_for(".index"))


def _form(values: Mapping[str, object], known: Contact | None, problem: str | None = None) -> str:
    return render_template(
        "contacts/one.html",
        values=values,
        known=known,
        problem=problem,
        office_words=office(),
        name_max=NAME_MAX,
        note_max=NOTE_MAX,
    )


def _known(number: str) -> Contact:
    known = history().contact(number[:40])
    if known is None:
        abort(404)
    return known


def _page(arguments: Mapping[str, str]) -> int:
    text = arguments.get("page", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else 0
