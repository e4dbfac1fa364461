"""What of the office decides about recording, for ``dialplan/record.conf`` and ``card.conf``. Pure.

``ramal-record-says`` is each thing's own word as a number (``core.recording.rank``: the highest wins), the sides are
looked up likewise. In-call codes are features.conf's: they work on the phones of the house only (pjsip.conf), and act
on the channel at the other end, the customer's.
"""

from ramal.asterisk.tokens import token
from ramal.core.office import Agent, Campaign, Line, Office, Queue
from ramal.core.recording import rank, sides
from ramal.core.retention import settings_of

FEATURES = "ramal-record#ramal-card"
"""DYNAMIC_FEATURES of every phone of the house."""


def form(office: Office) -> str:
    """What Asterisk writes, one for the whole office: stereo can only be ``raw``, and app_queue is told the form once a
    queue. Raw files get their header when they are measured (store.joining)."""
    said = [settings_of(office).sides, *(each.record_sides for each in _those(office))]
    return "raw" if "stereo" in said else "wav"


def by_app_queue(queue: Queue, office: Office) -> bool:
    """May talks of this queue be recorded from their first word on?"""
    others = [each.record for _, each in _named(office)]
    return queue.record == "always" or (queue.record == "on-demand" and "always" in others)


def records(office: Office) -> str:
    """[ramal-record-says], [ramal-record-sides], [ramal-record-setting]."""
    settings = settings_of(office)
    says = ["[ramal-record-says]"]
    heard = ["[ramal-record-sides]"]
    notice = ["[ramal-record-notices]"]
    for queue in office.queues:
        says.append(f"exten => queue-{token(queue.name)},1,Return({rank(queue.record)})")
        heard.append(f"exten => queue-{token(queue.name)},1,Return({sides(queue.record_sides, settings.sides)})")
        if queue.notice is not None:
            notice.append(f"exten => queue-{token(queue.name)},1,Return({'yes' if queue.notice else 'no'})")
    for name, each in _named(office):
        if each.record:
            says.append(f"exten => {name},1,Return({rank(each.record)})")
        if each.record_sides:
            heard.append(f"exten => {name},1,Return({each.record_sides})")
    says.append("exten => _[a-z].,1,Return(0)")
    heard.append("exten => _[a-z].,1,Return()")
    notice.append(f"exten => _[a-z].,1,Return({'yes' if settings.notice else 'no'})")
    values = {
        "sides": settings.sides,
        "objection": settings.objection_key,
        "limit": settings.card_limit_s,
        "card": settings.card_code,
        "code": settings.record_code,
    }
    own = ["[ramal-record-setting]", *(f"exten => {name},1,Return({value})" for name, value in values.items())]
    return "\n\n".join("\n".join(rows) for rows in (says, heard, notice, own)) + "\n"


def features_conf(office: Office) -> str:
    """The codes of a talk. ``featuredigittimeout``: so long Asterisk keeps a star to see whether a code follows."""
    settings = settings_of(office)
    return f"""[general]
transferdigittimeout = 5
featuredigittimeout = 700
pickupexten = none

[featuremap]

[applicationmap]
ramal-record => {settings.record_code},peer,Gosub(ramal-record-key,s,1)
ramal-card => {settings.card_code},peer,Gosub(ramal-card-key,s,1)
"""


def _named(office: Office) -> list[tuple[str, Line | Agent | Campaign]]:
    return [
        *((f"line-{token(line.name)}", line) for line in office.lines),
        *((f"agent-{token(agent.code)}", agent) for agent in office.agents),
        *((f"campaign-{token(campaign.name)}", campaign) for campaign in office.campaigns),
    ]


def _those(office: Office) -> tuple[Queue | Line | Agent | Campaign, ...]:
    return (*office.queues, *office.lines, *office.agents, *office.campaigns)
