"""Who is a supervisor. Pure."""

from ramal.asterisk.tokens import token
from ramal.core.office import Agent


def supervisors(agents: tuple[Agent, ...]) -> str:
    """``[ramal-supervisor]``: one extension for each agent who may listen, pause and log out others."""
    codes = [f"exten => {token(agent.code)},1,Return(yes)" for agent in agents if agent.supervisor]
    return "\n".join(["[ramal-supervisor]", *codes]) + "\n"
