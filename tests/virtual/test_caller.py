"""The virtual caller at a real Asterisk: it dials, chooses in the menu, hears the agent, and tells all of it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.core import sound
from ramal.virtual.caller import Caller, Key, agent_speaks, place_call
from ramal.virtual.phone import Account, Policy
from tests.virtual.box import Box, box
from tests.virtual.desk import B_HZ, phone

SECRETS = {"201": "s3cret-201"}


@pytest.fixture(scope="module")
def asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with box(tmp_path_factory.mktemp("box") / "home", SECRETS) as running:
        yield running


def test_a_call_through_a_menu_to_an_agent_is_told_step_by_step(asterisk: Box, tmp_path: Path) -> None:
    agent = Account("201", SECRETS["201"], port=asterisk.port)
    with phone(tmp_path, "agent", account=agent, voice_hz=B_HZ, policy=Policy("answer", 0.5)) as (p201, _):
        p201.wait_registered(10)
        caller = Caller("+5511987654321", 'Zé "da" <b>', (Key("1", 0.5),))
        trace = place_call(
            *(tmp_path / "caller", "menu"), port=asterisk.port, caller=caller, agent_hz=B_HZ, talk_s=1.0, limit_s=20
        )
    what = [f"{step.what} {step.detail}".strip() for step in trace.steps]
    for step in ("dialing menu", "answered", "pressed 1", "agent-heard", "hanging-up"):
        assert step in what, what
    assert what.index("answered") < what.index("pressed 1") < what.index("agent-heard") < what.index("hanging-up")
    assert trace.steps[-1].what == "hung-up"
    assert [step.at_ms for step in trace.steps] == sorted(step.at_ms for step in trace.steps)
    assert trace.by_us
    assert trace.answered_at_ms is not None
    assert trace.agent_at_ms is not None
    assert trace.agent_at_ms > trace.answered_at_ms + 800, "a key after 0.5 s, an answer after 0.5 s more"
    assert trace.heard is not None
    heard = sound.read_wave(trace.heard.read_bytes())
    assert agent_speaks(heard.mono, B_HZ)
    assert not agent_speaks(heard.mono, caller.voice_hz), "it does not hear itself"
    assert "key 1" in asterisk.log()


def test_a_refused_call_is_a_trace_with_its_code(asterisk: Box, tmp_path: Path) -> None:
    trace = place_call(tmp_path, "999", port=asterisk.port)
    assert trace.code == 404
    assert trace.answered_at_ms is None
    assert not trace.by_us


def test_a_caller_can_be_told_to_give_up(asterisk: Box, tmp_path: Path) -> None:
    stop = threading.Event()
    trace = place_call(
        *(tmp_path, "menu"),
        port=asterisk.port,
        stop=stop,
        agent_hz=B_HZ,
        on_step=lambda step: stop.set() if step.what == "answered" else None,
    )
    assert trace.by_us
    assert trace.agent_at_ms is None


def test_a_tone_in_music_for_a_moment_is_no_agent() -> None:
    short = sound.silence(300) + sound.tone([B_HZ], 200) + sound.silence(300)
    assert not agent_speaks(short, B_HZ)
    assert agent_speaks(sound.pilot(B_HZ), B_HZ)
