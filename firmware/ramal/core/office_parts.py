"""Takes for values that are made of several: opening times, the keys of a menu, an agent's queues and skills.

Pure. Like those of ``office_takes``, on which they are built: what cannot be used becomes ``BAD``, nothing raises.
"""

import re
from collections.abc import Callable
from datetime import date
from typing import Any, get_args

from ramal.core import destination, hours
from ramal.core.office import DayPlan, Disposition, Language, Membership, Option, Question, Saying, Skill, Span
from ramal.core.office_takes import BAD, Spot, Take, choice, describe, digit, every, integer, like, shaped, step, text

_KEY = re.compile(r"[0-9*#]\Z")
_DATE = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}\Z")
_EVERY_YEAR = re.compile(r"[0-9]{2}-[0-9]{2}\Z")

_MAIL = re.compile(r"(?=.{3,254}\Z)[A-Za-z0-9._%+=-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?\Z")
_WEB = re.compile(r"(?=.{8,500}\Z)https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[!$-;=?-Z_a-z~]*)?\Z")
_FOLDER = re.compile(r"(?=.{1,200}\Z)/?[\w.][\w ._-]*(/[\w.][\w ._-]*)*\Z")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,63}\Z")
_FINGERPRINT = re.compile(r"(SHA256:[A-Za-z0-9+/]{43}|([0-9A-F]{2}:){31}[0-9A-F]{2})\Z")
_WINDOW = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]\Z")

word = shaped("name", destination.NAME)
"""A name that only has to be a word: of a skill, of a disposition."""
language = choice(*get_args(Language))
_questions = every(choice(*get_args(Question)), 10)


mail_address = shaped("mail", _MAIL)
_web_address = shaped("web", _WEB)


def web_address(value: Any, spot: Spot) -> Any:
    """Where JSON is sent to, or nothing."""
    return value if value == "" else _web_address(value, spot)


_far_folder = shaped("folder", _FOLDER)
far_user = shaped("far-user", _USER)
_fingerprint = shaped("fingerprint", _FINGERPRINT)
time_window = shaped("window", _WINDOW)


def far_folder(value: Any, spot: Spot) -> Any:
    """A folder on another machine: plain names with slashes between, none of them ``..``."""
    taken = _far_folder(value, spot)
    if taken is not BAD and any(name.strip(". ") == "" or name != name.strip() for name in taken.strip("/").split("/")):
        return spot.wrong("folder", value=value)
    return taken


def local_folder(value: Any, spot: Spot) -> Any:
    """A folder on this machine by its whole path, or nothing = the usual one."""
    if value == "":
        return value
    taken = far_folder(value, spot)
    return spot.wrong("local-folder", value=taken) if taken is not BAD and not taken.startswith("/") else taken


def fingerprint(value: Any, spot: Spot) -> Any:
    """Of a host key or of a certificate, or nothing."""
    return value if value == "" else _fingerprint(value, spot)


def tongue(value: Any, spot: Spot) -> Any:
    """A language, or nothing = the office's."""
    return value if value == "" else language(value, spot)


def need(value: Any, spot: Spot) -> Any:
    """A skill, or nothing."""
    return value if value == "" else word(value, spot)


def day(value: Any, spot: Spot) -> Any:
    """``2026-02-18``, or ``02-18`` for every year."""
    if not isinstance(value, str):
        return spot.wrong("type", wanted="a date in quotes", got=describe(value))
    whole = f"2000-{value}" if _EVERY_YEAR.match(value) else value
    return value if _is_date(whole) else spot.wrong("date", value=value)


