"""A look into a home's database by root: done in a child that is the home's own user, never by root itself.

SQLite believes what lies beside a database (a planted journal names files that are then removed), so root never opens
one in a folder of another's. On the command's own thread; the child ends before the call returns.
"""

import json
import os
import pwd
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ramal.box.home import Home
from ramal.errors import RamalError

ANSWER_MAX = 64 << 20
LONGEST_S = 20 * 60.0


class OwnerFailed(RamalError):
    """The look, or the change, did not come to its end."""


class OwnerSilent(OwnerFailed):
    """It took too long or died without a word: nobody knows how far it came."""


def as_owner(home: Home, job: Callable[[], Any], longest_s: float = LONGEST_S) -> Any:
    """What ``job`` says (plain JSON), done as the home's user; in this process when that is who runs it. OwnerFailed
    with the sentence of what the job met, OwnerSilent when it said nothing in ``longest_s``."""
    try:
        found = home.root.lstat()
    except FileNotFoundError:
        return job()
    if os.geteuid() != 0 or found.st_uid == 0:
        return job()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            _become(found.st_uid, found.st_gid)
            with os.fdopen(writing, "w", encoding="utf-8") as file:
                try:
                    json.dump({"said": job()}, file)
                except Exception as error:
                    json.dump({"failed": str(error)[:2000]}, file)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    try:
        return _answer(_read(reading, longest_s))
    finally:
        os.close(reading)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _become(uid: int, gid: int) -> None:
    try:
        os.initgroups(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _read(reading: int, longest_s: float) -> bytes:
    said, ends = bytearray(), time.monotonic() + longest_s
    while select.select([reading], [], [], max(0.0, ends - time.monotonic()))[0]:
        block = os.read(reading, 1 << 16)
        said += block
        if not block or len(said) > ANSWER_MAX:
            return bytes(said)
    return b""


def _answer(said: bytes) -> Any:
    try:
        table = json.loads(said)
    except ValueError as error:
        raise OwnerSilent("The home's database gave no answer.") from error
    if not isinstance(table, dict) or "said" not in table:
        raise OwnerFailed(str(table.get("failed", "")) if isinstance(table, dict) else "It cannot be read.")
    return table["said"]
