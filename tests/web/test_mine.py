"""An agent's own page in a real Chromium: a real daemon, and Asterisk is played."""

import contextlib
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ramal.store import notes
from ramal.store.db import open_writer
from ramal_web.auth import passwords
from tests.until import until
from tests.web.box import PASSWORD, abandoned_call, answered_call, now_ms
from tests.web.test_browser import SMALL_TARGETS, UNNAMED, fits
from tests.web.test_door import token
from tests.web.test_inbound import CALLER, OFFICE, Floor, sign_in, signed_in, variables
from tests.web.test_pages import HOSTILE

SALES = """
dispositions = { 1 = "sold: Vendido", 2 = "again: Ligar de novo" }
"""
MINE = OFFICE.replace('title = "Vendas"\n', f'title = "Vendas"\n{SALES}').replace(
    'timezone = "America/Sao_Paulo"\n', 'timezone = "America/Sao_Paulo"\ndial_out = "national"\n'
)
MINE += """
[[pause]]
code = "training"
key = "2"
title = "Treinamento"

[[number]]
number = "+551133330000"
to = "queue:vendas"
"""
SPOKEN = answered_call(31, now_ms() - 7_200_000, CALLER, "Maria")
CALLS = [
    SPOKEN.say("DISPOSITION", f"1|vendas|again|{SPOKEN.id}"),
    abandoned_call(1, now_ms() - 3_600_000, CALLER, "Maria"),
    abandoned_call(21, now_ms() - 900_000, "+5521912345678", "Zé"),
]


@pytest.fixture
def floor() -> Iterator[Floor]:
    with standing(MINE) as floor:
        yield floor


@contextlib.contextmanager
def standing(office: str) -> Iterator[Floor]:
    """A floor with ana, who is agent 1, and three calls in the history."""
    with tempfile.TemporaryDirectory(prefix="ramal-web-") as made:
        floor = Floor(Path(made), CALLS, office)
        digest = passwords.hashed(PASSWORD)
        floor.daemon.ask("users.add", name="ana", role="agent", agent="1", hash=digest)
        floor.box.sql("UPDATE user SET must_change = 0 WHERE name = 'ana'")
        ended = "SELECT 1 FROM call WHERE ended_ms IS NOT NULL"
        until(lambda: len(floor.box.sql(ended)) == 3, 10, "the calls are read")
        try:
            yield floor
        finally:
            floor.end()


def rings(floor: Floor, call: str, number: str = CALLER, name: str = "Maria") -> None:
    """A caller waits, and the phone of agent 1 rings for them."""
    caller = (("Linkedid", call), ("CallerIDNum", number), ("CallerIDName", name))
    floor.peer.event(
        *("QueueCallerJoin", ("Queue", "vendas"), ("Channel", f"PJSIP/x-{call}"), ("Position", "1"), *caller)
    )
    floor.peer.event("AgentCalled", ("Queue", "vendas"), ("MemberName", "agent-1"), *caller)


def answers(floor: Floor, call: str, number: str = CALLER) -> None:
    who = (("Queue", "vendas"), ("MemberName", "agent-1"), ("Linkedid", call), ("CallerIDNum", number))
    floor.peer.event("AgentConnect", *who, ("HoldTime", "3"), ("Channel", f"PJSIP/x-{call}"))


def mine(floor: Floor, page: Page) -> None:
    sign_in(page, floor.page.url, "ana")
    page.wait_for_url("**/mine")


