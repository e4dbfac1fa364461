"""How one value of an office file is judged: each ``take`` returns the value, or tells its spot what is wrong.

Pure. A take never raises and never stops at the first mistake; what it cannot use becomes ``BAD``, also an item of a
list, so that the other items are still checked against the rest of the file.
"""

import difflib
import ipaddress
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
from phonenumbers import shortnumberinfo

from ramal.core import destination
from ramal.core.office_problems import Ledger
from ramal.core.office_where import Path
from ramal.core.places import is_reserved

BAD: Final = object()
"""Stands for a value that was refused."""

RESERVED = frozenset({"general", "globals", "global", "default", "defaults", "system", "anonymous"})
EMERGENCY = frozenset({"112", "190", "191", "192", "193", "194", "197", "198", "199", "911", "999"})
_BR_REGIONS = "AC AL AM AP BA CE DF ES GO MA MG MS MT PA PB PE PI PR RJ RN RO RR RS SC SE SP TO"
BR_REGIONS = tuple(_BR_REGIONS.split(" "))

_REGION = re.compile(r"[A-Z0-9]{1,3}\Z")
_CODE = re.compile(r"[1-9][0-9]{0,5}\Z")
_CAMPAIGN_CODE = re.compile(r"[1-9][0-9]?\Z")
_PIN = re.compile(r"[0-9]{4,8}\Z")
_KEY = re.compile(r"[0-9*#]\Z")
_DIGIT = re.compile(r"[0-9]\Z")
_MAC = re.compile(r"[0-9A-F]{12}\Z")
_HOST = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\Z"
)
_USERNAME = re.compile(r"[A-Za-z0-9._+-]{1,64}\Z")
# The characters that asterisk.tokens can put into pjsip.conf: neither ; # " \ nor a space.
SECRET = re.compile(r"[A-Za-z0-9_.~!@%^*()+=:,?/|{}\[\]<>$&'-]*\Z")


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a take stands: the setting ``key`` at ``path``, whose right example is ``example``."""

    ledger: Ledger
    path: Path
    key: str
    example: str
    country: str

    def at(self, *under: str | int, key: str = "", example: str = "") -> "Spot":
        """The spot of an item below this one."""
        return Spot(self.ledger, (*self.path, *under), key or self.key, example or self.example, self.country)

    def wrong(self, kind: str, /, *under: str | int, **words: object) -> Any:
        """Note a problem here, or at the item ``under``; returns BAD."""
        self.ledger.add((*self.path, *under), kind, self.example, **{"key": self.key, **words})
        return BAD


Take = Callable[[Any, Spot], Any]


def near(value: object, choices: Iterable[str]) -> str:
    """The choice that was probably meant, or an empty string."""
    spelled = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(str(value).lower()[:80], spelled, n=1)
    return spelled[close[0]] if close else ""


def meant(word: str) -> str:
    """The hint behind a sentence; nothing for nothing."""
    return f" (did you mean “{word}”?)" if word else ""


def like(value: object, choices: Iterable[str]) -> str:
    """``meant(near(…))``."""
    return meant(near(value, choices))


def describe(value: object) -> str:
    """The type of a TOML value, in words."""
    match value:
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case float():
            return "a decimal number"
        case str():
            return "text in quotes"
        case list():
            return "a list"
        case dict():
            return "a table"
        case datetime() | date() | time():
            return "a date or time"
    return "this"


def text(high: int, low: int = 0) -> Take:
    """Printable text of one line, ``low`` to ``high`` characters."""

    def take(value: Any, spot: Spot) -> Any:
        if not isinstance(value, str):
            return spot.wrong("type", wanted="text in quotes", got=describe(value))
        for char in value:
            if not char.isprintable():
                return spot.wrong("control", code=f"U+{ord(char):04X}")
        if low and not value.strip():
            return spot.wrong("empty")
        if len(value) > high:
            return spot.wrong("too-long", count=len(value), high=high)
        return value

    return take


def shaped(kind: str, pattern: re.Pattern[str]) -> Take:
    """Text that matches ``pattern``; ``kind`` is said when it does not."""

    def take(value: Any, spot: Spot) -> Any:
        if not isinstance(value, str):
            return spot.wrong("type", wanted="text in quotes", got=describe(value))
        return value if pattern.match(value) else spot.wrong(kind, value=value)

    return take


def integer(low: int, high: int) -> Take:
    """A whole number within bounds; ``true`` is not one."""

    def take(value: Any, spot: Spot) -> Any:
        if type(value) is not int:
            return spot.wrong("type", wanted="a whole number", got=describe(value))
        return value if low <= value <= high else spot.wrong("range", value=value, low=low, high=high)

    return take


def boolean(value: Any, spot: Spot) -> Any:
    """true or false."""
    return value if isinstance(value, bool) else spot.wrong("type", wanted="true or false", got=describe(value))


def choice(*choices: str) -> Take:
    """One word of a few."""

    def take(value: Any, spot: Spot) -> Any:
        if not isinstance(value, str):
            return spot.wrong("type", wanted="text in quotes", got=describe(value))
        if value in choices:
            return value
        return spot.wrong("choice", value=value, hint=like(value, choices), choices=", ".join(choices))

    return take


def every(item: Take, high: int) -> Take:
    """A list of at most ``high`` items, none of them twice."""

    def take(value: Any, spot: Spot) -> Any:
        if not isinstance(value, list):
            return spot.wrong("type", wanted="a list in brackets", got=describe(value))
        if len(value) > high:
            return spot.wrong("too-many", table=spot.key, count=len(value), high=high)
        taken: list[Any] = []
        for place, entry in enumerate(value):
            one = item(entry, spot.at(place))
            if one is not BAD and one in taken:
                one = spot.wrong("twice-here", place, value=str(one))
            taken.append(one)
        return tuple(taken)

    return take


_plain_name = shaped("name", destination.NAME)
_plain_extension = shaped("extension", destination.EXTENSION)
code = shaped("code", _CODE)
campaign_code = shaped("campaign-code", _CAMPAIGN_CODE)
pin = shaped("pin", _PIN)
host = shaped("host", _HOST)
username = shaped("username", _USERNAME)
digit = shaped("digit", _DIGIT)
_key = shaped("key", _KEY)


def key(value: Any, spot: Spot) -> Any:
    """A key of a telephone, or nothing."""
    return value if value == "" else _key(value, spot)


def name(value: Any, spot: Spot) -> Any:
    """The name of a line, queue, menu or of hours: a word that Asterisk's files can hold."""
    taken = _plain_name(value, spot)
    if taken is not BAD and (taken in RESERVED or is_reserved(taken)):
        return spot.wrong("reserved", value=value)
    return taken


