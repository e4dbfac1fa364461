"""What can be wrong with an office file, said to the person who wrote it.

Pure. One sentence per kind of problem, in one table, so that another language is another table. Every problem has its
line and an example of what is right.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ramal.core.office_where import Path, Where
from ramal.errors import RamalError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: ``line`` counts from 1, ``example`` is TOML that is right."""

    file: str
    line: int
    what: str
    example: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what} For example: {self.example}"


class OfficeRefused(RamalError):
    """The file is not an office; ``problems`` holds everything that is wrong with it, by line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        count = len(self.problems)
        head = (
            "One thing is wrong; nothing was changed."
            if count == 1
            else f"{count} things are wrong; nothing was changed."
        )
        super().__init__("\n".join([head, *map(str, self.problems)]))


# kind: (what is wrong, example; empty = the example of the setting itself)
SENTENCES: dict[str, tuple[str, str]] = {
    # the file
    "syntax": ("This is not TOML: {reason}.", ""),
    "too-big": ("The file is longer than {high} characters; an office is never that long.", 'name = "Padaria Sol"'),
    "too-deep": ("Brackets or dotted keys are nested too deeply.", 'queues = ["sales"]'),
    "unknown-table": ("“{table}” is not a part of an office{hint}.", ""),
    "not-a-list": ("“{table}” can stand many times, so it is written in double brackets.", "[[{table}]]"),
    "not-a-table": ("“{table}” is a table of its own.", "[{table}]"),
    "too-many": ("There are {count} “{table}”; this version takes up to {high}.", "[[{table}]]"),
    "unknown-key": ("“{key}” is not a setting of “{table}”{hint}.", ""),
    "missing": ("“{key}” is missing in “{table}”.", ""),
    # one value
    "type": ("“{key}” must be {wanted}, not {got}.", ""),
    "empty": ("“{key}” is empty.", ""),
    "too-short": ("“{key}” is too short: at least {low} characters.", ""),
    "too-long": ("“{key}” is too long: {count} characters, at most {high}.", ""),
    "control": ("“{key}” holds a character that cannot be printed ({code}).", ""),
    "range": ("“{key}” is {value}; it must be from {low} to {high}.", ""),
    "choice": ("“{value}” is not possible for “{key}”{hint}; it is one of {choices}.", ""),
    "name": ("“{value}” cannot be a name: small letters, digits and hyphens, a letter first, up to 31.", ""),
    "reserved": ("The name “{value}” has a meaning of its own in Asterisk; choose another.", ""),
    "extension": ("“{value}” cannot be an extension: 2 to 6 digits, the first not 0.", ""),
    "emergency": ("“{value}” is an emergency number and cannot be {a_thing}.", ""),
    "code": ("“{value}” cannot be an agent's code: 1 to 6 digits, the first not 0.", ""),
    "campaign-code": ("“{value}” cannot be a campaign's code: 1 or 2 digits, the first not 0.", ""),
    "pin": ("The PIN must be 4 to 8 digits.", ""),
    "secret": ("The secret is too weak: {reason}.", ""),
    "secret-letters": ("The secret may hold only letters, digits and signs of a plain keyboard, no space.", ""),
    "mac": ("“{value}” is not the MAC address of a phone: 12 digits 0-9 and A-F, as on its label.", ""),
    "number": ("“{value}” is not a telephone number in international form{hint}.", ""),
    "destination": ("“{key}” leads nowhere: {reason}.", ""),
    "country": ("“{value}” is not a country’s code of two capital letters.", ""),
    "region": ("“{value}” is not a region of {country}{hint}.", ""),
    "timezone": ("“{value}” is not a time zone{hint}.", ""),
    "host": ("“{value}” is not a host name or an IP address.", ""),
    "username": ("“{value}” cannot be a SIP user name: letters, digits and . _ - + only.", ""),
    "address": ("“{value}” is not an IP address or network{hint}.", ""),
    "address-wide": ("“{value}” lets in far too many strangers; give the provider's own addresses.", ""),
    "hours": ("“{value}” is not an opening time: {reason}.", ""),
    "hours-overlap": ("These opening times overlap.", 'open = ["mon-fri 08:00-12:00 13:00-18:00"]'),
    "hours-both": ("“{name}” is both open and closed; keep one of the two.", "closed = true"),
    "hours-neither": ("“{name}” has no opening times; when it is always closed, say so.", "closed = true"),
    "key": ("“{value}” is not a key of a telephone.", 'options = {{ 1 = "queue:sales", "*" = "hangup" }}'),
    "digit": ("“{value}” is not one of the keys 0 to 9.", ""),
    "date": ("“{value}” is not a date, such as 2026-12-24.", ""),
    "in-call-code": ("“{value}” cannot be dialed during a talk: * or # and one or two digits.", ""),
    "disposition": ("“{value}” needs a code and a text, with a colon between.", ""),
    "survey-long": ("A survey asks at most three questions, not {count}: who is asked more hangs up.", ""),
    "skill": ("A skill of an agent is a name, or a table with “skill” and “level”.", ""),
    "only-in-options": ("“{key}” cannot be “{value}”: only a key of a menu leads there.", ""),
    "member": ("A queue of an agent is a name, or a table with “queue” and “penalty”.", ""),
    "mail": ("“{value}” is not a mail address.", ""),
    "web": ("“{value}” is not an address on the web; user names and spaces cannot be in it.", ""),
    "folder": ("“{value}” cannot be a folder there: names of letters, digits and . _ - with / between, no “..”.", ""),
    "local-folder": ("“{value}” is no whole path of a folder on the box: it begins with /.", ""),
    "far-user": ("“{value}” cannot be a user name: letters, digits and . _ @ + - only.", ""),
    "fingerprint": ("“{value}” is no fingerprint: SHA256: and 43 signs, or 32 pairs of 0-9 A-F with colons.", ""),
    "window": ("“{value}” is no time of the night, such as 01:00-06:00.", ""),
    "fingerprint-kind": ("{why}", ""),
    # between values
    "no-mail": ("“{name}” sends mail, and this office has no mail server.", "[mail]"),
    "no-copy": ("There is no place off the box: the office has no [copy].", "[copy]"),
    "mail-plain": ("The password would go over the network for everybody to read.", 'security = "starttls"'),
    "alarm-limit": ("An alarm of “{measure}” needs a limit{bounds}.", ""),
    "twice": ("“{value}” stands twice: it is {a_thing} of line {line} already.", ""),
    "hyphens": ("“{value}” differs from “{other}”, {a_thing} of line {line}, in hyphens only.", ""),
    "box-hyphens": ("“{value}” differs from the box “{other}” in hyphens only.", ""),
    "twice-here": ("“{value}” stands twice in “{key}”.", ""),
    "not-there": ("No {what} is called “{value}”{hint}.", ""),
    "no-driver": ("This version has no driver for a line of kind “{kind}” yet.", 'kind = "sip-register"'),
    "no-tls": ("This version has no encrypted transport yet.", 'transport = "udp"'),
    "line-needs": ("A line of kind “{kind}” needs “{key}”.", ""),
    "same-address": ("Calls from {value} could be of line “{other}” too; each address belongs to one line.", ""),
    "key-twice": ("Key {value} is that of “{other}” of line {line} already.", ""),
    "code-twice": ("Code {value} is that of “{other}” of line {line} already.", ""),
    "no-skill": ("No agent has the skill “{value}”{hint}.", 'skills = ["{value}"]'),
    "not-spoken": ("“{value}” is not among the languages of this office.", 'languages = ["{value}"]'),
    "own-language": ("“{value}” is the office's own language already.", ""),
    "no-callback": ("The queue “{value}” calls nobody back.", 'callback = "agent-first"'),
    "no-outgoing": ("“{key}” leads to “{value}”, and no line makes outgoing calls.", "outgoing = true"),
    "same-code": ("“{key}” and “{other}” begin alike, so that one of them could never be dialed.", 'card_code = "*7"'),
    "queue-needs": ("“{key}” does nothing without “{needs}”.", ""),
    "parked": ("“{value}” lies among the parking places {first} to {last}.", 'parking = ""'),
    "parked-help": (
        "The parking places {first} to {last} would cover the emergency number {value}.",
        'parking = "700"',
    ),
    "parked-high": ("There are no extensions for {count} parking places after “{value}”.", 'parking = "700"'),
    "loop": ("This goes round for ever, without the caller doing anything: {way}.", ""),
}


class Ledger:
    """Collects the problems of one file."""

    def __init__(self, file: str, where: Where) -> None:
        self.file = file
        self.where = where
        self.problems: list[Problem] = []

    def add(self, path: Path, kind: str, example: str = "", /, **words: object) -> None:
        """Note a problem of ``kind`` (a key of SENTENCES) at ``path``; ``words`` fill the sentence."""
        what, own = SENTENCES[kind]
        shown = {
            key: value[:60] if isinstance(value, str) and key == "value" else value for key, value in words.items()
        }
        right = own.format(example=example, **shown) if own else example
        # A quoted value may itself hold what made it wrong; a report is always one printable line.
        line = "".join(char if char.isprintable() else "�" for char in what.format(**shown))
        self.problems.append(Problem(self.file, self.where.line(path), line, right))
