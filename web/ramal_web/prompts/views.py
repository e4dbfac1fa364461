"""``/prompts`` and ``/music``: every sentence the office can say, heard in the browser and replaced; music on hold.

Law: the page reads sounds below the home's own folders only, and opens none; every change, and every file that comes
in, goes to the daemon in pieces, which opens it in a prison. Without the daemon nothing can be listed, and calls go on
hearing what they heard.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from flask import Blueprint, abort, current_app, render_template, request, send_file, url_for
from werkzeug.wrappers import Response

from ramal.box.home import Home
from ramal_web.asking import NotDone, ask, ask_for, send_sound
from ramal_web.calls.words import Speaker
from ramal_web.history import office
from ramal_web.i18n import gettext
from ramal_web.prompts import words
from ramal_web.security import only, takes
from ramal_web.told import not_done, told

blueprint = Blueprint("prompts", __name__)
OWNERS = ("owner",)
FILE_MAX = 20 << 20
BODY_MAX = 2 * FILE_MAX
"""More than the largest file, so that one that is too large gets its sentence and no torn connection; the browser does
not even send one."""
OPEN_S = 75.0
PAGE_ROWS = 40
SEARCH_MAX = 100
KINDS = ("office", "sentence", "word", "own")
_PATH = re.compile(r"[A-Za-z0-9_-]{1,60}(?:/[A-Za-z0-9_-]{1,60}){0,4}\Z")
_VERSION = re.compile(r"[0-9]{10,16}\.[a-z]{1,10}(?:\.[0-9]{0,10}\.[0-9]{0,10})?\.wav\Z")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}\Z")
_FILE = re.compile(r"[A-Za-z0-9._-]{1,80}\.wav\Z")


@blueprint.get("/prompts")
@only(*OWNERS)
def index() -> str:
    sought = " ".join(request.args.get("search", "").split())[:SEARCH_MAX]
    kind, tongue = request.args.get("kind", ""), request.args.get("language", "")
    kind = kind if kind in KINDS else ""
    try:
        answer, problem = ask("prompts.list"), ""
    except NotDone as refused:
        answer, problem = {}, refused.sentence
    every = answer.get("prompts", [])
    tongues = list(dict.fromkeys(row["language"] for row in every))
    tongue = tongue if tongue in tongues else ""
    say = Speaker(office())
    found = [row for row in every if _fits(row, kind, tongue, sought.casefold(), say)]
    given = request.args.get("page", "0")
    number = min(int(given) if given.isascii() and given.isdigit() and len(given) < 6 else 0, len(found) // PAGE_ROWS)
    return render_template(
        "prompts/list.html",
        rows=found[number * PAGE_ROWS : (number + 1) * PAGE_ROWS],
        total=len(found),
        any=bool(every),
        tongues=tongues,
        tongue=tongue,
        kind=kind,
        sought=sought,
        number=number,
        pages=-(-len(found) // PAGE_ROWS),
        problem=problem,
        supervisors=answer.get("supervisors", False),
        renewing=answer.get("renewing", False),
        say=say,
        prompt_words=words,
    )


@blueprint.get("/prompts/<path:path>/at/<version>.wav")
@only(*OWNERS)
def sound_of(path: str, version: str) -> Response:
    """A version's own sound; ``now`` is what callers hear."""
    home = _home()
    if not _PATH.match(path):
        abort(404)
    if version == "now":
        return _sound(home.prompts / f"{path}.wav", home.prompts)
    if not _VERSION.match(f"{version}.wav"):
        abort(404)
    return _sound(home.own_prompts / path / f"{version}.wav", home.own_prompts)


@blueprint.get("/prompts/<path:path>")
@only(*OWNERS)
def one(path: str) -> str | tuple[str, int]:
    if not _PATH.match(path):
        abort(404)
    try:
        return _page(ask("prompts.one", path=path))
    except NotDone as refused:
        if refused.code == "no-prompt":
            abort(404)
        return render_template("error.html", sentence=refused.sentence), refused.status


