"""Room for recordings on the first page, how long they are kept, and legal holds, with pages and a real browser."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from ramal.core.office_file import read, write
from ramal.core.retention_rules import RULES
from ramal.store import settings
from ramal.store.db import open_writer
from ramal_web.app import create_app
from ramal_web.keeping import words
from ramal_web.settings import of_home
from tests.web.box import Box, answered_call, demo_office, now_ms
from tests.web.conftest import Served, sign_in
from tests.web.test_browser import fits
from tests.web.test_door import enter, token

GB = 10**9
LOOK: dict[str, Any] = {
    "total": 64 * GB,
    "free": 30 * GB,
    "used": 21 * GB,
    "count": 18_230,
    "capacity": 50 * GB,
    "floor": GB,
    "full_days": 41,
}


def look(box: Box, **more: Any) -> None:
    box.sql("INSERT OR REPLACE INTO room VALUES (1, ?, ?)", now_ms(), json.dumps(LOOK | more))


def hold(box: Box, kind: str, what: str, why: str, released: int | None = None) -> None:
    box.sql(
        "INSERT INTO hold (kind, what, at_ms, who, why, released_ms, released_who) VALUES (?, ?, ?, 'owner', ?, ?, ?)",
        *(kind, what, now_ms(), why, released, "ana" if released else ""),
    )


@pytest.fixture
def care(box: Box) -> Box:
    """A box with a queue that is customer service by law."""
    text = write(demo_office()).replace('name = "suporte"', 'name = "suporte"\nsac = true\nkeep_days = 60', 1)
    db = open_writer(box.home.db)
    settings.save(db, read(text))
    db.close()
    return box


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "Full in 41 days at this pace."),
        ({"full_days": 1}, "Full in 1 day at this pace."),
        ({"full_days": None}, "Full in – days"),
        ({"full_days": 730}, "there is room for years"),
        ({"full_days": 0}, "the oldest recordings go before their time"),
        ({"off": "room"}, "The disk is full: new calls are not recorded. Calls go on."),
        ({"off": "quota"}, "What must be kept fills the space"),
    ],
)
def test_the_first_page_says_for_how_long_there_is_room(
    box: Box, client: FlaskClient, more: dict[str, Any], said: str
) -> None:
    enter(client)
    assert 'id="room"' in client.get("/").text
    assert "Room for recordings" not in client.get("/room").text, "nothing is known yet"
    look(box, **more)
    page = client.get("/room").text
    assert said in page
    assert "18,230 recordings: 21.0 GB of 50.0 GB." in page


def test_what_was_never_counted_is_no_zero(box: Box, client: FlaskClient) -> None:
    enter(client)
    look(box, used=0, count=0, capacity=0, full_days=None, counted=False)
    for path in ("/room", "/keeping"):
        page = client.get(path).text
        assert "not counted yet" in page
        assert "0 kB" not in page
        assert "0 recordings" not in page
    look(box, used=0, count=0)
    assert "0 recordings: 0 kB of 50.0 GB." in client.get("/room").text, "counted, and there are none"
    look(box, used=0, count=0, capacity=0, off="room")
    assert "0 recordings: 0 kB of 0 kB." in client.get("/room").text, "counted, and others have filled the disk"


def test_gaps_of_more_than_three_minutes_are_listed_with_their_calls(box: Box, client: FlaskClient) -> None:
    enter(client)
    assert "Long silences" not in client.get("/keeping").text
    box.add_history([answered_call(10, now_ms() - 3_600_000)])
    ((key, call),) = box.sql("SELECT key, id FROM call")
    for n, (length_ms, days) in enumerate(((180_000, 1), (181_000, 1), (400_000, 31))):
        values = (key * 16, n, length_ms, now_ms() - days * 86_400_000)
        box.sql("INSERT INTO recording_gap VALUES (?, ?, 0, ?, ?, '201', '1', 'limit')", *values)
    page = client.get("/keeping").text
    (row,) = page.split('id="long-gaps"')[1].split("</section>")[0].split("<li")[1:]
    assert f'href="/calls/{call}"' in row
    assert "3:01" in row


def test_the_page_says_how_long_everything_is_kept_and_which_law_asks_for_it(care: Box, client: FlaskClient) -> None:
    enter(client)
    page = client.get("/keeping").text
    for said in ("365 days", "180 days", "90 days", "Decreto 11.034/2022", "never less than 30 days", "keep_free_mb"):
        assert said in page


def test_campaigns_are_not_told_of_while_there_are_none_and_their_setting_is_kept(
    box: Box, client: FlaskClient
) -> None:
    text = write(demo_office())
    assert "campaign_days" not in text
    text += "\n[recordings]\ncampaign_days = 77\n"
    db = open_writer(box.home.db)
    settings.save(db, read(text))
    db.close()
    enter(client)
    page = client.get("/keeping").text
    assert "Surveys" in page
    assert "ampaign" not in page
    assert "campaign_days = 77" in write(read(text))


def test_every_law_is_told_in_the_reader_s_language(care: Box) -> None:
    app = create_app(of_home(care.home))
    told = []
    for tag in ("en", "pt-BR", "es"):
        with app.test_request_context(headers={"Accept-Language": tag}):
            told.append([words.law(rule) for rule in RULES])
        client = app.test_client()
        client.environ_base["HTTP_ACCEPT_LANGUAGE"] = tag
        enter(client)
        assert told[-1][0] in client.get("/keeping").text
    assert told[0] == [rule.law for rule in RULES]
    for rule, *three in zip(RULES, *told, strict=True):
        assert len(set(three)) == 3, three
        assert all(str(rule.minimum_days) in one for one in three), three


def test_a_removed_recording_says_when_and_why_on_its_call(box: Box, client: FlaskClient) -> None:
    box.add_history([answered_call(1, now_ms() - 60_000)])
    box.finish_recordings()
    ((number, path),) = box.sql("SELECT id, path FROM recording")
    box.sql(
        "INSERT INTO sound (recording, path, source, form, cipher, key_id, file_id, channels, duration_ms, bytes,"
        " sha256, plain_sha256, gaps, peak_db, rms_db, made_ms, gone_ms, gone_why, unlink_due)"
        " VALUES (?, ?, ?, 'wav', 0, '', x'', 1, 0, 0, x'', x'', '[]', 0, 0, 1, ?, 'quota', 0)",
        *(number, path, path, now_ms()),
    )
    enter(client)
    ((call,),) = box.sql("SELECT id FROM call")
    page = client.get(f"/calls/{call}").text
    assert "This recording was removed on" in page
    assert "the space for recordings was used up" in page
    assert "<audio" not in page


def test_a_hold_is_seen_on_its_call_and_in_the_list(box: Box, client: FlaskClient) -> None:
    box.add_history([answered_call(1, now_ms() - 60_000)])
    box.finish_recordings()
    ((call,),) = box.sql("SELECT id FROM call")
    enter(client)
    assert f"/keeping?call={call}" in client.get(f"/calls/{call}").text
    hold(box, "number", "+5511987654321", "<b>processo</b> 123")
    page = client.get(f"/calls/{call}").text
    assert "Under a legal hold: &lt;b&gt;processo&lt;/b&gt; 123" in page
    hold(box, "queue", "vendas", "old", now_ms())
    listed = client.get("/keeping").text
    assert "Calls with (11) 98765-4321" in listed
    assert "ended by ana" in listed


def test_holds_are_asked_of_the_daemon(box: Box, client: FlaskClient) -> None:
    box.daemon.names += ("recordings.hold", "recordings.release")
    box.daemon.start()
    enter(client)
    csrf = token(client, "/keeping")
    form = {"csrf": csrf, "kind": "number", "number": "11 98765-4321", "why": "processo 123"}
    days = {"from": "2026-11-01", "to": "2026-11-02", "until": "2027-01-01"}
    assert client.post("/keeping/holds", data=form | days).status_code == 303
    (asked,) = box.daemon.asked_for("recordings.hold")
    assert (asked["kind"], asked["what"], asked["why"]) == ("number", "11 98765-4321", "processo 123")
    assert int(asked["to"]) - int(asked["from"]) == 2 * 86_400_000 - 1
    assert client.post("/keeping/holds", data=form | {"from": "tomorrow"}).status_code == 303
    assert "This is no day" in client.get("/keeping").text
    assert client.post("/keeping/holds", data=form | {"kind": "all"}).status_code == 400
    assert client.post("/keeping/holds/7/release", data={"csrf": csrf}).status_code == 303
    assert box.daemon.asked_for("recordings.release")[0]["id"] == "7"


def test_an_agent_sees_none_of_it(box: Box, client: FlaskClient) -> None:
    box.sql("UPDATE user SET role = 'agent'")
    enter(client)
    assert client.get("/keeping").status_code == 403
    assert client.get("/room").status_code == 403


def test_it_looks_well_on_a_phone_and_a_desk(care: Box, served: Served, page: Page, faults: list[str]) -> None:
    look(care, early=12, orphans=2, orphan="recordings/2026/01/02/stray.wav", short=3 * GB)
    hold(care, "number", "+5511987654321", "Processo 0001234-56.2026.8.26.0100, ofício do juízo")
    hold(care, "queue", "vendas", "acordo", now_ms())
    care.daemon.start()
    care.daemon.live["warnings"] = [
        {"code": "recording-stopped", "since_ms": now_ms(), "text_args": {"reason": "room", "free_mb": 12}},
        {"code": "room-soon", "since_ms": now_ms(), "text_args": {"days": 9}},
    ]
    sign_in(page, served.url)
    shots = os.environ.get("RAMAL_SHOTS")
    for width in (360, 820, 1366):
        page.set_viewport_size({"width": width, "height": 900})
        for path in ("/", "/keeping"):
            page.goto(served.url + path)
            if path == "/":
                expect(page.locator("#room")).to_contain_text("go before their time")
                expect(page.locator("#banner-recording-stopped")).to_contain_text("only 12 MB are free")
            assert fits(page), (width, path)
            if shots:
                page.screenshot(path=Path(shots) / f"keeping-{width}{path.replace('/', '-')}.png", full_page=True)
    assert not faults
