"""The wallboard: its figures, its screens without a password, and how it looks from five metres in a real Chromium."""

import os
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, expect

from ramal.control.protocol import Request
from ramal.core import office_file
from ramal.store import screens, settings
from ramal.store.db import open_writer
from ramal_web.app import create_app
from ramal_web.settings import of_home
from tests.store.office_day import Script
from tests.until import until
from tests.web.box import PASSWORD, Box, answered_call, now_ms, quiet_moment
from tests.web.conftest import Served, english, sign_in

SHOTS = os.environ.get("RAMAL_SHOTS")
SIZES = ((390, 844), (820, 1180), (1280, 720), (1920, 1080))
TOKEN = "a-token-of-the-tests-0123456789"


def signed_in(client: FlaskClient) -> FlaskClient:
    page = client.get("/login").get_data(as_text=True)
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)
    assert csrf is not None
    told = client.post("/login", data={"csrf": csrf[1], "user": "owner", "password": PASSWORD})
    assert told.status_code == 303
    return client


def token_of(client: FlaskClient) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', client.get("/wall/screens").get_data(as_text=True))
    assert found is not None
    return found[1]


def make_screen(box: Box, name: str = "Sala", token: str = TOKEN) -> int:
    db = open_writer(box.home.db)
    try:
        return screens.make(db, now_ms(), "owner", name, token)
    finally:
        db.close()


def waited(serial: int, wait_ms: int, ago_ms: int = 60_000) -> Script:
    """Somebody who gave up after ``wait_ms``."""
    call = Script(serial, now_ms() - ago_ms - wait_ms - 5_000, "+5511912345678", "", "+551133330000").arrive().pick_up()
    return call.join("vendas").wait(wait_ms).abandon("vendas")


def history(box: Box) -> None:
    """Four calls: answered in time, answered late, given up late, given up at once."""
    ago = now_ms() - 120_000
    quick = Script(11, ago, "+5511987654321", "Maria", "+551133330000").arrive().pick_up().join("vendas")
    late = Script(21, ago - 60_000, "+5511987654322", "José", "+551133330000").arrive().pick_up().join("vendas")
    box.add_history(
        [
            quick.wait(1_000).talk("vendas", "1", "201", 2_000, 5_000),
            late.wait(40_000).talk("vendas", "1", "201", 2_000, 5_000),
            waited(31, 50_000),
            waited(41, 2_000),
        ]
    )


def test_a_card_says_the_day_s_figures_with_the_name_of_the_service_level(box: Box, client: FlaskClient) -> None:
    history(box)
    text = signed_in(client).get("/wall").get_data(as_text=True)
    card = re.sub(
        r"\s+", " ", re.sub(r"<[^>]+>", " ", text[text.index('id="wall-vendas"') : text.index("wall-suporte")])
    )
    assert "33.3 %" in card, "1 of 3: who gave up at once does not count"
    assert "(F6, 20 s)" in card
    assert re.search(r"4 received .*2 answered .*1 lost", card)
    other = text[text.index('id="wall-suporte"') :]
    assert "–" in other, "over nothing there is no figure"
    assert "0.0%" not in other


def test_the_service_level_leads_to_the_calls_behind_it(box: Box, client: FlaskClient) -> None:
    history(box)
    signed_in(client)

    def behind(part: str) -> tuple[str, int]:
        text = client.get(f"/wall/queues/vendas?part={part}").get_data(as_text=True)
        return text, text.count('class="call"')

    assert behind("whole")[1] == 3
    text, count = behind("within")
    assert count == 1
    assert "Maria" in text
    assert "1 of 3 calls" in text
    assert [behind(part)[1] for part in ("late", "short", "received", "answered", "lost")] == [2, 1, 4, 2, 1]
    assert client.get("/wall/queues/nothing").status_code == 404
    assert client.get("/wall/queues/vendas?part=../x&before=abc").status_code == 200


def test_who_is_not_signed_in_sees_no_board(client: FlaskClient) -> None:
    assert client.get("/wall").status_code == 303
    assert client.get("/wall/live").status_code == 303
    assert client.get("/wall/screens").status_code == 303
    assert client.get(f"/wall/tv/{TOKEN}").status_code == 404


def test_a_screen_sees_the_board_and_nothing_else_until_it_is_revoked(box: Box) -> None:
    history(box)
    made = make_screen(box)
    client = english(create_app(of_home(box.home)))
    text = client.get(f"/wall/tv/{TOKEN}").get_data(as_text=True)
    assert "Vendas e encomendas" in text
    assert not re.search(r'href="/(?!static)', text), "a screen leads nowhere"
    assert "98765" not in text
    assert client.get(f"/wall/tv/{TOKEN}/live").status_code == 200
    for path in ("/", "/wall", "/wall/live", "/wall/queues/vendas", "/calls", "/wall/screens"):
        assert client.get(path).status_code in (303, 401), path
    db = open_writer(box.home.db)
    screens.revoke(db, now_ms(), "owner", made)
    db.close()
    gone = client.get(f"/wall/tv/{TOKEN}/live")
    assert gone.status_code == 401
    assert gone.headers["HX-Redirect"] == f"/wall/tv/{TOKEN}"
    assert client.get(f"/wall/tv/{TOKEN}").status_code == 404
    assert [row[0] for row in box.sql("SELECT what FROM audit ORDER BY id")] == ["wall.made", "wall.revoked"]


