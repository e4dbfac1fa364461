"""What became of callbacks, out of the journals of the calls that have to do with each.

Pure. A callback is asked for in one call (``CALLBACK``), waited for and tried in others (``STANDIN``,
``CALLBACK_TRY``), and may be over in yet another: the customer called in and was answered. Every call's journal gives
notes; all notes of one callback, in the order of time, and what people decided give its state (``state_of``), whatever
order the calls were read in. The dialplan that says these things is ``dialplan/callback.conf``.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

from ramal.core.history import CallbackEvent, CallbackNote, Stay
from ramal.core.journal import clean
from ramal.core.story import Story

CallbackState = Literal["waiting", "calling", "not_allowed", "done", "expired", "cancelled"]
STATES: tuple[CallbackState, ...] = get_args(CallbackState)
OPEN: tuple[CallbackState, ...] = ("waiting", "calling", "not_allowed")

NOTED = frozenset({"CALLBACK", "CALLBACK_AGAIN"})
"""The call that was left for a callback."""
KEY = "KEY"
"""QUEUE_END's word for the key that opens the dialogue (``queue-keys-<queue>``)."""
CALLS_OUT = frozenset({"STANDIN", "RETURN"})
"""Calls that go to a customer although they begin in the office or with nobody."""

_EVENTS: dict[str, CallbackEvent] = {
    "CALLBACK": "noted",
    "CALLBACK_AGAIN": "again",
    "STANDIN": "waiting",
    "CALLBACK_TRY": "calling",
}
_KEPT = re.compile(
    r"[0-9]{1,11}\|[0-9]{1,11}\|[+0-9]{0,20}\|[a-z0-9-]{0,40}\|[A-Za-z_]{0,20}\|[A-Za-z0-9%_.!~*'()-]{0,250}\Z"
)
_PLACE = re.compile(r"[a-z0-9-]{1,40}\|[0-9A-Za-z_.-]{1,64}\Z")
_STATES: dict[str, CallbackEvent] = {"waiting": "waiting", "not_allowed": "not_allowed"}
_ENDS: dict[str, CallbackEvent] = {"spoken": "spoken", "expired": "expired", "served": "served"}


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback as it stands. ``joined_ms``: when the caller joined its first queue, to the second. ``tries``: how
    often the customer was dialed. ``spoken_ms``: when a person spoke with the customer, in whichever call; then
    ``spoken_ms - joined_ms`` is the wait *until spoken to*, while the wait *on the line* is the asking call's own.
    ``result``: spoken, served, expired, or who cancelled it."""

    id: str
    queue: str
    number: str
    asked_ms: int
    joined_ms: int
    state: CallbackState
    tries: int = 0
    again: int = 0
    spoken_ms: int | None = None
    ended_ms: int | None = None
    agent: str = ""
    result: str = ""


def notes(story: Story, stays: tuple[Stay, ...]) -> Iterator[CallbackNote]:
    """What this call's journal says about callbacks, in its order."""
    agent = next((stay.agent for stay in reversed(stays) if stay.outcome == "answered"), "")
    for event, fields in story.said:
        name, callback = event.user, fields[0]
        if name == "CALLBACK" and len(fields) > 3:
            joined_s = int(fields[3]) if fields[3].isdigit() and len(fields[3]) < 12 else event.at_ms // 1000
            kept = _kept(fields[4:10])
            first = (clean(fields[1]), clean(fields[2]), joined_s * 1000)
            yield CallbackNote(event.at_ms, callback, "noted", *first, kept=kept)
        elif name == "CALLBACK_TRY" and len(fields) > 1:
            n = int(fields[1]) if fields[1].isdigit() and len(fields[1]) < 6 else 0
            yield CallbackNote(event.at_ms, callback, "calling", n=n)
        elif name in _EVENTS:
            yield CallbackNote(event.at_ms, callback, _EVENTS[name])
        elif name == "CALLBACK_STATE" and len(fields) > 1 and fields[1] in _STATES:
            yield CallbackNote(event.at_ms, callback, _STATES[fields[1]])
        elif name == "CALLBACK_END" and len(fields) > 1 and fields[1] in _ENDS:
            end = _ENDS[fields[1]]
            yield CallbackNote(event.at_ms, callback, end, agent="" if end == "expired" else agent)


