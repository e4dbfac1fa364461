"""The catalogue of recordings as a chain of hashes: what a seal is, and what is wrong with a row of them.

Pure. Law: a seal's ``prev`` is the hash over the whole seal before it, so whoever changes, removes or inserts one must
write every later one anew, and then no head that was printed, mailed or kept elsewhere fits any more. What a seal
tells of (a kept sound, why it went) is in it as a digest only: nothing of a person, so no seal ever has to be removed.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ramal.core.flaws import Flaw, row_flaw

SealKind = Literal["sound", "gone", "erased", "day"]
GENESIS = bytes(32)
"""What the first seal follows."""
_MARK = b"ramal seal 1\0"


@dataclass(frozen=True, slots=True)
class Seal:
    """One row of the catalogue. ``n`` counts from 1; ``recording`` is 0 for a day."""

    n: int
    at_ms: int
    kind: str
    recording: int
    digest: bytes
    prev: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The hash of seal ``n``, which stands for everything up to it. ``at_ms``: when it was sealed."""

    n: int
    at_ms: int
    hash: bytes

    @property
    def text(self) -> str:
        """As it is printed: the number, then the hash in groups of eight that a person can compare."""
        told = self.hash.hex()
        return f"{self.n}-" + "-".join(told[at : at + 8] for at in range(0, len(told), 8))


def hash_of(seal: Seal) -> bytes:
    """SHA-256 over every field of a seal; 32 bytes."""
    kind = seal.kind.encode()
    whole = struct.pack(">qqqH", seal.n, seal.at_ms, seal.recording, len(kind)) + kind
    return hashlib.sha256(_MARK + whole + _sized(seal.digest) + _sized(seal.prev)).digest()


def head_of(seal: Seal) -> Head:
    """The head a seal makes."""
    return Head(seal.n, seal.at_ms, hash_of(seal))


def head_from(text: str) -> Head | None:
    """A head as ``Head.text`` prints it (its time unknown: 0); None for anything else."""
    number, _, groups = text.strip().lower().partition("-")
    told = groups.replace("-", "").replace(" ", "")
    if not (number.isascii() and number.isdigit() and len(number) < 19 and len(told) == 64):
        return None
    try:
        return Head(int(number), 0, bytes.fromhex(told))
    except ValueError:
        return None


def follow(before: Head | None, at_ms: int, kind: SealKind, recording: int, digest: bytes) -> Seal:
    """The seal that comes after ``before`` (None: the first)."""
    n, prev = (1, GENESIS) if before is None else (before.n + 1, before.hash)
    return Seal(n, at_ms, kind, recording, digest, prev)


def digest_of(kind: SealKind, facts: Sequence[object]) -> bytes:
    """What a seal keeps of the facts it seals; the same facts (None, numbers, text, bytes) give the same 32 bytes."""
    plain = [fact.hex() if isinstance(fact, bytes) else fact for fact in facts]
    text = json.dumps([kind, *plain], ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).digest()


def walk(seals: Iterable[Seal], anchors: Mapping[int, bytes]) -> Iterator[Flaw]:
    """What is wrong with the chain, in order; ``seals`` by their number. ``anchors`` are hashes kept elsewhere, by the
    number of their seal. Constant memory. A change is told once, where it is, and the walk goes on behind it."""
    before: Seal | None = None
    broken_at = 0
    for seal in seals:
        expected = 1 if before is None else before.n + 1
        prev = GENESIS if before is None else hash_of(before)
        if seal.n != expected:
            yield row_flaw("row", "row-removed", expected, seal.n - 1)
            broken_at = seal.n
        elif seal.prev != prev:
            if before is None:
                yield Flaw("row", "row", "row-changed", {"n": seal.n})
            else:
                yield Flaw("row", "either", "row-changed", {"n": before.n, "next": seal.n})
            broken_at = seal.n
        elif seal.kind == "day" and seal.digest != digest_of("day", (seal.at_ms,)):
            yield Flaw("row", "row", "day-changed", {"n": seal.n})
        anchor = anchors.get(seal.n)
        if anchor is not None and anchor != hash_of(seal):
            since = max((n for n in anchors if n < seal.n and n >= broken_at), default=broken_at)
            yield row_flaw("head", "head-other", since + 1, seal.n)
            broken_at = seal.n
        before = seal
    last = 0 if before is None else before.n
    if beyond := max((n for n in anchors if n > last), default=0):
        yield row_flaw("row", "end-removed", last + 1, beyond)


def _sized(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
