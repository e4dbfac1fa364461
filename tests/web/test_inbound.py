"""The pages of supervisors and of people who call back, in a real Chromium: a real daemon, and Asterisk is played."""

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, expect

from ramal.ami.codec import Message
from ramal.box.home import Settings
from ramal.store.db import open_writer
from ramal_web.app import create_app
from ramal_web.auth import passwords
from ramal_web.settings import of_home
from tests.fakes.ami_peer import AmiPeer
from tests.process.conftest import DaemonProcess
from tests.store.office_day import Script, merge
from tests.until import until
from tests.web.box import PASSWORD, Box, abandoned_call, answered_call, now_ms
from tests.web.conftest import Served, english
from tests.web.test_browser import SMALL_TARGETS, UNNAMED, fits
from tests.web.test_door import enter, token
from tests.web.test_pages import HOSTILE

OFFICE = """
[office]
name = "Padaria Sol"
timezone = "America/Sao_Paulo"

[[hours]]
name = "loja"
open = ["all 00:00-23:59"]

[[phone]]
extension = "201"
secret = "a-long-secret-for-201"
[[phone]]
extension = "202"
secret = "a-long-secret-for-202"

[[pause]]
code = "lunch"
key = "1"
title = "Almoço"

[[queue]]
name = "vendas"
title = "Vendas"
overflow = "hangup"
[[queue]]
name = "suporte"
title = "Suporte"
overflow = "hangup"

[[agent]]
code = "1"
name = "Ana"
pin = "4711"
phone = "201"
queues = ["vendas"]
[[agent]]
code = "2"
name = "Bruno"
pin = "4712"
phone = "202"
queues = ["vendas"]
supervisor = true
"""
CALLER = "+5511987654321"


def member(agent: str, phone: str) -> tuple[tuple[str, str], ...]:
    return (
        *(("Event", "QueueMember"), ("Queue", "vendas"), ("Name", f"agent-{agent}")),
        *(("Location", f"PJSIP/{phone}"), ("Status", "1")),
    )


class Floor:
    """A box whose daemon is real and whose Asterisk is played; ``page`` is its page's process."""

    def __init__(self, folder: Path, calls: list[Script], office: str = OFFICE) -> None:
        self.peer = AmiPeer()
        self.box = Box(folder / "home")
        self.home = self.box.home
        self.peer.secret = self.home.ami_secret()
        self.home.save_settings(Settings(ami_port=self.peer.port, disk_reserve_mb=1))
        phones = [
            (("Event", "EndpointList"), ("ObjectName", phone), ("DeviceState", "Not in use"))
            for phone in ("201", "202")
        ]
        self.peer.lists |= {"QueueStatus": [member("1", "201"), member("2", "202")], "PJSIPShowEndpoints": phones}
        self.peer.answers["Getvar"] = lambda action: self.peer.accept(action, ("Value", ""))
        for name, role in (("carla", "supervisor"), ("dora", "agent")):
            self.box.sql(
                "INSERT INTO user (name, role, password_hash, must_change, created_ms) VALUES (?, ?, ?, 0, 0)",
                *(name, role, passwords.hashed(PASSWORD)),
            )
        cel, queue_log = merge(calls)
        (self.home.asterisk_log / "cel-custom" / "ramal.csv").write_bytes(cel)
        (self.home.asterisk_log / "queue_log").write_bytes(queue_log)
        self.daemon = DaemonProcess(self.home).up()
        self.daemon.ask("apply", toml=office, file="o.toml")
        until(lambda: len(self.daemon.live()["agents"]) == 2, 10, "the office in force")
        self.page = Served(self.box)

    def asked(self, name: str) -> list[Message]:
        """Actions the daemon sent, but those of its own rounds."""
        return [action for action in self.peer.named(name) if "ramal-tick" not in action.get("Channel")]

    def audited(self) -> list[tuple[str, str, str]]:
        return [tuple(row) for row in self.box.sql("SELECT who, what, detail FROM audit ORDER BY id")]  # type: ignore[misc]

    def talks(self) -> None:
        """Agent 1 talks with the caller."""
        who = (("Queue", "vendas"), ("MemberName", "agent-1"), ("Linkedid", "1795.5"), ("CallerIDNum", CALLER))
        self.peer.event("AgentCalled", *who)
        self.peer.event("AgentConnect", *who, ("HoldTime", "3"), ("Channel", "PJSIP/x-5"))

    def waits(self, call: str, position: int = 1) -> None:
        self.peer.event(
            *("QueueCallerJoin", ("Queue", "vendas"), ("Linkedid", call), ("Channel", f"PJSIP/x-{call}")),
            *(("Position", str(position)), ("CallerIDNum", CALLER), ("CallerIDName", "Maria")),
        )

    def end(self) -> None:
        self.page.stop()
        self.daemon.kill(15)
        self.peer.stop()
        assert "Traceback" not in self.daemon.log, self.daemon.log


