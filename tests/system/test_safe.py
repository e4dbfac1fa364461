"""Safe mode: when it begins and ends, and a real Asterisk in it that sends every call to one phone.

The phone is a socket that registers as one and waits for its INVITE.
"""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.box import safe
from ramal.box.home import Home
from ramal.box.safe import Places
from ramal.core.destination import Destination
from ramal.core.office import Number, Office, Phone
from ramal.core.safe import COUNT_MAX, STARTS_MAX, begin, good, reduced
from ramal_web.app import create_app
from ramal_web.settings import of_home
from tests.system import box
from tests.system.box import TestBox
from tests.system.digest import authorization, head
from tests.system.sipp import Caller
from tests.until import until
from tests.web.conftest import english


def places(root: Path) -> Places:
    return Places(root / "count", root / "safe")


def starts(kept: int | None, comes_up: list[bool]) -> list[bool]:
    """Which of these starts are safe ones."""
    found = []
    for up in comes_up:
        start = begin(kept)
        found.append(start.safe)
        kept = good(start.safe, start.count) if up else start.count
    return found


def test_three_starts_that_did_not_come_up_make_the_fourth_a_safe_one() -> None:
    assert starts(None, [False] * 4) == [False, False, False, True]


def test_after_a_safe_start_the_box_tries_itself_once_more() -> None:
    assert starts(STARTS_MAX, [True, False, True, False]) == [True, False, True, False]
    assert starts(STARTS_MAX, [True, True, False, False, False]) == [True, False, False, False, False]


def test_a_good_start_forgets_the_bad_ones() -> None:
    assert starts(None, [False, False, True] * 10) == [False] * 30


@pytest.mark.parametrize("kept", [None, -1, COUNT_MAX + 1])
def test_a_count_that_is_none_is_no_reason_for_safe_mode(kept: int | None) -> None:
    assert not begin(kept).safe


@pytest.mark.parametrize("text", ["", "three", "99999999999999999999", "-5", "\x00"])
def test_a_damaged_count_leaves_the_box_starting_as_usual(tmp_path: Path, text: str) -> None:
    where = places(tmp_path)
    where.count.write_text(text)
    assert safe.check(where, tmp_path) == ""
    assert not where.mark.exists()
    assert where.count.read_text() == "1\n"


def test_the_count_is_kept_and_the_mark_made(tmp_path: Path) -> None:
    where = places(tmp_path / "made" / "by" / "it")
    for _ in range(STARTS_MAX):
        assert safe.check(where, tmp_path) == ""
    assert "safe mode" in safe.check(where, tmp_path)
    assert where.mark.is_dir()
    assert safe.good(where, Home(tmp_path)), "a safe start needs no daemon to be one"
    assert where.count.read_text() == f"{STARTS_MAX - 1}\n"


def test_without_a_daemon_a_start_is_not_good(tmp_path: Path) -> None:
    where = places(tmp_path)
    safe.check(where, tmp_path)
    assert not safe.good(where, Home(tmp_path / "home"))
    assert where.count.read_text() == "1\n"


def test_an_office_without_a_phone_has_no_safe_one() -> None:
    assert reduced(Office(name="x", safe_phone="201")) is None
    phones, number = (Phone("202", "s" * 24), Phone("201", "t" * 24)), Number("+551130000000", Destination("hangup"))
    for wished, found in (("201", "201"), ("", "202"), ("299", "202")):
        one = reduced(Office(name="x", phones=phones, numbers=(number,), safe_phone=wished))
        assert one is not None
        assert {phone.extension for phone in one.phones} == {"201", "202"}
        assert [each.to for each in one.numbers] == [Destination("phone", found)]


def test_without_data_the_page_has_an_empty_home_and_says_why(tmp_path: Path) -> None:
    """The home lies in memory then, and nobody else prepares it in safe mode."""
    where, home = places(tmp_path), Home(tmp_path / "home")
    where.mark.write_text("data\n")
    assert "data partition" in safe.check(where, tmp_path)
    home.root.mkdir()
    safe.prepare(where, home)
    assert home.safe_mode.read_text() == "no-data"
    assert (where.etc / "current" / "asterisk.conf").is_file()
    page = english(create_app(of_home(home)))
    assert "cannot read its own disk" in page.get("/", follow_redirects=True).get_data(as_text=True)


