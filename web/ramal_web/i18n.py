"""flask-babel, with types: sentences and dates in the language and the time zone of the request."""

from datetime import datetime, tzinfo

import flask_babel  # type: ignore[import-untyped]


def gettext(text: str, /, **figures: object) -> str:
    """``text`` in the page's language, with ``%(name)s`` filled from ``figures``."""
    return str(flask_babel.gettext(text, **figures))


def ngettext(one: str, many: str, num: int, /, **figures: object) -> str:
    """The form of the sentence that goes with ``num``, which is also ``%(num)s``."""
    return str(flask_babel.ngettext(one, many, num, **figures))


def format_time(at: datetime) -> str:
    """Time of day with seconds."""
    return str(flask_babel.format_time(at, "medium"))


def format_datetime(at: datetime) -> str:
    """Day and time of day with seconds."""
    return str(flask_babel.format_datetime(at, "medium"))


def format_brief(at: datetime, with_day: bool) -> str:
    """The time of day to the minute, with the day when asked for."""
    return str(flask_babel.format_datetime(at, "short") if with_day else flask_babel.format_time(at, "short"))


def format_date(at: datetime) -> str:
    """The day with its weekday."""
    return str(flask_babel.format_date(at, "full"))


def time_zone() -> tzinfo:
    """The office's time zone."""
    zone: tzinfo = flask_babel.get_timezone()
    return zone
