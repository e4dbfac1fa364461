"""A person's own data: finding every spelling of a number or a name, putting a token in its place, and the steps of an
erasure.

Pure. The law of a token: it has as many bytes as what it replaces, wherever that stands, so files are rewritten in
place while others append to them and no remembered offset moves; and one person has one token, so calls still belong
together and no figure changes. A token's digits begin with zeros, which no number in the world does after its country.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args
from urllib.parse import quote

import phonenumbers

from ramal.core.numbering import bare, normalise
from ramal.errors import RamalError

DAY_MS = 86_400_000
DUE_DAYS = 15
"""LGPD, art. 19: the complete answer."""
CORE = 7
"""The last digits, which every spelling of a number has."""
NAME_MIN = 8
"""A shorter name, or one that others bear, is looked for only in what belongs to this person's calls."""
TOKEN_MAX = 999_999
SECOND_DIGITS = 10
"""Of a time in seconds since 1970, until the year 2286."""

Kind = Literal["access", "erase"]
State = Literal["open", "running", "partly", "done", "refused"]
Step = Literal["rows", "sound", "asterisk", "calls", "journals", "files", "rest", "compact", "prove", "forget", "sweep"]
STEPS: tuple[Step, ...] = get_args(Step)
"""In this order, each as often as it takes: every one of them finds nothing to do when it was done before."""
AGAIN: Step = "asterisk"
"""Where it goes on from when the proof finds something: a line that Asterisk wrote late."""
ROUNDS_MAX = 3

Why = Literal["held", "minimum"]
"""Why a recording stays: a legal hold; a minimum by law."""


class NoSubject(RamalError):
    """A request about a person that cannot be taken."""

    code = "no-subject"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who it is. ``number``: E.164; ``names``: as the contact and the caller's telephone said; ``area``, ``country``:
    where the box stands, because short spellings mean something only there."""

    number: str
    names: tuple[str, ...] = ()
    country: str = "BR"
    area: str = ""

    @property
    def national(self) -> str:
        """The national significant number: the digits that all long spellings have."""
        return _national(self.number)

    @property
    def core(self) -> bytes:
        """Digits without which nothing can be a spelling of the number."""
        return self.national[-CORE:].encode()


def identity(text: str, names: Iterable[str], country: str, area: str) -> Identity:
    """The identity of a number as typed. NoSubject when it is no public number."""
    number = normalise(text, country, area)
    if not number or len(_national(number)) < CORE:
        raise NoSubject(
            f"“{text[:40]}” is not a telephone number of a person. Nothing was done. Write it with its area code."
        )
    return Identity(number, tuple(dict.fromkeys(name for name in names if len(name.strip()) > 1)), country, area)


def token(who: Identity, n: int) -> str:
    """The token for a person's number, ``n`` counting erasures: as long as the number, and no number."""
    if not 0 < n <= TOKEN_MAX:
        raise ValueError(f"a token needs a number from 1 to {TOKEN_MAX}, not {n}")
    national = who.national
    return who.number[: -len(national)] + str(n).rjust(len(national), "0")


def due_ms(received_ms: int) -> int:
    """Until when a request is to be answered."""
    return received_ms + DUE_DAYS * DAY_MS


def days_left(received_ms: int, now_ms: int) -> int:
    """Whole days until a request is overdue; negative when it is."""
    return (due_ms(received_ms) - now_ms) // DAY_MS


def step_after(step: Step) -> Step | None:
    """What comes next; None after the last."""
    at = STEPS.index(step) + 1
    return STEPS[at] if at < len(STEPS) else None


def digest(code: str, number: str) -> bytes:
    """What the box keeps of an erased number. The salt is the receipt's ``code``, which only the receipt holds:
    numbers are so few that a salt kept beside the digest would be as good as the number."""
    return hmac.digest(code.strip().lower().encode(), number.encode(), hashlib.sha256)