def test_an_agent_begins_on_the_own_page_and_goes_on_a_break_as_the_phone_does(
    floor: Floor, page: Page, faults: list[str]
) -> None:
    mine(floor, page)
    expect(page.locator("#me-title")).to_have_text("Free")
    expect(page.locator("#my-answered")).to_have_text("1")
    page.click("#pause-lunch")
    expect(page.locator(".told-good")).to_contain_text("on a break")
    (action,) = until(lambda: floor.asked("Originate"), 5, "Asterisk is asked")
    assert (action.get("Channel"), action.get("Context")) == ("Local/act@ramal-mine/n", "ramal-mine")
    assert {"RAMAL_CODE=*471", "RAMAL_AGENT=1", "RAMAL_PHONE=201"} <= variables(action)
    paused = (("Queue", "vendas"), ("MemberName", "agent-1"), ("Interface", "PJSIP/201"))
    floor.peer.event("QueueMemberPause", *paused, ("Paused", "1"), ("PausedReason", "lunch"))
    expect(page.locator("#me-title")).to_have_text("On a break")
    expect(page.locator("#me")).to_contain_text("Almoço")
    page.click("#resume")
    until(lambda: len(floor.asked("Originate")) == 2, 5, "asked to be back")
    assert "RAMAL_CODE=*48" in variables(floor.asked("Originate")[1])
    assert not faults


def test_who_calls_stands_on_the_page_within_a_second_with_what_was_said_last_time(
    floor: Floor, page: Page, faults: list[str]
) -> None:
    contact = {"number": CALLER, "name": "Maria Souza", "vip": "yes", "note": "Prefers mornings"}
    floor.daemon.ask("contact.save", who="owner", contact=contact)
    put_note(floor, "carla", SPOKEN.id, "Wants the big cake.\nCall on Friday <b>")
    mine(floor, page)
    expect(page.locator("#pop")).to_have_count(0)
    rings(floor, "1795000000.7")
    expect(page.locator("#pop-title")).to_have_text("Maria Souza", timeout=1_500)
    pop = page.locator("#pop")
    for text in ("(11) 98765-4321", "VIP", "Vendas", "Prefers mornings", "Calls you now", "waits for"):
        expect(pop).to_contain_text(text)
    rows = page.locator(".before-row")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("Gave up waiting")
    expect(rows.nth(1)).to_contain_text("Ana")
    expect(rows.nth(1)).to_contain_text("Ligar de novo")
    expect(rows.nth(1)).to_contain_text("Call on Friday <b>")
    expect(page.locator("[id^=said-]")).to_have_count(0)
    assert page.locator("#announce").text_content() == "Maria Souza"
    assert not faults


def test_what_a_call_was_is_said_on_the_page_during_the_talk(floor: Floor, page: Page) -> None:
    mine(floor, page)
    rings(floor, "1795000000.7")
    answers(floor, "1795000000.7")
    expect(page.locator("#me-title")).to_have_text("Talking")
    page.click("#said-sold")
    expect(page.locator(".told-good")).to_be_visible()
    (action,) = until(lambda: floor.asked("Originate"), 5, "Asterisk is asked")
    assert action.get("Channel") == "Local/said@ramal-mine/n"
    wanted = {"RAMAL_ABOUT=1795000000.7", "RAMAL_OF=vendas", "RAMAL_WHAT=sold", "RAMAL_KEY=1", "RAMAL_AGENT=1"}
    assert wanted | {"RAMAL_DIGITS=5511987654321"} <= variables(action)


def test_a_note_keeps_itself_while_it_is_typed_and_stays_in_place(floor: Floor, page: Page, faults: list[str]) -> None:
    mine(floor, page)
    rings(floor, "1795000000.7")
    answers(floor, "1795000000.7")
    page.locator("#note-text").press_sequentially("Wants two cakes")
    expect(page.locator("#note-kept")).to_contain_text("Kept at")
    floor.waits("1795000000.9", 2)
    expect(page.locator("#queue-now")).to_contain_text("1 caller waits")
    assert page.input_value("#note-text") == "Wants two cakes"
    assert page.evaluate("document.activeElement.id") == "note-text", "typing goes on while the page renews itself"
    assert kept(floor) == [("ana", "Wants two cakes")]
    page.reload()
    assert page.input_value("#note-text") == "Wants two cakes"
    page.fill("#note-text", "")
    page.click("#note-form button")
    until(lambda: kept(floor) == [], 5, "an empty note is none")
    rings(floor, "1795000000.8", "+5521912345678", "Zé")
    assert not faults


