"""What a call was: the vocabulary of history.

Pure. ``core.fold`` makes these values out of the journals' events; ``store`` keeps them; the page shows them. Times are
milliseconds since 1970 UTC (``_ms``), durations milliseconds (``_ms`` too, named so that they cannot be mistaken:
``wait_ms``, ``ring_ms``, ``talk_ms``).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from ramal.core.gap import Gap

Direction = Literal["in", "out", "internal"]
HangupBy = Literal["", "caller", "agent", "system"]
Category = Literal[
    "answered",
    "abandoned",
    "timed_out",
    "overflowed",
    "blocked",
    "unanswered",
    "closed",
    "refused",
    "message",
    "gave_up",
    "withdrawn",
    "system",
    "connected",
    "not_connected",
    "service",
]
"""How a call ended; exactly one per ended call.

Received calls (direction ``in``) end in one of these, and the counts sum to the received calls (FIELD 3.1):

- ``answered``: a person spoke with the caller, in a queue or on a phone. Wins over everything else.
- ``system``: Asterisk or the power went away before anybody answered.
- ``abandoned``: hung up while waiting in a queue, also while an agent's phone was ringing.
- ``timed_out``: the queue's wait limit passed. A message left afterwards does not change it (``has_message``).
- ``overflowed``: left the queue unanswered for any other reason than the limit, a hang-up or ``blocked`` (a key, a
  transfer).
- ``blocked``: the queue was full or nobody was there, on entering or while waiting.
- ``unanswered``: a phone was rung directly, without a queue, and nobody answered.
- ``refused``: the box did not take the call (unknown number, line full, the number leads to hang-up).
- ``closed``: came outside opening hours, and nothing above happened.
- ``message``: led to voicemail without having waited in a queue.
- ``gave_up``: hung up, or was hung up on after too many tries, in greeting or menu.
- ``withdrawn``: left the queue for a callback, or asked again while one to this number was noted; what became of it
  stands in the callback (``core.callback_history``).

