"""Asterisk's words into ours and ours into Asterisk's. Pure, but for ``snapshot``, which asks through what it is given.

Law: an event we do not know, or that speaks of a member or phone that is not ours, is no event: it never raises.
A member is ours when it is named ``agent-<code>`` and its interface is ``PJSIP/<extension>``.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, assert_never

from ramal.ami.codec import Header, Message
from ramal.ami.errors import AmiRefused
from ramal.core import commands, events
from ramal.core.ids import AgentCode, CallId, Extension, QueueName
from ramal.core.ring_name import caller_of

_AGENT = re.compile(r"agent-([0-9]{1,6})\Z")
_PHONE = re.compile(r"PJSIP/([0-9]{2,6})\Z")
_ENDPOINT = re.compile(r"([0-9]{2,6}|line-[a-z][a-z0-9-]{0,30})\Z")
_NUMBER = re.compile(r"[0-9]{1,15}\Z", re.ASCII)
_ESCAPED, _ESCAPED_ITSELF = re.compile(r"\\([abfnrtv\\'\"?])"), "\\'\"?"
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_GONE = frozenset({"unavailable", "invalid", "unknown"})
_PEER_STATUS = {"Reachable": True, "Unreachable": False}
_RANK = ("RAMAL_QUEUE", "RAMAL_PRIO0", "RAMAL_JOINED", "RAMAL_SINCE")
"""What a waiting caller's channel knows of its place in the order (dialplan/queue.conf)."""
_NOT_THERE = "<unknown>"
"""What Asterisk writes for a caller id that is not there; a caller who sends this very name is nameless too."""


class Asks(Protocol):
    """A Session, a Link, or a test's stand-in."""

    def request(self, action: str, headers: Sequence[Header] = ..., /) -> Message: ...

    def request_list(self, action: str, headers: Sequence[Header] = ..., /) -> tuple[Message, list[Message]]: ...


@dataclass(frozen=True, slots=True)
class Action:
    """What to give to ``request``; ``action_id`` is empty where any will do."""

    name: str
    headers: tuple[Header, ...]
    variables: tuple[Header, ...] = ()
    action_id: str = ""


# -- from Asterisk -----------------------------------------------------------------------------------------------------


def translate(message: Message) -> events.Event | None:
    """The core event an AMI event stands for; None when it stands for none."""
    known = _EVENTS.get(message.event)
    return known(message) if known is not None else None


def snapshot(asterisk: Asks, now_ms: int) -> events.AmiUp:
    """Everything Asterisk knows that we need, as one event. Blocks for some answers; errors as ``request``.

    ``now_ms`` turns whole seconds of waiting into the time of joining. A refused list raises AmiRefused, for an empty
    list in its place would say that nobody is logged in. The talks need ``setinterfacevar=yes`` in the queues.
    """
    version = asterisk.request("CoreSettings").get("AsteriskVersion")
    queue_rows = _rows(asterisk, "QueueStatus")
    channels = _rows(asterisk, "Status", (("Variables", "MEMBERNAME," + ",".join(_RANK)),))
    endpoints = _rows(asterisk, "PJSIPShowEndpoints")
    by_id = {row.get("Uniqueid"): row for row in channels}
    members = (_member(row, row.get("Name"), row.get("Location")) for row in queue_rows if row.event == "QueueMember")
    talks = (_talk(row) for row in channels)
    return events.AmiUp(
        members=tuple(member for member in members if member is not None),
        waiting=tuple(_entry(row, by_id, now_ms) for row in queue_rows if row.event == "QueueEntry"),
        reached=tuple(row.get("ObjectName") for row in endpoints if _reached(row)),
        version=version,
        talks=tuple(talk for talk in talks if talk is not None),
    )


def _rows(asterisk: Asks, action: str, headers: Sequence[Header] = ()) -> list[Message]:
    response, rows = asterisk.request_list(action, headers)
    if not response.ok and not response.get("Message").startswith("No "):  # “No endpoints found” is an empty list
        raise AmiRefused(f"Asterisk refused {action} ({response.get('Message')}); is its module loaded?")
    return rows


def _entry(row: Message, by_id: dict[str, Message], now_ms: int) -> events.Waiting:
    # A caller who came after the list of channels was the first channel of the call, so its own id is the linked one.
    unique = row.get("Uniqueid")
    channel = by_id.get(unique)
    linked = channel.get("Linkedid") if channel is not None else ""
    entry = _waiting(row, CallId(linked or unique), now_ms - 1000 * _int(row, "Wait"))
    rank = dict(value.partition("=")[::2] for value in channel.all("Variable")) if channel is not None else {}
    prio0, first_s, since_s = (_number_in(rank.get(name, "")) for name in _RANK[1:])
    joined_ms = min(entry.joined_ms, 1000 * since_s) if since_s else entry.joined_ms
    return replace(
        entry,
        joined_ms=joined_ms,
        home=rank.get(_RANK[0], ""),
        prio0=prio0,
        prio=_int(row, "Priority"),
        first_s=first_s,
    )


