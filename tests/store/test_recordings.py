"""Recordings are measured, mended and judged; the writer's thread never waits for a file."""

import hashlib
import os
import sqlite3
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ramal.store import read, recordings
from ramal.store.recordings import Due, Finisher, due, measure
from ramal.store.writer import Writer
from tests.store.history import Life
from tests.store.office_day import START_S, Script
from tests.until import until

RATE = 16_000
"""Bytes of sound per second: 8 kHz, 16 bit, mono."""


def wav(sound: bytes, *, data_size: int | None = None, riff_size: int | None = None) -> bytes:
    """What Asterisk writes; the sizes as it has them while the file is open, if given."""
    data_size = len(sound) if data_size is None else data_size
    riff_size = len(sound) + 36 if riff_size is None else riff_size
    head = b"RIFF" + struct.pack("<I", riff_size) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, RATE, 2, 16)
    return head + b"data" + struct.pack("<I", data_size) + sound


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "recordings" / "2026").mkdir(parents=True)
    return tmp_path


def put(home: Path, data: bytes) -> Due:
    (home / "recordings" / "2026" / "x.wav").write_bytes(data)
    return Due(16, "recordings/2026/x.wav", 3000)


def test_a_whole_recording_is_ready_with_its_length_and_checksum(home: Path) -> None:
    data = wav(os.urandom(3 * RATE))
    result = measure(home, put(home, data))
    assert (result.state, result.duration_ms, result.size_bytes) == ("ready", 3000, len(data))
    assert result.sha256 == hashlib.sha256(data).digest()


