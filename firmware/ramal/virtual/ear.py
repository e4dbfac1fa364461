"""What a phone hears: baresip plays into a FIFO, and the ear writes it into one WAV file for each call.

Law: used on the phone's thread only. A FIFO, because baresip opens (and so empties) a plain file anew at each
re-INVITE; here the pieces are joined, and the sound can be read while the call goes on (``core.sound`` reads it).
The ear holds both ends open, so that baresip never waits for a reader nor dies for lack of one.
"""

import fcntl
import os
from pathlib import Path

from ramal.core import sound

PIPE_BYTES = 1 << 20  # a minute, should the phone's thread be late; a full FIFO would stop baresip
_READ_BYTES = 1 << 16


class Ear:
    """The FIFO ``path`` and the file it goes to. ``fileno()`` is for select; close() at the end."""

    def __init__(self, path: Path, limit_s: int) -> None:
        self.path = path
        self.bytes_heard = 0
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        self._fifo = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(self._fifo, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._limit_bytes = sound.HEADER_BYTES + limit_s * sound.RATE_HZ * 2
        self._strip = HeaderStrip()
        self._file = -1
        self._size_bytes = 0
        self.file: Path | None = None

    def fileno(self) -> int:
        """The file descriptor that becomes readable when there is sound."""
        return self._fifo

    def begin(self, file: Path) -> None:
        """From now on sound goes to ``file``."""
        self.end()
        self._strip = HeaderStrip()
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        os.write(self._file, sound.header(0))
        self._size_bytes = sound.HEADER_BYTES
        self.file = file

    def drain(self) -> None:
        """Write down all that has been played so far; without a file it is thrown away."""
        while self._fifo >= 0:
            try:
                data = os.read(self._fifo, _READ_BYTES)
            except BlockingIOError:
                return
            self.bytes_heard += len(data)
            if self._file >= 0:
                self._write(self._strip.feed(data))

    def end(self) -> Path | None:
        """Close the file with the right header; returns it, or None when there was none."""
        if self._file < 0:
            return None
        self.drain()
        self._write(self._strip.rest())
        os.pwrite(self._file, sound.header(self._size_bytes - sound.HEADER_BYTES), 0)
        os.close(self._file)
        self._file = -1
        file, self.file = self.file, None
        return file

    def close(self) -> None:
        """End, and let the FIFO go. Idempotent."""
        self.end()
        if self._fifo >= 0:
            os.close(self._fifo)
            self._fifo = -1

    def _write(self, data: bytes) -> None:
        room = self._limit_bytes - self._size_bytes
        self._size_bytes += os.write(self._file, data[: max(0, room)])


class HeaderStrip:
    """Takes WAV headers out of a stream: each start of the player writes one, and its end perhaps another."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """The sound in ``data``; up to 43 bytes are held back, as they may begin a header."""
        data = self._held + data
        out = []
        while (at := data.find(b"RIFF")) >= 0 and len(data) - at >= sound.HEADER_BYTES:
            is_header = data[at + 8 : at + 16] == b"WAVEfmt "
            out.append(data[:at] if is_header else data[: at + 4])
            data = data[at + (sound.HEADER_BYTES if is_header else 4) :]
        keep = len(data) - at if at >= 0 else next((n for n in (3, 2, 1) if data.endswith(b"RIFF"[:n])), 0)
        self._held = data[len(data) - keep :]
        out.append(data[: len(data) - keep])
        return b"".join(out)

    def rest(self) -> bytes:
        """What was held back and turned out to be no header."""
        held, self._held = self._held, b""
        return held
