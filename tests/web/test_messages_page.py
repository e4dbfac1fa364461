"""The page of messages: who sees which box, what is asked of the daemon; a listening is audited and puts lamps out.

Without Asterisk; that phones and this page agree is shown in tests/system/test_messages.py.
"""

import html
import re
from contextlib import closing

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from ramal.store.db import open_reader
from ramal.store.privacy import audit_of
from ramal.store.supervision import audit
from ramal_web.app import create_app
from ramal_web.auth import passwords
from ramal_web.settings import of_home
from tests.store.office_day import Script
from tests.web.box import PASSWORD, Box, abandoned_call, now_ms
from tests.web.conftest import Served, english
from tests.web.test_browser import SMALL_TARGETS, UNNAMED, fits
from tests.web.test_door import token
from tests.web.test_inbound import sign_in
from tests.web.test_pages import HOSTILE


def message_call(serial: int, at_ms: int, box: str, caller: str = "+5511987654321", name: str = "") -> Script:
    call = Script(serial, at_ms, caller, name, "+551133330000").arrive()
    path = call.path("message")
    call.say("VOICEMAIL", f"{box}|{path}").wait(2000)
    call.say("MESSAGE", f"{path}||{box}|{call.main}").wait(8000)
    return call.say("MESSAGE", f"{path}|KEPT|{box}|{call.main}|8000|{caller}").end()


@pytest.fixture
def filled(box: Box) -> Box:
    box.daemon.stop()
    box.daemon.names += ("message.act", "message.note")
    box.daemon.start()
    at_ms = now_ms() - 3_600_000
    calls = [
        message_call(1, at_ms, "vendas", name="Maria"),
        message_call(11, at_ms + 60_000, "agent-1", "+5521912345678"),
        message_call(21, at_ms + 120_000, "agent-2", "+5531912345678", HOSTILE[0]),
        message_call(31, at_ms + 180_000, "office", "anonymous"),
        abandoned_call(41, at_ms + 240_000),
    ]
    box.add_history(calls)
    box.finish_recordings()
    for name, role, agent in (("ana", "agent", "1"), ("carla", "supervisor", "")):
        box.sql(
            "INSERT INTO user (name, role, password_hash, must_change, created_ms, agent) VALUES (?, ?, ?, 0, 0, ?)",
            *(name, role, passwords.hashed(PASSWORD), agent),
        )
    return box


def client_of(box: Box, user: str) -> FlaskClient:
    client = english(create_app(of_home(box.home)))
    client.post("/login", data={"user": user, "password": PASSWORD, "csrf": token(client, "/login")})
    return client


def heard_at_a_phone(serial: int, id: str, box: str, agent: str) -> Script:
    """Somebody opens a box at phone 203, and hears this message."""
    call = Script(serial, now_ms() - 60_000 + serial, "203", "Fone 203")
    call.line, call.place = f"PJSIP/203-{serial:08x}", "phone"
    call.event("CHAN_START", call.main, call.line, number="203")
    call.pick_up().say("MESSAGES", f"{box}|{agent}|203").wait(3000)
    return call.say("MESSAGE_ACT", f"heard|{box}|{id}|{agent}|203").wait(9000).end()


def listed(client: FlaskClient, path: str = "/messages") -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return html.unescape(answer.get_data(as_text=True))


def id_of(box: Box, name: str) -> tuple[str, int]:
    [(id, recording)] = box.sql("SELECT id, recording FROM message WHERE box = ?", name)
    return str(id), int(recording)


def test_the_owner_sees_every_box_and_an_agent_the_own_ones_only(filled: Box) -> None:
    owner, agent = client_of(filled, "owner"), client_of(filled, "ana")
    shown = listed(owner)
    for id in (id_of(filled, name)[0] for name in ("vendas", "agent-1", "agent-2", "office")):
        assert f'id="message-{id.replace(".", "-")}"' in shown
    seen = listed(agent)
    assert seen.count('class="message message-new"') == 2
    assert id_of(filled, "agent-2")[0].replace(".", "-") not in seen
    assert id_of(filled, "office")[0].replace(".", "-") not in seen
    assert listed(agent, "/messages?box=agent-2").count('class="message message-new"') == 2
    other = id_of(filled, "agent-2")
    assert agent.get(f"/recordings/{other[1]}").status_code == 403
    answer = agent.post(f"/messages/{other[0]}/deleted", data={"csrf": token(agent, "/messages")})
    assert answer.status_code == 404
    assert filled.daemon.asked_for("message.act") == []


