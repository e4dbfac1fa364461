"""Two real phones and no box between them: what one does, the other notices, and their sound arrives."""

import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from ramal.core import sound
from ramal.virtual import events
from ramal.virtual.phone import Account, Phone, PhoneError, Policy
from ramal.virtual.setup import SetupError, account_line
from tests.until import until
from tests.virtual.desk import B_HZ, phone, tones_heard

ANSWER = Policy("answer")


def test_both_sides_of_a_call_hear_the_other_and_not_themselves(tmp_path: Path) -> None:
    with phone(tmp_path, "ann") as (ann, told), phone(tmp_path, "bob", voice_hz=B_HZ, policy=ANSWER) as (bob, at_bob):
        call_id = ann.dial(bob.uri)
        told.wait(events.Answered)
        assert at_bob.wait(events.Incoming).peer_uri.startswith("sip:ann@")
        assert ann.calls[call_id].state == "answered"
        until(lambda: min(_heard_s(ann), _heard_s(bob)) > 1.0, what="a second of sound")
        ann.hangup(call_id)
        ann_heard, bob_heard = tones_heard(told.wait(events.Closed)), tones_heard(at_bob.wait(events.Closed))
    assert ann_heard[0] == 0
    assert ann_heard[1] >= 8
    assert bob_heard[0] >= 8
    assert bob_heard[1] == 0


def test_a_call_outlasts_the_voice_it_began_with(tmp_path: Path) -> None:
    short = {"voice_ms": 6000}
    with phone(tmp_path, "ann", **short) as (ann, told), phone(tmp_path, "bob", policy=ANSWER, **short) as (bob, _):
        ann.dial(bob.uri)
        told.wait(events.Answered)
        until(lambda: _heard_s(ann) > 7.0 or told.all(events.Closed), 15, "more sound than one voice")
        assert not told.all(events.Closed)


@pytest.mark.parametrize("mode", ["rtp_event", "info"])
def test_keys_arrive_in_order_by_rfc_4733_and_by_info(tmp_path: Path, mode: str) -> None:
    with phone(tmp_path, "ann", dtmf=mode) as (ann, told), phone(tmp_path, "bob", policy=ANSWER) as (bob, at_bob):
        ann.dial(bob.uri)
        told.wait(events.Answered)
        at_bob.wait(events.SoundFlows)
        ann.dtmf("1")
        ann.dtmf("40*#")
        until(lambda: [key.digit for key in at_bob.all(events.DigitPressed)] == list("140*#"), what="five keys")


def test_keys_in_the_voice_band_are_heard_as_tones_and_the_voice_goes_on(tmp_path: Path) -> None:
    with phone(tmp_path, "ann") as (ann, told), phone(tmp_path, "bob", policy=ANSWER) as (bob, at_bob):
        for call in (1, 2):
            ann.dial(bob.uri)
            told.wait(events.Answered, call)
            if call == 1:
                ann.dtmf("2580", "inband")
            until(lambda: _heard_s(bob) > 2.0, what="two seconds of sound")
            ann.hangup()
            closed = at_bob.wait(events.Closed, call)
            assert closed.heard is not None
            assert sound.heard_digits(sound.read_wave(closed.heard.read_bytes()).mono) == ("2580" if call == 1 else "")
            assert tones_heard(closed)[0] >= 8
        assert not at_bob.all(events.DigitPressed)


def test_a_held_call_is_silent_and_a_resumed_one_is_not(tmp_path: Path) -> None:
    with phone(tmp_path, "ann") as (ann, told), phone(tmp_path, "bob", voice_hz=B_HZ, policy=ANSWER) as (bob, at_bob):
        ann.dial(bob.uri)
        told.wait(events.Answered)
        until(lambda: next(iter(bob.calls.values())).state == "answered")
        for turn in range(5):  # 1.1.0 dies of a few of these when its file player is left in place
            ann.hold()
            assert at_bob.wait(events.PeerHeld, 2 * turn + 1).held
            ann.resume()
            assert not at_bob.wait(events.PeerHeld, 2 * turn + 2).held
        before_s = _heard_s(ann)
        until(lambda: _heard_s(ann) > before_s + 1.0, what="more sound")
        ann.hangup()
        closed = told.wait(events.Closed)
        assert closed.heard is not None
        wave = sound.read_wave(closed.heard.read_bytes())
        last = sound.tones_present(wave.mono, wave.rate_hz, [B_HZ])[-5:]
        assert all(window[0] for window in last), "the sound is back after the last resume"
        assert not told.all(events.CommandRefused)


def test_calls_that_end_in_the_instant_they_begin_kill_no_phone(tmp_path: Path) -> None:
    with phone(tmp_path, "ann") as (ann, told), phone(tmp_path, "bob", policy=ANSWER) as (bob, at_bob):
        for call in range(1, 21):
            ann.dial(bob.uri)
            told.wait(events.Answered, call)
            (ann if call % 2 else bob).hangup()
            told.wait(events.Closed, call)
            at_bob.wait(events.Closed, call)
        assert ann.running
        assert bob.running
        assert len(list(ann.home.glob("heard-*.wav"))) <= 20