def state_of(told: Iterable[CallbackNote], cancelled: tuple[int, str] | None = None) -> Callback | None:
    """The callback its notes tell of; ``cancelled``: when and by whom, in milliseconds. None when nothing says that
    it was ever asked for (that call's lines were lost). What comes after the end changes nothing."""
    ordered = sorted(told, key=lambda note: (note.at_ms, note.event != "noted"))
    first = next((note for note in ordered if note.event == "noted"), None)
    if first is None:
        return None
    callback = Callback(first.id, first.queue, first.number, first.at_ms, first.joined_ms, "waiting")
    for note in ordered:
        if note.event == "again":
            callback = replace(callback, again=callback.again + 1)
        elif callback.ended_ms is None and (cancelled is None or note.at_ms <= cancelled[0]):
            callback = _after(callback, note)
    if cancelled is not None and callback.ended_ms is None:
        return replace(callback, state="cancelled", ended_ms=cancelled[0], result=cancelled[1])
    return callback


def _after(callback: Callback, note: CallbackNote) -> Callback:
    match note.event:
        case "waiting" | "not_allowed" | "noted":
            return replace(callback, state="not_allowed" if note.event == "not_allowed" else "waiting")
        case "calling":
            return replace(callback, state="calling", tries=max(callback.tries, note.n))
        case "spoken" | "served":
            spoken = replace(callback, state="done", spoken_ms=note.at_ms, agent=note.agent)
            return replace(spoken, ended_ms=note.at_ms, result=note.event)
        case "expired":
            return replace(callback, state="expired", ended_ms=note.at_ms, result="expired")
    return callback


def _kept(fields: list[str]) -> str:
    """``expires|prio0|shown|need|language|name`` as the dialplan said it; "" when it did not (a Ramal before this)."""
    kept = "|".join(fields)
    return kept if _KEPT.match(kept) else ""


def record(callback: Callback, kept: str) -> str:
    """The record of a callback that is not over, as ``dialplan/callback.conf`` keeps it, made again from the history;
    "" when the history does not know enough. ``kept``: of the note that it was asked for."""
    place = f"{callback.queue}|{callback.id}"
    if not _KEPT.match(kept) or not _PLACE.match(place):
        return ""
    expires, prio0, rest = kept.split("|", 2)
    return f"{place}|{callback.joined_ms // 1000}|{prio0}|{expires}|{callback.tries}|0|{rest}"


def left(story: Story, stays: tuple[Stay, ...]) -> tuple[Stay, ...]:
    """The stays as callbacks change them: the last one ended in one (``withdrawn``), or in its dialogue, where the
    caller hung up (``abandoned``); and a stand-in is no caller who could abandon."""
    said = {event.user for event, _ in story.said}
    noted, standin = bool(said & NOTED), "STANDIN" in said
    if not (noted or standin or any(visit.status == KEY for visit in story.visits)):
        return stays
    changed = list(stays)
    for n, (visit, stay) in enumerate(zip(story.visits, stays, strict=True)):
        if stay.outcome in ("answered", "waiting", "system"):
            continue
        if standin or (noted and n == len(stays) - 1):
            changed[n] = replace(stay, outcome="withdrawn")
        elif visit.status == KEY:
            changed[n] = replace(stay, outcome="abandoned")
    return tuple(changed)


def recorded(event: str, fields: list[str]) -> str:
    """The recording that begins with the customer's answer; "" when there is none."""
    return fields[2] if event == "CALLBACK_END" and len(fields) > 2 and fields[1] == "spoken" else ""
