"""Files encrypted piece by piece, so that the page can seek in them: ChaCha20-Poly1305, which a Pi computes fast.

Any thread; does the IO of the files it is given. Layout: a header of 48 bytes (mark, key id, file id), then pieces of
64 KiB of plain bytes, each with its 16 bytes of proof. Every file has a key of its own (HKDF of the box's key and the
random file id), so that no nonce is ever used twice; a piece's number and whether it is the last are in its nonce, the
header is bound to every piece. So a piece that is changed, left out, put elsewhere, taken from another file or cut off
at the end is found when it is read.
"""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ramal.errors import RamalError

MARK = b"RAMAL\x00S1"
KEY_ID_BYTES = 16
FILE_ID_BYTES = 24
HEADER_BYTES = len(MARK) + KEY_ID_BYTES + FILE_ID_BYTES
PIECE = 64 * 1024
TAG = 16
_WHOLE = PIECE + TAG


Broken = Literal["other", "mark", "key", "cut", "piece"]


class SealBroken(RamalError):
    """An encrypted file is not as it was written, or cannot be read with this box's keys. ``reason``: its first bytes
    are others, its key (``facts``: ``key``) is missing, it was cut off, or a piece (``begin``, ``end``) was changed."""

    def __init__(self, said: str, reason: Broken = "other", **facts: int | str) -> None:
        super().__init__(said)
        self.reason: Broken = reason
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the box. ``id`` (32 hex digits) is computed from it, so a damaged key never passes for another."""

    id: str
    secret: bytes = field(repr=False)
    made_ms: int = 0


class Sink(Protocol):
    """Takes bytes, all of them."""

    def write(self, data: bytes, /) -> int: ...


class Sealer:
    """Encrypts what is written into ``file`` (a binary file at its beginning). ``seal`` ends it; until then it is no
    valid file, so a file that was cut off is known. Does not close ``file``."""

    def __init__(self, file: Sink, key: Key, file_id: bytes) -> None:
        self._file = file
        self._header = MARK + bytes.fromhex(key.id) + file_id
        self._cipher = _cipher(key, file_id)
        self._rest = bytearray()
        self._number = 0
        self.plain_bytes = 0
        file.write(self._header)

    def write(self, data: bytes) -> int:
        """Take more plain bytes."""
        self._rest += data
        self.plain_bytes += len(data)
        while len(self._rest) > PIECE:
            self._put(bytes(self._rest[:PIECE]), last=False)
            del self._rest[:PIECE]
        return len(data)

    def seal(self) -> None:
        """Write the last piece; nothing can be written any more."""
        self._put(bytes(self._rest), last=True)
        self._rest.clear()

    def _put(self, piece: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last), piece, self._header))
        self._number += 1


class Unsealer(io.RawIOBase):
    """The plain bytes of an encrypted file, seekable. SealBroken by the constructor (also when its length is not what
    was written) and by ``read``. Closes ``file``."""

    def __init__(self, file: BinaryIO, size: int, key_of: Callable[[str], Key | None]) -> None:
        self._file = file
        try:
            self._open(size, key_of)
        except BaseException:
            file.close()
            raise

    def _open(self, size: int, key_of: Callable[[str], Key | None]) -> None:
        self._at = 0
        self._have, self._piece = -1, b""
        file = self._file
        file.seek(0)
        self._header = file.read(HEADER_BYTES)
        if len(self._header) < HEADER_BYTES or self._header[: len(MARK)] != MARK:
            raise SealBroken("This is no encrypted recording: its first bytes are not what Ramal writes.", "mark")
        self.key_id = self._header[len(MARK) : len(MARK) + KEY_ID_BYTES].hex()
        self.file_id = self._header[-FILE_ID_BYTES:]
        key = key_of(self.key_id)
        if key is None:
            raise SealBroken(
                f"The key {self.key_id[:8]} of this recording is not on this box. The file is kept. Bring the key back "
                "with: ramal recordings key import FILE",
                "key",
                key=self.key_id[:8],
            )
        self._cipher = _cipher(key, self.file_id)
        sealed = size - HEADER_BYTES
        self._pieces = max(1, -(-sealed // _WHOLE))
        self.size = sealed - self._pieces * TAG
        if self.size < 0:
            raise SealBroken("This recording's file was cut off.", "cut")
        self._load(self._pieces - 1)  # proves the length

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        if start + offset < 0:
            raise ValueError("a place before the beginning")
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        number, begin = divmod(self._at, PIECE)
        if self._at >= self.size or number >= self._pieces:
            return 0
        self._load(number)
        part = self._piece[begin : begin + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes (fewer only at the end); everything when negative."""
        wanted = max(0, self.size - self._at) if size is None or size < 0 else size
        parts = []
        while wanted > 0:
            part = bytearray(min(wanted, PIECE))
            count = self.readinto(memoryview(part))
            if not count:
                break
            parts.append(bytes(part[:count]))
            wanted -= count
        return b"".join(parts)

    def close(self) -> None:
        self._file.close()
        super().close()

    def broken_pieces(self) -> list[tuple[int, int]]:
        """Every span of the file's bytes (from, to) that is not as it was written; reads the whole file."""
        found: list[tuple[int, int]] = []
        for number in range(self._pieces):
            try:
                self._load(number)
            except SealBroken:
                begin = HEADER_BYTES + number * _WHOLE
                found.append((begin, begin + _WHOLE))
        return found

    def _load(self, number: int) -> None:
        if number == self._have:
            return
        self._file.seek(HEADER_BYTES + number * _WHOLE)
        sealed = self._file.read(_WHOLE)
        try:
            piece = self._cipher.decrypt(_nonce(number, number == self._pieces - 1), sealed, self._header)
        except InvalidTag:
            begin = HEADER_BYTES + number * _WHOLE
            end = begin + len(sealed)
            raise SealBroken(
                f"This recording's file is not as it was written (between byte {begin} and {end}): "
                "changed, cut off, or damaged by the disk.",
                "piece",
                begin=begin,
                end=end,
            ) from None
        self._have, self._piece = number, piece


def _cipher(key: Key, file_id: bytes) -> ChaCha20Poly1305:
    own = HKDF(algorithm=SHA256(), length=32, salt=file_id, info=b"ramal recording 1").derive(key.secret)
    return ChaCha20Poly1305(own)


def _nonce(number: int, last: bool) -> bytes:
    return struct.pack(">B3xQ", 1 if last else 0, number)