def test_who_refuses_is_told_apart_from_who_is_away_and_who_talks(tmp_path: Path) -> None:
    with phone(tmp_path, "ann") as (ann, told), phone(tmp_path, "bob", policy=Policy("reject")) as (bob, at_bob):
        ann.dial(bob.uri)
        assert told.wait(events.Closed).code == 486
        bob.policy = Policy("unavailable")
        ann.dial(bob.uri)
        assert told.wait(events.Closed, 2).code == 480
        assert len(at_bob.all(events.Incoming)) == 1, "an absent phone does not ring"
        bob.policy = ANSWER
        ann.dial(bob.uri)
        told.wait(events.Answered)
        with phone(tmp_path, "cid") as (cid, at_cid):
            cid.dial(bob.uri)
            assert at_cid.wait(events.Closed).code == 486, "a phone with a call is busy"
        assert len(ann.calls) == 1


def test_a_caller_who_gives_up_stops_the_ringing(tmp_path: Path) -> None:
    with phone(tmp_path, "ann") as (ann, told), phone(tmp_path, "bob") as (bob, at_bob):
        ann.dial(bob.uri)
        at_bob.wait(events.Incoming)
        told.wait(events.Ringing)
        ann.hangup()
        assert at_bob.wait(events.Closed).reason == "the other side hung up"
        assert told.wait(events.Closed).code is None
        assert not ann.calls
        assert not bob.calls


def test_a_call_to_nobody_can_be_given_up(tmp_path: Path) -> None:
    with phone(tmp_path, "ann") as (ann, told), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        ann.dial(f"sip:x@127.0.0.1:{deaf.getsockname()[1]}")
        assert [call.state for call in ann.calls.values()] == ["dialing"]
        ann.hangup()
        told.wait(events.Closed)
        assert not ann.calls


@pytest.mark.parametrize(
    "name",
    [
        'Silva, "João" \\ de',
        "<script>alert(1)</script>",
        "'; DROP TABLE calls; --",
        "line\u2028separated\u0085here",
        "x" * 750,
        "%s%n;tag=1,<sip:evil@evil>",
        "مرحبا 你好 🎉",
    ],
)
def test_a_hostile_display_name_arrives_as_it_is(tmp_path: Path, name: str) -> None:
    account = Account("+5511988887777", display_name=name)
    with phone(tmp_path, "ann", account=account) as (ann, _), phone(tmp_path, "bob") as (bob, at_bob):
        ann.dial(bob.uri)
        incoming = at_bob.wait(events.Incoming)
        assert incoming.peer_name == name
        assert incoming.peer_uri.startswith("sip:+5511988887777@")


@pytest.mark.parametrize(
    "account",
    [
        Account("a b"),
        Account("a", secret='x";y'),
        Account("a", display_name="a\r\nb"),
        Account("a", display_name="x" * 2000),
    ],
)
def test_an_account_that_would_break_its_file_is_refused(account: Account) -> None:
    with pytest.raises(SetupError):
        account_line(account)


def test_a_voice_in_another_format_is_refused_before_anything_starts(tmp_path: Path) -> None:
    wide = tmp_path / "wide.wav"
    wide.write_bytes(sound.wav_bytes(sound.tone([440], 100, rate_hz=16000), 16000))
    with pytest.raises(PhoneError, match="8 kHz, mono"):
        Phone(tmp_path / "x", "x", Account("x"), voice=wide).start()


def test_a_phone_that_dies_is_noticed_with_its_calls_and_can_be_started_again(tmp_path: Path) -> None:
    with phone(tmp_path, "ann") as (ann, told), phone(tmp_path, "bob", policy=ANSWER) as (bob, _):
        ann.dial(bob.uri)
        told.wait(events.Answered)
        os.kill(ann.pid, signal.SIGKILL)
        ended = told.wait(events.Ended)
        assert not ended.wanted
        assert not ann.calls
        assert not ann.running
        assert told.wait(events.Closed).reason == "the phone has ended"
        with pytest.raises(PhoneError, match="not running"):
            ann.dial(bob.uri)
        bob.hangup()
        until(lambda: not bob.calls)
        ann.start()
        ann.dial(bob.uri)
        told.wait(events.Answered, 2)


def test_a_taken_fixed_port_is_a_clear_sentence(tmp_path: Path) -> None:
    with phone(tmp_path, "ann") as (ann, _):
        second = Phone(tmp_path / "second", "second", Account("b"), sip_port=ann.sip_port)
        with pytest.raises(PhoneError, match="second did not start"):
            second.start()
        assert not second.running


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    with phone(tmp_path, "warm"):
        pass
    before = (_descriptors(), threading.active_count())
    pids = []
    for turn in range(3):
        with phone(tmp_path, "ann") as (ann, told), phone(tmp_path, "bob", policy=ANSWER) as (bob, _):
            pids += [ann.pid, bob.pid]
            ann.dial(bob.uri)
            told.wait(events.Answered)
            if turn == 2:
                os.kill(bob.pid, signal.SIGSTOP)  # one that does not react to anything
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert (_descriptors(), threading.active_count()) == before


def _heard_s(device: Phone) -> float:
    return max((sound.read_wave(call.heard.read_bytes()).duration_s for call in device.calls.values()), default=0.0)


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
