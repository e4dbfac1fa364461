"""Boxes for messages and what became of each message.

Pure. Boxes are there without being written down: one of every queue (its name), one of every agent (``agent-7``) and
the office's (``office``); a ``[[voicemail]]`` of the office file settles one of these, or makes another. A message is
told of by the journals of several calls: the one it was left in, and those in which people (or the page) did something
with it; all notes of one message in the order of time give its state, whatever order the calls were read in. The
dialplan that says these things is ``dialplan/message.conf``.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

from ramal.core.history import MessageEvent, MessageNote
from ramal.core.journal import clean
from ramal.core.office import Agent, Office, Queue, Voicemail
from ramal.core.story import Story

OFFICE = "office"
"""The box of the office."""
ROOM = 100
"""Messages a box holds; Asterisk's lists of keys are 4 KB."""

BoxKind = Literal["queue", "agent", "office", "other"]


@dataclass(frozen=True, slots=True)
class Box:
    """A box. ``of``: the queue's name or the agent's code; "" for the rest. ``number``: what ``*98`` is followed by; 0
    for an agent's, which is opened by ``*97`` and the code."""

    name: str
    kind: BoxKind
    of: str
    number: int
    settings: Voicemail


def agent_box(code: str) -> str:
    """The name of an agent's box."""
    return f"agent-{code}"


def boxes(office: Office) -> tuple[Box, ...]:
    """Every box of an office: the office's, queues', others, agents'; numbered in this order."""
    settings = {each.name: each for each in office.voicemails}
    made: list[tuple[str, BoxKind, str]] = [(OFFICE, "office", "")]
    if any(queue.name == OFFICE for queue in office.queues):
        made = []
    made += [(queue.name, "queue", queue.name) for queue in office.queues]
    known = {name for name, _, _ in made} | {agent_box(agent.code) for agent in office.agents}
    made += [(name, "other", "") for name in settings if name not in known]
    shared = [
        Box(name, kind, of, number, settings.get(name, Voicemail(name)))
        for number, (name, kind, of) in enumerate(made, 1)
    ]
    names = [(agent_box(agent.code), agent.code) for agent in office.agents]
    return (*shared, *(Box(name, "agent", code, 0, settings.get(name, Voicemail(name))) for name, code in names))


def box_of(office: Office, name: str) -> Box | None:
    """A box by name."""
    return next((box for box in boxes(office) if box.name == name), None)


def may_open(office: Office, box: Box, agent: Agent) -> bool:
    """Whether an agent may hear this box: the own one, those of the own queues; supervisors every shared one."""
    if box.kind == "agent":
        return box.of == agent.code
    return agent.supervisor or any(place.queue == box.of for place in agent.queues)


def phones_of(office: Office, box: Box) -> tuple[str, ...]:
    """Phones whose own message lamp shows this box whoever sits there."""
    return tuple(phone for phone in box.settings.phones if phone in {each.extension for each in office.phones})


def title_of(box: Box, queues: Iterable[Queue], agents: Iterable[Agent]) -> str:
    """What people call it; "" for the office's own."""
    if box.kind == "queue":
        return next((queue.title or queue.name for queue in queues if queue.name == box.of), box.of)
    if box.kind == "agent":
        return next((agent.name or agent.code for agent in agents if agent.code == box.of), box.of)
    return "" if box.kind == "office" else box.name


# ---- what became of a message ---------------------------------------------------------------------------------------

EVENTS: tuple[MessageEvent, ...] = get_args(MessageEvent)
MessageState = Literal["begun", "new", "old", "deleted", "failed"]
STATES: tuple[MessageState, ...] = get_args(MessageState)
NOTHING_LEFT = frozenset({"ERROR", "SKIP", "SHORT", "FULL"})
"""Verdicts on a message that is none."""
ACTS = frozenset({"heard", "deleted", "returned", "restored", "adopted", "expired"})
_ID = re.compile(r"[0-9]{1,11}\.[0-9]{1,11}(-[0-9]{1,3})?\Z")
_OLD_FILE = re.compile(r".*/([0-9]{1,11}\.[0-9]{1,11})-message\Z")
_BOX = re.compile(r"[a-z][a-z0-9-]{0,37}\Z")


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it stands. ``at_ms``: when it was begun. ``state``: ``begun`` while it is recorded (or was cut off
    by a crash), ``new``, ``old`` once heard, ``deleted``, ``failed`` (there is none). ``number``: E.164, an extension
    or "". Returned by a person's word only; a call that returned it is known elsewhere (``store.messages``)."""

    id: str
    box: str
    at_ms: int
    state: MessageState
    file: str
    sound_ms: int = 0
    number: str = ""
    heard_ms: int | None = None
    heard_by: str = ""
    returned_ms: int | None = None
    returned_by: str = ""
    deleted_ms: int | None = None
    deleted_by: str = ""


