"""The lines for calls that go out, and what phones may call over them. Pure.

Numbers go to a provider as E.164 without the ``+`` (``5511987654321``), and so does the number shown: what most of them
take. Short emergency numbers go as they are. How a kind of line is dialed and asked for its state stands only here
(``_way``, ``_state``), so that a line with another driver fails over like any other.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import phonenumbers
from phonenumbers import shortnumberinfo

from ramal.asterisk.tokens import token
from ramal.core.office import Line, Office
from ramal.core.office_takes import EMERGENCY

_COSTLY = ("+979", "+870", "+878", "+881", "+882", "+883")
"""International premium rates, satellites and worldwide networks: where stolen calls go. No setting opens them."""
_COSTLY_AT_HOME = {"BR": ("+55900", "+55500"), "US": ("+1900", "+1976"), "CA": ("+1900", "+1976")}


def outside(office: Office) -> str:
    """[ramal-lines], [ramal-line-state], [ramal-line-shows], [ramal-line-dial], [ramal-dial-rule], [ramal-dial-out]."""
    ways = [line for line in office.lines if _drives(line)]
    tries = ["[ramal-lines]", "exten => s,1,NoOp()"]
    states: list[str] = []
    shows: list[str] = []
    dials: list[str] = []
    for line in ways:
        name = token(line.name)
        outgoing = "yes" if line.outgoing else "no"
        tries.append(f" same => n,Gosub(ramal-line,s,1({name},{line.channels},{line.rest_s},{outgoing}))")
        states += _state(line)
        dials.append(f"exten => {name},1,Return({_way(line)})")
        shows += _shows(line)
    tries.append(" same => n,Return()")
    return (
        "\n".join(
            [
                *tries,
                *("", "[ramal-line-state]", *states),
                *("", "[ramal-line-shows]", *shows),
                *("", "[ramal-line-dial]", *dials),
                *("", "[ramal-dial-rule]", *_rules(office.country)),
                *("", "[phone]", *_from_phones(office.country)),
                *("", "[ramal-dial-out]", f"exten => s,1,Return({office.dial_out})"),
                *("", "[ramal-ours]", *(f"exten => {token(number)},1,NoOp()" for number in ours(office))),
            ]
        )
        + "\n"
    )


def ours(office: Office) -> tuple[str, ...]:
    """The numbers that lead back to this box: a call to one of them over a line would come in again."""
    shown = [number for line in office.lines for number in line.caller_ids]
    return tuple(dict.fromkeys([number.number for number in office.numbers] + shown))


def costly(country: str, *kinds: str) -> str:
    """What follows the country's code in numbers of these kinds of its plan (``premium_rate``, ``shared_cost``), as a
    POSIX pattern; "" when the plan has none. Not for ``+1`` of other countries: they are international."""
    plan = phonenumbers.PhoneMetadata.metadata_for_region(country, None)
    found = [getattr(plan, kind) for kind in kinds] if plan else []
    patterns = [str(each.national_number_pattern) for each in found if each and each.national_number_pattern]
    return "|".join(patterns).replace("(?:", "(").replace("\\d", "[0-9]")


def never_called(number: str, office: Office) -> Literal["", "ours", "premium", "abroad"]:
    """Why this office never calls an E.164 number, whoever asks; "" when it may. ``dial_out = "no"`` is about phones,
    and not judged here."""
    if number in ours(office):
        return "ours"
    kind = kind_of(number, office.country)
    if kind == "premium":
        return "premium"
    return "abroad" if kind == "international" and office.dial_out != "international" else ""


def kind_of(number: str, country: str) -> str:
    """``national``, ``international`` or ``premium``: what ``ramal-dial-rule`` says of an E.164 number."""
    code = str(phonenumbers.country_code_for_region(country))
    if number.startswith((*_COSTLY, *_COSTLY_AT_HOME.get(country, ()))):
        return "premium"
    if not number.startswith(f"+{code}") or number[1 + len(code) :][:3] in _areas_of_others(country, int(code)):
        return "international"
    costs = costly(country, "premium_rate")
    return "premium" if costs and re.fullmatch(costs, number[1 + len(code) :]) else "national"


def _drives(line: Line) -> bool:
    """Can calls go out here? A peer without a host only sends us calls."""
    return line.kind in ("sip-peer", "sip-register") and bool(line.host)


def _way(line: Line) -> str:
    return f"PJSIP/${{FILTER(0-9,${{ARG1}})}}@line-{token(line.name)}"


def _state(line: Line) -> Iterator[str]:
    """A provider that did not answer our last regular question (OPTIONS) is unreachable; one that was not asked yet,
    which takes up to a minute after a start and makes the device's state UNAVAILABLE, may well be there."""
    name = token(line.name)
    yield f"exten => {name},1,Set(LOCAL(contact)=${{PJSIP_AOR(line-{name},contact)}})"
    yield ' same => n,ExecIf($["${contact}"=""]?Return(unreachable))'
    yield ' same => n,ExecIf($["${PJSIP_CONTACT(${contact},status)}"="Unreachable"]?Return(unreachable))'
    yield " same => n,Return(up)"


