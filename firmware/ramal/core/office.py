"""What an office is: the settings of one box, as values.

Pure. Built from TOML or from the database by ``office_file`` (which refuses what is wrong, so an ``Office`` in hand is
valid), read by ``asterisk.render`` and by the engine. Order of every tuple is the order of the file and is kept.
Fields with defaults are optional in the file. Seconds are whole seconds.
"""

from dataclasses import dataclass
from typing import Literal

from ramal.core.destination import HANGUP, Destination

Language = Literal["pt-BR", "en", "es"]
LineKind = Literal["sip-register", "sip-peer", "fxo", "gateway"]
Strategy = Literal["longest-idle", "fewest-calls", "round-robin", "ring-all", "in-order", "random"]
Transport = Literal["udp", "tcp", "tls"]
DtmfMode = Literal["auto", "rfc4733", "info", "inband"]


@dataclass(frozen=True, slots=True)
class Span:
    """One opening span: weekdays 0 (Monday) to 6, from ``opens`` to ``closes`` in minutes after midnight.

    ``closes`` may be 1440 (midnight at the day's end); a span over midnight has ``closes <= opens`` and belongs to
    the day it opens on. The minute ``closes`` itself is closed.
    """

    days: tuple[int, ...]
    opens_min: int
    closes_min: int


@dataclass(frozen=True, slots=True)
class Hours:
    """Weekly opening hours in the office's time zone. No spans = always closed, said so in the file by ``closed``."""

    name: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A way to the public network.

    ``sip-register``: we register at ``host`` with ``username``/``secret``. ``sip-peer``: calls come from ``addresses``
    (IP addresses or networks), ours go to ``host``. ``fxo`` and ``gateway`` are kept for the analog lines: accepted by
    the file, refused by ``apply`` with a sentence while no driver is there.
    ``channels``: simultaneous calls, both directions. ``caller_ids``: E.164 numbers shown when calling out.
    """

    name: str
    kind: LineKind
    host: str = ""
    port: int = 5060
    transport: Transport = "udp"
    username: str = ""
    secret: str = ""
    addresses: tuple[str, ...] = ()
    channels: int = 2
    caller_ids: tuple[str, ...] = ()
    dtmf: DtmfMode = "auto"


@dataclass(frozen=True, slots=True)
class Number:
    """A DID, E.164, and where its calls go. ``hours`` empty = always open. ``greeting`` is spoken text."""

    number: str
    to: Destination
    hours: str = ""
    closed: Destination = HANGUP
    greeting: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Phone:
    """A desk phone. ``virtual`` ones are played by the box itself, for trying and for tests."""

    extension: str
    secret: str
    name: str = ""
    virtual: bool = False


@dataclass(frozen=True, slots=True)
class Membership:
    """An agent's place in a queue; members with a lower penalty (0 to 100) ring first."""

    queue: str
    penalty: int = 0


@dataclass(frozen=True, slots=True)
class Agent:
    """A person. ``code`` is typed on phones; ``phone`` is where ``*45`` logs this agent in without a code."""

    code: str
    name: str
    pin: str
    phone: str = ""
    queues: tuple[Membership, ...] = ()

    @property
    def member(self) -> str:
        """The agent's name inside Asterisk: a code, because names with commas come back as ghosts."""
        return f"agent-{self.code}"


@dataclass(frozen=True, slots=True)
class Queue:
    """People wait here. ``title`` is for eyes; ``answer_within_s`` is the service level's T."""

    name: str
    title: str = ""
    strategy: Strategy = "longest-idle"
    ring_s: int = 15
    retry_s: int = 2
    wrap_up_s: int = 5
    max_wait_s: int = 300
    max_waiting: int = 50
    overflow: Destination = HANGUP
    no_agent: Destination | None = None
    announce_position: bool = True
    announce_every_s: int = 45
    record: bool = True
    answer_within_s: int = 20


@dataclass(frozen=True, slots=True)
class Option:
    """One key of a menu: ``0`` to ``9``, ``*`` or ``#``."""

    key: str
    to: Destination


@dataclass(frozen=True, slots=True)
class Menu:
    """A menu (URA): ``text`` is spoken, then a key is awaited ``wait_s`` seconds, at most ``tries`` times."""

    name: str
    text: str
    options: tuple[Option, ...]
    wait_s: int = 5
    tries: int = 3
    otherwise: Destination = HANGUP


@dataclass(frozen=True, slots=True)
class Office:
    """Everything one box is configured with."""

    name: str
    country: str = "BR"
    region: str = ""
    timezone: str = "America/Sao_Paulo"
    language: Language = "pt-BR"
    lines: tuple[Line, ...] = ()
    numbers: tuple[Number, ...] = ()
    phones: tuple[Phone, ...] = ()
    agents: tuple[Agent, ...] = ()
    queues: tuple[Queue, ...] = ()
    menus: tuple[Menu, ...] = ()
    hours: tuple[Hours, ...] = ()
