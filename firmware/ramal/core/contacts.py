"""People who call: what the office keeps about a number.

Pure. ``checked`` refuses with a sentence what cannot be kept; a ``Contact`` in hand is valid for its office. Contacts
are data, not settings: thousands of them, changed one at a time on the page or by a file.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from ramal.core.numbering import normalise, office_area
from ramal.core.office import Language, Office
from ramal.core.office_problems import Problem
from ramal.errors import RamalError

NAME_MAX, NOTE_MAX = 80, 500
"""Characters."""
CONTACTS_MAX = 20_000
FIELDS = ("number", "name", "vip", "blocked", "language", "agent", "queue", "note")
"""The columns of a file of contacts, in the order of an export."""
LANGUAGES = ("pt-BR", "en", "es")
YES = frozenset({"1", "yes", "y", "true", "x", "sim", "s", "si", "sí"})
NO = frozenset({"", "0", "no", "n", "false", "não", "nao"})


class ContactRefused(RamalError):
    """This cannot be kept about a caller; nothing was changed."""


class ContactsRefused(RamalError):
    """A file of contacts was refused whole; ``problems`` holds what is wrong, by line."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        count = len(problems)
        head = "One line is wrong" if count == 1 else f"{count} lines are wrong"
        super().__init__("\n".join([f"{head}; nothing was changed.", *map(str, problems)]))


@dataclass(frozen=True, slots=True)
class Contact:
    """``number``: E.164. ``agent``: who should answer (a code), ``queue``: where they are led; empty = as everybody."""

    number: str
    name: str = ""
    vip: bool = False
    blocked: bool = False
    language: Language | Literal[""] = ""
    agent: str = ""
    queue: str = ""
    note: str = ""


def number_of(text: str, office: Office) -> str:
    """``text`` as E.164, as this office dials; ContactRefused when it is none."""
    found = normalise(text, office.country, office_area(office))
    if not found:
        shown = "".join(char if char.isprintable() else " " for char in text[:40])
        raise ContactRefused(
            f"“{shown}” is no telephone number of a caller. Write it with its area code, or with + and its country."
        )
    return found


def checked(given: Mapping[str, Any], office: Office, before: Contact | None = None) -> Contact:
    """The contact that ``given`` describes: texts by the names of ``FIELDS``. What is not given stays as it was
    ``before`` (else empty). ContactRefused says what is wrong."""
    unknown = sorted(set(given) - set(FIELDS))
    if unknown:
        raise ContactRefused(f"A contact has no “{str(unknown[0])[:40]}”; it has {', '.join(FIELDS)}.")
    number = given.get("number", "")
    if not isinstance(number, str):
        raise ContactRefused("A contact's number must be text.")
    contact = before or Contact(number_of(number, office))
    changes: dict[str, Any] = {}
    for field, longest in (("name", NAME_MAX), ("note", NOTE_MAX)):
        if field in given:
            changes[field] = _text(field, given[field], longest)
    for field in ("vip", "blocked"):
        if field in given:
            changes[field] = _switch(field, given[field])
    if "language" in given:
        changes["language"] = _one_of("language", given["language"], LANGUAGES)
    if "agent" in given:
        changes["agent"] = _one_of("agent", given["agent"], [agent.code for agent in office.agents])
    if "queue" in given:
        changes["queue"] = _one_of("queue", given["queue"], [queue.name for queue in office.queues])
    return replace(contact, **changes)


def _text(field: str, value: Any, longest: int) -> str:
    if not isinstance(value, str):
        raise ContactRefused(f"A contact's {field} must be text.")
    text = " ".join(unicodedata.normalize("NFC", value).split())
    if len(text) > longest:
        raise ContactRefused(f"The {field} has {len(text)} characters; at most {longest} are kept.")
    if any(unicodedata.category(char) in ("Cc", "Cs", "Co", "Cf") for char in text):
        raise ContactRefused(f"The {field} holds a character that cannot be printed.")
    return text


def _switch(field: str, value: Any) -> bool:
    word = str(value).strip().casefold() if isinstance(value, str | bool | int) else "?"
    if word in YES:
        return True
    if word in NO:
        return False
    raise ContactRefused(f"“{word[:20]}” is neither yes nor no for “{field}”.")


def _one_of(field: str, value: Any, known: list[str] | tuple[str, ...]) -> Any:
    text = value.strip() if isinstance(value, str) else "?"
    if text == "" or text in known:
        return text
    shown = ", ".join(known[:8]) or "none yet"
    raise ContactRefused(f"“{text[:40]}” is no {field} of this office; there is: {shown}.")
