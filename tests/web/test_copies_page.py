"""The page of the off-box copies: how it stands, asking for more, and what went wrong in words."""

from dataclasses import replace

from flask.testing import FlaskClient

from ramal.core.copies import place_of
from ramal.core.office import Copy
from ramal.store import copies as rows
from ramal.store import settings
from ramal.store.copies import Due
from ramal.store.db import open_writer
from tests.web.box import Box, demo_office, now_ms
from tests.web.test_door import enter, token

COPY = Copy("sftp", "nas.example.com", "backup/ramal", "ramal", "top-secret-word")
DAY_MS = 24 * 3_600_000


def with_copies(box: Box) -> None:
    """A place, a night in which all but one recording was copied, and copies at a former place."""
    place, at_ms = place_of(COPY), now_ms()
    db = open_writer(box.home.db)
    try:
        settings.save(db, replace(demo_office(), copy=(COPY,)))
        db.execute("BEGIN")
        for n in range(1, 5):
            db.execute(
                "INSERT INTO sound VALUES (?, ?, ?, 'opus', 1, 'k', x'00', 2, 60000, 240000, x'00', x'00', '[]', -1.0,"
                " -20.0, ?, NULL, '', 0)",
                (n, f"recordings/2026/11/19/1795000000.{n}-1.ogg.sealed", f"recordings/{n}.wav", at_ms - DAY_MS),
            )
        rows.use_place(db, place, at_ms - 9 * DAY_MS)
        files = [Due(n, f"recordings/2026/11/19/1795000000.{n}-1.ogg.sealed", 240_000, b"\0", 0) for n in range(1, 5)]
        rows.sending(db, place, files)
        rows.arrived(db, place, [(1, "sha1"), (2, "sha1")], at_ms)
        rows.failed(db, place, 3, at_ms, "damaged")
        run = rows.begin_run(db, "night", place, at_ms - 8 * 3_600_000)
        rows.add_to_run(db, run, 2, 480_000, 1, "no-room")
        rows.end_run(db, run, at_ms - 7 * 3_600_000)
        rows.sending(db, "smb://ramal@old:445/share/ramal", files[:1])
        rows.forget(db, [1])
        rows.arrived(db, place, [(1, "sha1")], at_ms)
        db.execute("COMMIT")
    finally:
        db.close()
    box.daemon.names += ("copies.now", "copies.check", "copies.test", "copies.status", "copies.dropped")
    box.daemon.stop()
    box.daemon.start()


def test_an_office_without_a_place_is_told_how_to_have_one(box: Box, client: FlaskClient) -> None:
    enter(client)
    page = client.get("/copies").text
    assert "This office has no place for copies yet" in page
    assert "kind = &#34;sftp&#34;" in page


def test_the_page_tells_how_it_stands_and_never_the_secret(box: Box, client: FlaskClient) -> None:
    with_copies(box)
    enter(client)
    page = client.get("/copies").text
    assert "sftp://ramal@nas.example.com:22/backup/ramal" in page
    assert "2 recordings were copied (480 kB). 1 could not be." in page
    assert "its disk seems to be full" in page
    assert "is not as it was sealed" in page
    assert "smb://ramal@old:445/share/ramal" in page
    assert COPY.secret not in page


def test_its_buttons_ask_the_daemon(box: Box, client: FlaskClient) -> None:
    with_copies(box)
    enter(client)
    for act in ("now", "check", "test"):
        assert client.post("/copies", data={"csrf": token(client, "/copies"), "act": act}).status_code == 303
        assert len(box.daemon.asked_for(f"copies.{act}")) == 1
    assert "The connection works" in client.get("/copies").text
    data = {"csrf": token(client, "/copies"), "place": "smb://ramal@old:445/share/ramal"}
    assert client.post("/copies/dropped", data=data).status_code == 303
    assert box.daemon.asked_for("copies.dropped")[0]["place"] == "smb://ramal@old:445/share/ramal"