def test_playing_a_message_is_one_line_of_the_audit_and_marks_it_heard_once(filled: Box) -> None:
    client = client_of(filled, "ana")
    id, recording = id_of(filled, "agent-1")
    assert client.head(f"/recordings/{recording}").status_code == 200
    assert filled.daemon.asked_for("message.act") == []
    for span in ("bytes=0-99", "bytes=100-199"):
        with client.get(f"/recordings/{recording}", headers={"Range": span}) as answer:
            assert (answer.status_code, len(answer.data)) == (206, 100)
    [asked] = filled.daemon.asked_for("message.act")
    assert (asked["who"], asked["id"], asked["act"]) == ("ana", id, "heard")
    played = [one for one in filled.daemon.asked_for("audit") if one["what"] == "recording.played"]
    assert [one["who"] for one in played] == ["ana"]


def test_what_is_pressed_is_asked_of_the_daemon(filled: Box) -> None:
    client = client_of(filled, "carla")
    id, _ = id_of(filled, "office")
    for act in ("returned", "deleted", "restored"):
        client.post(f"/messages/{id}/{act}", data={"csrf": token(client, "/messages")})
    client.post(f"/messages/{id}/note", data={"csrf": token(client, "/messages"), "text": " liga\namanhã "})
    assert [(one["id"], one["act"]) for one in filled.daemon.asked_for("message.act")] == [
        (id, "returned"),
        (id, "deleted"),
        (id, "restored"),
    ]
    assert [one["text"] for one in filled.daemon.asked_for("message.note")] == ["liga amanhã"]


def test_every_hearing_at_a_phone_stands_in_the_audit_and_in_what_the_caller_is_handed_out(filled: Box) -> None:
    id, _ = id_of(filled, "vendas")
    filled.add_history([heard_at_a_phone(51, id, "vendas", "1"), heard_at_a_phone(61, id, "vendas", "")])
    shown = " ".join(re.sub(r"<[^>]*>", " ", listed(client_of(filled, "owner"), "/audit")).split())
    assert shown.count("Heard a message at a phone") == 2
    assert "203 Heard a message at a phone Vendas" in shown
    ((call,),) = filled.sql("SELECT c.id FROM message m JOIN call c ON c.key = m.call WHERE m.id = ?", id)
    with closing(open_reader(filled.home.db)) as db:
        first = audit(db, 1)
        second = audit(db, 1, first.older)
        assert [row.who for row in (*first.rows, *second.rows)] == ["203", "1"], "paged, the latest first"
        told = [(who, what) for _, who, what, _ in audit_of(db, call)]
    assert told == [("1", "phone.message"), ("203", "phone.message")]


def test_a_message_stands_beside_its_missed_call_and_a_returned_one_does_not(filled: Box) -> None:
    client = client_of(filled, "owner")
    recording = id_of(filled, "vendas")[1]
    assert f'src="/recordings/{recording}"' in listed(client, "/returns")
    filled.sql("UPDATE message SET returned_ms = ?, returned_by = 'page:carla' WHERE box = 'vendas'", now_ms())
    assert f'src="/recordings/{recording}"' not in listed(client, "/returns")
    shown = listed(client, "/messages?state=returned")
    assert "Marked as returned by carla" in shown
    assert shown.count('class="message message-new"') == 1


def test_a_phone_and_a_desk_show_the_page_whole_and_nothing_hostile(filled: Box, served: Served, page: Page) -> None:
    sign_in(page, served.url)
    for width in (320, 390, 1366):
        page.set_viewport_size({"width": width, "height": 800})
        for path in ("/messages", "/returns"):
            page.goto(served.url + path)
            fits(page)
            assert page.evaluate(UNNAMED) == []
            assert page.evaluate(SMALL_TARGETS) == []
    expect(page.locator(".message")).to_have_count(0)
    page.goto(served.url + "/messages?box=agent-2")
    expect(page.locator(".message")).to_have_count(1)
