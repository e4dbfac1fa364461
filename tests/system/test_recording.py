"""Recording in real calls: stereo, the policy of queue, line and agent, on demand, the notice and who objects."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.core import recording, sound
from ramal.core.sound import Wave
from tests.system import agents, desks, heard
from tests.system.desks import HZ, Desks, hears, states, talked, talks
from tests.until import until

pytestmark = pytest.mark.system
ANSWER = agents.ANSWER
SETTINGS = """
[recordings]
sides = "stereo"
notice = false

[[number]]
number = "+551133330007"
to = "phone:202"

[[agent]]
code = "91"
name = "Nunca"
pin = "1111"
phone = "203"
queues = ["sales"]
record = "never"
"""
CHANGES = {
    "record = false\n": 'record = "on-demand"\nnotice = true\n',
    'name = "Silva, João"': 'name = "Silva, João"\nrecord = "always"',
    "max_wait_s = 5\n": "max_wait_s = 30\n",
}
ECHO = """
[test-echo]
exten => s,1,Answer()
 same => n,Set(TIMEOUT(absolute)=4)
 same => n,Echo()

[phone]
exten => *991,1,Answer()
 same => n,Set(RAMAL_RECORD_NEXT=echo)
 same => n,Set(RAMAL_FORM=raw)
 same => n,Set(RAMAL_SIDES=stereo)
 same => n,Gosub(ramal-record-begin,s,1(test))
 same => n,Dial(Local/s@test-echo/n,,g)
 same => n,Gosub(ramal-record-anew,s,1)
 same => n,Dial(Local/s@test-echo/n,,g)
 same => n,Hangup()

[ramal-record-says]
exten => queue-t0,1,Return(0)
exten => queue-t1,1,Return(1)
exten => queue-t2,1,Return(2)
exten => queue-t3,1,Return(3)
exten => line-t0,1,Return(0)
exten => line-t1,1,Return(1)
exten => line-t2,1,Return(2)
exten => line-t3,1,Return(3)
exten => agent-9900,1,Return(0)
exten => agent-9901,1,Return(1)
exten => agent-9902,1,Return(2)
exten => agent-9903,1,Return(3)
exten => campaign-t0,1,Return(0)
exten => campaign-t1,1,Return(1)
exten => campaign-t2,1,Return(2)
exten => campaign-t3,1,Return(3)

[ramal-record-sides]
exten => line-t1,1,Return(mono)
exten => line-t2,1,Return(stereo)
exten => agent-9901,1,Return(mono)
exten => agent-9902,1,Return(stereo)
exten => campaign-t1,1,Return(mono)
exten => campaign-t2,1,Return(stereo)

[test-policies]
exten => s,1,Set(n=0)
 same => n(next),Set(queue=$[${n} % 4])
 same => n,Set(line=${MATH($[${n} % 16]/4,int)})
 same => n,Set(agent=${MATH($[${n} % 64]/16,int)})
 same => n,Set(campaign=${MATH(${n}/64,int)})
 same => n,Set(RAMAL_RECORD_QUEUE=t${queue})
 same => n,Set(RAMAL_LINE=t${line})
 same => n,Set(RAMAL_CAMPAIGN=t${campaign})
 same => n,Gosub(ramal-record-policy,s,1(990${agent}))
 same => n,Log(WARNING,POLICY ${queue} ${line} ${agent} ${campaign} ${GOSUB_RETVAL})
 same => n,Set(RAMAL_RECORD_QUEUE=)
 same => n,Gosub(ramal-record-form,s,1(990${agent}))
 same => n,ExecIf($[${queue} = 0]?Log(WARNING,SIDES ${line} ${agent} ${campaign} ${RAMAL_SIDES}))
 same => n,Set(n=$[${n} + 1])
 same => n,GotoIf($[${n} < 256]?next)
 same => n,Hangup()
