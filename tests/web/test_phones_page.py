"""The page about desk phones, in a real Chromium on a real daemon: who fetched, and letting one in."""

import http.client
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.until import until
from tests.web.test_browser import SMALL_TARGETS, UNNAMED, fits
from tests.web.test_door import token
from tests.web.test_inbound import OFFICE, Floor, sign_in, signed_in
from tests.web.test_pages import HOSTILE

MAC = "001565AABBCC"
DESKS = OFFICE.replace(
    'secret = "a-long-secret-for-201"',
    f"secret = \"a-long-secret-for-201\"\nname = '''{HOSTILE[1]}'''\nmac = \"{MAC}\"\nmodel = \"yealink\"",
)


@pytest.fixture
def floor() -> Iterator[Floor]:
    with tempfile.TemporaryDirectory(prefix="ramal-web-") as made:
        floor = Floor(Path(made), [])
        try:
            floor.daemon.ask("apply", toml=DESKS, file="o.toml")
            until(lambda: floor.daemon.ask("phones.list")["phones"][0]["open"], 10, "the phone is known")
            yield floor
        finally:
            floor.end()


def fetched(floor: Floor) -> int:
    """The answer's status when the phone asks."""
    connection = http.client.HTTPConnection("127.0.0.1", floor.page.port, timeout=10)
    try:
        connection.request("GET", f"/provision/{MAC.lower()}.cfg")
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_supervisor_sees_who_fetched_and_lets_a_phone_in_by_one_press(
    floor: Floor, page: Page, faults: list[str]
) -> None:
    sign_in(page, floor.page.url, "carla")
    page.click("details.menu summary")
    page.click("text=Desk phones")
    row = page.locator("#phone-201")
    expect(row).to_contain_text("May fetch its settings once")
    assert [fetched(floor), fetched(floor)] == [200, 403]
    page.reload()
    expect(row).to_contain_text("from 127.0.0.1")
    row.get_by_role("button").click()
    expect(page.locator(".told-good")).to_contain_text("Phone 201 may fetch its settings now")
    expect(row).to_contain_text("May fetch its settings until")
    assert row.get_by_role("button").count() == 0
    assert fetched(floor) == 200
    assert ("carla", "phone.opened", "201 30 min") in floor.audited()
    expect(page.locator("#phone-202")).to_contain_text("Set up by hand")
    assert page.locator("#phone-202").get_by_role("button").count() == 0
    assert not faults


def test_the_page_fits_every_screen_in_every_language(floor: Floor, chromium: Browser) -> None:
    assert fetched(floor) == 200
    for width, locale in ((360, "pt-BR"), (360, "es"), (1366, "en-US")):
        context = chromium.new_context(viewport={"width": width, "height": 800}, locale=locale)
        try:
            page = context.new_page()
            sign_in(page, floor.page.url)
            page.goto(floor.page.url + "/phones")
            assert fits(page), (width, locale)
            assert not page.evaluate(UNNAMED)
            assert width != 360 or not page.evaluate(SMALL_TARGETS)
        finally:
            context.close()


def test_agents_do_not_see_the_phones_and_let_none_in(floor: Floor) -> None:
    client = signed_in(floor, "dora")
    assert client.get("/phones").status_code == 403
    data = {"csrf": token(client, "/contacts")}
    assert client.post("/phones/201/open", data=data).status_code == 403
    assert "/phones" not in client.get("/").get_data(as_text=True)


def test_without_the_daemon_the_page_says_so_and_a_phone_that_is_not_there_is_a_sentence(floor: Floor) -> None:
    client = signed_in(floor, "owner")
    data = {"csrf": token(client, "/")}
    answer = client.post("/phones/299/open", data=data, follow_redirects=True)
    assert "no phone 299" in answer.get_data(as_text=True) or "no such phone" in answer.get_data(as_text=True)
    floor.daemon.kill(15)
    answer = client.get("/phones")
    assert answer.status_code == 200
    assert "does not answer" in answer.get_data(as_text=True)
