"""The words of spoken values in each language: the text of every piece that a rule of ``spoken_rules`` names.

Law: pure; tables and the few functions that spell them. Pieces are named as in ``spoken_rules``: ``21``, ``21f``,
``200-then`` (something follows: "duzentos e"), ``o1`` (first), ``g5`` (a five that ends a group), ``minute-n``.
"""

import functools
from collections.abc import Iterator, Mapping

from ramal.core.office import Language

_UNITS: dict[Language, tuple[str, ...]] = {
    "pt-BR": (
        *("zero", "um", "dois", "três", "quatro", "cinco", "seis", "sete", "oito", "nove", "dez", "onze", "doze"),
        *("treze", "quatorze", "quinze", "dezesseis", "dezessete", "dezoito", "dezenove"),
    ),
    "en": (
        *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
        *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
    ),
    "es": (
        *("cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez", "once", "doce"),
        *("trece", "catorce", "quince", "dieciséis", "diecisiete", "dieciocho", "diecinueve", "veinte", "veintiuno"),
        *("veintidós", "veintitrés", "veinticuatro", "veinticinco", "veintiséis", "veintisiete", "veintiocho"),
        "veintinueve",
    ),
}
_TENS: dict[Language, tuple[str, ...]] = {
    "pt-BR": ("vinte", "trinta", "quarenta", "cinquenta", "sessenta", "setenta", "oitenta", "noventa"),
    "en": ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"),
    "es": ("veinte", "treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa"),
}
_TENS_AND: dict[Language, str] = {"pt-BR": " e ", "en": "-", "es": " y "}
_HUNDREDS: dict[Language, tuple[str, ...]] = {
    "pt-BR": (
        *("duzentos", "trezentos", "quatrocentos", "quinhentos", "seiscentos", "setecentos", "oitocentos"),
        "novecentos",
    ),
    "es": (
        *("doscientos", "trescientos", "cuatrocientos", "quinientos", "seiscientos", "setecientos", "ochocientos"),
        "novecientos",
    ),
    "en": tuple(f"{word} hundred" for word in _UNITS["en"][2:10]),
}
_HUNDRED: dict[Language, tuple[str, str]] = {
    "pt-BR": ("cem", "cento e"),
    "en": ("one hundred", "one hundred and"),
    "es": ("cien", "ciento"),
}
_ORDINALS: dict[Language, tuple[str, ...]] = {
    "pt-BR": ("primeiro", "segundo", "terceiro", "quarto", "quinto", "sexto", "sétimo", "oitavo", "nono"),
    "en": (
        *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh"),
        *("twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth"),
    ),
    "es": (
        *("primero", "segundo", "tercero", "cuarto", "quinto", "sexto", "séptimo", "octavo", "noveno", "décimo"),
        *("undécimo", "duodécimo", "decimotercero", "decimocuarto", "decimoquinto", "decimosexto", "decimoséptimo"),
        *("decimoctavo", "decimonoveno"),
    ),
}
_ORDINAL_TENS: dict[Language, tuple[str, ...]] = {
    "pt-BR": (
        *("décimo", "vigésimo", "trigésimo", "quadragésimo", "quinquagésimo", "sexagésimo", "septuagésimo"),
        *("octogésimo", "nonagésimo"),
    ),
    "en": ("", "twentieth", "thirtieth", "fortieth", "fiftieth", "sixtieth", "seventieth", "eightieth", "ninetieth"),
    "es": (
        *("", "vigésimo", "trigésimo", "cuadragésimo", "quincuagésimo", "sexagésimo", "septuagésimo", "octogésimo"),
        "nonagésimo",
    ),
}
_MONTHS: dict[Language, tuple[str, ...]] = {
    "pt-BR": (
        *("janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro"),
        *("novembro", "dezembro"),
    ),
    "en": (
        *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
        *("November", "December"),
    ),
    "es": (
        *("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre"),
        *("noviembre", "diciembre"),
    ),
}
_MONTH: dict[Language, str] = {"pt-BR": "de {}", "en": "{}", "es": "de {}"}
_DAYS: dict[Language, tuple[str, ...]] = {
    "pt-BR": ("domingo", "segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado"),
    "en": ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"),
    "es": ("domingo", "lunes", "martes", "miércoles", "jueves", "viernes", "sábado"),
}
_NOUNS: dict[str, dict[Language, tuple[str, str]]] = {
    "second": {"pt-BR": ("segundo", "segundos"), "en": ("second", "seconds"), "es": ("segundo", "segundos")},
    "minute": {"pt-BR": ("minuto", "minutos"), "en": ("minute", "minutes"), "es": ("minuto", "minutos")},
    "hour": {"pt-BR": ("hora", "horas"), "en": ("hour", "hours"), "es": ("hora", "horas")},
    "day": {"pt-BR": ("dia", "dias"), "en": ("day", "days"), "es": ("día", "días")},
    "person": {"pt-BR": ("pessoa", "pessoas"), "en": ("person", "people"), "es": ("persona", "personas")},
    "call": {"pt-BR": ("chamada", "chamadas"), "en": ("call", "calls"), "es": ("llamada", "llamadas")},
    "message": {"pt-BR": ("recado", "recados"), "en": ("message", "messages"), "es": ("mensaje", "mensajes")},
    "real": {"pt-BR": ("real", "reais"), "en": ("real", "reals"), "es": ("real", "reales")},
    "real-cent": {"pt-BR": ("centavo", "centavos"), "en": ("cent", "cents"), "es": ("centavo", "centavos")},
    "euro": {"pt-BR": ("euro", "euros"), "en": ("euro", "euros"), "es": ("euro", "euros")},
    "euro-cent": {"pt-BR": ("centavo", "centavos"), "en": ("cent", "cents"), "es": ("céntimo", "céntimos")},
    "dollar": {"pt-BR": ("dólar", "dólares"), "en": ("dollar", "dollars"), "es": ("dólar", "dólares")},
    "dollar-cent": {"pt-BR": ("centavo", "centavos"), "en": ("cent", "cents"), "es": ("centavo", "centavos")},
}
_LITTLE: dict[Language, dict[str, str]] = {
    "pt-BR": {"1000": "mil", "1000-then": "mil e", "and": "e", "with": "e", "of": "de"},
    "en": {
        "1000": "thousand",
        "1000-then": "thousand and",
        "hundred": "hundred",
        "oh": "oh",
        "and": "and",
        "with": "and",
        "am": "A M",
        "pm": "P M",
        "noon": "noon",
        "midnight": "midnight",
    },
    "es": {"1000": "mil", "and": "y", "with": "con", "of": "de", "las": "las", "la-una": "la una"},
}