CALLS = [
    abandoned_call(1, now_ms() - 3_600_000, CALLER, "Maria"),
    abandoned_call(11, now_ms() - 1_800_000, CALLER, "Maria"),
    abandoned_call(21, now_ms() - 900_000, "+5521912345678", "<script>alert(1)</script>"),
]


@pytest.fixture
def floor() -> Iterator[Floor]:
    with tempfile.TemporaryDirectory(prefix="ramal-web-") as made:
        floor = Floor(Path(made), CALLS)
        try:
            yield floor
        finally:
            floor.end()


def sign_in(page: Page, url: str, user: str = "owner") -> None:
    page.goto(url + "/login")
    page.fill("#user", user)
    page.fill("#password", PASSWORD)
    page.click("form.form button")
    page.wait_for_url(lambda address: "/login" not in address)


def variables(action: Message) -> set[str]:
    return {part for value in action.all("Variable") for part in value.split(",")}


def test_a_supervisor_pauses_an_agent_by_one_press_and_it_goes_the_way_of_the_phone(
    floor: Floor, page: Page, faults: list[str]
) -> None:
    sign_in(page, floor.page.url, "carla")
    page.click("#pause-1")
    expect(page.locator(".told-good")).to_contain_text("paused")
    until(lambda: floor.asked("Originate"), 5, "Asterisk is asked")
    (action,) = floor.asked("Originate")
    assert action.get("Channel") == "Local/act@ramal-page/n"
    assert {"RAMAL_ACT=pause", "RAMAL_AGENT=1", "RAMAL_WHO=carla"} <= variables(action)
    assert ("carla", "agent.pause", "1 supervisor") in floor.audited()
    page.goto(floor.page.url + "/agents/1")
    page.select_option("#reason", "lunch")
    page.click("#pause")
    until(lambda: len(floor.asked("Originate")) == 2, 5, "asked again")
    assert "RAMAL_REASON=lunch" in variables(floor.asked("Originate")[1])
    page.click("#logout")
    until(lambda: len(floor.asked("Originate")) == 3, 5, "asked to log out")
    assert not faults


def test_a_supervisor_listens_with_the_phone_that_is_remembered(floor: Floor, page: Page) -> None:
    sign_in(page, floor.page.url)
    page.goto(floor.page.url + "/agents/1")
    expect(page.get_by_text("is not on a call now")).to_be_visible()
    floor.talks()
    page.goto(floor.page.url + "/")
    expect(page.locator("#agent-1")).to_contain_text("Talking")
    page.click("#manage-1")
    page.select_option("#phone", "202")
    page.click("#whisper")
    expect(page.locator(".told-good")).to_contain_text("Phone 202 rings")
    (action,) = until(lambda: floor.asked("Originate"), 5, "the phone rings")
    assert (action.get("Channel"), action.get("Exten")) == ("PJSIP/202", "spy")
    assert {"RAMAL_ACT=whisper", "RAMAL_AGENT=1", "RAMAL_WHO=owner"} <= variables(action)
    assert page.input_value("#phone") == "202"
    assert ("owner", "spy.whisper", "1 202") in floor.audited()


