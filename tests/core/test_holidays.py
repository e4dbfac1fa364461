"""Holidays against sources that have nothing to do with ours: another algorithm for Easter, and dates by hand."""

import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta

import pytest

from ramal.core.holidays_br import CAPITALS, CORPUS_CHRISTI
from ramal.core.holidays_known import FIRST_YEAR, LAST_YEAR, Holidays, easter, holidays_of
from ramal.core.office import Holiday, Office
from ramal.core.office_takes import BR_REGIONS

FIXED = [(1, 1), (4, 21), (5, 1), (9, 7), (10, 12), (11, 2), (11, 15), (12, 25)]


def gauss(year: int) -> date:
    """Easter as Gauss computed it, for 1900 to 2099, with his two exceptions: not our algorithm, nor the library's."""
    lunar = (19 * (year % 19) + 24) % 30
    weekday = (2 * (year % 4) + 4 * (year % 7) + 6 * lunar + 5) % 7
    if lunar == 29 and weekday == 6:
        return date(year, 4, 19)
    if lunar == 28 and weekday == 6 and year % 19 > 10:
        return date(year, 4, 18)
    return date(year, 3, 22) + timedelta(days=lunar + weekday)


def test_easter_is_that_of_gauss_for_two_centuries() -> None:
    assert [easter(year) for year in range(1900, 2100)] == [gauss(year) for year in range(1900, 2100)]
    assert easter(2026) == date(2026, 4, 5)
    assert easter(2038) == date(2038, 4, 25)


def test_brazils_national_holidays_are_those_of_the_law_for_a_century() -> None:
    brazil = Holidays("BR", language="pt-BR")
    for year in range(2000, 2100):
        expected = {date(year, month, day) for month, day in FIXED} | {gauss(year) - timedelta(days=2)}
        if year >= 2024:  # law 14.759 of 2023
            expected.add(date(year, 11, 20))
        assert set(brazil.year(year)) == expected, year
    assert (FIRST_YEAR, LAST_YEAR) == (2000, 2099)


def test_carnival_and_corpus_christi_are_worked_unless_they_are_listed() -> None:
    brazil = Holidays("BR", "MG", "Contagem", "pt-BR")
    carnival, corpus_christi = date(2026, 2, 17), date(2026, 6, 4)
    assert carnival not in brazil
    assert corpus_christi not in brazil
    listed = replace(brazil, own=(Holiday("2026-02-17", "Carnaval"),))
    assert listed.name(carnival) == "Carnaval"
    assert corpus_christi in replace(brazil, city="Belo Horizonte")


@pytest.mark.parametrize(
    ("region", "city", "day", "holiday"),
    [
        ("SP", "", date(2026, 7, 9), True),
        ("RJ", "", date(2026, 7, 9), False),
        ("SP", "São Paulo", date(2026, 1, 25), True),
        ("SP", "sao  paulo", date(2026, 1, 25), True),
        ("", "3550308", date(2027, 1, 25), True),
        ("SP", "Campinas", date(2026, 1, 25), False),
        ("TO", "Palmas", date(2026, 5, 20), True),
        ("PR", "Palmas", date(2026, 5, 20), False),
        ("RJ", "Rio de Janeiro", date(2026, 1, 20), True),
        ("PE", "Recife", date(2026, 7, 16), True),
        ("MG", "Belo Horizonte", date(2027, 5, 27), True),
    ],
)
def test_a_state_and_a_capital_have_their_own(region: str, city: str, day: date, holiday: bool) -> None:
    assert (day in Holidays("BR", region, city, "pt-BR")) is holiday


def test_the_list_of_capitals_is_one_city_a_state_and_every_day_is_a_date() -> None:
    assert sorted(state for state, _, _ in CAPITALS.values()) == sorted(BR_REGIONS)
    assert all(len(code) == 7 and code.isdigit() for code in CAPITALS)
    for _, _, days in CAPITALS.values():
        assert len({text for text, _ in days}) == len(days)
        assert all(text == CORPUS_CHRISTI or date.fromisoformat(f"2026-{text}") for text, _ in days)


def test_the_offices_own_days_stand_for_a_year_or_for_every_year() -> None:
    office = Office("X", country="XX", holidays=(Holiday("2026-03-19"), Holiday("02-29", "Bissexto"), Holiday("06-13")))
    days = holidays_of(office)
    assert [day for year in (2026, 2027, 2028) for day in days.year(year)] == [
        date(2026, 3, 19), date(2026, 6, 13), date(2027, 6, 13), date(2028, 2, 29), date(2028, 6, 13),
    ]  # fmt: skip
    assert days.name(date(2028, 2, 29)) == "Bissexto"


def test_names_are_in_the_offices_language_where_the_library_has_it() -> None:
    day = date(2026, 12, 25)
    assert Holidays("BR", language="pt-BR").name(day) == "Natal"
    assert Holidays("BR", language="en").name(day) == "Christmas Day"
    assert Holidays("PT", language="pt-BR").name(day)
    assert Holidays("ES", language="es").name(date(2026, 10, 12)) == "Fiesta Nacional de España"


def test_other_countries_move_days_as_their_laws_do() -> None:
    # Saturday 4 July 2026 is kept on Friday; the early May bank holiday is a Monday; Good Friday is none in France.
    assert {date(2026, 7, 3), date(2026, 7, 4), date(2026, 11, 26)} <= set(Holidays("US").year(2026))
    assert date(2026, 5, 4) in Holidays("GB", "ENG")
    assert date(2026, 4, 3) not in Holidays("FR")


def test_years_that_are_not_known_have_no_holidays() -> None:
    assert date(1970, 1, 1) not in Holidays("BR")
    assert date(2150, 1, 1) not in Holidays("BR")


def test_nothing_that_starts_often_pays_for_the_library() -> None:
    code = "import sys, ramal.cli, ramal.app, ramal.core.holidays_known; sys.exit('holidays' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
