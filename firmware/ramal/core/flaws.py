"""What verifying can find: findings with codes and arguments, and their English for the command line and the log.

Pure. Law: the English of a finding never changes by how a page says it; a page says it by its code in the reader's
language, and what was written down before there were codes is still told in its own words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Place = Literal["row", "rows", "either", "recording", "sound", "path"]
Code = Literal[
    "row-removed", "row-changed", "day-changed", "end-removed", "head-other", "given-other",
    "sound-removed", "sound-changed", "sound-unsealed", "sound-gone-changed", "sound-gone-hidden",
    "file-outside", "file-changed", "file-size", "file-spans", "file-foreign", "file-missing", "file-unread",
    "file-unknown", "file-broken", "file-mark", "file-key", "file-cut", "file-piece", "file-keys",
]  # fmt: skip
PLACES: Mapping[Place, str] = {
    "row": "row %(n)s",
    "rows": "rows %(first)s to %(last)s",
    "either": "row %(n)s (or row %(next)s)",
    "recording": "recording %(recording)s",
    "sound": "recording %(recording)s (%(path)s)",
    "path": "%(path)s",
}
_FILE = "the file of recording %(recording)s"
_LOOKED_INTO = f"{_FILE} was changed: %(said)s"
SENTENCES: Mapping[Code, str] = {
    "row-removed": "removed from the catalogue",
    "row-changed": "changed, or another one was put in its place",
    "day-changed": "changed: it does not seal its own day",
    "end-removed": "removed from the end of the catalogue",
    "head-other": "written anew: the head kept for it is another one",
    "given-other": "not what the head that was given stands for",
    "sound-removed": "its row was removed from the database",
    "sound-changed": "its row was changed",
    "sound-unsealed": "its row was put in: it was never sealed",
    "sound-gone-changed": "its row was changed: it does not say when and why the file went",
    "sound-gone-hidden": "its row was changed: the file was removed, says the catalogue",
    "file-outside": "its path does not lie below the recordings",
    "file-changed": f"{_FILE} was changed",
    "file-size": f"{_FILE} was changed (%(size)s bytes, it had %(bytes)s)",
    "file-spans": f"{_FILE} was changed between %(spans)s",
    "file-foreign": f"{_FILE} is the file of another recording",
    "file-missing": f"{_FILE} is not there",
    "file-unread": f"{_FILE} cannot be read: %(said)s",
    "file-unknown": "no row of the catalogue knows this file",
    "file-broken": _LOOKED_INTO,
    "file-mark": _LOOKED_INTO,
    "file-key": _LOOKED_INTO,
    "file-cut": _LOOKED_INTO,
    "file-piece": _LOOKED_INTO,
    "file-keys": _LOOKED_INTO,
}


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that is not as it was sealed. ``kind``: ``row`` (of the catalogue), ``sound`` (a row about a file),
    ``file`` or ``head``; ``place`` and ``code`` name where and what, with the figures in ``args`` (``said``: another
    part's own English). ``spans``: bytes of a file (from, to) that were changed."""

    kind: Literal["row", "sound", "file", "head"]
    place: Place
    code: Code
    args: Mapping[str, int | str]
    spans: tuple[tuple[int, int], ...] = ()

    @property
    def where(self) -> str:
        """The place, in English."""
        return PLACES[self.place] % self.args

    @property
    def what(self) -> str:
        """What was found there, in English."""
        spans = ", ".join(f"byte {begin} to {end}" for begin, end in self.spans)
        return SENTENCES[self.code] % {**self.args, "spans": spans}

    def plain(self) -> dict[str, Any]:
        """As it is written down in JSON: for programs by its code, for people in English."""
        told = {"kind": self.kind, "where": self.where, "what": self.what}
        return {**told, "place": self.place, "code": self.code, "args": dict(self.args), "spans": list(self.spans)}


def row_flaw(kind: Literal["row", "head"], code: Code, first: int, last: int) -> Flaw:
    """A flaw of one row of the catalogue or of several in a row."""
    if first >= last:
        return Flaw(kind, "row", code, {"n": first})
    return Flaw(kind, "rows", code, {"first": first, "last": last})
