"""Whether this box still waits for its owner. Asked before every view; one look at a folder on a claimed box."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from flask import current_app

from ramal.box.addresses import own_addresses
from ramal.box.home import Home
from ramal.core.near import Interface, is_near
from ramal.store.read import DatabaseUnusable
from ramal_web.history import history

OPEN_ENDPOINTS = frozenset({"claim.page", "claim.take", "auth.language", "health.health", "static"})
ADDRESSES_S = 10.0


@dataclass(slots=True)
class Neighbours:
    """Who is near, by the box's own addresses of the last ADDRESSES_S seconds. Any thread."""

    ask: Callable[[], tuple[Interface, ...]] = own_addresses
    _known: tuple[Interface, ...] = ()
    _asked_s: float = float("-inf")
    _turn: Lock = field(default_factory=Lock)

    def near(self, address: str, now_s: float) -> bool:
        with self._turn:
            if now_s - self._asked_s > ADDRESSES_S:
                self._known, self._asked_s = self.ask(), now_s
            return is_near(address, self._known)


def is_unclaimed() -> bool:
    """Whether nothing but the claim may be asked."""
    home: Home = current_app.config["RAMAL"].home
    if not home.claim.exists():
        return False
    try:
        owner = history().user("owner")
    except DatabaseUnusable:
        return True
    return owner is not None and owner.must_change


def is_neighbour(address: str) -> bool:
    """Whether who asks from there may claim the box."""
    known: Neighbours = current_app.extensions["ramal.neighbours"]
    return known.near(address, time.monotonic())
