"""What a verification found, in the page's language.

Law: whatever was written down is shown. A finding without a code (of an older Ramal), with one that is not known here
or with figures that do not fit is told in the English it came with.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ramal_web.formats import whole
from ramal_web.i18n import gettext

FOUND_MAX = 50


@dataclass(frozen=True, slots=True)
class Told:
    """One finding: where it is and what it is."""

    where: str
    what: str


def told(found: str) -> tuple[Told, ...]:
    """The findings of ``store.seals.Check.found``, at most ``FOUND_MAX``."""
    try:
        rows = json.loads(found)
    except ValueError:
        return ()
    return tuple(_one(row) for row in rows[:FOUND_MAX] if isinstance(row, dict)) if isinstance(rows, list) else ()


def _one(row: Mapping[str, Any]) -> Told:
    args = row.get("args")
    figures = {name: whole(str(value)) for name, value in args.items()} if isinstance(args, dict) else {}
    figures["spans"] = ", ".join(_spans(row.get("spans")))
    figures["reason"] = _reason(figures.get("reason", ""))
    try:
        return Told(_places()[str(row.get("place"))] % figures, _sentences()[str(row.get("code"))] % figures)
    except KeyError:
        return Told(whole(str(row.get("where", ""))), whole(str(row.get("what", ""))))


def _places() -> dict[str, str]:
    return {
        "row": gettext("row %(n)s"),
        "rows": gettext("rows %(first)s to %(last)s"),
        "either": gettext("row %(n)s (or row %(next)s)"),
        "recording": gettext("recording %(recording)s"),
        "sound": gettext("recording %(recording)s (%(path)s)"),
        "path": "%(path)s",
    }


def _sentences() -> dict[str, str]:
    return {
        "row-removed": gettext("removed from the catalogue"),
        "row-changed": gettext("changed, or another one was put in its place"),
        "day-changed": gettext("changed: it does not seal its own day"),
        "end-removed": gettext("removed from the end of the catalogue"),
        "head-other": gettext("written anew: the seal kept for it is another one"),
        "given-other": gettext("not what the seal that was given stands for"),
        "sound-removed": gettext("its row was removed from the database"),
        "sound-changed": gettext("its row was changed"),
        "sound-unsealed": gettext("its row was put in: it was never sealed"),
        "sound-gone-changed": gettext("its row was changed: it does not say when and why the file went"),
        "sound-gone-hidden": gettext("its row was changed: the file was removed, says the catalogue"),
        **_of_files(),
    }


def _of_files() -> dict[str, str]:
    changed = gettext("the file of recording %(recording)s was changed")
    return {
        "file-outside": gettext("its path does not lie below the recordings"),
        "file-changed": changed,
        "file-broken": changed,
        "file-size": gettext("the file of recording %(recording)s was changed (%(size)s bytes, it had %(bytes)s)"),
        "file-spans": gettext("the file of recording %(recording)s was changed between %(spans)s"),
        "file-foreign": gettext("the file of recording %(recording)s is the file of another recording"),
        "file-missing": gettext("the file of recording %(recording)s is not there"),
        "file-unread": gettext("the file of recording %(recording)s cannot be read: %(reason)s"),
        "file-unknown": gettext("no row of the catalogue knows this file"),
        "file-mark": gettext(
            "the file of recording %(recording)s was changed: its first bytes are not what Ramal writes"
        ),
        "file-key": gettext(
            "the file of recording %(recording)s was changed, and its key %(key)s is not on this box: bring it back "
            "with “ramal recordings key import FILE” to learn where"
        ),
        "file-cut": gettext("the file of recording %(recording)s was changed: it was cut off"),
        "file-piece": gettext(
            "the file of recording %(recording)s was changed, cut off or damaged by the disk between byte %(begin)s "
            "and %(end)s"
        ),
        "file-keys": gettext(
            "the file of recording %(recording)s was changed, and the keys of the recordings are lost or damaged: "
            "bring them back with “ramal recordings key import FILE” to learn where"
        ),
    }


def _spans(spans: object) -> Iterator[str]:
    for span in spans if isinstance(spans, list) else ():
        if isinstance(span, list) and len(span) == 2:
            yield gettext("byte %(begin)s to %(end)s", begin=whole(str(span[0])), end=whole(str(span[1])))


def _reason(code: str) -> str:
    """Why the system does not give a file, by the name of its error."""
    return {
        "": gettext("the system does not say why"),
        "EACCES": gettext("this program may not"),
        "EPERM": gettext("this program may not"),
        "EINVAL": gettext("it is no plain file"),
        "ELOOP": gettext("it is no plain file"),
        "EIO": gettext("the disk is failing"),
    }.get(code, code)
