"""``/surveys``: what callers think, by queue and agent, with the calls behind every figure; ``/surveys/mine`` for the
agent it is about, when the office allows that: figures only, never who said it.
"""

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, abort, g, render_template, request

from ramal.core.kpi import Ratio
from ramal.core.survey import PARTS, Part, Scores, by, fcr_proxy, scores
from ramal_web.calls import opinions
from ramal_web.calls.query import Query
from ramal_web.calls.views import THINKS
from ramal_web.calls.words import Speaker
from ramal_web.history import User, history, office
from ramal_web.security import only
from ramal_web.surveys import words

blueprint = Blueprint("surveys", __name__)
DAYS = ("today", "yesterday", "week", "month")
ROWS = 50
LATEST = 10
NAME_MAX = 40
EXAMPLE = """[[survey]]
name = "quality"
questions = ["csat", "resolved"]

[[queue]]
survey = "quality\""""


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one queue or agent, or of all; ``again``: who did not have to call again."""

    name: str
    title: str
    scores: Scores
    again: Ratio


def _day() -> str:
    day = request.args.get("day", "month")
    return day if day in DAYS else "month"


def _span_ms(day: str) -> tuple[int, int]:
    zone = office().zone
    since_ms, until_ms = Query(day=day).span_ms(zone, datetime.now(zone).date())
    return since_ms or 0, until_ms or 0


def _again(span_ms: tuple[int, int], queue: str = "", agent: str = "") -> Ratio:
    return fcr_proxy(history().queue_calls(*span_ms, queue, agent), span_ms[1])


@blueprint.get("/surveys")
@only(*THINKS)
def index() -> str:
    day = _day()
    span_ms, say = _span_ms(day), Speaker(office())
    found = history().replies(*span_ms)
    queues = [
        Row(name, say.queue(name), counted, _again(span_ms, queue=name))
        for name, counted in by(found.replies, "queue").items()
    ]
    agents = [
        Row(code, say.agent(code), counted, _again(span_ms, agent=code) if code else Ratio(0, 0))
        for code, counted in by(found.replies, "agent").items()
    ]
    low, low_count, _ = history().answers(*span_ms, "low", LATEST, "", "", None)
    sentences, sentence_count, _ = history().answers(*span_ms, "sentence", LATEST, "", "", None)
    return render_template(
        "surveys/list.html",
        day=day,
        whole=Row("", "", scores(found.replies), _again(span_ms)),
        queues=queues,
        agents=agents,
        skipped=found.skipped,
        cut=found.cut,
        low=low,
        low_count=low_count,
        sentences=sentences,
        sentence_count=sentence_count,
        asks=office().surveys,
        example=EXAMPLE,
        say=say,
        w=words,
        opinions=opinions,
    )


@blueprint.get("/surveys/calls")
@only(*THINKS)
def behind() -> str:
    """The calls behind a figure of a queue, an agent, or all."""
    wanted = request.args.get("part", "")
    part: Part = next((known for known in PARTS if known == wanted), "asked")
    queue, agent = (request.args.get(name, "")[:NAME_MAX] for name in ("queue", "agent"))
    before = request.args.get("before", "")
    cursor = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    day = _day()
    rows, count, older = history().answers(*_span_ms(day), part, ROWS, queue, agent, cursor)
    return render_template(
        "surveys/behind.html",
        day=day,
        part=part,
        queue=queue,
        agent=agent,
        rows=rows,
        count=count,
        older=older,
        say=Speaker(office()),
        w=words,
        opinions=opinions,
    )


@blueprint.get("/surveys/mine")
def mine() -> str:
    """An agent's own figures."""
    user: User = g.user
    if not user.agent or not office().agents_see_surveys:
        abort(403)
    day = _day()
    span_ms = _span_ms(day)
    found = history().replies(*span_ms, "", user.agent)
    own = Row(user.agent, "", scores(found.replies), _again(span_ms, agent=user.agent))
    return render_template("surveys/mine.html", day=day, whole=own, w=words)
