"""What Asterisk is told ahead about callers: AstDB ``ramal-contact/<digits of E.164>``, for ``dialplan/caller.conf``.

Pure. A value is ``flags|language|agent|queue|name``: flags ``v`` (VIP) and ``b`` (blocked), language as Asterisk names
it, a name of plain characters percent-encoded. What the office in force does not have (an agent that left, a queue that
was renamed, a language it does not speak) is left out, so no call is led nowhere.
"""

import hashlib
from collections.abc import Iterable
from urllib.parse import quote

from ramal.asterisk.prompts import FOLDER, Prompt
from ramal.asterisk.tokens import display
from ramal.core.contacts import Contact
from ramal.core.office import Office
from ramal.core.ring_name import NAME_MAX

FAMILY = "ramal-contact"
NAMES = "names"
"""Folder of the spoken names, below the prompts'."""


def switches(contacts: Iterable[Contact], office: Office) -> dict[str, str]:
    """Key and value of every contact."""
    agents = {agent.code for agent in office.agents}
    queues = {queue.name for queue in office.queues}
    spoken = {office.language, *office.languages}
    found = {}
    for each in contacts:
        flags = ("v" if each.vip else "") + ("b" if each.blocked else "")
        language = FOLDER[each.language] if each.language and each.language in spoken else ""
        agent = each.agent if each.agent in agents else ""
        queue = each.queue if each.queue in queues else ""
        value = f"{flags}|{language}|{agent}|{queue}|{quote(shown_name(each.name), safe='')}"
        if value != "||||":
            found[key(each.number)] = value
    return found


def key(number: str) -> str:
    """The AstDB key of an E.164 number: its digits."""
    return number.removeprefix("+")


def shown_name(name: str) -> str:
    """A contact's name as phones show it: plain characters, at most NAME_MAX."""
    return display(name)[:NAME_MAX].strip()


def name_prompt(name: str, office: Office) -> Prompt:
    """The spoken name, for an agent's ear: the dialplan computes the same path from the name it was told."""
    folder, shown = FOLDER[office.language], shown_name(name)
    digest = hashlib.sha1(f"{folder}:{shown}".encode(), usedforsecurity=False).hexdigest()
    return Prompt(digest, office.language, shown)
