"""Which days are holidays for an office: its country's and state's, its city's, and those of its own file.

Pure: the same for the same office, whatever the clock says. National and state days come from the ``holidays`` library
(public ones alone: days that are only customary, as carnival is in most of Brazil, or “ponto facultativo” as Corpus
Christi is for the federal offices, are days like any other until the office file lists them), those of Brazil's
capitals from ``holidays_br``, all others (municipal, bridge days) from ``[[holiday]]``.
"""

import unicodedata
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from ramal.core.holidays_br import CAPITALS, CORPUS_CHRISTI
from ramal.core.office import Holiday, Office

FIRST_YEAR, LAST_YEAR = 2000, 2099
"""The years that are known; other years have no holidays."""


@dataclass(frozen=True, slots=True)
class Holidays:
    """The holidays of one office, as a container of dates. Every year is computed when it is first asked for."""

    country: str = ""
    region: str = ""
    city: str = ""
    language: str = "en"
    own: tuple[Holiday, ...] = ()

    def name(self, day: date) -> str:
        """What is celebrated on ``day``; empty = no holiday."""
        return self.year(day.year).get(day, "")

    def year(self, year: int) -> Mapping[date, str]:
        """The holidays of one year with their names; empty outside of the years that are known."""
        return _year(self, year) if FIRST_YEAR <= year <= LAST_YEAR else {}

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and day in self.year(day.year)


def holidays_of(office: Office) -> Holidays:
    """Those of an office."""
    return Holidays(office.country, office.region, office.city, office.language, office.holidays)


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Meeus, Jones and Butcher)."""
    century, rest = divmod(year, 100)
    golden = year % 19
    epact = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - epact - rest % 4) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


@lru_cache(maxsize=256)
def _year(days: Holidays, year: int) -> Mapping[date, str]:
    found = dict(_public(days.country, days.region, days.language).get(year, {}))
    for day, name in _municipal(days, year):
        found.setdefault(day, name)
    for holiday in days.own:
        text = holiday.date if len(holiday.date) == 10 else f"{year}-{holiday.date}"
        try:
            day = date.fromisoformat(text)
        except ValueError:  # the 29th of February of a year that has none
            continue
        if day.year == year:
            found[day] = holiday.name or found.get(day, "") or text
    return dict(sorted(found.items()))


@lru_cache(maxsize=8)
def _public(country: str, region: str, language: str) -> Mapping[int, Mapping[date, str]]:
    """By year. All years at once, because a holidays object costs as much as fifty years in it."""
    import holidays  # 30 ms and a megabyte: only for an office that asks

    spoken = language.replace("-", "_")
    try:
        known = holidays.country_holidays(country)
    except NotImplementedError:  # a country the library does not know: the office file's own days remain
        return {}
    tongue = next((name for name in known.supported_languages if name.startswith(spoken)), None)
    state = region if region in known.subdivisions else None
    years = range(FIRST_YEAR, LAST_YEAR + 1)
    found: dict[int, dict[date, str]] = {year: {} for year in years}
    with warnings.catch_warnings():  # some moon calendars are known for some years only (India: to 2035)
        warnings.simplefilter("ignore")
        for day, name in holidays.country_holidays(country, subdiv=state, years=years, language=tongue).items():
            found.setdefault(day.year, {})[day] = name
    return found


def _municipal(days: Holidays, year: int) -> list[tuple[date, str]]:
    if days.country != "BR" or not days.city:
        return []
    wanted = _folded(days.city)
    for code, (state, city, listed) in CAPITALS.items():
        # Another state may have a city of the same name: Palmas of Paraná is not the capital of Tocantins.
        if wanted in (code, _folded(city)) and days.region in ("", state):
            return [(_day(text, year), name) for text, name in listed]
    return []


def _day(text: str, year: int) -> date:
    return easter(year) + timedelta(days=60) if text == CORPUS_CHRISTI else date.fromisoformat(f"{year}-{text}")


def _folded(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return " ".join(plain.lower().split())
