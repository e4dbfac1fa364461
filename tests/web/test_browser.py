"""The pages in a real Chromium, served by the real process."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.until import until
from tests.web.box import (
    FIRST_PASSWORD,
    PASSWORD,
    Box,
    abandoned_call,
    answered_call,
    demo_calls,
    now_ms,
    waiting,
)
from tests.web.conftest import Served, sign_in
from tests.web.test_pages import HOSTILE
from tests.web.test_process import RSS_MAX_MB, resident_mb

WIDTHS = (360, 820, 1366)


def fits(page: Page) -> bool:
    """Nothing sticks out: the page does not scroll sideways, and no element but a scroller is cut off."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def test_somebody_signs_in_changes_the_one_time_password_and_signs_out(
    fresh_box: Box, page: Page, faults: list[str]
) -> None:
    served = Served(fresh_box)
    try:
        page.goto(served.url + "/calls?day=today")
        page.fill("#user", "owner")
        page.fill("#password", "wrong password")
        page.press("#password", "Enter")
        expect(page.get_by_role("alert").filter(has_text="do not belong together")).to_be_visible()
        page.fill("#password", FIRST_PASSWORD)
        page.press("#password", "Enter")
        expect(page.get_by_role("heading", name="Choose a password")).to_be_visible()
        page.fill("#new", PASSWORD)
        page.fill("#again", PASSWORD)
        page.press("#again", "Enter")
        expect(page.get_by_role("heading", name="Nobody is waiting")).to_be_visible()
        page.click("details.menu summary")
        page.click("text=Sign out")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        page.goto(served.url + "/calls")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    finally:
        served.stop()
    assert not faults


def test_the_live_view_follows_the_box_without_reloading(
    box: Box, served: Served, page: Page, faults: list[str]
) -> None:
    sign_in(page, served.url)
    expect(page.get_by_role("heading", name="Nobody is waiting")).to_be_visible()
    page.evaluate("window.notReloaded = true")
    box.daemon.live["waiting"] = [waiting("9.9", "+5511987654321", "Maria Aparecida", waited_ms=65_000)]
    expect(page.get_by_role("heading", name="1 caller is waiting")).to_be_visible(timeout=2_000)
    expect(page.locator("#announce")).to_have_text("1 caller is waiting")
    clock = page.locator(".waiting-clock .clock")
    first = clock.inner_text()
    assert re.fullmatch(r"1:0\d", first)
    until(lambda: clock.inner_text() != first, 5.0, "the clock runs between two answers")
    box.daemon.live["agents"][0] |= {"state": "talking", "caller": "+5511987654321", "since_ms": now_ms()}
    box.daemon.live["waiting"] = []
    expect(page.locator("#agent-1")).to_contain_text("Talking", timeout=2_000)
    expect(page.locator("#agent-1")).to_contain_text("(11) 98765-4321")
    assert page.evaluate("window.notReloaded") is True
    assert not faults


def test_focus_stays_where_it_is_while_the_live_view_changes(box: Box, served: Served, page: Page) -> None:
    box.daemon.live["today"] = {"received": 2, "answered": 1, "abandoned": 1}
    sign_in(page, served.url)
    page.focus("#part-abandoned")
    box.daemon.live["today"] = {"received": 3, "answered": 1, "abandoned": 2}
    expect(page.locator("#part-abandoned")).to_contain_text("2")
    assert page.evaluate("document.activeElement.id") == "part-abandoned"


def test_when_the_daemon_is_down_the_page_says_what_still_works_and_what_is_old(
    box: Box, served: Served, page: Page
) -> None:
    box.daemon.live["waiting"] = [waiting("9.9", "+5511987654321")]
    sign_in(page, served.url)
    expect(page.get_by_role("heading", name="1 caller is waiting")).to_be_visible()
    box.daemon.stop()
    banner = page.locator("#banner-daemon-down")
    expect(banner).to_contain_text("Calls go on: callers wait, phones ring, and talks are recorded.", timeout=4_000)
    expect(banner).to_contain_text("What you see is from")
    expect(page.locator("#live")).to_have_class(re.compile("stale"))
    assert page.locator("#live [data-since]").count() == 0, "clocks of old news stand still"
    page.goto(served.url + "/calls")
    expect(page.locator("#banner-daemon-down")).to_be_visible()
    page.goto(served.url + "/")
    box.daemon.start()
    expect(page.locator("#banner-daemon-down")).to_have_count(0, timeout=4_000)
    expect(page.locator("#live")).not_to_have_class(re.compile("stale"))


