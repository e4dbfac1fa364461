"""Journals as Asterisk 22 and our dialplan write them, made up: for tests and for the bench.

A ``Script`` is one call's lines in both files, each with its time, so that calls can overlap like in life.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote

START_S = 1_763_700_000


@dataclass
class Script:
    """One call being written. ``now_ms`` moves as things happen."""

    serial: int
    now_ms: int
    caller: str = "+5511987654321"
    name: str = "Maria"
    number: str = "+551133334444"
    cel: list[tuple[int, str]] = field(default_factory=list)
    log: list[tuple[int, str]] = field(default_factory=list)
    channels: int = 0
    place: str = "ramal-arrive"

    @property
    def id(self) -> str:
        return f"{self.born_ms // 1000}.{self.serial}"

    def __post_init__(self) -> None:
        self.born_ms = self.now_ms
        self.main = self.id
        self.line = f"PJSIP/line-main-{self.serial:08x}"

    def wait(self, ms: int) -> "Script":
        self.now_ms += ms
        return self

    def event(self, kind: str, unique: str, channel: str, user: str = "", extra: str = "", number: str = "") -> None:
        at = f"{self.now_ms // 1000}.{self.now_ms % 1000:03d}{(self.serial * 7919 + len(self.cel) * 131) % 1000:03d}"
        whose = (number, "Fone " + number, "s", "phone") if number else (self.caller, self.name, "s", self.place)
        fields = (
            at,
            kind,
            self.id,
            unique,
            quote(channel, safe=""),
            quote(whose[0], safe=""),
            quote(whose[1], safe=""),
            *whose[2:],
            user,
            quote(extra, safe=""),
            "",
        )
        self.cel.append((self.now_ms, ",".join(fields)))

    def say(self, user: str, extra: str = "") -> "Script":
        self.event(user, self.main, self.line, user, f'{{"extra":"{extra}"}}')
        return self.wait(3)

    def queued(self, queue: str, member: str, event: str, *data: object) -> None:
        line = "|".join([str(self.now_ms // 1000), self.main, queue, member, event, *map(str, data)])
        self.log.append((self.now_ms, line))

    def arrive(self) -> "Script":
        self.event("CHAN_START", self.main, self.line)
        self.wait(2).say("ARRIVE", f"main|{self.number}|allowed").say("NUMBER", self.number)
        return self

    def pick_up(self) -> "Script":
        self.event("ANSWER", self.main, self.line)
        return self.wait(1)

    def menu(self, key: str = "1") -> "Script":
        self.pick_up().say("GREETING").wait(2500).say("MENU", "main").wait(1800)
        return self.say("KEY", f"main|{key}")

    def path(self, what: str) -> str:
        return f"2026/11/22/{self.id}-{what}"

    def join(self, queue: str = "sales") -> "Script":
        self.joined_ms = self.now_ms
        self.place = "ramal-queue"
        self.say("QUEUE", f"{queue}|{self.path('1')}")
        self.queued(queue, "NONE", "ENTERQUEUE", "", self.caller, 1)
        return self

    def ring(self, phone: str) -> tuple[str, str]:
        self.channels += 1
        unique = f"{self.now_ms // 1000}.{self.serial + self.channels}"
        channel = f"PJSIP/{phone}-{self.serial + self.channels:08x}"
        self.event("CHAN_START", unique, channel, number=phone)
        return unique, channel

    def miss(self, queue: str, agent: str, phone: str, rang_ms: int) -> "Script":
        unique, channel = self.ring(phone)
        self.wait(rang_ms)
        self.queued(queue, f"agent-{agent}", "RINGNOANSWER", rang_ms)
        self.hang(unique, channel, "")
        return self.wait(20)

    def hang(self, unique: str, channel: str, source: str) -> None:
        extra = f'{{"hangupcause":16,"hangupsource":"{source}","dialstatus":""}}'
        self.event("HANGUP", unique, channel, extra=extra, number=phone_of(channel))

    def bridge(self, kind: str, *channels: tuple[str, str]) -> None:
        for unique, channel in channels:
            bridge = f"724ecc3d-f761-42fa-aedf-{self.serial * 7_654_321 % (1 << 48):012x}"
            extra = f'{{"bridge_id":"{bridge}","bridge_technology":"simple_bridge"}}'
            self.event(kind, unique, channel, extra=extra, number=phone_of(channel))

    def talk(self, queue: str, agent: str, phone: str, ring_ms: int, talk_ms: int, by: str = "caller") -> "Script":
        unique, channel = self.ring(phone)
        self.wait(ring_ms)
        self.event("ANSWER", unique, channel, number=phone)
        self.wait(5)
        held_s = (self.now_ms - self.joined_ms) // 1000
        self.queued(queue, f"agent-{agent}", "CONNECT", held_s, unique, ring_ms // 1000)
        both = ((unique, channel), (self.main, self.line))
        self.bridge("BRIDGE_ENTER", *both)
        self.wait(talk_ms)
        self.bridge("BRIDGE_EXIT", *both)
        event = "COMPLETECALLER" if by == "caller" else "COMPLETEAGENT"
        self.queued(queue, f"agent-{agent}", event, held_s, talk_ms // 1000, 1)
        source = self.line if by == "caller" else channel
        self.hang(unique, channel, source)
        return self.wait(2).end(source)

    def abandon(self, queue: str = "sales") -> "Script":
        self.queued(queue, "NONE", "ABANDON", 1, 1, (self.now_ms - self.joined_ms) // 1000)
        return self.end(self.line)

    def time_out(self, queue: str = "sales") -> "Script":
        self.queued(queue, "NONE", "EXITWITHTIMEOUT", 1, 1, (self.now_ms - self.joined_ms) // 1000)
        return self.say("QUEUE_END", f"{queue}|TIMEOUT")

    def leave_message(self, ms: int = 8000) -> "Script":
        path = self.path("message")
        self.say("VOICEMAIL", f"sales|{path}").wait(3000)
        return self.say("MESSAGE", path).wait(ms)

    def end(self, source: str | None = None) -> "Script":
        self.hang(self.main, self.line, self.line if source is None else source)
        self.event("LINKEDID_END", self.main, self.line)
        return self


def phone_of(channel: str) -> str:
    """A phone's extension; "" for a line's channel."""
    end = channel.removeprefix("PJSIP/").rpartition("-")[0]
    return "" if end.startswith("line-") else end


def a_call(chance: random.Random, serial: int, at_ms: int) -> Script:
    """One random call: mostly answered, sometimes everything else."""
    number = f"+55{chance.choice((11, 11, 11, 21, 31, 19))}9{chance.randrange(10**8):08d}"
    name = f"{chance.choice(FIRST_NAMES)} {chance.choice(LAST_NAMES)}" if chance.random() < 0.6 else ""
    call = Script(serial, at_ms, number, name).arrive()
    queue = chance.choice(("sales", "support"))
    dice = chance.random()
    if dice < 0.70:
        call.menu().join(queue).wait(chance.randrange(300, 30000))
        if chance.random() < 0.3:
            call.miss(queue, "8", "202", 15000)
        agent = chance.randrange(1, 9)
        talk_ms = chance.randrange(5000, 400000)
        return call.talk(queue, str(agent), str(200 + agent), chance.randrange(1000, 9000), talk_ms)
    if dice < 0.85:
        return call.menu().join(queue).wait(chance.randrange(500, 90000)).abandon(queue)
    if dice < 0.92:
        return call.menu().join(queue).wait(300000).time_out(queue).leave_message().end()
    if dice < 0.95:
        return call.pick_up().say("CLOSED", "office").end("")
    if dice < 0.99:
        return call.pick_up().say("GREETING").wait(2000).say("MENU", "main").wait(900).end()
    return call.say("REFUSED", "unknown-number").end("")


def merge(calls: Iterable[Script]) -> tuple[bytes, bytes]:
    """The two files of some calls, each in the order of time."""
    calls = list(calls)
    files = []
    for lines in ([line for call in calls for line in call.cel], [line for call in calls for line in call.log]):
        lines.sort(key=lambda line: line[0])
        files.append("".join(text + "\n" for _, text in lines).encode())
    return files[0], files[1]


FIRST_NAMES = (
    "Maria",
    "José",
    "João",
    "Ana",
    "Antônio",
    "Francisca",
    "Carlos",
    "Adriana",
    "Paulo",
    "Juliana",
    "Márcia",
)
LAST_NAMES = ("Silva", "Santos", "Oliveira", "Souza", "Ferreira", "Alves", "Pereira", "Lima", "Gomes", "Araújo")