def test_a_waiting_caller_is_put_first_and_moved_and_says_why_it_waits(floor: Floor, page: Page) -> None:
    floor.daemon.ask("contact.save", who="owner", contact={"number": CALLER, "name": "Maria Souza", "vip": "yes"})
    sign_in(page, floor.page.url)
    floor.waits("1795.31")
    floor.waits("1795.32", 2)
    row = page.locator(".waiting-row").first
    expect(row).to_contain_text("Maria Souza")
    expect(row).to_contain_text("VIP")
    page.click("#more-1795-31 summary")
    floor.waits("1795.33", 3)
    expect(page.locator(".waiting-row")).to_have_count(3)
    assert page.locator("#more-1795-31").evaluate("one => one.open"), "what was opened stays open"
    page.locator("#more-1795-31").get_by_role("button", name="Put first").click()
    expect(page.locator(".told-good")).to_be_visible()
    (action,) = until(lambda: floor.asked("QueueChangePriorityCaller"), 5, "put first")
    assert (action.get("Caller"), action.get("Priority")) == ("PJSIP/x-1795.31", "2000000000")
    page.click("#more-1795-32 summary")
    page.locator("#more-1795-32").get_by_role("button", name="Suporte").click()
    (action,) = until(lambda: floor.asked("QueueWithdrawCaller"), 5, "moved")
    assert (action.get("Queue"), action.get("WithdrawInfo")) == ("vendas", "move:suporte")
    floor.peer.event("QueueCallerLeave", ("Queue", "vendas"), ("Linkedid", "1795.33"), ("Channel", "PJSIP/x-1795.33"))
    client = signed_in(floor, "owner")
    until(lambda: len(floor.daemon.live()["waiting"]) == 2, 5, "one left")
    data = {"csrf": token(client, "/")}
    client.post("/waiting/1795.33/first", data=data)
    assert "does not wait any more" in client.get("/").get_data(as_text=True)


def test_a_missed_caller_is_called_back_by_one_press_and_only_once(floor: Floor, page: Page, faults: list[str]) -> None:
    sign_in(page, floor.page.url, "dora")
    page.click("nav.tabs >> text=Call back")
    expect(page.locator(".return")).to_have_count(2)
    maria = page.locator("#return-5511987654321")
    expect(maria).to_contain_text("2 calls")
    expect(maria).to_contain_text("waited 0:20")
    maria.get_by_role("button", name="Call").click()
    expect(page.locator(".told-bad")).to_contain_text("Choose your phone first")
    page.select_option("#phone", "202")
    page.click("text=Use this phone")
    page.locator("#return-5511987654321").get_by_role("button", name="Call").click()
    expect(page.locator(".told-good")).to_contain_text("Phone 202 rings")
    (action,) = until(lambda: floor.asked("Originate"), 5, "the phone rings")
    assert (action.get("Channel"), action.get("Context")) == ("PJSIP/202", "ramal-return")
    page.locator("#return-5511987654321").get_by_role("button", name="Call").click()
    expect(page.locator(".told-bad")).to_contain_text("calling")
    assert len(floor.asked("Originate")) == 1
    assert not faults


def test_a_missed_caller_is_dismissed_with_a_reason_and_the_list_empties(floor: Floor, page: Page) -> None:
    sign_in(page, floor.page.url)
    page.goto(floor.page.url + "/returns")
    for left in (1, 0):
        row = page.locator(".return").first
        row.locator("summary").click()
        row.locator("input[name=reason]").fill("spoke by mail")
        row.get_by_role("button", name="Take off the list").click()
        expect(page.locator(".return")).to_have_count(left)
    expect(page.get_by_text("Nobody has to be called back.")).to_be_visible()
    page.click("text=Dismissed")
    expect(page.locator(".return")).to_have_count(2)
    expect(page.locator(".return").first).to_contain_text("spoke by mail")
    assert [row[1] for row in floor.audited()].count("missed.dismissed") == 2


