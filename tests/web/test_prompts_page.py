"""What callers hear, in a real Chromium on a real daemon: looked at, replaced by a file, undone; music on hold."""

import http.client
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ramal.asterisk.own_sounds import OwnSounds, put
from ramal.core import sound
from tests.web.test_browser import SMALL_TARGETS, UNNAMED, fits
from tests.web.test_inbound import OFFICE, Floor, sign_in
from tests.web.test_pages import HOSTILE

CLOSED = "pt_BR/closed"
SCREENS = Path("/tmp/ramal-prompts-screens")
TEXTS = OFFICE.replace("[[queue]]", "[[music]]\nname = \"calm\"\ntitle = '''T'''\n\n[[queue]]", 1)


def tone(hz: float, length_ms: int = 1200) -> bytes:
    return sound.wav_bytes(sound.tone([hz], length_ms))


@pytest.fixture(scope="module")
def floor() -> Iterator[Floor]:
    with tempfile.TemporaryDirectory(prefix="ramal-web-") as made:
        floor = Floor(Path(made), [])
        try:
            machine = floor.home.prompts / "machine" / f"{CLOSED}.wav"
            machine.parent.mkdir(parents=True)
            machine.write_bytes(tone(440))
            put(machine, floor.home.prompts / f"{CLOSED}.wav")
            floor.daemon.ask("apply", toml=TEXTS, file="o.toml")
            yield floor
        finally:
            floor.end()


def own(floor: Floor) -> OwnSounds:
    return OwnSounds(floor.home.prompts, floor.home.own_prompts)