def verdicts(story: Story) -> dict[str, str]:
    """Path of every message that was begun in this call, and the last word on it ("" while there is none)."""
    found: dict[str, str] = {}
    for event, fields in story.said:
        if event.user == "MESSAGE" and fields[0]:
            found[fields[0]] = fields[1] if len(fields) > 1 else ""
    return found


def notes(story: Story) -> Iterator[MessageNote]:
    """What this call's journal says about messages, in its order."""
    box = ""
    for event, fields in story.said:
        more = [clean(field) for field in fields] + [""] * 6
        if event.user == "VOICEMAIL":
            box = more[0]
        elif event.user == "MESSAGE":
            found = _left(event.at_ms, more, box)
            if found is not None:
                yield found
        elif event.user == "MESSAGE_ACT" and more[0] in ACTS and _ID.match(more[2]) and _BOX.match(more[1]):
            act: MessageEvent = next(each for each in EVENTS if each == more[0])
            if act == "adopted":
                yield MessageNote(event.at_ms, more[2], act, more[1], sound_ms=_ms(more[3]))
            else:
                yield MessageNote(event.at_ms, more[2], act, more[1], who=more[3], phone=more[4])


def _left(at_ms: int, fields: list[str], box: str) -> MessageNote | None:
    file, verdict, named, id, ms, number = fields[:6]
    old = _OLD_FILE.match(file)
    id = id or (old[1] if old else "")  # a Ramal before there were boxes wrote the file alone
    box = named or box
    if not _ID.match(id) or not _BOX.match(box):
        return None
    event: MessageEvent = "kept" if verdict == "KEPT" else "failed" if verdict in NOTHING_LEFT else "begun"
    return MessageNote(at_ms, id, event, box, file, _ms(ms), number)


def _ms(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def state_of(told: Iterable[MessageNote]) -> Message | None:
    """The message its notes tell of; None when nothing says that it was ever left (that call's lines were lost)."""
    message: Message | None = None
    first = {"begun": 0, "failed": 1, "kept": 1}
    for note in sorted(told, key=lambda note: (first.get(note.event, 2), note.at_ms)):
        if note.event in ("begun", "kept", "failed"):
            state: MessageState = {"begun": "begun", "kept": "new", "failed": "failed"}[note.event]  # type: ignore[assignment]
            if message is None:
                message = Message(note.id, note.box, note.at_ms, state, note.file, note.sound_ms, note.number)
            else:
                sound_ms, number = note.sound_ms or message.sound_ms, note.number or message.number
                message = replace(message, state=state, sound_ms=sound_ms, number=number)
        elif message is not None:
            message = _after(message, note)
    return message


def _after(message: Message, note: MessageNote) -> Message:
    match note.event:
        case "heard" if message.state in ("new", "begun", "old"):
            first = message.heard_ms is None
            heard_ms, heard_by = (note.at_ms, note.who) if first else (message.heard_ms, message.heard_by)
            return replace(message, state="old", heard_ms=heard_ms, heard_by=heard_by)
        case "deleted" | "expired":
            return replace(message, state="deleted", deleted_ms=note.at_ms, deleted_by=note.who)
        case "restored":
            return replace(message, state="old", deleted_ms=None, deleted_by="")
        case "adopted" if message.state in ("begun", "failed"):
            return replace(message, state="new", sound_ms=note.sound_ms or message.sound_ms)
        case "returned" if message.returned_ms is None:
            return replace(message, returned_ms=note.at_ms, returned_by=note.who)
    return message
