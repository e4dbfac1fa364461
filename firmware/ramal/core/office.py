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
Callback = Literal["no", "agent-first", "customer-first"]
DialOut = Literal["no", "national", "international"]
Measure = Literal["longest-wait", "callers-waiting", "service-level", "no-agent", "backup"]
MailSecurity = Literal["starttls", "tls", "none"]
MusicOrder = Literal["random", "in-order"]
SurveyAsks = Literal["everybody", "by-agent"]
Question = Literal["csat", "nps", "resolved", "sentence"]
CopyKind = Literal["sftp", "smb", "webdav"]
RecordPolicy = Literal["", "on-demand", "always", "never"]
RecordSides = Literal["", "mono", "stereo"]
PhoneModel = Literal["yealink", "grandstream-grp", "grandstream-gxp", "fanvil", "snom"]


@dataclass(frozen=True, slots=True)
class Saying:
    """A text in another language than the office's; the office's own stands in ``text`` or ``greeting``."""

    language: Language
    text: str


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
class DayPlan:
    """What one date is like instead of its weekday: spans with no ``days``, none = closed all day."""

    date: str
    """``2026-12-24``."""
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Hours:
    """Weekly opening hours in the office's time zone. No spans = always closed, said so in the file by ``closed``.

    ``dates`` come before ``holidays``, these before the week. ``holidays``: what holidays of the office's country,
    region and city are: ``open`` = days like any other.
    """

    name: str
    spans: tuple[Span, ...]
    holidays: Literal["open", "closed"] = "open"
    dates: tuple[DayPlan, ...] = ()


@dataclass(frozen=True, slots=True)
class Holiday:
    """A day the holidays library does not know: municipal ones, bridge days. ``date`` is ``2026-02-18``, or ``02-18``
    for every year."""

    date: str
    name: str = ""


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
    outgoing: bool = True
    """May calls go out here? Lines are tried in the order of the file, within one attempt."""
    rest_s: int = 60
    """After a failed attempt the line is tried last for this long (hysteresis)."""
    record: RecordPolicy = ""
    """Of the talks over this line; empty = as their queue and agent say (core.recording)."""
    record_sides: RecordSides = ""


@dataclass(frozen=True, slots=True)
class Number:
    """A DID, E.164, and where its calls go. ``hours`` empty = always open. ``greeting`` is spoken text.

    ``language`` empty = the office's. ``need``: a skill calls to this number ask for. ``priority``: levels, 0 to 5.
    """

    number: str
    to: Destination
    hours: str = ""
    closed: Destination = HANGUP
    greeting: str = ""
    label: str = ""
    greeting_in: tuple[Saying, ...] = ()
    language: Language | Literal[""] = ""
    need: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Phone:
    """A desk phone. ``virtual`` ones are played by the box itself, for trying and for tests.

    With ``mac`` (12 digits 0-9 A-F, as on its label) and ``model`` the phone fetches its settings from the box.
    """

    extension: str
    secret: str
    name: str = ""
    virtual: bool = False
    mac: str = ""
    model: PhoneModel | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class Membership:
    """An agent's place in a queue; members with a lower penalty (0 to 100) ring first."""

    queue: str
    penalty: int = 0


@dataclass(frozen=True, slots=True)
class Skill:
    """What an agent can do (``english``, ``en``, ``x-ray``); ``level`` 1 is best, 9 is last resort."""

    name: str
    level: int = 1


@dataclass(frozen=True, slots=True)
class Agent:
    """A person. ``code`` is typed on phones; ``phone`` is where ``*45`` logs this agent in without a code."""

    code: str
    name: str
    pin: str
    phone: str = ""
    queues: tuple[Membership, ...] = ()
    skills: tuple[Skill, ...] = ()
    supervisor: bool = False
    """May listen, whisper, barge, pause and log out others, with the PIN."""
    record: RecordPolicy = ""
    """Of this agent's talks; empty = as their queue and line say (core.recording)."""
    record_sides: RecordSides = ""
    """Of those that come through no queue."""
    voicemail: bool = False
    """Who calls this agent's phone directly, and is not answered, may leave a message."""

    @property
    def member(self) -> str:
        """The agent's name inside Asterisk: a code, because names with commas come back as ghosts."""
        return f"agent-{self.code}"


@dataclass(frozen=True, slots=True)
class Music:
    """A class of music on hold: the sounds that people brought for it in the page, ``order`` random or as their names
    sort. One without any sound yet is the box's own music."""

    name: str
    title: str = ""
    order: MusicOrder = "random"