def test_when_asterisk_is_down_the_page_says_something_else(box: Box, served: Served, page: Page) -> None:
    box.daemon.live["asterisk"] |= {"up": False, "since_ms": now_ms() - 5_000, "reason": "connection lost"}
    sign_in(page, served.url)
    expect(page.locator("#banner-asterisk-down")).to_contain_text("Calls may not come in right now.")


def test_when_the_page_itself_is_restarted_it_goes_on_and_nobody_signs_in_again(
    box: Box, served: Served, page: Page
) -> None:
    sign_in(page, served.url)
    served.stop()
    expect(page.locator("#lost")).to_be_visible(timeout=6_000)
    expect(page.locator("#live")).to_have_class(re.compile("stale"))
    box.daemon.live["waiting"] = [waiting("9.9", "+5511987654321")]
    served.start()
    expect(page.get_by_role("heading", name="1 caller is waiting")).to_be_visible(timeout=6_000)
    expect(page.locator("#lost")).to_be_hidden()
    expect(page.locator("#live")).not_to_have_class(re.compile("stale"))


def test_a_session_that_ended_leads_the_live_view_to_the_door(box: Box, served: Served, page: Page) -> None:
    sign_in(page, served.url)
    box.sql("UPDATE user SET epoch = epoch + 1")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=4_000)


def test_the_list_is_searched_while_typing_narrowed_and_paged(
    box: Box, served: Served, page: Page, faults: list[str]
) -> None:
    begin_ms = now_ms() - 9_000_000
    box.add_history([abandoned_call(n * 10 + 1, begin_ms + n * 60_000, f"+551191234{n:04}") for n in range(60)])
    box.add_history([answered_call(9001, now_ms() - 60_000, "+5511987654321", "José Araújo")])
    sign_in(page, served.url)
    page.click("nav.tabs >> text=Calls")
    calls = page.locator(".call")
    expect(calls).to_have_count(50)
    page.type("#search", "jose ara")
    expect(calls).to_have_count(1)
    expect(calls).to_contain_text("José Araújo")
    assert "search=jose%20ara" in page.url
    page.fill("#search", "")
    expect(calls).to_have_count(50)
    page.select_option("#category", "answered")
    expect(calls).to_have_count(1)
    page.select_option("#category", "in")
    expect(calls).to_have_count(50)
    page.click("text=Older")
    expect(calls).to_have_count(11)
    page.click("text=Newer")
    expect(calls).to_have_count(50)
    assert not faults


def test_one_call_is_opened_heard_and_sought_in(box: Box, served: Served, page: Page, faults: list[str]) -> None:
    box.add_history([answered_call(1, now_ms() - 600_000)])
    box.finish_recordings()
    sign_in(page, served.url)
    page.goto(served.url + "/calls")
    statuses: list[tuple[int, str]] = []
    page.on(
        "response",
        lambda response: (
            statuses.append((response.status, response.request.headers.get("range", "")))
            if "/recordings/" in response.url
            else None
        ),
    )
    page.click(".call")
    expect(page.locator(".step")).not_to_have_count(0)
    assert not statuses, "nothing is fetched before somebody presses play"
    audio = page.locator("audio")
    audio.evaluate("audio => audio.play()")
    until(lambda: float(audio.evaluate("audio => audio.currentTime")) > 0.2, 10.0, "the recording plays")
    assert abs(float(audio.evaluate("audio => audio.duration")) - 10.0) < 0.1
    audio.evaluate("audio => { audio.pause(); audio.currentTime = 1; }")
    page.click("[data-skip='10']")
    until(lambda: float(audio.evaluate("audio => audio.currentTime")) > 9.5, 5.0, "ten seconds ahead")
    page.click("[data-skip='-10']")
    until(lambda: float(audio.evaluate("audio => audio.currentTime")) < 0.5, 5.0, "ten seconds back")
    page.select_option("[data-speed]", "1.5")
    assert audio.evaluate("audio => audio.playbackRate") == 1.5
    assert (206, "bytes=0-") in statuses
    assert {status for status, _ in statuses} == {206}
    assert not faults
    (said,) = [given for given in box.daemon.asked_for("audit") if given["what"] == "recording.played"]
    assert said["who"] == "owner"


