"""One call's steps, for eyes.

Pure. Kinds and details are codes; the page puts them into words. ``core.fold`` decides what the call was, and the steps
never contradict it: they are made from the same story.
"""

import re
from collections.abc import Iterator

from ramal.core.fold import fold
from ramal.core.history import Call, Stay, Step, StepKind
from ramal.core.journal import Cel, Journal, clean, endpoint, hangup_cause
from ramal.core.messages import verdicts
from ramal.core.recording import LONG_GAP_MS
from ramal.core.story import NOT_LET_IN, Leg, Story, line_of, tell

_SAID: dict[str, tuple[StepKind, tuple[str, ...]]] = {
    "REFUSED": ("refused", ("reason",)),
    "BLOCKED": ("refused", ("reason",)),
    "CLOSED": ("closed", ("hours", "queue")),
    "GREETING": ("greeting", ()),
    "MENU": ("menu", ("menu", "again")),
    "KEY": ("key", ("menu", "key")),
    "WRONG_KEY": ("wrong_key", ("menu", "key")),
    "NO_KEY": ("no_key", ("menu",)),
    "MENU_GIVEN_UP": ("menu_given_up", ("menu", "reason")),
    "LANGUAGE": ("language", ("language",)),
    "NEED": ("need", ("skill",)),
    "PHONE": ("phone", ("phone",)),
    "PICKUP": ("picked_up", ("phone", "agent", "from")),
    "RETRIEVE": ("retrieved", ("phone", "place", "agent")),
    "BACK": ("came_back", ("phone", "reason", "agent")),
    "DND": ("do_not_disturb", ("phone", "state")),
    "FORWARD": ("forward", ("phone", "number")),
    "PHONE_END": ("phone_not_answered", ("phone", "reason")),
    "VOICEMAIL": ("voicemail", ("box",)),
    "INTERNAL": ("dialled", ("phone", "number")),
    "CAMPAIGN": ("campaign", ("campaign",)),
    "CALLBACK": ("callback_noted", ("id", "queue", "number")),
    "CALLBACK_AGAIN": ("callback_again", ("id", "queue", "number")),
    "STANDIN": ("callback_waiting", ("id", "queue", "number")),
    "CALLBACK_STATE": ("callback_state", ("id", "state")),
    "CALLBACK_TRY": ("callback_calling", ("id", "n")),
    "CALLBACK_END": ("callback_over", ("id", "result")),
    "RETURN": ("returning", ("agent", "phone", "number")),
    "LOGIN": ("login", ("agent", "phone")),
    "LOGOUT": ("logout", ("agent", "phone")),
    "PAUSE": ("pause", ("agent", "phone", "reason")),
    "RESUME": ("resume", ("agent", "phone")),
    "NIGHT": ("night", ("hours", "state", "phone")),
    "WHY": ("decision", ("code", "a", "b", "c")),
    "CODE_REFUSED": ("code_refused", ("reason", "phone")),
    "DISPOSITION": ("disposition", ("agent", "queue", "code")),
    "WRAPUP": ("wrap_up", ("agent", "seconds", "how")),
    "WRAPUP_END": ("wrap_up_ended", ("agent", "phone")),
    "NOTICE": ("notice", ("agent", "phone", "about")),
    "STATUS": ("status", ("agent", "phone")),
    "SPY": ("supervised", ("act", "by", "agent")),
    "SUPERVISE": ("supervised", ("act", "by", "agent")),
    "MESSAGES": ("messages_opened", ("box", "agent", "phone")),
    "MESSAGE_ACT": ("message_act", ("act", "box", "id", "agent", "phone")),
}
_TARGET = re.compile(r'"transfer_target_channel_name":\s*"([^"]*)"')
_EXTENSION = re.compile(r'"extension":\s*"([^"]*)"')


