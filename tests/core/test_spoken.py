"""Numbers against num2words (``spoken_oracle.py``); what is built on numbers against each language's grammar."""

import functools
import json
import re
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramal.core import spoken
from ramal.core.office import Language
from ramal.core.spoken_rules import GENDER, MOST, Again, Name, fits, grammars
from ramal.core.spoken_words import words
from tests.core import spoken_oracle
from tests.core.spoken_oracle import BLOCK, DATA, DIGITS, FORMS, LAST, digest, plain

ORACLE = json.loads(DATA.read_text(encoding="utf-8"))
LANGUAGES = st.sampled_from(spoken.LANGUAGES)


def text(language: Language, grammar: str, value: spoken.Value) -> str:
    return spoken.say(language, grammar, value).text


@pytest.mark.parametrize("form", FORMS)
def test_every_number_to_999999_is_spelled_as_the_oracle_spells_it(form: str) -> None:
    language, _, grammar = form.partition("/")
    mine = {name: plain(each) for name, each in words(language).items()}  # type: ignore[arg-type,unused-ignore]
    wrong = []
    for start in range(0, LAST, BLOCK):
        texts = (
            " ".join([mine[name] for name in spoken.pieces(language, grammar, str(number))])  # type: ignore[arg-type]
            for number in range(start, start + BLOCK)
        )
        at = start // BLOCK * DIGITS
        if digest(texts) != ORACLE["blocks"][form][at : at + DIGITS]:
            wrong.append(start)
    assert not wrong, f"ask spoken_oracle.spell({form!r}, number) from {wrong[0]} on"


def test_the_oracles_plain_samples_are_what_we_say() -> None:
    for form, samples in ORACLE["samples"].items():
        language, _, grammar = form.partition("/")
        assert {number: plain(text(language, grammar, int(number))) for number in samples} == samples


def test_ordinals_and_english_years_are_the_oracles() -> None:
    for language, said in ORACLE["ordinals"].items():
        assert [plain(text(language, "ordinal-m", number)) for number in range(1, 100)] == said
    years = [
        digest(plain(text("en", "year", number)) for number in range(start, start + 100))
        for start in range(1000, 3000, 100)
    ]
    assert years == ORACLE["years"]


def test_the_oracle_is_put_right_by_rules_that_know_only_its_words() -> None:
    """The normalisation itself: each rule once, written out by hand."""
    right = {form: rule for form, (_, rule) in FORMS.items()}
    assert right["pt-BR/number-f"]("vinte e um mil duzentos e dois") == "vinte e uma mil duzentas e duas"
    assert right["pt-BR/number-f"]("quinhentos e catorze") == "quinhentas e quatorze"
    assert right["es/number-u"]("ciento uno mil veintiuno") == "ciento un mil veintiuno"
    assert right["es/number-m"]("veintiuno mil treinta y uno") == "veintiún mil treinta y un"
    assert right["es/number-f"]("quinientos uno mil doscientos") == "quinientas una mil doscientas"
    assert plain("Mil, duzentos e trinta-e um") == "mil duzentos e trinta e um"
    assert spoken_oracle.LAST == MOST


@pytest.mark.parametrize("language", spoken.LANGUAGES)
def test_no_value_fits_two_rules_and_every_number_fits_one(language: Language) -> None:
    for name, rules in grammars(language).items():
        for rule in rules:
            first = "".join(re.sub(r"\[(\d).*\]", r"\1", place).replace("X", "7") for place in rule.places)
            last = "".join(re.sub(r"\[.*(\d)\]", r"\1", place).replace("X", "1") for place in rule.places)
            for value in (first, last):
                assert [other for other in rules if fits(other, value)] == [rule], (name, value)


