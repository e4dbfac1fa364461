"""Desk phones at the page's own process, with the daemon's own process behind it: who gets a file, who does not, and
what is written down about it."""

import http.client
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from ramal.box.home import Home
from ramal.cli import main
from ramal.control.client import Refused
from ramal.ops.phones import admin_password_of
from ramal.store.db import open_reader
from ramal_web.app import create_app
from ramal_web.provision.allowance import BURST, Allowance
from ramal_web.settings import of_home
from tests.process.conftest import OFFICE, DaemonProcess
from tests.provision.readers import READERS
from tests.until import until
from tests.web.conftest import Served

Start = Callable[..., DaemonProcess]
MAC = "001565aabbcc"
FILE = f"/provision/{MAC}.cfg"
AGENT = "Yealink SIP-T31G 124.85.257.55 00:15:65:aa:bb:cc"
SECRET = "a-long-secret-for-201"


def with_phone(model: str = "yealink", mac: str = MAC) -> str:
    return OFFICE.replace(f'secret = "{SECRET}"', f'secret = "{SECRET}"\nmac = "{mac}"\nmodel = "{model}"')


@pytest.fixture
def daemon(start: Start) -> DaemonProcess:
    begun = start().up()
    begun.ask("apply", toml=with_phone(), file="o.toml")
    until(lambda: any(row["open"] for row in begun.ask("phones.list")["phones"]), 30, "the phone is known")
    return begun


@pytest.fixture
def page(home: Home, daemon: DaemonProcess) -> Iterator[Served]:
    served = Served(SimpleNamespace(home=home))  # type: ignore[arg-type]
    yield served
    served.stop()


def phone(daemon: DaemonProcess, extension: str = "201") -> dict[str, object]:
    return next(row for row in daemon.ask("phones.list")["phones"] if row["extension"] == extension)