def test_contacts_are_added_found_changed_blocked_and_deleted(floor: Floor, page: Page, faults: list[str]) -> None:
    sign_in(page, floor.page.url)
    page.click("nav.tabs >> text=Contacts")
    expect(page.get_by_text("No contacts yet.")).to_be_visible()
    page.click("text=Add")
    page.fill("#number", "not a number")
    page.click("text=Save")
    expect(page.get_by_role("alert")).to_be_visible()
    page.fill("#number", "011 98765-4321")
    page.fill("#name", "José <b>Araújo</b>")
    page.check("[name=vip]")
    page.select_option("#agent", "2")
    page.click("text=Save")
    expect(page.locator(".contact")).to_have_count(1)
    expect(page.locator(".contact")).to_contain_text("(11) 98765-4321")
    page.fill("#search", "jose")
    expect(page.locator(".contact")).to_contain_text("José <b>Araújo</b>")
    page.fill("#search", "nobody")
    expect(page.get_by_text("No contact matches.")).to_be_visible()
    page.fill("#search", "98765")
    page.click(".contact")
    page.check("[name=blocked]")
    page.click("text=Save")
    expect(page.locator(".contact .chip-bad")).to_be_visible()
    page.click(".contact")
    page.click("summary:has-text('Delete')")
    page.click("#delete")
    expect(page.get_by_text("No contacts yet.")).to_be_visible()
    assert not faults


