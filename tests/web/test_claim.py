"""A new box's page: nothing but the claim, only for its own network, by one code, once. By the real application."""

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from ramal.box import claim
from ramal.core.near import Interface, is_near, office_networks
from ramal_web.app import create_app
from ramal_web.claim.views import PASSED_ON, code_of
from ramal_web.settings import of_home
from ramal_web.unclaimed import Neighbours
from tests.web.box import PASSWORD, Box
from tests.web.conftest import Served, english

LAN = (ipaddress.ip_interface("192.168.7.20/24"), ipaddress.ip_interface("fe80::1/64"))
NEIGHBOUR, STRANGER = "192.168.7.33", "203.0.113.9"
NEW = "four other new words"


class NewBox:
    """A box as `ramal prepare` leaves it: an owner who has only a code."""

    def __init__(self, box: Box) -> None:
        self.box = box
        box.sql("DELETE FROM user")
        code = claim.ensure(box.home)
        assert code is not None
        self.code = code
        self.app = create_app(of_home(box.home))
        self.app.extensions["ramal.neighbours"] = Neighbours(lambda: LAN)

    def client(self, address: str = NEIGHBOUR) -> FlaskClient:
        client = english(self.app)
        client.environ_base["REMOTE_ADDR"] = address
        return client

    def restarted(self) -> Flask:
        return create_app(of_home(self.box.home))


@pytest.fixture
def new(box: Box) -> NewBox:
    return NewBox(box)


def take(client: FlaskClient, code: str, new: str = NEW, again: str | None = None):  # type: ignore[no-untyped-def]
    page = client.get("/claim")
    found = re.search(r'name="csrf" value="([^"]+)"', page.get_data(as_text=True))
    data = {"csrf": found[1] if found else "", "code": code, "new": new, "again": new if again is None else again}
    return client.post("/claim", data=data)


def test_an_unclaimed_box_leads_every_page_to_the_claim(new: NewBox) -> None:
    client = new.client()
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/claim").get_data(as_text=True))
    assert token
    open_to_all = {"claim.page", "claim.take", "auth.language", "health.health", "static"}
    asked = 0
    for rule in new.app.url_map.iter_rules():
        if rule.endpoint in open_to_all:
            continue
        path = re.sub(r"<int:[^>]+>", "1", re.sub(r"<[a-z_]+>", "1.1", rule.rule))
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            answer = client.open(path, method=method, data={"csrf": token[1]} if method == "POST" else None)
            assert (answer.status_code, answer.headers["Location"]) == (303, "/claim"), (method, path)
            asked += 1
    assert asked > 40


def test_the_code_signs_nobody_in_at_the_door(new: NewBox) -> None:
    client = new.client()
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/claim").get_data(as_text=True))
    assert token
    answer = client.post("/login", data={"csrf": token[1], "user": "owner", "password": new.code})
    assert answer.headers["Location"] == "/claim"
    assert client.get("/").headers["Location"] == "/claim"


def test_who_has_the_code_becomes_the_owner_for_good(new: NewBox) -> None:
    client = new.client()
    answer = take(client, new.code)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert client.get("/").status_code == 200
    assert new.box.sql("SELECT must_change FROM user WHERE name = 'owner'") == [(0,)]
    assert ("audit", {"who": "owner", "what": "box.claimed", "detail": NEIGHBOUR}) in new.box.daemon.asked
    # Whoever comes later with the same code finds no door, also after a restart and before the code's file is gone.
    for app in (new.app, new.restarted()):
        later = english(app)
        assert later.get("/claim").headers["Location"] == "/login"
        assert take(later, new.code).status_code in (303, 400)
    assert claim.ensure(new.box.home) is None
    assert not new.box.home.claim.exists()
    assert not new.box.home.issue.exists()


@pytest.mark.parametrize("typed", ["{0}", " {0} ", "{1}", "{2}"])
def test_the_code_may_be_typed_as_people_type(new: NewBox, typed: str) -> None:
    given = typed.format(new.code, new.code.replace("-", ""), new.code.upper().replace("-", " "))
    assert take(new.client(), given).headers["Location"] == "/"


