"""Who guesses passwords at the phones' door is locked out by what a real Asterisk says; a phone of the office never.

The guesser speaks plain SIP from addresses that nobody has; what would be told to nftables is collected here, and held
against the kernel with real packets in tests/box/test_firewall.py.
"""

import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.box.firewall import Watch, registered
from ramal.core.network import Plan
from tests.system import box
from tests.system.box import TestBox
from tests.system.digest import authorization, head
from tests.until import until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def office() -> Iterator[TestBox]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    try:
        with box.running(folder, box.office(), daemon=False) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def register(office: TestBox, address: str, user: str, secret: str | None) -> int:
    """The final status of one REGISTER from ``address``; ``secret`` None leaves the challenge unanswered."""
    server = ("127.0.0.1", office.settings.sip_port)
    uri = f"sip:127.0.0.1:{server[1]}"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind((address, 0))
        phone.settimeout(5)
        port = phone.getsockname()[1]
        mark = secrets.token_hex(8)  # a port comes again soon, and with it the answer to the question before

        def ask(serial: int, extra: str) -> tuple[int, dict[str, str]]:
            text = (
                f"REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {address}:{port};branch=z9hG4bK{mark}{serial};rport\r\n"
                f'Max-Forwards: 70\r\nFrom: "{user}" <sip:{user}@127.0.0.1>;tag=1\r\nTo: <sip:{user}@127.0.0.1>\r\n'
                f"Call-ID: guess-{mark}\r\nCSeq: {serial} REGISTER\r\nContact: <sip:{user}@{address}:{port}>\r\n"
                f"{extra}Expires: 120\r\nContent-Length: 0\r\n\r\n"
            )
            phone.sendto(text.encode(), server)
            while True:
                lines, fields = head(phone.recv(65536).decode())
                if not lines[0].startswith("SIP/2.0"):  # Asterisk asks whether the phone is there
                    continue
                status = int(lines[0].split()[1])
                if status >= 200 and f"{serial} REGISTER" == fields.get("cseq"):
                    return status, fields

        status, fields = ask(1, "")
        if status != 401 or secret is None:
            return status
        return ask(2, authorization(user, secret, "REGISTER", uri, fields["www-authenticate"]))[0]


def watch(office: TestBox) -> tuple[Watch, list[str]]:
    put: list[str] = []
    made = Watch(office.home, put.append, own=lambda: (), find=lambda host: (), plan=Plan, say=lambda sentence: None)
    made.refresh()
    made.look(0.0)
    put.clear()
    return made, put


def test_who_guesses_is_locked_out_and_nobody_else(office: TestBox) -> None:
    guard, put = watch(office)
    for number in range(8):
        assert register(office, "127.0.0.3", "201", f"guess-{number}") == 401

    def told() -> bool:
        guard.look(1.0)
        return bool(put)

    until(told, 5.0)
    assert len(put) == 1
    assert "muted4 { 127.0.0.3 timeout 600s }" in put[0]


def test_a_name_that_looks_like_the_logs_own_words_locks_nobody_else_out(office: TestBox) -> None:
    guard, put = watch(office)
    evil = '201",RemoteAddress="IPV4/UDP/127.0.0.77/5060'
    before = office.home.security_log.stat().st_size
    for number in range(40):
        register(office, "127.0.0.5", evil.replace('"', "%22"), f"guess-{number}")
        register(office, "127.0.0.5", "nobody", f"guess-{number}")
    until(lambda: office.home.security_log.stat().st_size > before + 4000, 5.0)
    for second in range(5):
        guard.look(float(second))
    assert put
    assert not [text for text in put if "127.0.0.77" in text]


def test_a_packet_that_answers_no_challenge_locks_nobody_out_so_its_sender_may_be_forged(office: TestBox) -> None:
    guard, put = watch(office)
    for _ in range(20):
        assert register(office, "127.0.0.7", "nobody", None) == 401
    assert register(office, "127.0.0.7", "201", "the-last-line-to-wait-for") == 401
    seen: list[str] = []

    def all_said() -> bool:
        seen[:] = office.home.security_log.read_text().splitlines()
        return any("ChallengeResponseFailed" in line and "/127.0.0.7/" in line for line in seen)

    until(all_said, 5.0)
    assert sum("InvalidAccountID" in line and "/127.0.0.7/" in line for line in seen) == 20
    for second in range(5):
        guard.look(float(second))
    assert put == []


def test_an_address_with_a_registered_phone_is_never_locked_out(office: TestBox) -> None:
    phone = next(one for one in office.office.phones if one.extension == "201")
    assert register(office, "127.0.0.4", "201", phone.secret) == 200
    until(lambda: "127.0.0.4" in registered(office.home), 5.0)
    guard, put = watch(office)
    for number in range(40):
        assert register(office, "127.0.0.4", "202", f"guess-{number}") == 401
    before = office.home.security_log.stat().st_size
    assert register(office, "127.0.0.6", "202", "last") == 401
    until(lambda: office.home.security_log.stat().st_size > before, 5.0)
    for second in range(5):
        guard.look(float(second))
    assert put == []
