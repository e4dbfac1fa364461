"""Whether a talk is recorded, what its recording holds, and what may not be heard in it.

Pure. The policy of a call comes from everything it belongs to: its queue, its line, the agent, its campaign. The same
rule stands in the dialplan (``dialplan/record.conf``, ``ramal-record-policy``), where it works with a dead daemon; a
test holds both together. A recording follows the customer: it is one file from the first agent to the last, its *spans*
are when it was on, and a *gap* is a while in which the talk went on and nothing was written (card-safe), heard later as
silence.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from ramal.core.gap import Gap
from ramal.core.journal import clean

Policy = Literal["", "on-demand", "always", "never"]
Sides = Literal["", "mono", "stereo"]
ORDER: tuple[Policy, ...] = ("", "on-demand", "always", "never")
"""The later one wins, whoever says it. ``never`` protects a person, ``always`` is a duty, ``on-demand`` a permission;
who says nothing leaves it to the others, and a call of which nobody says anything is not recorded."""
LONG_GAP_MS = 180_000
"""A gap longer than this is worth a look."""


def decide(queue: Policy = "", line: Policy = "", agent: Policy = "", campaign: Policy = "") -> Policy:
    """The policy of a talk; ``""`` when nobody says anything, which is ``never`` without having been asked for."""
    return max((queue, line, agent, campaign), key=ORDER.index)


def rank(policy: Policy) -> int:
    """A policy as a number, for the dialplan: the highest wins."""
    return ORDER.index(policy)


def sides(*said: Sides) -> Literal["mono", "stereo"]:
    """Of those who say something the first, in the order they are given; mono when nobody does. Stereo: the customer is
    left, the office right. A queue's call asks its queue and then the office; any other the campaign, the agent, the
    line, the office."""
    return next((each for each in said if each), "mono")


class Bridged(Protocol):
    """The channel whose recording it is, as ``core.story.Leg``."""

    @property
    def bridged(self) -> Sequence[tuple[int, int | None]]: ...

    @property
    def ended_ms(self) -> int | None: ...

    def bridged_ms(self, from_ms: int, until_ms: int) -> int: ...


@dataclass(slots=True)
class Made:
    """One recording while its events are read."""

    path: str
    sides: str
    leg: Bridged | None
    spans: list[tuple[int, int | None]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    limit_ms: int | None = None
    """Of a gap that goes on."""

    def on(self, at_ms: int) -> None:
        if not self.spans or self.spans[-1][1] is not None:
            self.spans.append((at_ms, None))

    def off(self, at_ms: int) -> None:
        if self.spans and self.spans[-1][1] is None:
            self.spans[-1] = (self.spans[-1][0], at_ms)

    def card_off(self, at_ms: int, why: str, length_ms: int | None = None) -> None:
        if self.limit_ms is None:
            return
        gap = self.gaps[-1]
        length = max(0, at_ms - gap.began_ms) if length_ms is None else length_ms
        over = length >= self.limit_ms
        self.gaps[-1] = replace(gap, length_ms=min(length, self.limit_ms), why="limit" if over else why)
        self.limit_ms = None

    def began_ms(self) -> int | None:
        """When the customer was first connected while it was on; None: never."""
        if self.leg is None:
            return None
        ends = ((a, b) for a, b in self.spans)
        met = (
            max(a, begin)
            for begin, end in ends
            for a, b in self.leg.bridged
            if (end is None or a < end) and (b is None or b > begin)
        )
        return min(met, default=None)

    def gaps_until(self, end_ms: int) -> tuple[Gap, ...]:
        """Its gaps; one that goes on ends with its limit, or with the talk."""
        self.card_off(end_ms, "end")
        return tuple(self.gaps)

    def talked_ms(self, end_ms: int) -> int:
        """How long the customer was connected while it was on."""
        if self.leg is None:
            return 0
        return sum(self.leg.bridged_ms(a, end_ms if b is None else b) for a, b in self.spans)


def made(events: Iterable[tuple[int, str, list[str], Bridged | None]]) -> Iterator[Made]:
    """The recordings that a call's RECORD and CARD events tell of, in the order they were begun: (when, event, its
    values, the channel). Those that never were on with somebody there are told too."""
    found: dict[str, Made] = {}
    for at_ms, name, values, leg in events:
        act, path, *rest = [*values, "", ""]
        rest += ["", "", "", ""]
        if name == "RECORD" and act in ("ready", "on") and path:
            one = found.setdefault(path, Made(path, clean(rest[0]), leg))
            one.on(at_ms)
        elif path not in found:
            continue
        elif name == "RECORD" and act in ("not", "off"):
            found[path].card_off(at_ms, "stopped")
            found[path].off(at_ms)
        elif name == "CARD" and act == "on":
            found[path].card_off(at_ms, "code")
            found[path].limit_ms = 1000 * _number(rest[3])
            found[path].gaps.append(Gap(_number(rest[0]), 0, at_ms, clean(rest[1]), clean(rest[2])))
        elif name == "CARD" and act == "off":
            found[path].card_off(at_ms, clean(rest[0]), _number(rest[1]) if rest[1] else None)
    yield from found.values()


def heard(gaps: Iterable[Gap]) -> tuple[tuple[int, int], ...]:
    """Where the gaps lie in the finished recording, in which they are silence: (from_ms, to_ms)."""
    before, spans = 0, []
    for gap in sorted(gaps, key=lambda gap: gap.at_ms):
        begin = gap.at_ms + before
        spans.append((begin, begin + gap.length_ms))
        before += gap.length_ms
    return tuple(spans)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