def test_a_number_is_called_by_one_press_once_and_from_the_own_phone(floor: Floor, page: Page) -> None:
    mine(floor, page)
    page.goto(f"{floor.page.url}/calls/{SPOKEN.id}")
    page.locator("#dial button").click()
    expect(page.locator(".told-good")).to_contain_text("Phone 201 rings")
    (action,) = until(lambda: floor.asked("Originate"), 5, "the phone rings")
    assert action.get("Channel") == "PJSIP/201"
    assert (action.get("Context"), action.get("Exten")) == ("ramal-click", CALLER)
    ((attempt, who, phone, number),) = floor.box.sql("SELECT attempt, who, phone, number FROM dial_attempt")
    assert (action.get("ActionID"), who, phone, number) == (attempt, "ana", "201", CALLER)
    assert floor.daemon.ask("dial.start", who="ana", number=CALLER, phone="201", attempt=attempt)["again"] is True
    assert len(floor.asked("Originate")) == 1


def test_a_number_is_called_for_the_campaign_that_was_chosen(page: Page) -> None:
    campaigns = "".join(
        f'[[campaign]]\nname = "{name}"\ncode = "{code}"\ntitle = "{title}"\n'
        for name, code, title in (("spring", "1", "Primavera <b>"), ("quiet", "12", ""))
    )
    with standing(MINE + campaigns) as floor:
        mine(floor, page)
        page.goto(f"{floor.page.url}/calls/{SPOKEN.id}")
        chosen = page.locator("#dial select")
        assert chosen.locator("option").all_inner_texts() == ["For no campaign", "Primavera <b>", "quiet"]
        assert fits(page)
        assert page.evaluate(SMALL_TARGETS) == page.evaluate(UNNAMED) == []
        chosen.select_option("quiet")
        page.locator("#dial button").click()
        expect(page.locator(".told-good")).to_contain_text("Phone 201 rings")
        (action,) = until(lambda: floor.asked("Originate"), 5, "the phone rings")
        assert (action.get("Context"), action.get("Exten")) == ("ramal-click", CALLER)
        assert "RAMAL_FOR=12" in variables(action)
        page.goto(f"{floor.page.url}/calls/{SPOKEN.id}")
        page.locator("#dial button").click()
        until(lambda: len(floor.asked("Originate")) == 2, 5, "it rings again")
        assert variables(floor.asked("Originate")[1]) == {"RAMAL_PHONE=201"}
        client = signed_in(floor, "ana")
        data = {"csrf": token(client, "/contacts"), "number": CALLER, "attempt": "c" * 16, "campaign": "gone"}
        answer = client.post("/dial", data=data, follow_redirects=True).get_data(as_text=True)
        assert "no such campaign" in answer
        assert len(floor.asked("Originate")) == 2


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        ("+14155552671", "abroad"),
        ("+870773111632", "costly"),
        ("190", "no number"),
        ("+551133330000", "no number"),
        ("<script>", "no number"),
    ],
)
def test_what_phones_may_not_dial_is_refused_with_a_sentence(floor: Floor, number: str, sentence: str) -> None:
    client = signed_in(floor, "ana")
    data = {"csrf": token(client, "/contacts"), "number": number, "attempt": "a" * 16}
    answer = client.post("/dial", data=data, follow_redirects=True).get_data(as_text=True)
    assert "told-bad" in answer
    assert sentence in answer
    assert not floor.asked("Originate")
    assert not floor.box.sql("SELECT 1 FROM dial_attempt")


