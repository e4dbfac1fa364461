"""Who may come in: sessions, tokens, delays, headers. Through the real application, without a browser."""

import re
import time
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ramal_web.app import create_app
from ramal_web.auth import passwords
from ramal_web.settings import of_home
from ramal_web.throttle import ADDRESS, PAIR, Throttle
from tests.web.box import FIRST_PASSWORD, PASSWORD, Box
from tests.web.conftest import english

NEW = "four other new words"
OPEN = {"auth.login", "auth.sign_in", "auth.language", "health.health", "static"}
OPEN |= {"wall.tv", "wall.tv_live"}  # their address is the key: tests/web/test_wall.py
OPEN |= {"provision.file", "provision.nothing"}  # phones have no session; their guard: tests/web/test_phones_page.py


def token(client: FlaskClient, path: str = "/login") -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(path).get_data(as_text=True))
    assert found
    return found[1]


def enter(client: FlaskClient, password: str = PASSWORD, user: str = "owner", **more: str) -> TestResponse:
    return client.post("/login", data={"csrf": token(client), "user": user, "password": password, **more})


def test_every_page_but_the_door_needs_a_session(box: Box) -> None:
    app = create_app(of_home(box.home))
    asked = 0
    for rule in app.url_map.iter_rules():
        if rule.endpoint in OPEN:
            continue
        path = re.sub(r"<int:[^>]+>", "1", re.sub(r"<[a-z_]+>", "1.1", rule.rule))
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            client = app.test_client()
            data = {"csrf": token(client)}
            answer = client.open(path, method=method, data=data if method == "POST" else None)
            assert answer.status_code == 303, (method, path, answer.status)
            assert answer.headers["Location"].startswith("/login"), (method, path)
            asked += 1
    assert asked >= 10