@pytest.mark.parametrize("language", spoken.LANGUAGES)
def test_every_word_is_asked_for_by_some_rule_and_every_rule_has_its_words(language: Language) -> None:
    asked = {
        part.of(value)
        for rules in grammars(language).values()
        for rule in rules
        for part in rule.parts
        if isinstance(part, Name)
        for value in _values(rule.places)
    }
    assert asked == set(words(language))
    pieces = list(spoken.all_pieces(language))
    assert len({piece.path for piece in pieces}) == len(pieces) <= 400
    assert {f"say/{name}" for name in asked} < {piece.path for piece in pieces}


def _values(places: tuple[str, ...]) -> list[str]:
    """Values of a pattern in which every digit of every place occurs, and every pair of neighbours."""
    digits = [[digit for digit in "0123456789" if _fits(place, digit)] for place in places]
    pairs = [
        (at, one, other) for at in range(len(digits)) for one in digits[at] for other in (digits[at + 1 :] or [[""]])[0]
    ]
    return [
        "".join(one if spot == at else other if spot == at + 1 else each[0] for spot, each in enumerate(digits))
        for at, one, other in pairs
    ]


def _fits(place: str, digit: str) -> bool:
    return place == "X" or re.fullmatch(place, digit) is not None


def test_every_phrase_of_every_sentence_is_there_in_every_language() -> None:
    for name, entry in spoken.SENTENCES.items():
        for language in spoken.LANGUAGES:
            row = spoken.row_of(entry, language)
            there = {piece.path for piece in spoken.all_pieces(language)}
            assert {phrase for phrase, _, _ in row if phrase} | {phrase for _, phrase in entry.only} <= there, name
            assert {variable for _, variable, _ in row if variable} == set(entry.variables), name
            assert {grammar for _, _, grammar in row if grammar} <= set(grammars(language)), name
            left = re.sub(r"\[[\w-]+\]|\{\w+:[\w-]+\}", "", entry.rows[language])
            assert not left.strip(), name


# ---- what grammars of the languages say, word by word ------------------------------------------------------

SAID: list[tuple[Language, str, spoken.Value, str]] = [
    ("pt-BR", "minute", 1, "um minuto"),
    ("pt-BR", "hour", 2, "duas horas"),
    ("pt-BR", "hour", 21, "vinte e uma horas"),
    ("pt-BR", "person", 2_202, "duas mil duzentas e duas pessoas"),
    ("pt-BR", "call", 1_100, "mil e cem chamadas"),
    ("pt-BR", "minute", 0, "zero minutos"),
    ("es", "minute", 1, "un minuto"),
    ("es", "minute", 21, "veintiún minutos"),
    ("es", "minute", 31, "treinta y un minutos"),
    ("es", "hour", 21, "veintiuna horas"),
    ("es", "person", 200_001, "doscientas mil una personas"),
    ("en", "minute", 1, "one minute"),
    ("en", "person", 1, "one person"),
    ("en", "person", 1_001, "one thousand and one people"),
    ("pt-BR", "duration", 7_500, "duas horas e cinco minutos"),
    ("es", "duration", 3_661, "una hora un minuto y un segundo"),
    ("en", "duration", 45, "forty-five seconds"),
    ("en", "duration", 0, "zero seconds"),
    ("pt-BR", "money-BRL", 100, "um real"),
    ("pt-BR", "money-BRL", 101, "um real e um centavo"),
    ("pt-BR", "money-BRL", 110_002, "mil e cem reais e dois centavos"),
    ("pt-BR", "money-BRL", 0, "zero reais"),
    ("pt-BR", "money-USD", 250, "dois dólares e cinquenta centavos"),
    ("es", "money-EUR", 2_101, "veintiún euros con un céntimo"),
    ("es", "money-USD", 50, "cincuenta centavos"),
    ("en", "money-EUR", 2_105, "twenty-one euros and five cents"),
    ("en", "money-USD", 100, "one dollar"),
    ("pt-BR", "time", time(0, 5), "zero hora e cinco minutos"),
    ("pt-BR", "time", time(1), "uma hora"),
    ("pt-BR", "time", time(14, 30), "quatorze horas e trinta minutos"),
    ("es", "time", time(1, 1), "la una y un minuto"),
    ("es", "time", time(21, 30), "las veintiuna horas y treinta minutos"),
    ("en", "time", time(0), "midnight"),
    ("en", "time", time(0, 30), "twelve thirty A M"),
    ("en", "time", time(12), "noon"),
    ("en", "time", time(12, 1), "twelve oh one P M"),
    ("en", "time", time(14, 5), "two oh five P M"),
    ("pt-BR", "date", date(2026, 5, 1), "sexta-feira primeiro de maio de dois mil e vinte e seis"),
    ("pt-BR", "date", date(1999, 3, 2), "terça-feira dois de março de mil novecentos e noventa e nove"),
    ("es", "date", date(2026, 5, 1), "viernes primero de mayo de dos mil veintiséis"),
    ("es", "date", date(2027, 12, 21), "martes veintiuno de diciembre de dos mil veintisiete"),
    ("en", "date", date(2026, 5, 1), "Friday May first twenty twenty-six"),
    ("en", "date", date(2005, 11, 23), "Wednesday November twenty third two thousand and five"),
    ("pt-BR", "ordinal-f", 21, "vigésima primeira"),
    ("es", "ordinal-f", 13, "decimotercera"),
    ("en", "ordinal-m", 12, "twelfth"),
    ("es", "digits", "102", "uno cero dos"),
]


