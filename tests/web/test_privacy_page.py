"""The page of requests about a person's data: the owner alone, the password again, and the zip that is handed out."""

import io
import json
import zipfile

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.web.box import PASSWORD, Box, abandoned_call, answered_call, now_ms
from tests.web.test_door import enter, token

HER, NAME, HIM = "+5511987654321", "Maria Teixeira", "+5511912345678"


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
    box.daemon.names = (*box.daemon.names, "subject.open", "subject.exported", "subject.erase", "subject.staying")
    box.daemon.stop()
    box.daemon.start()
    enter(client)
    return box


def post(client: FlaskClient, path: str, **form: str) -> TestResponse:
    return client.post(path, data={"csrf": token(client, "/privacy"), **form})


def test_the_zip_holds_her_sound_and_her_calls_in_three_languages_and_nothing_of_him(
    asked: Box, client: FlaskClient
) -> None:
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