def reference(value: Any, spot: Spot) -> Any:
    """A name of something else, or nothing."""
    return value if value == "" else _plain_name(value, spot)


def is_emergency(text: str, country: str) -> bool:
    """Whether dialing ``text`` must reach help, whatever the office says."""
    return text in EMERGENCY or bool(shortnumberinfo.is_emergency_number(text, country))


def extension(value: Any, spot: Spot) -> Any:
    """What phones dial; never an emergency number, which must stay what it is."""
    taken = _plain_extension(value, spot)
    if taken is not BAD and is_emergency(taken, spot.country):
        return spot.wrong("emergency", value=value, a_thing="an extension")
    return taken


def no_extension(value: Any, spot: Spot) -> Any:
    """An extension of its own, or nothing."""
    return value if value == "" else extension(value, spot)


def phone(value: Any, spot: Spot) -> Any:
    """An extension, or nothing."""
    return value if value == "" else _plain_extension(value, spot)


def phone_secret(value: Any, spot: Spot) -> Any:
    """A SIP password that does not fall to the first guesses: every open port is scanned within minutes."""
    taken = provider_secret(value, spot)
    if taken is BAD:
        return BAD
    if len(taken) < 8:
        return spot.wrong("secret", reason="at least 8 characters are needed")
    if len(set(taken)) < 4:
        return spot.wrong("secret", reason="it repeats the same few characters")
    return taken