def _shows(line: Line) -> Iterator[str]:
    """The number asked for when this line may show it, else its first; never an extension of ours."""
    name = token(line.name)
    first = line.caller_ids[0][1:] if line.caller_ids else (line.username or "ramal")
    allowed = [token(number) for number in line.caller_ids]
    yield f"exten => {name},1,NoOp()"
    for number in allowed:
        yield f' same => n,ExecIf($["${{ARG1}}"="{number}"]?Return({number[1:]}))'
    yield f" same => n,Return({token(first)})"


@lru_cache(maxsize=8)
def emergency_numbers(country: str) -> tuple[str, ...]:
    """Short numbers that always pass in a country: its own and those that people try everywhere."""
    short = [f"{number:02}" for number in range(100)] + [f"{number:03}" for number in range(1000)]
    own = {number for number in short if shortnumberinfo.is_emergency_number(number, country)}
    return tuple(sorted(own | EMERGENCY))


def outside_shapes(country: str) -> tuple[str, ...]:
    """What on a phone is no extension but a number: an emergency number, with + or 0, or seven digits and more."""
    return (*emergency_numbers(country), "_+X.", "_0X.", "_[1-9]XXXXXX!")


def _from_phones(country: str) -> Iterator[str]:
    for shape in outside_shapes(country):
        yield f"exten => {shape},1,Gosub(ramal-dial,s,1(${{FILTER(+0-9,${{EXTEN}})}},${{RAMAL_PHONE}}))"
        yield " same => n,Gosub(ramal-hang-up,s,1)"


def _rules(country: str) -> Iterator[str]:
    """What kind of number it is: the most special pattern wins (Asterisk). Numbers of another country under the same
    code (+1 876) are international."""
    for number in emergency_numbers(country):
        yield f"exten => {number},1,Return(emergency)"
    code = phonenumbers.country_code_for_region(country)
    costs = costly(country, "premium_rate")
    yield f"exten => _+{code}XXX.,1,NoOp()"
    if costs:
        match = f'$["${{EXTEN}}" =~ "^([+]{code}({costs}))$"]'
        yield f" same => n,GotoIf(${{LEN({match})}}?costly)"
    yield " same => n,Return(national)"
    yield " same => n(costly),Return(premium)"
    for area in _areas_of_others(country, code):
        yield f"exten => _+{code}{area}X.,1,Return(international)"
    for prefix in _COSTLY_AT_HOME.get(country, ()):
        yield f"exten => _{prefix}.,1,Return(premium)"
    for prefix in _COSTLY:
        yield f"exten => _{prefix}.,1,Return(premium)"
    yield "exten => _+XXXXXX.,1,Return(international)"
    yield "exten => _[+0-9].,1,Return(unknown)"
    yield "exten => _[+0-9],1,Return(unknown)"
    yield "exten => s,1,Return(unknown)"


@lru_cache(maxsize=8)
def _areas_of_others(country: str, code: int) -> tuple[str, ...]:
    """Area codes of three digits that belong to other countries under ``code``; none when the code is one country's."""
    areas = []
    for region in phonenumbers.region_codes_for_country_code(code):
        plan = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
        if region != country and plan is not None and plan.leading_digits:
            areas += [f"{area}" for area in range(100, 1000) if re.match(plan.leading_digits, f"{area}")]
    return tuple(sorted(set(areas)))
