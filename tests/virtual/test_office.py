"""The virtual office as its own process at a real Asterisk: it logs in, answers, survives, and ends without a trace."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ramal.errors import RamalError
from ramal.virtual import office_config, wire
from ramal.virtual.caller import Caller, place_call
from ramal.virtual.office import read_status
from ramal.virtual.office_config import OfficeConfigError
from tests.until import until
from tests.virtual.box import Box, box

SECRETS = {"201": "s3cret-201", "202": "s3cret-202"}
AGENTS_HZ = {"201": 840.0, "202": 1130.0}


@pytest.fixture(scope="module")
def asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with box(tmp_path_factory.mktemp("box") / "home", SECRETS) as running:
        yield running


class Office:
    """The process and what it wrote."""

    def __init__(self, process: "subprocess.Popen[str]", home: Path) -> None:
        self.process, self.home, self.killed = process, home, False

    def desk(self, extension: str) -> dict[str, Any]:
        status: Any = read_status(self.home)
        return next((one for one in status["phones"] if one["extension"] == extension), {}) if status else {}

    def wait(self, state: str, *extensions: str, timeout_s: float = 15) -> None:
        for one in extensions or SECRETS:
            until(lambda one=one: self.desk(one).get("state") == state, timeout_s, f"{one} {state}: {self.desk(one)}")  # type: ignore[misc]


@contextlib.contextmanager
def office(folder: Path, port: int, **desk: object) -> Iterator[Office]:
    folder.mkdir(exist_ok=True)
    phones = [
        {"extension": user, "secret": secret, "dial_after_register": ["*45"], "voice_hz": AGENTS_HZ[user], **desk}
        for user, secret in SECRETS.items()
    ]
    config = {"home": str(folder / "home"), "sip_host": "127.0.0.1", "sip_port": port, "phones": phones}
    (folder / "office.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "ramal.virtual", "--config", str(folder / "office.json")]
    with (
        (folder / "lines").open("w") as lines,
        subprocess.Popen(command, stdout=lines, stderr=lines, text=True) as process,
    ):
        running = Office(process, folder / "home")
        try:
            yield running
        finally:
            process.terminate()
            code = process.wait(20)
        assert running.killed or code == 0, (folder / "lines").read_text()


def test_agents_log_in_answer_after_a_while_and_stay_until_the_caller_goes(asterisk: Box, tmp_path: Path) -> None:
    with office(tmp_path, asterisk.port, answer_after_s=0.4) as running:
        running.wait("free")
        assert all(running.desk(user)["logged_in"] for user in SECRETS)
        assert "agent 201 logged in" in asterisk.log()
        assert "agent 202 logged in" in asterisk.log()
        seen: list[str] = []
        trace = place_call(
            *(tmp_path / "caller", "202"),
            port=asterisk.port,
            caller=Caller(name='Zé "x"'),
            agent_hz=AGENTS_HZ["202"],
            talk_s=0.5,
            limit_s=20,
            on_step=lambda step: seen.append(running.desk("202")["state"]),
        )
        assert trace.agent_at_ms is not None
        assert trace.by_us
        assert "ringing" in seen
        assert "talking" in seen
        running.wait("free", "202")
        assert Path(running.desk("202")["last_heard"]).exists()
    final: Any = read_status(running.home)
    assert [desk["state"] for desk in final["phones"]] == ["stopped", "stopped"]


def test_an_agent_does_what_it_is_told(asterisk: Box, tmp_path: Path) -> None:
    with office(tmp_path, asterisk.port, answer_after_s=None) as running:
        running.wait("free")
        wire.tell(running.home, "201", "dial", "202")
        running.wait("ringing", "202")
        wire.tell(running.home, "202", "answer")
        running.wait("talking", "202")
        wire.tell(running.home, "202", "hangup")
        running.wait("free")
        wire.tell(running.home, "202", "answer_after", "0.1")
        wire.tell(running.home, "201", "dial", "202")
        running.wait("talking", "202")
        wire.tell(running.home, "202", "hangup")
        running.wait("free", "202")
        for phone, do, says in (("999", "hangup", "there is no phone 999"), ("201", "fly", "nothing a phone can do")):
            with pytest.raises(RamalError, match=says):
                wire.tell(running.home, phone, do)
    with pytest.raises(wire.OfficeSilent, match="does not answer"):
        wire.tell(running.home, "201", "hangup")


def test_a_phone_that_dies_comes_back_and_does_not_log_in_twice(asterisk: Box, tmp_path: Path) -> None:
    with office(tmp_path, asterisk.port) as running:
        running.wait("free")
        logins = asterisk.log().count("agent 201 logged in")
        first = running.desk("201")["pid"]
        os.kill(first, signal.SIGKILL)
        until(lambda: running.desk("201").get("pid") not in (first, None), 15, "a new process")
        running.wait("free", "201")
        assert "201: dead" in (tmp_path / "lines").read_text()
        assert asterisk.log().count("agent 201 logged in") == logins


def test_the_office_waits_for_its_box_and_finds_back_to_it(tmp_path: Path) -> None:
    with box(tmp_path / "box", SECRETS) as asterisk:
        asterisk.stop()
        with office(tmp_path / "office", asterisk.port) as running:
            until(lambda: (running.home / "status.json").exists())
            running.wait("unregistered")
            asterisk.start()
            running.wait("free", timeout_s=30)
            asterisk.stop()
            asterisk.start()
            trace = place_call(
                tmp_path / "c", "201", port=asterisk.port, agent_hz=AGENTS_HZ["201"], talk_s=0.2, limit_s=15
            )
            assert trace.agent_at_ms is not None, trace.steps


def test_a_killed_office_leaves_no_phone_behind_and_two_do_not_share_a_home(asterisk: Box, tmp_path: Path) -> None:
    with office(tmp_path, asterisk.port) as running:
        running.wait("free")
        command = [sys.executable, "-m", "ramal.virtual", "--config", str(tmp_path / "office.json")]
        second = subprocess.run(command, capture_output=True, text=True, timeout=20)
        assert second.returncode == 2
        assert "already runs" in second.stderr
        assert "Traceback" not in second.stderr
        pids = [running.desk(user)["pid"] for user in SECRETS]
        running.killed = True
        running.process.kill()
        until(lambda: not [pid for pid in pids if Path(f"/proc/{pid}").exists()], 10, "the phones die with it")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no JSON"),
        ("[]", "no table"),
        ("{}", "lacks 'home'"),
        ('{"home": "/x", "phones": [], "sip_prot": 1}', "unknown 'sip_prot'"),
        ('{"home": "/x", "phones": [{"extension": "201"}]}', "phone 1 lacks 'secret'"),
        ('{"home": "/x", "phones": [{"extension": 201, "secret": "x"}]}', "no text"),
        ('{"home": "/x", "sip_port": true, "phones": []}', "no number"),
        (
            '{"home": "/x", "phones": [{"extension": "1", "secret": "x"}, {"extension": "1", "secret": "y"}]}',
            "Two phones",
        ),
    ],
)
def test_a_mistake_in_the_file_is_a_sentence(text: str, says: str) -> None:
    with pytest.raises(OfficeConfigError, match=says):
        office_config.parse(text)


def test_the_defaults_are_those_of_a_person_at_a_desk() -> None:
    desk = office_config.parse('{"home": "/x", "phones": [{"extension": "201", "secret": "s"}]}').phones[0]
    assert (desk.answer_after_s, desk.dial_after_register, desk.voice_hz) == (1.5, (), 440.0)
