"""The page of the backups: what became of last night's, making one, the recovery code, taking one along."""

import os
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from ramal.core.backups import name_of
from ramal.store import backups as rows
from ramal.store.db import open_writer
from tests.web.box import Box, now_ms
from tests.web.conftest import Served, sign_in
from tests.web.test_browser import WIDTHS, fits
from tests.web.test_door import enter, token

HOUR_MS = 3_600_000


@pytest.fixture
def answering(box: Box, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the daemon says of backups; a test may change it."""
    said: dict[str, Any] = {
        "backups.status": {"doing": "", "waiting": False, "asked": False, "away": {}, "folder": str(box.home.backups)},
        "backups.code": {"code": "abcd-efgh-2345", "noted_ms": 0, "made_ms": 5},
    }
    usual = box.daemon._answer
    box.daemon._answer = lambda request: usual(request) | said.get(request.do, {})  # type: ignore[method-assign]
    box.daemon.names += ("backups.now", "backups.status", "backups.code", "backups.noted")
    box.daemon.stop()
    box.daemon.start()
    return said


def with_backup(box: Box, reason: str = "", amiss: str = "", hours_ago: int = 8) -> str:
    """One of last night, restored and compared."""
    at_ms = now_ms() - hours_ago * HOUR_MS
    name = name_of(at_ms)
    db = open_writer(box.home.db)
    try:
        db.execute("BEGIN")
        backup = rows.begin(db, "night", at_ms)
        rows.made(db, backup, name, 2_345_678, b"x" * 32, at_ms + 5000)
        rows.compared(db, name, amiss, (60, 12_345, 17), reason, at_ms + 9000)
        rows.copied(db, name, "stick", "/media/stick", 2_345_678, at_ms)
        db.execute("COMMIT")
    finally:
        db.close()
    box.home.backups.mkdir(exist_ok=True)
    (box.home.backups / name).write_bytes(b"sealed")
    return name


def act(client: FlaskClient, wanted: str) -> str:
    return client.post("/backups", data={"csrf": token(client, "/backups"), "act": wanted}, follow_redirects=True).text


def test_the_front_page_says_what_became_of_last_night(box: Box, client: FlaskClient) -> None:
    enter(client)
    assert 'hx-get="/backups/card"' in client.get("/").text
    assert "verdict" not in client.get("/backups/card").text
    with_backup(box)
    card = client.get("/backups/card").text
    assert "Backup of last night" in card
    assert "Restored and compared: all equal." in card
    assert "60 tables, 12,345 rows, 17 files" in card


def test_the_front_page_says_what_failed(box: Box, client: FlaskClient) -> None:
    enter(client)
    with_backup(box, "differs", "The table call has 1 rows, not 2.")
    card = client.get("/backups/card").text
    assert "NOT good" in card
    assert "problem" in card


def test_an_older_one_is_not_called_last_nights(box: Box, client: FlaskClient) -> None:
    enter(client)
    with_backup(box, hours_ago=60)
    assert "Backup of last night" not in client.get("/backups/card").text
    assert "Last backup" in client.get("/backups/card").text


def test_the_page_lists_them_and_says_how_to_restore(box: Box, client: FlaskClient, answering: dict[str, Any]) -> None:
    enter(client)
    assert "No backup was made yet" in client.get("/backups").text
    name = with_backup(box)
    page = client.get("/backups").text
    assert f'href="/backups/{name}"' in page
    assert "also on the stick" in page
    assert "ramal restore FILE" in page
    assert "abcd-efgh" not in page
    answering["backups.status"]["away"] = {"stick": "no-stick"}
    assert "It is not on the stick: No stick is mounted there." in client.get("/backups/state").text


def test_on_a_box_one_is_put_back_in_the_page(box: Box, client: FlaskClient, answering: dict[str, Any]) -> None:
    name = name_of(now_ms())
    said = {"ok": False, "sentence": "<i>no</i>", "at_ms": now_ms()}
    answering["restore.status"] = {"settable": True, "box": [], "stick": [name], "waits": False, "said": said}
    box.daemon.names += ("restore.status", "restore.start")
    box.daemon.stop()
    box.daemon.start()
    enter(client)
    page = client.get("/backups").get_data(as_text=True)
    assert "systemctl" not in page, "nobody has a shell on a box"
    assert f'value="stick/{name}"' in page
    assert "&lt;i&gt;no" in page
    sent = {"csrf": token(client, "/backups"), "act": "restore", "backup": f"stick/{name}", "code": "abcd-2345"}
    assert client.post("/backups", data=sent).status_code == 303
    asked = {"where": "stick", "name": name, "code": "abcd-2345", "who": "owner"}
    assert box.daemon.asked_for("restore.start") == [asked]


def test_one_can_be_asked_for(box: Box, client: FlaskClient, answering: dict[str, Any]) -> None:
    enter(client)
    assert "A backup is being made, restored for a look, and compared." in act(client, "now")
    assert box.daemon.asked_for("backups.now") == [{"who": "owner"}]
    assert box.daemon.asked_for("audit")[-1]["what"] == "backups.now"
    answering["backups.status"]["doing"] = "comparing"
    assert "being restored for a look" in client.get("/backups/state").text
    assert client.post("/backups", data={"csrf": token(client, "/backups"), "act": "x"}).status_code == 400


def test_the_code_is_shown_once_asked_for_and_noted(box: Box, client: FlaskClient, answering: dict[str, Any]) -> None:
    enter(client)
    answering["backups.status"]["noted"] = False
    assert "code-unnoted" in client.get("/backups").text
    assert "abcd-efgh-2345" in act(client, "code")
    answering["backups.status"]["noted"] = True
    assert "code-unnoted" not in client.get("/backups").text
    assert "Keep it where a fire" in act(client, "noted")
    assert box.daemon.asked_for("backups.noted") == [{"who": "owner"}]
    answering["backups.code"]["code"] = ""
    assert "the passphrase that the owner chose" in act(client, "code")


def test_one_can_be_taken_along_and_that_is_written_down(
    box: Box, client: FlaskClient, answering: dict[str, Any]
) -> None:
    enter(client)
    name = with_backup(box)
    with client.get(f"/backups/{name}") as answer:
        assert answer.data == b"sealed"
        assert name in answer.headers["Content-Disposition"]
        assert answer.headers["Cache-Control"] == "no-store"
    assert box.daemon.asked_for("audit")[-1] == {"who": "owner", "what": "backups.downloaded", "detail": name}


@pytest.mark.parametrize("name", ["..%2fdb%2framal.db", "ramal.db", "secrets", "ramal-20261122-031500.ramal-backup"])
def test_nothing_else_can_be_taken_along(
    box: Box, client: FlaskClient, answering: dict[str, Any], name: str, tmp_path: Path
) -> None:
    enter(client)
    with_backup(box)
    assert client.get(f"/backups/{name}").status_code == 404
    (tmp_path / "secret").write_bytes(b"x")
    (box.home.backups / "ramal-20261122-031501.ramal-backup").symlink_to(tmp_path / "secret")
    assert client.get("/backups/ramal-20261122-031501.ramal-backup").status_code == 404


def test_only_the_owner_sees_them(box: Box, client: FlaskClient, answering: dict[str, Any]) -> None:
    name = with_backup(box)
    box.sql("UPDATE user SET role = 'supervisor'")
    enter(client)
    for path in ("/backups", "/backups/state", f"/backups/{name}"):
        assert client.get(path).status_code == 403, path
    assert client.get("/backups/card").status_code == 200
    assert f"/backups/{name}" not in client.get("/backups/card").text
    box.sql("UPDATE user SET role = 'agent', agent = '1'")
    assert client.get("/backups/card").status_code in (302, 303, 403)


@pytest.mark.parametrize("language", ["pt-BR", "en", "es"])
def test_in_a_browser_it_fits_every_width_and_theme(
    box: Box, page: Page, faults: list[str], answering: dict[str, Any], language: str
) -> None:
    with_backup(box, "differs", "The table call has 1 rows, not 2.", hours_ago=32)
    with_backup(box)
    answering["backups.status"]["away"] = {"far": "unreachable"}
    served = Served(box)
    try:
        sign_in(page, served.url)
        page.context.add_cookies([{"name": "ramal_language", "value": language, "url": served.url}])
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                for path in ("/", "/backups"):
                    page.goto(served.url + path)
                    expect(page.locator("#backup-verdict, #backups-state .good").first).to_be_visible()
                    assert fits(page), (path, width, theme)
                    look(page, f"backups{path.replace('/', '-')}-{language}-{theme}-{width}")
        page.locator("button[value=code]").click()
        expect(page.locator("#recovery-code")).to_have_text("abcd-efgh-2345")
        assert fits(page)
    finally:
        served.stop()
    assert not faults


def look(page: Page, name: str) -> None:
    """A picture for a person, where one is asked for."""
    folder = os.environ.get("RAMAL_TEST_LOOK")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)
