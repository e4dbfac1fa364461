"""What a call can be found by: text for the trigram index, and typed words turned into a query.

Pure; used by the writer and by readers alike, so that both fold accents the same way.
"""

import re
import unicodedata
from functools import lru_cache

_NOT_DIGIT = re.compile(r"[^0-9]")
_NUMBER = re.compile(r"[0-9+()\s./-]+\Z")
TRIGRAM = 3
"""The index knows runs of three characters; a shorter fragment is looked for in the latest calls only."""


def digits(number: str) -> str:
    """Only the digits of a number."""
    return _NOT_DIGIT.sub("", number)


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """Lower case, without accents."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


def search_text(direction: str, caller: str, number: str, caller_name: str) -> tuple[str, str]:
    """(digits, name) a call is found by. The office's own number is left out of received calls: all have it."""
    found = digits(caller) if direction == "in" else f"{digits(caller)} {digits(number)}"
    return found, plain(caller_name)


def looks_like_number(typed: str) -> bool:
    """Digits as people type them: ``11 98765-4321``, ``+55 (11)``."""
    return _NUMBER.match(typed) is not None and any(char.isdigit() for char in typed)


def match_query(fragment: str) -> str | None:
    """The index query for calls that may contain the fragment; None when it is too short for the index.

    The index keeps no positions (half the size), so what it finds must still be compared.
    """
    runs = {fragment[i : i + TRIGRAM] for i in range(len(fragment) - TRIGRAM + 1)}
    if not runs:
        return None
    return " AND ".join(_quoted(run) for run in sorted(runs))


def _quoted(run: str) -> str:
    return '"' + run.replace('"', '""') + '"'
