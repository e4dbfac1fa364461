"""``/audit``: who did what, newest first. For the owner."""

import re
from collections.abc import Mapping

from flask import Blueprint, render_template, request

from ramal.store.read import Place
from ramal_web.audit import words
from ramal_web.calls.words import Speaker
from ramal_web.history import history, office
from ramal_web.security import only

blueprint = Blueprint("audit", __name__)
ROWS = 50
_PLACE = re.compile(r"([0-9]{1,15})-([012])-([0-9]{1,18})\Z", re.ASCII)


@blueprint.get("/audit")
@only("owner")
def index() -> str:
    before = place(request.args)
    page = history().audit(ROWS, before)
    older = "-".join(map(str, page.older)) if page.older else None
    return render_template(
        "audit/list.html", page=page, older=older, first=before is None, say=Speaker(office()), audit_words=words
    )


def place(arguments: Mapping[str, str]) -> Place | None:
    """Where the page begins; an address typed wrongly begins at the newest."""
    match = _PLACE.match(arguments.get("before", ""))
    return Place(int(match[1]), int(match[2]), int(match[3])) if match else None
