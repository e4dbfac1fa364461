"""What is spoken with a value in it: a sentence of the catalogue and its variables become pieces and a text.

Law: pure. A sentence is an id and its variables; in each language it is a row of pieces (``[wait-about]``, a whole
phrase) and of values (``{high:minute}``, spoken by a grammar of ``spoken_rules``). The dialplan says the same sentences
by the same rules (``asterisk.render_spoken``), so a text checked here is what a caller hears. Sentences without a
variable are one file each and live in ``asterisk.prompts``.

Adding one: phrases into ``_PHRASES``, the row into ``SENTENCES``; then ``Gosub(ramal-tell,<id>,1(value,…))`` says it.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time

from ramal.core.office import Language
from ramal.core.spoken_rules import Again, grammars, rule_of
from ramal.core.spoken_words import words
from ramal.errors import RamalError

LANGUAGES: tuple[Language, ...] = ("pt-BR", "en", "es")
FOLDER = "say"
"""Where the pieces of values are, in a language's folder."""
Value = int | str | time | date


class CannotSay(RamalError):
    """A value that no rule speaks, or a sentence that is not in the catalogue."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One file. ``path``: below the language's folder, without suffix. ``text``: the words. ``spelt``: what a voice is
    given to say them right in the middle of a sentence. ``lead_s``, ``pause_s``: silence before and after it."""

    path: str
    text: str
    spelt: str
    lead_s: float
    pause_s: float


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence: its pieces' paths below the language's folder, in order, and the text they are."""

    paths: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """``variables``: their names in order. ``rows``: by language, pieces and values. ``only``: phrases said instead for
    exact values of the first variable (nobody, one)."""

    variables: tuple[str, ...]
    rows: Mapping[Language, str]
    only: tuple[tuple[str, str], ...] = ()


def _same(row: str) -> dict[Language, str]:
    return dict.fromkeys(LANGUAGES, row)


SENTENCES: dict[str, Sentence] = {
    "wait-range": Sentence(
        ("low", "high"),
        {
            "pt-BR": "[wait-about] {low:number-m} [wait-to] {high:minute}",
            "en": "[wait-about] {low:number-m} [wait-to] {high:minute}",
            # Not right before its noun: "de veintiuno a treinta minutos".
            "es": "[wait-about] {low:number-u} [wait-to] {high:minute}",
        },
    ),
    "wait-near": Sentence(("high",), _same("[wait-about] {high:minute}")),
    "wait-most": Sentence(("high",), _same("[wait-up-to] {high:minute}")),
    "waiting": Sentence(
        ("n",), _same("{n:number-f} [waiting-many]"), only=(("0", "waiting-none"), ("1", "waiting-one"))
    ),
    "calls": Sentence(("n",), _same("{n:number-f} [calls-many]"), only=(("0", "calls-none"), ("1", "calls-one"))),
    "forwarded": Sentence(("number",), _same("[forward-on] {number:digits}")),
    "callback-to": Sentence(("number",), _same("[callback-number] {number:digits}")),
    "callback-from": Sentence(("ending",), _same("[callback-agent] {ending:digits}")),
    "messages-new": Sentence(
        ("n",), _same("{n:number-m} [messages-new-many]"), only=(("0", "messages-new-none"), ("1", "messages-new-one"))
    ),
    "messages-old": Sentence(
        ("n",), _same("{n:number-m} [messages-old-many]"), only=(("0", "messages-old-none"), ("1", "messages-old-one"))
    ),
    "message-when": Sentence(("day", "at"), _same("{day:date} {at:time}")),
    "message-from": Sentence(("number",), _same("[message-from] {number:digits}")),
}
"""Every sentence with a variable."""

_PHRASES: dict[str, dict[Language, str]] = {
    "wait-about": {
        "pt-BR": "Sua espera será de cerca de",
        "en": "Your wait will be about",
        "es": "Su espera será de alrededor de",
    },
    "wait-up-to": {
        "pt-BR": "Sua espera será de até",
        "en": "Your wait will be up to",
        "es": "Su espera será de hasta",
    },
    "wait-to": {"pt-BR": "a", "en": "to", "es": "a"},
    "waiting-none": {"pt-BR": "Ninguém esperando.", "en": "Nobody is waiting.", "es": "Nadie en espera."},
    "waiting-one": {"pt-BR": "Uma pessoa esperando.", "en": "One person is waiting.", "es": "Una persona en espera."},
    "waiting-many": {"pt-BR": "pessoas esperando.", "en": "people are waiting.", "es": "personas en espera."},
    "calls-none": {"pt-BR": "Nenhuma chamada hoje.", "en": "No calls today.", "es": "Ninguna llamada hoy."},
    "calls-one": {"pt-BR": "Uma chamada hoje.", "en": "One call today.", "es": "Una llamada hoy."},
    "calls-many": {"pt-BR": "chamadas hoje.", "en": "calls today.", "es": "llamadas hoy."},
    "forward-on": {
        "pt-BR": "Suas ligações serão desviadas para",
        "en": "Your calls are forwarded to",
        "es": "Sus llamadas se desvían al",
    },
    "callback-number": {
        "pt-BR": "Vamos ligar para o número",
        "en": "We will call you at",
        "es": "Le llamaremos al número",
    },
    "messages-new-none": {
        "pt-BR": "Nenhum recado novo.",
        "en": "No new messages.",
        "es": "Ningún mensaje nuevo.",
    },
    "messages-new-one": {"pt-BR": "Um recado novo.", "en": "One new message.", "es": "Un mensaje nuevo."},
    "messages-new-many": {"pt-BR": "recados novos.", "en": "new messages.", "es": "mensajes nuevos."},
    "messages-old-none": {
        "pt-BR": "Nenhum recado guardado.",
        "en": "No kept messages.",
        "es": "Ningún mensaje guardado.",
    },
    "messages-old-one": {"pt-BR": "Um recado guardado.", "en": "One kept message.", "es": "Un mensaje guardado."},
    "messages-old-many": {"pt-BR": "recados guardados.", "en": "kept messages.", "es": "mensajes guardados."},
    "message-from": {"pt-BR": "Do número", "en": "From", "es": "Del número"},
    "callback-agent": {
        "pt-BR": "Retorno ao cliente. Número com final",
        "en": "Callback. The number ends in",
        "es": "Devolución de llamada. El número termina en",
    },
}

# Heard in espeak-ng 1.52 (and so in Piper, whose phonemes come from it): at the end of a text "e" is the letter's name
# ("cento é"), and English "A M" is "uh em", but "A.M." is right.
_SPELT: dict[Language, tuple[tuple[str, str], ...]] = {
    "pt-BR": ((r"\be$", "i"),),
    "en": ((r"^A M$", "A.M."),),
    "es": (),
}
_ENDS = re.compile(r"(o\d|[a-z-]+-[1n]$|am$|pm$|noon$|midnight$)")
"""Pieces that often end a sentence: the voice may fall. All others go on: a comma keeps it up."""
_LEAD_S = 0.15  # before what begins a sentence: a phone loses the first moments while its speaker opens
_NEAR_S = 0.02
_GROUP_PAUSE_S = 0.22


def all_pieces(language: Language) -> Iterator[Piece]:
    """Every file a sentence with a value can ask for in one language; none twice."""
    first = {row_of(entry, language)[0][0] for entry in SENTENCES.values()}
    first |= {phrase for entry in SENTENCES.values() for _, phrase in entry.only}
    for name, texts in _PHRASES.items():
        text = texts[language]
        goes_on = "" if text.endswith(".") else ","
        yield Piece(name, text, text + goes_on, _LEAD_S if name in first else _NEAR_S, _NEAR_S)
    for name, text in words(language).items():
        spelt = text
        for pattern, instead in _SPELT[language]:
            spelt = re.sub(pattern, instead, spelt)
        goes_on = "" if _ENDS.match(name) else ","
        pause_s = _GROUP_PAUSE_S if name[0] == "g" else _NEAR_S
        yield Piece(f"{FOLDER}/{name}", text, spelt + goes_on, _NEAR_S, pause_s)


def say(language: Language, grammar: str, value: Value) -> Said:
    """A value alone. ``grammar`` and values: ``number-…``, ``ordinal-…``, ``year`` and nouns take an int, ``money-…``
    an int of cents, ``duration`` an int of seconds, ``time`` and ``date`` a value of datetime, ``digits`` a str.

    CannotSay when the value is out of what the grammar speaks (numbers to 999,999, ordinals to 99, years from 1000).
    """
    names = pieces(language, grammar, key_of(grammar, value))
    texts = words(language)
    return Said(tuple(f"{FOLDER}/{name}" for name in names), " ".join(texts[name] for name in names))


def sentence(name: str, language: Language, **variables: Value) -> Said:
    """A sentence of the catalogue. CannotSay when there is none of this name, or a variable is missing or too much."""
    try:
        entry = SENTENCES[name]
    except KeyError:
        raise CannotSay(f"There is no sentence “{name}” in the catalogue.") from None
    if set(variables) != set(entry.variables):
        raise CannotSay(f"The sentence “{name}” needs {', '.join(entry.variables)}; it got {', '.join(variables)}.")
    for exact, phrase in entry.only:
        if str(variables[entry.variables[0]]) == exact:
            return Said((phrase,), _PHRASES[phrase][language])
    paths: list[str] = []
    texts: list[str] = []
    for phrase, variable, grammar in row_of(entry, language):
        if phrase:
            said = Said((phrase,), _PHRASES[phrase][language])
        else:
            said = say(language, grammar, variables[variable])
        paths += said.paths
        texts.append(said.text)
    return Said(tuple(paths), " ".join(texts))


def row_of(entry: Sentence, language: Language) -> list[tuple[str, str, str]]:
    """A sentence's row: (phrase, "", "") or ("", variable, grammar), in order."""
    return re.findall(r"\[([\w-]+)\]|\{(\w+):([\w-]+)\}", entry.rows[language])


