"""What goes wrong on a box: no encoder, strange files, a full disk, a busy box; the wav stays, and one word is said."""

import errno
import io
import os
import sqlite3
import struct
import threading
import time
from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from ramal.core import sound
from ramal.core.state import State
from ramal.ops import vault
from ramal.provide import peers
from ramal.store import sounds
from ramal.vault import keep, opus
from ramal.vault.sound import NoSound
from tests.until import until
from tests.vault.shelf import ENDED_MS, Shelf, spoken, stereo_wav
from tests.vault.test_keep import TALK, flaws, keeper, plain


def test_without_an_encoder_recordings_stay_wavs_and_are_kept_when_it_is_back(shelf: Shelf) -> None:
    recording = shelf.put(TALK)
    clock = [0.0]

    def nothing(program: str, *args: str, die_with_parent: bool = False) -> list[str]:
        return ["/nowhere/" + program, *args]

    one = keeper(shelf, argv=nothing, clock=lambda: clock[0])
    assert one.round() == 0
    assert shelf.warned() == (("count", 1), ("reason", "encoder"))
    assert plain(shelf, recording) == TALK
    one._ways = replace(one._ways, argv=opus.provided)
    assert one.round() == 0, "it is not tried again at once"
    clock[0] += vault.BACK_OFF_S + 1
    assert one.round() == 1
    assert one.round() == 0
    assert shelf.warned() is None
    assert flaws(shelf) == []


def test_while_nothing_can_be_kept_wavs_of_kept_recordings_go_in_time_all_the_same(shelf: Shelf) -> None:
    kept = shelf.put(TALK)
    clock = [0.0]
    one = keeper(shelf, clock=lambda: clock[0], linger_ms=keep.LINGER_MS)
    assert one.round() == 1
    one._ways = replace(one._ways, argv=lambda program, *args, die_with_parent=False: ["/nowhere/" + program])
    plain_one = shelf.put(TALK)
    for minutes in range(1, 8):  # an hour goes by till it tries again, by and by
        clock[0] += 60 * 2**minutes
        assert one.round() == 0
    assert shelf.path(kept, ".wav").exists()
    shelf.now_ms += keep.LINGER_MS
    clock[0] += vault.BACK_OFF_S + 1
    assert one.round() == 0
    assert one._outage is not None
    assert clock[0] < one._outage.next_s
    assert not shelf.path(kept, ".wav").exists()
    assert shelf.path(plain_one, ".wav").read_bytes() == TALK