def test_a_question_of_the_live_view_without_a_session_is_led_to_the_door(client: FlaskClient) -> None:
    answer = client.get("/live", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/login")


def test_the_right_password_opens_and_the_wrong_one_does_not(client: FlaskClient) -> None:
    assert enter(client, "wrong horse battery").status_code == 401
    assert enter(client, PASSWORD, user="nobody").status_code == 401
    answer = enter(client)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert client.get("/").status_code == 200


def test_the_cookie_is_closed_to_scripts_and_other_sites(client: FlaskClient) -> None:
    cookie = enter(client).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie


def test_the_cookie_is_secure_over_https(box: Box) -> None:
    client = create_app(of_home(box.home)).test_client()
    answer = client.get("/login", base_url="https://box.example/")
    assert "Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("path", ["/login", "/", "/calls", "/health", "/static/css/base.css", "/nothing"])
def test_every_answer_carries_the_headers_that_keep_strangers_out(client: FlaskClient, path: str) -> None:
    with client.get(path) as answer:
        headers = answer.headers
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert path.startswith("/static") or headers["Cache-Control"] == "no-store"


def test_no_template_needs_inline_scripts_or_styles() -> None:
    folder = Path(__file__).parents[2] / "web" / "ramal_web" / "templates"
    for template in folder.rglob("*.html"):
        text = template.read_text(encoding="utf-8")
        if template.name == "archive_frame.html":  # a page of its own in the archive that a person is given
            continue
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|<script(?! src=)|javascript:", text), template
        assert not re.search(r"\|\s*safe\b|Markup", text), template


@pytest.mark.parametrize("data", [{}, {"csrf": ""}, {"csrf": "x" * 32}])
def test_a_change_without_the_token_is_refused(client: FlaskClient, data: dict[str, str]) -> None:
    enter(client)
    for path in ("/logout", "/password", "/try", "/language", "/login"):
        assert client.post(path, data=data).status_code == 400
    assert client.get("/").status_code == 200


def test_a_change_from_another_site_is_refused_even_with_the_token(client: FlaskClient) -> None:
    enter(client)
    data = {"csrf": token(client, "/")}
    assert client.post("/logout", data=data, headers={"Origin": "http://evil.example"}).status_code == 400
    assert client.post("/logout", data=data, headers={"Origin": "null"}).status_code == 400
    assert client.post("/logout", data=data, headers={"Origin": "http://localhost"}).status_code == 303


def test_signing_in_leaves_the_old_token_behind(client: FlaskClient) -> None:
    before = token(client)
    enter(client)
    assert token(client, "/") != before


@pytest.mark.parametrize(
    ("wanted", "led_to"),
    [
        ("/calls?day=today", "/calls?day=today"),
        ("//evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/calls\r\nX: y", "/"),
    ],
)
def test_a_login_leads_only_to_pages_of_this_box(client: FlaskClient, wanted: str, led_to: str) -> None:
    assert enter(client, next=wanted).headers["Location"] == led_to


def test_after_some_failures_the_answer_is_wait_and_not_a_guess(client: FlaskClient) -> None:
    for _ in range(PAIR.free + 1):
        assert enter(client, "wrong").status_code == 401
    answer = enter(client)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert "Try again in" in answer.get_data(as_text=True)


def test_the_delay_grows_is_bounded_and_ends_with_the_right_password() -> None:
    throttle, now_s, waits = Throttle(), 0.0, []
    for _ in range(14):
        while (wait_s := throttle.charge("owner", "10.0.0.7", now_s)) > 0:
            waits.append(wait_s)
            now_s += wait_s
    assert waits == sorted(waits)
    assert waits[0] == 1.0
    assert waits[-1] == PAIR.longest_s
    throttle.refund("owner", "10.0.0.7")
    assert throttle.charge("owner", "10.0.0.8", now_s) == 0.0


def test_a_stranger_who_guesses_does_not_lock_the_owner_out() -> None:
    throttle, now_s = Throttle(), 0.0
    for _ in range(200):
        now_s += throttle.charge("owner", "10.0.0.66", now_s)
    assert throttle.charge("owner", "10.0.0.7", now_s) <= 15.0


def test_one_address_with_many_names_is_slowed_too() -> None:
    throttle = Throttle()
    assert [throttle.charge(f"user{n}", "2001:db8::1", 0.0) for n in range(ADDRESS.free + 1)] == [0.0] * 11
    assert throttle.charge("another", "2001:db8::2", 0.0) > 0, "the same /64 is the same customer"


def test_guessing_costs_a_bounded_amount_of_memory() -> None:
    throttle = Throttle(entries_max=100)
    for n in range(1000):
        throttle.charge(f"user{n}", f"10.0.{n // 250}.{n % 250}", float(n))
    assert len(throttle) <= 100


def test_the_one_time_password_opens_only_the_page_that_replaces_it(fresh_box: Box) -> None:
    client = create_app(of_home(fresh_box.home)).test_client()
    assert enter(client, FIRST_PASSWORD).headers["Location"] == "/password"
    for path in ("/", "/calls", "/try", "/live"):
        assert client.get(path).headers["Location"] == "/password"
    for new, status in (("short", 422), (FIRST_PASSWORD, 422), ("aaaaaaaaaaaa", 422), ("x" * 300, 422)):
        data = {"csrf": token(client, "/password"), "new": new, "again": new}
        assert client.post("/password", data=data).status_code == status, new
    data = {"csrf": token(client, "/password"), "new": PASSWORD, "again": PASSWORD + "!"}
    assert client.post("/password", data=data).status_code == 422
    assert not fresh_box.daemon.asked_for("user.set_password")
    data = {"csrf": token(client, "/password"), "new": PASSWORD, "again": PASSWORD}
    assert client.post("/password", data=data).headers["Location"] == "/"
    assert client.get("/").status_code == 200
    assert enter(create_app(of_home(fresh_box.home)).test_client(), FIRST_PASSWORD).status_code == 401
    (asked,) = fresh_box.daemon.asked_for("user.set_password")
    assert PASSWORD not in str(asked)


def test_a_changed_password_ends_the_other_sessions(box: Box) -> None:
    app = create_app(of_home(box.home))
    here, elsewhere = app.test_client(), app.test_client()
    enter(here)
    enter(elsewhere)
    data = {
        "csrf": token(here, "/password"),
        "old": PASSWORD,
        "new": NEW,
        "again": NEW,
    }
    assert here.post("/password", data=data).headers["Location"] == "/"
    assert here.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 303


def test_changing_the_password_needs_the_old_one(client: FlaskClient, box: Box) -> None:
    enter(client)
    data = {
        "csrf": token(client, "/password"),
        "old": "guess guess guess",
        "new": "new new words",
        "again": "new new words",
    }
    assert client.post("/password", data=data).status_code == 401
    assert not box.daemon.asked_for("user.set_password")


def test_without_the_daemon_a_password_stays_and_the_page_says_so(client: FlaskClient, box: Box) -> None:
    enter(client)
    box.daemon.stop()
    data = {
        "csrf": token(client, "/password"),
        "old": PASSWORD,
        "new": NEW,
        "again": NEW,
    }
    answer = client.post("/password", data=data)
    assert answer.status_code == 503
    assert "Your old password still works" in answer.get_data(as_text=True)


def test_a_session_ends_when_nobody_clicks_and_the_live_view_does_not_keep_it(box: Box) -> None:
    app = create_app(of_home(box.home))
    client = app.test_client()
    enter(client)
    with client.session_transaction() as session:
        session["seen"] = int(time.time()) - 100
    client.get("/live")
    with client.session_transaction() as session:
        assert session["seen"] <= int(time.time()) - 100
    client.get("/calls")
    with client.session_transaction() as session:
        assert session["seen"] > int(time.time()) - 100
        session["seen"] = int(time.time()) - of_home(box.home).idle_s - 1
    assert client.get("/").status_code == 303


def test_signing_out_closes_the_door(client: FlaskClient) -> None:
    enter(client)
    assert client.post("/logout", data={"csrf": token(client, "/")}).status_code == 303
    assert client.get("/").status_code == 303


def test_a_cookie_of_another_box_opens_nothing(box: Box, folder: Path) -> None:
    other = Box(folder / "other")
    client = create_app(of_home(box.home)).test_client()
    enter(client)
    stolen = client.get_cookie(client.application.config["SESSION_COOKIE_NAME"])
    assert stolen
    stranger = create_app(of_home(other.home)).test_client()
    stranger.set_cookie(stranger.application.config["SESSION_COOKIE_NAME"], stolen.value)
    assert stranger.get("/").status_code == 303


def test_hashes_are_argon2id_and_fit_the_page_s_memory() -> None:
    assert passwords.hashed(PASSWORD).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.right("Å" * 10, passwords.hashed("Å" * 10)), "the same letters typed another way"
    assert not passwords.right("", None)


@pytest.mark.parametrize("database", ["missing", "broken"])
def test_without_a_readable_database_the_door_says_so_in_a_sentence(box: Box, database: str) -> None:
    for file in box.home.db.parent.iterdir():
        file.unlink()
    if database == "broken":
        box.home.db.write_bytes(b"this is no database" * 1000)
    client = english(create_app(of_home(box.home)))
    assert client.get("/login").status_code == 200
    answer = enter(client)
    assert answer.status_code == 503
    assert "Calls go on" in answer.get_data(as_text=True)
    assert client.get("/health").get_json() == {"page": True, "history": False, "daemon": "ok"}


def test_a_head_request_with_a_body_changes_no_password(client: FlaskClient, box: Box) -> None:
    enter(client)
    before = client.get("/password").status_code
    form = {"old": PASSWORD, "new": NEW, "again": NEW}
    answer = client.open("/password", method="HEAD", data=form)
    assert (before, answer.status_code) == (200, 200)
    assert not box.daemon.asked_for("user.set_password")


@pytest.mark.parametrize("evil", ["http://[x", "//[x", "http://other.example"])
def test_an_origin_that_is_no_address_is_a_refusal_and_no_failure(client: FlaskClient, evil: str) -> None:
    data = {"csrf": token(client), "user": "owner", "password": PASSWORD}
    assert client.post("/login", data=data, headers={"Origin": evil}).status_code == 400
    assert client.get("/login", query_string={"next": evil}).status_code == 200
