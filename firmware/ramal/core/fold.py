"""A call's journal, folded into the call.

Pure, and the only place that decides what a call was. ``fold`` may see half of a journal (the call goes on, or
one file was read before the other): it then says what is known so far, and the whole journal folds to the same call
however it came in. CEL gives the skeleton and the milliseconds; queue_log, in whole seconds, gives the names and the
verdicts. Times inside a journal are not sorted: the order of the file is right even when the clock was set.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ramal.core import callback_history, messages, recording, survey_history
from ramal.core.history import Call, Category, Direction, HangupBy, Outcome, Stay, Supervised, Take
from ramal.core.journal import Journal, Queued, clean, hangup_source
from ramal.core.legs import Talk, last_agent, parts, talks
from ramal.core.menus import PATH_MAX, tally
from ramal.core.story import NOT_LET_IN, Leg, Story, Visit, line_of, number_at, tell

BLOCKED = (NOT_LET_IN - {"PREDICTED", "CALLBACK"}) | {"LEAVEEMPTY", "LEAVEUNAVAIL"}
SERVICE = frozenset({"LOGIN", "LOGOUT", "PAUSE", "RESUME", "CODE_REFUSED", "DND", "FORWARD", "SPY", "SUPERVISE"})
SERVICE |= {"MESSAGES", "MESSAGE_ACT", "NOTICE", "STATUS", "WRAPUP", "WRAPUP_END", "DISPOSITION"}
VERDICTS: dict[str, Outcome] = {
    "ABANDON": "abandoned",
    "EXITWITHTIMEOUT": "timed_out",
    "EXITEMPTY": "blocked",
    "EXITWITHKEY": "overflowed",
}
NOTHING_SPOKEN = (["ERROR"], ["SKIP"])
"""Results of a message that was not recorded; the dialplan says MESSAGE before it records, perhaps again after."""
MISSED = frozenset({"RINGNOANSWER", "AGENTDUMP"})
"""AGENTDUMP: picked up, and hung up again while the queue was announced; the caller waits on."""
BESIDE = frozenset({"STAGE", "WHY", "WAIT_SAID"})
"""Said on the way, without leading the caller anywhere."""
SUPERVISED = frozenset({"listen", "whisper", "barge", "pause", "resume", "logout"})


def fold(journal: Journal) -> Call:
    """What the call was, or is so far."""
    story = tell(journal)
    ended_ms = story.ended_ms
    cut = ended_ms is None and journal.restarted_ms is not None
    if cut:
        ended_ms = story.last_ms  # the last sign of life; when it really ended nobody wrote down
    direction = _direction(story)
    stays = callback_history.left(story, tuple(_stay(story, visit, ended_ms, cut) for visit in story.visits))
    main = story.main
    spoken = talks(journal, story)
    talk_ms = _talk_ms(story, spoken, stays, ended_ms)
    answering = spoken[-1].leg if spoken else None
    facts = _facts(story, journal)
    phone = answering.endpoint if answering and not line_of(answering) else facts.phone
    waited = [stay for stay in stays if stay.wait_ms is not None]
    queue = stays[-1].queue if stays else facts.closed_queue
    answered_stay = next((stay for stay in reversed(stays) if stay.outcome == "answered"), None)
    call = Call(
        id=journal.call_id,
        direction=direction,
        category=None,
        started_ms=story.first.at_ms if story.first else journal.queue[0].at_s * 1000,
        ended_ms=_gone_ms(story, direction, ended_ms),
        line=facts.line,
        number=clean(facts.number),
        caller=clean(facts.caller),
        caller_name=clean(facts.caller_name),
        menu=facts.menu,
        queue=queue,
        agent=_last_agent(spoken, answered_stay) or facts.agent,
        phone=phone,
        wait_ms=sum(stay.wait_ms or 0 for stay in waited) if waited else None,
        ring_ms=_ring_ms(answering, answered_stay),
        talk_ms=talk_ms,
        missed=tuple(agent for stay in stays for agent in stay.missed),
        has_message=facts.has_message,
        stays=stays,
        takes=tuple(_takes(story, stays, main, ended_ms)),
        legs=parts(story, spoken),
        supervised=tuple(_supervised(story)),
        callbacks=tuple(callback_history.notes(story, stays)),
        messages=tuple(messages.notes(story)),
        survey=survey_history.surveyed(story.said, _last_agent(spoken, answered_stay) or facts.agent),
        disposition=_disposition(story, journal.call_id),
        campaign=clean(facts.campaign),
    )
    if ended_ms is None:
        return call
    return replace(
        call, category=_category(story, call, cut), hangup_by=_hangup_by(story, call, cut), menus=tally(story, cut)
    )


@dataclass(slots=True)
class _Facts:
    line: str = ""
    number: str = ""
    caller: str = ""
    caller_name: str = ""
    menu: str = ""
    closed_queue: str = ""
    phone: str = ""
    agent: str = ""
    campaign: str = ""
    has_message: bool = False


def _facts(story: Story, journal: Journal) -> _Facts:
    facts = _Facts()
    keys: list[str] = []
    main = story.main
    first = story.first
    if first is not None:
        facts.caller, facts.caller_name, facts.number = first.number, first.name, first.exten
        facts.line = next((line for leg in story.legs.values() if (line := line_of(leg))), "")
        if main is not None and not facts.line:
            facts.phone = main.endpoint
    arrived = False
    for event, fields in story.said:
        match event.user:
            case "ARRIVE":
                arrived = True
                facts.line = fields[0] or facts.line
                facts.number = fields[1] if len(fields) > 1 else facts.number
                facts.caller, facts.caller_name = event.number, event.name or facts.caller_name
            case "CALLER" if fields[0].startswith("+"):
                facts.caller = fields[0]
            case "NUMBER":
                facts.number = fields[-1]
            case "INTERNAL" if not arrived and len(fields) > 1:  # who was handed on to a phone still called our number
                facts.number = fields[1]
            case "OUT" if not arrived and story.main is not None and event.unique_id == story.main.unique_id:
                facts.number, facts.phone = fields[0], story.main.endpoint
                facts.line = fields[1] if len(fields) > 1 else facts.line
                facts.agent = fields[2] if len(fields) > 2 and fields[2] else facts.agent
            case "CAMPAIGN" if not arrived and story.main is not None and event.unique_id == story.main.unique_id:
                facts.campaign = fields[0]
            case "WHY" if not arrived and fields[0] == "outside-refused" and len(fields) > 1:
                facts.number = fields[1]
            case "MENU":
                keys.append(fields[0])
            case "CLOSED" if len(fields) > 1:
                facts.closed_queue = fields[1]
            case "KEY" if len(fields) > 1:
                keys = keys[:-1] if keys and keys[-1] == fields[0] else keys
                keys.append(":".join(fields[:2]))
            case "PHONE":
                facts.phone = fields[0]
            case "STANDIN" if len(fields) > 2:
                facts.number, facts.caller, facts.caller_name = fields[2], "", ""
            case "RETURN" if len(fields) > 2:
                facts.agent, facts.phone, facts.number = fields[:3]
                facts.caller, facts.caller_name = fields[1], ""
            case "MINE" if len(fields) > 1:
                facts.phone, facts.number = fields[:2]
                facts.caller = fields[0]
            case "CLICK" if len(fields) > 2:
                facts.caller, facts.agent, facts.number = fields[:3]
                facts.caller_name, facts.phone = "", fields[0]
            case "SPY" | "SUPERVISE" if len(fields) > 2 and not fields[1].startswith("page:"):
                facts.agent = fields[1]
            case "LOGIN" | "LOGOUT" | "PAUSE" | "RESUME" | "NOTICE" | "STATUS" | "WRAPUP_END" if not facts.agent:
                facts.agent = fields[0]
            case "DISPOSITION" if fields[3:] != [journal.call_id]:
                facts.agent = fields[0]
            case "MESSAGE":
                facts.has_message = fields[1:] not in NOTHING_SPOKEN
    facts.has_message = any(word not in messages.NOTHING_LEFT for word in messages.verdicts(story).values())
    if first is None and journal.queue:
        entered = next((line for line in journal.queue if line.event == "ENTERQUEUE" and len(line.data) > 2), None)
        facts.caller = "|".join(entered.data[1:-1]) if entered else ""
    facts.menu = " ".join(keys[-PATH_MAX:])
    return facts


def _gone_ms(story: Story, direction: Direction, ended_ms: int | None) -> int | None:
    """A received call ends when its caller is gone, though the agent may stay on the line to say what it was."""
    main = story.main
    if ended_ms is None or direction != "in" or main is None or main.ended_ms is None:
        return ended_ms
    return main.ended_ms


def _direction(story: Story) -> Direction:
    if story.main is None or any(event.user == "ARRIVE" for event, _ in story.said) or line_of(story.main):
        return "in"
    if any(line_of(leg) for leg in story.legs.values()) or _names(story) & callback_history.CALLS_OUT:
        return "out"
    if any(event.user == "OUT" or fields[0] == "outside-refused" for event, fields in story.said):
        return "out"
    return "internal"


def _bridge_within(leg: Leg | None, from_ms: int, until_ms: int | None) -> int | None:
    if leg is None:
        return None
    return next((a for a, _ in leg.bridged if a >= from_ms and (until_ms is None or a <= until_ms)), None)


def _stay(story: Story, visit: Visit, ended_ms: int | None, cut: bool) -> Stay:
    main = story.main
    gone_ms = visit.ended_ms if visit.ended_ms is not None else (main.ended_ms if main else None)
    connect = next((line for line in visit.log if line.event == "CONNECT"), None)
    verdict = next((VERDICTS[line.event] for line in visit.log if line.event in VERDICTS), None)
    bridge_ms = None if verdict else _bridge_within(main, visit.joined_ms, gone_ms)
    left_ms: int | None = gone_ms if gone_ms is not None else ended_ms
    outcome: Outcome
    if connect is not None or bridge_ms is not None:
        outcome = "answered"
        if bridge_ms is not None:
            left_ms = bridge_ms
        elif connect is not None:
            left_ms = visit.joined_ms + number_at(connect.data, 0) * 1000
    elif verdict is not None:
        outcome = verdict
        if left_ms is None:
            left_ms = next(line.at_s for line in visit.log if line.event in VERDICTS) * 1000
    elif visit.status:
        outcome = "blocked" if visit.status in BLOCKED else ("timed_out" if visit.status == "TIMEOUT" else "overflowed")
    elif visit.ended_ms is not None:
        outcome = "overflowed"
    elif main is not None and main.ended_ms is not None:
        outcome = "abandoned"
    else:
        outcome = "waiting" if ended_ms is None else ("system" if cut else "abandoned")
    if outcome == "waiting":
        left_ms = None
    answering = _leg_for(story, visit, connect) if outcome == "answered" else None
    picked_up = answering is not None and answering.unique_id in story.taken
    agent = connect.agent if connect and not picked_up else ""
    position = next((line.data[-1] for line in visit.log if line.event == "ENTERQUEUE" and line.data), "")
    return Stay(
        queue=visit.queue,
        joined_ms=visit.joined_ms,
        left_ms=left_ms,
        outcome=outcome,
        agent=agent or (answering.agent if answering else ""),
        position=number_at((position,), 0) or None,
        wait_ms=None if left_ms is None else max(0, left_ms - visit.joined_ms),
        ring_ms=_leg_ring_ms(answering, connect),
        talk_ms=_visit_talk_ms(main, visit, left_ms, gone_ms, ended_ms) if outcome == "answered" else None,
        missed=tuple(line.agent for line in visit.log if line.event in MISSED),
    )


def _leg_for(story: Story, visit: Visit, connect: Queued | None) -> Leg | None:
    """The phone's channel that answered in this visit."""
    if connect is not None and len(connect.data) > 1 and (leg := story.legs.get(connect.data[1])) is not None:
        return leg
    return next(
        (
            leg
            for leg in story.legs.values()
            if leg is not story.main and leg.bridged and leg.started_ms >= visit.joined_ms and not line_of(leg)
        ),
        None,
    )