def _reached(row: Message) -> bool:
    """Of the device and not of its contacts: of a phone with two contacts one may go, and the phone stays reachable."""
    return bool(_ENDPOINT.match(row.get("ObjectName"))) and row.get("DeviceState").lower() not in _GONE


def _talk(row: Message) -> events.Talk | None:
    """The caller's channel, while app_queue has it in a bridge, and who it was given to."""
    agent = next((value[11:] for value in row.all("Variable") if value.startswith("MEMBERNAME=")), "")
    code = _AGENT.match(agent)
    if row.get("Application") != "Queue" or not row.get("BridgeID") or code is None:
        return None
    queue = QueueName(row.get("Data").partition(",")[0])
    number, name = _number(row), _name(row)
    return events.Talk(agent=AgentCode(code[1]), queue=queue, call=_call(row), caller=number, caller_name=name)


def _waiting(message: Message, call: CallId, joined_ms: int) -> events.Waiting:
    return events.Waiting(
        queue=_queue(message),
        call=call,
        channel=message.get("Channel"),
        caller=_number(message),
        caller_name=_name(message),
        position=_int(message, "Position"),
        joined_ms=joined_ms,
    )


def _member(message: Message, name: str, interface: str) -> events.Member | None:
    agent, phone = _AGENT.match(name), _PHONE.match(interface)
    if agent is None or phone is None:
        return None
    return events.Member(
        queue=_queue(message),
        agent=AgentCode(agent[1]),
        phone=Extension(phone[1]),
        status=_int(message, "Status"),
        in_call=message.get("InCall") == "1",
        paused=message.get("Paused") == "1",
        pause_reason=message.get("PausedReason"),
        penalty=_int(message, "Penalty"),
        login_ms=1000 * _int(message, "LoginTime"),
        last_call_ms=1000 * _int(message, "LastCall"),
        last_pause_ms=1000 * _int(message, "LastPause"),
    )


def _caller_joined(message: Message) -> events.Event | None:
    return events.CallerJoined(_waiting(message, _call(message), _at_ms(message)))


def _said(message: Message) -> events.Event | None:
    """What our dialplan tells by UserEvent."""
    match message.get("UserEvent"):
        case "RamalJoin":
            return _caller_ranked(message)
        case "RamalHeld":
            tries, joined_s = _int(message, "Tries"), _int(message, "Joined")
            held = (message.get("Id"), _queue(message), message.get("Number"), _int(message, "Prio0"))
            return events.CallbackHeld(*held, joined_s=joined_s, tries=tries)
    return None


def _caller_ranked(message: Message) -> events.Event:
    return events.CallerRanked(
        queue=_queue(message),
        call=_call(message),
        channel=message.get("Channel"),
        home=message.get("Home"),
        prio0=_int(message, "Prio0"),
        prio=_int(message, "Prio"),
        first_s=_int(message, "Joined"),
        since_s=_int(message, "Since"),
    )


def _caller_left(message: Message) -> events.Event | None:
    # An abandon is told twice: QueueCallerAbandon, then QueueCallerLeave for the same channel.
    return events.CallerLeft(
        queue=_queue(message),
        call=_call(message),
        channel=message.get("Channel"),
        abandoned=message.event == "QueueCallerAbandon",
    )


def _member_seen(message: Message) -> events.Event | None:
    member = _member(message, message.get("MemberName"), message.get("Interface"))
    return events.MemberSeen(member) if member is not None else None


def _member_removed(message: Message) -> events.Event | None:
    agent, phone = _agent(message), _PHONE.match(message.get("Interface"))
    return events.MemberRemoved(_queue(message), agent, phone[1]) if agent and phone else None


def _agent_rang(message: Message) -> events.Event | None:
    agent = _agent(message)
    if not agent:
        return None
    number, name = _number(message), _name(message)
    return events.AgentRang(_queue(message), agent, _call(message), number, name)


def _agent_answered(message: Message) -> events.Event | None:
    agent = _agent(message)
    if not agent:
        return None
    return events.AgentAnswered(
        queue=_queue(message),
        agent=agent,
        call=_call(message),
        caller=_number(message),
        caller_name=_name(message),
        waited_ms=1000 * _int(message, "HoldTime"),
        channel=message.get("Channel"),
    )


def _agent_missed(message: Message) -> events.Event | None:
    agent = _agent(message)
    rang_ms = _int(message, "RingTime")
    return events.AgentMissed(_queue(message), agent, _call(message), rang_ms) if agent else None


def _agent_done(message: Message) -> events.Event | None:
    agent = _agent(message)
    reason = message.get("Reason")
    return events.AgentDone(_queue(message), agent, _call(message), reason) if agent else None


def _reach_changed(message: Message) -> events.ReachChanged | None:
    # Not ContactStatus: it speaks of one contact, and a phone that moves to a new port is “Removed” after it came.
    technology, _, endpoint = message.get("Peer").partition("/")
    reachable = _PEER_STATUS.get(message.get("PeerStatus"))
    if technology != "PJSIP" or not _ENDPOINT.match(endpoint) or reachable is None:
        return None
    return events.ReachChanged(endpoint, reachable)


