"""``python -m ramal.box.issue``: what the box says above its console's login, copied by root for agetty, which is root.

Law: agetty opens only what root wrote. The text is the user ramal's: it is read without following a link or waiting for
a pipe, bounded, and freed of everything with which a terminal or agetty could be told to do something (but backslash
and 4, the box's address). Runs after ``ramal prepare`` and whenever the text changes or goes (ramal-issue.path).
"""

import contextlib
import os
import re
import stat
import sys
from pathlib import Path

from ramal.box import taking

SOURCE = Path("/run/ramal/issue")
SHOWN = Path("/run/issue.d/ramal.issue")
TEXT_MAX = 2000
_ESCAPE = re.compile(r"\\(?!4(?![\w{]))")


def copy(source: Path = SOURCE, shown: Path = SHOWN) -> bool:
    """Have ``shown`` say what ``source`` does, or be away when that says nothing; whether it does. OSError."""
    text = _text(source)
    if not text.strip():
        taking.remove(shown)
        return False
    taking.write(shown, text, 0o644)
    return True


def _text(source: Path) -> str:
    with contextlib.suppress(OSError):
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            data = os.read(descriptor, TEXT_MAX) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
        finally:
            os.close(descriptor)
        text = data.decode("ascii", "ignore")
        return _ESCAPE.sub("", "".join(one for one in text if one == "\n" or one.isprintable()))
    return ""


def main() -> int:
    """0, or 1 when the console's text could not be written."""
    try:
        copy()
    except OSError as error:
        print(f"ramal: the console does not say what is to be said: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