def _leg_ring_ms(leg: Leg | None, connect: Queued | None) -> int | None:
    if leg is not None and leg.answered_ms is not None:
        return max(0, leg.answered_ms - leg.started_ms)
    return number_at(connect.data, 2) * 1000 if connect is not None else None


def _visit_talk_ms(
    main: Leg | None, visit: Visit, answered_ms: int | None, gone_ms: int | None, ended_ms: int | None
) -> int | None:
    complete = next((line for line in visit.log if line.event in ("COMPLETECALLER", "COMPLETEAGENT")), None)
    if main is not None and main.bridged and answered_ms is not None:
        end_ms = gone_ms if gone_ms is not None else ended_ms
        if end_ms is None:
            return None if complete is None else number_at(complete.data, 1) * 1000
        return main.bridged_ms(answered_ms, end_ms)
    return number_at(complete.data, 1) * 1000 if complete is not None else None


def _last_agent(spoken: list[Talk], stay: Stay | None) -> str:
    """The last agent who spoke with the caller; queue_log's word where the channels are not known."""
    return last_agent(spoken) or (stay.agent if stay is not None else "")


def _talk_ms(story: Story, spoken: list[Talk], stays: tuple[Stay, ...], ended_ms: int | None) -> int | None:
    """The caller's whole talk with people: of a transferred call all legs, without the time it was parked."""
    main = story.main
    if main is not None and main.bridged:
        end_ms = main.ended_ms if main.ended_ms is not None else ended_ms
        if end_ms is None:
            return None
        if len(spoken) > 1 or story.parked:
            return sum(max(0, (end_ms if talk.to_ms is None else talk.to_ms) - talk.from_ms) for talk in spoken)
        return main.bridged_ms(0, end_ms)
    known = [stay.talk_ms for stay in stays if stay.talk_ms is not None]
    return sum(known) if known else None


