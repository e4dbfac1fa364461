"""A box is set up in the page: its office's file is shown, checked, put into force; mistakes change nothing."""

import io
from typing import Any

import pytest
from flask.testing import FlaskClient

from ramal.core import office_file
from ramal.core.office_file import OfficeRefused
from ramal_web.office import views
from ramal_web.office.views import example
from tests.web.box import Box
from tests.web.test_door import enter, token

SECRET = "s" * 24


@pytest.fixture
def files(box: Box, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What came into force, by the product's own reader of offices."""
    taken: list[str] = []
    usual = box.daemon._answer

    def answer(request: Any) -> Any:
        if request.do == "office":
            return {"toml": '[office]\nname = "Sol & <b>Lua</b>"\n'}
        if request.do == "apply":
            office_file.read(request.text("toml"), request.text("file"), lambda: SECRET)
            taken.append(request.text("toml"))
            return {"changes": ["queue vendas: new"], "reloaded": [], "warnings": []}
        return usual(request)

    monkeypatch.setattr(box.daemon, "_answer", answer)
    box.daemon.names += ("office", "apply")
    box.daemon.stop()
    box.daemon.start()
    return taken


def send(client: FlaskClient, **data: Any) -> Any:
    return client.post("/office", data={"csrf": token(client, "/office")} | data)


def test_the_example_is_an_office_of_desk_phones_that_can_be_put_into_force(
    box: Box, client: FlaskClient, files: list[str]
) -> None:
    enter(client)
    page = client.get("/office?start=example").get_data(as_text=True)
    assert "Meu escritório" in page
    assert send(client, text=example().replace("\n", "\r\n")).status_code == 303
    assert files == [example()]
    made = office_file.read(example(), "first.toml", lambda: SECRET)
    assert {phone.extension for phone in made.phones if not phone.virtual} == {"201", "202"}
    assert box.daemon.asked_for("audit")[-1]["what"] == "office.applied"


def test_the_office_in_force_is_shown_and_downloaded(box: Box, client: FlaskClient, files: list[str]) -> None:
    enter(client)
    assert "Sol &amp; &lt;b&gt;Lua" in client.get("/office").get_data(as_text=True)
    got = client.get("/office.toml")
    assert got.get_data(as_text=True).startswith("[office]")
    assert got.headers["Cache-Control"] == "no-store"
    assert box.daemon.asked_for("audit")[-1]["what"] == "office.downloaded"


def test_a_file_is_sent(client: FlaskClient, files: list[str]) -> None:
    enter(client)
    file = (io.BytesIO(b"\xef\xbb\xbf" + example().encode()), "loja.toml")
    assert send(client, file=file).status_code == 303
    assert files == [example()]


def test_mistakes_are_shown_by_line_beside_the_text_and_change_nothing(client: FlaskClient, files: list[str]) -> None:
    wrong = example().replace('phone = "201"', 'phone = "299"')
    with pytest.raises(OfficeRefused):
        office_file.read(wrong, "x", lambda: SECRET)
    enter(client)
    answer = send(client, text=wrong)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'id="problems"' in page
    assert "299" in page.partition('id="problems"')[2].partition("</table>")[0]
    assert "Meu escritório" in page.partition("<textarea")[2], "what was typed is not lost"
    assert files == []


@pytest.mark.parametrize("data", [b"", b" \n", b"\xff\x00", b"#" * 4001], ids=["none", "blank", "no text", "long"])
def test_what_is_no_office_is_refused(
    client: FlaskClient, files: list[str], monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(views, "TEXT_MAX", 4000)
    enter(client)
    assert send(client, file=(io.BytesIO(data), "x.toml")).status_code == 422
    assert files == []


def test_only_the_owner_sees_it_because_it_holds_passwords(box: Box, client: FlaskClient, files: list[str]) -> None:
    for path in ("/office", "/office.toml"):
        assert client.get(path).status_code in (302, 303, 401)
    box.sql("UPDATE user SET role = 'supervisor' WHERE name = 'owner'")
    enter(client)
    for path in ("/office", "/office.toml"):
        assert client.get(path).status_code == 403
