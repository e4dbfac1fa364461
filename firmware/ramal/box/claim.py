"""Whose box is this? A new box has a claim code; who types it in the page chooses the owner's password.

Runs on the main thread of ``ramal prepare`` and ``ramal claim``. Law: the database decides: a box is unclaimed while
the user ``owner`` must still change the password; the file with the code only lets the page know that it is a box of
this kind, and the code's argon2 hash is that user's password, which opens nothing but the claim (``ramal_web.claim``).
So whatever moment the power goes, who was told that the box is theirs has it. ``make run`` has no such file, no claim.
"""

import contextlib
import secrets
import sqlite3
import time
from pathlib import Path

from ramal.box.home import Home, write_whole
from ramal.box.prepare import hashed
from ramal.core.code_letters import LETTERS
from ramal.errors import RamalError
from ramal.store import users
from ramal.store.db import open_writer
from ramal.writer_lock import only_writer

CARD = Path("/bootsel/ramal-claim.txt")
"""On the card's first partition, which every computer opens. Who can write it holds the box."""
CARD_CHARS, CODE_LETTERS_MAX = 200, 28
GROUPS, GROUP_LETTERS = 2, 4
"""40 bits; the page slows down who guesses, so that a thousand years are not enough."""


def new_code() -> str:
    """``abcd-2345``: easy to read from a console, to say on the telephone and to type."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(GROUP_LETTERS)) for _ in range(GROUPS))


def card_code(card: Path = CARD) -> str | None:
    """The code that an installer wrote on the card, for a box without a screen; in groups of four like ours, as the
    page reads what is typed. None without one, or when it is too short to be one."""
    try:
        with card.open(encoding="utf-8", errors="replace") as file:
            text = file.read(CARD_CHARS)
    except OSError:
        return None
    plain = "".join(mark for mark in text.lower() if mark.isascii() and mark.isalnum())[:CODE_LETTERS_MAX]
    if len(plain) < GROUPS * GROUP_LETTERS:
        return None
    return "-".join(plain[at : at + GROUP_LETTERS] for at in range(0, len(plain), GROUP_LETTERS))


def ensure(home: Home) -> str | None:
    """Make sure that the box is either claimed or can be: the code while nobody has claimed it, else None.

    The database must have its schema. Raises RamalError: a daemon runs, or the disk refuses.
    """
    with only_writer(home):
        connection = open_writer(home.db)
        try:
            row = connection.execute("SELECT must_change FROM user WHERE name = 'owner'").fetchone()
            if row is not None and not row[0]:
                home.forget_one_time_password()
                return None
            code = _kept(home)
            if row is None or code is None:
                code = card_code() or new_code()
                _open(home, connection, code, known=row is not None)
        finally:
            connection.close()
    tell_console(home, code)
    return code


def anew(home: Home) -> str:
    """Open the claim again (``ramal reset owner``): the owner's sessions end, the old password is worth nothing; the
    new code. RamalError while a daemon runs."""
    with only_writer(home):
        connection = open_writer(home.db)
        try:
            known = connection.execute("SELECT 1 FROM user WHERE name = 'owner'").fetchone() is not None
            code = card_code() or new_code()
            _open(home, connection, code, known=known)
        finally:
            connection.close()
    tell_console(home, code)
    return code


def show(home: Home) -> int:
    """``ramal claim``: print the code while the box is unclaimed. 0 with a code, 1 without."""
    code = _kept(home)
    if code is None:
        print("This box is claimed (or was never to be: make run has a one-time password instead).")
        return 1
    print(f"Claim code: {code}\nOpen http://ramal.local from a computer in the same network and type it there.")
    return 0


def tell_console(home: Home, code: str) -> None:
    """Have the console say the code above its login. A console that cannot is no reason to stop."""
    text = (
        "\nThis Ramal box is not claimed yet.\n"
        f"Open http://ramal.local (or http://\\4) in the same network.\nClaim code: {code}\n\n"
    )
    with contextlib.suppress(OSError):
        write_whole(home.issue, text, 0o644)


def _open(home: Home, connection: sqlite3.Connection, code: str, *, known: bool) -> None:
    # The file first: with a hash whose code nobody knows, the box could never be claimed.
    try:
        write_whole(home.claim, f"{code}\n", 0o640)
    except OSError as error:
        raise RamalError(
            f"The claim code cannot be kept ({error.strerror or error}). Calls are not affected. "
            "Check the data disk, then restart the box."
        ) from error
    at_ms = time.time_ns() // 1_000_000
    if known:
        users.reset(connection, at_ms, "box", "owner", hashed(code))
    else:
        users.add(connection, at_ms, "box", users.NewUser("owner", "owner", "", hashed(code)))


def _kept(home: Home) -> str | None:
    try:
        return home.claim.read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise RamalError(f"The claim code in {home.claim} cannot be read ({error}). Ask as root.") from error