def test_the_database_does_not_hold_a_screen_s_address(box: Box) -> None:
    make_screen(box)
    files = b"".join(file.read_bytes() for file in box.home.db.parent.iterdir())
    assert TOKEN.encode() not in files


def test_only_the_owner_makes_and_takes_away_screens(box: Box, client: FlaskClient) -> None:
    signed_in(client)
    csrf = token_of(client)
    box.sql("UPDATE user SET role = 'supervisor'")
    assert client.get("/wall").status_code == 200
    assert client.get("/wall/screens").status_code == 403
    assert client.post("/wall/screens", data={"csrf": csrf, "name": "Sala"}).status_code == 403
    assert client.post("/wall/screens/1/revoke", data={"csrf": csrf}).status_code == 403
    assert not box.daemon.asked_for("wall.make")


def with_screens(box: Box) -> None:
    """Teach the box's daemon to make screens, as ``ops.wall`` does."""
    answer = box.daemon._answer

    def answers(request: Request) -> Any:
        if request.do == "wall.make":
            return {"id": make_screen(box, request.text("name")), "token": TOKEN}
        return answer(request)

    box.daemon.stop()
    box.daemon._answer = answers  # type: ignore[method-assign]
    box.daemon.names = (*box.daemon.names, "wall.make", "wall.revoke")
    box.daemon.start()


def test_the_owner_is_shown_a_new_address_once(box: Box, client: FlaskClient) -> None:
    with_screens(box)
    signed_in(client)
    told = client.post("/wall/screens", data={"csrf": token_of(client), "name": "Sala"})
    assert told.headers["Location"] == "/wall/screens"
    assert f"http://localhost/wall/tv/{TOKEN}" in client.get("/wall/screens").get_data(as_text=True)
    again = client.get("/wall/screens").get_data(as_text=True)
    assert TOKEN not in again
    assert "Sala" in again


def busy(box: Box, count: int = 2) -> None:
    """A moment with ``count`` queues, every kind of card among them."""
    office = office_file.read(many(count), secret=lambda: "a-secret-of-the-tests")
    db = open_writer(box.home.db)
    settings.save(db, office)
    db.close()
    names = [queue.name for queue in office.queues]
    moment = quiet_moment()
    moment["queues"] = [
        {"name": name, "title": TITLES[n % len(TITLES)], "waiting": (0, 3, 1, 12)[n % 4]}
        | {"longest_since_ms": now_ms() - (0, 95_000, 8_000, 3_700_000)[n % 4] if n % 4 else None}
        | {"agents_free": (4, 0, 1, 0)[n % 4], "agents_busy": (2, 12, 3, 0)[n % 4]}
        | {"agents_paused": n % 3, "agents_away": 5}
        for n, name in enumerate(names)
    ]
    moment["queues"][-1] |= {"waiting": 0, "longest_since_ms": None, "agents_free": 0, "agents_busy": 0}
    moment["queues"][-1] |= {"agents_paused": 0}
    box.daemon.live = moment


TITLES = ("Vendas e encomendas", "Atendimento ao cliente", "Cobrança", "Assistência técnica e garantia")


def many(count: int) -> str:
    heads = ['[office]\nname = "Padaria Sol"\n']
    names = ["vendas", "suporte", *(f"fila-{n}" for n in range(3, 20))]
    heads += [f'[[queue]]\nname = "{name}"\ntitle = "{TITLES[n % 4]}"\n' for n, name in enumerate(names[:count])]
    return "\n".join(heads)


CUT = """() => [...document.querySelectorAll(".wq b, .wq dd, .wq i, .wq dt, .wq-state, .wq h2")].filter((one) => {
  const card = one.closest(".wq").getBoundingClientRect(), box = one.getBoundingClientRect();
  const inside = box.left >= card.left - 1 && box.right <= card.right + 1 && box.bottom <= card.bottom + 1;
  return !inside || (!one.matches("i, h2") && one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0);
}).map((one) => one.closest(".wq").id + ": " + one.tagName + " " + one.textContent.trim())"""
LAPS = """() => { const found = [];
  for (const card of document.querySelectorAll(".wq")) {
  const parts = [...card.querySelectorAll("dd, dt, b, i, h2, .wq-state")]
    .filter((one) => one.offsetWidth > 1).map((one) => [one, one.getBoundingClientRect()]);
  for (const [a, x] of parts) for (const [b, y] of parts) if (a !== b && !a.contains(b) && !b.contains(a)
    && x.left < y.right - 1.5 && y.left < x.right - 1.5 && x.top < y.bottom - 3 && y.top < x.bottom - 3)
    found.push(card.id + ": " + a.textContent.trim() + " over " + b.textContent.trim()); } return found; }"""


