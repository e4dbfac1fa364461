"""Words and shapes of the board. A colour never stands alone."""

import flask_babel  # type: ignore[import-untyped]

from ramal.core.kpi import Part, Ratio, Variant
from ramal_web.i18n import gettext
from ramal_web.wall.board import Tone

LOOK: dict[Tone, tuple[str, str]] = {
    "late": ("warn", "bad"),
    "waiting": ("clock", "warn"),
    "nobody": ("off", "quiet"),
    "clear": ("check", "good"),
}


def tone(code: Tone) -> str:
    """How a queue stands."""
    return {
        "late": gettext("Waiting too long"),
        "waiting": gettext("Somebody is waiting"),
        "nobody": gettext("No agent here"),
        "clear": gettext("All clear"),
    }[code]


def percent(ratio: Ratio) -> str:
    """``81.9`` as the page's language writes it, without its sign; nothing over nothing."""
    tenths = ratio.tenths
    return "" if tenths is None else str(flask_babel.format_decimal(tenths / 10, "0.0"))


def formula(variant: Variant, within_s: int) -> str:
    """A service level's name, as it stands beside every figure: ``F6, 20 s``."""
    return f"{variant}, {within_s} s"


def part(code: Part) -> str:
    """Which calls are behind a figure."""
    return {
        "within": gettext("Answered in time"),
        "late": gettext("Not answered in time"),
        "whole": gettext("All that count"),
        "short": gettext("Gave up at once (not counted)"),
        "answered": gettext("Answered by an agent"),
        "lost": gettext("Nobody spoke with them"),
        "received": gettext("All that came"),
    }[code]