def timeline(journal: Journal) -> tuple[Step, ...]:
    """Every step of a call in the order of time."""
    story = tell(journal)
    call = fold(journal)
    steps = [
        *_begin(story, call),
        *_said(story),
        *_gaps(call),
        *_rings(story, call),
        *_queues(story, call),
        *_end(journal, story, call),
    ]
    # Within one millisecond: a phone rings because a queue was joined, and stops ringing because of what came after.
    order = {"arrived": 0, "dialled": 0, "ringing": 2, "answered": 3, "missed": 3, "ring_cancelled": 3}
    order |= {"hung_up": 4, "restarted": 5}
    return tuple(sorted(steps, key=lambda step: (step.at_ms, order.get(step.kind, 1))))


def _begin(story: Story, call: Call) -> Iterator[Step]:
    if call.direction == "in":
        yield Step(call.started_ms, "arrived", "", {"line": call.line, "number": call.number, "caller": call.caller})
    elif not any(event.user == "INTERNAL" for event, _ in story.said):
        yield Step(call.started_ms, "dialled", call.phone, {"phone": call.phone, "number": call.number})


def _said(story: Story) -> Iterator[Step]:
    left = verdicts(story)
    for event, fields in story.said:
        if event.user == "MESSAGE":
            if len(fields) > 1 and fields[1]:
                yield Step(event.at_ms, "message", "", {"result": clean(fields[1])})
            elif left.get(fields[0]) == "":  # begun, and nothing was said of it afterwards
                yield Step(event.at_ms, "message", "", {"result": ""})
        elif event.user == "PHONE_END" and fields[-1] == "ANSWER":
            continue
        elif event.user == "SURVEY" and len(fields) > 3 and fields[2] != "asked":
            queue, agent, question, value = map(clean, fields[:4])
            answer = {"queue": queue, "question": question, "value": "" if question == "sentence" else value}
            yield Step(event.at_ms, "survey_answer", agent, answer)
        elif event.user in ("RECORD", "CARD"):
            yield from _recording(event.at_ms, event.user, [*map(clean, fields), "", "", "", "", ""])
        elif event.user in _SAID:
            kind, names = _SAID[event.user]
            detail: dict[str, str | int] = {name: clean(text) for name, text in zip(names, fields, strict=False)}
            yield Step(event.at_ms, kind, str(detail.get("agent", "")), detail)
    yield from _moves(story)


def _recording(at_ms: int, name: str, fields: list[str]) -> Iterator[Step]:
    """What was done about the recording: the notice, on demand, card-safe."""
    act, path, *more = fields
    if name == "CARD" and act == "on":
        yield Step(at_ms, "card_on", more[2], {"phone": more[1], "agent": more[2], "path": path})
    elif act in ("told", "objected"):
        yield Step(at_ms, "recording", "", {"act": act})
    elif act == "on" and more[1] == "code":
        yield Step(at_ms, "recording", "", {"act": "on", "why": "code", "path": path})
    elif act == "off" and more[0] in ("code", "never"):
        yield Step(at_ms, "recording", "", {"act": "off", "why": more[0], "path": path})


def _gaps(call: Call) -> Iterator[Step]:
    """When the recordings were on again: also after the limit, and at the end, which no event tells."""
    for take in call.takes:
        for gap in take.gaps:
            detail: dict[str, str | int] = {"why": gap.why, "seconds": round(gap.length_ms / 1000)}
            detail |= {"agent": gap.agent, "path": take.path, "long": int(gap.length_ms > LONG_GAP_MS)}
            yield Step(gap.began_ms + gap.length_ms, "card_off", gap.agent, detail)


def _moves(story: Story) -> Iterator[Step]:
    for at_ms, phone in story.parked:
        yield Step(at_ms, "parked", phone, {"by": clean(phone)})
    for move in story.moves:
        if move.type == "PICKUP" or any(abs(move.at_ms - at_ms) < 1500 for at_ms, _ in story.parked):
            continue  # told by what the dialplan said, and by the parking
        by = endpoint(move.channel)
        yield Step(move.at_ms, "transferred", by, {"by": by, "to": _goal(move), "how": move.type.lower()})