class Mask:
    """Puts the token in the place of every spelling of one person's number, and dashes in the place of the names.

    ``names``: those to be looked for; the identity's own are not used by themselves. Length in bytes never changes.
    """

    def __init__(self, who: Identity, put: str, names: Sequence[str] = ()) -> None:
        if len(put) != len(who.number):
            raise ValueError("a token is as long as what it replaces")
        self._who, self._core = who, who.core
        self._national = who.national.encode()
        self._put = put[-len(self._national) :].encode()
        self._names = _pattern(names)
        self._typed = _typed(who)

    def mask(self, data: bytes) -> bytes:
        """``data`` without the person: whole lines, or a field."""
        if self._core in data:
            data = _RUNS.sub(lambda match: self._run(match, data), data)
        if self._typed.search(data):
            data = self._typed.sub(self._typed_run, data)
        if self._names is not None:
            data = self._names.sub(lambda match: b"-" * len(match[0]), data)
        return data

    def text(self, text: str) -> str:
        """As ``mask``, for a text."""
        return self.mask(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def hits(self, data: bytes) -> bool:
        """Whether there is anything of the person in ``data``."""
        return self.mask(data) != data

    def suspects(self) -> "re.Pattern[bytes]":
        """Matches wherever something may be: what it does not match needs no closer look."""
        parts = [re.escape(self._core), self._typed.pattern]
        if self._names is not None:
            parts.append(self._names.pattern)
        return re.compile(b"|".join(parts), re.IGNORECASE)

    def _run(self, match: "re.Match[bytes]", data: bytes) -> bytes:
        run = match[0]
        if run[:1] == b"%" or self._core not in run or _is_time(data, *match.span()):
            return run
        if self._national in run:
            return run if self._another(run) else run.replace(self._national, self._put)
        if self._normal(run) != self._who.number:
            return run
        short = len(run)
        return self._put[-short:] if short <= len(self._put) else run[: short - len(self._put)] + self._put

    def _typed_run(self, match: "re.Match[bytes]") -> bytes:
        """A number as people write it, ``(11) 98765-4321``: digit for digit."""
        digits = iter(self._put[-sum(48 <= byte <= 57 for byte in match[0]) :])
        return bytes(next(digits) if 48 <= byte <= 57 else byte for byte in match[0])

    def _another(self, run: bytes) -> bool:
        """Whether these digits are the number of somebody else, who has this person's digits inside."""
        ways = {self._normal(run), self._normal(b"+" + run)} - {""}
        return bool(ways) and self._who.number not in ways

    def _normal(self, run: bytes) -> str:
        return _normal(run.decode(), self._who.country, self._who.area)


_RUNS = re.compile(rb"%[0-9A-Fa-f]{2}|[0-9]+")


def _is_time(data: bytes, begin: int, end: int) -> bool:
    """Whether a run of digits is a part of ``1795321754.233813`` or of ``1795321754.12``, or begins a line of
    queue_log: ten digits that many countries' numbers have too."""
    before, after = data[max(0, begin - 2) : begin], data[end : end + 2]
    if before[-1:] == b"+" or end - begin != SECOND_DIGITS:
        return False
    first = not before or before[-1:] == b"\n"
    return (after[:1] == b"." and after[1:].isdigit()) or (first and after[:1] == b"|")


def spelled(name: str) -> tuple[str, ...]:
    """The ways a name is written in files: plain, and percent-encoded once and twice as Asterisk and we do it."""
    once = [quote(name, safe=""), quote(name, safe="-_.!~*'()"), name.replace(" ", "+")]
    return tuple(dict.fromkeys([name, *once, *(quote(each, safe="") for each in once[:2])]))


def rare(name: str, namesakes: Iterable[str]) -> bool:
    """Whether a name may be looked for everywhere: long enough, and nobody else's."""
    folded = name.casefold().strip()
    return len(folded) >= NAME_MIN and " " in folded and folded not in {each.casefold().strip() for each in namesakes}


def _pattern(names: Sequence[str]) -> "re.Pattern[bytes] | None":
    ways = {way.encode() for name in names if name.strip() for way in spelled(name.strip())}
    if not ways:
        return None
    longest = sorted(ways, key=lambda way: (-len(way), way))
    edge = rb"(?:(?<![A-Za-z])|(?<=%[0-9A-Fa-f]{2}))"
    return re.compile(edge + b"(?:" + b"|".join(map(re.escape, longest)) + b")(?![A-Za-z])", re.IGNORECASE)


def _typed(who: Identity) -> "re.Pattern[bytes]":
    """The number with marks between its digits; at home also without its area, with one dash or blank."""
    national = who.national
    ways = [rb"[ ().-]{0,3}".join(re.escape(digit.encode()) for digit in national)]
    if who.area and national.startswith(who.area):
        local = national[len(who.area) :]
        ways.append(re.escape(local[:-4].encode()) + b"[ .-]" + re.escape(local[-4:].encode()))
    # Not the digits alone: those are runs, and are looked at as such.
    plain = re.escape(national.encode())
    return re.compile(rb"(?:(?<![0-9])|(?<=%[0-9A-Fa-f]{2}))(?!" + plain + rb")(?:" + b"|".join(ways) + rb")(?![0-9])")


def is_number(text: str) -> bool:
    """Whether a text a person typed looks like a number rather than a name."""
    return len(bare(text)) >= CORE


@lru_cache(maxsize=4096)
def _normal(text: str, country: str, area: str) -> str:
    return normalise(text, country, area)


@lru_cache(maxsize=256)
def _national(number: str) -> str:
    try:
        return phonenumbers.national_significant_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return ""
