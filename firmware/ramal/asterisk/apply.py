"""Putting rendered files into force: write, swap, reload what changed, look, and swap back when Asterisk refuses.

Thread: one that may wait for the disk and for Asterisk, never the engine's. Calls in progress are not disturbed (see
``asterisk.reload``). The database is saved by the caller, after this: what Asterisk refuses is never the office.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ramal.asterisk.conf import Look
from ramal.asterisk.generations import Busy, Disk, Generations
from ramal.asterisk.reload import Expected, Reloader, expect, modules
from ramal.errors import RamalError

_SHOWN = 8


class ApplyRefused(RamalError):
    """The files are not in force; the message says why and what is in force instead."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did. ``changed``: files that differ from those in force before. ``restart``: files (or parts of
    them) that Asterisk reads only when it starts; they wait for its next start. ``down``: Asterisk was not running."""

    generation: str
    changed: tuple[str, ...] = ()
    reloaded: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    down: bool = False

    def lines(self) -> tuple[str, ...]:
        """The same in short sentences for a person."""
        if not (self.changed or self.reloaded):
            return ("Nothing changed.",)
        said = [f"In force: generation {self.generation}."]
        if self.down:
            said.append("Asterisk is not running; it will read the new files when it starts.")
        elif self.reloaded:
            said.append(f"Reloaded without touching calls: {', '.join(self.reloaded)}.")
        if self.restart and not self.down:
            said.append(f"Only a restart of Asterisk brings these into force: {', '.join(self.restart)}.")
        return tuple(said)


def apply(
    files: Mapping[str, str],
    etc: Path,
    reloader: Reloader | None = None,
    *,
    everything: bool = False,
    disk: Disk | None = None,
) -> Applied:
    """Make ``files`` (of ``asterisk.render``) what Asterisk runs with. ``everything`` reloads what did not change too
    (after hand edits in ``custom/``). Without a ``reloader``, or when Asterisk is down, the files are swapped only.

    Raises ApplyRefused: then the files before are in force again.
    """
    generations = Generations(etc, disk)
    try:
        with generations.lock():
            return _apply(files, generations, reloader, everything)
    except Busy:
        raise ApplyRefused("Another apply is running. Nothing was changed; try again when it is done.") from None
    except OSError as error:
        raise ApplyRefused(
            f"Asterisk's files could not be written ({error.strerror or error}: {error.filename or etc}). Asterisk "
            "goes on as before; calls are not affected. Check the disk's free space and permissions, then apply again."
        ) from error


def _apply(files: Mapping[str, str], generations: Generations, reloader: Reloader | None, everything: bool) -> Applied:
    expected, problems = expect(files, _look(files, generations.etc))
    if problems:
        raise ApplyRefused("Asterisk would not read these files. Nothing was changed.\n" + _few(problems))
    before, loaded = generations.current, generations.loaded
    old, held = generations.read(before), generations.read(loaded)
    name = before if before is not None and old == files else generations.write(files)
    changed = _differ(old, files)
    to_tell = sorted(set(files) | set(held)) if everything else _differ(held, files)
    plan, _ = modules(to_tell)
    _, restart = modules(_differ(held or old, files))
    if held and _transports(held, generations.etc) != expected.transports:
        restart = (*restart, "pjsip.conf (ports and addresses)")
    if name != before:
        generations.point("current", name)
    if not plan and not changed:
        return Applied(name, restart=restart)
    if reloader is None or not reloader.up():
        generations.forget_loaded()
        generations.prune()
        return Applied(name, changed, restart=restart, down=True)
    generations.forget_loaded()
    refusal = _reload(reloader, plan, expected)
    if refusal:
        _back(generations, reloader, plan, next((n for n in (loaded, before) if n not in (None, name)), None), refusal)
    generations.point("loaded", name)
    generations.prune()
    return Applied(name, changed, plan, restart)


def _reload(reloader: Reloader, plan: tuple[str, ...], expected: Expected) -> str:
    """Reload and look; what Asterisk refused, or an empty string."""
    try:
        for module in plan:
            said = reloader.reload(module)
            if said is not None:
                return f"{module}: {said}"
        return _few(reloader.verify(expected))
    except RamalError as error:
        return str(error)


def _back(generations: Generations, reloader: Reloader, plan: tuple[str, ...], good: str | None, refusal: str) -> None:
    """Return to the generation ``good`` and say why; always raises."""
    if good is None:
        raise ApplyRefused(
            f"Asterisk refused the files, and there are no others to go back to.\n{refusal}\n"
            "Calls in progress go on. Correct the office file and apply it again."
        )
    generations.point("current", good)
    failures = []
    for module in plan:
        try:
            said = reloader.reload(module)
        except RamalError as error:
            said = str(error)
        if said is not None:
            failures.append(f"{module}: {said}")
    if failures:
        raise ApplyRefused(
            f"Asterisk refused the new files.\n{refusal}\nThe files of before are back in place (generation {good}), "
            f"but Asterisk did not read them yet:\n{_few(failures)}\nCalls in progress go on; restart Asterisk when it "
            "is quiet."
        )
    generations.point("loaded", good)
    raise ApplyRefused(
        f"Asterisk refused the new files; those of before (generation {good}) are in force again, and calls were not "
        f"affected.\n{refusal}"
    )


def _differ(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(name for name in {**old, **new} if old.get(name) != new.get(name)))


def _transports(files: Mapping[str, str], etc: Path) -> frozenset[tuple[tuple[str, str], ...]]:
    """The parts of pjsip.conf that a reload leaves as they are, because sockets stand on them."""
    return expect({"pjsip.conf": files.get("pjsip.conf", "")}, _look(files, etc))[0].transports


def _look(files: Mapping[str, str], etc: Path) -> Look:
    def look(wanted: str) -> Mapping[str, str] | None:
        if wanted in files:
            return {wanted: files[wanted]}
        path = Path(wanted)
        folder = path.parent if path.is_absolute() else etc / "current" / path.parent
        found = sorted(folder.glob(path.name)) if folder.is_dir() else []
        return {_short(one, etc): one.read_text(encoding="utf-8", errors="replace") for one in found} or None

    return look


def _short(path: Path, etc: Path) -> str:
    return path.relative_to(etc).as_posix() if path.is_relative_to(etc) else str(path)


def _few(lines: list[str] | tuple[str, ...]) -> str:
    more = len(lines) - _SHOWN
    return "\n".join([*lines[:_SHOWN], *([f"… and {more} more."] if more > 0 else [])])
