"""The page of the page's users: the owner lets somebody in, who signs in with the one-time password that was shown."""

import re
from concurrent.futures import Future
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from ramal.box.home import Home
from ramal.control.protocol import Request
from ramal.store import users
from ramal.store.db import open_writer
from ramal_web.app import create_app
from ramal_web.settings import of_home
from tests.web.box import PASSWORD, Box, Daemon, now_ms
from tests.web.conftest import Served, sign_in
from tests.web.test_browser import fits
from tests.web.test_door import NEW, enter, token


class Keeping(Daemon):
    """A daemon that keeps users as the real one does (``ramal.store.users``)."""

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self.names = (*self.names, "users.add", "users.reset", "users.remove")

    def _answer(self, request: Request) -> "dict[str, Any] | Future[Any]":
        told = super()._answer(request)
        db = open_writer(self.home.db)
        try:
            who, name = request.text("who", ""), request.text("name", "")
            match request.do:
                case "users.add":
                    agent, digest = request.text("agent", ""), request.text("hash")
                    users.add(db, now_ms(), who, users.NewUser(name, request.text("role"), agent, digest))
                case "users.reset":
                    users.reset(db, now_ms(), who, name, request.text("hash"))
                case "users.remove":
                    users.remove(db, now_ms(), who, name)
        finally:
            db.close()
        return told


@pytest.fixture
def keeping(box: Box) -> Box:
    box.daemon.stop()
    box.daemon = Keeping(box.home)
    box.daemon.start()
    return box


def act(client: FlaskClient, act: str, name: str, **more: str) -> str:
    sent = {"csrf": token(client, "/people"), "act": act, "name": name, **more}
    answer = client.post("/people", data=sent, follow_redirects=True)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def once(page: str) -> str:
    found = re.search(r'id="one-time"[^>]*>([^<]+)<', page)
    assert found, page
    return found[1]


def test_who_is_let_in_signs_in_once_chooses_a_password_and_is_that_agent(keeping: Box, client: FlaskClient) -> None:
    enter(client)
    shown = once(act(client, "add", "ana.souza", role="agent", agent="1"))
    assert 'id="one-time"' not in client.get("/people").get_data(as_text=True), "it is shown once"
    (given,) = keeping.daemon.asked_for("users.add")
    assert (given["who"], given["name"], given["role"], given["agent"]) == ("owner", "ana.souza", "agent", "1")
    assert shown not in str(given)
    hers = create_app(of_home(keeping.home)).test_client()
    assert enter(hers, shown, "ana.souza").headers["Location"] == "/password"
    sent = {"csrf": token(hers, "/password"), "new": NEW, "again": NEW}
    assert hers.post("/password", data=sent).headers["Location"] == "/mine"
    assert hers.get("/people").status_code == 403
    assert (
        hers.post("/people", data={"csrf": token(hers, "/mine"), "act": "remove", "name": "owner"}).status_code == 403
    )
    page = client.get("/people").get_data(as_text=True)
    assert '<option value="1">' not in page, "this agent is somebody already"
    assert '<option value="2">' in page

    again = once(act(client, "password", "ana.souza"))
    assert again != shown
    assert hers.get("/mine").status_code == 303, "her sessions have ended"
    assert enter(hers, NEW, "ana.souza").status_code == 401
    assert enter(hers, again, "ana.souza").headers["Location"] == "/password"
    assert "ana.souza can no longer sign in" in act(client, "remove", "ana.souza")
    assert enter(hers, again, "ana.souza").status_code == 401


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"name": "Ana Souza", "role": "agent"}, "letters without accents"),
        ({"name": "", "role": "agent"}, "letters without accents"),
        ({"name": "<b>x</b>", "role": "agent"}, "letters without accents"),
        ({"name": "OWNER", "role": "owner"}, "with this name already"),
        ({"name": "ana", "role": "king"}, "A role is one of"),
        ({"name": "ana", "role": "agent", "agent": "2"}, "is this agent already"),
    ],
)
def test_who_cannot_be_let_in_is_told_why(
    keeping: Box, client: FlaskClient, form: dict[str, str], sentence: str
) -> None:
    enter(client)
    act(client, "add", "bruno", role="agent", agent="2")
    page = act(client, "add", **form)
    assert sentence in page
    assert "<b>x</b>" not in page
    assert 'id="one-time"' not in page
    assert keeping.sql("SELECT name FROM user ORDER BY name") == [("bruno",), ("owner",)]


@pytest.mark.parametrize("wanted", ["remove", "password", "", "crown"])
def test_nobody_removes_or_locks_out_themselves(keeping: Box, client: FlaskClient, wanted: str) -> None:
    enter(client)
    assert "cannot use" in act(client, wanted, "owner")
    assert not keeping.daemon.asked_for("users.remove") + keeping.daemon.asked_for("users.reset")
    assert client.get("/people").status_code == 200


def test_without_the_daemon_the_list_is_there_and_nothing_changes(keeping: Box, client: FlaskClient) -> None:
    enter(client)
    keeping.daemon.stop()
    page = act(client, "add", "ana", role="agent")
    assert "Nothing was changed" in page
    assert 'id="one-time"' not in page
    assert "owner" in page


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_it_fits_every_screen_and_works_in_a_browser(keeping: Box, page: Page, faults: list[str], width: int) -> None:
    db = open_writer(keeping.home.db)
    digest = keeping.sql("SELECT password_hash FROM user WHERE name = 'owner'")[0][0]
    users.add(db, now_ms(), "x", users.NewUser("w" * 40, "supervisor", "3", digest))
    db.close()
    served = Served(keeping)
    try:
        page.set_viewport_size({"width": width, "height": 900})
        sign_in(page, served.url, PASSWORD)
        page.goto(served.url + "/people")
        page.fill("#name", "ana.souza")
        page.select_option("#agent", "1")
        page.click("text=Let in")
        expect(page.locator("#one-time")).to_have_text(re.compile(r"^[a-z2-9]{4}-[a-z2-9]{4}-[a-z2-9]{4}$"))
        expect(page.locator("#users")).to_contain_text("agent 1 Ana Souza")
        assert fits(page)
        assert faults == []
    finally:
        served.stop()
