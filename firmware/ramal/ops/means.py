"""What a subject works with, and what it is. Handlers run on the control thread and return at once (an Answer or a
Future); ``at_up`` and ``now_and_then`` run on the rounds thread and may wait for the disk and for Asterisk.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ramal.ami.codec import Header, Message
from ramal.asterisk.prompts import Prompt
from ramal.box.home import Home
from ramal.control.server import Handler
from ramal.core.events import Event
from ramal.core.office import Office
from ramal.core.state import State


class Asks(Protocol):
    """An AMI action and its answer; RamalError when Asterisk is not there or refuses (AmiRefused)."""

    def __call__(
        self, action: str, headers: Sequence[Header] = ..., variables: Sequence[Header] = ..., *, action_id: str = ...
    ) -> Message: ...


class AsksList(Protocol):
    """An AMI action that is answered by a list: the answer, and the rows. Errors as ``Asks``."""

    def __call__(
        self, action: str, headers: Sequence[Header] = ..., *, timeout_s: float = ...
    ) -> tuple[Message, list[Message]]: ...


@dataclass(frozen=True, slots=True)
class Means:
    """The daemon, as a subject may use it. ``write`` is acknowledged work (on disk when the Future is done),
    ``write_soon`` is batched. ``work`` runs a job that may wait, on a thread of its own queue."""

    home: Home
    write: Callable[[Callable[[sqlite3.Connection], Any]], "Future[Any]"]
    write_soon: Callable[[Callable[[sqlite3.Connection], Any]], "Future[Any]"]
    read: Callable[[Callable[[sqlite3.Connection], Any]], Any]
    """Runs a job on a read-only connection of the calling thread and gives its result; not on the control thread."""
    work: Callable[[Callable[[], Any]], "Future[Any]"]
    ask: Asks
    ask_list: AsksList
    say: Callable[[Sequence[Prompt], Path], object]
    """Speaks prompts into a folder; may take a while. RamalError when there is no voice."""
    tell: Callable[[Event], None]
    office: Callable[[], Office]
    state: Callable[[], State]
    clock_ms: Callable[[], int]
    tick_s: float = 10.0
    """How often something that must not be missed is looked at."""
    trusted: Callable[[], bool] = lambda: True
    """Whether the clock may be believed now (``ops.clock``): else nothing goes for its age, and nothing begins by the
    date or the hour. Free to all threads."""


def _nothing() -> None: ...


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject's part of the daemon: requests by name, what is done when Asterisk came up (or the office changed),
    and what is done from time to time (a minute on a box, less in tests)."""

    name: str
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    start: Callable[[], None] = _nothing
    """Begin what needs a thread of its own; ``stop`` ends it. On the main thread."""
    stop: Callable[[], None] = _nothing
    at_up: Callable[[], None] = _nothing
    now_and_then: Callable[[], None] = _nothing
