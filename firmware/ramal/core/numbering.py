"""One form for every telephone number, so that all spellings of a caller meet.

Pure. ``rules`` says, for a country and an area, how a number becomes E.164. ``normalise`` applies these rules here,
and ``asterisk.render_arrival`` writes the same rules as the dialplan's context ``ramal-normal``: what the daemon wrote
ahead is found by calls while it is dead. So a pattern is written in what Python's ``re`` and POSIX extended expressions
have in common, matches a whole number, and a rule cuts the number only at fixed places.

Brazil is written by hand: the ninth digit of mobiles, carrier codes, calls within the area, and special numbers
(0800, 4004, 190), which stay what they are. Other countries follow phonenumbers' metadata.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import phonenumbers

from ramal.core.office import Office

LENGTH_MAX = 40
"""Characters of a number that are looked at; the dialplan cuts there too."""
Cut = tuple[int, int | None]
"""Where a piece of the number begins (from its end when negative), and how many characters it has (None = the rest)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A number that ``pattern`` matches whole becomes its ``pieces``, one after the other: texts and cuts of it.

    No pieces: such a number has no normal form.
    """

    pattern: str
    pieces: tuple[str | Cut, ...] = ()


def normalise(text: str, country: str, area: str = "") -> str:
    """``text`` as E.164 (``+5511987654321``), or "" when it is no possible public number.

    ``country``: ISO 3166 letters, where the box stands; ``area``: the area code of numbers dialled without one.
    """
    number = bare(text)
    found = _apply(rules(country, area), number) if number else ""
    return found if found and _possible(found) else ""


def bare(text: str) -> str:
    """``text`` without separators: digits with at most a leading ``+``; "" when it holds anything else."""
    if len(text) > LENGTH_MAX:
        return ""
    kept = "".join(char for char in text if char in "+0123456789")
    odd = any(char.isalnum() or char in "*#" for char in text if char not in "0123456789")
    return "" if odd or "+" in kept[1:] else kept


def national(e164: str, country: str) -> str:
    """For eyes: ``(11) 98765-4321`` at home, ``+1 415-555-2671`` from abroad; what is no number comes back as it is."""
    try:
        parsed = phonenumbers.parse(e164, country)
    except phonenumbers.NumberParseException:
        return e164
    if not e164.startswith("+") or not phonenumbers.is_possible_number(parsed):
        return e164
    home = parsed.country_code == phonenumbers.country_code_for_region(country)
    how = phonenumbers.PhoneNumberFormat.NATIONAL if home else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    return phonenumbers.format_number(parsed, how)


def area_of(e164: str, country: str) -> str:
    """The area code that goes without saying at this number; "" where the country's plan has no such dialling here."""
    home = f"+{phonenumbers.country_code_for_region(country)}"
    return e164[3:5] if country == "BR" and e164.startswith(home) and len(e164) >= 13 else ""


def office_area(office: Office) -> str:
    """The area code that goes without saying in an office: that of its first number."""
    return area_of(office.numbers[0].number, office.country) if office.numbers else ""


@cache
def rules(country: str, area: str = "") -> tuple[Rule, ...]:
    """The rules of a country; the first whose pattern matches decides. A number none matches has no normal form."""
    return tuple(_brazil(area) if country == "BR" else _elsewhere(country))


def _apply(rules: tuple[Rule, ...], number: str) -> str:
    for rule in rules:
        if re.fullmatch(rule.pattern, number):
            return "".join(piece if isinstance(piece, str) else _cut(number, piece) for piece in rule.pieces)
    return ""


def _cut(number: str, cut: Cut) -> str:
    start = cut[0] if cut[0] >= 0 else max(0, len(number) + cut[0])
    return number[start:] if cut[1] is None else number[start : start + cut[1]]


def _possible(e164: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(e164))
    except phonenumbers.NumberParseException:
        return False


_FOREIGN = "[1-9][0-9]{6,14}"
_BR_AREA = "([14689][1-9]|2[12478]|3[1-578]|5[13-5]|7[13-579])"
# Before area and number: nothing, trunk 0, carrier code, collect call, and the country in every way it is written.
_BR_BEFORE = "(|0|0[1-9][0-9]|90[1-9][0-9]|550?|[+]550?|00550?|00[1-9][0-9]55)"
_BR_CARRIER = "(1[245]|2[1-35]|31|4[13]|[56]5|99)"


