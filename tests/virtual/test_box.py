"""A virtual phone at a real Asterisk: it registers, calls, is called, and finds its way back after a restart."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.core import sound
from ramal.virtual import events
from ramal.virtual.phone import Account, PhoneError, Policy
from tests.until import until
from tests.virtual.box import Box, box
from tests.virtual.desk import B_HZ, phone, tones_heard

SECRETS = {"201": "s3cret-201", "202": "s3cret-202"}


@pytest.fixture(scope="module")
def asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with box(tmp_path_factory.mktemp("box") / "home", SECRETS) as running:
        yield running


def at(asterisk: Box, user: str, **how: object) -> Account:
    return Account(user, SECRETS[user], port=asterisk.port, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_registered_phone_hears_its_own_voice_from_the_echo(asterisk: Box, tmp_path: Path, transport: str) -> None:
    with phone(tmp_path, "p201", account=at(asterisk, "201", transport=transport)) as (p201, told):
        p201.wait_registered(10)
        call_id = p201.dial("600")
        told.wait(events.Answered)
        until(lambda: sound.read_wave(p201.calls[call_id].heard.read_bytes()).duration_s > 1.5)
        p201.hangup()
        assert tones_heard(told.wait(events.Closed))[0] >= 8


def test_a_wrong_password_is_noticed(asterisk: Box, tmp_path: Path) -> None:
    wrong = Account("201", "wrong", port=asterisk.port)
    with phone(tmp_path, "p201", account=wrong) as (p201, told):
        assert told.wait(events.RegisterFailed).reason.startswith("401")
        with pytest.raises(PhoneError, match="could not register"):
            p201.wait_registered(0.1)
        assert not p201.registered


def test_two_phones_talk_through_the_box(asterisk: Box, tmp_path: Path) -> None:
    with (
        phone(tmp_path, "p201", account=at(asterisk, "201")) as (p201, told),
        phone(tmp_path, "p202", account=at(asterisk, "202"), voice_hz=B_HZ, policy=Policy("answer", 0.3)) as (
            p202,
            at_202,
        ),
    ):
        p201.wait_registered(10)
        p202.wait_registered(10)
        p201.dial("202")
        told.wait(events.Ringing)
        told.wait(events.Answered)
        at_202.wait(events.SoundFlows)
        until(lambda: _heard_s(p201) > 1.5 and _heard_s(p202) > 1.5)
        p202.hangup()
        assert told.wait(events.Closed).reason == "the other side hung up"
        assert tones_heard(told.all(events.Closed)[0])[1] >= 8
        assert tones_heard(at_202.wait(events.Closed))[0] >= 8


def test_sound_before_the_answer_is_heard(asterisk: Box, tmp_path: Path) -> None:
    account = Account("+5511999990000", port=asterisk.port)
    with phone(tmp_path, "caller", account=account, voice_ms=6000) as (caller, told):
        caller.dial("early")
        told.wait(events.Early)
        closed = told.wait(events.Closed, timeout_s=15)
        assert closed.code == 486, "the early sound outlasts the voice, and the phone does not hang up for that"
        assert closed.heard is not None
        wave = sound.read_wave(closed.heard.read_bytes())
        assert sum(window[0] for window in sound.tones_present(wave.mono, wave.rate_hz, [600])) >= 8


def test_a_phone_finds_back_to_a_box_that_was_away_before_it_and_in_between(tmp_path: Path) -> None:
    with box(tmp_path / "box", SECRETS) as asterisk:
        asterisk.stop()
        with phone(tmp_path, "p201", account=at(asterisk, "201", transport="tcp")) as (p201, told):
            told.wait(events.RegisterFailed, 2)
            asterisk.start()
            p201.wait_registered(15)


def _heard_s(device: object) -> float:
    calls = getattr(device, "calls").values()  # noqa: B009
    return max((sound.read_wave(call.heard.read_bytes()).duration_s for call in calls), default=0.0)