def get(page: Served, path: str, method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=15)
    try:
        connection.request(method, path, headers={"User-Agent": AGENT, **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.getheaders())
    finally:
        connection.close()


def audit(home: Home) -> list[tuple[str, str, str]]:
    with open_reader(home.db) as db:
        return db.execute("SELECT who, what, detail FROM audit WHERE what LIKE 'phone.%' ORDER BY id").fetchall()


def test_a_fresh_phone_fetches_once_then_only_with_its_token_or_when_it_is_let_in(
    page: Served, daemon: DaemonProcess, home: Home
) -> None:
    assert get(page, FILE, "HEAD")[0] == 404  # only looking does not use the one time up
    status, text, headers = get(page, FILE)
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (200, "text/plain; charset=utf-8", "no-store")
    told = READERS["yealink"](text)
    assert (told.user, told.secret, told.host, told.port) == ("201", SECRET, "127.0.0.1", 5060)
    assert told.admin_password == admin_password_of(home.phones_secret())
    assert told.next_url.startswith(f"{page.url}/provision/")
    again = get(page, FILE)
    assert again[0] == 403
    assert "ramal phones provision 201" in again[1]
    assert "phone" not in again[1].replace("Phone 201", "").replace("ramal phones", "")
    token_file = told.next_url.removeprefix(page.url) + f"{MAC}.cfg"
    assert get(page, token_file)[1] == text
    assert get(page, token_file.upper().replace("/PROVISION/", "/provision/").replace(".CFG", ".cfg"))[0] == 404
    daemon.ask("phones.open", extension="201", minutes=5, who="owner")
    assert get(page, FILE.upper().replace("/PROVISION/", "/provision/").replace(".CFG", ".cfg"))[:2] == (200, text)
    daemon.ask("phones.open", extension="201", minutes=0, who="owner")
    assert get(page, FILE)[0] == 403
    mac = MAC.upper()
    visit = f"201 127.0.0.1 {AGENT}"
    assert audit(home) == [
        (mac, "phone.fetched", visit),
        (mac, "phone.refused", visit),
        (mac, "phone.fetched", visit),
        ("owner", "phone.opened", "201 5 min"),
        (mac, "phone.fetched", visit),
        ("owner", "phone.closed", "201 0 min"),
    ]
    row = phone(daemon)
    assert (row["address"], row["agent"], row["open"], row["registered"]) == ("127.0.0.1", AGENT, False, False)
    told_of_it = daemon.log + page.log.read_text() + str(audit(home))
    for secret in (SECRET, told.admin_password, told.next_url.rsplit("/", 2)[1]):
        assert secret not in told_of_it


def test_a_new_device_at_the_same_desk_is_fresh_and_a_device_that_is_gone_gets_nothing(
    page: Served, daemon: DaemonProcess
) -> None:
    assert get(page, FILE)[0] == 200
    daemon.ask("apply", toml=with_phone("snom", "000413922d24"), file="o.toml")
    assert get(page, FILE)[0] == 404
    status, text, headers = get(page, "/provision/000413922D24.xml")
    assert (status, headers["Content-Type"]) == (200, "application/xml; charset=utf-8")
    assert READERS["snom"](text).secret == SECRET
    assert get(page, "/provision/000413922D24.xml")[0] == 403
    daemon.ask("apply", toml=with_phone("snom", "000413922d24").replace(SECRET, "another-long-secret"), file="o.toml")
    token_file = READERS["snom"](text).next_url.removeprefix(page.url) + "000413922D24.xml"
    assert READERS["snom"](get(page, token_file)[1]).secret == "another-long-secret"


@pytest.mark.parametrize(
    "path",
    [
        "/provision/y000000000123.cfg",
        "/provision/0015650000ff.cfg",
        f"/provision/cfg{MAC}.xml",
        f"/provision/{MAC}.xml",
        f"/provision/{'0' * 32}/{MAC}.cfg",
        f"/provision/x/{MAC}.cfg",
        "/provision/..%2f..%2fsecrets%2fami",
        "/provision/",
        "/provision/a/b/c.cfg",
    ],
)
def test_what_is_no_phones_file_is_not_there_and_uses_nothing_up(page: Served, path: str) -> None:
    assert get(page, path)[0] == 404
    assert get(page, FILE)[0] == 200


def test_an_address_that_asks_too_often_waits_and_a_phone_whose_box_has_no_daemon_keeps_what_it_has(
    page: Served, daemon: DaemonProcess
) -> None:
    daemon.ask("phones.open", extension="201")
    daemon.kill()
    status, sentence, headers = get(page, FILE)
    assert (status, headers["Retry-After"]) == (503, "60")
    assert "Keep the settings you have" in sentence
    answers = [get(page, FILE) for _ in range(BURST)]
    assert answers[-1][0] == 429
    assert 1 <= int(answers[-1][2]["Retry-After"]) <= 6


@pytest.mark.parametrize(
    ("address", "heard"),
    [
        ("192.168.1.20", True),
        ("10.1.2.3", True),
        ("169.254.7.7", True),
        ("fe80::1%eth0", True),
        ("fd12::7", True),
        ("::ffff:192.168.1.20", True),
        ("8.8.8.8", False),
        ("::ffff:8.8.8.8", False),
        ("2a00:1450::1", False),
        ("nonsense", False),
    ],
)
def test_only_addresses_of_a_local_network_are_heard(home: Home, address: str, heard: bool) -> None:
    client = create_app(of_home(home)).test_client()  # no daemon: who is heard is told that
    answer = client.get(FILE, environ_base={"REMOTE_ADDR": address}, headers={"X-Forwarded-For": "192.168.1.1"})
    assert answer.status_code == (503 if heard else 403)


@pytest.mark.parametrize(
    ("host", "heard"),
    [
        ("10.0.0.5:8080", True),
        ("[fd12::7]:8080", True),
        ("ramal", True),
        ("ramal.local:8080", True),
        ("box.lan", True),
        ("rebound.example.com", False),
        ("10.0.0.5.nip.example", False),
        ("local", True),
        ("evil-local.com", False),
    ],
)
def test_a_web_site_that_calls_itself_by_the_boxs_address_reads_nothing(home: Home, host: str, heard: bool) -> None:
    client = create_app(of_home(home)).test_client()
    answer = client.get(FILE, environ_base={"REMOTE_ADDR": "10.0.0.9"}, headers={"Host": host})
    assert answer.status_code == (503 if heard else 403)


def test_a_phone_is_not_fresh_again_because_the_daemon_started_anew(
    page: Served, daemon: DaemonProcess, start: Start
) -> None:
    assert get(page, FILE)[0] == 200
    daemon.kill()
    again = start().up()
    until(lambda: phone(again)["fetched_ms"], 10, "the office is read")
    assert get(page, FILE)[0] == 403


def test_a_host_that_is_none_is_not_put_into_a_file(page: Served) -> None:
    assert get(page, FILE, Host="evil/provision/x?")[0] in (400, 403, 404)
    assert get(page, FILE, Host="[::1]:8080")[1].count("= ::1\n") == 2


def test_a_bucket_refills_and_forgets_who_asked_longest_ago() -> None:
    allowance = Allowance(burst=2, refill_s=6.0, places=2)
    assert [allowance.take("a", 0.0) for _ in range(3)] == [0.0, 0.0, 6.0]
    assert allowance.take("a", 3.0) == 3.0
    assert [allowance.take("a", 6.0), allowance.take("a", 6.0)] == [0.0, 6.0]
    assert [allowance.take(who, 7.0) for who in "bc"] == [0.0, 0.0]
    assert len(allowance) == 2
    assert allowance.take("a", 7.0) == 0.0


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"extension": "299"}, "has no phone 299"),
        ({"extension": "202"}, "does not say “mac” and “model” of phone 202"),
        ({"extension": "201", "minutes": 1441}, "0 to 1440 minutes"),
        ({"extension": "201", "minutes": True}, "0 to 1440 minutes"),
        ({}, "needs “extension”"),
    ],
)
def test_who_cannot_be_let_in_is_a_sentence(daemon: DaemonProcess, given: dict[str, object], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        daemon.ask("phones.open", **given)


def test_the_command_line_lists_the_phones_and_lets_one_in(
    daemon: DaemonProcess, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str) -> list[str]:
        assert main(["--home", str(home.root), "phones", *words]) == 0
        return capsys.readouterr().out.splitlines()

    assert said()[0].split() == ["PHONE", "NAME", "MODEL", "MAC", "REGISTERED", "LAST", "FETCHED"]
    assert said()[1].split() == ["201", "yealink", MAC.upper(), "no", "never,", "let", "in", "once"]
    assert said("provision", "201", "--minutes", "7") == [
        "Phone 201 may fetch its settings for 7 minutes; switch it on now."
    ]
    assert "never, let in until 20" in said("list")[1]
    assert said("password") == [admin_password_of(home.phones_secret())]
    assert main(["--home", str(home.root), "phones", "provision", "202"]) == 1
    assert "does not say “mac”" in capsys.readouterr().err
