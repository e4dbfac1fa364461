"""What callers think, on the page: scores with their response rates, the calls behind them, who may see what."""

import os
import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page

from ramal.store import settings
from ramal.store.db import open_writer
from ramal_web.app import create_app
from ramal_web.auth import passwords
from ramal_web.settings import of_home
from tests.store.office_day import Script
from tests.web.box import PASSWORD, Box, answered_call, now_ms
from tests.web.conftest import Served, english, sign_in
from tests.web.test_browser import SMALL_TARGETS, UNNAMED, fits

SHOTS = os.environ.get("RAMAL_SHOTS")


def surveyed(serial: int, *answers: str, agent: str = "1", caller: str = "", sentence: bool = False) -> Script:
    """An answered call of ``vendas`` whose agent hung up, and what the caller then answered."""
    number = caller or f"+55119{serial:08}"
    call = Script(serial, now_ms() - 3_600_000 - serial * 1000, number, "Maria", "+551133330000").arrive().pick_up()
    call.join("vendas").wait(1200)
    unique, channel = call.ring(f"20{agent}")
    call.wait(500)
    call.event("ANSWER", unique, channel, number=f"20{agent}")
    call.queued("vendas", f"agent-{agent}", "CONNECT", 2, unique, 1)
    both = ((unique, channel), (call.main, call.line))
    call.bridge("BRIDGE_ENTER", *both)
    call.wait(20_000)
    call.bridge("BRIDGE_EXIT", *both)
    call.queued("vendas", f"agent-{agent}", "COMPLETEAGENT", 2, 20, 1)
    call.hang(unique, channel, channel)
    call.say("WHY", "survey-offered|vendas|100").say("SURVEY", f"vendas|{agent}|asked|csat-nps-sentence")
    for answer in answers:
        call.wait(2000).say("SURVEY", f"vendas|{agent}|{answer}")
    if sentence:
        call.wait(2000).say("SURVEY", f"vendas|{agent}|sentence|{call.path('survey')}")
    return call.wait(5000).end("")


def fill(box: Box) -> None:
    box.add_history(
        [
            surveyed(11, "csat|5", "nps|10", caller="+5511911112222"),
            surveyed(21, "csat|1", "nps|3", sentence=True),
            surveyed(31, "csat|4", agent="2"),
            surveyed(41),
        ]
    )
    box.finish_recordings()


def signed_in(box: Box, user: str = "owner") -> FlaskClient:
    client = english(create_app(of_home(box.home)))
    csrf = re.search(r'name="csrf" value="([^"]+)"', client.get("/login").get_data(as_text=True))
    assert csrf is not None
    told = client.post("/login", data={"csrf": csrf[1], "user": user, "password": PASSWORD})
    assert told.status_code == 303
    return client


def agent_user(box: Box, allowed: bool) -> FlaskClient:
    values = ("ana", "agent", passwords.hashed(PASSWORD), now_ms(), "1")
    box.sql(
        "INSERT INTO user (name, role, password_hash, must_change, created_ms, agent) VALUES (?, ?, ?, 0, ?, ?)",
        *values,
    )
    db = open_writer(box.home.db)
    try:
        office = settings.load(db)
        assert office is not None
        settings.save(db, replace(office, agents_see_surveys=allowed))
    finally:
        db.close()
    return signed_in(box, "ana")


def words_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_scores_stand_with_how_many_answered_and_lead_to_the_calls_behind_them(box: Box) -> None:
    fill(box)
    client = signed_in(box)
    html = client.get("/surveys").get_data(as_text=True)
    text = words_of(html)
    assert "Satisfied (CSAT) 66.7 % 3 answers · 75 % of 4 asked few answers" in text
    assert "Dissatisfied (DSAT) 33.3 % 3 answers · 75 % of 4 asked" in text
    assert "Recommend us (NPS) 0 2 answers · 50 % of 4 asked" in text
    assert "4 callers were asked: 75 % answered" in text
    assert "between 21 % and 94 %" in html
    assert "FCR" not in text, "nobody was asked whether it was resolved"
    behind = client.get("/surveys/calls?part=positive&queue=vendas").get_data(as_text=True)
    assert "Satisfied: 4 or 5: 2" in words_of(behind)
    assert "satisfied 5 of 5" in behind
    assert "satisfied 1 of 5" not in behind
    low = client.get("/surveys/calls?part=low&agent=1").get_data(as_text=True)
    assert "satisfied 1 of 5" in low
    assert "satisfied 5 of 5" not in low
    assert client.get("/surveys/calls?part=nonsense&queue=%00&before=x&day=x").status_code == 200