def test_a_stranger_gets_a_sentence_and_no_form(new: NewBox) -> None:
    client = new.client(STRANGER)
    page = client.get("/claim")
    assert page.status_code == 403
    assert "only from its own network" in page.get_data(as_text=True)
    assert 'name="code"' not in page.get_data(as_text=True)
    with client.session_transaction() as session:
        session["csrf"] = "known"
    answer = client.post("/claim", data={"csrf": "known", "code": new.code, "new": NEW, "again": NEW})
    assert answer.status_code == 403
    assert new.box.sql("SELECT must_change FROM user") == [(1,)]


@pytest.mark.parametrize("header", PASSED_ON)
def test_a_proxy_in_the_office_lets_no_stranger_claim(new: NewBox, header: str) -> None:
    client = new.client()
    page = client.get("/claim")
    found = re.search(r'name="csrf" value="([^"]+)"', page.get_data(as_text=True))
    data = {"csrf": found[1] if found else "", "code": new.code, "new": NEW, "again": NEW}
    passed_on = client.post("/claim", data=data, headers={header: "192.168.7.34"})
    assert passed_on.status_code == 403
    assert client.get("/claim", headers={header: "192.168.7.34"}).status_code == 403
    assert take(client, new.code).status_code == 303, "it is not claimed yet"


def test_a_neighbour_by_link_local_ipv6_may_claim(new: NewBox) -> None:
    assert take(new.client("fe80::abcd%eth0"), new.code).status_code == 303


def test_who_guesses_must_wait_longer_and_longer(new: NewBox) -> None:
    client = new.client()
    answers = [take(client, f"aaaa-aaa{n}") for n in range(2, 8)]
    codes = [answer.status_code for answer in answers]
    assert codes[0] == 401
    assert codes[-1] == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert take(client, new.code).status_code == 429, "the right code has to wait as well, or guessing would pay"


@pytest.mark.parametrize(("password", "again"), [("short", None), ("aaaaaaaaaaaaa", None), (NEW, "something else 12")])
def test_a_password_that_is_no_good_leaves_the_box_unclaimed(new: NewBox, password: str, again: str | None) -> None:
    answer = take(new.client(), new.code, password, again)
    assert answer.status_code == 422
    assert new.code in answer.get_data(as_text=True), "the code need not be typed again"
    assert new.box.sql("SELECT must_change FROM user") == [(1,)]


def test_without_the_daemon_the_box_stays_unclaimed_and_says_so(new: NewBox) -> None:
    new.box.daemon.stop()
    answer = take(new.client(), new.code)
    assert answer.status_code == 503
    assert "is not claimed yet" in answer.get_data(as_text=True)


def test_a_box_without_a_claim_knows_no_such_door(box: Box) -> None:
    client = english(create_app(of_home(box.home)))
    assert client.get("/claim").headers["Location"] == "/login"
    assert client.get("/login").status_code == 200


def test_a_code_that_was_lost_is_made_anew_and_the_old_one_is_worth_nothing(new: NewBox) -> None:
    new.box.home.claim.unlink()
    code = claim.ensure(new.box.home)
    assert code not in (None, new.code)
    assert take(new.client(), new.code).status_code == 401
    assert take(new.client(), str(code)).headers["Location"] == "/"


def test_preparing_again_keeps_the_code(new: NewBox) -> None:
    assert claim.ensure(new.box.home) == new.code
    assert new.code in new.box.home.issue.read_text()


def of(*texts: str) -> tuple[Interface, ...]:
    return tuple(ipaddress.ip_interface(text) for text in texts)


