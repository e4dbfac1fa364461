"""How a call from a line reaches one of our numbers, and what the dialplan must know to tell who is calling. Pure."""

import phonenumbers

from ramal.asterisk.goto import prompt
from ramal.asterisk.tokens import display, token
from ramal.core.numbering import Cut, office_area, rules
from ramal.core.office import Line, Office
from ramal.core.ring_name import OUTCOME_MAX, TITLE_MAX, title_of


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


def caller_globals(office: Office) -> str:
    """Lines of ``[globals]`` that ``dialplan/caller.conf`` reads."""
    return f"""RAMAL_TIMEZONE = {token(office.timezone)}
RAMAL_VIP_LEVELS = {office.vip_priority}
RAMAL_REPEAT_LEVELS = {office.repeat_priority}
RAMAL_BLOCKED_MESSAGE = {"yes" if office.blocked_message else "no"}"""


def callers(office: Office) -> str:
    """The contexts ``ramal-normal``, ``ramal-whisper``, ``ramal-title`` and ``ramal-outcome``."""
    return "\n".join([_normal(office), _whisper(office), _titles(office), _outcomes(office)])


def _normal(office: Office) -> str:
    """``Gosub(ramal-normal,s,1(number))`` with a number of digits and ``+`` only returns E.164, or nothing.

    The rules are ``core.numbering``'s, one after the other; a match gives its text (never empty), no match none."""
    rows, ends = ["[ramal-normal]", "exten => s,1,Set(LOCAL(n)=${ARG1:0:40})"], []
    for place, rule in enumerate(rules(office.country, office_area(office)), 1):
        rows.append(f' same => n,GotoIf(${{LEN($["${{n}}" =~ "^({rule.pattern})$"])}}?r{place})')
        pieces = "".join(piece if isinstance(piece, str) else _cut(piece) for piece in rule.pieces)
        ends.append(f" same => n(r{place}),Return({pieces})")
    return "\n".join([*rows, " same => n,Return()", *ends]) + "\n"


def _cut(cut: Cut) -> str:
    start, length = cut
    if length is None:
        return f"${{n:{start}}}" if start else "${n}"
    return f"${{n:{start}:{length}}}"


def _whisper(office: Office) -> str:
    """The prompt that an agent hears before the caller, for queues that want it."""
    rows = ["[ramal-whisper]"]
    for queue in office.queues:
        if queue.whisper:
            rows.append(f"exten => {token(queue.name)},1,Return({prompt(title_of(queue), office)})")
    return "\n".join(rows) + "\n"


def _titles(office: Office) -> str:
    rows = ["[ramal-title]"]
    for queue in office.queues:
        title = display(title_of(queue))[:TITLE_MAX].strip() or queue.name
        rows.append(f"exten => {token(queue.name)},1,Return({title})")
    return "\n".join(rows) + "\n"


def _outcomes(office: Office) -> str:
    """How the last call with this caller ended, in the business's words: by queue and code of the disposition."""
    rows = ["[ramal-outcome]"]
    for queue in office.queues:
        for each in queue.dispositions:
            text = display(each.text)[:OUTCOME_MAX].strip() or each.code
            rows.append(f"exten => {token(queue.name)}--{token(each.code)},1,Return({text})")
    return "\n".join(rows) + "\n"
