"""Rows of the live view, kept as they were drawn: never those of another moment, reader or language."""

import re

from flask import Flask
from flask.testing import FlaskClient

from ramal_web.app import create_app
from ramal_web.settings import of_home
from tests.until import until
from tests.web.box import Box
from tests.web.conftest import english
from tests.web.test_door import enter


def reader(app: Flask) -> FlaskClient:
    client = english(app)
    enter(client)
    return client


def row(client: FlaskClient, code: str) -> str:
    found = re.search(rf'id="agent-{code}">(.*?)</li>', client.get("/live").get_data(as_text=True), re.DOTALL)
    assert found is not None
    return found[1]


def test_a_row_is_drawn_anew_when_its_person_does_something_else(box: Box) -> None:
    client = reader(create_app(of_home(box.home)))
    assert "Free" in row(client, "1")
    box.daemon.live["agents"][0] |= {"state": "talking", "caller": "+5511987654321"}
    until(lambda: "(11) 98765-4321" in row(client, "1"), 5, "the row says with whom")
    assert "Free" not in row(client, "1")
    box.daemon.live["agents"][0] |= {"state": "free", "caller": ""}
    until(lambda: "Free" in row(client, "1"), 5, "the row says that it is over")
    assert "98765" not in row(client, "1")


def test_each_reader_s_rows_carry_the_reader_s_own_token_and_language(box: Box) -> None:
    app = create_app(of_home(box.home))
    readers = [reader(app), reader(app)]
    tokens = [set(re.findall(r'name="csrf" value="([^"]+)"', row(client, "2"))) for client in readers]
    assert [len(of) for of in tokens] == [1, 1]
    assert tokens[0] != tokens[1]
    readers[0].environ_base["HTTP_ACCEPT_LANGUAGE"] = "pt-BR"
    assert "Livre" in row(readers[0], "2")
    assert "Free" in row(readers[1], "2")
