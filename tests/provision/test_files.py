"""The files desk phones get: whole ones to look at, and every office's and every name's to be read back."""

import os
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ramal.core.office import Agent, Hours, Office, Phone, PhoneModel
from ramal.provision import MODELS, files
from ramal.provision.handset import Handset, Key
from ramal.provision.keys import KEYS, keys
from ramal.provision.zones import Turn, Zone, zone
from tests.core.offices import offices, secrets
from tests.provision.readers import READERS, asked_for

GOLDEN = Path(__file__).parent / "golden"
MAC = "001565AABBCC"
LISBON = zone("Europe/Lisbon", 2026)
PHONE = Handset(
    "yealink",
    MAC,
    "201",
    "k3hT9wQzL2vM&<>'%",
    "Balcão",
    "10.0.0.5",
    5060,
    "http://10.0.0.5:8080/provision/0123456789abcdef0123456789abcdef",
    "abcdefgh23456777",
    "pt-BR",
    zone("America/Sao_Paulo", 2026),
    (
        Key("lamp", "in-7", "Logado"),
        Key("dial", "*45", "Entrar"),
        Key("lamp", "701", "Espera 701"),
        Key("lamp", "202", "Zé & “João”", pick_up=True),
    ),
)
HOSTILE = (
    "a\r\naccount.1.auto_answer = 1",
    "</P3><P2>owned</P2>",
    '" perm="RW">&#0;]]>',
    "%NULL%",
    "# no name",
    "x\u2028y\x1b[31m\x00",
    "\U0001f600 اسم",
    "   ",
    "",
)


def only(handset: Handset) -> tuple[str, str]:
    """The one file of a phone: its name and its text."""
    ((name, text),) = files(handset).items()
    return name, text


def test_every_model_of_the_office_file_has_its_files_and_a_reader() -> None:
    assert set(MODELS) == set(READERS) == set(get_args(PhoneModel))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("summer", [False, True], ids=["plain", "summer"])
def test_the_whole_file_is_the_one_that_was_reviewed(model: PhoneModel, summer: bool) -> None:
    handset = replace(PHONE, model=model)
    if summer:
        handset = replace(handset, zone=LISBON, language="es", server="fd00::5", name="")
    name, text = only(handset)
    golden = GOLDEN / f"{model}{'-summer' if summer else ''}.txt"
    if os.environ.get("RAMAL_WRITE_GOLDENS"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
    assert name == asked_for(model, MAC).lower()


@pytest.mark.parametrize("model", MODELS)
def test_a_phone_finds_its_account_and_where_to_ask_again(model: PhoneModel) -> None:
    told = READERS[model](only(replace(PHONE, model=model))[1])
    assert (told.user, told.secret, told.host, told.port) == ("201", PHONE.secret, "10.0.0.5", 5060)
    assert (told.expires_s, told.name, told.admin_password) == (300, "Balcão", PHONE.admin_password)
    assert told.next_url == PHONE.base_url + "/"
    assert told.keys == ("in-7", "*45", "701", "202")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_changes_nothing_but_the_name(model: PhoneModel, name: str) -> None:
    keys = (Key("lamp", "202", name, pick_up=True), Key("lamp", "203", name))
    told = READERS[model](only(replace(PHONE, model=model, name=name, keys=keys))[1])
    plain = READERS[model](only(replace(PHONE, model=model, keys=keys))[1])
    assert replace(told, name="") == replace(plain, name="")
    assert told.name.isprintable()
    assert told.name.strip()
    assert model != "yealink" or not told.name.startswith("%")  # which takes %NULL% for “nothing”


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(offices(), st.sampled_from(list(MODELS)))
def test_every_phone_of_every_office_reads_its_own_account(office: Office, model: PhoneModel) -> None:
    for phone in office.phones:
        handset = replace(
            PHONE,
            model=model,
            extension=phone.extension,
            secret=phone.secret,
            name=phone.name,
            language=office.language,
            zone=zone(office.timezone, 2026),
            keys=keys(office, phone),
        )
        told = READERS[model](only(handset)[1])
        assert (told.user, told.secret) == (phone.extension, phone.secret)
        assert told.keys == tuple(key.value for key in handset.keys)[: len(told.keys)]
        assert len(told.keys) >= min(len(handset.keys), 7)


@given(secrets, st.sampled_from(list(MODELS)))
def test_every_secret_reaches_the_phone_as_it_is(secret: str, model: PhoneModel) -> None:
    assert READERS[model](only(replace(PHONE, model=model, secret=secret))[1]).secret == secret


def test_a_phone_of_an_agent_gets_the_agents_lamps_first_and_its_colleagues_last() -> None:
    phones = tuple(Phone(str(200 + n), "secret", f"Mesa {n}") for n in range(1, 40))
    office = Office("X", phones=phones, agents=(Agent("7", "Ana", "1234", "201"),), hours=(Hours("shop", ()),))
    got = keys(office, phones[0])
    assert [key.value for key in got[:6]] == ["in-7", "pause-7", "wrap-7", "missed-7", "card-7", "night-shop"]
    assert [key.value for key in got[6:11]] == ["701", "702", "703", "202", "203"]
    assert len(got) == KEYS
    assert [key.pick_up for key in got] == [False] * 9 + [True] * 11
    assert [key.value for key in keys(office, phones[1])[:4]] == ["*45", "*46", "*47", "*48"]
    assert "202" not in [key.value for key in keys(office, phones[1])]


@pytest.mark.parametrize(
    ("name", "found", "posix"),
    [
        ("America/Sao_Paulo", Zone(-10800), "STD+3"),
        ("UTC", Zone(0), "STD+0"),
        ("Asia/Kolkata", Zone(19800), "STD-5:30"),
        ("Europe/Lisbon", Zone(0, 3600, Turn(3, 5, 6, 60), Turn(10, 5, 6, 120)), "STD+0DST-1,M3.5.0/1,M10.5.0/2"),
        (
            "America/New_York",
            Zone(-18000, 3600, Turn(3, 2, 6, 120), Turn(11, 1, 6, 120)),
            "STD+5DST+4,M3.2.0/2,M11.1.0/2",
        ),
        (
            "Australia/Sydney",
            Zone(36000, 3600, Turn(10, 1, 6, 120), Turn(4, 1, 6, 180)),
            "STD-10DST-11,M10.1.0/2,M4.1.0/3",
        ),
        ("Europe/Dublin", Zone(0, 3600, Turn(3, 5, 6, 60), Turn(10, 5, 6, 120)), "STD+0DST-1,M3.5.0/1,M10.5.0/2"),
        (
            "Australia/Lord_Howe",
            Zone(37800, 1800, Turn(10, 1, 6, 120), Turn(4, 1, 6, 120)),
            "STD-10:30DST-11,M10.1.0/2,M4.1.0/2",
        ),
    ],
)
def test_a_time_zone_is_told_by_its_offset_and_its_rules(name: str, found: Zone, posix: str) -> None:
    assert zone(name, 2026) == found
    assert found.posix == posix


@pytest.mark.parametrize("year", [2024, 2026, 2027])
def test_every_time_zone_of_the_world_can_be_told(year: int) -> None:
    for name in ("Africa/Casablanca", "America/Santiago", "Asia/Tehran", "Asia/Gaza", "Pacific/Chatham", "Etc/GMT+3"):
        told = zone(name, year)
        assert (told.starts is None) == (told.ends is None) == (told.save_s == 0)
        assert len(told.posix) <= 64
