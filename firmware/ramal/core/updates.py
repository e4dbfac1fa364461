"""What is asked of an update, how far it is, and when the box may be restarted for it.

Pure. The daemon asks and root does (``box.updating``): a request is one JSON object, and so is what became of it. Law:
calls in progress are waited for, up to a bound the owner chose; new ones are served until that is over; from then
on whoever is there, or comes, is told that the box restarts.
"""

import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast, get_args

from ramal.errors import RamalError

Act = Literal["install", "try", "back", "look"]
"""Install a source into the slot that does not run; start it once; go back to the release before; look for sticks."""
Phase = Literal["idle", "waiting", "verifying", "installing", "installed", "restarting", "failed"]
FILE_MAX = 1 << 30
"""Bytes of an update that is sent to the box."""
SOURCE_MAX = 2000
WAIT_MAX_S = 2 * 3600
WAIT_S = 900
_LINE = re.compile(r"\s*(?:\[[#=\s.-]*\]\s*)?(\d{1,3})%\s+(.{1,300})")
_NUMBERS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,5}")
_STICK = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._()+@-]{0,120}\.raucb\Z")


class UpdateRefused(RamalError):
    """An update that cannot be asked for now; ``code`` names why."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Progress:
    """How far RAUC is: 0 to 100, and its own words."""

    percent: int
    words: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What the daemon asks of root. ``at_ms`` tells one from the next."""

    act: Act
    source: str = ""
    who: str = ""
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of it. ``version``: of the bundle; ``code`` and ``reason``: why it failed; ``sticks``: the bundles
    found on USB sticks, as paths."""

    phase: Phase = "idle"
    percent: int = 0
    words: str = ""
    version: str = ""
    code: str = ""
    reason: str = ""
    at_ms: int = 0
    asked_ms: int = 0
    sticks: tuple[str, ...] = ()


def progress_of(line: str) -> Progress | None:
    """A line of ``rauc install``: `` 40% Checking bundle done.``"""
    found = _LINE.match(line)
    return Progress(min(100, int(found[1])), found[2].strip()) if found else None


def asked_text(asked: Asked) -> str:
    """A request's file."""
    return json.dumps(asdict(asked), ensure_ascii=True) + "\n"


def parse_asked(text: str) -> Asked | None:
    """A request; None for what is none: it may be torn, or written by a stranger who took the daemon over."""
    table = _object(text)
    act, source, at_ms = table.get("act"), table.get("source", ""), table.get("at_ms")
    if act not in get_args(Act) or not isinstance(source, str) or not isinstance(at_ms, int):
        return None
    if len(source) > SOURCE_MAX or not (source == "" or source.isprintable()):
        return None
    return Asked(cast(Act, act), source, str(table.get("who", ""))[:100], at_ms)


def standing_text(standing: Standing) -> str:
    """The file that says what became of a request."""
    return json.dumps(asdict(standing), ensure_ascii=True) + "\n"


def parse_standing(text: str) -> Standing:
    """What became of it; idle when nothing can be read."""
    table = _object(text)
    phase = table.get("phase")
    if phase not in get_args(Phase):
        return Standing()
    sticks = table.get("sticks")
    paths = [path for path in sticks if isinstance(path, str)] if isinstance(sticks, list) else []
    return Standing(
        cast(Phase, phase),
        min(100, _number(table.get("percent"))),
        _words(table.get("words")),
        _words(table.get("version")),
        _words(table.get("code")),
        _words(table.get("reason")),
        _number(table.get("at_ms")),
        _number(table.get("asked_ms")),
        tuple(path[:500] for path in paths[:50]),
    )


def is_older(version: str, than: str) -> bool:
    """Whether ``version`` comes before ``than`` by the numbers both begin with; one without a number comes before every
    one that has some. What follows the numbers does not count."""

    def numbers(of: str) -> list[int]:
        found = _NUMBERS.match(of)
        parts = [int(part) for part in found[0].split(".")] if found else [-1]
        while parts and parts[-1] == 0:  # 1.0 is 1.0.0
            parts.pop()
        return parts

    return numbers(version) < numbers(than)


def is_stick_name(name: str) -> bool:
    """Whether a file of a USB stick may be offered: an update by its name, without odd characters."""
    return bool(_STICK.match(name))


@dataclass(frozen=True, slots=True)
class Waiting:
    """A restart that waits for calls since ``since_ms``, at most until ``until_ms`` (Unix time, or any one clock)."""

    since_ms: int
    until_ms: int


def may_restart(waiting: Waiting, calls: int, now_ms: int) -> bool:
    """Whether the box restarts now: nobody talks or waits, or the owner's bound is over (a clock that was set back
    does not make it longer)."""
    return calls == 0 or now_ms >= waiting.until_ms or now_ms < waiting.since_ms


def wait_of(given: object) -> int:
    """Seconds the owner lets calls have; UpdateRefused for what is no such number."""
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= WAIT_MAX_S:
        raise UpdateRefused("wait", f"Calls can be waited for from 0 to {WAIT_MAX_S // 60} minutes.")
    return given


def _words(value: object) -> str:
    return value[:300] if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _object(text: str) -> dict[str, Any]:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}