def _ring_ms(answering: Leg | None, stay: Stay | None) -> int | None:
    if answering is not None and answering.answered_ms is not None:
        return max(0, answering.answered_ms - answering.started_ms)
    return stay.ring_ms if stay is not None else None


def _takes(story: Story, stays: tuple[Stay, ...], main: Leg | None, ended_ms: int | None) -> Iterator[Take]:
    seen = set()
    for visit, stay in zip(story.visits, stays, strict=True):
        if visit.path and stay.outcome == "answered" and stay.left_ms is not None and visit.path not in seen:
            seen.add(visit.path)
            yield Take("talk", _sound(visit.path), stay.left_ms, stay.talk_ms)
    for made in _recorded(story):
        if made.path and made.path not in seen and (began_ms := made.began_ms()) is not None:
            seen.add(made.path)
            end_ms = ended_ms if made.leg is None or made.leg.ended_ms is None else made.leg.ended_ms
            talk_ms = None if end_ms is None else made.talked_ms(end_ms)
            gaps = made.gaps_until(story.last_ms if end_ms is None else end_ms)
            yield Take("talk", _sound(made.path), began_ms, talk_ms, made.sides, gaps)
    left = messages.verdicts(story)
    for event, fields in story.said:
        path = fields[0] if event.user == "MESSAGE" and left.get(fields[0]) not in messages.NOTHING_LEFT else ""
        if path and path not in seen:
            seen.add(path)
            yield Take("message", _sound(path), event.at_ms, None)
        path = fields[3] if event.user == "SURVEY" and fields[2:3] == ["sentence"] and len(fields) > 3 else ""
        if path and path not in seen:
            seen.add(path)
            yield Take("survey", _sound(path), event.at_ms, None)
        path = callback_history.recorded(event.user, fields)
        if path and path not in seen:
            seen.add(path)
            end_ms = main.ended_ms if main is not None and main.ended_ms is not None else ended_ms
            yield Take("talk", _sound(path), event.at_ms, None if end_ms is None else max(0, end_ms - event.at_ms))


