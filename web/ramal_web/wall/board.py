"""The board as values: one card a queue, in the order of the office file, with how it stands.

Law: equal exactly when the screen is; running clocks are not part of it. Imports nothing that does IO.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Literal

from ramal.core import kpi
from ramal_web.live.feed import Status
from ramal_web.live.picture import Picture, Queue, Warning
from ramal_web.wall.figures import Day, Days

CARDS_MAX = 9
"""More than that cannot be read from five metres; those that need somebody are shown."""
Tone = Literal["late", "waiting", "nobody", "clear"]
NO_DAY = Day(0, 0, 0, kpi.Ratio(0, 0), 0, 0)


@dataclass(frozen=True, slots=True)
class Card:
    """One queue."""

    queue: Queue
    day: Day
    tone: Tone


@dataclass(frozen=True, slots=True)
class Board:
    """Everything on the screen. ``more``: queues that found no place."""

    status: Status
    since_ms: int
    seen_ms: int
    known: bool
    cards: tuple[Card, ...]
    more: int
    waiting: int
    warnings: tuple[Warning, ...]

    @property
    def fresh(self) -> bool:
        return self.status == "ok"

    def version(self, language: str) -> str:
        """Equal exactly when the screen is."""
        shown = replace(self, seen_ms=0, since_ms=0) if self.fresh else self
        return hashlib.blake2b(repr((language, shown)).encode(), digest_size=9).hexdigest()


def board(picture: Picture, days: Days, now_ms: int) -> Board:
    """The board of a moment."""
    cards = [_card(queue, days.queues.get(queue.name, NO_DAY), now_ms) for queue in picture.queues]
    if len(cards) > CARDS_MAX:
        urgent = sorted(range(len(cards)), key=lambda n: (_urgency(cards[n]), n))[:CARDS_MAX]
        shown = [card for n, card in enumerate(cards) if n in urgent]
    else:
        shown = cards
    return Board(
        picture.status,
        picture.since_ms,
        picture.seen_ms,
        picture.known,
        tuple(shown),
        len(cards) - len(shown),
        sum(queue.waiting for queue in picture.queues),
        picture.warnings,
    )


def _card(queue: Queue, day: Day, now_ms: int) -> Card:
    if queue.longest_since_ms and day.within_s and now_ms - queue.longest_since_ms > 1000 * day.within_s:
        return Card(queue, day, "late")
    if queue.waiting:
        return Card(queue, day, "waiting")
    return Card(queue, day, "clear" if queue.free + queue.busy + queue.paused else "nobody")


def _urgency(card: Card) -> tuple[int, int]:
    return ("late", "waiting", "nobody", "clear").index(card.tone), card.queue.longest_since_ms or 0
