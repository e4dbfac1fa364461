"""How the dialplan goes to a destination and names a prompt. Pure."""

from ramal.asterisk.prompts import text_prompt
from ramal.asterisk.tokens import token
from ramal.core.destination import Destination
from ramal.core.office import Office, Saying


def goto(destination: Destination) -> str:
    """``Goto(…)`` that takes a call to a destination."""
    return f"Goto(dest-{destination.kind},{token(destination.name) or 's'},1)"


def prompt(text: str, office: Office, others: tuple[Saying, ...] = ()) -> str:
    """The file of a text of the office; with ``others`` the one in the call's language, when it is spoken."""
    path = text_prompt(text, others, office)
    return f"${{RAMAL_PROMPTS}}/{path.replace('*/', '')}"  # Asterisk puts the call's language before the last word