"""
LATE_MS = 40
"""How far apart both sides of a recording may be."""


@pytest.fixture(scope="module")
def office() -> Iterator[Desks]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    try:
        with desks.running(folder, daemon=True, office=SETTINGS, changes=CHANGES) as running:
            custom = running.box.home.etc / "custom"
            custom.mkdir(exist_ok=True)
            (custom / "extensions.conf").write_text(ECHO)
            running.box.command("dialplan reload")
            yield running
            assert running.box.channels() == 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def the_talk(office: Desks, user: str) -> tuple[sqlite3.Row, Wave]:
    call = office.call(user)
    ((_, wave),) = heard.recordings(office, call)
    return call, wave


def said(office: Desks, call: sqlite3.Row) -> list[str]:
    return [str(step.detail["act"]) for step in office.box.detail(call["id"]).steps if step.kind == "recording"]


def only(samples: object, name: str) -> float:
    """The part of the windows with sound in which that voice, and no other, sounds."""
    words = [word for word in heard.track(samples, tuple(HZ)) if word]  # type: ignore[arg-type]
    return sum(word == name for word in words) / max(1, len(words))


def test_left_is_the_customer_and_right_the_office_through_hold_and_transfer(office: Desks) -> None:
    user = "+5511900000401"
    with office.phone("201", ANSWER, login=True) as first, office.phone("202", ANSWER) as second:
        with office.caller(user) as caller:
            talks(first)
            hears(caller, "201")
            talked(first, 1000)
            first.hold()
            talked(caller, 1000)
            first.resume()
            hears(caller, "201")
            first.transfer("202")
            talks(second)
            hears(caller, "202")
            talked(second, 1000)
        office.over()
    call, wave = the_talk(office, user)
    assert wave.channels == 2
    left, right = wave.samples
    assert only(left, "caller") > 0.95
    words = heard.track(right, ("201", "202", "caller"))
    assert "caller" not in words
    assert words.count("201") > 50
    assert words.count("202") > 50
    assert words.index("201") < 5
    assert abs(call["talk_ms"] - wave.duration_s * 1000) < 400


def test_both_sides_are_aligned(office: Desks) -> None:
    """An echo answers: what the customer says is heard on the right as soon as it comes back."""
    bursts = sound.silence(130)
    for length_ms in (210, 70, 130, 340, 90, 180):
        bursts += sound.tone([HZ["203"]], length_ms) + sound.silence(2 * length_ms // 3)
    voice = office.folder / "bursts.wav"
    voice.write_bytes(sound.wav_bytes(bursts))
    with office.phone("203") as phone:
        phone.stop()
        account = phone.account
        with desks.Phone(office.folder / "bursts", "bursts", account, voice=voice) as burst:
            burst.wait_registered(15)
            burst.dial("*991")
            until(lambda: burst.calls, 10, "it talks")
            until(lambda: not burst.calls, 30, "the echo has ended")
    office.over()
    data = (office.box.home.recordings / "echo.raw").read_bytes()
    wave = sound.read_wave(sound.header(len(data), channels=2) + data)
    for begin, end in ((0, 3.5), (4.2, wave.duration_s - 0.1)):
        part = [samples[int(begin * 8000) : int(end * 8000)] for samples in wave.samples]
        assert 0 <= lag_ms(*part) <= LATE_MS


def lag_ms(left: object, right: object) -> int:
    """How much later the right side's envelope is."""
    step = 40  # 5 ms
    one, two = (
        [sum(map(abs, side[at : at + step])) / step for at in range(0, len(side) - step, step)]  # type: ignore[arg-type, index]
        for side in (left, right)
    )
    edge = 40
    scores = {
        lag: sum(a * b for a, b in zip(one[edge:-edge], two[edge + lag : len(two) - edge + lag], strict=True))
        for lag in range(-edge, edge + 1)
    }
    return 5 * max(scores, key=lambda lag: scores[lag])


def test_the_dialplan_decides_as_core_does(office: Desks) -> None:
    office.box.command("channel originate Local/s@test-policies application NoOp")
    log = office.box.home.asterisk_log / "messages.log"

    def lines(word: str) -> list[list[str]]:
        return [line.split(word)[1].split() for line in log.read_text().splitlines() if word in line]

    told = until(lambda: rows if len(rows := lines("POLICY ")) >= 256 else [], 20, "256 policies")
    for *each, decided in told:
        queue, line, agent, campaign = (recording.ORDER[int(rank)] for rank in each)
        assert recording.rank(recording.decide(queue, line, agent, campaign)) == int(decided), each
    names: tuple[recording.Sides, ...] = ("", "mono", "stereo", "")
    told = until(lambda: rows if len(rows := lines("SIDES ")) >= 64 else [], 10, "64 sides")
    for *each, heard_as in told:
        line_says, agent_says, campaign_says = (names[int(n)] for n in each)
        assert recording.sides(campaign_says, agent_says, line_says, "stereo") == heard_as, each


