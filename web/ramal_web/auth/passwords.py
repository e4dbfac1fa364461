"""Passwords: argon2id, checked one at a time.

Law: at most one hash is computed at any moment, on one thread of its own, so a flood of logins costs neither memory nor
a second core (the allocator keeps a hash's 19 MiB for every thread that ever made one), and a user that does not exist
costs the same time as a wrong password. May be asked from any thread.
"""

import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from ramal.core.code_letters import LETTERS

SHORTEST, LONGEST = 10, 256
Fault = Literal["short", "long", "simple", "same"]

# OWASP's first choice for small machines: 19 MiB instead of the library's 64, because the whole page has 80.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$cmFtYWwtbm9ib2R5LXNhbA$" + "A" * 43
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="passwords")


def hashed(password: str) -> str:
    """The argon2id hash of a password, in PHC form."""
    return _thread.submit(_HASHER.hash, _normal(password)).result()


def one_time() -> str:
    """A password to be told to a person and changed at the first sign-in: three groups of four, 59 bits."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(3))


def right(password: str, hash_: str | None) -> bool:
    """Whether ``password`` belongs to ``hash_``; None (no such user) takes as long and is False."""
    if len(password) > LONGEST:
        return False
    try:
        return _thread.submit(_HASHER.verify, hash_ or _NOBODY, _normal(password)).result() and hash_ is not None
    except (VerificationError, InvalidHashError):
        return False


def fault(password: str, user: str, old_hash: str) -> Fault | None:
    """What is wrong with a new password; None when it may be used."""
    plain = _normal(password)
    if len(plain) < SHORTEST:
        return "short"
    if len(password) > LONGEST:
        return "long"
    if len(set(plain.casefold())) < 5 or user.casefold() in plain.casefold():
        return "simple"
    return "same" if right(password, old_hash) else None


def _normal(password: str) -> str:
    """The same password typed on another keyboard is the same password (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", password)
