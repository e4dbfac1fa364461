"""Who may sit where: agents, their codes, PINs and queues; pauses, dispositions, lamps. Pure.

``dialplan/agent.conf`` is what happens; these contexts are what it looks up, each by ``Gosub(<context>,<key>,1)`` and
``GOSUB_RETVAL``. ``ramal-agent-in`` gives one queue the agent is in, to be asked about its pause.
"""

import hashlib

from ramal.asterisk.goto import prompt
from ramal.asterisk.tokens import token
from ramal.core.office import Agent, Office
from ramal.core.places import places
from ramal.core.wording import disposition_menu
from ramal.core.wrap_up import longest_wrap_up_s, own_wrap_up_s

LAMPS = ("in", "pause", "wrap", "missed", "card")
"""The lamps of an agent: hints ``<lamp>-<code>``, custom device states ``ramal-<lamp>-<code>``."""


def pin_digest(code: str, pin: str) -> str:
    """What the dialplan compares: lower-case hex SHA-1 of ``code:pin``, so that a PIN is not readable in a file."""
    return hashlib.sha1(f"{code}:{pin}".encode(), usedforsecurity=False).hexdigest()


def agents(office: Office) -> str:
    """Every context that is made from the agents."""
    at, pins = ["[ramal-agent-at]"], ["[ramal-agent-pin]"]
    enter, leave = ["[ramal-agent-in]"], ["[ramal-agent-out]"]
    waiting, rest = ["[ramal-agent-waiting]"], ["[ramal-agent-rest]"]
    heal = ["[ramal-heal-all]", "exten => s,1,Gosub(ramal-callback-heal,s,1)"]
    heal.append(" same => n,Gosub(ramal-night-heal,s,1)")
    heal.append(" same => n,Gosub(ramal-messages-heal,s,1)")
    seated: set[str] = set()
    for agent in office.agents:
        code = token(agent.code)
        if agent.phone and agent.phone not in seated:
            seated.add(agent.phone)
            at.append(f"exten => {token(agent.phone)},1,Return({code})")
        pins.append(f"exten => {code},1,Return({pin_digest(agent.code, agent.pin)})")
        wrap_s = own_wrap_up_s(office, agent)
        memberships = places(office, agent)
        enter.append(f"exten => {code},1,NoOp()")
        enter += [
            f" same => n,AddQueueMember({token(place.queue)},PJSIP/${{ARG1}},{place.penalty},,{agent.member},,{wrap_s})"
            for place in memberships
        ]
        enter.append(f" same => n,Return({token(memberships[0].queue) if memberships else ''})")
        leave.append(f"exten => {code},1,NoOp()")
        leave += [f" same => n,RemoveQueueMember({token(place.queue)},PJSIP/${{ARG1}})" for place in memberships]
        leave.append(" same => n,Return()")
        counts = " + ".join(f"0${{QUEUE_WAITING_COUNT({token(place.queue)})}}" for place in memberships) or "0"
        waiting.append(f"exten => {code},1,Return($[{counts}])")
        rest.append(f"exten => {code},1,Return({longest_wrap_up_s(office, agent)}|{wrap_s})")
        heal.append(f" same => n,Gosub(ramal-heal,s,1({code},{token(memberships[0].queue) if memberships else ''}))")
    at.append("exten => _X.,1,Return()")
    leave.append("exten => _X!,1,Return()")
    waiting.append("exten => _X!,1,Return(0)")
    rest.append("exten => _X!,1,Return(0|0)")
    heal.append(" same => n,Return()")
    tables = (at, pins, enter, leave, waiting, rest, heal, *_after(office), _pauses(office), _settings(office))
    return "\n\n".join("\n".join(table) for table in (*tables, *_lamps(office.agents))) + "\n"


def _after(office: Office) -> tuple[list[str], list[str], list[str]]:
    """What the agent's phone does when a queue's call is over: wrap-up, how long it may ring, the keys."""
    facts, says, keys = ["[ramal-queue-facts]"], ["[ramal-queue-says]"], ["[ramal-disposition]"]
    for queue in office.queues:
        name = token(queue.name)
        facts.append(f"exten => {name},1,Return({queue.wrap_up_s}|{queue.ring_s})")
        if queue.dispositions:
            says.append(f"exten => {name},1,Return({prompt(disposition_menu(queue, office.language), office)})")
        keys += [f"exten => {name}-{token(each.key)},1,Return({token(each.code)})" for each in queue.dispositions]
    facts.append("exten => 0,1,Return(0|15)")
    return facts, says, keys


def _pauses(office: Office) -> list[str]:
    """``code|max seconds|what is said``; ``&`` in a value is how Playback joins sounds."""
    return [
        "[ramal-pause-key]",
        *(
            f"exten => {token(each.key)},1,Return({token(each.code)}|{each.max_min * 60}|{prompt(each.title, office)})"
            for each in office.pauses
        ),
    ]


def _settings(office: Office) -> list[str]:
    values = {
        "misses": office.misses,
        "misses-s": office.misses_min * 60,
        "miss-pause-s": office.miss_pause_min * 60,
        "reject-s": office.reject_s,
        "wrap-extend-s": office.wrap_extend_s,
        "today": f"${{STRFTIME(${{EPOCH}},{token(office.timezone)},%Y%m%d)}}",
    }
    return ["[ramal-setting]", *(f"exten => {name},1,Return({value})" for name, value in values.items())]


def _lamps(agents: tuple[Agent, ...]) -> tuple[list[str], list[str]]:
    """A lamp is dialed by its own name, as phones do when its button is pressed."""
    hints, phone = ["[hints]"], ["[phone]"]
    for agent in agents:
        for lamp in LAMPS:
            hints.append(f"exten => {lamp}-{token(agent.code)},hint,Custom:ramal-{lamp}-{agent.code}")
            phone.append(f"exten => {lamp}-{token(agent.code)},1,Gosub(ramal-button,{lamp},1({agent.code}))")
            phone.append(" same => n,Hangup()")
    return hints, phone
