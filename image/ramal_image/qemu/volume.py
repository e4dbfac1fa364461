"""A disk with a volatile write cache, for real power cuts: an NBD server that acknowledges writes before it keeps them.

Law: only a flush (or FUA) makes writes lasting; ``cut`` drops the line and then keeps, loses or tears (at a sector's
border) what was not flushed, by a seed. Killing QEMU alone cuts nothing: the host's page cache has every write by then.
One thread per connection; everything shared is under one lock.
"""

import contextlib
import os
import random
import socket
import struct
import threading
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
_GREETING = b"NBDMAGIC" + b"IHAVEOPT" + struct.pack(">H", 3)
_FLAGS = 1 | 4 | 8  # has flags, flush, FUA
_READ, _WRITE, _END, _FLUSH = 0, 1, 2, 3
LOST, TORN = 0.45, 0.55
"""Of a random number from 0 to 1: below LOST a write is lost, from there to TORN torn, above kept."""


@dataclass(slots=True)
class Counts:
    """What happened so far."""

    writes: int = 0
    flushes: int = 0
    lost: int = 0
    torn: int = 0
    kept: int = 0


@dataclass(slots=True)
class Cache:
    """The disk itself, without any socket: lasting bytes in ``file``, the rest in memory."""

    file: int
    size: int
    random: random.Random
    counts: Counts = field(default_factory=Counts)
    pending: list[tuple[int, bytes]] = field(default_factory=list)

    def read(self, offset: int, length: int) -> bytes:
        """As the guest sees it: with what was written and not flushed."""
        found = bytearray(os.pread(self.file, length, offset).ljust(length, b"\0"))
        for at, data in self.pending:
            begin, end = max(at, offset), min(at + len(data), offset + length)
            if begin < end:
                found[begin - offset : end - offset] = data[begin - at : end - at]
        return bytes(found)

    def write(self, offset: int, data: bytes) -> None:
        self.counts.writes += 1
        self.pending.append((offset, data))

    def flush(self) -> None:
        self.counts.flushes += 1
        for offset, data in self.pending:
            os.pwrite(self.file, data, offset)
        self.pending.clear()

    def cut(self) -> None:
        """The power goes."""
        for offset, data in self.pending:
            chance = self.random.random()
            if chance < LOST:
                self.counts.lost += 1
            elif chance < TORN and len(data) > SECTOR:
                whole = SECTOR * self.random.randrange(1, len(data) // SECTOR) if len(data) >= 2 * SECTOR else SECTOR
                os.pwrite(self.file, data[:whole], offset)
                self.counts.torn += 1
            else:
                os.pwrite(self.file, data, offset)
                self.counts.kept += 1
        self.pending.clear()


class Volume:
    """``Cache`` over a unix socket. ``path`` is what QEMU gets as ``nbd:unix:<path>``."""

    def __init__(self, image: Path, path: Path, seed: int) -> None:
        self.path = path
        self.cut_reached = threading.Event()
        self._lock = threading.Lock()
        self._dead = False
        self._cut_after: int | None = None
        self._connections: list[socket.socket] = []
        descriptor = os.open(image, os.O_RDWR | os.O_CLOEXEC)
        self.cache = Cache(descriptor, os.fstat(descriptor).st_size, random.Random(seed))
        path.unlink(missing_ok=True)
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(path))
        self._door.listen(4)
        self._threads = [threading.Thread(target=self._accept, name="nbd door", daemon=True)]
        self._threads[0].start()

    def cut_after(self, writes: int) -> None:
        """Drop the line at the write number ``writes`` from now on; ``cut_reached`` tells."""
        with self._lock:
            self._cut_after = self.cache.counts.writes + writes

    def cut(self) -> Counts:
        """The power goes (now, or where ``cut_after`` dropped the line); what of the rest lasted is decided."""
        with self._lock:
            self._dead = True
            self.cache.cut()
        return self.cache.counts

    def close(self) -> None:
        """End the server; what was not flushed is written, as by a clean shutdown, unless the power was cut."""
        with self._lock:
            if not self._dead:
                self.cache.flush()
            self._dead = True
        for line in (self._door, *self._connections):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()
        for thread in self._threads:
            thread.join()
        os.close(self.cache.file)
        self.path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._door.accept()
            except OSError:
                return
            self._connections.append(line)
            thread = threading.Thread(target=self._serve, args=(line,), name="nbd line", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            if self._greet(line):
                while self._answer(line):
                    pass
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    def _greet(self, line: socket.socket) -> bool:
        line.sendall(_GREETING)
        (client,) = struct.unpack(">I", _exactly(line, 4))
        while True:
            _, option, length = struct.unpack(">8sII", _exactly(line, 16))
            _exactly(line, length)
            if option == 1:
                tail = b"" if client & 2 else bytes(124)
                line.sendall(struct.pack(">QH", self.cache.size, _FLAGS) + tail)
                return True
            if option in (6, 7):
                line.sendall(_reply(option, 3, struct.pack(">HQH", 0, self.cache.size, _FLAGS)) + _reply(option, 1))
                if option == 7:
                    return True
            elif option == 2:
                line.sendall(_reply(option, 1))
                return False
            else:
                line.sendall(_reply(option, 0x80000001))

    def _answer(self, line: socket.socket) -> bool:
        """One request; False at the end of the line."""
        _, flags, kind, handle, offset, length = struct.unpack(">IHHQQI", _exactly(line, 28))
        data = _exactly(line, length) if kind == _WRITE else b""
        with self._lock:
            if self._dead or kind == _END:
                return False
            found = b""
            if kind == _READ:
                found = self.cache.read(offset, length)
            elif kind == _WRITE:
                self.cache.write(offset, data)
                if self._cut_after is not None and self.cache.counts.writes >= self._cut_after:
                    self._dead = True
                    self.cut_reached.set()
                    return False
                if flags & 1:
                    self.cache.flush()
            elif kind == _FLUSH:
                self.cache.flush()
        line.sendall(struct.pack(">IIQ", 0x67446698, 0, handle) + found)
        return True


def _exactly(line: socket.socket, length: int) -> bytes:
    found = bytearray()
    while len(found) < length:
        data = line.recv(length - len(found))
        if not data:
            raise EOFError
        found += data
    return bytes(found)


def _reply(option: int, kind: int, data: bytes = b"") -> bytes:
    return struct.pack(">QIII", 0x3E889045565A9, option, kind, len(data)) + data
