"""Asterisk's words into ours and back; the texts are those of a real Asterisk 22.10."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.ami.codec import Message, decode, encode
from ramal.ami.errors import AmiRefused
from ramal.ami.translate import EVENTS, action, snapshot, translate
from ramal.core import commands, events
from tests.fakes.ami_peer import AmiPeer


def message(name: str, **headers: str) -> Message:
    return Message((("Event", name), *headers.items()))


CHANNEL = {
    "Channel": "PJSIP/line-a-00000001",
    "CallerIDNum": "1130001000",
    "CallerIDName": "João, “Zé”",
    "Uniqueid": "1795321182.1",
    "Linkedid": "1795321182.0",
    "Queue": "sales",
}
MEMBER = {
    "Queue": "sales",
    "MemberName": "agent-7",
    "Interface": "PJSIP/201",
    "StateInterface": "PJSIP/201",
    "Membership": "dynamic",
    "Penalty": "3",
    "CallsTaken": "0",
    "LastCall": "1795321100",
    "LastPause": "0",
    "LoginTime": "1795321111",
    "InCall": "0",
    "Status": "1",
    "Paused": "1",
    "PausedReason": "lunch",
    "Ringinuse": "0",
    "Wrapuptime": "0",
}
WAITING = events.Waiting(
    queue="sales",
    call="1795321182.0",
    channel="PJSIP/line-a-00000001",
    caller="1130001000",
    caller_name="João, “Zé”",
    position=2,
    joined_ms=1795321182644,
)
SEEN = events.Member(
    queue="sales",
    agent="7",
    phone="201",
    status=1,
    paused=True,
    pause_reason="lunch",
    penalty=3,
    login_ms=1795321111000,
    last_call_ms=1795321100000,
)
CALLED = CHANNEL | {"MemberName": "agent-7", "Interface": "PJSIP/201"}
CALL = ("sales", "7", "1795321182.0")
CALLER = ("1130001000", "João, “Zé”")


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (
            message("QueueCallerJoin", Timestamp="1795321182.644063", Position="2", **CHANNEL),
            events.CallerJoined(WAITING),
        ),
        (
            message("QueueCallerLeave", Position="2", Count="0", **CHANNEL),
            events.CallerLeft("sales", "1795321182.0", "PJSIP/line-a-00000001"),
        ),
        (
            message("QueueCallerAbandon", HoldTime="3", **CHANNEL),
            events.CallerLeft("sales", "1795321182.0", "PJSIP/line-a-00000001", abandoned=True),
        ),
        (message("QueueMemberAdded", **MEMBER), events.MemberSeen(SEEN)),
        (message("QueueMemberStatus", **MEMBER), events.MemberSeen(SEEN)),
        (message("QueueMemberPause", **MEMBER), events.MemberSeen(SEEN)),
        (message("QueueMemberPenalty", **MEMBER), events.MemberSeen(SEEN)),
        (message("QueueMemberRemoved", **MEMBER), events.MemberRemoved("sales", "7", "201")),
        (message("AgentCalled", **CALLED), events.AgentRang(*CALL, *CALLER)),
        (
            message("AgentConnect", HoldTime="12", RingTime="2", **CALLED),
            events.AgentAnswered(*CALL, *CALLER, waited_ms=12000, channel="PJSIP/line-a-00000001"),
        ),
        (message("AgentRingNoAnswer", RingTime="2000", **CALLED), events.AgentMissed(*CALL, rang_ms=2000)),
        (message("AgentComplete", Reason="caller", TalkTime="9", **CALLED), events.AgentDone(*CALL, "caller")),
        (message("PeerStatus", Peer="PJSIP/201", PeerStatus="Reachable"), events.ReachChanged("201", True)),
        (message("PeerStatus", Peer="PJSIP/line-a", PeerStatus="Unreachable"), events.ReachChanged("line-a", False)),
    ],
)
def test_an_event_of_asterisk_becomes_ours(told, meant):
    assert translate(told) == meant


@pytest.mark.parametrize(
    "told",
    [
        message("FullyBooted"),
        message("Newexten", **CHANNEL),
        message("QueueMemberAdded", **MEMBER | {"MemberName": "João"}),
        message("QueueMemberAdded", **MEMBER | {"MemberName": "agent-7\n"}),
        message("QueueMemberAdded", **MEMBER | {"Interface": "Local/201@agents"}),
        message("QueueMemberRemoved", **MEMBER | {"MemberName": "PJSIP/201"}),
        message("AgentCalled", **CALLED | {"MemberName": "agent-"}),
        message("PeerStatus", Peer="IAX2/201", PeerStatus="Reachable"),
        message("PeerStatus", Peer="PJSIP/201", PeerStatus="Lagged"),
        message("PeerStatus", Peer="PJSIP/anonymous", PeerStatus="Reachable"),
        decode("Response: Success\r\nEvent: QueueCallerJoin"),
        decode(""),
    ],
)
def test_what_is_not_ours_is_no_event(told):
    assert translate(told) is None


def test_a_caller_without_id_is_empty_and_a_join_without_time_is_zero():
    joined = translate(
        message("QueueCallerJoin", **CHANNEL | {"CallerIDNum": "<unknown>", "CallerIDName": "<unknown>"})
    )
    assert isinstance(joined, events.CallerJoined)
    assert (joined.waiting.caller, joined.waiting.caller_name, joined.waiting.joined_ms) == ("", "", 0)


@pytest.mark.parametrize(
    ("timestamp", "ms"),
    [
        ("1.5", 1500),
        ("1.064063", 1064),
        ("1", 1000),
        ("1.", 1000),
        ("", 0),
        ("x.1", 0),
        ("1.x", 0),
        ("-1.5", 0),
        ("١.٥", 0),
    ],
)
def test_a_timestamp_becomes_milliseconds(timestamp, ms):
    joined = translate(message("QueueCallerJoin", Timestamp=timestamp, **CHANNEL))
    assert isinstance(joined, events.CallerJoined)
    assert joined.waiting.joined_ms == ms


headers = st.sampled_from(
    sorted({*CHANNEL, *MEMBER, "Position", "HoldTime", "RingTime", "Timestamp", "Peer", "PeerStatus"})
)


@given(st.sampled_from(EVENTS), st.lists(st.tuples(headers, st.text(max_size=20)), max_size=12))
def test_no_text_in_any_header_makes_a_known_event_raise(name, pairs):
    translate(Message((("Event", name), *pairs)))


def test_every_wanted_event_is_known_and_fully_booted_is_among_them():
    assert "FullyBooted" in EVENTS
    assert len(set(EVENTS)) == len(EVENTS)


STATUS_ROW = (
    ("Event", "Status"),
    ("Channel", "PJSIP/line-a-00000001"),
    ("CallerIDNum", "1130001000"),
    ("CallerIDName", "Ana"),
    ("Uniqueid", "1795321182.1"),
    ("Linkedid", "1795321182.0"),
    ("BridgeID", "e7c5773c-5878-4da7-a069-0200f952efeb"),
    ("Application", "Queue"),
    ("Data", "sales,,,,300"),
    ("Variable", "MEMBERNAME=agent-7"),
)


def changed(row, **values):
    return tuple((name, values.get(name, value)) for name, value in row)


@pytest.fixture
def asked(peer: AmiPeer, session):
    """What ``snapshot`` makes of the peer's lists."""
    return lambda: snapshot(session, now_ms=1795321200000)