def _brazil(area: str) -> Iterator[Rule]:
    """Lengths and first digits keep the spellings apart: no area begins with 0, no carrier code either."""
    before = _BR_BEFORE + _BR_AREA
    yield Rule(before + "9[0-9]{8}", ("+55", (-11, None)))
    yield Rule(before + "[2-5][0-9]{7}", ("+55", (-10, None)))
    yield Rule(before + "[6-9][0-9]{7}", ("+55", (-10, 2), "9", (-8, None)))  # a mobile from before the ninth digit
    yield Rule("(300|303|400|402|437|486)[0-9]{5}")  # shared-cost numbers, the same everywhere
    if area:
        yield Rule("9[0-9]{8}", (f"+55{area}", (0, None)))
        yield Rule("[2-5][0-9]{7}", (f"+55{area}", (0, None)))
        yield Rule("[6-9][0-9]{7}", (f"+55{area}9", (0, None)))
    yield Rule("([+]|00([1-9][0-9])?)55[0-9]*")
    yield Rule("[+]" + _FOREIGN, ((0, None),))
    # A person types 00, carrier, country; a provider sends 00, country. They are told apart by what can be a number.
    yield Rule("001[2-9][0-9]{9}", ("+", (2, None)))
    yield Rule(f"00{_BR_CARRIER}[1-9][0-9]{{10,12}}", ("+", (4, None)))
    yield Rule("001[245][1-9][0-9]{6,9}", ("+", (4, None)))
    yield Rule("00" + _FOREIGN, ("+", (2, None)))


def _elsewhere(country: str) -> Iterator[Rule]:
    plan = phonenumbers.PhoneMetadata.metadata_for_region(country)
    if plan is None:
        yield Rule("[+]" + _FOREIGN, ((0, None),))
        return
    code = str(phonenumbers.country_code_for_region(country))
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(code)]
    shared = dict.fromkeys((country, regions[0]))  # an island has a part of the plan of its neighbours
    number = f"({'|'.join(_posix(_general(region)) for region in shared)})"
    trunk = str(plan.national_prefix or "")
    inside = [number] if not trunk else [number, trunk + number]
    abroad = ["[+]", *(lead for lead in _alternatives(str(plan.international_prefix or "00")))]
    if "00" not in abroad and not re.fullmatch(f"({trunk})?{number}", "00" + code + _example(country)):
        abroad.append("00")
    for lead in abroad:
        length = _width(lead)
        yield Rule(lead + code + number, (f"+{code}", (length + len(code), None)))
        if trunk:
            yield Rule(lead + code + trunk + number, (f"+{code}", (length + len(code) + len(trunk), None)))
        if len(regions) == 1:
            yield Rule(lead + code + "[0-9]*")
    for lead in sorted(abroad, key=_width, reverse=True):
        yield Rule(lead + _FOREIGN, ("+", (_width(lead), None)))
    # Providers send the country's code without + more often than a number without its trunk prefix.
    whole = Rule(code + number, ("+", (0, None)))
    forms = [Rule(form, (f"+{code}", (len(form) - len(number), None))) for form in inside]
    yield from (*forms[1:], whole, forms[0]) if trunk else (*forms, whole)


def _example(country: str) -> str:
    example = phonenumbers.example_number(country)
    return phonenumbers.national_significant_number(example) if example else ""


def _general(country: str) -> str:
    plan = phonenumbers.PhoneMetadata.metadata_for_region(country)
    general = plan.general_desc if plan else None
    return str(general.national_number_pattern) if general else "[0-9]{7,12}"


def _posix(pattern: str) -> str:
    return pattern.replace("(?:", "(").replace("\\d", "[0-9]")


def _width(lead: str) -> int:
    """How many characters a pattern without choices of different length matches."""
    return len(re.sub(r"\[[^]]*\]", "x", lead))


def _alternatives(pattern: str) -> tuple[str, ...]:
    """A metadata's prefix, ``0(?:0|1[3-9]\\d)``, as patterns of one length each and without groups."""
    found, rest = _choices(_posix(pattern))
    assert not rest, pattern
    return tuple(dict.fromkeys(found))


def _choices(text: str) -> tuple[list[str], str]:
    whole: list[str] = []
    ways = [""]
    while text and text[0] != ")":
        if text[0] == "|":
            whole, ways, text = whole + ways, [""], text[1:]
            continue
        if text[0] == "(":
            inner, text = _choices(text[1:])
            text = text[1:]
        elif text[0] == "[":
            end = text.index("]") + 1
            inner, text = [text[:end]], text[end:]
        else:
            inner, text = [text[0]], text[1:]
        if text.startswith("?"):
            inner, text = [*inner, ""], text[1:]
        ways = [way + more for way in ways for more in inner]
    return whole + ways, text
