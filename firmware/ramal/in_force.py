"""The office in force: validate, render, speak, apply, save, tell the engine; one apply at a time.

Runs on the apply thread of the daemon (or on a command's own while no daemon runs), never on the engine's. Law: what
Asterisk refuses is never the office. So Asterisk's files come first and the database after them; a crash in between is
found at the next start, when ``refresh`` renders the database's office again.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ramal.asterisk.apply import Applied, apply
from ramal.asterisk.reload import Reloader
from ramal.core import office_file
from ramal.core.office import Office
from ramal.errors import RamalError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Means:
    """What the office is put into force with. ``load`` and ``save`` reach the database, ``render`` gives Asterisk's
    files, ``speak`` makes missing prompts (some of them; how many still are, if it can tell), ``reloader`` is None
    while Asterisk cannot be asked, ``loaded`` hears of every office that came into force."""

    etc: Path
    load: Callable[[], Office | None]
    save: Callable[[Office], object]
    render: Callable[[Office], Mapping[str, str]]
    speak: Callable[[Office], object]
    secret: Callable[[], str]
    reloader: Callable[[], Reloader | None] = lambda: None
    loaded: Callable[[Office], None] = lambda office: None


class InForce:
    """The office of one home. Every method may block for the disk and for Asterisk."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._turn = threading.Lock()

    def apply(self, text: str, file: str) -> dict[str, Any]:
        """Put the office that ``text`` describes into force; what changed. ``file`` names it in problems.

        Raises OfficeRefused with every problem, ApplyRefused, or another RamalError; then nothing changed.
        """
        with self._turn:
            before = self._means.load()
            office = office_file.read(text, file, self._means.secret, before)
            changes = office_file.diff(before, office)
            self._means.speak(office)
            applied = self._applied(office)
            if office != before:
                self._save(office, before)
            self._means.loaded(office)
        for change in changes:
            log.info("applied: %s", change)
        return {"changes": list(changes), "reloaded": list(applied.reloaded), "warnings": _warnings(applied)}

    def refresh(self) -> Applied | None:
        """Bring Asterisk to the office in the database, whatever happened before; None without an office. Speaks
        nothing: on a new box that takes a minute, and phones come before sentences (``speak_on``)."""
        with self._turn:
            office = self._means.load()
            if office is None:
                return None
            applied = self._applied(office)
        if applied.changed or applied.reloaded:
            log.info("Asterisk's files were brought to the office in force: %s", " ".join(applied.lines()))
        return applied

    def speak_on(self) -> bool:
        """Speak some of what the office lacks; whether there is more. Never keeps Asterisk from its settings."""
        with self._turn:
            office = self._means.load()
            try:
                left = self._means.speak(office) if office is not None else None
            except RamalError as error:
                log.warning("%s Calls work without it.", error)
                return False
        return isinstance(left, int) and left > 0

    def export(self) -> dict[str, Any]:
        """The office in force as a file, secrets included. RamalError when there is none."""
        office = self._means.load()
        if office is None:
            raise RamalError("There is no office yet. Put one into force with: ramal apply office.toml")
        return {"toml": office_file.write(office), "name": office.name}

    def _applied(self, office: Office) -> Applied:
        return apply(self._means.render(office), self._means.etc, self._means.reloader())

    def _save(self, office: Office, before: Office | None) -> None:
        try:
            self._means.save(office)
        except Exception as error:
            sentence = "Nothing was changed."
            if before is not None:
                try:
                    self._applied(before)
                except RamalError:
                    log.exception("after a failed save the earlier files could not be brought back")
                    sentence = "Asterisk has the new settings until its next start; apply the office again."
            if isinstance(error, RamalError):
                raise
            raise RamalError(
                f"The office could not be saved ({error}). {sentence} Calls go on. Check the disk's free space."
            ) from error


def _warnings(applied: Applied) -> list[str]:
    warnings = []
    if applied.down:
        warnings.append("Asterisk is not connected; it will use the new settings when it starts.")
    elif applied.restart:
        warnings.append(f"Only a restart of Asterisk brings these into force: {', '.join(applied.restart)}.")
    return warnings
