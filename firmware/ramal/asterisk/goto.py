"""How the dialplan goes to a destination and names a prompt. Pure."""

from ramal.asterisk.prompts import office_prompt
from ramal.asterisk.tokens import token
from ramal.core.destination import Destination
from ramal.core.office import Office


def goto(destination: Destination) -> str:
    """``Goto(…)`` that takes a call to a destination."""
    return f"Goto(dest-{destination.kind},{token(destination.name) or 's'},1)"


def prompt(text: str, office: Office) -> str:
    return f"${{RAMAL_PROMPTS}}/{office_prompt(text, office.language)}"
