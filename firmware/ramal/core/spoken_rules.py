"""The grammar by which values are spoken, as rules: a value's digits on the left, pieces of sound on the right.

Law: pure data and functions of it; imports words of no language. One table of rules serves all speakers: ``spoken``
(Python) evaluates it, ``asterisk.render_spoken`` writes it as dialplan contexts and as say.conf, so they cannot differ.

A rule's pattern has one place per digit: a digit, a set (``[2-9]``) or ``X`` (any). The patterns of one grammar never
overlap, so the order in which anybody tries them means nothing. A part is a piece (``Name``: the file
``say/<before><digits[start:end]><after>``) or a value within the value (``Again``), spoken by another grammar.

Grammars, by language: ``number-u`` (said alone or counted: um, uno, one), ``number-m`` and ``number-f`` (before a noun:
"un", "veintiún", "duas mil"), ``ordinal-m``, ``ordinal-f``, ``year``, one per noun (``minute``: "um minuto"),
``money-BRL`` (in cents), ``duration`` (hMMSS), ``time`` (HHMM), ``date`` (wYYYYMMDD, w from 0 = Sunday), ``digits``.
"""

import functools
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ramal.core.office import Language

MOST = 999_999
"""The greatest cardinal number that is spoken."""
GENDER: dict[str, dict[Language, str]] = {
    **{
        noun: {"pt-BR": "m", "en": "m", "es": "m"}
        for noun in ("minute", "second", "day", "real", "real-cent", "euro", "euro-cent", "dollar", "dollar-cent")
    },
    **{noun: {"pt-BR": "f", "en": "m", "es": "f"} for noun in ("hour", "person", "call")},
    "message": {"pt-BR": "m", "en": "m", "es": "m"},
}
"""The nouns that can be counted."""
CURRENCIES = {"BRL": "real", "EUR": "euro", "USD": "dollar"}
_GROUPS: dict[int, tuple[int, ...]] = {
    5: (2, 3),
    6: (3, 3),
    7: (3, 4),
    8: (4, 4),
    9: (3, 3, 3),
    10: (3, 3, 4),
    11: (2, 5, 4),
    12: (2, 2, 4, 4),
    13: (2, 2, 5, 4),
    14: (4, 5, 5),
    15: (5, 5, 5),
}
_GROUPS_PT = {**_GROUPS, 9: (5, 4), 10: (2, 4, 4)}


@dataclass(frozen=True, slots=True)
class Name:
    """A piece: ``before``, the digits from ``start`` to ``end``, ``after``."""

    before: str = ""
    start: int = 0
    end: int = 0
    after: str = ""

    def of(self, value: str) -> str:
        return f"{self.before}{value[self.start : self.end]}{self.after}"


@dataclass(frozen=True, slots=True)
class Again:
    """The digits from ``start`` to ``end``, by ``grammar``."""

    grammar: str
    start: int
    end: int


Part = Name | Again
Places = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """``places``: the pattern, one entry per digit."""

    places: Places
    parts: tuple[Part, ...]


def _rule(pattern: str, *parts: Part) -> Rule:
    return Rule(tuple(re.findall(r"\[[^]]*\]|.", pattern)), parts)


# ---- cardinals -----------------------------------------------------------------------------------------------------


def _below_100(language: Language, form: str) -> Iterator[Rule]:
    """A piece each. Portuguese has "uma" and "duas" in every ten, Spanish "un" and "una"."""
    own = {("pt-BR", "f"): "12", ("es", "m"): "1", ("es", "f"): "1"}.get((language, form), "")
    if not own:
        yield _rule("X", Name("", 0, 1))
        yield _rule("[1-9]X", Name("", 0, 2))
        return
    rest = {"1": "[02-9]", "12": "[03-9]"}[own]
    yield _rule(rest, Name("", 0, 1))
    yield _rule(f"[{own}]", Name("", 0, 1, form))
    yield _rule("1X", Name("", 0, 2))
    yield _rule(f"[2-9]{rest}", Name("", 0, 2))
    yield _rule(f"[2-9][{own}]", Name("", 0, 2, form))