def test_a_snapshot_of_an_empty_asterisk_is_empty(peer, asked):
    peer.answers["PJSIPShowEndpoints"] = lambda asked_for: peer.refuse(asked_for, "No endpoints found\n")
    assert asked() == events.AmiUp((), (), (), "22.10.1", ())


def test_a_snapshot_gathers_members_waiting_callers_and_reachable_endpoints(peer, asked):
    row = {"Name": "agent-7", "Location": "PJSIP/201"} | {key: MEMBER[key] for key in MEMBER if key != "MemberName"}
    entry = {"Position": "1", "Channel": "PJSIP/line-a-00000001", "Uniqueid": "1795321182.1", "Wait": "18"}
    entry |= {"Queue": "sales", "CallerIDNum": "1130001000", "CallerIDName": "Ana"}
    late = {"Queue": "sales", "Position": "2", "Channel": "PJSIP/line-a-2", "Uniqueid": "1795321199.5", "Wait": "x"}
    peer.lists["QueueStatus"] = [
        (("Event", "QueueParams"), ("Queue", "sales")),
        (("Event", "QueueMember"), *row.items()),
        (("Event", "QueueMember"), ("Queue", "sales"), ("Name", "Ghost"), ("Location", "João")),
        (("Event", "QueueEntry"), *entry.items()),
        (("Event", "QueueEntry"), *late.items()),
    ]
    peer.lists["Status"] = [changed(STATUS_ROW, BridgeID="")]
    states = {"201": "Not in use", "202": "Unavailable", "203": "In use", "line-a": "Invalid", "line-b": "Unknown"}
    peer.lists["PJSIPShowEndpoints"] = [
        (("Event", "EndpointList"), ("ObjectName", name), ("DeviceState", state))
        for name, state in (states | {"anonymous": "Not in use", "line-c": "Ringing"}).items()
    ]
    up = asked()
    assert up.members == (SEEN,)
    assert [(caller.call, caller.joined_ms, caller.position) for caller in up.waiting] == [
        ("1795321182.0", 1795321182000, 1),
        ("1795321199.5", 1795321200000, 2),
    ]
    assert up.reached == ("201", "203", "line-c")
    assert up.talks == ()
    assert peer.named("Status")[0].get("Variables").split(",") == [
        "MEMBERNAME",
        "RAMAL_QUEUE",
        "RAMAL_PRIO0",
        "RAMAL_JOINED",
        "RAMAL_SINCE",
    ]