def heard_hz(floor: Floor) -> float:
    mono = sound.read_wave(own(floor).played(CLOSED).read_bytes()).mono
    middle = mono[len(mono) // 3 : 2 * len(mono) // 3]
    return max((440.0, 900.0, 1300.0), key=lambda hz: sound.goertzel(middle, sound.RATE_HZ, hz))


def test_the_owner_finds_a_sentence_uploads_a_file_and_undoes_it(
    floor: Floor, page: Page, faults: list[str], tmp_path: Path
) -> None:
    sign_in(page, floor.page.url)
    page.click("details.menu summary")
    page.click("text=What callers hear")
    expect(page.locator(".prompt").first).to_be_visible()
    page.fill("#search", "estamos fechados")
    page.press("#search", "Enter")
    row = page.locator(".prompt")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Machine")
    row.locator("a").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("No momento estamos fechados.")
    # The browser really decodes what callers hear.
    page.wait_for_function("() => document.querySelector('audio').duration > 1")

    page.set_input_files("#file", files=[{"name": HOSTILE[1], "mimeType": "audio/wav", "buffer": tone(900)}])
    page.get_by_role("button", name="Upload").click()
    expect(page.locator(".told-good")).to_contain_text("Callers hear your file from now on")
    assert heard_hz(floor) == 900
    expect(page.locator(".version")).to_have_count(1)
    page.set_input_files("#file", files=[{"name": "dois.wav", "mimeType": "audio/wav", "buffer": tone(1300)}])
    page.get_by_role("button", name="Upload").click()
    expect(page.locator(".version")).to_have_count(2)
    assert heard_hz(floor) == 1300
    page.click("#undo")
    expect(page.locator(".told-good")).to_contain_text("taken back")
    assert heard_hz(floor) == 900
    page.click("#undo")
    expect(page.locator(".told-good")).to_contain_text("taken back")
    assert heard_hz(floor) == 440
    page.get_by_role("button", name="Use this one").first.click()
    expect(page.locator(".told-good")).to_contain_text("Callers hear this sound")
    assert heard_hz(floor) == 1300
    page.click("#machine")
    expect(page.locator(".told-good")).to_contain_text("The machine speaks")
    assert heard_hz(floor) == 440
    said = [what for who, what, _ in floor.audited() if who == "owner" and what.startswith("prompt.")]
    assert said == [*["prompt.replaced"] * 2, *["prompt.undone"] * 2, "prompt.again", "prompt.machine"]
    assert not faults


def test_a_file_that_is_no_sound_is_refused_with_a_sentence(floor: Floor, page: Page) -> None:
    before = own(floor).played(CLOSED).read_bytes()
    sign_in(page, floor.page.url)
    for name, data, sentence in (
        ("song.mp3", b"<html>" * 500, "This is no WAV"),
        ("song.mp3", b"", "The file is empty"),
        ("quiet.wav", sound.wav_bytes(sound.silence(2000)), "silent from beginning to end"),
    ):
        page.goto(f"{floor.page.url}/prompts/{CLOSED}")
        page.set_input_files("#file", files=[{"name": name, "mimeType": "audio/mpeg", "buffer": data}])
        page.get_by_role("button", name="Upload").click()
        expect(page.locator(".told-bad")).to_contain_text(sentence)
    page.set_input_files("#file", files=[{"name": "x", "mimeType": "a/b", "buffer": b"fLaC" + bytes(21 << 20)}])
    assert "more than 20 MB" in page.evaluate("document.querySelector('#file').validationMessage")
    page.evaluate("document.querySelector('#file').setCustomValidity('')")  # a browser that does not look
    page.get_by_role("button", name="Upload").click()
    expect(page.locator(".told-bad")).to_contain_text("more than 20 MB")
    assert own(floor).played(CLOSED).read_bytes() == before
    assert list(floor.home.incoming.iterdir()) == []


def test_a_stranger_may_not_send_what_the_owner_may(floor: Floor, page: Page) -> None:
    sign_in(page, floor.page.url, "dora")  # signed in, but no owner: the page itself refuses
    signed_in = "; ".join(f"{one['name']}={one['value']}" for one in page.context.cookies())
    for path, cookie, status in (
        (f"/prompts/{CLOSED}", "", 413),
        (f"/prompts/{CLOSED}", signed_in.replace("=", "=x", 1), 413),
        ("/language", signed_in, 413),
        (f"/prompts/{CLOSED}", signed_in, 400),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", floor.page.port, timeout=10)
        connection.putrequest("POST", path)
        for name, value in (("Cookie", cookie), ("Content-Length", "300000"), ("Content-Type", "text/plain")):
            connection.putheader(name, value)
        connection.endheaders()
        if status != 413:
            connection.send(bytes(300_000))
        assert connection.getresponse().status == status, (path, cookie)
        connection.close()


def test_music_on_hold_is_added_and_taken_away(floor: Floor, page: Page, faults: list[str]) -> None:
    sign_in(page, floor.page.url)
    page.goto(floor.page.url + "/prompts")
    page.click("text=Music on hold")
    expect(page.locator("#music-calm")).to_contain_text("No sound yet")
    page.set_input_files("#file-calm", files=[{"name": "valsa.wav", "mimeType": "audio/wav", "buffer": tone(900)}])
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#music-calm")).to_contain_text("valsa.wav")
    page.wait_for_selector(".told-good")
    assert len(list((floor.home.own_music / "calm").glob("*.wav"))) == 1
    page.click("text=Take away")
    page.get_by_role("button", name="Take it away for good").click()
    expect(page.locator("#music-calm")).to_contain_text("No sound yet")
    assert ("owner", "music.added", "calm valsa.wav") in floor.audited()
    assert ("owner", "music.removed", "calm valsa.wav") in floor.audited()
    assert not faults


def test_only_the_owner_may_and_no_path_leads_out_of_the_sounds(floor: Floor, page: Page) -> None:
    sign_in(page, floor.page.url, "carla")
    for path in ("/prompts", f"/prompts/{CLOSED}", f"/prompts/{CLOSED}/at/now.wav", "/music"):
        assert page.goto(floor.page.url + path).status == 403, path  # type: ignore[union-attr]
    page.context.clear_cookies()
    sign_in(page, floor.page.url)
    cookie = "; ".join(f"{one['name']}={one['value']}" for one in page.context.cookies())
    link = floor.home.prompts / "pt_BR" / "link.wav"
    link.symlink_to(floor.home.root / "secrets" / "ami")
    for path, status in (
        (f"/prompts/{CLOSED}/at/now.wav", 200),
        ("/prompts/pt_BR/link/at/now.wav", 404),
        ("/prompts/../secrets/ami/at/now.wav", 404),
        ("/prompts/..%2f..%2fsecrets%2fami/at/now.wav", 404),
        (f"/prompts/{CLOSED}/at/..%2f..%2fx.wav", 404),
        (f"/prompts/{CLOSED}/at/chosen.wav", 404),
        ("/music/calm/..%2f..%2fx.wav", 404),
        ("/prompts/pt_BR/never-heard-of", 404),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", floor.page.port, timeout=10)
        connection.request("GET", path, headers={"Cookie": cookie})
        assert connection.getresponse().status == status, path
        connection.close()
    link.unlink()


def test_the_pages_fit_every_screen_in_every_language(floor: Floor, chromium: Browser) -> None:
    SCREENS.mkdir(exist_ok=True)
    for width, locale, theme in ((360, "pt-BR", "light"), (360, "es", "dark"), (1366, "en-US", "light")):
        context = chromium.new_context(viewport={"width": width, "height": 800}, locale=locale, color_scheme=theme)
        try:
            page = context.new_page()
            sign_in(page, floor.page.url)
            for name, path in (("list", "/prompts"), ("one", f"/prompts/{CLOSED}"), ("music", "/music")):
                page.goto(floor.page.url + path)
                page.screenshot(path=SCREENS / f"{name}-{width}-{locale}.png")
                assert fits(page), (width, locale, path)
                assert not page.evaluate(UNNAMED), (locale, path)
                assert width != 360 or not page.evaluate(SMALL_TARGETS), (locale, path)
        finally:
            context.close()


def test_without_the_daemon_the_page_says_so(floor: Floor, page: Page) -> None:
    floor.daemon.kill(15)
    sign_in(page, floor.page.url)
    for path in ("/prompts", "/music"):
        page.goto(floor.page.url + path)
        expect(page.locator(".empty")).to_contain_text("does not answer")
