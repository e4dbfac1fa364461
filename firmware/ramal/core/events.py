"""What happened: everything the engine can be told. Past tense, frozen. Imports nothing that does IO.

Times are ``at_ms`` (milliseconds since 1970 UTC) where the source says one; the engine's own clock is a parameter of
``step``. Names are Asterisk's own strings unless a type of ``core.ids`` says otherwise.
"""

from dataclasses import dataclass, field

from ramal.core.ids import AgentCode, CallId, Extension, QueueName
from ramal.core.office import Office
from ramal.core.places import logical


@dataclass(frozen=True, slots=True)
class Member:
    """An agent in a queue, as Asterisk sees it. ``status`` is Asterisk's device state number (1 free, 2 in use,
    3 busy, 4 invalid, 5 unavailable, 6 ringing, 7 ringing+in use, 8 on hold)."""

    queue: QueueName
    agent: AgentCode
    """The agent's code, ``7`` (the member name without ``agent-``)."""
    phone: Extension
    """The extension, ``201``."""
    status: int = 0
    in_call: bool = False
    paused: bool = False
    pause_reason: str = ""
    penalty: int = 0
    login_ms: int = 0
    last_call_ms: int = 0
    last_pause_ms: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """A caller in a queue."""

    queue: QueueName
    call: CallId
    """Asterisk's linked id."""
    channel: str
    caller: str
    caller_name: str
    position: int
    joined_ms: int
    home: str = ""
    """The office's queue, where ``queue`` is one of app_queue's behind it; "" = told by the name (core.places)."""
    prio0: int = 0
    """The caller's place in the order (core.order) without what waiting adds; 0 = not known."""
    prio: int = 0
    """The place as app_queue has it now."""
    first_s: int = 0
    """When the call joined its first queue, seconds since 1970: waiting counts from there."""

    @property
    def office_queue(self) -> str:
        """The office's queue the caller waits in."""
        return self.home or logical(self.queue)


@dataclass(frozen=True, slots=True)
class Talk:
    """An agent and a caller, connected. ``since_ms`` is 0 when the source does not say."""

    agent: AgentCode
    queue: QueueName
    call: CallId
    caller: str = ""
    caller_name: str = ""
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class AmiUp:
    """The session to Asterisk stands; the snapshot is complete: what it does not hold does not exist."""

    members: tuple[Member, ...]
    waiting: tuple[Waiting, ...]
    reached: tuple[str, ...] = field(default=())
    """Extensions of phones and ``line-…`` names with a reachable contact."""
    version: str = ""
    talks: tuple[Talk, ...] = ()
    """Who talks with whom, as far as the channels' variables tell; an agent ``in_call`` without one is shown
    talking with nobody known."""


@dataclass(frozen=True, slots=True)
class AmiDown:
    """The session to Asterisk ended; nothing is known until the next AmiUp."""

    reason: str


@dataclass(frozen=True, slots=True)
class CallerJoined:
    """A caller entered a queue. ``waiting.joined_ms`` is 0 when the source gave no time (the engine puts its own)."""

    waiting: Waiting


@dataclass(frozen=True, slots=True)
class CallerRanked:
    """A caller is about to enter one of app_queue's queues, with this place in the order: see ``Waiting``.
    ``since_s``: when it entered the office's queue ``home``."""

    queue: QueueName
    call: CallId
    channel: str
    home: str
    prio0: int
    prio: int
    first_s: int
    since_s: int


@dataclass(frozen=True, slots=True)
class CallbackHeld:
    """A callback waits outside its queue for the daemon to call its customer first (core.callback). ``callback``: its
    id; ``tries``: how often the customer was dialed so far; the place as in ``Waiting``."""

    callback: str
    queue: QueueName
    number: str
    prio0: int
    joined_s: int
    tries: int


@dataclass(frozen=True, slots=True)
class CallerLeft:
    """A caller left a queue, for whatever reason."""

    queue: QueueName
    call: CallId
    channel: str
    abandoned: bool = False


@dataclass(frozen=True, slots=True)
class MemberSeen:
    """A member was added or changed; the whole member as it is now."""

    member: Member


@dataclass(frozen=True, slots=True)
class MemberRemoved:
    """An agent left a queue (logged out of it). ``phone`` empty: with whatever phone."""

    queue: QueueName
    agent: AgentCode
    phone: str = ""


@dataclass(frozen=True, slots=True)
class AgentRang:
    """An agent's phone is being called for a waiting caller."""

    queue: QueueName
    agent: AgentCode
    call: CallId
    caller: str
    caller_name: str


@dataclass(frozen=True, slots=True)
class AgentAnswered:
    """An agent and a caller are connected. ``waited_ms`` from joining; whole seconds in Asterisk's AMI."""

    queue: QueueName
    agent: AgentCode
    call: CallId
    caller: str
    caller_name: str
    waited_ms: int
    channel: str = ""


@dataclass(frozen=True, slots=True)
class AgentMissed:
    """An agent's phone rang and was not answered."""

    queue: QueueName
    agent: AgentCode
    call: CallId
    rang_ms: int


@dataclass(frozen=True, slots=True)
class AgentDone:
    """The talk of an agent and a caller ended."""

    queue: QueueName
    agent: AgentCode
    call: CallId
    reason: str
    """``caller``, ``agent`` or ``transfer``."""


@dataclass(frozen=True, slots=True)
class ReachChanged:
    """A phone (extension) or line (``line-…``) became reachable or unreachable."""

    endpoint: str
    reachable: bool


@dataclass(frozen=True, slots=True)
class CommandRefused:
    """Asterisk refused one of our commands; nothing changed. ``what`` is the command's repr, ``reason`` Asterisk's."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class OfficeLoaded:
    """The office's settings were read or changed; from now on this is what is desired."""

    office: Office


@dataclass(frozen=True, slots=True)
class ConditionSeen:
    """Something worth a warning was looked at: it holds or not. Level-triggered, repeats change nothing.

    ``code`` is one of ``core.warnings.CODES``; ``args`` are the figures its text shows.
    """

    code: str
    holds: bool
    args: tuple[tuple[str, str | int], ...] = ()


@dataclass(frozen=True, slots=True)
class Ticked:
    """Some seconds passed: the moment to heal what an event missed."""


Event = (
    AmiUp
    | AmiDown
    | CallerJoined
    | CallerRanked
    | CallbackHeld
    | CallerLeft
    | MemberSeen
    | MemberRemoved
    | AgentRang
    | AgentAnswered
    | AgentMissed
    | AgentDone
    | ReachChanged
    | CommandRefused
    | OfficeLoaded
    | ConditionSeen
    | Ticked
)
