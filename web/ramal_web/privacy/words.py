"""Words for requests about a person's data."""

from collections.abc import Iterable, Sequence
from typing import Any

from ramal.store.read import SubjectRequest
from ramal_web.formats import label
from ramal_web.i18n import gettext

LOOK = {"open": "chip-warn", "running": "chip-info", "partly": "chip-warn", "done": "chip-good", "refused": ""}


def kind(code: str) -> str:
    """What was asked."""
    return gettext("Erase") if code == "erase" else gettext("See the data")


def state(asked: SubjectRequest) -> str:
    """How far it is."""
    return {
        "open": gettext("to be answered"),
        "running": gettext("being erased"),
        "partly": gettext("partly erased"),
        "done": gettext("erased") if asked.kind == "erase" else gettext("handed out"),
        "refused": gettext("closed"),
    }.get(asked.state, label(asked.state))


def step(code: str) -> str:
    """What an erasure does now."""
    return {
        "rows": gettext("Contact, notes and promises to call back"),
        "sound": gettext("Recordings and messages"),
        "asterisk": gettext("The telephone system's memory"),
        "calls": gettext("The history of calls"),
        "journals": gettext("The telephone system's journals"),
        "files": gettext("Logs and copies"),
        "rest": gettext("Everything else in the database"),
        "compact": gettext("What deleted rows left behind"),
        "prove": gettext("Looking through every file"),
    }.get(code, gettext("The last traces"))


def why(code: str) -> str:
    """Why something stays."""
    return {
        "held": gettext("Under legal hold: somebody decided that it must be kept as evidence."),
        "minimum": gettext(
            "The law asks that it is kept for some time (in Brazil, calls to customer service: 90 days)."
        ),
    }.get(code, label(code))


def pairs(rows: Iterable[Sequence[Any]]) -> list[tuple[str, int | None]]:
    """A receipt's rows (recording, reason, until) without the recordings."""
    return [(str(row[1]), row[2]) for row in rows]


def summed(rows: Iterable[tuple[str, int | None]]) -> list[tuple[str, int, int | None]]:
    """Reasons, each with how many recordings and until when at the latest."""
    found: dict[str, tuple[int, int | None]] = {}
    for code, until_ms in rows:
        count, latest = found.get(code, (0, until_ms))
        found[code] = (count + 1, None if latest is None or until_ms is None else max(latest, until_ms))
    return [(code, count, latest) for code, (count, latest) in sorted(found.items())]
