"""The page of updates, with the daemon's own desk of updates behind the socket and an image's files below a folder."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, expect

from ramal.box.image import Image
from ramal.core import slots
from ramal.core.slots import Note
from ramal.core.updates import Standing
from ramal.ops.updates import Desk
from tests.ops.test_updates import Box as Daemon
from tests.web.box import Box
from tests.web.conftest import Served, sign_in
from tests.web.test_browser import SMALL_TARGETS, UNNAMED, WIDTHS, fits
from tests.web.test_door import enter, token

STORY = "FAILED  call: A call to itself was not answered within 25 s.\n\n[ 12.3] asterisk: <b>no</b> res_pjsip\n"


class Releases:
    """A box with an image, and its desk of updates behind the page's socket."""

    def __init__(self, box: Box, folder: Path) -> None:
        self.office, self.daemon = box, Daemon(folder / "image")
        self.image: Image = self.daemon.image
        self.desk: Desk = self.daemon.desk
        self.desk.start()
        usual = box.daemon._answer
        acts: dict[str, Any] = {
            "update.status": lambda _: self.desk.status(),
            "update.piece": self.desk.piece,
            "update.install": self.desk.install,
            "update.look": self.desk.look,
            "update.restart": self.desk.restart,
            "update.stay": lambda _: self.desk.stay(),
            "update.story": self.desk.story,
        }

        def answer(request: Any) -> Any:
            return acts[request.do](request) if request.do in acts else usual(request)

        box.daemon._answer = answer  # type: ignore[method-assign]
        box.daemon.names += tuple(acts)
        box.daemon.stop()
        box.daemon.start()

    def other(self, note: Note, trying: str = "") -> None:
        (self.image.slots / "B").write_text(slots.note_text(note))
        if trying:
            (self.image.slots / "trying").write_text(trying)

    def history(self, *lines: tuple[int, slots.What, str, str]) -> None:
        (self.image.slots / slots.HISTORY).write_text(
            "".join(slots._line(at_ms, what, "B", version, why).line for at_ms, what, version, why in lines)
        )

    def left(self) -> None:
        """An update that was not well."""
        now_ms = self.daemon.now_ms
        self.other(Note("bad", "1.1.0", "asterisk call"))
        self.history(
            (now_ms - 600_000, "installed", "1.1.0", ""),
            (now_ms - 500_000, "started", "1.1.0", ""),
            (now_ms - 100_000, "refused", "1.1.0", "asterisk call"),
            (now_ms - 90_000, "failed", "1.2.0", "signature"),
        )
        (self.image.failed_boots / f"B-{now_ms // 1000 - 100}.txt").write_text(STORY)


@pytest.fixture
def releases(box: Box, folder: Path) -> Iterator[Releases]:
    made = Releases(box, folder)
    yield made
    made.desk.stop()


def act(client: FlaskClient, **given: str) -> str:
    return client.post("/updates", data={"csrf": token(client, "/updates"), **given}, follow_redirects=True).text


def test_a_machine_without_an_image_is_told_how_it_is_updated(releases: Releases, client: FlaskClient) -> None:
    releases.image.release.unlink()
    enter(client)
    page = client.get("/updates").text
    assert "updated as it was installed: by its package, or with git" in page
    assert 'type="file"' not in page


def test_the_owner_sees_both_releases_and_why_one_was_left(releases: Releases, client: FlaskClient) -> None:
    releases.left()
    enter(client)
    page = client.get("/updates").text
    assert "It was left: these did not work: the telephone system, a call to itself." in page
    assert "1.1.0 was left: these did not work" in page
    assert "1.2.0 could not be installed: The update is damaged" in page
    assert 'value="try"' not in page, "what was left is not offered again"
    assert 'value="back"' not in page
    (name,) = re.findall(r"/updates/left/(B-\d+)", page)
    story = client.get(f"/updates/left/{name}").text
    assert "&lt;b&gt;no&lt;/b&gt; res_pjsip" in story
    assert client.get("/updates/left/B-1", follow_redirects=True).text.count("This record is not kept any more.") == 1


def test_an_installed_release_is_started_and_the_restart_called_off(releases: Releases, client: FlaskClient) -> None:
    releases.other(Note("new", "1.1.0"), "B armed\n")
    releases.daemon.asterisk.channels = [("PJSIP/line-1", "c1")]
    enter(client)
    assert "Start 1.1.0" in client.get("/updates").text
    page = act(client, act="try", wait="5")
    assert "The box restarts as soon as nobody is on a call, at the latest at" in page
    assert "Do not restart" in client.get("/updates/state").text
    assert "The box stays as it is." in act(client, act="stay")
    assert releases.daemon.asked() is None
    said = [given["what"] for given in releases.office.daemon.asked_for("audit")]
    assert said == ["session.started", "update.try", "update.stay"]


@pytest.mark.parametrize("act_of", ["try", "back"])
def test_what_cannot_be_started_says_why(releases: Releases, client: FlaskClient, act_of: str) -> None:
    enter(client)
    page = act(client, act=act_of, wait="5")
    assert ("No other release waits" if act_of == "try" else "no other release on this box that was well") in page
    assert "Calls can be waited for up to two hours." in act(client, act="try", wait="999")