def test_without_a_home_that_can_be_read_asterisk_gets_the_files_it_had_last(tmp_path: Path) -> None:
    where, home = places(tmp_path), Home(tmp_path / "home")
    home.prepare()
    home.db.write_bytes(b"no database at all " * 400)
    assert "files it had last" in safe.prepare(where, home)
    assert home.safe_mode.exists(), "the page says so"
    assert (where.etc / "current").readlink() == home.asterisk_etc


@pytest.fixture(scope="module")
def office() -> Iterator[TestBox]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    made = box.make(folder, box.office().replace("[office]", '[office]\nsafe_phone = "203"', 1))
    try:
        where = places(made.home.root)
        assert "phone:203" in safe.prepare(where, made.home)
        words = ("-f", "-C", str(where.etc / "current" / "asterisk.conf"))
        made.asterisk = made.programs.start("asterisk", *words, binds=[made.home.root], stdin=subprocess.DEVNULL)
        until(made._booted, 30.0, "Asterisk up")
        yield made
    finally:
        made.end()
        shutil.rmtree(folder, ignore_errors=True)


class Waiting:
    """A phone that registers and then only listens."""

    def __init__(self, office: TestBox, extension: str) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.9", 0))
        self.socket.settimeout(5)
        secret = _secret(office, extension)
        port, server = self.socket.getsockname()[1], office.settings.sip_port
        uri, extra = f"sip:127.0.0.1:{server}", ""
        for serial in (1, 2):
            text = (
                f"REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.9:{port};branch=z9hG4bK{port}{serial};rport\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:{extension}@127.0.0.1>;tag=1\r\nTo: <sip:{extension}@127.0.0.1>\r\n"
                f"Call-ID: wait-{port}\r\nCSeq: {serial} REGISTER\r\nContact: <sip:{extension}@127.0.0.9:{port}>\r\n"
                f"{extra}Expires: 120\r\nContent-Length: 0\r\n\r\n"
            )
            self.socket.sendto(text.encode(), ("127.0.0.1", server))
            lines, fields = self.next(" REGISTER")
            if serial == 1:
                extra = authorization(extension, secret, "REGISTER", uri, fields["www-authenticate"])
        assert lines[0].split()[1] == "200"

    def next(self, kind: str) -> tuple[list[str], dict[str, str]]:
        """The next message of this kind; others (OPTIONS) are answered so that the phone counts as there."""
        while True:
            data, who = self.socket.recvfrom(65536)
            lines, fields = head(data.decode())
            if kind in (lines[0] if kind == "INVITE" else fields.get("cseq", "")):
                return lines, fields
            if lines[0].startswith("OPTIONS"):
                echo = "".join(
                    f"{line}\r\n"
                    for line in lines[1:]
                    if line.split(":")[0].lower() in ("via", "from", "to", "call-id", "cseq")
                )
                self.socket.sendto(f"SIP/2.0 200 OK\r\n{echo}Content-Length: 0\r\n\r\n".encode(), who)


def _secret(office: TestBox, extension: str) -> str:
    return next(phone.secret for phone in office.office.phones if phone.extension == extension)


@pytest.mark.system
@pytest.mark.parametrize("number", ["+551133330000", "+551133330001", "+551133330003"])
def test_every_number_rings_the_one_phone(office: TestBox, number: str) -> None:
    phone = Waiting(office, "203")
    try:
        office.call(Caller(number, answered=False))
        lines, fields = phone.next("INVITE")
        assert "203" in lines[0]
        assert "+5511987654321" in fields["from"]
    finally:
        phone.socket.close()
        if office.channels():
            office.command("channel request hangup all")
        until(lambda: office.channels() == 0, 10.0)