def key_of(grammar: str, value: Value) -> str:
    """The digits that a grammar's patterns match. CannotSay when the value is of the wrong kind."""
    match grammar, value:
        case "time", time():
            return f"{value.hour:02}{value.minute:02}"
        case "date", date():
            return f"{value.isoweekday() % 7}{value.year:04}{value.month:02}{value.day:02}"
        case "digits", str() if re.fullmatch(r"[0-9]+", value):
            return value
        case "duration", int() if value >= 0:
            minutes, seconds = divmod(value, 60)
            return f"{minutes // 60}{minutes % 60:02}{seconds:02}"
        case _, int() if value >= 0 and grammar not in ("time", "date", "digits"):
            return str(value)
        case _:
            raise CannotSay(f"“{value}” is nothing that “{grammar}” can say.")


def pieces(language: Language, grammar: str, key: str) -> tuple[str, ...]:
    """The names of the pieces (``words``) for the digits ``key``. CannotSay when no rule fits, or it is no grammar."""
    return (_pieces_kept if len(key) <= 3 else _pieces)(language, grammar, key)


def _pieces(language: Language, grammar: str, key: str) -> tuple[str, ...]:
    if grammar not in grammars(language):
        raise CannotSay(f"There is no grammar “{grammar}”.")
    rule = rule_of(language, grammar, key)
    if rule is None:
        raise CannotSay(f"“{key}” is out of what “{grammar}” can say.")
    names: list[str] = []
    for part in rule.parts:
        if isinstance(part, Again):
            names += pieces(language, part.grammar, key[part.start : part.end])
        else:
            names.append(part.of(key))
    return tuple(names)


_pieces_kept = functools.cache(_pieces)