def test_a_database_that_is_out_of_room_is_an_outage_like_another(
    shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    """Some rows still find room in a page that is there; the next wants a new one."""
    recordings = [shelf.put(TALK) for _ in range(8)]
    clock = [0.0]
    one = keeper(shelf, clock=lambda: clock[0])
    pages = shelf.write(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    shelf.write(lambda db: db.execute(f"PRAGMA max_page_count={pages}").fetchall())
    for _ in range(5):
        assert one.round() == 0
        clock[0] += 1
    told = shelf.warned()
    assert told is not None
    assert told[1] == ("reason", "room")
    assert sum("stay wav files" in record.message for record in caplog.records) == 1
    assert shelf.path(recordings[-1], ".wav").read_bytes() == TALK
    shelf.write(lambda db: db.execute("PRAGMA max_page_count=1000000").fetchall())
    clock[0] += vault.BACK_OFF_S
    assert one.round() > 0
    assert one.round() == 0
    assert shelf.warned() is None
    assert all(plain(shelf, each)[:4] == b"OggS" for each in recordings)
    assert flaws(shelf) == []


@pytest.mark.parametrize("program", ["false", "true", "cat"])
def test_an_encoder_that_gives_up_or_gives_nonsense_costs_nothing(shelf: Shelf, program: str) -> None:
    recording = shelf.put(TALK)
    one = keeper(
        shelf,
        argv=lambda name, *args, die_with_parent=False: [program] if name == "opusenc" else opus.provided(name, *args),
    )
    assert one.round() == 0
    assert shelf.path(recording, ".wav").read_bytes() == TALK
    assert not shelf.path(recording).exists()
    assert [path.name for path in shelf.home.recordings_work.iterdir()] == ["keys"]


def test_an_encoder_that_loses_sound_is_found_out(shelf: Shelf) -> None:
    """Half of the sound is silent: the length is right, the loudness in the middle is not."""
    recording = shelf.put(stereo_wav(sound.tone([440], 6000), sound.tone([700], 6000)))
    quiet = shelf.home.root / "quiet"
    quiet.write_bytes(stereo_wav(sound.tone([440], 3000) + sound.silence(3000), sound.tone([700], 6000))[44:])

    def lossy(program: str, *args: str, die_with_parent: bool = False) -> list[str]:
        command = opus.provided(program, *args)
        if program == "opusdec":
            return ["sh", "-c", f"cat >/dev/null; cat '{quiet}'"]
        return command

    one = keeper(shelf, argv=lossy)
    assert one.round() == 0
    assert shelf.path(recording, ".wav").exists()
    assert not shelf.path(recording).exists()


@pytest.mark.parametrize(
    "data",
    [b"", b"RIFF", b"\0" * 100_000, os.urandom(100_000), TALK[:44], TALK[:45], sound.header(8, 8000, 3) + bytes(8)],
    ids=["empty", "four bytes", "zeros", "noise", "a head", "half a sample", "three channels"],
)
def test_what_is_no_recording_stays_as_it_is_and_stops_nobody(shelf: Shelf, data: bytes) -> None:
    bad, good = shelf.put(data), shelf.put(TALK)
    clock = [0.0]
    one = keeper(shelf, clock=lambda: clock[0])
    assert one.round() == 1
    assert one.round() == 0
    assert shelf.path(bad, ".wav").read_bytes() == data
    assert plain(shelf, good)[:4] == b"OggS"
    clock[0] += 2 * vault.BACK_OFF_S
    one.round()
    assert shelf.warned() == (("count", 1), ("reason", "sound"))


def test_a_wav_torn_by_a_power_cut_is_kept_with_all_of_its_sound(shelf: Shelf) -> None:
    torn = bytearray(TALK)
    struct.pack_into("<I", torn, 4, 0)
    struct.pack_into("<I", torn, 40, 0)
    recording = shelf.put(bytes(torn) + b"\x01")
    assert keeper(shelf).round() == 1
    row = shelf.read(lambda db: sounds.of(db, recording))
    assert (row.duration_ms, row.channels) == (4000, 2)


@pytest.mark.parametrize(
    "path",
    ["../../etc/passwd.wav", "recordings/../secrets/x.wav", "/etc/x.wav", "recordings/\0.wav", "recordings/", "",
     "recordings/a.txt", "recordings/..", "secrets/ami"],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_is_never_touched(shelf: Shelf, path: str) -> None:
    good = shelf.put(TALK)
    bad = shelf.put(TALK)
    shelf.write(lambda db: db.execute("UPDATE recording SET path = ? WHERE id = ?", (path, bad)))
    before = sorted(path for path in shelf.home.root.rglob("*") if "recordings" not in path.parts and path.is_file())
    assert keeper(shelf).round() == 1
    after = sorted(path for path in shelf.home.root.rglob("*") if "recordings" not in path.parts and path.is_file())
    assert {one.name for one in after} - {one.name for one in before} <= {"recordings.key", "tip", "days"}
    assert plain(shelf, good)[:4] == b"OggS"


@pytest.mark.parametrize("thing", ["link", "folder", "pipe", "no word about gaps"])
def test_what_is_no_plain_file_is_left_alone_and_stops_nobody(shelf: Shelf, tmp_path: Path, thing: str) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(TALK)
    recording, good = shelf.put(TALK), shelf.put(TALK)
    wav = shelf.path(recording, ".wav")
    wav.unlink()
    match thing:
        case "link":
            wav.symlink_to(secret)
        case "folder":
            wav.mkdir()
        case "pipe":
            os.mkfifo(wav)
        case _:
            wav.write_bytes(TALK)
    one = keeper(shelf, gaps_of=lambda db, number: gaps(thing == "no word about gaps" and number == recording))
    assert one.round() == 1
    assert plain(shelf, good)[:4] == b"OggS"
    assert not shelf.path(recording).exists()
    assert os.path.lexists(wav)
    assert secret.read_bytes() == TALK
    if thing != "no word about gaps":
        with pytest.raises(NoSound):
            plain(shelf, recording)


def gaps(broken: bool) -> tuple[tuple[int, int], ...]:
    if broken:
        raise KeyError("a mistake of ours")
    return ()


def test_a_bad_place_on_the_disk_is_of_one_recording_only() -> None:
    class Bad(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 50_000:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    file = Bad(TALK)
    facts = opus.facts_of(file, len(TALK))
    with pytest.raises(opus.NotSound):
        b"".join(opus.silenced(file, facts, ()))


def test_a_wav_that_is_still_written_is_left_alone(shelf: Shelf) -> None:
    recording = shelf.put(TALK)
    wav = shelf.path(recording, ".wav")

    def write_on() -> None:
        with wav.open("ab") as file:
            file.write(bytes(320))

    one = keeper(shelf)
    one._ways = replace(one._ways, step=lambda step: write_on() if step == "encoded" else None)
    assert one.round() == 0
    assert wav.stat().st_size == len(TALK) + 320
    assert not shelf.path(recording).exists()


def test_calls_that_just_ended_are_left_alone_for_a_while(shelf: Shelf) -> None:
    shelf.put(TALK)
    shelf.now_ms = ENDED_MS + 10_000
    assert keeper(shelf).round() == 0
    shelf.now_ms = ENDED_MS + vault.SETTLE_MS + 1
    assert keeper(shelf).round() == 1


def test_a_busy_box_keeps_nothing_until_it_is_calm(shelf: Shelf) -> None:
    shelf.put(TALK)
    load = [50.0]
    one = vault.Keeper(shelf.means(), load=lambda: load[0])
    assert one.round() == 0
    load[0] = 0.0
    assert one.round() == 1


def test_a_recording_in_hand_waits_when_the_box_gets_busy_and_is_given_up_when_the_daemon_ends(shelf: Shelf) -> None:
    recording = shelf.put(stereo_wav(spoken(60), spoken(60)))
    load = [0.0]
    one = vault.Keeper(shelf.means(), load=lambda: load[0])
    one._ways = replace(one._ways, step=lambda step: load.__setitem__(0, 50.0) if step == "begun" else None)
    one.start()
    until(lambda: (shelf.home.recordings_work / f"{recording}.part").exists(), 5.0, "the encoder runs")
    assert not shelf.path(recording).exists()
    began = time.monotonic()
    one.stop()
    assert time.monotonic() - began < 8.0
    assert not any(thread.name in ("keeper", "opus in") for thread in threading.enumerate())
    assert shelf.path(recording, ".wav").exists()
    assert keeper(shelf).round() == 1


def test_a_disk_that_fills_up_midway_costs_nothing(shelf: Shelf) -> None:
    recording = shelf.put(TALK)
    clock = [0.0]

    def full(step: str) -> None:
        if step == "encoded" and clock[0] < 1.0:
            raise OSError(errno.ENOSPC, "No space left on device")

    one = keeper(shelf, clock=lambda: clock[0])
    one._ways = replace(one._ways, step=full)
    assert one.round() == 0
    assert shelf.warned() == (("count", 1), ("reason", "room"))
    assert plain(shelf, recording) == TALK
    assert [path.name for path in shelf.home.recordings_work.iterdir()] == ["keys"]
    clock[0] = vault.BACK_OFF_S + 1
    assert one.round() == 1
    assert flaws(shelf) == []


def test_a_disk_that_has_no_room_after_all_leaves_no_kept_file(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that gives out room late says so only when the file is to be on the disk: it has its name then."""
    recording = shelf.put(TALK)
    clock, fsync = [0.0], os.fsync
    one = keeper(shelf, clock=lambda: clock[0])

    def full(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith(keep.SUFFIX):
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    with monkeypatch.context() as disk:
        disk.setattr("os.fsync", full)
        assert one.round() == 0
    assert shelf.path(recording, ".wav").read_bytes() == TALK
    assert not shelf.path(recording).exists()
    assert shelf.warned() == (("count", 1), ("reason", "room"))
    clock[0] += vault.BACK_OFF_S + 1
    assert one.round() == 1
    assert not shelf.path(recording, ".wav").exists()
    assert flaws(shelf) == []


def test_sound_that_speech_settings_do_not_keep_is_kept_better(shelf: Shelf) -> None:
    """Noise, a fax, music on hold, clicks, hiss that is hardly there: nothing may stay a wav for ever."""
    noise = array("h", os.urandom(2 * 8000 * 6))
    hiss = array("h", (value >> 8 for value in noise))
    fax = sound.tone([1800, 2100, 3600], 6000, -9.0)
    clicks = array("h", (20_000 if at % 4000 == 0 else 0 for at in range(48_000)))
    ids = [
        shelf.put(stereo_wav(left, right))
        for left, right in ((noise, hiss), (fax, clicks), (clicks, noise), (hiss, fax))
    ]
    one = keeper(shelf)
    while one.round():
        pass
    for recording in ids:
        assert plain(shelf, recording)[:4] == b"OggS"


def test_a_call_that_became_part_of_another_takes_its_kept_sound_along(shelf: Shelf) -> None:
    old = shelf.put(TALK)
    keeper(shelf).round()
    sound_before = plain(shelf, old)
    path = str(shelf.path(old, ".wav").relative_to(shelf.home.root))
    new = shelf.put(TALK, path, state="missing")
    (shelf.home.root / path).unlink()
    shelf.write(lambda db: db.execute("DELETE FROM recording WHERE id = ?", (old,)))
    keeper(shelf).round()
    assert plain(shelf, new) == sound_before
    assert shelf.read(lambda db: sounds.of(db, old)).gone_why == sounds.MOVED
    assert flaws(shelf) == []


def test_a_history_computed_anew_finds_its_kept_sounds_again(shelf: Shelf) -> None:
    recording = shelf.put(TALK)
    keeper(shelf).round()
    shelf.write(
        lambda db: db.execute("UPDATE recording SET state = 'missing', duration_ms = NULL, bytes = NULL, sha256 = NULL")
    )
    keeper(shelf).round()
    state = shelf.read(lambda db: db.execute("SELECT state, duration_ms FROM recording").fetchone())
    assert tuple(state) == ("ready", 4000)
    assert plain(shelf, recording)[:4] == b"OggS"
    assert flaws(shelf) == []


def test_memory_does_not_grow_with_the_sound(tmp_path: Path) -> None:
    """Six hours would be 691 MB: here, what is held at once while a long stream passes."""
    facts = opus.facts_of(io.BytesIO(sound.header(1 << 20, 8000, 2) + bytes(4096)), 44 + (1 << 20))
    levels = opus.Levels(facts.rate_hz, facts.channels)
    block = bytes(opus.BLOCK)
    for _ in range(300):
        levels.add(block)
    levels.end()
    assert levels.samples == 300 * opus.BLOCK // 4
    assert sum(len(channel) * channel.itemsize for channel in levels.windows) < 100_000


def test_calls_and_callers_count_as_calls() -> None:
    assert vault.calls_now(State()) == 1, "while Asterisk is not seen, there may be calls"


def test_the_provided_encoder_is_the_real_one() -> None:
    assert any(word.endswith("opusenc") for word in peers().argv("opusenc", "--version"))
    assert keep.STEPS[0] == "begun"


@pytest.mark.parametrize("state", ["ready", "missing"])
def test_a_database_older_than_the_files_takes_them_up_again(shelf: Shelf, state: str) -> None:
    """A backup of the database was put back: the wav is gone, the kept file is there, and no row knows it."""
    recording = shelf.put(TALK)
    keeper(shelf).round()
    before = shelf.read(lambda db: sounds.of(db, recording))
    ogg = plain(shelf, recording)

    def older(db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM sound")
        db.execute("DELETE FROM seal")
        db.execute("UPDATE recording SET state = ?", (state,))

    shelf.write(older)
    assert any("removed from the end" in one for one in flaws(shelf))
    keeper(shelf).round()
    assert plain(shelf, recording) == ogg
    after = shelf.read(lambda db: sounds.of(db, recording))
    assert (after.sha256, after.plain_sha256, after.duration_ms) == (before.sha256, before.plain_sha256, 4000)
    assert (after.file_id, after.key_id, after.channels) == (before.file_id, before.key_id, 2)
    assert abs(after.rms_db - before.rms_db) < 2.0


def test_a_file_put_in_the_place_of_a_missing_recording_is_not_taken(shelf: Shelf) -> None:
    recording = shelf.put(TALK, state="missing")
    shelf.path(recording, ".wav").unlink()
    shelf.put(TALK)
    shelf.path(recording).write_bytes(os.urandom(5000))
    assert keeper(shelf).round() == 1
    assert shelf.read(lambda db: sounds.of(db, recording)) is None


def test_a_wav_that_somebody_removed_is_told(shelf: Shelf) -> None:
    recording, good = shelf.put(TALK), shelf.put(TALK)
    shelf.path(recording, ".wav").unlink()
    clock = [0.0]
    one = keeper(shelf, clock=lambda: clock[0])
    assert one.round() == 1
    clock[0] += vault.BACK_OFF_S + 1
    one.round()
    assert shelf.warned() == (("count", 1), ("reason", "gone"))
    assert plain(shelf, good)[:4] == b"OggS"