def _hundreds(language: Language, form: str) -> Iterator[Rule]:
    """ "cem", "cento e", "duzentas e"; "cien", "ciento", "doscientas"; "one hundred", "one hundred and"."""
    ending = form if form == "f" and language != "en" else ""
    for first, after in (("1", ""), ("[2-9]", ending)):
        # Spanish joins nothing after hundreds, but "cien" becomes "ciento".
        follows = f"{after}-then" if language != "es" or first == "1" else after
        yield _rule(f"{first}00", Name("", 0, 3, after))
        yield _rule(f"{first}0[1-9]", Name("", 0, 1, f"00{follows}"), Again(f"number-{form}", 2, 3))
        yield _rule(f"{first}[1-9]X", Name("", 0, 1, f"00{follows}"), Again(f"number-{form}", 1, 3))


def _thousands(language: Language, form: str) -> Iterator[Rule]:
    """ "mil" has no "um" before it, and agrees in gender through it ("duas mil"); Spanish shortens ("veintiún mil").

    Portuguese joins what follows with "e" when it is below a hundred or whole hundreds: "mil e um", "mil e cem", but
    "mil duzentos e um" (Cunha & Cintra, Nova gramática do português contemporâneo, cap. 13). English joins only below.
    """
    before = f"number-{'m' if language == 'es' and form == 'u' else form}"
    for pattern in ("1", "[2-9]", "[1-9]X", "[1-9]XX"):
        bare = pattern == "1" and language != "en"
        count = 1 if len(pattern) in (1, 5) else len(pattern) - 4
        head: tuple[Part, ...] = () if bare else (Again(before, 0, count),)
        for rest, skip, links in (
            ("000", 3, ()),
            ("00[1-9]", 2, ("pt-BR", "en")),
            ("0[1-9]X", 1, ("pt-BR", "en")),
            ("[1-9]00", 0, ("pt-BR",)),
            ("[1-9]0[1-9]", 0, ()),
            ("[1-9][1-9]X", 0, ()),
        ):
            link = Name("1000-then" if language in links else "1000")
            tail: tuple[Part, ...] = () if skip == 3 else (Again(f"number-{form}", count + skip, count + 3),)
            yield _rule(pattern + rest, *head, link, *tail)


def _number(language: Language, form: str) -> Iterator[Rule]:
    yield from _below_100(language, form)
    yield from _hundreds(language, form)
    yield from _thousands(language, form)


# ---- ordinals and years --------------------------------------------------------------------------------------------


def _ordinal(language: Language, form: str) -> Iterator[Rule]:
    """1 to 99: "vigésima primeira", "decimotercero", "twenty-first"."""
    after = form if form == "f" and language != "en" else ""
    yield _rule("[1-9]", Name("o", 0, 1, after))
    if language == "pt-BR":
        yield _rule("[1-9]0", Name("o", 0, 2, after))
        yield _rule("[1-9][1-9]", Name("o", 0, 1, f"0{after}"), Name("o", 1, 2, after))
        return
    yield _rule("1X", Name("o", 0, 2, after))
    yield _rule("[2-9]0", Name("o", 0, 2, after))
    tens = Name("", 0, 1, "0") if language == "en" else Name("o", 0, 1, f"0{after}")
    yield _rule("[2-9][1-9]", tens, Name("o", 1, 2, after))


def _year(language: Language) -> Iterator[Rule]:
    """1000 to 9999. English reads pairs: "nineteen oh five", "twenty twenty-six", but "two thousand and five"."""
    if language != "en":
        yield _rule("[1-9]XXX", Again("number-u", 0, 4))
        return
    yield _rule("[1-9]00X", Again("number-u", 0, 4))
    yield _rule("[1-9][1-9]00", Name("", 0, 2), Name("hundred"))
    yield _rule("[1-9][1-9]0[1-9]", Name("", 0, 2), Name("oh"), Name("", 3, 4))
    yield _rule("[1-9][1-9][1-9]X", Name("", 0, 2), Name("", 2, 4))
    yield _rule("[1-9]0[1-9]X", Name("", 0, 2), Name("", 2, 4))