With several queues the last one the caller really waited in decides.
Calls of direction ``out`` and ``internal``: ``connected``, ``not_connected``, or ``service`` (a code dialled on a
phone: login, pause).
"""
CATEGORIES: tuple[Category, ...] = get_args(Category)
RECEIVED: tuple[Category, ...] = CATEGORIES[:12]

Outcome = Literal[
    "waiting", "answered", "abandoned", "timed_out", "overflowed", "blocked", "withdrawn", "system"
]  # of one stay in one queue

StepKind = Literal[
    "arrived",  # line, number
    "refused",  # reason
    "closed",  # hours, queue: "" = a number's hours
    "greeting",
    "menu",  # menu, again: "again" when it was heard once more by a key
    "key",  # menu, key
    "wrong_key",  # menu, key
    "no_key",  # menu
    "menu_given_up",  # menu, reason: wrong, silent
    "language",  # language: the call goes on in it
    "need",  # skill
    "queue_joined",  # queue, position
    "queue_refused",  # queue, reason
    "queue_left",  # queue, reason: timed_out, overflowed, blocked
    "ringing",  # queue or "", agent, phone
    "missed",  # agent, rang_ms
    "ring_cancelled",  # agent, rang_ms
    "answered",  # queue or "", agent, phone, wait_ms
    "phone",  # phone: a phone is called directly
    "parked",  # by: the phone
    "retrieved",  # phone, place, agent
    "picked_up",  # phone, agent: a call that rang elsewhere is taken
    "came_back",  # phone, reason: a transfer or a parked call that nobody took
    "do_not_disturb",  # phone, state
    "forward",  # phone, number: "" = no more
    "phone_not_answered",  # phone, reason: BUSY, NOANSWER, CHANUNAVAIL, …
    "transferred",  # by, to, how: blindtransfer, attendedtransfer
    "voicemail",  # box
    "message",  # result: "" (begun), KEPT, SHORT (nothing was said), FULL, ERROR
    "messages_opened",  # box, agent, phone: somebody dials a box
    "message_act",  # act (core.messages.ACTS), box, id, agent (or page:user), phone
    "dialled",  # number: a call from the inside
    "campaign",  # campaign: the call is made for it
    "login",
    "logout",
    "pause",
    "resume",
    "night",  # hours, state: open, closed, auto; phone
    "disposition",  # agent, queue, code
    "wrap_up",  # agent, seconds, how: queue, direct, outside, extended
    "wrap_up_ended",  # agent: by hand
    "notice",  # agent, phone, about: missed, long (a pause)
    "status",  # agent: heard how things stand
    "callback_noted",  # id, queue, number
    "callback_again",  # id, queue, number: one was noted already
    "callback_waiting",  # id, queue, number: a stand-in waits at the caller's place
    "callback_state",  # id, state: waiting, not_allowed
    "callback_calling",  # id, n: an agent is there, the customer is called for the n-th time
    "callback_over",  # id, result: spoken, expired, served
    "returning",  # agent, phone, number: somebody calls a missed caller back from the work list
    "decision",  # code, a, b, c of the dialplan's WHY, or code and the daemon's own names (store.decisions)
    "code_refused",
    "supervised",  # act: listen, whisper, barge, pause, resume, logout; by: a supervisor's code or page:user; agent
    "recording",  # act: told (heard the notice), objected, on, off; why: always, code, never; path
    "card_on",  # phone, agent, path
    "card_off",  # why: code (also after a hold), transfer, stopped, limit, end; seconds; long: 1; path
    "survey_answer",  # queue, agent, question, value: csat 1 to 5, nps 0 to 10, resolved yes/no; "" of a sentence
    "abandoned",  # queue, position
    "hung_up",  # by: caller, agent, system; cause: Q.850
    "restarted",  # Asterisk or the power went away
]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a call. ``who`` is an agent code, an extension or ""; ``detail`` holds codes, never sentences."""

    at_ms: int
    kind: StepKind
    who: str
    detail: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Stay:
    """One stay of a caller in one queue. ``wait_ms`` runs from joining to the bridge with an agent or to leaving;
    None while waiting. ``missed`` are the agents whose phones rang unanswered, in order, with repeats."""

    queue: str
    joined_ms: int
    left_ms: int | None
    outcome: Outcome
    agent: str = ""
    position: int | None = None
    wait_ms: int | None = None
    ring_ms: int | None = None
    talk_ms: int | None = None
    missed: tuple[str, ...] = ()


MenuEvent = Literal["entered", "again", "key", "wrong", "silent", "given-up", "hung-up", "lost"]


@dataclass(frozen=True, slots=True)
class MenuTally:
    """How often something happened in a menu during one call; ``key`` is what was pressed or dialed, "" for the rest.
    See ``core.menus``."""

    menu: str
    event: MenuEvent
    key: str
    n: int


LegStart = Literal["answered", "transferred", "picked_up", "retrieved", "came_back"]
LegEnd = Literal["", "hung_up", "transferred", "parked"]


@dataclass(frozen=True, slots=True)
class Part:
    """One leg of a call: with whom the caller spoke, from when to when. ``agent`` and ``phone`` inside, ``number``
    outside (E.164). ``to_ms`` None and ``ended`` "" while they speak. ``ended`` hung_up: by any side."""

    agent: str
    phone: str
    number: str
    from_ms: int
    to_ms: int | None
    began: LegStart
    ended: LegEnd


@dataclass(frozen=True, slots=True)
class Take:
    """A recording that the call's events say has begun. ``path`` as the dialplan wrote it, with its extension.
    ``expected_ms`` is the talk it should hold, None when unknown or still going on."""

    kind: Literal["talk", "message", "survey"]
    path: str
    started_ms: int
    expected_ms: int | None
    sides: str = ""
    """mono or stereo; "" as the file says."""
    gaps: tuple[Gap, ...] = ()
    """What may not be heard in it, in order."""