def spans(value: Any, spot: Spot) -> Any:
    """Opening times: ``"mon-fri 08:00-18:00"`` or a list of them."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list):
        return spot.wrong("type", wanted="a list of opening times", got=describe(value))
    taken: list[Span] = []
    good = True
    for at, entry in enumerate(listed):
        under = (at,) if isinstance(value, list) else ()
        if not isinstance(entry, str):
            good = spot.wrong("type", *under, wanted="text in quotes", got=describe(entry)) is not BAD
            continue
        try:
            taken += hours.parse(entry)
        except ValueError as error:
            good = spot.wrong("hours", *under, value=entry, reason=str(error)) is not BAD
    if good and len(taken) > 100:
        return spot.wrong("too-many", table=spot.key, count=len(taken), high=100)
    if good and hours.overlaps(tuple(taken)):
        return spot.wrong("hours-overlap")
    return tuple(taken) if good else BAD


def dates(value: Any, spot: Spot) -> Any:
    """Days unlike their weekday: ``{ "2026-12-24" = "08:00-12:00", "2026-12-31" = "closed" }``."""
    if not isinstance(value, dict):
        return spot.wrong("type", wanted="a table of dates", got=describe(value))
    if len(value) > 1000:
        return spot.wrong("too-many", table=spot.key, count=len(value), high=1000)
    taken: list[DayPlan] = []
    for name, times in value.items():
        if not _is_date(name):
            spot.wrong("date", name, value=name)
        elif not isinstance(times, str):
            spot.wrong("type", name, wanted="times in quotes", got=describe(times))
        else:
            try:
                taken.append(DayPlan(name, hours.parse_day(times)))
            except ValueError as error:
                spot.wrong("hours", name, value=times, reason=str(error))
    return tuple(taken)


def options(value: Any, spot: Spot) -> Any:
    """The keys of a menu: ``{ 1 = "queue:sales", 2 = { to = "menu:main", language = "en" } }``."""
    if not isinstance(value, dict):
        return spot.wrong("type", wanted="a table of keys", got=describe(value))
    if not value:
        return spot.wrong("empty")
    taken = []
    for key, entry in value.items():
        if not _KEY.match(key):
            spot.wrong("key", key, value=key)
        one = _option(key, entry, spot.at(key, key=key, example='options = { 1 = "queue:sales" }'))
        if one is not BAD:
            taken.append(one)
    return tuple(taken)


def _option(key: str, entry: Any, spot: Spot) -> Any:
    if not isinstance(entry, dict):
        to = step(entry, spot)
        return to if to is BAD else Option(key, to)
    example = 'options = { 2 = { to = "menu:main", language = "en", need = "english", priority = 1 } }'
    takes: dict[str, Take] = {"to": step, "language": tongue, "need": need, "priority": integer(0, 5)}
    found = _fields(entry, takes, spot, "options", example)
    if "to" not in entry:
        spot.ledger.add(spot.path, "missing", example, key="to", table=f"options of key {key}"[:40])
    return Option(key, **found) if "to" in found else BAD


def _fields(entry: dict[str, Any], takes: dict[str, Take], spot: Spot, table: str, example: str) -> dict[str, Any]:
    """What could be taken of a small table within a value."""
    for key in sorted(entry.keys() - takes.keys()):
        words = {"key": key[:40], "table": table, "hint": like(key, takes)}
        spot.at(example=example).wrong("unknown-key", key, **words)
    found = {}
    for key, take in takes.items():
        if key in entry:
            one = take(entry[key], spot.at(key, key=key, example=example))
            if one is not BAD:
                found[key] = one
    return found


def sayings(value: Any, spot: Spot) -> Any:
    """The same text in other languages: ``{ en = "For sales press 1.", es = "…" }``."""
    if not isinstance(value, dict):
        return spot.wrong("type", wanted="a table of languages", got=describe(value))
    taken = []
    for key, said in value.items():
        tongue = language(key, spot.at(key))
        one = text(1000, low=1)(said, spot.at(key, key=key[:40]))
        if tongue is not BAD and one is not BAD:
            taken.append(Saying(tongue, one))
    return tuple(taken)


_record = choice("always", "on-demand", "never")
in_call_code = shaped("in-call-code", re.compile(r"[*#][0-9]{1,2}\Z"))
"""What is dialed during a talk."""


def record(value: Any, spot: Spot) -> Any:
    """Whether talks are recorded: always, on-demand, never; true and false are always and never."""
    if isinstance(value, bool):
        return "always" if value else "never"
    if not isinstance(value, str):
        return spot.wrong("type", wanted="true or false, or “on-demand” in quotes", got=describe(value))
    return _record(value, spot)


def maybe_record(value: Any, spot: Spot) -> Any:
    """The same, or nothing: whoever else the talk belongs to says."""
    return value if value == "" else record(value, spot)


def maybe_digit(value: Any, spot: Spot) -> Any:
    """A key 0 to 9, or nothing."""
    return value if value == "" else digit(value, spot)


def questions(value: Any, spot: Spot) -> Any:
    """What a survey asks: one to three of four, none twice."""
    taken = _questions(value, spot)
    if taken is BAD or BAD in taken:
        return taken
    if not taken:
        return spot.wrong("empty")
    if len(taken) > 3:
        return spot.wrong("survey-long", count=len(taken))
    return taken


def dispositions(value: Any, spot: Spot) -> Any:
    """How calls end, by key: ``{ 1 = "sold: Vendido", 2 = "again: Ligar de novo" }``, code and text."""
    if not isinstance(value, dict):
        return spot.wrong("type", wanted="a table of keys", got=describe(value))
    taken: list[Disposition] = []
    for key, entry in value.items():
        pressed = digit(key, spot.at(key))
        if not isinstance(entry, str):
            spot.wrong("type", key, wanted="text in quotes", got=describe(entry))
            continue
        code, colon, words = entry.partition(":")
        if not colon:
            spot.wrong("disposition", key, value=entry)
            continue
        name, said = word(code, spot.at(key)), text(60, low=1)(words.strip(), spot.at(key, key=key[:40]))
        if name is not BAD and any(name == other.code for other in taken):
            spot.wrong("twice-here", key, value=name)
        elif BAD not in (pressed, name, said):
            taken.append(Disposition(pressed, name, said))
    return tuple(taken)


def _several(made: Callable[[Any, Spot], Any], identity: str, a_list: str) -> Take:
    """A list in which an item is a name or a table, and none is named twice."""

    def take(value: Any, spot: Spot) -> Any:
        if not isinstance(value, list):
            return spot.wrong("type", wanted=f"a list of {a_list}", got=describe(value))
        if len(value) > 100:
            return spot.wrong("too-many", table=spot.key, count=len(value), high=100)
        taken: list[Any] = []
        for at, entry in enumerate(value):
            one = made(entry, spot.at(at))
            name = BAD if one is BAD else getattr(one, identity)
            if name is not BAD and any(name == getattr(other, identity) for other in taken if other is not BAD):
                one = spot.wrong("twice-here", at, value=name)
            taken.append(one)
        return tuple(taken)

    return take


def _membership(entry: Any, spot: Spot) -> Any:
    if isinstance(entry, str):
        queue = word(entry, spot)
        return queue if queue is BAD else Membership(queue)
    if not isinstance(entry, dict) or "queue" not in entry:
        return spot.wrong("member")
    found = _fields(entry, {"queue": word, "penalty": integer(0, 100)}, spot, "queues", spot.example)
    return Membership(**found) if "queue" in found else BAD


def _skill(entry: Any, spot: Spot) -> Any:
    if isinstance(entry, str):
        skill = word(entry, spot)
        return skill if skill is BAD else Skill(skill)
    if not isinstance(entry, dict) or "skill" not in entry:
        return spot.wrong("skill")
    found = _fields(entry, {"skill": word, "level": integer(1, 9)}, spot, "skills", spot.example)
    return Skill(found["skill"], found.get("level", 1)) if "skill" in found else BAD


memberships = _several(_membership, "queue", "queues")
"""An agent's queues: names, or tables with a penalty."""
skills = _several(_skill, "name", "skills")
"""What an agent can do: names, or tables with a level."""


def _is_date(value: str) -> bool:
    if not _DATE.match(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True