# ---- nouns, money, durations ---------------------------------------------------------------------------------------


def _noun(language: Language, noun: str) -> Iterator[Rule]:
    """One is singular, all else plural: zero too ("zero minutos", "cero minutos", "zero minutes")."""
    grammar = f"number-{GENDER[noun][language]}"
    yield _rule("1", Again(grammar, 0, 1), Name(f"{noun}-1"))
    yield _rule("[02-9]", Again(grammar, 0, 1), Name(f"{noun}-n"))
    for length in range(2, len(str(MOST)) + 1):
        yield _rule("[1-9]" + "X" * (length - 1), Again(grammar, 0, length), Name(f"{noun}-n"))


def _money(currency: str) -> Iterator[Rule]:
    """Cents: 5 = five cents, 100 = one real, 0 = "zero reais"."""
    noun = CURRENCIES[currency]
    yield _rule("0", Again(noun, 0, 1))
    yield _rule("[1-9]", Again(f"{noun}-cent", 0, 1))
    yield _rule("[1-9]X", Again(f"{noun}-cent", 0, 2))
    for length in range(1, len(str(MOST)) + 1):
        head = "[1-9]" + "X" * (length - 1)
        whole = Again(noun, 0, length)
        link = Name("with")
        yield _rule(f"{head}00", whole)
        yield _rule(f"{head}0[1-9]", whole, link, Again(f"{noun}-cent", length + 1, length + 2))
        yield _rule(f"{head}[1-9]X", whole, link, Again(f"{noun}-cent", length, length + 2))


def _duration() -> Iterator[Rule]:
    """hMMSS, up to 999 hours: what is zero is left out, "e" before the last; all zero is "zero segundos"."""
    for hours, minutes, seconds in itertools.product(
        ("0", "[1-9]", "[1-9]X", "[1-9]XX"), ("00", "0[1-9]", "[1-5]X"), ("00", "0[1-9]", "[1-5]X")
    ):
        at = len(_rule(hours).places)
        parts: list[Part] = []
        if hours != "0":
            parts.append(Again("hour", 0, at))
        for noun, places, start in (("minute", minutes, at), ("second", seconds, at + 2)):
            if places != "00":
                parts.append(Again(noun, start + (places[0] == "0"), start + 2))
        if len(parts) > 1:
            parts.insert(-1, Name("and"))
        yield _rule(hours + minutes + seconds, *(parts or [Again("second", 0, 1)]))


# ---- the clock and the calendar ------------------------------------------------------------------------------------

_MINUTES = (("00", 4), ("0[1-9]", 3), ("[1-5]X", 2))
"""Minutes of HHMM and where they begin when spoken."""


def _time(language: Language) -> Iterator[Rule]:
    """HHMM: "duas horas e cinco minutos", "las dos horas y cinco minutos", "two oh five P M"."""
    if language == "en":
        yield from _time_en()
        return
    portuguese = language == "pt-BR"
    # Portuguese says the hour of midnight in the singular: zero hora.
    hours = (("00", 1), ("01", 1), ("0[2-9]", 1), ("1X", 0), ("2[0-3]", 0))
    for (hour, start), (minute, at) in itertools.product(hours, _MINUTES):
        one = hour == "01" or (hour == "00" and portuguese)
        if portuguese:
            parts: list[Part] = [Again("number-f", start, 2), Name("hour-1" if one else "hour-n")]
        elif one:
            parts = [Name("la-una")]
        else:
            parts = [Name("las"), Again("number-f", start, 2), Name("hour-n")]
        if at < 4:
            parts += [Name("and"), Again("minute", at, 4)]
        yield _rule(hour + minute, *parts)


