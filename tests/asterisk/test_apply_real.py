"""Applying to a real Asterisk: it takes the rendered demo office, keeps calls, and what it refuses is taken back."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ramal.ami.errors import AmiDown
from ramal.ami.session import Session
from ramal.asterisk.apply import ApplyRefused, apply
from ramal.asterisk.generations import Generations
from ramal.asterisk.reload import AmiReloader
from ramal.asterisk.render import Box, render
from ramal.core.destination import HANGUP
from ramal.core.office import Line, Office, Phone, Queue
from ramal.core.places import asterisk_queues
from ramal.provide import peers
from tests.core.offices import demo
from tests.system.ports import free_port, free_range
from tests.until import until

DIALPLAN = """[try]
exten => caller,1,Answer()
 same => n,Wait(600)
exten => talk,1,Answer()
 same => n,Wait(600)
exten => queue,1,Answer()
 same => n,Queue(vendas,,,,600)
"""


class Running:
    """An Asterisk that runs with the demo office, and the session to it."""

    def __init__(self, home: Path) -> None:
        self.etc = home / "etc"
        for folder in ("lib", "log/cel-custom", "spool", "run", "recordings", "prompts", "etc/custom"):
            (home / folder).mkdir(parents=True)
        (self.etc / "custom" / "extensions.conf").write_text(DIALPLAN)
        program, media = peers(), free_range(100)
        self.box = Box(
            etc=f"{self.etc}/current",
            data=str(program.data),
            lib=f"{home}/lib",
            log=f"{home}/log",
            spool=f"{home}/spool",
            run=f"{home}/run",
            recordings=f"{home}/recordings",
            prompts=f"{home}/prompts",
            own=f"{home}/own",
            custom=f"{self.etc}/custom",
            sip_bind="127.0.0.1",
            sip_port=free_port(),
            rtp_first=media[0],
            rtp_last=media[1],
            ami_port=free_port(),
            ami_secret="hush-hush",
            modules=str(program.modules),
        )
        apply(render(demo(), self.box), self.etc)
        with (home / "out").open("wb") as out:
            self.process = program.start(
                "asterisk", "-f", "-C", f"{self.etc}/current/asterisk.conf", binds=[home], stdout=out, stderr=out
            )
        self._out = home / "out"
        self.session = until(self._session, 60, "Asterisk answers on AMI")
        self.reloader = AmiReloader(self.session)

    def _session(self) -> Session | None:
        """A session to an Asterisk whose queues are loaded; None while it still starts."""
        assert self.process.poll() is None, self._out.read_text(errors="replace")[-2000:]
        session = Session("127.0.0.1", self.box.ami_port, lambda message: None, lambda reason: None)
        login = (("Username", "ramal"), ("Secret", self.box.ami_secret), ("Events", "off"))
        try:
            session.open()
            assert session.request("Login", login).ok
            if session.request_list("QueueSummary")[1]:
                return session
        except AmiDown:
            pass
        session.end()
        return None

    def rows(self, action: str, *headers: tuple[str, str]) -> list[tuple[str, ...]]:
        """What stays the same of a list's rows while nothing happens."""
        stable = ("Event", "Queue", "Channel", "Uniqueid", "BridgeId", "Position", "Name", "ObjectName", "CallsTaken")
        return sorted(tuple(row.get(name) for name in stable) for row in self.session.request_list(action, headers)[1])

    def calls(self) -> list[tuple[str, ...]]:
        return self.rows("CoreShowChannels") + [row for row in self.rows("QueueStatus") if row[0] == "QueueEntry"]

    def end(self) -> None:
        self.session.end()
        with self.process:
            pass


@pytest.fixture
def asterisk(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.end()


def wide(office: Office) -> Office:
    """Everything changed that can change: phones, lines, queues, menus."""
    queue, other = office.queues
    line = Line("provider", "sip-register", host="127.0.0.1", port=9, username="me", secret="a$b{c}&'[d]<e>,|:?=")
    return replace(
        office,
        lines=(*office.lines, line),
        phones=(replace(office.phones[0], secret="another-secret"), Phone("299", "some-secret", "João, o “novo”")),
        agents=(replace(office.agents[0], queues=()),),
        queues=(replace(queue, max_wait_s=99, ring_s=7), other, Queue("delivery")),
        menus=(replace(office.menus[0], otherwise=HANGUP),),
    )


def test_calls_in_progress_are_not_disturbed_by_an_apply_nor_by_one_that_is_refused(asterisk: Running) -> None:
    first = apply(render(demo(), asterisk.box), asterisk.etc, asterisk.reloader)
    assert first.restart == ()
    session = asterisk.session
    member = (("Queue", "vendas"), ("Interface", "Local/talk@try"), ("MemberName", "agent-1"))
    assert session.request("QueueAdd", member).ok
    place = (
        ("Channel", "Local/caller@try/n"),
        ("Context", "try"),
        ("Exten", "queue"),
        ("Priority", "1"),
        ("Async", "true"),
    )
    for count in (1, 2):
        assert session.request("Originate", place).ok
        until(lambda count=count: len(asterisk.calls()) >= (4, 7)[count - 1], 20, "the call is in the queue")
    until(lambda: [row[0] for row in asterisk.calls()].count("QueueEntry") == 1, 20, "one talks, one waits")
    before = asterisk.calls()
    assert any(row[4] for row in before), "nobody talks"

    done = apply(render(wide(demo()), asterisk.box), asterisk.etc, asterisk.reloader)
    assert done.reloaded == ("res_pjsip", "app_queue", "pbx_config")
    assert asterisk.calls() == before
    endpoints = {row[7] for row in asterisk.rows("PJSIPShowEndpoints")}
    assert endpoints == {"201", "299", "line-loop", "line-provider", "ramal-health"}

    (asterisk.etc / "custom" / "pjsip.conf").write_text("[bad]\ntype = endpoint\nnonsense = 1\n")
    with pytest.raises(ApplyRefused, match="The phone or line “bad” is not there"):
        apply(render(demo(), asterisk.box), asterisk.etc, asterisk.reloader)
    assert asterisk.calls() == before
    assert Generations(asterisk.etc).current == done.generation
    assert {row[1] for row in asterisk.rows("QueueSummary")} == {one.name for one in asterisk_queues(wide(demo()))}

    (asterisk.etc / "custom" / "pjsip.conf").unlink()
    apply(render(demo(), asterisk.box), asterisk.etc, asterisk.reloader)
    assert asterisk.calls() == before
    assert {row[1] for row in asterisk.rows("QueueSummary")} == {one.name for one in asterisk_queues(demo())}


def test_an_asterisk_that_has_gone_is_down_and_the_files_are_swapped(asterisk: Running) -> None:
    apply(render(demo(), asterisk.box), asterisk.etc, asterisk.reloader)
    asterisk.process.send_signal(signal.SIGKILL)
    asterisk.process.wait(10)
    done = apply(render(wide(demo()), asterisk.box), asterisk.etc, asterisk.reloader)
    assert done.down
    assert Generations(asterisk.etc).current == done.generation