def mac(value: Any, spot: Spot) -> Any:
    """The hardware address of one device, written in any of the usual ways; taken as 12 capital digits."""
    if not isinstance(value, str):
        return spot.wrong("type", wanted="text in quotes", got=describe(value))
    taken = re.sub(r"[:. -]", "", value).upper()
    if not _MAC.match(taken) or int(taken[:2], 16) & 1 or not int(taken, 16):
        return spot.wrong("mac", value=value)
    return taken


def provider_secret(value: Any, spot: Spot) -> Any:
    """A password that somebody else chose; empty = none."""
    taken = text(128)(value, spot)
    return spot.wrong("secret-letters") if taken is not BAD and not SECRET.match(taken) else taken


def country(value: Any, spot: Spot) -> Any:
    """ISO 3166 letters of a country whose numbering is known."""
    known = isinstance(value, str) and value in phonenumbers.SUPPORTED_REGIONS
    return value if known else spot.wrong("country", value=str(value))


def region(value: Any, spot: Spot) -> Any:
    """A state or province; in Brazil one of the 27, because holidays depend on it."""
    if not isinstance(value, str):
        return spot.wrong("type", wanted="text in quotes", got=describe(value))
    known: Collection[str] = BR_REGIONS if spot.country == "BR" else ()
    if value == "" or value in known or (not known and _REGION.match(value)):
        return value
    return spot.wrong("region", value=value, country=spot.country, hint=like(value, known))


def timezone(value: Any, spot: Spot) -> Any:
    """A name of the time zone database, as Asterisk spells it too."""
    taken = text(64, low=1)(value, spot)
    if taken is BAD:
        return BAD
    try:
        ZoneInfo(taken)
    except (KeyError, ValueError, OSError):
        return spot.wrong("timezone", value=value, hint=like(taken.replace(" ", "_"), sorted(available_timezones())))
    return taken


def number(value: Any, spot: Spot) -> Any:
    """A telephone number in E.164 that exists in its country's plan."""
    if not isinstance(value, str):
        return spot.wrong("type", wanted="text in quotes", got=describe(value))
    try:
        parsed = phonenumbers.parse(value, spot.country)
    except phonenumbers.NumberParseException:
        return spot.wrong("number", value=value, hint="")
    right = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    if not phonenumbers.is_valid_number(parsed):
        return spot.wrong("number", value=value, hint=" (it does not exist in its country's plan)")
    if value != right or not destination.NUMBER.match(value):
        return spot.wrong("number", value=value, hint=meant(right))
    return value


def place(value: Any, spot: Spot) -> Any:
    """A destination; ``back`` and ``repeat`` are for the keys of a menu alone."""
    taken = step(value, spot)
    if taken in (destination.BACK, destination.REPEAT):
        return spot.wrong("only-in-options", value=str(taken))
    return taken


def step(value: Any, spot: Spot) -> Any:
    """Where a key of a menu leads: a destination, ``back`` or ``repeat``."""
    if not isinstance(value, str):
        return spot.wrong("type", wanted="a destination in quotes", got=describe(value))
    try:
        taken = destination.parse(value)
    except ValueError as error:
        kind, colon, _ = value.partition(":")
        return spot.wrong("destination", reason=f"{error}{like(kind, destination.KINDS) if colon else ''}")
    if taken.kind == "outside" and number(taken.name, spot) is BAD:
        return BAD
    return taken


def address(value: Any, spot: Spot) -> Any:
    """An IP address or network."""
    if not isinstance(value, str):
        return spot.wrong("type", wanted="text in quotes", got=describe(value))
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        try:
            hint = meant(str(ipaddress.ip_network(value, strict=False)))
        except ValueError:
            hint = ""
        return spot.wrong("address", value=value, hint=hint)
    if network.prefixlen < (8 if network.version == 4 else 32):
        return spot.wrong("address-wide", value=value)
    return value
