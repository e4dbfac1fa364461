"""Putting people's words into Asterisk's files without letting them become configuration.

Pure. Asterisk's files know three dangerous things: the end of the line, ``;`` (a comment) and ``#`` at a line's start
(a directive); the dialplan adds ``,`` ``$`` ``{`` ``}`` ``[`` ``]`` ``"`` ``\\`` and ``&``. Names and codes are
whitelisted by ``office_file``; only display names and secrets reach a file as free text, and they pass here.
"""

import re

from ramal.core.office_takes import SECRET

_TOKEN = re.compile(r"[A-Za-z0-9_.:/@*+-]*\Z")
_UNSAFE = re.compile(r"[^\w .,'()+\-/&@!?:*]", re.UNICODE)


def token(text: str) -> str:
    """``text`` unchanged when it is a plain word of Asterisk's files; ValueError otherwise: a bug, no user's error."""
    if not _TOKEN.match(text):
        raise ValueError(f"not a plain token: {text!r}")
    return text


def display(text: str) -> str:
    """A person's or office's name for ``callerid="…" <…>``: every character that means something becomes a space."""
    return " ".join(_UNSAFE.sub(" ", text).replace("_", " ").split())[:60]


def secret(text: str) -> str:
    """A password as a value of pjsip.conf. ``;`` would start a comment and is refused by ``office_file`` already."""
    if not SECRET.match(text):
        raise ValueError("a secret with characters that Asterisk's files cannot hold")
    return text