def test_what_was_measured_is_on_the_disk(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug pulled seconds after a call took the end of a recording that the page had given whole."""
    one, synced = put(home, wav(os.urandom(3 * RATE))), []
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    measure(home, one)
    assert synced == [(home / one.path).stat().st_ino]


@pytest.mark.parametrize(("data_size", "riff_size"), [(0, 0), (0, 36), (RATE, RATE + 36), (0xFFFFFFFF, 0xFFFFFFFF)])
def test_a_header_torn_by_a_power_cut_is_mended_and_the_sound_is_untouched(
    home: Path, data_size: int, riff_size: int
) -> None:
    sound = os.urandom(3 * RATE)
    one = put(home, wav(sound, data_size=data_size, riff_size=riff_size))
    result = measure(home, one)
    assert (result.state, result.duration_ms) == ("ready", 3000)
    assert (home / one.path).read_bytes() == wav(sound)
    assert result.sha256 == hashlib.sha256(wav(sound)).digest()


def test_half_a_sample_at_the_end_is_no_sound(home: Path) -> None:
    one = put(home, wav(b"\1\2" * RATE + b"\3", data_size=0))
    assert measure(home, one).duration_ms == 2000
    assert measure(home, one).state == "ready"


@pytest.mark.parametrize(
    ("data", "state", "duration_ms"),
    [
        (wav(b""), "short", 0),
        (wav(b"\0" * (RATE // 2)), "short", 500),
        (wav(b"\0" * RATE), "ready", 1000),
        (b"", "damaged", None),
        (b"RIFF", "damaged", None),
        (b"\0" * 4096, "damaged", None),
        (b"this is no sound at all, but it is longer than a header", "damaged", None),
    ],
    ids=["44 bytes", "too short", "a little short", "empty", "four bytes", "zeros", "text"],
)
def test_what_is_wrong_with_a_recording_is_said(home: Path, data: bytes, state: str, duration_ms: int | None) -> None:
    result = measure(home, put(home, data))
    assert (result.state, result.duration_ms, result.size_bytes) == (state, duration_ms, len(data))


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "/etc/passwd", "recordings/../../x", "recordings/\0", "db/ramal.db"]
)
def test_a_path_outside_the_recordings_is_never_opened(home: Path, path: str) -> None:
    assert measure(home, Due(16, path, None)).state == "missing"


def test_a_link_is_not_followed(home: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(wav(b"\0" * RATE))
    (home / "recordings" / "link.wav").symlink_to(secret)
    assert measure(home, Due(16, "recordings/link.wav", None)).state == "missing"


def talked(life: Life, ended: bool = True) -> str:
    script = Script(1, START_S * 1000).arrive().join().talk("sales", "7", "201", 1000, 3000)
    if not ended:
        script.cel = script.cel[:-4]
    life.keep(script)
    return script.id


def test_only_recordings_of_ended_calls_are_due(life: Life) -> None:
    talked(life, ended=False)
    assert due(life.db) == ()
    talked(life)
    (one,) = due(life.db)
    assert one.expected_ms == 3000


class Desk:
    """A home with one answered call, its writer and its finisher."""

    def __init__(self, folder: Path, life: Life) -> None:
        self.home = folder
        self.call = talked(life)
        life.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (folder / "db").mkdir()
        with sqlite3.connect(folder / "db" / "ramal.db") as copy:
            life.db.backup(copy)
        copy.close()
        self.writer = Writer(folder / "db" / "ramal.db")
        self.finisher = Finisher(folder, self.writer.submit, settle_s=0.05, grace_s=0.1)
        self.finisher.start()

    @property
    def file(self) -> Path:
        return self.home / "recordings" / "2026" / "11" / "22" / f"{self.call}-1.wav"

    def step(self) -> int:
        return self.writer.submit(self.finisher.step).result(10)

    def recording(self) -> read.Recording:
        detail = self.writer.submit(lambda db: read.call(db, self.call)).result(10)
        assert detail is not None
        return detail.recordings[0]

    def close(self) -> None:
        self.finisher.stop()
        self.writer.stop()


@pytest.fixture
def desk(tmp_path: Path, life: Life) -> Iterator[Desk]:
    (tmp_path / "home").mkdir()
    one = Desk(tmp_path / "home", life)
    yield one
    one.close()


def test_a_recording_is_closed_soon_after_its_call(desk: Desk) -> None:
    desk.file.parent.mkdir(parents=True)
    desk.file.write_bytes(wav(os.urandom(3 * RATE)))
    assert desk.step() == 1
    found = until(lambda: desk.recording() if desk.recording().state != "writing" else None, 10)
    assert (found.state, found.duration_ms, found.bytes) == ("ready", 3000, 3 * RATE + 44)
    assert found.sha256 == hashlib.sha256(desk.file.read_bytes()).hexdigest()
    assert desk.step() == 0


def test_a_file_that_still_grows_is_not_measured(desk: Desk) -> None:
    desk.finisher.stop()
    now_s = 100.0
    finisher = Finisher(desk.home, desk.writer.submit, settle_s=1.0, grace_s=5.0, clock=lambda: now_s)
    desk.file.parent.mkdir(parents=True)
    desk.file.write_bytes(wav(b"", data_size=0))
    desk.writer.submit(finisher.step).result(10)
    for _ in range(6):
        with desk.file.open("ab") as file:
            file.write(b"\1" * (RATE // 2))
        now_s += 0.9
        finisher.look()
        assert desk.recording().state == "writing"
    now_s += 1.0
    finisher.look()
    assert (desk.recording().state, desk.recording().duration_ms) == ("ready", 3000)


def test_a_recording_that_never_appeared_is_missing_after_a_moment(desk: Desk) -> None:
    desk.step()
    assert until(lambda: desk.recording() if desk.recording().state != "writing" else None, 10).state == "missing"


def test_what_is_amiss_is_counted_from_a_moment_on(desk: Desk) -> None:
    def amiss(since_ms: int) -> Mapping[str, int]:
        return desk.writer.submit(lambda db: recordings.amiss(db, since_ms)).result(10)

    assert amiss(0) == {}
    desk.step()
    until(lambda: desk.recording().state == "missing", 10)
    assert amiss(START_S * 1000) == {"missing": 1}
    assert amiss((START_S + 60) * 1000) == {}


def test_another_life_finds_what_was_left(desk: Desk) -> None:
    desk.finisher.stop()
    desk.file.parent.mkdir(parents=True)
    desk.file.write_bytes(wav(os.urandom(3 * RATE)))
    again = Finisher(desk.home, desk.writer.submit, settle_s=0.05)
    again.start()
    desk.writer.submit(again.step).result(10)
    until(lambda: desk.recording().state == "ready", 10)
    again.stop()
