"""Words for the clock: what it is believed by, or why not, in the page's language."""

from ramal_web.i18n import gettext, ngettext


def believed(source: str) -> str:
    """What the time is believed by."""
    return {
        "ntp": gettext("A time server on the Internet was heard."),
        "rtc": gettext("The battery clock agrees with all that is known."),
        "said": gettext("A person looked at a clock and said that it is right."),
        "host": gettext("This computer looks after its own clock."),
    }.get(source, gettext("Not trusted."))


def doubt(why: str) -> str:
    """Why it is not trusted."""
    return {
        "before-built": gettext("It shows a day before this program was made."),
        "before-known": gettext("It shows a time that this box has seen pass already."),
        "no-rtc": gettext("There is no battery clock, and no time server was heard since the box was switched on."),
        "rtc-behind": gettext("The battery clock has lost the time. Its battery may be empty."),
        "rtc-apart": gettext("The battery clock says another time."),
        "far-ahead": gettext("It is more than a year ahead of what was known."),
    }.get(why, "")


def wrong(shift_ms: int) -> str:
    """What was found to be wrong, and was put right."""
    if not shift_ms:
        return gettext("It had been right.")
    seconds = abs(shift_ms) // 1000
    amount = _amount(seconds)
    if shift_ms > 0:
        return gettext("It had been %(amount)s behind. The times of its calls were put right.", amount=amount)
    return gettext("It had been %(amount)s ahead. The times of its calls were put right.", amount=amount)


def _amount(seconds: int) -> str:
    if seconds >= 2 * 86_400:
        return ngettext("%(num)s day", "%(num)s days", seconds // 86_400)
    if seconds >= 2 * 3600:
        return ngettext("%(num)s hour", "%(num)s hours", seconds // 3600)
    return ngettext("%(num)s minute", "%(num)s minutes", seconds // 60)
