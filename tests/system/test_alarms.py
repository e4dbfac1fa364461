"""An alarm's lamp on a real phone: dark, lit when the alarm is raised, right again after Asterisk came back."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.web_peer import WebPeer
from tests.system import box
from tests.system.box import TestBox
from tests.system.lamps import lamps
from tests.until import until

pytestmark = pytest.mark.system

OFFICE = """
[office]
name = "Alarme"
country = "BR"
timezone = "America/Sao_Paulo"

[[line]]
name = "loop"
kind = "sip-peer"
addresses = ["127.0.0.1"]

[[phone]]
extension = "201"
virtual = true

[[queue]]
name = "sales"
title = "Vendas"

[[agent]]
code = "7"
name = "Ana"
pin = "4711"
phone = "201"
queues = ["sales"]

[[alarm]]
name = "no-one"
measure = "no-agent"
queue = "sales"
quiet_min = 0
"""


@pytest.fixture
def web() -> Iterator[WebPeer]:
    with WebPeer() as peer:
        yield peer


@pytest.fixture
def alarmed(web: WebPeer) -> Iterator[TestBox]:
    with tempfile.TemporaryDirectory(prefix="ramal-alarm-") as folder:
        office = OFFICE + f'webhook = "http://127.0.0.1:{web.port}/"\n'
        with box.running(Path(folder), office, daemon=False) as running:
            yield running


def test_a_lamp_says_that_nobody_is_there(alarmed: TestBox, web: WebPeer) -> None:
    member = "PJSIP/201 to sales penalty 0 as agent-7"
    with lamps(alarmed, "201", "alarm-no-one") as phone:
        alarmed.start_daemon("-m", "tests.system.quick", str(alarmed.home.root))
        phone.is_now("alarm-no-one", "confirmed", 20)
        until(lambda: len(web.posts) == 1, 10, "somebody is told")
        assert "Added" in alarmed.command(f"queue add member {member}")
        phone.is_now("alarm-no-one", "terminated", 20)
        until(lambda: len(web.posts) == 2, 10, "its end is told")
        alarmed.command("queue remove member PJSIP/201 from sales")
        phone.is_now("alarm-no-one", "confirmed", 20)
        alarmed.kill_daemon()
        alarmed.command(f"queue add member {member}")
        alarmed.start_daemon("-m", "tests.system.quick", str(alarmed.home.root))
        phone.is_now("alarm-no-one", "terminated", 20)
        until(lambda: len(web.posts) == 4, 10, "four notices in all")


def test_a_lamp_is_lit_again_when_asterisk_forgot_it(alarmed: TestBox) -> None:
    alarmed.start_daemon("-m", "tests.system.quick", str(alarmed.home.root))

    def state() -> str:
        return alarmed.command("core show hint alarm-no-one")

    until(lambda: "State:InUse" in state(), 20, "the lamp is lit")
    alarmed.kill_asterisk()
    alarmed.start()
    alarmed.command("devstate change Custom:ramal-alarm-no-one NOT_INUSE")
    until(lambda: "State:InUse" in state(), 40, "the lamp is lit again")