@dataclass(frozen=True, slots=True)
class PauseReason:
    """Why an agent pauses: ``*47`` and ``key``. ``title`` is shown and spoken; ``max_min`` 0 = no limit, else a
    sentence and the lamp remind. ``productive`` time counts as work (training, back office)."""

    code: str
    key: str
    title: str
    productive: bool = False
    max_min: int = 0


@dataclass(frozen=True, slots=True)
class Disposition:
    """How a call ended for the business: ``key`` is pressed, ``text`` shown and spoken, ``code`` kept."""

    key: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Queue:
    """People wait here. ``title`` is for eyes and the agent's ear; ``answer_within_s`` is the service level's T and the
    promise that orders callers (see core.order).

    ``priority``: levels 0 to 5 every caller here has on entry; ``age_every_s``: each such while of waiting lifts a
    caller by one level, so that nobody starves. ``widen_after_s``: so long a call waits for an agent with the needed
    skill alone. ``sticky_s``: so long the agent who last spoke with this caller (within ``sticky_days``) rings alone;
    0 = off; the agent a contact names rings first all the same, then for ``ring_s``. ``full`` and ``predicted`` (with
    ``max_predicted_s``; 0 = off) are where callers go at entry.
    ``callback_key``: the key that leaves the queue for a callback; ``callback_offer_s``: offered at entry when the
    predicted wait is longer; 0 = never. ``extension``: what phones dial to reach or transfer into the queue.
    """

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
    record: RecordPolicy = "always"
    record_sides: RecordSides = ""
    notice: bool | None = None
    """Callers hear that they may be recorded, before they are; None = as the office says."""
    answer_within_s: int = 20
    announce_wait: bool = True
    priority: int = 0
    age_every_s: int = 60
    widen_after_s: int = 30
    sticky_s: int = 0
    sticky_days: int = 7
    full: Destination | None = None
    max_predicted_s: int = 0
    predicted: Destination | None = None
    hours: str = ""
    closed: Destination = HANGUP
    callback: Callback = "no"
    callback_key: str = ""
    callback_offer_s: int = 0
    callback_tries: int = 3
    callback_retry_min: int = 10
    callback_expires_min: int = 240
    callback_hours: str = ""
    extension: str = ""
    whisper: bool = True
    music: str = ""
    """What is heard while waiting and on hold; empty = the box's own."""
    dispositions: tuple[Disposition, ...] = ()
    survey: str = ""
    """What callers are asked after the talk; empty = nothing."""
    keep_days: int | None = None
    """How long its recordings are kept; None = as the office says, 0 = for as long as there is room."""
    sac: bool = False
    """Customer service by law (Brazil's SAC): its recordings are kept for at least as long as the law says."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """What calls to the outside are made for. An agent dials ``*3``, ``code``, ``*`` and the number: the talk is then
    recorded, and its recording kept, as the campaign says. ``title`` is for eyes."""

    name: str
    code: str
    title: str = ""
    record: RecordPolicy = ""
    """Of its talks; empty = as line and agent say (core.recording)."""
    record_sides: RecordSides = ""
    keep_days: int | None = None
    """How long its recordings are kept; None = as the office says (``campaign_days``), 0 = for as long as there is
    room."""
    sac: bool = False
    """Customer service by law, as of a queue."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a caller is asked by keys after the talk, in this order: ``csat`` 1 to 5, ``nps`` 0 to 10, ``resolved`` yes
    or no, ``sentence``: a recorded one; at most three.

    ``asks`` everybody: whoever is still there when the agent has hung up or handed on, so that no agent can avoid it;
    by-agent: whom the agent transfers to ``*54``. Of them ``percent``, and nobody again within ``not_again_days`` (who
    withholds the number by percent only). ``limit_s``: no question is begun later than so long after the first word.
    The texts are our own where empty, in the call's language.
    """

    name: str
    questions: tuple[Question, ...] = ("csat",)
    asks: SurveyAsks = "everybody"
    percent: int = 100
    not_again_days: int = 30
    limit_s: int = 90
    intro: str = ""
    intro_in: tuple[Saying, ...] = ()
    csat: str = ""
    csat_in: tuple[Saying, ...] = ()
    nps: str = ""
    nps_in: tuple[Saying, ...] = ()
    resolved: str = ""
    resolved_in: tuple[Saying, ...] = ()
    sentence: str = ""
    sentence_in: tuple[Saying, ...] = ()
    thanks: str = ""
    thanks_in: tuple[Saying, ...] = ()

    def said(self, part: str) -> tuple[str, tuple[Saying, ...]]:
        """The office's own text of a part (``intro``, a question, ``thanks``); empty = ours."""
        return getattr(self, part), getattr(self, f"{part}_in")


