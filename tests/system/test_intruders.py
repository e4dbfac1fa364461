"""Who has no right to be served is not: strangers who claim to be a line, texts in the place of calls, guessed PINs.

The stranger speaks plain SIP over UDP from 127.0.0.2, an address that no line and no phone of the office has.
"""

import itertools
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.virtual.phone import Phone
from tests.system import agents, box
from tests.system.box import TestBox
from tests.until import until

pytestmark = pytest.mark.system
_counter = itertools.count(1)


@pytest.fixture(scope="module")
def office() -> Iterator[TestBox]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    try:
        with box.running(folder, box.office(), daemon=False) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ask(office: TestBox, method: str, number: str, *, address: str, claims: str, kind: str = "", body: str = "") -> int:
    """The final status that ``method`` gets from the box when it comes from ``address`` with From: ``claims``."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((address, 0))
        stranger.settimeout(5)
        port = stranger.getsockname()[1]
        call = f"stranger-{port}-{next(_counter)}"
        head = (
            f"{method} sip:{number}@127.0.0.1:{office.settings.sip_port} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {address}:{port};branch=z9hG4bK{call};rport\r\nMax-Forwards: 70\r\n"
            f"From: <sip:{claims}@{address}>;tag=1\r\nTo: <sip:{number}@127.0.0.1>\r\nCall-ID: {call}\r\n"
            f"CSeq: 1 {method}\r\nContact: <sip:{claims}@{address}:{port}>\r\n"
        )
        kind = f"Content-Type: {kind}\r\n" if kind else ""
        stranger.sendto(
            f"{head}{kind}Content-Length: {len(body)}\r\n\r\n{body}".encode(), ("127.0.0.1", office.settings.sip_port)
        )
        while True:
            answer = stranger.recv(65536).decode()
            status = int(answer.split()[1])
            if call in answer and status >= 200:
                return status


OFFER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)


def journal(office: TestBox) -> str:
    file = office.home.asterisk_log / "queue_log"
    return file.read_text() if file.exists() else ""


@pytest.mark.parametrize("claims", ["line-loop", "201", "line", "phone", "+5511999990000"])
def test_nobody_becomes_a_line_or_a_phone_by_its_name(office: TestBox, claims: str) -> None:
    status = ask(
        office, "INVITE", "+551133330001", address="127.0.0.2", claims=claims, kind="application/sdp", body=OFFER
    )
    assert status == 401
    assert office.channels() == 0


def test_a_text_message_from_a_line_is_no_call(office: TestBox) -> None:
    with agents.logged_in(office, "201", agents.IGNORE) as desk:
        status = ask(
            office,
            "MESSAGE",
            "+551133330001",
            address="127.0.0.1",
            claims="+5511999990000",
            kind="text/plain",
            body="hello",
        )
        assert status >= 400
        assert not desk.calls
        assert "ENTERQUEUE" not in journal(office)


def _enter(office: TestBox, desk: Phone, pin: str) -> None:
    """Dial agent 8's login and enter ``pin`` as often as it is asked for, until the box hangs up."""
    desk.dial("*458")
    until(lambda: any(call.state == "answered" for call in desk.calls.values()), 10, "the login answers")
    done = 0

    def next_or_over() -> int:
        asked = _asked(office)
        return asked if asked > done else -1 if not desk.calls else 0

    while (asked := until(next_or_over, 20, "the PIN is asked for, or the box hangs up")) > 0:
        desk.dtmf(f"{pin}#")
        done = asked


def _asked(office: TestBox) -> int:
    """Which try of the login is being asked for now; 0 while none is."""
    said = office.command("core show channels concise")
    name = next((line.split("!")[0] for line in said.splitlines() if "!Read!" in line), "")
    found = re.search(r"^try=(\d+)", office.command(f"core show channel {name}"), re.MULTILINE) if name else None
    return int(found[1]) if found else 0


def test_pins_cannot_be_guessed_call_after_call(office: TestBox) -> None:
    def seat() -> str:
        return office.command("database get ramal-agent 8")

    with agents.phone(office, "203") as desk:
        _enter(office, desk, "0000")
        _enter(office, desk, "7306")  # the right one, but now this phone has to wait
        assert "Value: 203" not in seat()
        office.command("database put ramal-pin-wait 203-8 1")  # the wait is over
        _enter(office, desk, "7306")
        assert "Value: 203" in seat()
        assert "not found" in office.command("database get ramal-pin-tries 203-8")
        agents.dial_code(office, desk, "*46")
