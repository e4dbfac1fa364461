"""Words of an agent's own page."""

from collections.abc import Mapping

from ramal.store.read import AgentDay
from ramal_web.i18n import gettext, ngettext


def why(code: str, pauses: Mapping[str, str]) -> str:
    """Why this agent takes no calls, by the code of the pause; "" when nobody said."""
    if code in pauses:
        return pauses[code]
    return {
        "missed": gettext("The phone rang and was not answered"),
        "rejected": gettext("A call was turned away"),
        "dnd": gettext("Do not disturb"),
        "supervisor": gettext("A supervisor sent you on a break"),
        "unreachable": gettext("The phone did not answer"),
    }.get(code, "")


def pause_title(code: str, pauses: Mapping[str, str]) -> str:
    """A kind of pause, in the figures of a day."""
    return why(code, pauses) or gettext("Without a reason")


def minutes(ms: int) -> str:
    """A long time, to the minute."""
    whole = ms // 60_000
    if whole < 60:
        return ngettext("%(num)s min", "%(num)s min", whole)
    return gettext("%(hours)s h %(minutes)s min", hours=whole // 60, minutes=whole % 60)


def average_ms(day: AgentDay) -> int | None:
    """How long a talk of a queue took; None without one."""
    return day.talk_ms // day.answered if day.answered else None
