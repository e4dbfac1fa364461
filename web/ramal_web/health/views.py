"""``/health``: the page answers, and what it can reach. No session, no secrets, no names."""

from flask import Blueprint, Response, current_app, jsonify

from ramal.store.read import DatabaseUnusable
from ramal_web.history import history
from ramal_web.live.feed import Feed
from ramal_web.security import passive, public

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
@public
@passive
def health() -> Response:
    """200 with ``{"page": true, "history": bool, "daemon": status}``: a page that answers is up, whatever else is."""
    feed: Feed = current_app.extensions["ramal.feed"]
    try:
        history()
        readable = True
    except DatabaseUnusable:
        readable = False
    return jsonify(page=True, history=readable, daemon=feed.look().status)
