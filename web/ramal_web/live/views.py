"""``/`` and the fragment it asks for every second."""

import time

from flask import Blueprint, Response, current_app, render_template, request

from ramal_web.history import office
from ramal_web.languages import language
from ramal_web.live import words
from ramal_web.live.feed import Feed
from ramal_web.live.picture import Picture, picture
from ramal_web.live.reasons import Reasons
from ramal_web.security import passive

blueprint = Blueprint("live", __name__)


@blueprint.app_context_processor
def _status() -> dict[str, object]:
    """Every page can say whether the box is whole: ``trouble`` is None, or the picture of what is amiss."""
    return {"trouble": _trouble, "words": words}


def look(why: bool = False) -> Picture:
    """This moment; ``why``: with what the database knows of those who wait."""
    feed: Feed = current_app.extensions["ramal.feed"]
    reasons: Reasons = current_app.extensions["ramal.reasons"]
    return picture(feed.look(), office(), reasons.about if why else None)


@blueprint.get("/")
def now() -> str:
    return _page("live/now.html", look(why=True))


@blueprint.get("/live")
@passive
def fragment() -> Response:
    """The changing part alone; 204 when the reader has it already (``seen`` is the version on the screen)."""
    shown = look(why=True)
    if request.args.get("seen") == shown.version(language()):
        return Response(status=204)
    return Response(_page("live/fragment.html", shown))


def _page(template: str, shown: Picture) -> str:
    return render_template(
        template, picture=shown, version=shown.version(language()), now_ms=time.time_ns() // 1_000_000
    )


def _trouble() -> Picture | None:
    shown = look()
    return shown if not shown.fresh or shown.warnings else None