@dataclass(frozen=True, slots=True)
class Supervised:
    """What a supervisor did in this call: ``act`` is listen, whisper, barge, pause, resume or logout; ``by`` a
    supervisor's code or ``page:user``. ``channels`` are the names of the listened-to phone's channels."""

    at_ms: int
    act: str
    by: str
    agent: str
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What the caller was asked after the talk, and answered. ``asked`` is empty and ``why`` says why when nobody was
    asked (``not-sampled``, ``asked-lately``). ``agent``: who spoke last. ``csat`` 1 to 5, ``nps`` 0 to 10, ``resolved``
    0 or 1, ``sentence`` the path of its recording; None and "" = not answered."""

    at_ms: int
    queue: str
    agent: str
    asked: tuple[str, ...] = ()
    why: str = ""
    csat: int | None = None
    nps: int | None = None
    resolved: int | None = None
    sentence: str = ""


CallbackEvent = Literal["noted", "again", "waiting", "not_allowed", "calling", "spoken", "expired", "served"]


@dataclass(frozen=True, slots=True)
class CallbackNote:
    """What one call's journal says about the callback ``id`` (the linked id of the call it was asked for in).

    ``queue``, ``number`` (E.164) and ``joined_ms`` with ``noted``; ``n`` counts the attempts, with ``calling``;
    ``agent`` with ``spoken`` and ``served``; ``kept`` with ``noted``: what else Asterisk's record of it holds
    (``callback_history.record``), "" when the journal does not say.
    """

    at_ms: int
    id: str
    event: CallbackEvent
    queue: str = ""
    number: str = ""
    joined_ms: int = 0
    n: int = 0
    agent: str = ""
    kept: str = ""


MessageEvent = Literal["begun", "kept", "failed", "heard", "deleted", "returned", "restored", "adopted", "expired"]


@dataclass(frozen=True, slots=True)
class MessageNote:
    """What one call's journal says about a message (``core.messages``). ``file`` (below the recordings, without .wav),
    ``sound_ms`` and ``number`` with ``begun`` and ``kept``; ``who`` an agent's code, ``page:user`` or "", ``phone``
    where."""

    at_ms: int
    id: str
    event: MessageEvent
    box: str
    file: str = ""
    sound_ms: int = 0
    number: str = ""
    who: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One call, folded from its journal. ``category`` and ``ended_ms`` are None exactly while it runs.

    ``caller`` as Asterisk had it (``+`` and digits when normalised); ``number`` is the DID that was called, or what was
    dialled. ``menu`` is the path of keys, ``main:1 sales:2``, its last 24 places. ``queue``, ``agent``, ``phone`` are
    the last that had to do with the caller. ``wait_ms``: from joining the first queue to the first answer or
    leaving the last queue.
    """

    id: str
    direction: Direction
    category: Category | None
    started_ms: int
    ended_ms: int | None
    line: str = ""
    number: str = ""
    caller: str = ""
    caller_name: str = ""
    menu: str = ""
    queue: str = ""
    agent: str = ""
    phone: str = ""
    wait_ms: int | None = None
    ring_ms: int | None = None
    talk_ms: int | None = None
    hangup_by: HangupBy = ""
    missed: tuple[str, ...] = ()
    has_message: bool = False
    stays: tuple[Stay, ...] = ()
    takes: tuple[Take, ...] = ()
    menus: tuple[MenuTally, ...] = ()
    legs: tuple[Part, ...] = ()
    """Of a call that was handed on, in order; a call with one leg has none here, for its own fields say it all."""
    supervised: tuple[Supervised, ...] = ()
    callbacks: tuple[CallbackNote, ...] = ()
    survey: Surveyed | None = None
    messages: tuple[MessageNote, ...] = ()
    disposition: str = ""
    """A code of the queue's dispositions, as the agent said last; "" while nobody said."""
    campaign: str = ""
    """The campaign a call to the outside was made for; "" = none."""


_LINKED_ID = re.compile(r"(?:[A-Za-z0-9_-]+-)?([0-9]{1,11})\.([0-9]{1,12})\Z")
SEQUENCES = 2048
"""Channels Asterisk could make within one second before two calls would get the same key."""


def call_key(linked_id: str) -> int | None:
    """The number a call is stored and paged under: it orders calls by their beginning. None for what is no linked id.

    Asterisk's linked id is the second the call began in and a running number.
    """
    match = _LINKED_ID.match(linked_id)
    if match is None:
        return None
    return int(match[1]) * SEQUENCES + int(match[2]) % SEQUENCES


def first_key(at_ms: int) -> int:
    """The lowest key a call that began at ``at_ms`` or later can have (to the second)."""
    return at_ms // 1000 * SEQUENCES
