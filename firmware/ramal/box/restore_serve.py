"""``python -m ramal.box.restore_serve``: root's part of putting a backup back, when the owner asked for it in the page.

Law: the backup is opened before anything is stopped; a home is put in another's place only when it came back equal
(``box.restore``); then the box starts anew, and in every other case its programs go on with the home they had.
"""

import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from ramal import backups
from ramal.box import restore as putting
from ramal.box.home import Home, default_home, write_whole
from ramal.box.image import Image, image_here
from ramal.core import restoring
from ramal.core.restoring import Asked, Said
from ramal.errors import RamalError

UNITS = ("ramal-web.socket", "ramal-web", "ramal", "ramal-guard", "ramal-pulse", "ramal-lamp", "ramal-asterisk",
         "ramal-safe-asterisk")  # fmt: skip
"""Whoever has the home open. The page's door with them: it would start the page again."""
AGAIN = ("ramal-asterisk", "ramal", "ramal-guard", "ramal-pulse", "ramal-web.socket", "ramal-web")
_BYTES_MAX = 4000
_CALL_S = 120
Call = Callable[[Sequence[str]], object]


def call(words: Sequence[str]) -> None:
    """Run a program of systemd. RamalError."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_CALL_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RamalError(f"{words[0]} could not be run ({error}).") from error
    if done.returncode != 0:
        raise RamalError(f"{' '.join(words[:2])} was refused: {done.stderr.strip()[:300]}")


def serve(home: Home, image: Image, run: Call = call) -> Said:
    """Do what is asked; what came of it, kept on the disk too. RamalError: done, and the box must be switched off."""
    asked = _taken(home.restore_wanted)
    at_ms = time.time_ns() // 1_000_000
    try:
        if asked is None:
            raise RamalError("What was asked cannot be read. Nothing was changed.")
        _done(home, image, asked, run, at_ms)
        said = Said(True, f"{asked.name} was put back, asked by {asked.who}.", at_ms)
    except RamalError as error:
        said = Said(False, str(error)[: restoring.SENTENCE_MAX], at_ms)
    with suppress(OSError):
        image.restore_said.parent.mkdir(parents=True, exist_ok=True)
        write_whole(image.restore_said, restoring.said_text(said), 0o644)
        image.restore_said.chmod(0o644)
    if said.ok:
        run(["systemctl", "reboot"])
    return said


def _done(home: Home, image: Image, asked: Asked, run: Call, at_ms: int) -> None:
    folder = image.backups if asked.where == "box" else image.backup_stick
    path = folder / asked.name
    if path.is_symlink() or not path.is_file():
        raise RamalError("This backup does not lie there any more. Nothing was changed.")
    with tempfile.TemporaryDirectory(prefix="ramal-restore-") as private:
        code = Path(private) / "code"
        code.write_text(asked.code)
        reader = backups.opened(path, (home,), str(code) if asked.code else "")
    with closing(reader):
        try:
            run(["systemctl", "stop", *UNITS])
            putting.restore(reader, home, asked.name, at_ms)
        except BaseException:
            with suppress(RamalError):
                run(["systemctl", "start", *AGAIN])
            raise


def _taken(path: Path) -> Asked | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            text = os.read(descriptor, _BYTES_MAX) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
        finally:
            os.close(descriptor)
    except OSError:
        text = b""
    with suppress(OSError):
        path.unlink()
    return restoring.parse_asked(text.decode("utf-8", "replace"))


def main() -> int:
    """0, or 1 when it was not done; always said."""
    try:
        said = serve(default_home(), image_here())
    except RamalError as error:
        print(f"ramal: switch the box off and on: {error}", file=sys.stderr)
        return 1
    print(f"ramal: {said.sentence}", file=sys.stderr)
    return 0 if said.ok else 1


if __name__ == "__main__":
    sys.exit(main())