def test_who_called_again_is_counted_also_when_nobody_answered_and_only_for_who_spoke_first(box: Box) -> None:
    """Maria speaks with 1, then gives up; Rita speaks with 2, then with 1: nobody of 1's alone was helped but Rita."""
    maria, rita = "+5511911112222", "+5511911113333"
    lost = Script(1, now_ms() - 900_000, maria, "Maria", "+551133330000").arrive().pick_up()
    lost.join("vendas").wait(9000).abandon("vendas")
    box.add_history(
        [
            surveyed(31, "csat|5", agent="2", caller=rita),
            surveyed(21, "csat|5", caller=maria),
            surveyed(11, "csat|5", caller=rita),
            lost,
        ]
    )
    html = signed_in(box).get("/surveys").get_data(as_text=True)
    parts = [words_of(part).split("Did not call again in 7 days ")[1] for part in html.split('class="score-row"')[1:]]
    assert [part.split(" caller")[0] for part in parts] == ["0 % 2", "50 % 2", "0 % 1"], "the queue, then 1 and 2"


def test_a_box_that_asks_nobody_says_how_to_begin(box: Box) -> None:
    text = words_of(signed_in(box).get("/surveys").get_data(as_text=True))
    assert "Nobody was asked for an opinion in these days." in text
    assert "[[survey]]" in text
    assert "Did not call again" not in text


def test_who_calls_again_is_counted_also_where_nobody_is_asked(box: Box) -> None:
    box.add_history([answered_call(serial, now_ms() - serial * 60_000) for serial in (1, 20)])
    text = words_of(signed_in(box).get("/surveys").get_data(as_text=True))
    assert "Nobody was asked for an opinion in these days." in text
    assert "Did not call again in 7 days 0 % 1 caller" in text


def test_a_call_shows_what_was_answered_and_its_sentence_is_played_with_an_audit(box: Box) -> None:
    fill(box)
    client = signed_in(box)
    call_id, sentence = box.sql("SELECT c.id, s.sentence FROM survey s JOIN call c ON c.key = s.call WHERE s.csat = 1")[
        0
    ]
    page = client.get(f"/calls/{call_id}").get_data(as_text=True)
    text = words_of(page)
    assert "What the caller thinks satisfied 1 of 5 recommends us 3 of 10 left a sentence" in text
    assert "Answered: satisfied 1 of 5." in text
    assert "The caller was asked for an opinion." in text
    assert "The agent hung up." in text
    heard = client.get(f"/recordings/{sentence}")
    assert heard.status_code == 200
    heard.close()
    assert box.daemon.asked_for("audit")[-1]["what"] == "recording.played"


@pytest.mark.parametrize("allowed", [True, False])
def test_an_agent_sees_the_own_figures_only_and_only_where_the_office_allows_it(box: Box, allowed: bool) -> None:
    fill(box)
    client = agent_user(box, allowed)
    assert client.get("/surveys").status_code == 403
    assert client.get("/surveys/calls").status_code == 403
    own = client.get("/surveys/mine")
    assert own.status_code == (200 if allowed else 403)
    if allowed:
        text = words_of(own.get_data(as_text=True))
        assert "Satisfied (CSAT) 50 % 2 answers · 67 % of 3 asked" in text
        assert "/surveys/calls" not in own.get_data(as_text=True)
    call_id, sentence = box.sql("SELECT c.id, s.sentence FROM survey s JOIN call c ON c.key = s.call WHERE s.csat = 1")[
        0
    ]
    page = client.get(f"/calls/{call_id}").get_data(as_text=True)
    assert "satisfied 1 of 5" not in page
    assert f"/recordings/{sentence}" not in page
    assert client.get(f"/recordings/{sentence}").status_code == 403


def test_the_pages_fit_every_screen_and_every_button_has_a_name(box: Box, served: Served, chromium: Browser) -> None:
    fill(box)
    for (width, height), scheme in product(((360, 780), (1280, 900)), ("light", "dark")):
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, locale="pt-BR")  # type: ignore[arg-type]
        try:
            page: Page = context.new_page()
            sign_in(page, served.url)
            for name, path in (
                ("list", "/surveys"),
                ("behind", "/surveys/calls?part=asked"),
                ("empty", "/surveys?day=yesterday"),
            ):
                page.goto(served.url + path)
                assert fits(page), (path, width)
                assert not page.evaluate(UNNAMED), path
                assert width != 360 or not page.evaluate(SMALL_TARGETS), (path, page.evaluate(SMALL_TARGETS))
                if SHOTS:
                    page.screenshot(path=str(Path(SHOTS) / f"surveys-{name}-{width}-{scheme}.png"), full_page=True)
        finally:
            context.close()
