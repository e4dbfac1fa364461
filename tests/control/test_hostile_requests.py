"""Whatever is asked over the control socket is answered by a sentence: every request the daemon knows, with hostile
fields, by several askers at once, with Asterisk there and gone. The daemon is the real process, Asterisk a fake one.
"""

import json
import random
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ramal.app import Daemon, Pace, Peers
from ramal.box.home import Home
from ramal.control import address, protocol
from tests.fakes.ami_peer import AmiPeer
from tests.process.conftest import DaemonProcess, asterisk, home, start
from tests.until import until

__all__ = ["asterisk", "home", "start"]

OFFICE = """
[office]
name = "Alvo"
country = "BR"

[[phone]]
extension = "201"
secret = "a-long-secret-for-201"
mac = "00:0b:82:aa:bb:01"
model = "grandstream-grp"

[[hours]]
name = "shop"
open = ["mon-fri 08:00-18:00"]

[[queue]]
name = "sales"
whisper = true
dispositions = { 1 = "sold: Vendido" }

[[queue]]
name = "support"

[[agent]]
code = "7"
name = "Ana"
pin = "4711"
phone = "201"
queues = ["sales"]

[[pause]]
key = "1"
code = "lunch"
title = "Almoço"

[[alarm]]
name = "late"
measure = "callers-waiting"
limit = 3
"""
MEMBER = (("Event", "QueueMember"), ("Queue", "sales"), ("Name", "agent-7"), ("Location", "PJSIP/201"), ("Status", "1"))
ENTRY = (("Event", "QueueEntry"), ("Queue", "sales"), ("Channel", "PJSIP/x-1"), ("Uniqueid", "1763.1"),
         ("CallerIDNum", "+5511999990000"), ("Wait", "12"), ("Position", "1"))  # fmt: skip

USUAL: dict[str, Sequence[Any]] = {
    "who": ("owner", "ana"),
    "agent": ("7", "9"),
    "phone": ("201",),
    "extension": ("201",),
    "queue": ("support", "sales"),
    "call": ("1763.1", "1763.999"),
    "id": ("1763.1",),
    "number": ("+5511999990000", "1187654321"),
    "hours": ("shop", ""),
    "state": ("open", "closed", "auto"),
    "mode": ("listen", "whisper"),
    "reason": ("lunch", "busy"),
    "act": ("pause", "resume", "logout", "login"),
    "attempt": ("attempt-12345",),
    "name": ("ana", "owner", "cfg000b82aabb01.xml"),
    "role": ("agent", "owner"),
    "hash": ("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$aGFzaGhhc2hoYXNo",),
    "contact": ({"number": "+5511999990000", "name": "Zé"},),
    "csv": ("number,name\n+5511999990000,Zé\n",),
    "more": (True, False),
    "import": ("",),
    "alarm": ("late",),
    "screen": ("1",),
    "code": ("sold",),
    "text": ("A note.",),
    "toml": (OFFICE, "[office]\nname = 3\n"),
    "file": ("o.toml",),
    "minutes": (5, 0),
    "host": ("10.0.0.1:8080",),
    "address": ("10.0.0.9",),
    "token": ("",),
    "what": ("recording.played",),
    "detail": ("x",),
    "drill": ("nothing",),
}
FORGED = "x\r\nAction: Originate\r\nChannel: Local/evil@phone\r\n\r\n"


def deep(levels: int) -> Any:
    found: Any = "x"
    for _ in range(levels):
        found = {"number": [found]}
    return found


HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 10**400, 1e308, 2**63, [], {}, [[]], "", " ", "\x00", "a\x00b", FORGED, "\n", "\r"),
    *("7\u2028Evil: header", "7\u0085", "١", "７", "７\u202e", "😀" * 200, "x" * 60_000, "é" * 20_000, "a,b=c"),
    *("${SHELL(id)}", "$[1/0]", "%s%n{0}{who}", "../../../etc/passwd", "'; DROP TABLE user; --", "%0d%0a", "\ufeff201"),
    *("+", "+0", "+" + "9" * 400, "1e9", "nan", "1763.1\n", "ramal", "office", "agent-7", ["7"], {"number": None}),
    *({"number": FORGED, "name": "\x00"}, {"number": "+5511999990000", "name": ["x"], "vip": "maybe", "odd": 1}),
    *({"number": "+5511999990000", "name": "\x00\r\n" * 50, "language": "xx"}, deep(60), ["x"] * 2000),
    *({str(number): "x" for number in range(2000)}, "number,name\n\x00,\x00\n", "[office", "[office]\nname = 1", '"'),
)
NOT_REQUESTS: tuple[bytes, ...] = (
    *(b"", b"{}", b"[]", b"null", b"1", b'"x"', b"\x00", b"\xff\xfe", b"{" * 5000, b"[" * 100_000, b'{"do":1}'),
    *(b'{"do":"ping","with":[]}', b'{"do":"ping","id":{}}', b'{"do":"\\ud800"}', b'{"do":"ping","with":{"a":NaN}}'),
    *(b'{"do":"ping","id":1e999}', b'{"do":"__class__"}', b'{"do":"ping","id":' + b"9" * 5000 + b"}"),
)


def known_requests(folder: Path) -> tuple[str, ...]:
    """Every name that the daemon answers, from a daemon that is built and never run."""
    home = Home(folder / "unborn")
    home.prepare()
    with ExitStack() as stack:
        daemon = Daemon(home, Pace(), Peers(lambda office: {}, lambda office: None), stack)
        return daemon.server.names