class Endless:
    """Makes a backup for ever."""

    def begin(self) -> bool:
        return True

    def is_over(self) -> bool:
        return False


def test_the_page_says_that_a_backup_comes_first_and_looks_again(releases: Releases, client: FlaskClient) -> None:
    releases.desk._backing = Endless()
    enter(client)
    sent = {"csrf": token(client, "/updates"), "act": "install", "source": "https://ramal.test/a.raucb"}
    assert client.post("/updates", data=sent).status_code == 303
    page = client.get("/updates").get_data(as_text=True)
    assert 'id="backing"' in page
    assert "every 2s" in page
    assert releases.daemon.asked() is None


def test_addresses_and_sticks_are_asked_for_and_nonsense_is_not(releases: Releases, client: FlaskClient) -> None:
    enter(client)
    assert "begins with http" in act(client, act="install", source="file:///etc/passwd")
    assert "not here any more" in act(client, act="install", source="/etc/passwd")
    assert releases.daemon.asked() is None
    assert "being looked at" in act(client, act="look")
    releases.image.request.unlink()
    stick = "/run/ramal-sticks/sda1/ramal 1.1.0.raucb"
    releases.daemon.says(Standing(sticks=(stick,)))
    assert "ramal 1.1.0.raucb" in client.get("/updates").text
    assert "verified first" in act(client, act="install", source=stick)
    asked = releases.daemon.asked()
    assert asked is not None
    assert (asked.act, asked.source, asked.who) == ("install", stick, "owner")


@pytest.mark.parametrize("path", ["/updates", "/updates/state", "/updates/left/B-1"])
def test_only_the_owner_sees_updates(releases: Releases, client: FlaskClient, path: str) -> None:
    releases.office.sql("UPDATE user SET role = 'supervisor'")
    enter(client)
    assert client.get(path).status_code == 403


def test_a_file_is_sent_in_pieces_by_a_browser_and_what_follows_is_seen(
    releases: Releases, served: Served, page: Page, faults: list[str], tmp_path: Path
) -> None:
    data = os.urandom(5 << 20)
    (tmp_path / "new.raucb").write_bytes(data)
    sign_in(page, served.url)
    page.goto(served.url + "/updates")
    page.set_input_files("#bundle", tmp_path / "new.raucb")
    page.get_by_role("button", name="Send and install").click()
    expect(page.get_by_text("begins in a moment")).to_be_visible()
    asked = releases.daemon.asked()
    assert asked is not None
    assert Path(asked.source).read_bytes() == data
    # Root takes it up.
    releases.image.request.unlink()
    releases.daemon.says(Standing("installing", 40, "", "1.1.0", at_ms=releases.daemon.now_ms))
    expect(page.get_by_text("1.1.0 is being installed beside")).to_be_visible()
    assert page.locator("#updates-state progress").get_attribute("value") == "40"
    releases.other(Note("new", "1.1.0"), "B armed\n")
    releases.daemon.says(Standing("installed", 100, "", "1.1.0", at_ms=releases.daemon.now_ms))
    expect(page.get_by_role("button", name="Start 1.1.0")).to_be_visible()
    assert faults == []


def test_a_file_that_is_refused_is_told_where_it_was_chosen(
    releases: Releases, served: Served, page: Page, tmp_path: Path
) -> None:
    (tmp_path / "new.raucb").write_bytes(b"x" * 1000)
    sign_in(page, served.url)
    page.goto(served.url + "/updates")
    releases.daemon.says(Standing("installing", 40, at_ms=releases.daemon.now_ms))
    page.set_input_files("#bundle", tmp_path / "new.raucb")
    page.get_by_role("button", name="Send and install").click()
    expect(page.locator("#bundle-problem")).to_contain_text("An update is under way already")
    assert list(releases.image.updates.glob("*.raucb")) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("tag", ["pt-BR", "en", "es"])
def test_the_page_fits_every_screen_in_every_language(
    releases: Releases, served: Served, chromium: Browser, tag: str, scheme: Literal["light", "dark"], tmp_path: Path
) -> None:
    releases.left()
    context = chromium.new_context(locale=tag, color_scheme=scheme, extra_http_headers={"Accept-Language": tag})
    page = context.new_page()
    shots = Path(os.environ.get("RAMAL_SHOTS") or tmp_path)
    try:
        sign_in(page, served.url)
        for trying in (False, True):
            if trying:
                releases.other(Note("good", "1.1.0"), "B armed\n")
                releases.daemon.says(Standing(sticks=("/run/ramal-sticks/sda1/ramal-arm64-1.2.0.raucb",)))
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 800})
                page.goto(served.url + "/updates")
                for one in page.locator("details.more summary").all():
                    one.click()
                page.screenshot(path=shots / f"updates-{tag}-{scheme}-{width}-{trying}.png", full_page=True)
                assert fits(page), width
                small = page.evaluate(SMALL_TARGETS) if width == 360 else []
                assert not small, small
                assert not page.evaluate(UNNAMED)
    finally:
        context.close()
