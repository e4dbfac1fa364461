"""A desk phone from its box's file to its first call: the page's process gives each family its file, a parser of that
format takes the account out of it, and a real phone registers with nothing else at a real Asterisk."""

import http.client
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from ramal.provision import MODELS
from ramal.provision.keys import keys
from ramal.virtual.phone import Account, Phone
from tests.provision.readers import READERS, Told, asked_for
from tests.system import box
from tests.system.box import TestBox
from tests.until import until
from tests.web.conftest import Served

pytestmark = pytest.mark.system

MACS = {model: f"0015650000{place:02X}" for place, model in enumerate(MODELS, start=1)}
EXTENSIONS = {model: str(200 + place) for place, model in enumerate(MODELS, start=1)}
OFFICE = """
[office]
name = "Mesas"
language = "es"
parking_slots = 3

[[hours]]
name = "shop"
open = "all 00:00-24:00"

[[agent]]
code = "7"
name = "Ana"
pin = "4711"
phone = "201"
""" + "".join(
    f'\n[[phone]]\nextension = "{EXTENSIONS[model]}"\nname = "Mesa & {model}"\n'
    f'mac = "{MACS[model]}"\nmodel = "{model}"\n'
    f'secret = "s{EXTENSIONS[model]}&\'%~T9wQzL"\n'
    for model in MODELS
)


@pytest.fixture(scope="module")
def office() -> Iterator[TestBox]:
    with (
        tempfile.TemporaryDirectory(prefix="ramal-desks-") as folder,
        box.running(Path(folder), OFFICE) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def page(office: TestBox) -> Iterator[Served]:
    until(lambda: len(office.rows("SELECT 1 FROM phone_file")) == len(MODELS), 20, "the phones are known")
    served = Served(SimpleNamespace(home=office.home))  # type: ignore[arg-type]
    yield served
    served.stop()


def fetched(page: Served, model: str) -> Told:
    """What a phone of that family learns when it is switched on for the first time."""
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=15)
    try:
        connection.request("GET", f"/provision/{asked_for(model, MACS[model])}")
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    assert answer.status == 200, text
    return READERS[model](text)


@pytest.mark.parametrize("model", MODELS)
def test_a_phone_registers_with_what_stands_in_its_file(
    office: TestBox, page: Served, model: str, tmp_path: Path
) -> None:
    told = fetched(page, model)
    assert told.host == "127.0.0.1"
    assert told.port == office.settings.sip_port
    account = Account(told.user, told.secret, host=told.host, port=told.port)
    with Phone(tmp_path / "desk", told.user, account) as desk:
        desk.wait_registered(15)
        until(lambda: "Avail" in office.command(f"pjsip show aor {EXTENSIONS[model]}"), 10, "Asterisk sees the phone")
        until(lambda: registered(office, EXTENSIONS[model]), 10, "the list says so")


def registered(office: TestBox, extension: str) -> bool:
    rows = office.control("phones.list")["phones"]
    return next(bool(row["registered"]) for row in rows if row["extension"] == extension)


def test_every_lamp_of_a_phone_is_one_that_asterisk_lights_and_every_key_can_be_dialed(office: TestBox) -> None:
    lit = set(re.findall(r"^\s*([\w-]+)@hints\s", office.command("core show hints"), re.MULTILINE))
    for phone in office.office.phones:
        wanted = keys(office.office, phone)
        assert len(wanted) >= 8
        assert {key.value for key in wanted if key.kind == "lamp"} <= lit
        for key in wanted:
            shown = office.command(f"dialplan show {key.value}@phone")
            assert "no existence" not in shown, key.value
