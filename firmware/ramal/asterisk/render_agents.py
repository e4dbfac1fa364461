"""Who may sit where: agents, their codes, PINs and queues. Pure."""

import hashlib

from ramal.asterisk.tokens import token
from ramal.core.office import Agent


def pin_digest(code: str, pin: str) -> str:
    """What the dialplan compares: lower-case hex SHA-1 of ``code:pin``, so that a PIN is not readable in a file."""
    return hashlib.sha1(f"{code}:{pin}".encode(), usedforsecurity=False).hexdigest()


def agents(agents: tuple[Agent, ...]) -> str:
    at = ["[ramal-agent-at]"]
    pins = ["[ramal-agent-pin]"]
    enter = ["[ramal-agent-in]"]
    leave = ["[ramal-agent-out]"]
    seated: set[str] = set()
    for agent in agents:
        code = token(agent.code)
        if agent.phone and agent.phone not in seated:
            seated.add(agent.phone)
            at.append(f"exten => {token(agent.phone)},1,Return({code})")
        pins.append(f"exten => {code},1,Return({pin_digest(agent.code, agent.pin)})")
        enter.append(f"exten => {code},1,NoOp()")
        enter += [
            f" same => n,AddQueueMember({token(place.queue)},PJSIP/${{ARG1}},{place.penalty},,{agent.member})"
            for place in agent.queues
        ]
        enter.append(" same => n,Return()")
        leave.append(f"exten => {code},1,NoOp()")
        leave += [f" same => n,RemoveQueueMember({token(place.queue)},PJSIP/${{ARG1}})" for place in agent.queues]
        leave.append(" same => n,Return()")
    at.append("exten => _X.,1,Return()")
    leave += ["exten => _X!,1,Return()"]
    return "\n".join([*at, "", *pins, "", *enter, "", *leave]) + "\n"