def test_a_long_recording_is_fetched_from_the_place_that_was_clicked(box: Box, served: Served, page: Page) -> None:
    """Twenty minutes: the browser must ask for a later range instead of reading all of it."""
    box.add_history([answered_call(1, now_ms() - 600_000)])
    box.finish_recordings(seconds=1200.0)
    sign_in(page, served.url)
    ((call_id,),) = box.sql("SELECT id FROM call")
    page.goto(f"{served.url}/calls/{call_id}")
    ranges: list[int] = []
    page.on(
        "request",
        lambda request: (
            ranges.append(int(re.findall(r"\d+", request.headers.get("range", "0"))[0]))
            if "/recordings/" in request.url
            else None
        ),
    )
    audio = page.locator("audio")
    audio.evaluate("audio => audio.play()")
    until(lambda: float(audio.evaluate("audio => audio.currentTime")) > 0.1, 10.0, "the recording plays")
    audio.evaluate("audio => { audio.currentTime = 1100; }")
    until(lambda: float(audio.evaluate("audio => audio.currentTime")) > 1100.2, 10.0, "it plays from there")
    assert max(ranges) > 10_000_000


def test_a_recording_whose_file_is_gone_says_so(box: Box, served: Served, page: Page) -> None:
    box.add_history([answered_call(1, now_ms() - 600_000)])
    box.finish_recordings()
    for file in box.home.recordings.rglob("*.wav"):
        file.unlink()
    ((call_id,),) = box.sql("SELECT id FROM call")
    sign_in(page, served.url)
    page.goto(f"{served.url}/calls/{call_id}")
    page.click("text=Listen from here")
    expect(page.locator("[data-broken]")).to_be_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_hostile_names_are_inert_and_break_no_layout(
    box: Box, served: Served, page: Page, faults: list[str], width: int
) -> None:
    begin_ms = now_ms() - 900_000
    box.add_history(
        [answered_call(n * 20 + 1, begin_ms + n * 30_000, "+5511987654321", name) for n, name in enumerate(HOSTILE)]
    )
    box.finish_recordings()
    box.daemon.live["waiting"] = [waiting(f"9.{n}", name, name) for n, name in enumerate(HOSTILE)]
    for person, name in zip(box.daemon.live["agents"], HOSTILE[-3:], strict=True):
        person |= {"name": name, "state": "talking", "caller": name}
    box.daemon.live["queues"][0]["title"] = HOSTILE[7]
    page.set_viewport_size({"width": width, "height": 800})
    sign_in(page, served.url)
    expect(page.locator(".waiting-row")).to_have_count(len(HOSTILE))
    assert fits(page)
    page.goto(served.url + "/calls")
    expect(page.locator(".call")).to_have_count(len(HOSTILE))
    assert fits(page)
    heights = page.eval_on_selector_all(".call", "calls => calls.map(call => call.offsetHeight)")
    assert max(heights) < 160
    for row in range(len(HOSTILE)):
        page.goto(served.url + "/calls")
        page.locator(".call").nth(row).click()
        expect(page.locator(".steps")).to_be_visible()
        assert fits(page), HOSTILE[-1 - row]
    assert not faults


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("tag", ["pt-BR", "en", "es"])
def test_every_page_fits_every_screen_in_every_language(
    box: Box, served: Served, chromium: Browser, tag: str, scheme: str, tmp_path: Path
) -> None:
    box.add_history(demo_calls(30))
    box.finish_recordings()
    box.daemon.live["today"] = {"received": 31, "answered": 24, "abandoned": 3, "timed_out": 1, "message": 2}
    box.daemon.live["warnings"] = [{"code": "disk-low", "since_ms": now_ms(), "text_args": {"free_mb": 120}}]
    box.daemon.live["waiting"] = [waiting("9.9", "+5511987654321", "Maria Aparecida")]
    ((call_id,),) = box.sql("SELECT id FROM call WHERE category = 'answered' LIMIT 1")
    context = chromium.new_context(locale=tag, color_scheme=scheme, extra_http_headers={"Accept-Language": tag})
    page = context.new_page()
    try:
        sign_in(page, served.url)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            for path in ("/", "/calls", f"/calls/{call_id}", "/try", "/password", "/nothing"):
                page.goto(served.url + path)
                assert page.evaluate("document.documentElement.lang") == tag
                assert fits(page), (path, width)
                small = page.evaluate(SMALL_TARGETS) if width == 360 else []
                assert not small, (path, small)
                assert not page.evaluate(UNNAMED), path
    finally:
        context.close()


