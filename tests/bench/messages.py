"""What sipp's message log says, with its microsecond times."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_HEAD = re.compile(r"^-{20,} (\S+)\nUDP message (sent|received) \[\d+\] bytes:\n\n", re.M)
_FROM = re.compile(r"^From:[^\n]*?sip:(\+?\d+)@", re.M)
_CALL = re.compile(r"^Call-ID:[ \t]*(\S+)", re.M)
_CSEQ = re.compile(r"^CSeq:[ \t]*\d+ (\w+)", re.M)


@dataclass(frozen=True, slots=True)
class Message:
    """One SIP message: when it left or reached sipp (seconds since 1970), its first line and what identifies it."""

    at_s: float
    direction: str
    line: str
    call_id: str
    method: str
    number: str

    def is_request(self, method: str) -> bool:
        return self.line.startswith(f"{method} ")

    @property
    def answers_invite(self) -> bool:
        return self.line.startswith("SIP/2.0 200") and self.method == "INVITE"


def messages(log: Path, offset: int = 0) -> Iterator[Message]:
    """Every message in sipp's -trace_msg file, from byte ``offset`` on."""
    with log.open("rb") as file:
        file.seek(offset)
        text = file.read().decode(errors="replace").replace("\r", "")
    heads = list(_HEAD.finditer(text))
    for head, after in zip(heads, [*(one.start() for one in heads[1:]), len(text)], strict=False):
        body = text[head.end() : after]
        found = [pattern.search(body) for pattern in (_CALL, _CSEQ, _FROM)]
        call_id, method, number = (one[1] if one else "" for one in found)
        at_s = datetime.fromisoformat(head[1].replace("Z", "+00:00")).timestamp()
        yield Message(at_s, head[2], body.partition("\n")[0], call_id, method, number)


def first(found: Iterable[Message]) -> dict[str, float]:
    """When each number was first seen."""
    times: dict[str, float] = {}
    for one in found:
        times.setdefault(one.number, one.at_s)
    return times


def talks(found: Iterable[Message]) -> list[float]:
    """Seconds from each agent's 200 OK to the BYE that ended it."""
    answered: dict[str, float] = {}
    ended: dict[str, float] = {}
    for one in found:
        if one.direction == "sent" and one.answers_invite:
            answered.setdefault(one.call_id, one.at_s)
        elif one.is_request("BYE"):
            ended.setdefault(one.call_id, one.at_s)
    return [ended[call] - at for call, at in answered.items() if call in ended]
