"""``/wall`` for who is signed in, ``/wall/tv/<token>`` for a screen on the wall, and the calls behind the figures.

A screen's address opens the board and nothing else: no call, no name, no number is on it.
"""

import time
from contextlib import closing
from typing import get_args

from flask import Blueprint, Response, abort, current_app, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as BaseResponse

from ramal.core.kpi import DEFAULT, Part, belongs, tally
from ramal.store import read
from ramal_web.asking import NotDone, ask
from ramal_web.calls.words import Speaker
from ramal_web.history import office
from ramal_web.i18n import gettext
from ramal_web.languages import language
from ramal_web.live.views import look
from ramal_web.security import only, passive, public
from ramal_web.told import not_done, told
from ramal_web.wall import board as boards
from ramal_web.wall import words
from ramal_web.wall.figures import Figures, midnight_ms

blueprint = Blueprint("wall", __name__)
ROWS = 50
NAME_MAX = 60
TOKEN_MAX = 64


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _board() -> boards.Board:
    figures: Figures = current_app.extensions["ramal.figures"]
    return boards.board(look(), figures.look(), _now_ms())


def _shown(template: str, token: str = "") -> str:
    shown = _board()
    again = url_for("wall.tv_live", token=token) if token else url_for("wall.live")
    return render_template(
        template,
        board=shown,
        version=shown.version(language()),
        again=again,
        token=token,
        now_ms=_now_ms(),
        wall=words,
        office_name=office().name,
    )


def _fragment(token: str = "") -> Response:
    if request.args.get("seen") == _board().version(language()):
        return Response(status=204)
    return Response(_shown("wall/fragment.html", token))


@blueprint.get("/wall")
def board() -> str:
    return _shown("wall/board.html")


@blueprint.get("/wall/live")
@passive
def live() -> Response:
    return _fragment()


@blueprint.get("/wall/tv/<token>")
@public
def tv(token: str) -> str:
    if not _known(token):
        abort(404)
    return _shown("wall/board.html", token)


@blueprint.get("/wall/tv/<token>/live")
@public
@passive
def tv_live(token: str) -> Response:
    if not _known(token):  # the whole page is asked anew, and says that it is no more
        return Response(status=401, headers={"HX-Redirect": url_for("wall.tv", token=token)})
    return _fragment(token)


def _known(token: str) -> bool:
    if not 0 < len(token) <= TOKEN_MAX:
        return False
    with closing(read.open_reader(current_app.config["RAMAL"].db)) as db:
        return read.screen_of(db, token) is not None


@blueprint.get("/wall/queues/<queue>")
def behind(queue: str) -> str:
    """Today's calls behind a queue's figures: ``part`` of them, or the service level's whole."""
    wanted = request.args.get("part", "")
    part: Part = next((known for known in get_args(Part) if known == wanted), "whole")
    before = request.args.get("before", "")
    cursor = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    now_ms = _now_ms()
    with closing(read.open_reader(current_app.config["RAMAL"].db)) as db:
        settings = read.load(db)
        found = next((one for one in settings.queues if one.name == queue), None) if settings else None
        if settings is None or found is None:
            abort(404)
        since_ms, within_ms = midnight_ms(settings, now_ms), 1000 * found.answer_within_s
        calls, _, older = read.behind(db, queue, since_ms, now_ms + 1, now_ms, part, within_ms, ROWS, cursor)
        offers, cut = read.offers(db, queue, since_ms, now_ms + 1, now_ms)
    counted = tally(offers, within_ms)
    counts = {one: sum(belongs(offer, one, within_ms) for offer in offers) for one in get_args(Part)}
    return render_template(
        "wall/behind.html",
        queue=found,
        part=part,
        calls=calls,
        older=older,
        counts=counts,
        tally=counted,
        cut=cut,
        variant=DEFAULT,
        wall=words,
        say=Speaker(office()),
    )


@blueprint.get("/wall/screens")
@only("owner")
def screens() -> str:
    with closing(read.open_reader(current_app.config["RAMAL"].db)) as db:
        listed = read.screens(db)
    token = session.pop("wall_token", "")
    address = url_for("wall.tv", token=token, _external=True) if token else ""
    return render_template("wall/screens.html", screens=listed, address=address)


@blueprint.post("/wall/screens")
@only("owner")
def make() -> BaseResponse:
    try:
        made = ask("wall.make", name=request.form.get("name", "")[:NAME_MAX])
    except NotDone as error:
        return not_done(error, url_for("wall.screens"))
    session["wall_token"] = str(made["token"])  # shown once, to who made it
    return redirect(url_for("wall.screens"), 303)


@blueprint.post("/wall/screens/<int:screen>/revoke")
@only("owner")
def revoke(screen: int) -> BaseResponse:
    try:
        ask("wall.revoke", screen=str(screen))
    except NotDone as error:
        return not_done(error, url_for("wall.screens"))
    return told(gettext("This screen's address does not work any more."), url_for("wall.screens"))