def test_an_agent_acts_on_no_one_else_and_notes_no_one_elses_call(floor: Floor) -> None:
    client = signed_in(floor, "ana")
    data = {"csrf": token(client, "/contacts")}
    stranger = CALLS[2].id
    for path, more in (
        (f"/mine/calls/{stranger}/said", {"code": "sold"}),
        (f"/calls/{stranger}/note", {"text": "mine!"}),
        ("/mine/calls/x/said", {"code": "sold"}),
        (f"/mine/calls/{SPOKEN.id}/said", {"code": "nonsense"}),
        ("/mine/pause", {"reason": "nonsense"}),
        ("/mine/act", {"act": "nonsense"}),
    ):
        answer = client.post(path, data=data | more, follow_redirects=True).get_data(as_text=True)
        assert "told-bad" in answer, path
    with pytest.raises(Exception, match="not the phone you are signed in at"):
        floor.daemon.ask("dial.start", who="ana", number=CALLER, phone="202", attempt="b" * 16)
    with pytest.raises(Exception, match="belongs to no agent"):
        floor.daemon.ask("mine.act", who="carla", act="pause")
    assert not floor.asked("Originate")
    assert kept(floor) == []
    data = {"csrf": token(signed := signed_in(floor, "carla"), "/contacts")}
    text = "x" * 1001
    assert "told-bad" in signed.post(
        f"/calls/{SPOKEN.id}/note", data=data | {"text": text}, follow_redirects=True
    ).get_data(as_text=True)
    signed.post(f"/calls/{SPOKEN.id}/note", data=data | {"text": "Seen by the boss"})
    assert kept(floor) == [("carla", "Seen by the boss")]
    assert "Seen by the boss" in signed.get(f"/calls/{SPOKEN.id}").get_data(as_text=True)


def test_who_is_no_agent_sees_what_is_missing_and_may_choose_a_phone(floor: Floor) -> None:
    client = signed_in(floor, "owner")
    text = client.get("/mine").get_data(as_text=True)
    assert "belongs to no agent" in text
    assert 'name="phone"' in text
    data = {"csrf": token(client, "/mine"), "number": CALLER, "attempt": "c" * 16}
    assert "Choose your phone first" in client.post("/dial", data=data, follow_redirects=True).get_data(as_text=True)
    client.post("/returns/phone", data=data | {"phone": "202"})
    assert "Phone 202 rings" in client.post("/dial", data=data, follow_redirects=True).get_data(as_text=True)


def test_nothing_is_asked_of_the_database_while_nothing_happens(floor: Floor) -> None:
    client = signed_in(floor, "ana")
    text = client.get("/mine").get_data(as_text=True)
    seen = re.search(r"/mine/now\?seen=([^&\"]*)", text)
    assert seen is not None
    until(lambda: client.get(f"/mine/now?seen={seen[1]}").status_code == 204, 5, "nothing new")
    rings(floor, "1795000000.7")
    answer = until(lambda: (got := client.get(f"/mine/now?seen={seen[1]}")).data and got, 5, "news")
    assert answer.headers["HX-Trigger-After-Swap"] == "call-changed"


@pytest.mark.parametrize("width", [390, 820, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_can_be_pressed_by_a_thumb_with_hostile_names(
    floor: Floor, chromium: Browser, width: int, scheme: str
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, locale="pt-BR")  # type: ignore[arg-type]
    try:
        page = context.new_page()
        floor.daemon.ask(
            "contact.save", who="owner", contact={"number": CALLER, "name": HOSTILE[0], "vip": "yes", "note": "x " * 99}
        )
        put_note(floor, "carla", SPOKEN.id, "word" * 200)
        mine(floor, page)
        rings(floor, "1795000000.7", CALLER, HOSTILE[0])
        answers(floor, "1795000000.7")
        expect(page.locator("#said-sold")).to_be_visible()
        assert fits(page)
        assert page.evaluate(SMALL_TARGETS) == []
        assert page.evaluate(UNNAMED) == []
    finally:
        context.close()


def put_note(floor: Floor, who: str, call: str, text: str) -> None:
    db: sqlite3.Connection = open_writer(floor.home.db)
    try:
        notes.put(db, now_ms(), who, call, text)
    finally:
        db.close()


def kept(floor: Floor) -> list[tuple[object, ...]]:
    return [tuple(row) for row in floor.box.sql("SELECT who, text FROM call_note ORDER BY call, who")]  # type: ignore[misc]