def test_a_file_of_contacts_is_brought_in_or_its_wrong_lines_are_told(floor: Floor, page: Page, tmp_path: Path) -> None:
    wrong, right = tmp_path / "wrong.csv", tmp_path / "right.csv"
    wrong.write_text("number,name\n+5511987650001,Ana\nxyz,Zé\n+5511987650001,Bia\n")
    right.write_text("number;name;vip\n" + "".join(f"+55119876{n:05};Pessoa {n:05};no\n" for n in range(500)))
    sign_in(page, floor.page.url)
    page.goto(floor.page.url + "/contacts/import")
    page.set_input_files("#file", wrong)
    page.click("button:has-text('Import')")
    expect(page.locator("#problems tbody tr")).to_have_count(2)
    expect(page.locator("#problems")).to_contain_text("xyz")
    page.set_input_files("#file", right)
    page.click("button:has-text('Import')")
    expect(page.locator(".told-good")).to_contain_text("500 contacts added", timeout=30_000)
    expect(page.locator(".contact")).to_have_count(50)
    expect(page.locator(".pager")).to_contain_text("Page 1 of 10")
    page.click("text=Next")
    expect(page.locator(".contact").first).to_contain_text("Pessoa 00050")
    with page.expect_download() as got:
        page.click("text=Export")
    lines = Path(got.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 501


def test_ten_thousand_missed_callers_are_shown_page_by_page(floor: Floor) -> None:
    db = open_writer(floor.home.db)
    try:
        rows = (
            (f"+5531{n:09}", "open", 1, n, n + 1_000_000, 5, "vendas", "abandoned", 0, "1.1", None, "", "", "")
            for n in range(10_000)
        )
        db.executemany(f"INSERT INTO missed VALUES ({', '.join('?' * 14)})", rows)
    finally:
        db.close()
    client = signed_in(floor, "owner")
    seen, path = set[str](), "/returns?state=all"
    for number in itertools.count():
        text = client.get(path).get_data(as_text=True)
        assert len(text) < 200_000
        seen |= {part.partition('"')[0] for part in text.split('id="return-')[1:]}
        link = text.partition('rel="next" href="')[2].partition('"')[0]
        if not link:
            assert number == 200
            break
        path = link.replace("&amp;", "&")
    assert len(seen) == 10_002


def test_ten_thousand_contacts_are_shown_page_by_page(floor: Floor) -> None:
    db = open_writer(floor.home.db)
    try:
        rows = ((f"+5531{n:09}", f"Pessoa {n}", 0, 0, "", "", "", "", f"pessoa {n}", 1) for n in range(10_000))
        db.executemany(f"INSERT INTO contact VALUES ({', '.join('?' * 10)})", rows)
    finally:
        db.close()
    client = signed_in(floor, "owner")
    for path, first in (("/contacts", 50), ("/contacts?page=199", 50), ("/contacts?search=pessoa+9999", 1)):
        assert client.get(path).get_data(as_text=True).count('class="contact"') == first, path
    assert "No contact matches." in client.get("/contacts?page=200").get_data(as_text=True)


def test_opening_hours_are_switched_by_hand(floor: Floor, page: Page) -> None:
    sign_in(page, floor.page.url)
    expect(page.locator("#hours-loja")).to_contain_text("open")
    page.click("#hours-loja >> text=Close now")
    expect(page.locator(".told-good")).to_contain_text("closed")
    puts = until(lambda: [one for one in floor.asked("DBPut") if one.get("Family") == "ramal-night"], 5, "switched")
    assert puts[0].get("Val").startswith("closed|")
    assert ("owner", "night.set", "loja closed") in floor.audited()


def test_who_listened_and_why_it_waited_stand_on_the_call_and_in_the_audit(floor: Floor, page: Page) -> None:
    at_ms = now_ms() - 300_000
    call = answered_call(501, at_ms, CALLER, "Maria")
    call.now_ms = at_ms + 4_000
    call.event("WHY", call.main, call.line, "WHY", '{"extra":"widened|en|30"}')
    phone = next(line.split(",")[4] for _, line in call.cel if "PJSIP%2F201" in line)
    spy = Script(701, at_ms + 9_000, "202", "", "*551")
    spy.line, spy.place = "PJSIP/202-00000701", "phone"
    spy.event("CHAN_START", spy.main, spy.line, number="202")
    spy.wait(10).event("SPY", spy.main, spy.line, "SPY", f'{{"extra":"listen|2|1|{phone.replace("%2F", "/")}"}}', "202")
    spy.wait(3_000).end(spy.line)
    cel, queue_log = merge([call, spy])
    with (floor.home.asterisk_log / "cel-custom" / "ramal.csv").open("ab") as file:
        file.write(cel)
    with (floor.home.asterisk_log / "queue_log").open("ab") as file:
        file.write(queue_log)
    until(lambda: floor.box.sql("SELECT 1 FROM supervision"), 10, "read from the journal")
    sign_in(page, floor.page.url)
    page.goto(f"{floor.page.url}/calls/{call.id}")
    expect(page.locator(".steps")).to_contain_text("Nobody free with English; widened to everybody after 30 s.")
    expect(page.locator("#heard-by")).to_contain_text("Bruno listened to the call of Ana.")
    page.click("details.menu summary")
    page.click("text=Who did what")
    line = page.locator(".line").filter(has_text="Listened to a call")
    expect(line).to_contain_text("Bruno")
    line.get_by_role("link").click()
    expect(page.locator(".steps")).to_contain_text("Bruno listened to the call of Ana.")


def test_menus_show_what_callers_pressed_and_where_they_gave_up(floor: Floor, page: Page) -> None:
    until(lambda: len(floor.box.sql("SELECT 1 FROM call WHERE ended_ms IS NOT NULL")) == 3, 10, "the calls are read")
    sign_in(page, floor.page.url)
    page.click("details.menu summary")
    page.click("text=Menus: what callers press")
    expect(page.locator("#menu-main .bars-row")).to_have_count(1)
    expect(page.locator("#menu-main .bars-count")).to_have_text("3")


def signed_in(floor: Floor, user: str) -> FlaskClient:
    client = english(create_app(of_home(floor.home)))
    assert enter(client, user=user).status_code == 303
    return client


PAGES = ("/", "/returns", "/returns?state=all", "/contacts", "/contacts/new", "/contacts/import", "/menus", "/audit")


def test_a_role_may_do_what_it_may_and_the_rest_is_a_sentence(floor: Floor) -> None:
    forbidden = {
        "dora": {"/contacts/new", "/contacts/import", "/audit", "/agents/1", "/contacts/export.csv"},
        "carla": {"/audit"},
        "owner": set[str](),
    }
    for user, closed in forbidden.items():
        client = signed_in(floor, user)
        for path in (*PAGES, "/agents/1", "/contacts/export.csv"):
            answer = client.get(path)
            assert answer.status_code == (403 if path in closed else 200), (user, path)
            if path in closed:
                assert "Ask the owner" in answer.get_data(as_text=True)
        text = client.get("/").get_data(as_text=True)
        assert ('id="pause-1"' in text) == (user != "dora")
    client = signed_in(floor, "dora")
    data = {"csrf": token(client, "/contacts")}
    for path in ("/agents/1/pause", "/agents/1/logout", "/waiting/1.1/first", "/contacts/new", "/night"):
        assert client.post(path, data=data).status_code == 403, path
    assert not floor.asked("Originate")


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/agents/99/pause", {"reason": "x" * 5000}),
        ("/agents/1/pause", {"reason": "<b>"}),
        ("/agents/1/listen", {"mode": "listen", "phone": "999"}),
        ("/waiting/nonsense/move", {"queue": "vendas"}),
        ("/returns/+5599/call", {}),
        ("/returns/x/dismiss", {"reason": "because"}),
        ("/contacts/%00/block", {"blocked": "yes"}),
        ("/contacts/new", {"number": "9" * 3000, "name": "x" * 3000}),
        ("/night", {"state": "open", "hours": "nowhere"}),
        ("/returns/callbacks/nonsense/cancel", {}),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(floor: Floor, path: str, data: dict[str, str]) -> None:
    client = signed_in(floor, "owner")
    answer = client.post(path, data={"csrf": token(client, "/"), **data}, follow_redirects=True)
    text = answer.get_data(as_text=True)
    assert answer.status_code in (200, 409)
    assert "told-bad" in text or 'role="alert"' in text
    assert "<b>" not in text.partition("<main")[2]
    assert not floor.asked("Originate")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("tag", ["pt-BR", "en", "es"])
def test_the_new_pages_fit_every_screen_also_with_hostile_names(
    floor: Floor, chromium: Browser, tag: str, scheme: str
) -> None:
    db = open_writer(floor.home.db)
    try:
        for n, name in enumerate(HOSTILE):
            values = (f"+5541{n:09}", name[:80], 1, 1, "", "", "", name[:500], name[:80], 1)
            db.execute(f"INSERT INTO contact VALUES ({', '.join('?' * 10)})", values)
            db.execute("INSERT INTO audit (at_ms, who, what, detail) VALUES (?, ?, ?, ?)", (n, name, name, name))
    finally:
        db.close()
    floor.talks()
    floor.waits("1795.31")
    context = chromium.new_context(locale=tag, color_scheme=scheme, extra_http_headers={"Accept-Language": tag})  # type: ignore[arg-type]
    page = context.new_page()
    heard: list[str] = []
    page.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: heard.append(str(error)))
    try:
        sign_in(page, floor.page.url)
        for width in (360, 390, 820, 1280):
            page.set_viewport_size({"width": width, "height": 844})
            for path in (*PAGES, "/agents/1", "/contacts/+5541000000000"):
                page.goto(floor.page.url + path)
                assert fits(page), (path, width)
                small = page.evaluate(SMALL_TARGETS) if width == 360 else []
                assert not small, (path, small)
                assert not page.evaluate(UNNAMED), path
    finally:
        context.close()
    assert not heard