SMALL_TARGETS = """() => [...document.querySelectorAll("button, select, input:not([type=hidden], .sr), nav a, .call")]
    .filter(element => element.checkVisibility() && element.getBoundingClientRect().height < 32)
    .map(element => element.outerHTML.slice(0, 120))"""
UNNAMED = """() => [...document.querySelectorAll("button, a[href], input:not([type=hidden], .sr), select, audio")]
    .filter(element => element.checkVisibility() && !(element.textContent.trim() || element.ariaLabel
        || (element.labels && element.labels.length)))
    .map(element => element.outerHTML.slice(0, 120))"""


def test_language_and_appearance_are_chosen_and_stay(box: Box, served: Served, page: Page) -> None:
    sign_in(page, served.url)
    page.goto(served.url + "/calls?day=today")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("details.menu summary")
    page.click("text=Dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != light
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    page.click("details.menu summary")
    page.click("button:has-text('Español')")
    expect(page.get_by_role("heading", name="Llamadas")).to_be_visible()
    assert page.url.endswith("/calls?day=today")
    page.goto(served.url)
    expect(page.get_by_role("heading", name="Nadie en espera")).to_be_visible()


def test_the_keyboard_alone_opens_a_call(box: Box, served: Served, page: Page) -> None:
    box.add_history([answered_call(1, now_ms() - 600_000)])
    sign_in(page, served.url)
    page.goto(served.url + "/calls")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('call')"):
            break
    width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert width == "3px"
    page.keyboard.press("Enter")
    expect(page.locator(".steps")).to_be_visible()


def test_the_process_stays_small_however_it_is_used(box: Box, served: Served, chromium: Browser) -> None:
    box.add_history(demo_calls(200))
    box.finish_recordings()
    calls = [call_id for (call_id,) in box.sql("SELECT id FROM call ORDER BY key DESC LIMIT 5")]
    for tag in ("pt-BR", "en", "es"):
        context = chromium.new_context(locale=tag, extra_http_headers={"Accept-Language": tag})
        page = context.new_page()
        try:
            for _ in range(3):
                page.context.clear_cookies()
                sign_in(page, served.url)
            for path in ("/", "/calls", "/calls?search=maria", "/try", *(f"/calls/{call_id}" for call_id in calls)):
                page.goto(served.url + path)
        finally:
            context.close()
    assert resident_mb(served.process.pid) < RSS_MAX_MB


def test_a_test_call_is_watched_step_by_step(box: Box, served: Served, page: Page, faults: list[str]) -> None:
    sign_in(page, served.url)
    page.click("nav.tabs >> text=Try it")
    page.click("text=Call now")
    expect(page.get_by_text("The test call is on its way")).to_be_visible()
    box.daemon.drill["steps"] = [
        {"at_ms": 10, "what": "calling", "detail": "", "ok": True},
        {"at_ms": 900, "what": "answered", "detail": "", "ok": None},
    ]
    expect(page.locator(".step")).to_have_count(2, timeout=4_000)
    box.add_history([answered_call(1, now_ms() - 60_000)])
    ((call_id,),) = box.sql("SELECT id FROM call")
    box.daemon.drill |= {"state": "passed", "call": call_id}
    page.click("text=See and hear this call")
    expect(page.get_by_role("heading", name="What happened")).to_be_visible()
    assert not faults