def _recorded(story: Story) -> Iterator[recording.Made]:
    said = (
        (event.at_ms, event.user, fields, story.legs.get(event.unique_id))
        for event, fields in story.said
        if event.user in ("RECORD", "CARD")
    )
    return recording.made(said)


def _disposition(story: Story, call_id: str) -> str:
    """What the agent said that the call was: the last word counts, also from another channel (``*40``)."""
    said = (fields for event, fields in story.said if event.user == "DISPOSITION" and fields[3:] == [call_id])
    return next((clean(fields[2]) for fields in reversed(list(said))), "")


def _supervised(story: Story) -> Iterator[Supervised]:
    for event, fields in story.said:
        if event.user in ("SPY", "SUPERVISE") and len(fields) > 2 and fields[0] in SUPERVISED:
            channels = tuple(fields[3].split()) if len(fields) > 3 else ()
            yield Supervised(event.at_ms, fields[0], clean(fields[1]), clean(fields[2]), channels)


def _sound(path: str) -> str:
    return path if path.endswith(".wav") else path + ".wav"


def _names(story: Story) -> set[str]:
    return {event.user for event, _ in story.said}


def _category(story: Story, call: Call, cut: bool) -> Category:
    spoke = any(stay.outcome == "answered" for stay in call.stays) or bool(story.main and story.main.bridged)
    said = _names(story)
    if said & callback_history.CALLS_OUT:  # agents who answered a stand-in, or pressed a key, spoke with nobody yet
        reached = any(line_of(leg) and leg.bridged for leg in story.legs.values())
        return "connected" if reached else ("system" if cut else "not_connected")
    if call.direction != "in":
        if spoke:
            return "answered" if call.stays else "connected"
        if cut:
            return "system"
        return "service" if said & SERVICE else _waited(call.stays) or "not_connected"
    if spoke:
        return "answered"
    if said & callback_history.NOTED:
        return "withdrawn"
    if cut:
        return "system"
    return _waited(call.stays) or _unqueued(story, said)