def _feminine(word: str) -> str:
    """Of a word that agrees in all its parts ("vigésimo primeiro" is two pieces)."""
    return word.removesuffix("os") + "as" if word.endswith("os") else word.removesuffix("o") + "a"


def _below_100(language: Language) -> Iterator[tuple[str, str]]:
    units, tens = _UNITS[language], _TENS[language]
    for number in range(100):
        if number < len(units):
            word = units[number]
        else:
            ten, unit = divmod(number, 10)
            word = tens[ten - 2] + (_TENS_AND[language] + units[unit] if unit else "")
        yield str(number), word
        if language == "pt-BR" and number % 10 in (1, 2) and number not in (11, 12):
            yield f"{number}f", word.removesuffix("um").removesuffix("dois") + ("uma" if number % 10 == 1 else "duas")
        if language == "es" and number % 10 == 1 and number != 11:
            yield f"{number}f", f"{word.removesuffix('o')}a"
            yield f"{number}m", "veintiún" if number == 21 else word.removesuffix("o")


def _hundreds(language: Language) -> Iterator[tuple[str, str]]:
    yield "100", _HUNDRED[language][0]
    yield "100-then", _HUNDRED[language][1]
    for digit, word in enumerate(_HUNDREDS[language], start=2):
        forms = {"": word} if language == "en" else {"": word, "f": _feminine(word)}
        for form, said in forms.items():
            yield f"{digit}00{form}", said
            if language != "es":
                yield f"{digit}00{form}-then", f"{said} {'and' if language == 'en' else 'e'}"


def _ordinals(language: Language) -> Iterator[tuple[str, str]]:
    words = {str(number): word for number, word in enumerate(_ORDINALS[language], start=1)}
    words |= {f"{ten}0": word for ten, word in enumerate(_ORDINAL_TENS[language], start=1) if word}
    for name, word in words.items():
        yield f"o{name}", word
        if language != "en":
            yield f"o{name}f", _feminine(word)


@functools.cache
def words(language: Language) -> Mapping[str, str]:
    """Every piece of the language's rules: name to text."""
    numbers = dict(_below_100(language))
    return {
        **numbers,
        **{f"g{digit}": numbers[str(digit)] for digit in range(10)},
        **dict(_hundreds(language)),
        **dict(_ordinals(language)),
        **{f"month-{number:02}": _MONTH[language].format(word) for number, word in enumerate(_MONTHS[language], 1)},
        **{f"day-{number}": word for number, word in enumerate(_DAYS[language])},
        **{
            f"{noun}-{form}": word
            for noun, said in _NOUNS.items()
            for form, word in zip("1n", said[language], strict=True)
        },
        **_LITTLE[language],
    }
