"""A recording's plain sound, whatever its file is now: ``open_sound``.

Any thread; reads the database and the file. What is encrypted is decrypted piece by piece while it is read, so nothing
plain ever touches the disk and seeking costs one piece.
"""

import os
import sqlite3
from dataclasses import dataclass
from typing import BinaryIO, cast

from ramal.box.home import Home
from ramal.errors import RamalError
from ramal.store import sounds
from ramal.vault import keys
from ramal.vault.cipher import SealBroken, Unsealer
from ramal.vault.keep import inside, open_regular

TYPES = {".wav": "audio/wav", ".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".opus": "audio/ogg"}
TARGET_DB = -20.0
"""As loud as speech is made for listening (dBFS, where there is sound)."""
HEADROOM_DB = 1.0
GAIN_MAX_DB = 20.0


class NoSound(RamalError):
    """There is no file to listen to: never was, not yet, or it is gone."""


@dataclass(frozen=True, slots=True)
class Opened:
    """Plain sound. ``file`` is seekable and the caller's to close; ``size`` its bytes; ``suffix`` as a download is
    named (``.ogg``); ``tag`` changes when the bytes do; ``modified_s`` is a time."""

    file: BinaryIO
    mimetype: str
    size: int
    suffix: str
    tag: str
    modified_s: int


def open_sound(home: Home, db: sqlite3.Connection, recording: int) -> Opened:
    """Open a recording. NoSound; SealBroken when the file is not as it was written or its key is missing."""
    sound = sounds.of(db, recording)
    if sound is not None and sound.gone_ms is not None:
        raise NoSound("This recording is gone.")
    if sound is not None and sound.cipher:
        file, status = _open(home, sound.path)
        plain = Unsealer(file, status.st_size, keys.load(home).get)
        if plain.file_id != sound.file_id:
            plain.close()
            raise SealBroken("This recording's file is another one than was written for it.")
        tag = sound.plain_sha256.hex()
        return Opened(cast(BinaryIO, plain), "audio/ogg", plain.size, ".ogg", tag, sound.made_ms // 1000)
    row = db.execute("SELECT path, sha256 FROM recording WHERE id = ? AND state <> 'writing'", (recording,)).fetchone()
    if sound is None and row is None:
        raise NoSound("There is no such recording.")
    path, sha256 = (sound.path, sound.plain_sha256) if sound is not None else row
    suffix = os.path.splitext(path)[1]
    if suffix not in TYPES:
        raise NoSound("This recording has no sound file.")
    file, status = _open(home, path)
    tag = sha256.hex() if sha256 else f"{status.st_size:x}-{status.st_mtime_ns:x}"
    return Opened(file, TYPES[suffix], status.st_size, suffix, tag, int(status.st_mtime))


def gain_db(peak_db: float, rms_db: float) -> float:
    """How much louder to play: to ``TARGET_DB``, but never so that the loudest sample is cut, and never so that noise
    becomes sound. The file stays as it is."""
    if peak_db <= -60.0 or rms_db <= -60.0:
        return 0.0
    return round(max(-GAIN_MAX_DB, min(TARGET_DB - rms_db, -HEADROOM_DB - peak_db, GAIN_MAX_DB)), 1)


def _open(home: Home, relative: str) -> tuple[BinaryIO, os.stat_result]:
    path = inside(home, relative)
    try:
        if path is None:
            raise FileNotFoundError
        file = open_regular(path)
    except OSError as error:
        raise NoSound("The file of this recording is not there.") from error
    return file, os.fstat(file.fileno())
