"""The names of contacts as sound files, spoken ahead for the agents' ears (``[ramal-whisper-name]``).

On the rounds thread, apart from ``want``. A few a round and a bounded number in all: names of VIPs, of contacts just
saved, and of those who call. A name that has no file is simply not said.
"""

import contextlib
import logging
from collections.abc import Iterable
from pathlib import Path

from ramal.asterisk.contact_switches import NAMES, name_prompt, shown_name
from ramal.asterisk.prompts import Prompt
from ramal.core.history import first_key
from ramal.ops.means import Means

log = logging.getLogger(__name__)

FILES_MAX = 2000
"""About 25 kB each."""
A_ROUND = 10
"""60 ms of work each."""
WANTED_MAX = 1000
BACK_MS = 7 * 86_400_000


class NameFiles:
    """Which names are wanted, and the folder of those that are spoken."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._wanted: dict[str, None] = {}
        self._seen_key: int | None = None

    def want(self, names: Iterable[str]) -> None:
        """Speak these soon. Any thread."""
        for name in names:
            if shown_name(name) and len(self._wanted) < WANTED_MAX:
                self._wanted.setdefault(name)

    def speak_some(self) -> None:
        """A few of the names that are wanted and have no file."""
        office = self._means.office()
        if not any(queue.whisper for queue in office.queues):
            return
        self.want(self._callers())
        folder = self._means.home.prompts / NAMES
        prompts: list[Prompt] = []
        while self._wanted and len(prompts) < A_ROUND:
            name = next(iter(self._wanted))
            self._wanted.pop(name, None)
            prompt = name_prompt(name, office)
            if not (folder / f"{prompt.path}.wav").exists():
                prompts.append(prompt)
        if prompts:
            folder.mkdir(parents=True, exist_ok=True)
            self._means.say(prompts, folder)
            _thin(folder)

    def _callers(self) -> list[str]:
        """Names of contacts who called since the last look; at first also of VIPs."""
        first = self._seen_key is None
        since = first_key(self._means.clock_ms() - BACK_MS) if self._seen_key is None else self._seen_key
        rows = self._means.read(
            lambda db: db.execute(
                "SELECT call.key, contact.name FROM call JOIN contact ON contact.number = call.caller"
                " WHERE call.key > ? AND contact.name <> '' ORDER BY call.key DESC LIMIT 500",
                (since,),
            ).fetchall()
        )
        self._seen_key = max([since, *(key for key, _ in rows)])
        names = [name for _, name in rows]
        if first:
            query = "SELECT name FROM contact WHERE vip = 1 AND name <> '' LIMIT 300"
            names += [name for (name,) in self._means.read(lambda db: db.execute(query).fetchall())]
        return names


def _thin(folder: Path) -> None:
    """Keep the newest FILES_MAX files; a name that is wanted again is spoken again."""
    files = sorted(folder.glob("*.wav"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[FILES_MAX:]:
        with contextlib.suppress(OSError):
            file.unlink()
