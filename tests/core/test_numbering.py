"""Every usual spelling of a number becomes one form; what is no public number becomes none."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.core.numbering import area_of, bare, national, normalise, rules
from ramal.core.ring_name import caller_of

MARIA = "+5511987654321"
AREAS = ("11", "12", "19", "21", "24", "27", "28", "31", "38", "41", "47", "49", "51", "53", "54", "55", "61", "68")
AREAS += ("71", "75", "79", "81", "85", "91", "99")


@st.composite
def brazilian(draw: st.DrawFn) -> str:
    """A mobile or fixed number of Brazil, E.164."""
    area = draw(st.sampled_from(AREAS))
    mobile = draw(st.booleans())
    first = "9" + draw(st.sampled_from("6789")) if mobile else draw(st.sampled_from("2345"))
    return f"+55{area}{first}{draw(st.integers(0, 9_999_999)):07}"


def spellings_of_brazil(e164: str, area: str) -> list[str]:
    """How people and providers write a Brazilian number."""
    place, local = e164[3:5], e164[5:]
    forms = [e164, e164[1:], place + local, f"0{place}{local}", f"+550{place}{local}", f"0055{place}{local}"]
    forms += [f"0{carrier}{place}{local}" for carrier in ("15", "21", "31", "41", "14", "99")]
    forms += [
        f"({place}) {local[:-4]}-{local[-4:]}",
        f"+55 {place} {local[:-4]}-{local[-4:]}",
        f"90 15 {place} {local}",
    ]
    if len(local) == 9:  # from before the ninth digit
        forms += [place + local[1:], f"0{place}{local[1:]}", f"55{place}{local[1:]}", f"+55{place}{local[1:]}"]
    if place == area and not local.startswith(("300", "303", "400", "402", "437", "486")):
        forms += [local, local[1:]] if len(local) == 9 else [local]
    return forms


@given(brazilian(), st.sampled_from(AREAS))
def test_all_spellings_of_a_brazilian_number_meet(e164: str, area: str) -> None:
    for spelling in spellings_of_brazil(e164, area):
        assert normalise(spelling, "BR", area) == e164, spelling


@pytest.mark.parametrize(
    "spelling",
    ["+5511987654321", "011 98765-4321", "0 15 11 98765 4321", "1187654321", "98765-4321", "(11) 98765.4321"],
)
def test_the_spellings_named_in_the_issue_meet(spelling: str) -> None:
    assert normalise(spelling, "BR", "11") == MARIA


@pytest.mark.parametrize(
    "text",
    [
        *("", "+", "190", "0800 123 4567", "08001234567", "4004-1234", "anonymous", "joao11987654321", "*43"),
        *("119#87654321", "+5511", "+55119876543210", "11 98765 43211 22", "9" * 60, "+" + "9" * 30),
        *("+1+5511987654321", "１１987654321"),
    ],
)
def test_what_is_no_public_number_has_no_normal_form(text: str) -> None:
    assert normalise(text, "BR", "11") == ""


def test_numbers_from_abroad_are_known_by_plus_by_00_and_by_a_carrier() -> None:
    for spelling in ("+1 415 555 2671", "001 415 555 2671", "00 15 1 415 555 2671"):
        assert normalise(spelling, "BR", "11") == "+14155552671"
    assert normalise("00351 912 345 678", "BR") == "+351912345678"
    assert normalise("0043 664 1234567", "BR") == "+436641234567"


def test_without_an_area_local_numbers_stay_what_they_are() -> None:
    assert normalise("98765-4321", "BR") == ""


def test_the_area_is_that_of_the_offices_number_in_brazil_only() -> None:
    assert area_of("+551133330000", "BR") == "11"
    assert area_of("+351211234567", "PT") == ""
    assert area_of("+14155552671", "BR") == ""


COUNTRIES = sorted(set(phonenumbers.SUPPORTED_REGIONS) - {"BR"})
KINDS = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)


@pytest.mark.parametrize("country", COUNTRIES)
def test_elsewhere_a_number_is_known_by_plus_by_its_country_and_by_its_national_form(country: str) -> None:
    plan = phonenumbers.PhoneMetadata.metadata_for_region(country)
    assert plan is not None
    for kind in KINDS:
        example = phonenumbers.example_number_for_type(country, kind)
        if example is None:
            continue
        e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        own = phonenumbers.national_significant_number(example)
        far = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
        for spelling in (e164, e164[1:], f"{plan.national_prefix or ''}{own}", far):
            assert normalise(spelling, country) == e164, spelling
        assert normalise("+14155552671", country) == "+14155552671"


@given(st.text(max_size=60), st.sampled_from(["BR", "PT", "US", "DE", "AR"]))
def test_any_text_is_a_number_or_none(text: str, country: str) -> None:
    found = normalise(text, country, "11")
    assert found == "" or (found[0] == "+" and found[1:].isascii() and found[1:].isdigit() and 8 <= len(found) <= 16)
    assert found == "" or normalise(found, country, "11") == found


@given(st.text("+0123456789 -().", max_size=24))
def test_a_normal_form_is_the_normal_form_of_itself(text: str) -> None:
    found = normalise(text, "BR", "11")
    assert normalise(found, "BR", "11") == found


def test_numbers_are_shown_as_people_at_home_write_them() -> None:
    assert national(MARIA, "BR") == "(11) 98765-4321"
    assert national("+14155552671", "BR") == "+1 415-555-2671"
    assert national("anonymous", "BR") == "anonymous"
    assert national("190", "BR") == "190"


def test_no_rule_says_what_posix_expressions_cannot() -> None:
    for country in ("BR", *COUNTRIES):
        for rule in rules(country, "11"):
            assert "\\" not in rule.pattern
            assert "(?" not in rule.pattern
            assert '"' not in rule.pattern


def test_separators_do_not_count_and_letters_do() -> None:
    assert bare(" +55 (11) 98765-4321") == MARIA
    assert bare("11/98765.4321") == "11987654321"
    assert bare("11a") == ""


def test_the_callers_own_name_is_found_in_what_phones_are_shown() -> None:
    assert caller_of("Maria Souza · Vendas · Vendido", "+5511987654321") == "Maria Souza"
    assert caller_of("+5511987654321 · Vendas", "+5511987654321") == ""
    assert caller_of("Maria", "+5511987654321") == "Maria"
