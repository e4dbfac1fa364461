"""What the page asks of root about putting a backup back, and how far that is.

Pure. The daemon asks and root does (``box.restoring``): a request is one JSON object, and so is what became of it. Law:
the request is parsed as a stranger's; it holds a recovery code, so it lies in memory only (/run) and is taken away at
once.
"""

import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast, get_args

from ramal.core import backups

Act = Literal["restore", "forget"]
"""Put a backup back; remove what was there before an earlier one."""
Phase = Literal["idle", "checking", "restoring", "done", "forgotten", "failed"]
GOING = ("checking", "restoring")
FILE_MAX = 4 << 30
"""Bytes of a backup that is sent to the box."""
CODE_MAX = 300
"""Characters of a recovery code or passphrase with its hyphens and spaces."""
UPLOAD = re.compile(r"[0-9a-f]{32}" + re.escape(backups.SUFFIX) + r"\Z")
"""The name of a backup that was sent to the box."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the daemon asks of root. ``file``: the name of a backup, of those that lie on the box or were sent to it;
    ``code``: "" when the box's own keys are to open it."""

    act: Act
    file: str = ""
    code: str = ""
    who: str = ""
    at_ms: int = 0

    def __repr__(self) -> str:
        """Without the code: a log may show it."""
        return f"Asked({self.act!r}, {self.file!r}, who={self.who!r})"


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of it. ``code`` and ``reason``: why it failed; ``before``: names of the homes that lie beside."""

    phase: Phase = "idle"
    code: str = ""
    reason: str = ""
    at_ms: int = 0
    before: tuple[str, ...] = ()


def asked_text(asked: Asked) -> str:
    """A request's file."""
    return json.dumps(asdict(asked), ensure_ascii=True) + "\n"


def parse_asked(text: str) -> Asked | None:
    """A request; None for what is none."""
    table = _object(text)
    act, file, code, at_ms = table.get("act"), table.get("file", ""), table.get("code", ""), table.get("at_ms")
    if act not in get_args(Act) or not isinstance(file, str) or not isinstance(code, str):
        return None
    if not isinstance(at_ms, int) or len(code) > CODE_MAX or (act == "restore" and not is_file_name(file)):
        return None
    return Asked(cast(Act, act), file, code, str(table.get("who", ""))[:100], at_ms)


def is_file_name(name: str) -> bool:
    """Whether it names a backup: one of the box's own, or one that was sent to it. No name is a path."""
    return bool(UPLOAD.match(name)) or backups.made_ms(name) is not None


def standing_text(standing: Standing) -> str:
    """The file that says what became of a request."""
    return json.dumps(asdict(standing), ensure_ascii=True) + "\n"


def parse_standing(text: str) -> Standing:
    """What became of it; idle when nothing can be read."""
    table = _object(text)
    phase, at_ms, before = table.get("phase"), table.get("at_ms"), table.get("before")
    if phase not in get_args(Phase) or not isinstance(at_ms, int):
        return Standing()
    names = tuple(name[:200] for name in before if isinstance(name, str)) if isinstance(before, list) else ()
    words = [value[:500] if isinstance(value := table.get(key), str) else "" for key in ("code", "reason")]
    return Standing(cast(Phase, phase), words[0], words[1], at_ms, names[:20])


def _object(text: str) -> dict[str, Any]:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}