@pytest.mark.parametrize("count", [1, 2, 3, 6, 12])
def test_the_board_fits_every_screen_without_scrolling(
    box: Box, served: Served, chromium: Browser, count: int, faults: list[str]
) -> None:
    history(box)
    busy(box, count)
    make_screen(box)
    for (width, height), tag in product(SIZES, ("pt-BR", "es-ES")):
        context = chromium.new_context(viewport={"width": width, "height": height}, locale=tag)
        page = context.new_page()
        page.goto(f"{served.url}/wall/tv/{TOKEN}")
        expect(page.locator(".wq").first).to_be_visible()
        assert page.locator(".wq").count() == min(count, 9)
        size = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        wide, high = page.evaluate(size)
        assert wide <= width, f"{count} at {width}: scrolls sideways"
        if width >= 1280:
            assert high <= height, f"{count} at {width}: scrolls"
        assert page.evaluate(CUT) == [], f"{count} at {width}, {tag}"
        assert page.evaluate(LAPS) == [], f"{count} at {width}, {tag}"
        if SHOTS and tag == "pt-BR":
            for theme in ("light", "dark"):
                page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
                page.screenshot(path=f"{SHOTS}/wall-{count}-{width}-{theme}.png")
        context.close()
    assert not faults


def test_from_five_metres_the_great_figures_can_be_read(box: Box, served: Served, chromium: Browser) -> None:
    """A letter is read from as far as 250 times its height: 20 mm from 5 m. On a 43-inch television with 1920 × 1080
    points a point is 0.5 mm, and a figure is 0.7 of its font's size: 57 points."""
    busy(box, 6)
    make_screen(box)
    context = chromium.new_context(viewport={"width": 1920, "height": 1080})
    page = context.new_page()
    page.goto(f"{served.url}/wall/tv/{TOKEN}")
    sizes = page.evaluate(
        "[...document.querySelectorAll('.wq-fig dd')].map((one) => parseFloat(getComputedStyle(one).fontSize))"
    )
    assert len(sizes) == 18
    assert min(sizes) >= 57
    context.close()


def test_the_board_follows_what_happens_and_is_not_drawn_again_when_nothing_does(
    box: Box, served: Served, page: Page, faults: list[str]
) -> None:
    history(box)
    make_screen(box)
    answers: list[int] = []
    page.on("response", lambda response: answers.append(response.status) if "/live" in response.url else None)
    page.goto(f"{served.url}/wall/tv/{TOKEN}")
    card = page.locator("#wall-vendas")
    expect(card).to_contain_text("All clear")
    until(lambda: page.evaluate("1") and answers.count(204) >= 2, 15, "two questions without news")
    assert set(answers) == {204}
    row = box.daemon.live["queues"][0]
    row |= {"waiting": 2, "longest_since_ms": now_ms() - 5_000}
    expect(card).to_contain_text("Somebody is waiting")
    row |= {"longest_since_ms": now_ms() - 21_000}
    expect(card).to_contain_text("Waiting too long")
    expect(card.locator(".wq-longest")).to_contain_text("0:2")
    box.daemon.stop()
    expect(page.locator("#banner-daemon-down")).to_contain_text("Calls go on.")
    assert page.locator("#live [data-since]").count() == 0, "clocks of old news stand still"
    box.daemon.start()
    expect(page.locator("#banner-daemon-down")).to_have_count(0)
    box.sql("DELETE FROM wall_screen")
    expect(page.get_by_text("There is no such page.")).to_be_visible()
    assert not faults


def test_an_alarm_is_said_on_every_page_and_on_the_board(box: Box, client: FlaskClient) -> None:
    args = {"measure": "longest-wait", "queue": "vendas", "limit": 60, "value": 75}
    box.daemon.live["warnings"] = [{"code": "alarm:late", "since_ms": now_ms(), "text_args": args}]
    signed_in(client)
    for path in ("/", "/calls", "/wall"):
        assert "Alarm “late”: somebody waits for more than 60 s." in client.get(path).get_data(as_text=True), path


def test_the_owner_makes_a_screen_in_the_browser_and_fills_it(
    box: Box, served: Served, page: Page, faults: list[str], tmp_path: Path
) -> None:
    with_screens(box)
    sign_in(page, served.url)
    page.click("details.menu summary")
    page.click("text=Wallboard")
    expect(page.locator("#wall-vendas")).to_be_visible()
    page.click("#whole")
    until(lambda: page.evaluate("document.fullscreenElement !== null"), 5, "the whole screen")
    page.keyboard.press("f")
    until(lambda: page.evaluate("document.fullscreenElement === null"), 5, "the window again")
    page.click("text=Screens")
    page.fill("#name", "Sala de espera")
    page.click("text=Make an address")
    address = page.locator("#address").inner_text()
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/screens.png")
    page.context.clear_cookies()
    page.goto(address)
    expect(page.locator("#wall-vendas")).to_be_visible()
    page.goto(served.url + "/wall")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert not faults


def test_the_calls_behind_a_figure_fit_every_screen(box: Box, served: Served, page: Page) -> None:
    history(box)
    box.add_history([answered_call(51, now_ms() - 90_000)])
    sign_in(page, served.url)
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.goto(f"{served.url}/wall/queues/vendas")
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/behind-{width}.png")
