"""A real Asterisk answers phones by IPv6 beside IPv4, and the guard sees who fails there."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.box.asterisk import bind6
from ramal.box.firewall import Tail, registered
from ramal.box.pulse import answers_sip
from ramal.core.guard import failed_in_log
from tests.system import box
from tests.system.box import TestBox
from tests.system.digest import authorization, head
from tests.until import until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestBox]:
    made = box.make(tmp_path_factory.mktemp("v6"), box.office(), sip_bind="0.0.0.0")
    made.start()
    try:
        yield made
    finally:
        made.end()


def register(office: TestBox, extension: str, password: str) -> str:
    """The status of a REGISTER over ::1."""
    uri, extra, status = f"sip:[::1]:{office.settings.sip_port}", "", ""
    with contextlib.closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as door:
        door.bind(("::1", 0))
        door.settimeout(10)
        here = f"[::1]:{door.getsockname()[1]}"
        for serial in (1, 2):
            text = (
                f"REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{extension}{serial};rport\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:{extension}@[::1]>;tag=1\r\nTo: <sip:{extension}@[::1]>\r\n"
                f"Call-ID: six-{here}\r\nCSeq: {serial} REGISTER\r\nContact: <sip:{extension}@{here}>\r\n"
                f"{extra}Expires: 120\r\nContent-Length: 0\r\n\r\n"
            )
            door.sendto(text.encode(), ("::1", office.settings.sip_port))
            while True:
                lines, fields = head(door.recv(65536).decode())
                if lines[0].startswith("SIP/2.0") and fields["cseq"] == f"{serial} REGISTER":
                    break
            status = lines[0].split()[1]
            if serial == 1 and status == "401":
                extra = authorization(extension, password, "REGISTER", uri, fields["www-authenticate"])
    return status


def secret(office: TestBox, extension: str) -> str:
    return next(phone.secret for phone in office.office.phones if phone.extension == extension)


@pytest.mark.parametrize("address", ["::1", "127.0.0.1"])
def test_options_are_answered_in_both_families(office: TestBox, address: str) -> None:
    assert answers_sip(address, office.settings.sip_port, 10.0)


def test_a_phone_registers_by_ipv6_and_is_known_to_be_there(office: TestBox) -> None:
    assert register(office, "201", secret(office, "201")) == "200"
    until(lambda: "::1" in registered(office.home), 10.0, "the guard spares who is registered")


def test_a_wrong_password_by_ipv6_is_seen_by_the_guard(office: TestBox) -> None:
    tail = Tail(office.home.security_log)
    tail.lines()
    assert register(office, "202", "wrong") != "200"
    until(lambda: "::1" in {failed_in_log(line) for line in tail.lines()}, 10.0, "the line that fails")


def test_it_is_asked_for_only_where_all_addresses_are_meant_and_ipv6_is_there(tmp_path: Path) -> None:
    there = tmp_path / "if_inet6"
    there.write_text("")
    assert bind6("0.0.0.0", there) == "::"
    assert bind6("0.0.0.0", tmp_path / "none") == ""
    assert bind6("192.168.1.10", there) == ""