def _time_en() -> Iterator[Rule]:
    for hour, (minute, at) in itertools.product(range(24), _MINUTES):
        half = Name("am" if hour < 12 else "pm")
        said = Name(str((hour + 11) % 12 + 1))
        if at == 4 and hour in (0, 12):
            yield _rule(f"{hour:02}{minute}", Name("noon" if hour else "midnight"))
        elif at == 4:
            yield _rule(f"{hour:02}{minute}", said, half)
        else:
            oh = (Name("oh"),) if at == 3 else ()
            yield _rule(f"{hour:02}{minute}", said, *oh, Name("", at, 4), half)


def _date(language: Language) -> Iterator[Rule]:
    """wYYYYMMDD: "segunda-feira, primeiro de maio de dois mil e vinte e seis", "Monday, May first, …"."""
    weekday, month, year = Name("day-", 0, 1), Name("month-", 5, 7), Again("year", 1, 5)
    for months, (pattern, start) in itertools.product(
        ("0[1-9]", "1[0-2]"), (("01", 8), ("0[2-9]", 8), ("[12]X", 7), ("3[01]", 7))
    ):
        if language == "en":
            parts: tuple[Part, ...] = (weekday, month, Again("ordinal-m", start, 9), year)
        else:
            day = Name("o1") if pattern == "01" else Again("number-u", start, 9)
            parts = (weekday, day, month, Name("of"), year)
        yield _rule(f"[0-6][1-9]XXX{months}{pattern}", *parts)


def _digits(language: Language) -> Iterator[Rule]:
    """Digit by digit, in groups as telephone numbers are said; a group's last digit (``g5``) has a pause after it."""
    for length in range(1, 16):
        groups = (_GROUPS_PT if language == "pt-BR" else _GROUPS).get(length, (length,))
        ends = set(itertools.accumulate(groups)) - {length}
        yield _rule("X" * length, *(Name("g" if at + 1 in ends else "", at, at + 1) for at in range(length)))


# ---- all of it -----------------------------------------------------------------------------------------------------


@functools.cache
def grammars(language: Language) -> dict[str, tuple[Rule, ...]]:
    """Every grammar of a language by name."""
    return {
        **{f"number-{form}": tuple(_number(language, form)) for form in "umf"},
        **{f"ordinal-{form}": tuple(_ordinal(language, form)) for form in "mf"},
        "year": tuple(_year(language)),
        **{noun: tuple(_noun(language, noun)) for noun in GENDER},
        **{f"money-{currency}": tuple(_money(currency)) for currency in CURRENCIES},
        "duration": tuple(_duration()),
        "time": tuple(_time(language)),
        "date": tuple(_date(language)),
        "digits": tuple(_digits(language)),
    }


@functools.cache
def _place(place: str) -> str:
    if place == "X":
        return "0123456789"
    return "".join(
        "".join(map(str, range(int(low), int(high or low) + 1))) for low, high in re.findall(r"(\d)(?:-(\d))?", place)
    )


def fits(rule: Rule, value: str) -> bool:
    """Whether a value's digits match the rule's pattern."""
    return len(rule.places) == len(value) and all(map(lambda place, digit: digit in _place(place), rule.places, value))


@functools.cache
def _by_shape(language: Language, grammar: str, shape: str) -> Rule | None:
    return next((rule for rule in grammars(language)[grammar] if fits(rule, shape)), None)


@functools.cache
def _classes(language: Language, grammar: str) -> dict[int, int]:
    """Digits that no pattern of the grammar tells apart become the same digit, so that a rule is looked up at once."""
    sets = {_place(place) for rule in grammars(language)[grammar] for place in rule.places}
    like: dict[frozenset[str], str] = {}
    return {
        ord(digit): ord(like.setdefault(frozenset(each for each in sets if digit in each), digit))
        for digit in "0123456789"
    }


def rule_of(language: Language, grammar: str, value: str) -> Rule | None:
    """The one rule that speaks this value; None when it cannot be spoken."""
    return _by_shape(language, grammar, value.translate(_classes(language, grammar)))
