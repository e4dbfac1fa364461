"""Queues and agents as destinations: a queue's settings are arguments to ``dialplan/queue.conf``. Pure."""

from ramal.asterisk.goto import goto
from ramal.asterisk.render_queues import music_of
from ramal.asterisk.render_routes import queue_opening
from ramal.asterisk.tokens import token
from ramal.core.destination import Destination
from ramal.core.office import Agent, Office, Queue
from ramal.core.places import asterisk_queues


def queues(office: Office) -> str:
    """``dest-queue`` and what ``ramal-queue`` looks up: ``queue-age`` and ``queue-agents`` (``<agent>-<queue>``)."""
    rows = ["[dest-queue]"]
    for queue in office.queues:
        rows += _queue(queue, office)
    rows += ["", "[queue-age]"]
    rows += [f"exten => {token(queue.name)},1,Return({queue.age_every_s})" for queue in office.queues]
    rows += ["exten => _[a-z]!,1,Return(60)", "", "[queue-agents]"]
    for agent in office.agents:
        rows += [f"exten => {token(agent.code)}-{token(place.queue)},1,NoOp()" for place in agent.queues]
    return "\n".join([*rows, "", *_agents(office.agents)]) + "\n"


def _queue(queue: Queue, office: Office) -> list[str]:
    name = token(queue.name)
    waiting = [
        f"0${{QUEUE_WAITING_COUNT({token(place.name)})}}" for place in asterisk_queues(office) if place.queue is queue
    ]
    offer_s = queue.callback_offer_s if queue.callback != "no" else 0
    settings = (
        name,
        queue.max_wait_s,
        queue.record,
        queue.max_waiting,
        queue.widen_after_s,
        queue.sticky_s,
        queue.sticky_days,
        queue.max_predicted_s,
        "yes" if queue.announce_wait else "no",
        offer_s,
        queue.ring_s,
    )
    no_agent = queue.no_agent or queue.overflow
    # For the hold of the talk too; and taken back where an earlier queue had another.
    music = any(each.music for each in office.queues)
    return [
        f"exten => {name},1,NoOp()",
        *queue_opening(queue),
        *([f" same => n,Set(CHANNEL(musicclass)={music_of(queue)})"] if music else ()),
        f" same => n,Gosub(ramal-join,s,1({name},{queue.answer_within_s},{queue.priority}))",
        f" same => n,Set(RAMAL_AHEAD=$[0 + {' + '.join(waiting)}])",
        f" same => n,Gosub(ramal-queue,s,1({','.join(map(str, settings))}))",
        *_when("=CALLBACK", Destination("hangup")),
        *(_when("=FULL", queue.full) if queue.full else ()),
        *(_when("=PREDICTED", queue.predicted) if queue.predicted else ()),
        *(_when("JOIN", no_agent) + _when("LEAVE", no_agent) if queue.no_agent else ()),
        f" same => n,{goto(queue.overflow)}",
    ]


def _when(status: str, to: Destination) -> list[str]:
    """A step taken when QUEUESTATUS begins with ``status``, or is it (``=``)."""
    word = status.removeprefix("=")
    seen = "${QUEUESTATUS}" if status[0] == "=" else f"${{QUEUESTATUS:0:{len(word)}}}"
    then = "Hangup(16)" if to.kind == "hangup" and word == "CALLBACK" else goto(to)
    return [f' same => n,ExecIf($["{seen}"="{word}"]?{then})']


def _agents(agents: tuple[Agent, ...]) -> list[str]:
    """``dest-agent``: the phone the agent is logged in at, else the agent's own."""
    rows = ["[dest-agent]"]
    for agent in agents:
        rows += [
            f"exten => {token(agent.code)},1,Set(RAMAL_SEAT=${{FILTER(0-9,${{DB(ramal-agent/{token(agent.code)})}})}})",
            f' same => n,ExecIf($["${{RAMAL_SEAT}}"=""]?Set(RAMAL_SEAT={token(agent.phone)}))',
            ' same => n,GotoIf($["${RAMAL_SEAT}"=""]?dest-hangup,s,1)',
            " same => n,Gosub(ramal-phone,s,1(${RAMAL_SEAT}))",
            " same => n,Gosub(ramal-unanswered,s,1(${RAMAL_SEAT}))",
            " same => n,Hangup(${HANGUPCAUSE})",
        ]
    return rows
