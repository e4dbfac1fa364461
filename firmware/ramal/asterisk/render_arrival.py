"""How a call from a line reaches one of our numbers. Pure."""

import phonenumbers

from ramal.asterisk.tokens import token
from ramal.core.office import Line, Office


def line(line: Line, office: Office) -> str:
    rows = [f"[line-{token(line.name)}]"]
    known: set[str] = set()
    for number in office.numbers:
        for spelling in spellings(number.number, office.country):
            if spelling not in known:
                known.add(spelling)
                rows += _arrival(spelling, line, f"Goto(dest-number,{token(number.number)},1)")
    fallback = "Goto(ramal-unknown-number,s,1)"
    if line.kind == "sip-register" and len(office.numbers) == 1:
        fallback = f"Goto(dest-number,{token(office.numbers[0].number)},1)"  # many providers send only our user name
    rows += _arrival("_[+0-9a-zA-Z].", line, fallback) + _arrival("s", line, fallback)
    return "\n".join(rows) + "\n"


def _arrival(exten: str, line: Line, then: str) -> list[str]:
    return [
        f"exten => {exten},1,Set(EXTEN_SENT=${{EXTEN}})",
        f" same => n,Gosub(ramal-arrive,s,1({token(line.name)},{line.channels}))",
        f" same => n,{then}",
    ]


def spellings(number: str, country: str) -> tuple[str, ...]:
    """How providers send one of our numbers: E.164, without ``+``, national, with a trunk 0, local part."""
    national = number
    try:
        parsed = phonenumbers.parse(number)
        national = phonenumbers.national_significant_number(parsed)
    except phonenumbers.NumberParseException:
        national = number[1:]
    return tuple(dict.fromkeys((number, number[1:], national, f"0{national}")))
