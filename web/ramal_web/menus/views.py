"""``/menus``: what callers pressed in each menu, and where they gave up, in a span of days."""

from datetime import datetime

from flask import Blueprint, render_template, request

from ramal_web.calls.query import Query
from ramal_web.calls.words import Speaker
from ramal_web.history import history, office
from ramal_web.menus import words
from ramal_web.menus.table import tables

blueprint = Blueprint("menus", __name__)
DAYS = ("today", "yesterday", "week", "month")


@blueprint.get("/menus")
def index() -> str:
    day = request.args.get("day", "week")
    day = day if day in DAYS else "week"
    zone = office().zone
    since_ms, until_ms = Query(day=day).span_ms(zone, datetime.now(zone).date())
    figures = history().menus(since_ms or 0, until_ms or 0)
    return render_template(
        "menus/list.html", day=day, tables=tables(figures, office()), say=Speaker(office()), menu_words=words
    )
