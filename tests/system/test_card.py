"""Card-safe with real phones: while a customer says a card's number nothing of either side is written, and no digit."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.core import sound
from ramal.virtual.phone import Account, Phone
from tests.system import agents, desks, ears, heard
from tests.system.desks import Desks, hears, hears_now, states, talked, talks
from tests.until import until

pytestmark = pytest.mark.system
ANSWER = agents.ANSWER
LIMIT_S = 12
SETTINGS = f"""
[recordings]
notice = false
card_limit_s = {LIMIT_S}
"""
NUMBER, ANOTHER = "4929517308642", "6071859234417"


@pytest.fixture(scope="module")
def office() -> Iterator[Desks]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    try:
        with desks.running(folder, daemon=True, office=SETTINGS) as running:
            yield running
            assert running.box.channels() == 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def lamp(office: Desks) -> str:
    shown = office.box.command("core show hint card-7")
    return "on" if "State:InUse" in shown else "off" if "State:Idle" in shown else shown


def card(office: Desks, phone: Phone, expected: str) -> None:
    phone.dtmf("*7")
    until(lambda: lamp(office) == expected, 5, f"the lamp is {expected}")


def nothing_of(office: Desks, digits: str) -> None:
    """Neither the digits nor a word of anybody who saw one."""
    home = office.box.home
    assert heard.on_disk(home.root, digits.encode()) == []
    told = [path for path in heard.on_disk(home.root, b"DTMF") if "generations" not in path.parts]
    assert told == []


def cued(file: Path) -> bool:
    """Whether the beep was heard."""
    wave = sound.read_wave(file.read_bytes())
    return any(there for (there,) in sound.tones_present(wave.mono, wave.rate_hz, [700.0], 100, 0.08))


def gaps_of(office: Desks, call: object) -> list[tuple[str, str]]:
    steps = office.box.detail(call["id"]).steps  # type: ignore[index]
    return [(step.kind, str(step.detail.get("why", ""))) for step in steps if step.kind.startswith("card_")]


@pytest.mark.parametrize(("way", "user"), [("rtp_event", "+5511900000301"), ("info", "+5511900000302")])
def test_nothing_of_either_side_is_written_and_no_digit(office: Desks, way: str, user: str) -> None:
    account = Account(user, port=office.box.settings.sip_port)
    voice = office.voice("caller")
    with (
        office.phone("201", ANSWER, login=True) as agent,
        Phone(office.folder / user, "caller", account, voice=voice, dtmf=way) as caller,  # type: ignore[arg-type]
    ):
        caller.dial(f"sip:+551133330001@127.0.0.1:{office.box.settings.sip_port}")
        talks(agent)
        hears(caller, "201")
        hears(agent, "caller")
        talked(agent, 500)
        card(office, agent, "on")
        caller.dtmf(NUMBER)
        caller.dtmf("7351", "inband")
        talked(agent, 3000)
        assert lamp(office) == "on"
        hears(agent, "caller")
        card(office, agent, "off")
        talked(agent, 1500)
        file = next(iter(agent.calls.values())).heard
        caller.hangup()
        until(lambda: not caller.calls, 10, "the caller has hung up")
        office.over()
        assert cued(file)
        call = office.call(user)
        ((recording, wave),) = heard.recordings(office, call)
        ((begin, end),) = heard.spans(office, recording)
        assert end - begin > 3000
        assert heard.is_silent(wave, begin, end)
        before, after = wave.mono[: begin * 8], wave.mono[end * 8 :]
        for part in (before, after):
            words = heard.track(part, ("201", "caller"))
            assert words.count("201+caller") > len(words) * 0.6, words
        assert sound.heard_digits(wave.mono) == ""
        assert abs(call["talk_ms"] - wave.duration_s * 1000) < 400
        assert gaps_of(office, call) == [("card_on", ""), ("card_off", "code")]
        nothing_of(office, NUMBER)


def test_the_limit_ends_it_and_so_does_hanging_up(office: Desks) -> None:
    user = "+5511900000303"
    with office.phone("201", ANSWER, login=True) as agent:
        with office.caller(user) as caller:
            talks(agent)
            hears(caller, "201")
            card(office, agent, "on")
            until(lambda: lamp(office) == "off", LIMIT_S + 5, "the limit has passed")
            talked(agent, 1500)
            card(office, agent, "on")
            talked(agent, 1500)
        office.over()
        assert lamp(office) == "off"
        call = office.call(user)
        ((recording, wave),) = heard.recordings(office, call)
        first, last = heard.spans(office, recording)
        assert first[1] - first[0] == LIMIT_S * 1000
        assert heard.is_silent(wave, *first)
        assert heard.is_silent(wave, *last)
        assert abs(last[1] - wave.duration_s * 1000) < 2
        between = heard.track(wave.mono[first[1] * 8 : last[0] * 8], ("201", "caller"))
        assert between.count("201+caller") > 40, between
        assert abs(call["talk_ms"] - wave.duration_s * 1000) < 400
        assert gaps_of(office, call) == [("card_on", ""), ("card_off", "limit"), ("card_on", ""), ("card_off", "end")]


@pytest.mark.parametrize(("how", "user"), [("blind", "+5511900000304"), ("attended", "+5511900000305")])
def test_a_transfer_ends_it(office: Desks, how: str, user: str) -> None:
    with office.phone("201", ANSWER, login=True) as agent, office.phone("203", ANSWER) as second:
        with office.caller(user) as caller:
            talks(agent)
            hears(caller, "201")
            card(office, agent, "on")
            talked(agent, 1000)
            caller.dtmf(NUMBER)
            if how == "blind":
                agent.transfer("203")
            else:
                agent.dial("203")
                talks(second)
                hears(second, "201")
                assert lamp(office) == "on"
                caller.dtmf(ANOTHER)
                talked(second, 1500)
                agent.connect()
            talks(second)
            hears(caller, "203")
            assert lamp(office) == "off"
            hears(second, "caller")
            talked(second, 1500)
        office.over()
        call = office.call(user)
        ((recording, wave),) = heard.recordings(office, call)
        ((begin, end),) = heard.spans(office, recording)
        assert heard.is_silent(wave, begin, end)
        words = heard.track(wave.mono[end * 8 :], ("203", "caller"))
        assert words.count("203+caller") > 40, words
        assert gaps_of(office, call) == [("card_on", ""), ("card_off", "transfer")]
        nothing_of(office, NUMBER)
        nothing_of(office, ANOTHER)


def test_a_hold_ends_it_when_the_customer_is_taken_back(office: Desks) -> None:
    user = "+5511900000308"
    with office.phone("201", ANSWER, login=True) as agent:
        with office.caller(user) as caller:
            talks(agent)
            hears(caller, "201")
            card(office, agent, "on")
            talked(agent, 500)
            agent.hold()
            until(lambda: not hears_now(caller, "201", 0.3), 5, "on hold")
            caller.dtmf(NUMBER)
            talked(caller, 2000)
            assert lamp(office) == "on", "on hold still nothing is written"
            agent.resume()
            until(lambda: lamp(office) == "off", 4, "taken back, it is recorded again, before the limit")
            hears(caller, "201")
            talked(agent, 1500)
        office.over()
        call = office.call(user)
        ((recording, wave),) = heard.recordings(office, call)
        ((begin, end),) = heard.spans(office, recording)
        assert heard.is_silent(wave, begin, end)
        words = heard.track(wave.mono[end * 8 :], ("201", "caller"))
        assert words.count("201+caller") > 40, words
        assert gaps_of(office, call) == [("card_on", ""), ("card_off", "code")]
        nothing_of(office, NUMBER)


def test_the_key_with_its_lamp_says_that_it_is_only_a_lamp(office: Desks) -> None:
    """Pressed during a talk it dials, and the customer waits: it says what to press instead, and hangs up."""
    user, hz = "+5511900000309", 1620.0
    ears.retune(office.box, {"pt_BR/card-lamp-only": hz}, length_ms=1500)
    with office.phone("201", ANSWER, login=True) as agent:
        with office.caller(user) as caller:
            talks(agent)
            hears(caller, "201")
            agent.dial("card-7")
            until(lambda: states(agent).count("answered") == 2, 10, "both of its calls stand")
            hears(agent, str(hz))
            until(lambda: len(agent.calls) == 1, 10, "it hung up")
            assert lamp(office) == "off"
            agent.resume()
            hears(caller, "201")
            card(office, agent, "on")
            card(office, agent, "off")
        office.over()
    assert gaps_of(office, office.call(user)) == [("card_on", ""), ("card_off", "code")]


def test_there_is_nothing_to_stop_in_a_talk_that_is_not_recorded(office: Desks) -> None:
    with office.phone("201", ANSWER) as first, office.phone("203", ANSWER) as second:
        first.dial("203")
        talks(second)
        hears(second, "201")
        first.dtmf("*7")
        until(lambda: cued(next(iter(first.calls.values())).heard), 10, "the cue")
        assert lamp(office) == "off"
        first.hangup()
        until(lambda: not second.calls, 10, "over")
    office.over()