def test_who_is_never_recorded_is_not_whoever_else_is(office: Desks) -> None:
    first_user, second_user = "+5511900000402", "+5511900000403"
    with office.phone("203", ANSWER, login=True) as never:
        with office.caller(first_user) as caller:
            talks(never)
            hears(caller, "203")
            talked(never, 500)
        office.over()
        call = office.call(first_user)
        assert office.box.detail(call["id"]).recordings == ()
        never.policy = agents.IGNORE
        with office.phone("201", ANSWER, login=True) as first:
            agents.dial_code(office.box, never, "*47")
            with office.caller(second_user) as caller:
                talks(first)
                hears(caller, "201")
                talked(first, 1000)
                never.policy = ANSWER
                first.transfer("203")
                talks(never)
                hears(caller, "203")
                talked(never, 500)
            office.over()
            agents.dial_code(office.box, never, "*48")
    call, wave = the_talk(office, second_user)
    assert only(wave.samples[1], "201") > 0.9
    assert "off" in said(office, call)


def test_on_demand_the_agent_begins_and_ends_it(office: Desks) -> None:
    user = "+5511900000404"
    with office.phone("201", ANSWER, login=True) as agent:
        with office.caller(user, "+551133330005") as caller:
            talks(agent)
            hears(caller, "201")
            talked(agent, 500)
            for _ in range(3):
                agent.dtmf("*1")
                talked(agent, 2000)
        office.over()
    call, wave = the_talk(office, user)
    assert said(office, call) == ["told", "on", "off", "on"]
    assert 2.5 < wave.duration_s < call["talk_ms"] / 1000 - 1.5
    assert only(wave.samples[0], "caller") > 0.9


def test_who_objects_is_served_and_not_recorded(office: Desks) -> None:
    user = "+5511900000405"
    with office.phone("201", ANSWER, login=True) as agent:
        with office.caller(user, "+551133330005") as caller:
            until(lambda: any(call.state == "answered" for call in caller.calls.values()), 10, "the notice")
            talked(caller, 500)
            caller.dtmf("9")
            talks(agent)
            hears(caller, "201")
            agent.dtmf("*1")
            talked(agent, 2000)
        office.over()
    call = office.call(user)
    assert call["category"] == "answered"
    assert said(office, call) == ["told", "objected"]
    assert office.box.detail(call["id"]).recordings == ()
    assert not list(office.box.home.recordings.rglob(f"*{call['id']}*"))


def test_a_direct_call_and_one_to_the_outside_follow_the_agent(office: Desks) -> None:
    user = "+5511900000406"
    with office.phone("202", agents.IGNORE, login=True) as agent:
        with office.caller(user, "+551133330007") as caller:
            until(lambda: "incoming" in states(agent), 15, "202 rings")
        office.over()
        agent.policy = ANSWER
        with office.caller(user + "7", "+551133330007") as caller:
            talks(agent)
            hears(caller, "202")
            talked(agent, 1000)
        office.over()
        agent.dial("011987654321")
        hears(agent, str(office.provider.hz))
        talked(agent, 1000)
        agent.hangup()
        office.over()
    _, wave = the_talk(office, user + "7")
    assert only(wave.samples[0], "caller") > 0.9
    assert only(wave.samples[1], "202") > 0.9
    query = "SELECT * FROM call WHERE direction = 'out' AND ended_ms IS NOT NULL"
    (out,) = until(lambda: office.box.rows(query), 20, "the outgoing call")
    ((_, wave),) = heard.recordings(office, out)
    assert only(wave.samples[1], "202") > 0.9
    assert any(there for (there,) in sound.tones_present(wave.samples[0], wave.rate_hz, [office.provider.hz]))