@pytest.mark.parametrize(("language", "grammar", "value", "said"), SAID)
def test_values_are_said_as_people_say_them(language: Language, grammar: str, value: spoken.Value, said: str) -> None:
    assert text(language, grammar, value) == said


@given(LANGUAGES, st.integers(0, MOST), st.sampled_from(sorted(GENDER)))
def test_a_counted_noun_is_its_number_and_singular_only_for_one(language: Language, n: int, noun: str) -> None:
    said = text(language, noun, n)
    number = text(language, f"number-{GENDER[noun][language]}", n)
    assert said.startswith(f"{number} ")
    assert (said.removeprefix(f"{number} ") == words(language)[f"{noun}-1"]) is (n == 1)


def _count(language: Language, said: str, noun: str) -> int:
    """Reading back: how many of a noun a text says, 0 to 999 (no hearer is smarter)."""
    return _table(language, noun)[said]


@functools.cache
def _table(language: Language, noun: str) -> dict[str, int]:
    return {text(language, noun, n): n for n in range(1000)}


@settings(max_examples=60, deadline=None)
@given(LANGUAGES, st.integers(1, 100 * 3600))
def test_a_duration_can_be_read_back(language: Language, seconds: int) -> None:
    said = f" {text(language, 'duration', seconds)} "
    total = 0
    for noun, worth in (("hour", 3600), ("minute", 60), ("second", 1)):
        one, many = (words(language)[f"{noun}-{form}"] for form in "1n")
        found = re.match(rf" (?:(?:e|y|and) )?(.*?) ({one}|{many})(?= )", said)
        if found is not None:
            total += _count(language, f"{found[1]} {found[2]}", noun) * worth
            said = said[found.end() :]
    assert (total, said.strip()) == (seconds, "")


@settings(max_examples=60, deadline=None)
@given(LANGUAGES, st.integers(0, 99_999), st.sampled_from(["BRL", "EUR", "USD"]))
def test_money_can_be_read_back(language: Language, cents: int, currency: str) -> None:
    noun = {"BRL": "real", "EUR": "euro", "USD": "dollar"}[currency]
    said = text(language, f"money-{currency}", cents)
    whole, part = divmod(cents, 100)
    link = words(language)["with"]
    expected = [text(language, noun, whole)] if whole or not part else []
    expected += [text(language, f"{noun}-cent", part)] if part else []
    assert said == f" {link} ".join(expected)
    assert _count(language, expected[0], noun if whole or not part else f"{noun}-cent") == (whole or part)