SURVEY_PARTS = ("intro", "csat", "nps", "resolved", "sentence", "thanks")
"""What of a survey is spoken."""


@dataclass(frozen=True, slots=True)
class Option:
    """One key of a menu: ``0`` to ``9``, ``*`` or ``#``. Pressing it may also set the call's language for all that
    follows, the skill it needs, and lift its priority by levels. ``to`` may be ``back`` or ``repeat`` here."""

    key: str
    to: Destination
    language: Language | Literal[""] = ""
    need: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Menu:
    """A menu (URA): ``text`` is spoken, then a key is awaited ``wait_s`` seconds, at most ``tries`` times.

    ``wrong_tries`` and ``silent_tries`` count wrong keys and silence apart (0 = only ``tries`` counts). The menu ends
    when ``tries``, ``wrong_tries`` or ``silent_tries`` is reached, whichever is first; the last thing that happened
    says where it leads: a wrong key to ``wrong``, silence to ``silent``, each None = ``otherwise``. Entering a menu
    begins the counts anew, ``repeat`` does not. ``back`` leads to the menu before it on the caller's way, on the first
    menu of the call to that menu itself.
    ``direct_dial``: the extension of a phone or queue may be typed at any time. A key that is an option and also begins
    an extension is taken as the option after two seconds without another digit; all others at once.
    """

    name: str
    text: str
    options: tuple[Option, ...]
    wait_s: int = 5
    tries: int = 3
    otherwise: Destination = HANGUP
    text_in: tuple[Saying, ...] = ()
    wrong_tries: int = 0
    silent_tries: int = 0
    wrong: Destination | None = None
    silent: Destination | None = None
    direct_dial: bool = False


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that somebody must be told of. ``queue`` empty = all queues.

    ``measure``: ``longest-wait``: somebody waits for more than ``limit`` seconds; ``callers-waiting``: more than
    ``limit`` callers wait; ``service-level``: of the calls of the last ``window_min`` minutes, at least ``min_calls``,
    fewer than ``limit`` percent were answered in time (F6, core.kpi); ``no-agent``: nobody is logged in during
    ``hours`` (empty = the queue's, and these empty = always); ``backup``: the last backup failed, was not equal when
    it was restored, lies on the box only though it should not, or is older than two days. It must hold for ``holds_s``
    seconds to be raised, and be over for as long to be cleared. ``mail``: addresses; ``webhook``: an address that gets
    JSON, signed with ``webhook_secret``. ``resolved``: the end is told too. Within ``quiet_min`` minutes nothing is
    raised again.
    """

    name: str
    measure: Measure
    queue: str = ""
    limit: int = 0
    window_min: int = 30
    min_calls: int = 5
    hours: str = ""
    holds_s: int = 0
    mail: tuple[str, ...] = ()
    webhook: str = ""
    webhook_secret: str = ""
    resolved: bool = True
    quiet_min: int = 15


@dataclass(frozen=True, slots=True)
class Mail:
    """The office's way to send mail: a server that takes it from us. ``sender`` is the address it comes from."""

    host: str
    sender: str
    port: int = 587
    security: MailSecurity = "starttls"
    username: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Voicemail:
    """A box for messages: a queue's (its name), an agent's (``agent-7``), ``office``, or one of its own.

    ``greeting`` is said instead of our sentence, ``closed_greeting`` when ``hours`` say closed (without hours: when the
    call was led here because of closing). ``max_s``: a message's longest. ``mail``: who gets every message, with the
    sound in it when ``mail_sound``. ``phones``: whose message lamps show it, besides those of its agent.
    """

    name: str
    greeting: str = ""
    greeting_in: tuple[Saying, ...] = ()
    hours: str = ""
    closed_greeting: str = ""
    closed_greeting_in: tuple[Saying, ...] = ()
    max_s: int = 180
    mail: tuple[str, ...] = ()
    mail_sound: bool = True
    phones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recordings:
    """How long recordings are kept, and how much room they may take (core.retention).

    ``keep_days`` (talks), ``message_days``, ``survey_days``, ``campaign_days``: then they go by themselves; 0 = for as
    long as there is room. ``minimum_days``: nothing younger ever goes, and the law may ask for more. ``quota_gb`` (0 =
    none) and ``quota_percent`` of the disk: when they take more, what would go next goes early. ``keep_free_mb``: with
    less free, no new call is recorded (0 = a fiftieth of the disk, 20 MB to 1 GB).
    ``sides``: stereo has the customer left and the office right, where nobody else says. ``notice``: who may be
    recorded hears so first. ``objection_key``: who presses it then is not recorded; empty = nobody can.
    ``record_code`` and ``card_code``: dialed during a talk, to record on demand, and to keep the recording silent
    (card-safe) for at most ``card_limit_s``. ``seal_mail``: who gets each day's seal by mail, to keep it elsewhere.
    """

    keep_days: int = 365
    message_days: int = 180
    survey_days: int = 365
    campaign_days: int = 365
    minimum_days: int = 30
    quota_gb: int = 0
    quota_percent: int = 90
    keep_free_mb: int = 0
    sides: Literal["mono", "stereo"] = "mono"
    notice: bool = True
    objection_key: str = "9"
    record_code: str = "*1"
    card_code: str = "*7"
    card_limit_s: int = 120
    seal_mail: tuple[str, ...] = ()
    name: str = "recordings"
    """Not a setting: what the one table is called where things are told apart by their names."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Where the kept recordings are copied to, outside the box. ``port`` 0 = the usual one of ``kind``. ``folder``: for
    smb the share comes first. ``fingerprint`` of the host key (sftp; without it nothing is sent) or of the certificate
    (webdav; without it an authority that this machine knows must have signed it). ``window``: the time of the night in
    which copies are made, in the office's time zone; both ends the same = at any time. ``bandwidth_kbit`` 0 = no limit.
    ``delete``: what goes here for its age goes there too; an erased person's recordings always do. ``warn_days``: so
    long a recording may be without its copy."""

    kind: CopyKind
    host: str
    folder: str
    user: str
    secret: str
    port: int = 0
    fingerprint: str = ""
    window: str = "01:00-06:00"
    bandwidth_kbit: int = 0
    delete: bool = False
    warn_days: int = 3


@dataclass(frozen=True, slots=True)
class Backup:
    """The nightly backup of settings and database (core.backups). ``hour`` of the office's clock; ``folder``: an
    absolute path, empty = the box's own; ``stick``: a folder on another disk that is mounted here, for a second copy;
    ``off_box``: a copy also goes where [copy] sends the recordings. Kept are the newest of so many ``days``, ``weeks``
    and ``months``, at each place at most ``max_mb`` of 1,000,000 bytes."""

    hour: int = 3
    folder: str = ""
    stick: str = ""
    off_box: bool = False
    days: int = 7
    weeks: int = 4
    months: int = 6
    max_mb: int = 2000
    name: str = "backup"
    """Not a setting: what the one table is called where things are told apart by their names."""


@dataclass(frozen=True, slots=True)
class Office:
    """Everything one box is configured with.

    ``languages``: spoken besides ``language``. ``dial_out``: what phones may call over the lines; emergency numbers
    always pass. ``parking``: the extension that parks a call (slots follow it); empty = none. ``parking_s``: so
    long a parked call waits before it rings where it was parked. ``misses`` unanswered calls within ``misses_min``
    minutes pause an agent (0 = never), for ``miss_pause_min`` minutes (0 = until the agent takes it back).
    ``reject_s``: how long an agent who rejected a call is left alone. ``wrap_extend_s``: what ``*50`` adds.
    ``blocked_message``: blocked callers hear a sentence, else nothing. ``vip_priority`` and ``repeat_priority``:
    levels. ``agents_see_surveys``: agents see the figures of their own surveys. ``safe_phone``: the extension that gets
    every call in safe mode (``core.safe``); empty = the first phone.
    """

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
    holidays: tuple[Holiday, ...] = ()
    pauses: tuple[PauseReason, ...] = ()
    music: tuple[Music, ...] = ()
    surveys: tuple[Survey, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    mail: tuple[Mail, ...] = ()
    """One at most."""
    copy: tuple[Copy, ...] = ()
    """One at most."""
    recordings: tuple[Recordings, ...] = ()
    """One at most; none = the defaults."""
    backup: tuple[Backup, ...] = ()
    """One at most; none = the defaults."""
    voicemails: tuple[Voicemail, ...] = ()
    city: str = ""
    languages: tuple[Language, ...] = ()
    dial_out: DialOut = "no"
    parking: str = "700"
    parking_slots: int = 9
    parking_s: int = 120
    misses: int = 3
    misses_min: int = 10
    miss_pause_min: int = 0
    reject_s: int = 30
    wrap_extend_s: int = 60
    blocked_message: bool = True
    vip_priority: int = 3
    repeat_priority: int = 1
    agents_see_surveys: bool = False
    safe_phone: str = ""