def _agent(message: Message) -> AgentCode:
    """Empty when the member is none of ours."""
    agent = _AGENT.match(message.get("MemberName"))
    return AgentCode(agent[1] if agent is not None else "")


def _queue(message: Message) -> QueueName:
    return QueueName(message.get("Queue"))


def _call(message: Message) -> CallId:
    return CallId(message.get("Linkedid"))


def _number(message: Message) -> str:
    return _shown(message.get("CallerIDNum"))


def _name(message: Message) -> str:
    """The caller's name as it was sent, but for control characters and line breaks: these are spaces from here on."""
    name = message.get("CallerIDName")
    # Everywhere but in QueueStatus, Asterisk writes names like a C string: O'Neil is O\'Neil.
    shown = _shown(name if message.event == "QueueEntry" else _ESCAPED.sub(_unescaped, name))
    return caller_of(shown, _number(message))  # what phones are shown has more in it


def _shown(value: str) -> str:
    return "" if value == _NOT_THERE else _UNSHOWN.sub(" ", value)


def _unescaped(found: re.Match[str]) -> str:
    return found[1] if found[1] in _ESCAPED_ITSELF else " "


def _int(message: Message, header: str) -> int:
    return _number_in(message.get(header))


def _number_in(value: str) -> int:
    return int(value) if _NUMBER.match(value) else 0


def _at_ms(message: Message) -> int:
    """Asterisk's ``Timestamp`` (``timestampevents=yes``), seconds with microseconds; 0 when it is not there."""
    seconds, _, fraction = message.get("Timestamp").partition(".")
    if not _NUMBER.match(seconds) or not _NUMBER.match(fraction or "0"):
        return 0
    return 1000 * int(seconds) + int(f"{fraction:0<3.3}")


_EVENTS: dict[str, Callable[[Message], events.Event | None]] = {
    "QueueCallerJoin": _caller_joined,
    "QueueCallerLeave": _caller_left,
    "QueueCallerAbandon": _caller_left,
    "QueueMemberAdded": _member_seen,
    "QueueMemberStatus": _member_seen,
    "QueueMemberPause": _member_seen,
    "QueueMemberPenalty": _member_seen,
    "QueueMemberRemoved": _member_removed,
    "AgentCalled": _agent_rang,
    "AgentConnect": _agent_answered,
    "AgentRingNoAnswer": _agent_missed,
    "AgentComplete": _agent_done,
    "PeerStatus": _reach_changed,
    "UserEvent": _said,
}

EVENTS: tuple[str, ...] = ("FullyBooted", *_EVENTS)
"""The AMI events the product wants: manager.conf's filter. Without FullyBooted the link never comes up."""


# -- to Asterisk -------------------------------------------------------------------------------------------------------


def action(command: commands.ToAsterisk) -> Action:
    """The AMI action that does what ``command`` says."""
    match command:
        case commands.AddMember():
            headers = [
                ("Queue", command.queue),
                ("Interface", f"PJSIP/{command.phone}"),
                ("Penalty", str(command.penalty)),
                ("Paused", str(int(command.paused))),
                ("MemberName", f"agent-{command.agent}"),
            ]
            if command.paused and command.pause_reason:
                headers.append(("Reason", command.pause_reason))
            return Action("QueueAdd", tuple(headers))
        case commands.RemoveMember():
            return Action("QueueRemove", (("Queue", command.queue), ("Interface", f"PJSIP/{command.phone}")))
        case commands.SetPenalty():
            penalty = (("Queue", command.queue), ("Penalty", str(command.penalty)))
            return Action("QueuePenalty", (("Interface", f"PJSIP/{command.phone}"), *penalty))
        case commands.PauseMember():
            paused = (("Paused", str(int(command.paused))), ("Reason", command.reason))
            return Action("QueuePause", (("Interface", f"PJSIP/{command.phone}"), *paused))
        case commands.Originate():
            return _originate(command)
        case commands.ChangePriority():
            place = (("Queue", command.queue), ("Caller", command.channel))
            return Action(
                "QueueChangePriorityCaller", (*place, ("Priority", str(command.priority)), ("Immediate", "yes"))
            )
        case commands.WithdrawCaller():
            place = (("Queue", command.queue), ("Caller", command.channel))
            return Action("QueueWithdrawCaller", (*place, ("WithdrawInfo", command.info)))
        case commands.PutSwitch(family, key, ""):
            return Action("DBDel", (("Family", family), ("Key", key)))
        case commands.PutSwitch(family, key, value):
            return Action("DBPut", (("Family", family), ("Key", key), ("Val", value)))
        case _:
            assert_never(command)


def _originate(command: commands.Originate) -> Action:
    headers = (
        ("Channel", command.channel),
        ("Context", command.context),
        ("Exten", command.exten),
        ("Priority", "1"),
        ("CallerID", command.caller_id),
        ("Timeout", str(command.timeout_ms)),
        ("Async", "true"),
    )
    return Action("Originate", headers, command.variables, action_id=command.attempt)
