"""Recordings kept as encrypted Opus, on the page: ranges, download, seeking in a real Chromium, and the seal."""

import json
import re
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from ramal.store.db import open_writer, transaction
from ramal.store.sounds import Due
from ramal.vault import keep, keys, opus
from tests.until import until
from tests.web.box import Box, answered_call, now_ms
from tests.web.conftest import Served, sign_in
from tests.web.test_door import enter


def keep_all(box: Box) -> int:
    """As the keeper does it; the id of the last one."""
    with closing(open_writer(box.home.db)) as db:

        def write(job: Callable[[Any], Any]) -> Any:
            with transaction(db):
                return job(db)

        ways = keep.Ways(box.home, write, opus.provided, now_ms)
        key = keys.obtain(box.home, (), now_ms())
        made = [keep.keep(ways, Due(*row), (), key) for row in db.execute("SELECT id, path FROM recording").fetchall()]
    return made[-1].recording


@pytest.fixture
def kept(box: Box) -> int:
    box.add_history([answered_call(1, now_ms() - 600_000)])
    box.finish_recordings()
    return keep_all(box)


@pytest.fixture
def inside(client: FlaskClient) -> FlaskClient:
    enter(client)
    return client


def test_a_kept_recording_is_sent_whole_and_in_every_piece_that_is_asked_for(
    box: Box, inside: FlaskClient, kept: int
) -> None:
    path = f"/recordings/{kept}"
    with inside.get(path) as whole:
        data = whole.get_data()
    size = len(data)
    assert (whole.status_code, whole.mimetype, whole.headers["Accept-Ranges"]) == (200, "audio/ogg", "bytes")
    assert (data[:4], whole.headers["Content-Length"]) == (b"OggS", str(size))
    ((plain,),) = box.sql("SELECT plain_sha256 FROM sound")
    tag = whole.headers["ETag"]
    assert tag == f'"{plain.hex()}"'
    for begin, end in ((0, 0), (1000, 1999), (size - 1, size - 1), (5, size - 1)):
        with inside.get(path, headers={"Range": f"bytes={begin}-{end}"}) as piece:
            assert (piece.status_code, piece.headers["Content-Range"]) == (206, f"bytes {begin}-{end}/{size}")
            assert piece.get_data() == data[begin : end + 1]
    with inside.get(path, headers={"Range": "bytes=-100"}) as tail:
        assert tail.get_data() == data[-100:]
    with inside.get(path, headers={"Range": f"bytes={size}-"}) as beyond:
        assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")
    with inside.get(path, headers={"Range": "bytes=0-9", "If-Range": '"another"'}) as other:
        assert (other.status_code, len(other.get_data())) == (200, size)
    assert inside.get(path, headers={"If-None-Match": tag}).status_code == 304
    with inside.head(path) as only_head:
        assert (only_head.status_code, only_head.headers["Content-Length"]) == (200, str(size))
    with inside.get(path + "?download=1") as file:
        assert re.search(r"attachment; filename=.*\.ogg", file.headers["Content-Disposition"])
        assert file.get_data() == data


def test_a_recording_whose_file_was_changed_or_removed_is_an_answer_not_a_crash(
    box: Box, inside: FlaskClient, kept: int
) -> None:
    ((path,),) = box.sql("SELECT path FROM sound")
    file = box.home.root / path
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    assert inside.get(f"/recordings/{kept}").status_code == 503
    file.write_bytes(whole)
    box.home.recordings_key.rename(box.home.root / "away")
    assert inside.get(f"/recordings/{kept}").status_code == 503
    (box.home.root / "away").rename(box.home.recordings_key)
    file.unlink()
    assert inside.get(f"/recordings/{kept}").status_code == 404


def test_a_removed_recording_says_so_and_offers_no_player(box: Box, inside: FlaskClient, kept: int) -> None:
    box.sql("UPDATE sound SET gone_ms = made_ms, gone_why = 'retention'")
    ((call,),) = box.sql("SELECT id FROM call")
    text = inside.get(f"/calls/{call}").get_data(as_text=True)
    assert "This recording was removed on" in text
    assert "<audio" not in text
    assert inside.get(f"/recordings/{kept}").status_code == 404


def test_a_kept_recording_is_played_and_sought_in_a_browser(
    box: Box, served: Served, page: Page, faults: list[str]
) -> None:
    box.add_history([answered_call(1, now_ms() - 600_000)])
    box.finish_recordings(seconds=300.0)
    keep_all(box)
    sign_in(page, served.url)
    ((call_id,),) = box.sql("SELECT id FROM call")
    page.goto(f"{served.url}/calls/{call_id}")
    audio = page.locator("audio")
    audio.evaluate("audio => audio.play()")
    until(lambda: float(audio.evaluate("audio => audio.currentTime")) > 0.2, 10.0, "the recording plays")
    assert abs(float(audio.evaluate("audio => audio.duration")) - 300.0) < 0.1
    audio.evaluate("audio => { audio.currentTime = 250; }")
    until(lambda: float(audio.evaluate("audio => audio.currentTime")) > 250.2, 10.0, "it plays from there")
    audio.evaluate("audio => { audio.currentTime = 3; }")
    until(lambda: 3.0 < float(audio.evaluate("audio => audio.currentTime")) < 5.0, 10.0, "and from the beginning again")
    assert not faults


def test_the_seal_can_be_printed_and_the_last_check_is_told(
    box: Box, kept: int, served: Served, page: Page, faults: list[str]
) -> None:
    box.daemon.names += ("recordings.verify", "recordings.verifying")
    box.daemon.stop()
    box.daemon.start()
    sign_in(page, served.url)
    page.goto(served.url + "/seal")
    assert re.fullmatch(r"1(-[0-9a-f]{8}){8}", page.locator("#head").inner_text())
    expect(page.get_by_text("Nothing was checked yet")).to_be_visible()
    found = json.dumps([{"kind": "file", "where": "recordings/<b>x</b>", "what": "was changed"}])
    box.sql(
        "INSERT INTO seal_check (at_ms, took_ms, seals, files, bytes, amiss, found, head) VALUES (?,1,1,1,1,1,?,'')",
        now_ms(),
        found,
    )
    page.reload()
    expect(page.locator("#amiss")).to_contain_text("1 thing is not as it was sealed")
    expect(page.get_by_text("recordings/<b>x</b>")).to_be_visible()
    page.click("text=Check now")
    expect(page.get_by_text("The recordings are being checked")).to_be_visible()
    assert box.daemon.asked_for("recordings.verify")[0]["who"] == "owner"
    page.emulate_media(media="print")
    expect(page.locator("#head")).to_be_visible()
    expect(page.get_by_text("Check now")).to_be_hidden()
    assert not faults