def asked(rng: random.Random, do: str) -> bytes:
    """One request: mostly usual fields, so that it gets far, with one or some of them hostile or missing."""
    given: dict[str, Any] = {name: rng.choice(values) for name, values in USUAL.items()}
    if do != "apply":
        del given["toml"]
    for name in rng.sample(sorted(given), rng.choice((0, 1, 1, 2, 4, len(given)))):
        if rng.random() < 0.3:
            given.pop(name)
        else:
            given[name] = rng.choice(HOSTILE)
    if rng.random() < 0.1:
        given[rng.choice(("self", "__init__", "", "\x00", "do", "id\n"))] = rng.choice(HOSTILE)
    try:
        return protocol.request(rng.randrange(1000), do, given)
    except ValueError:
        return protocol.request(1, do, {})


class Asker:
    """One client on one connection; ``faults`` are the answers that nobody should ever get."""

    def __init__(self, path: Path, seed: int, requests: Sequence[str], times: int) -> None:
        self._path, self._rng, self._requests, self._times = path, random.Random(seed), requests, times
        self.faults: list[str] = []
        self.answered = 0
        self.thread = threading.Thread(target=self._run, name=f"asker {seed}")
        self.thread.start()

    def _run(self) -> None:
        lines = [asked(self._rng, do) for do in self._requests for _ in range(self._times)]
        lines += [line + b"\n" for line in NOT_REQUESTS]
        self._rng.shuffle(lines)
        with address.connect(self._path, 5.0) as connection:
            connection.settimeout(20.0)
            with connection.makefile("rb") as answers:
                for line in lines:
                    self._ask(connection, answers, line)

    def _ask(self, connection: socket.socket, answers: Any, line: bytes) -> None:
        try:
            connection.sendall(line)
            answer = json.loads(answers.readline())
        except (OSError, ValueError) as error:
            self.faults.append(f"{error!r} after {line[:300]!r}")
            return
        self.answered += 1
        if not fair(answer):
            self.faults.append(f"{answer} after {line[:600]!r}")


def fair(answer: dict[str, Any]) -> bool:
    """An answer, or a refusal that is a sentence of ours."""
    if answer["ok"]:
        return isinstance(answer["data"], dict)
    sentence = str(answer["error"])
    ours = 10 < len(sentence) < 3000 and re.search(r"[.?!:]", sentence) is not None
    return ours and not re.search(r"fault of its own|Traceback|Error\b|sqlite|<class|object has no|NoneType", sentence)


@pytest.fixture
def daemon(start: Callable[..., DaemonProcess], asterisk: AmiPeer) -> Iterator[DaemonProcess]:
    asterisk.lists["QueueStatus"] = [MEMBER, ENTRY]
    asterisk.lists["PJSIPShowEndpoints"] = [
        (("Event", "EndpointList"), ("ObjectName", "201"), ("DeviceState", "Not in use")),
    ]
    daemon = start().up()
    daemon.ask("apply", toml=OFFICE, file="o.toml")
    until(lambda: daemon.live()["waiting"])
    yield daemon
    assert not re.search(r"Traceback|ERROR|stumbled", daemon.log), daemon.log[-6000:]


def ask_all(daemon: DaemonProcess, seed: int, requests: Sequence[str], times: int) -> None:
    askers = [Asker(daemon.home.control_sock, seed + number, requests, times) for number in range(4)]
    for asker in askers:
        asker.thread.join(90)
    faults = [fault for asker in askers for fault in asker.faults]
    assert not faults, f"{len(faults)} unfair answers:\n" + "\n".join(faults[:10])
    assert all(asker.answered == len(requests) * times + len(NOT_REQUESTS) for asker in askers)
    assert daemon.process.poll() is None
    assert daemon.ask("ping")["pid"] == daemon.process.pid


def injected(asterisk: AmiPeer) -> list[str]:
    """What Asterisk was told that no request may make it do."""
    found = []
    for action in list(asterisk.actions):
        names = [name for name, _ in action.pairs]
        if names.count("Action") != 1 or names.count("Channel") > 1 or "evil" in " ".join(map(str, action.pairs)):
            found.append(str(action.pairs))
        if any(re.search(r"[\x00-\x1f\x7f\u2028\u0085$]|Evil:", value) for _, value in action.pairs):
            found.append(str(action.pairs))
    return found


@pytest.mark.parametrize("seed", [1, 20261122])
def test_every_request_with_hostile_fields_is_answered_by_a_sentence_and_injects_nothing(
    daemon: DaemonProcess, asterisk: AmiPeer, tmp_path: Path, seed: int
) -> None:
    requests = known_requests(tmp_path)
    assert {"ping", "apply", "agent.pause", "contact.save", "night.set", "phones.file"} <= set(requests)
    ask_all(daemon, seed, requests, 12)
    assert injected(asterisk) == []
    assert asterisk.named("Originate"), "no request got as far as Asterisk"


def test_every_request_is_answered_while_asterisk_is_gone_or_refuses(
    daemon: DaemonProcess, asterisk: AmiPeer, tmp_path: Path
) -> None:
    requests = known_requests(tmp_path)
    for action in ("Originate", "DBPut", "Setvar", "Getvar", "DBGetTree", "QueuePause", "QueueWithdrawCaller"):
        asterisk.answers[action] = lambda asked: asterisk.refuse(asked, "No such thing")
    ask_all(daemon, 3, requests, 3)
    asterisk.go_away()
    until(lambda: not daemon.live()["asterisk"]["up"], 10, "the daemon knows that Asterisk is gone")
    ask_all(daemon, 4, requests, 6)