def _goal(move: Cel) -> str:
    """The extension dialed (blind), or whoever the caller was connected with (attended)."""
    match = _EXTENSION.search(move.extra)
    if match is None and (target := _TARGET.search(move.extra)):
        return clean(endpoint(target[1].replace("\\/", "/")))
    return clean(match[1]) if match else ""


def _rings(story: Story, call: Call) -> Iterator[Step]:
    for leg in story.legs.values():
        if leg is story.main or leg.endpoint == "":
            continue
        detail = _leg_detail(leg, call)
        who = leg.agent or (leg.endpoint if not line_of(leg) else "")
        yield Step(leg.started_ms, "ringing", who, detail)
        if leg.bridged:
            stay = next((stay for stay in call.stays if stay.left_ms and _answers(leg, stay)), None)
            waited = stay.wait_ms if stay is not None and stay.wait_ms is not None else None
            extra = {} if waited is None else {"wait_ms": waited}
            yield Step(max(leg.bridged[0][0], leg.answered_ms or 0), "answered", who, {**detail, **extra})
        elif leg.answered_ms is None and leg.ended_ms is not None and leg.rang in ("RINGNOANSWER", "RINGCANCELED"):
            kind: StepKind = "missed" if leg.rang == "RINGNOANSWER" else "ring_cancelled"
            yield Step(leg.ended_ms, kind, who, {**detail, "rang_ms": leg.ended_ms - leg.started_ms})
        elif leg.rang == "AGENTDUMP" and leg.ended_ms is not None and leg.answered_ms is not None:
            yield Step(leg.ended_ms, "missed", who, {**detail, "rang_ms": leg.answered_ms - leg.started_ms})


def _answers(leg: Leg, stay: Stay) -> bool:
    return stay.outcome == "answered" and stay.joined_ms <= leg.started_ms <= (stay.left_ms or 0)


def _leg_detail(leg: Leg, call: Call) -> dict[str, str | int]:
    if line_of(leg):
        return {"line": line_of(leg)}
    detail: dict[str, str | int] = {"phone": leg.endpoint}
    if leg.agent:
        detail["agent"] = leg.agent
    queue = next((stay.queue for stay in reversed(call.stays) if stay.joined_ms <= leg.started_ms), "")
    return {**detail, "queue": queue} if queue and leg.agent else detail


def _queues(story: Story, call: Call) -> Iterator[Step]:
    for visit, stay in zip(story.visits, call.stays, strict=True):
        if visit.status in NOT_LET_IN:
            yield Step(stay.joined_ms, "queue_refused", "", {"queue": stay.queue, "reason": visit.status})
            continue
        joined: dict[str, str | int] = {"queue": stay.queue}
        if stay.position:
            joined["position"] = stay.position
        yield Step(stay.joined_ms, "queue_joined", "", joined)
        if stay.left_ms is None or stay.outcome in ("answered", "system"):
            continue
        if stay.outcome == "abandoned":
            yield Step(stay.left_ms, "abandoned", "", {"queue": stay.queue, "wait_ms": stay.wait_ms or 0})
        else:
            yield Step(stay.left_ms, "queue_left", "", {"queue": stay.queue, "reason": stay.outcome})


def _end(journal: Journal, story: Story, call: Call) -> Iterator[Step]:
    if story.ended_ms is None and journal.restarted_ms is not None:
        yield Step(journal.restarted_ms, "restarted", "", {})
    elif call.ended_ms is not None:
        main = story.main
        detail: dict[str, str | int] = {"by": call.hangup_by}
        if main is not None and (cause := hangup_cause(main.hangup_extra)):
            detail["cause"] = cause
        at_ms = main.ended_ms if main is not None and main.ended_ms is not None else call.ended_ms
        yield Step(at_ms, "hung_up", "", detail)