@blueprint.post("/prompts/<path:path>")
@only(*OWNERS)
@takes(BODY_MAX)
def replace(path: str) -> Response:
    here = url_for("prompts.one", path=path)
    given = request.files.get("file")
    if given is None or not given.filename:
        return not_done(NotDone(gettext("Choose a file first. Nothing was changed."), 400), here)
    try:
        upload = send_sound(given.stream)
        ask_for("prompts.replace", OPEN_S, path=path, upload=upload, file=given.filename)
    except NotDone as problem:
        return not_done(problem, here)
    return told(gettext("Callers hear your file from now on."), here)


@blueprint.post("/prompts/<path:path>/machine")
@only(*OWNERS)
def restore(path: str) -> Response:
    return _changed("prompts.restore", path, gettext("The machine speaks this sentence again. Your sounds are kept."))


@blueprint.post("/prompts/<path:path>/undo")
@only(*OWNERS)
def undo(path: str) -> Response:
    return _changed("prompts.undo", path, gettext("The last change was taken back."))


@blueprint.post("/prompts/<path:path>/use")
@only(*OWNERS)
def use(path: str) -> Response:
    version = request.form.get("version", "")
    return _changed("prompts.use", path, gettext("Callers hear this sound from now on."), version=version[:80])


@blueprint.get("/music")
@only(*OWNERS)
def music() -> str:
    try:
        rows, problem = ask("music.list").get("music", []), ""
    except NotDone as refused:
        rows, problem = [], refused.sentence
    return render_template("prompts/music.html", rows=rows, problem=problem, say=Speaker(office()), file_max=FILE_MAX)


@blueprint.get("/music/<name>/<file>")
@only(*OWNERS)
def music_sound(name: str, file: str) -> Response:
    if not (_NAME.match(name) and _FILE.match(file)):
        abort(404)
    return _sound(_home().own_music / name / file, _home().own_music)


@blueprint.post("/music/<name>")
@only(*OWNERS)
@takes(BODY_MAX)
def music_add(name: str) -> Response:
    given, here = request.files.get("file"), url_for("prompts.music")
    if given is None or not given.filename:
        return not_done(NotDone(gettext("Choose a file first. Nothing was changed."), 400), here)
    try:
        upload = send_sound(given.stream)
        done = ask_for("music.add", OPEN_S, music=name, upload=upload, file=given.filename)
    except NotDone as problem:
        return not_done(problem, here)
    if not done.get("told"):
        return told(gettext("The sound is kept. Callers hear it as soon as the telephone system answers again."), here)
    return told(gettext("Callers on hold hear it from now on."), here)


@blueprint.post("/music/<name>/<file>/remove")
@only(*OWNERS)
def music_remove(name: str, file: str) -> Response:
    here = url_for("prompts.music")
    try:
        ask("music.remove", music=name, file=file[:80])
    except NotDone as problem:
        return not_done(problem, here)
    return told(gettext("The sound was taken away."), here)


def _page(row: Mapping[str, Any]) -> str:
    return render_template("prompts/one.html", row=row, say=Speaker(office()), prompt_words=words, file_max=FILE_MAX)


def _changed(do: str, path: str, sentence: str, **given: str) -> Response:
    here = url_for("prompts.one", path=path)
    try:
        done = ask(do, path=path, **given)
    except NotDone as problem:
        return not_done(problem, here)
    return told(sentence if done.get("changed", True) else gettext("Nothing was to be changed."), here)


def _fits(row: Mapping[str, Any], kind: str, tongue: str, sought: str, say: Speaker) -> bool:
    if tongue and row["language"] != tongue:
        return False
    wanted = {"": True, "own": row["by"] == "own", "office": row["kind"] not in ("sentence", "word")}
    if not wanted.get(kind, row["kind"] == kind):
        return False
    about = (row["text"], row["id"], row["number"], row["of"], words.place(row, say))
    return not sought or any(sought in str(text).casefold() for text in about)


def _sound(path: Path, folder: Path) -> Response:
    try:
        found = path.resolve(strict=True)
        if not found.is_relative_to(folder.resolve(strict=True)) or not found.is_file():
            abort(404)
    except OSError:
        abort(404)
    response = send_file(found, mimetype="audio/wav", conditional=True, max_age=None)
    response.headers["Cache-Control"] = "private, no-cache"
    if response.status_code == 304 or request.method == "HEAD":
        response.close()
    return response


def _home() -> Home:
    return cast(Home, current_app.config["RAMAL"].home)