@pytest.mark.parametrize(
    ("own", "who", "near"),
    [
        (LAN, "192.168.7.1", True),
        (LAN, "::ffff:192.168.7.1", True),
        (LAN, "192.168.8.1", False),
        (LAN, "fe80::99%eth0", True),
        (LAN, "127.0.0.1", True),
        (LAN, "nonsense", False),
        (LAN, "", False),
        ((), "192.168.7.1", False),
        (of("203.0.113.5/24"), "203.0.113.9", False),
        (of("100.64.3.4/10"), "100.64.9.9", False),
        (of("10.0.0.4/8", "2001:db8:1::4/64"), "2001:db8:1::77", True),
        (of("203.0.113.5/24", "2001:db8:1::4/64"), "2001:db8:1::77", False),
        (of("10.0.0.4/8", "2001:db8::4/32"), "2001:db8:9::77", False),
        (of("10.0.0.4/4"), "11.2.3.4", False),
    ],
)
def test_a_neighbour_is_in_a_network_of_the_box_that_the_internet_does_not_carry(
    own: tuple[Interface, ...], who: str, near: bool
) -> None:
    assert is_near(who, own) is near


def test_the_boxs_networks_are_told_once_each() -> None:
    assert [str(network) for network in office_networks(of("10.1.0.4/16", "10.1.0.5/16", "127.0.0.1/8"))] == [
        "10.1.0.0/16"
    ]


def test_a_code_is_read_in_groups_of_four() -> None:
    assert code_of("ABCD 2345") == code_of("abcd-2345") == code_of("abcd2345") == "abcd-2345"


@pytest.fixture
def served_new(box: Box) -> Iterator[tuple[NewBox, Served]]:
    made = NewBox(box)
    served = Served(box)
    yield made, served
    served.stop()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_somebody_claims_the_box_in_a_browser(
    served_new: tuple[NewBox, Served], page: Page, faults: list[str], scheme: str, tmp_path: Path
) -> None:
    made, served = served_new
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for width in (360, 1366):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(served.url + "/")
        expect(page.get_by_role("heading", name="Claim this box")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        page.screenshot(path=str(tmp_path / f"claim-{scheme}-{width}.png"), full_page=True)
    page.fill("#code", "wrong")
    page.fill("#new", PASSWORD)
    page.fill("#again", PASSWORD)
    page.press("#again", "Enter")
    expect(page.get_by_role("alert").filter(has_text="not the code")).to_be_visible()
    page.fill("#code", made.code)
    page.fill("#new", PASSWORD)
    page.fill("#again", PASSWORD)
    page.press("#again", "Enter")
    expect(page.get_by_role("heading", name="Nobody is waiting")).to_be_visible()
    assert not faults


def test_a_guard_hears_of_every_failure_and_of_nothing_else(new: NewBox) -> None:
    file = new.box.home.page_failures
    take(new.client(), "aaaa-aaaa")
    assert not file.exists(), "without a guard nothing is written"
    file.touch()
    client = new.client("::ffff:192.168.7.40")
    for code in ("aaaa-aaaa\n page-failed 10.0.0.1", "bbbb-bbbb"):
        take(client, code)
    assert file.read_text() == "page-failed 192.168.7.40\n" * 2
    assert take(client, new.code).status_code == 303
    assert len(file.read_text().splitlines()) == 2
    door = english(new.restarted())
    door.environ_base["REMOTE_ADDR"] = "203.0.113.9"
    found = re.search(r'name="csrf" value="([^"]+)"', door.get("/login").get_data(as_text=True))
    assert found
    door.post("/login", data={"csrf": found[1], "user": "owner", "password": "wrong"})
    assert file.read_text().splitlines()[-1] == "page-failed 203.0.113.9"


def test_in_safe_mode_every_page_says_so(box: Box) -> None:
    client = english(create_app(of_home(box.home)))
    assert "safe mode" not in client.get("/login").get_data(as_text=True)
    for fact, words in (("", "sends every call to one phone"), ("no-data", "cannot read its own disk")):
        box.home.safe_mode.write_text(fact)
        page = client.get("/login").get_data(as_text=True)
        assert "This box is in safe mode." in page
        assert words in page
