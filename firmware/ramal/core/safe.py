"""When a box that does not come up stops trying the same: safe mode, and what it does with calls then. Pure.

Which start is a safe one is ``core.starts``'s. Law: calls go to one phone: whatever of the office is at fault (a menu,
a queue, a file of somebody's own), a line and a phone are the least that can work.
"""

from dataclasses import dataclass, replace

from ramal.core import starts
from ramal.core.destination import Destination
from ramal.core.office import Office
from ramal.core.starts import COUNT_MAX as COUNT_MAX
from ramal.core.starts import STARTS_MAX as STARTS_MAX
from ramal.core.starts import good as good


@dataclass(frozen=True, slots=True)
class Start:
    """``count``: what is kept on the disk from now on, until the start is seen to be good."""

    safe: bool
    count: int


def begin(kept: int | None) -> Start:
    """As ``starts.begin``."""
    return Start(*starts.begin(kept))


def reduced(office: Office) -> Office | None:
    """The office of safe mode: its phones and lines, every number at its ``safe_phone`` (when there is none, at the
    first phone). None when the office has no phone: then there is nothing to reduce."""
    phone = next((one for one in office.phones if one.extension == office.safe_phone), next(iter(office.phones), None))
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
