"""The page of requests about a person's data: the owner alone, the password again, and the zip that is handed out."""

import io
import json
import os
import zipfile
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from werkzeug.test import TestResponse

from ramal.box.home import Home
from ramal.control.protocol import Request
from tests.web.box import PASSWORD, Box, Daemon, abandoned_call, answered_call, now_ms
from tests.web.conftest import Served, sign_in
from tests.web.test_browser import fits
from tests.web.test_door import enter, token

HER, NAME, HIM = "+5511987654321", "Maria Teixeira", "+5511912345678"


class Answering(Daemon):
    """A daemon that knows of a recording that must stay, and begins to erase when it is asked to."""

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self.names = (*self.names, "subject.open", "subject.exported", "subject.erase", "subject.staying")

    def _answer(self, request: Request) -> "dict[str, Any] | Future[Any]":
        told = super()._answer(request)
        staying = {"staying": [[16, "minimum", now_ms() + 80 * 86_400_000]]}
        return {"subject.staying": staying, "subject.erase": {"code": "1a2b3c4d5e6f7081"}}.get(request.do, told)


@pytest.fixture
def asked(box: Box, client: FlaskClient) -> Box:
    """A box with two people in it, and a request of one of them."""
    at_ms = now_ms() - 3_600_000
    box.add_history([answered_call(10, at_ms, HER, NAME), abandoned_call(40, at_ms + 60_000, HIM, "Outra Pessoa")])
    box.finish_recordings()
    box.sql(
        "INSERT INTO subject_request (kind, at_ms, who, state, number, names)"
        " VALUES ('erase', ?, 'owner', 'open', ?, ?)",
        *(now_ms() - 5 * 86_400_000, HER, json.dumps([NAME])),
    )
    box.daemon.stop()
    box.daemon = Answering(box.home)
    box.daemon.start()
    enter(client)
    return box


def post(client: FlaskClient, path: str, **form: str) -> TestResponse:
    return client.post(path, data={"csrf": token(client, "/privacy"), **form})


def test_the_zip_holds_her_sound_and_her_calls_in_three_languages_and_nothing_of_him(
    asked: Box, client: FlaskClient
) -> None:
    ((call,),) = asked.sql("SELECT id FROM call WHERE caller = ?", HER)
    for what in ("recording.played", "recording.downloaded"):
        values = (now_ms(), "ana", what, f"recording 16 of call {call}")
        asked.sql("INSERT INTO audit (at_ms, who, what, detail) VALUES (?, ?, ?, ?)", *values)
    answer = post(client, "/privacy/1/export", password=PASSWORD)
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        sounds = [name for name in names if name.startswith("audio/")]
        assert len(sounds) == 1
        assert archive.read(sounds[0])[:4] == b"RIFF"
        assert {"index.html", "pt-BR.html", "en.html", "es.html", "data.json"} <= set(names)
        data = json.loads(archive.read("data.json"))
        assert [call["call"]["caller"] for call in data["calls"]] == [HER]
        for language, words in (("en", "Recording"), ("pt-BR", "Gravação"), ("es", "Grabación")):
            page = archive.read(f"{language}.html").decode()
            assert words in page
            assert sounds[0] in page
            assert "recording.played" not in page, "a code is no word"
        for words in ("ana: Ouviu uma gravação", "ana: Baixou uma gravação"):
            assert words in archive.read("pt-BR.html").decode()
        assert not any(HIM.encode() in archive.read(name) or b"Outra" in archive.read(name) for name in names)
    assert asked.daemon.asked_for("subject.exported")[0]["who"] == "owner"


def test_nothing_is_handed_out_or_erased_without_the_password(asked: Box, client: FlaskClient) -> None:
    for act in ("export", "erase"):
        answer = post(client, f"/privacy/1/{act}", password="wrong wrong wrong")
        assert answer.status_code == 401
        assert b"The password is not right" in answer.data
    assert not asked.daemon.asked_for("subject.erase")
    assert not asked.daemon.asked_for("subject.exported")


def test_the_list_counts_the_days_and_a_search_finds_people_by_name(asked: Box, client: FlaskClient) -> None:
    assert "9 days left" in client.get("/privacy").text or "10 days left" in client.get("/privacy").text
    assert NAME in client.get("/privacy?q=teixeira").text
    assert "98765-4321" in client.get("/privacy?q=11 98765-4321").text


def test_a_supervisor_does_not_see_it(asked: Box, client: FlaskClient) -> None:
    asked.sql("UPDATE user SET role = 'supervisor'")
    assert client.get("/privacy").status_code == 403
    assert post(client, "/privacy/1/export", password=PASSWORD).status_code == 403


def test_in_a_browser_it_is_asked_explained_and_shown_on_every_width(
    asked: Box, served: Served, page: Page, faults: list[str]
) -> None:
    receipt = {"calls": 3, "recordings": 2, "contact": 1, "notes": 1, "lines": 41, "files": 2, "rows": 7, "left": []}
    asked.sql(
        "INSERT INTO subject_request (kind, at_ms, who, state, number, names, token, told, ended_ms)"
        " VALUES ('erase', ?, 'owner', 'done', '', '[]', '+5500000000002', ?, ?)",
        *(now_ms() - 9 * 86_400_000, json.dumps(receipt), now_ms() - 8 * 86_400_000),
    )
    sign_in(page, served.url)
    shots = os.environ.get("RAMAL_SHOTS")
    for width, scheme in ((360, "light"), (1366, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for name, path in (("list", "/privacy?q=teixeira"), ("erase", "/privacy/1"), ("receipt", "/privacy/2")):
            page.goto(served.url + path)
            assert fits(page), (width, path)
            if shots:
                page.screenshot(path=Path(shots) / f"privacy-{name}-{width}.png", full_page=True)
    page.goto(served.url + "/privacy/1")
    expect(page.locator("#staying")).to_contain_text("The law asks")
    with page.expect_download() as download:
        page.fill("#password", PASSWORD)
        page.click("text=Download the zip file")
    assert zipfile.is_zipfile(download.value.path())
    page.fill("#password2", PASSWORD)
    page.click("button.button-danger")
    expect(page.locator("#code")).to_have_text("1-1a2b3c4d5e6f7081")
    assert not faults