@given(LANGUAGES, st.dates(date(1900, 1, 1), date(2199, 12, 31)))
def test_a_date_says_its_weekday_day_month_and_year_once_each(language: Language, day: date) -> None:
    texts = words(language)
    said = text(language, "date", day)
    assert said.startswith(texts[f"day-{day.isoweekday() % 7}"] + " ")
    assert f" {texts[f'month-{day.month:02}']} " in said
    assert said.endswith(" " + text(language, "year", day.year))
    following = day + timedelta(days=1)
    assert said != text(language, "date", following)


@pytest.mark.parametrize("language", spoken.LANGUAGES)
def test_every_minute_of_the_day_is_said_differently(language: Language) -> None:
    minutes = [(datetime(2026, 1, 1) + timedelta(minutes=n)).time() for n in range(1440)]
    assert len({text(language, "time", minute) for minute in minutes}) == 1440


@given(LANGUAGES, st.from_regex(r"[0-9]{1,15}", fullmatch=True))
def test_a_numbers_digits_are_all_said_in_order(language: Language, digits: str) -> None:
    names = [path.removeprefix("say/").removeprefix("g") for path in spoken.say(language, "digits", digits).paths]
    assert "".join(names) == digits
    assert not spoken.say(language, "digits", digits).paths[-1].startswith("say/g")


def test_a_brazilian_mobile_number_pauses_after_its_area_code_and_before_the_last_four() -> None:
    paths = spoken.say("pt-BR", "digits", "11987654321").paths
    assert [at for at, path in enumerate(paths) if path.startswith("say/g")] == [1, 6]


def test_sentences_are_whole_and_agree_with_their_value() -> None:
    said = spoken.sentence("waiting", "pt-BR", n=22)
    assert said == spoken.Said(("say/22f", "waiting-many"), "vinte e duas pessoas esperando.")
    assert spoken.sentence("waiting", "es", n=1).text == "Una persona en espera."
    assert spoken.sentence("wait-range", "es", low=21, high=31).text.endswith("de veintiuno a treinta y un minutos")
    assert spoken.sentence("wait-near", "pt-BR", high=1).paths == ("wait-about", "say/1", "say/minute-1")


@pytest.mark.parametrize(
    ("grammar", "value"),
    [
        ("number-m", MOST + 1),
        ("number-m", -1),
        ("ordinal-m", 100),
        ("ordinal-m", 0),
        ("digits", "12a"),
        ("digits", "1" * 16),
        ("time", 5),
        ("date", "today"),
        ("year", 20),
        ("miles", 3),
        ("number-m", "5"),
        ("duration", 3_600_000),
    ],
)
def test_what_cannot_be_said_is_refused_with_a_sentence(grammar: str, value: spoken.Value) -> None:
    with pytest.raises(spoken.CannotSay, match=r"\w+ \w+"):
        spoken.say("pt-BR", grammar, value)


def test_a_sentence_with_other_variables_than_its_own_is_refused() -> None:
    with pytest.raises(spoken.CannotSay, match="low, high"):
        spoken.sentence("wait-range", "en", low=1)
    with pytest.raises(spoken.CannotSay, match="no sentence"):
        spoken.sentence("no-such", "en")


def test_no_piece_ends_in_a_letter_that_the_voice_would_name() -> None:
    """espeak-ng reads a final "e" in Portuguese as the letter, and "A M" in English as "uh em"."""
    for piece in spoken.all_pieces("pt-BR"):
        assert not re.search(r"\be,?$", piece.spelt), piece
    assert next(piece.spelt for piece in spoken.all_pieces("en") if piece.path == "say/am") == "A.M."


def test_no_rule_hands_a_value_on_with_a_zero_before_it() -> None:
    for language in spoken.LANGUAGES:
        for rules in grammars(language).values():
            for rule in rules:
                for part in rule.parts:
                    if isinstance(part, Again) and part.end - part.start > 1:
                        assert not _fits(rule.places[part.start], "0"), rule