def test_a_snapshot_knows_who_talks_with_whom(peer, asked):
    peer.lists["Status"] = [
        STATUS_ROW,
        changed(STATUS_ROW, Application="AppQueue", Data="(Outgoing Line)"),
        changed(STATUS_ROW, Variable="MEMBERNAME=(null)"),
        changed(STATUS_ROW, BridgeID="", Variable="MEMBERNAME=agent-8"),
        changed(STATUS_ROW, Application="Dial", Variable="MEMBERNAME=agent-9"),
    ]
    assert asked().talks == (events.Talk("7", "sales", "1795321182.0", "1130001000", "Ana"),)


def test_a_refused_list_is_no_empty_snapshot(peer, asked):
    peer.answers["QueueStatus"] = lambda asked_for: peer.refuse(asked_for, "Invalid/unknown command: QueueStatus.")
    with pytest.raises(AmiRefused, match="QueueStatus"):
        asked()


@pytest.mark.parametrize(
    ("command", "name", "expected"),
    [
        (
            commands.AddMember("sales", "7", "201", penalty=3),
            "QueueAdd",
            {"Queue": "sales", "Interface": "PJSIP/201", "Penalty": "3", "Paused": "0", "MemberName": "agent-7"},
        ),
        (
            commands.AddMember("sales", "7", "201", penalty=0, paused=True, pause_reason="lunch"),
            "QueueAdd",
            {"Paused": "1", "Reason": "lunch"},
        ),
        (commands.RemoveMember("sales", "201"), "QueueRemove", {"Queue": "sales", "Interface": "PJSIP/201"}),
        (
            commands.SetPenalty("sales", "201", 5),
            "QueuePenalty",
            {"Queue": "sales", "Interface": "PJSIP/201", "Penalty": "5"},
        ),
        (
            commands.PauseMember("201", True, "lunch"),
            "QueuePause",
            {"Interface": "PJSIP/201", "Paused": "1", "Reason": "lunch"},
        ),
        (commands.PauseMember("201", False), "QueuePause", {"Interface": "PJSIP/201", "Paused": "0", "Reason": ""}),
        (
            commands.Originate("try-9", "PJSIP/201", "ramal", "s", "Ana <123>", 5000, (("__RAMAL_A", "1"),)),
            "Originate",
            {
                "ActionID": "try-9",
                "Channel": "PJSIP/201",
                "Context": "ramal",
                "Exten": "s",
                "Priority": "1",
                "CallerID": "Ana <123>",
                "Timeout": "5000",
                "Async": "true",
                "Variable": "__RAMAL_A=1",
            },
        ),
    ],
)
def test_a_command_becomes_an_action(command, name, expected):
    made = action(command)
    sent = decode(encode(made.name, made.action_id or "x", made.headers, made.variables)[:-4].decode())
    assert sent.get("Action") == name
    assert {header: sent.get(header, "missing") for header in expected} == expected
