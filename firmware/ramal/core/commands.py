"""What is to be done: everything the core can ask of the edges. Imperative, frozen. Imports nothing that does IO."""

from dataclasses import dataclass

from ramal.core.ids import AgentCode, CallId, Extension, QueueName


@dataclass(frozen=True, slots=True)
class AddMember:
    """Put a logged-in agent into a queue."""

    queue: QueueName
    agent: AgentCode
    phone: Extension
    penalty: int
    paused: bool = False
    pause_reason: str = ""


@dataclass(frozen=True, slots=True)
class RemoveMember:
    """Take an agent's phone out of a queue."""

    queue: QueueName
    phone: Extension


@dataclass(frozen=True, slots=True)
class SetPenalty:
    """Change a member's penalty."""

    queue: QueueName
    phone: Extension
    penalty: int


@dataclass(frozen=True, slots=True)
class PauseMember:
    """Pause or resume an agent in every queue. ``reason`` is a code (``lunch``), never free text."""

    phone: Extension
    paused: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Originate:
    """Call ``channel`` and send it to ``context``/``exten``; ``attempt`` is the ActionID. Never sent twice."""

    attempt: str
    channel: str
    context: str
    exten: str
    caller_id: str = ""
    timeout_ms: int = 30_000
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ChangePriority:
    """Move a waiting caller: ``priority`` is app_queue's number (see core.order), applied at once."""

    queue: QueueName
    channel: str
    priority: int


@dataclass(frozen=True, slots=True)
class WithdrawCaller:
    """Take a waiting caller out of a queue; its dialplan goes on with QUEUE_WITHDRAW_INFO = ``info``."""

    queue: QueueName
    channel: str
    info: str


@dataclass(frozen=True, slots=True)
class PutSwitch:
    """Write a switch ahead, so that the dialplan decides by it also when this process is dead (AstDB). An empty
    ``value`` deletes. ``family`` and ``key`` are ours; ``value`` holds no control characters."""

    family: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class NoteDecision:
    """Keep why a call waits or goes somewhere: ``code`` and ``args`` are codes, words come from the catalogs."""

    call: CallId
    code: str
    args: tuple[tuple[str, str | int], ...] = ()


ToAsterisk = (
    AddMember | RemoveMember | SetPenalty | PauseMember | Originate | ChangePriority | WithdrawCaller | PutSwitch
)
Command = ToAsterisk | NoteDecision
