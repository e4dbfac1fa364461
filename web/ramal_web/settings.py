"""Where the page finds the box: paths and limits, as one value. Imports nothing that does IO."""

from dataclasses import dataclass
from pathlib import Path

from ramal.box.home import Home


@dataclass(frozen=True, slots=True)
class WebSettings:
    """What one page needs to know of its box.

    ``home`` is the box's, ``root`` its folder: recordings' paths are relative to it. ``db`` and
    ``recordings`` are read, never written; ``control_sock`` is the daemon's unix socket; ``secret_key`` is a file with
    the key that signs sessions.
    ``idle_s``: seconds without a click after which a session ends.
    """

    home: Home
    root: Path
    db: Path
    control_sock: Path
    recordings: Path
    secret_key: Path
    idle_s: int = 12 * 3600
    longest_s: int = 7 * 24 * 3600
    """Seconds after which a session ends although it is in use."""


def of_home(home: Home) -> WebSettings:
    """The settings of the page of one home."""
    return WebSettings(
        home=home,
        root=home.root,
        db=home.db,
        control_sock=home.control_sock,
        recordings=home.recordings,
        secret_key=home.session_key,
    )
