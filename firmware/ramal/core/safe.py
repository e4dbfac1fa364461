"""When a box that does not come up stops trying the same: safe mode, and what it does with calls then. Pure.

Law: three starts in a row that nobody saw come up, and the fourth is safe; after a safe start the box tries itself once
more, so that what was mended needs no hand, and what was not is safe again. Calls go to one phone: whatever of the
office is at fault (a menu, a queue, a file of somebody's own), a line and a phone are the least that can work.
"""

from dataclasses import dataclass, replace

from ramal.core.destination import Destination
from ramal.core.office import Office

STARTS_MAX = 3
COUNT_MAX = 1000


@dataclass(frozen=True, slots=True)
class Start:
    """``count``: what is kept on the disk from now on, until the start is seen to be good."""

    safe: bool
    count: int


def begin(kept: int | None) -> Start:
    """A start begins; ``kept`` is the count on the disk, None when there is none that can be read."""
    before = 0 if kept is None or not 0 <= kept <= COUNT_MAX else kept
    if before >= STARTS_MAX:
        return Start(True, STARTS_MAX - 1)
    return Start(False, before + 1)


def good(safe: bool, kept: int) -> int:
    """A start came up (or ended in order): what is kept then. A safe one proves nothing of the office."""
    return kept if safe else 0


def reduced(office: Office, fallback: str) -> Office | None:
    """The office of safe mode: its phones and lines, every number at the phone ``fallback`` (an extension; when there
    is no such phone, at the first one). None when the office has no phone: then there is nothing to reduce."""
    phone = next((one for one in office.phones if one.extension == fallback), next(iter(office.phones), None))
    if phone is None:
        return None
    there = Destination("phone", phone.extension)
    numbers = tuple(
        replace(number, to=there, hours="", closed=there, greeting="", need="") for number in office.numbers
    )
    return Office(
        name=office.name,
        country=office.country,
        region=office.region,
        timezone=office.timezone,
        language=office.language,
        phones=office.phones,
        lines=office.lines,
        numbers=numbers,
    )