def _waited(stays: Iterable[Stay]) -> Category | None:
    """The last queue really waited in decides; one that let nobody in only when there was no other."""
    kept: Category | None = None
    for stay in stays:
        if stay.outcome == "waiting" or stay.outcome == "answered":
            continue
        if stay.outcome != "blocked" or stay.position is not None or kept is None:
            kept = stay.outcome
    return kept


def _unqueued(story: Story, said: set[str]) -> Category:
    if "PHONE" in said:
        return "unanswered"
    if said & {"REFUSED", "BLOCKED"}:
        return "refused"
    if "CLOSED" in said:
        return "closed"
    if said & {"VOICEMAIL", "MESSAGE"}:
        return "message"
    heard = said & {"GREETING", "MENU"}
    source = hangup_source(story.main.hangup_extra) if story.main else ""
    by_caller = story.main is not None and source == story.main.channel
    return "gave_up" if heard or by_caller else "refused"


def _hangup_by(story: Story, call: Call, cut: bool) -> HangupBy:
    if cut:
        return "system"
    main = story.main
    if survey_history.began_ms(story.said) is not None:
        return "agent"  # who hangs up first at the caller's side is not asked
    final = story.visits[-1].log[-1].event if story.visits and story.visits[-1].log else ""
    own = [event.user for event, _ in story.said if main is None or event.unique_id == main.unique_id]
    last_said = next((user for user in reversed(own) if user not in BESIDE), "")
    source = hangup_source(main.hangup_extra) if main is not None else ""
    if last_said in ("", "QUEUE", "STAGE") and final in ("COMPLETECALLER", "COMPLETEAGENT", "ABANDON"):
        # An agent who hangs up before the caller was connected: app_queue calls that the caller's doing.
        dropped = final == "COMPLETECALLER" and main is not None and not source and _agent_dropped(story)
        return "agent" if final == "COMPLETEAGENT" or dropped else "caller"
    if main is not None and source == main.channel:
        return "caller"
    return "agent" if source and any(leg.channel == source for leg in story.legs.values()) else "system"


def _agent_dropped(story: Story) -> bool:
    """Whether a phone that had answered hung up by itself."""
    legs = (leg for leg in story.legs.values() if leg is not story.main and leg.answered_ms is not None)
    return any(hangup_source(leg.hangup_extra) == leg.channel for leg in legs)
