"""A recording on its way from wav to what is kept, through real encoders and a real database."""

import hashlib
import os
import subprocess
from array import array

import pytest

from ramal.core import sound
from ramal.ops.vault import Keeper
from ramal.provide import peers
from ramal.store import seals, sounds
from ramal.vault.cipher import SealBroken
from ramal.vault.keep import LINGER_MS, LINGER_ROOM, may_wait
from ramal.vault.sound import NoSound, gain_db, open_sound
from ramal.vault.verify import Verification
from tests.vault.shelf import Shelf, spoken, stereo_wav

LEFT, RIGHT = spoken(4, 440.0), spoken(4, 1000.0)
TALK = stereo_wav(LEFT, RIGHT)


def keeper(shelf: Shelf, **more: object) -> Keeper:
    return Keeper(shelf.means(), load=lambda: 0.0, **{"linger_ms": 0, **more})  # type: ignore[arg-type]


def plain(shelf: Shelf, recording: int) -> bytes:
    opened = shelf.read(lambda db: open_sound(shelf.home, db, recording))
    with opened.file as file:
        data = file.read()
    assert len(data) == opened.size
    return bytes(data)


def decoded(ogg: bytes, channels: int) -> list["array[int]"]:
    command = peers().argv("opusdec", "--quiet", "--no-dither", "--rate", "8000", "-", "-")
    pcm = array("h")
    pcm.frombytes(subprocess.run(command, input=ogg, capture_output=True, check=True).stdout)
    return [pcm[channel::channels] for channel in range(channels)]


def flaws(shelf: Shelf) -> list[str]:
    return [
        f"{flaw.kind} {flaw.where}: {flaw.what}"
        for flaw in shelf.read(lambda db: list(Verification(shelf.home, db).flaws()))
    ]


def test_a_recording_is_kept_as_encrypted_opus_and_its_wav_goes(shelf: Shelf) -> None:
    recording = shelf.put(TALK)
    assert keeper(shelf).round() == 1
    kept = shelf.path(recording)
    assert not shelf.path(recording, ".wav").exists()
    assert b"OggS" not in kept.read_bytes()
    assert b"OpusHead" not in kept.read_bytes()
    ogg = plain(shelf, recording)
    row = shelf.read(lambda db: sounds.of(db, recording))
    assert row is not None
    assert (row.form, row.cipher, row.channels, row.duration_ms, row.gone_ms) == ("opus", 1, 2, 4000, None)
    assert hashlib.sha256(ogg).digest() == row.plain_sha256
    assert hashlib.sha256(kept.read_bytes()).digest() == row.sha256
    left, right = decoded(ogg, 2)
    assert abs(len(left) - len(LEFT)) <= 8
    assert sound.tone_share(left[800:6000], 8000, 440.0) > 0.9
    assert sound.tone_share(right[800:6000], 8000, 1000.0) > 0.9
    assert b"RAMAL_GAPS" not in ogg
    assert flaws(shelf) == []


def test_the_sentence_of_a_survey_is_kept_like_a_talk(shelf: Shelf) -> None:
    recording = shelf.put(TALK)
    shelf.write(lambda db: db.execute("UPDATE recording SET kind = 'survey'"))
    assert keeper(shelf).round() == 1
    row = shelf.read(lambda db: sounds.of(db, recording))
    assert row is not None
    assert (row.form, row.cipher) == ("opus", 1)
    assert not shelf.path(recording, ".wav").exists()
    assert flaws(shelf) == []


def test_what_may_not_be_heard_is_silent_in_what_is_kept_and_nothing_beside_it(shelf: Shelf) -> None:
    recording = shelf.put(stereo_wav(sound.tone([440], 4000), sound.tone([1000], 4000)))
    assert keeper(shelf, gaps_of=lambda db, number: ((1000, 2000), (3500, 9000))).round() == 1
    row = shelf.read(lambda db: sounds.of(db, recording))
    assert row is not None
    assert row.gaps == "[[1000,2000],[3500,9000]]"
    assert b"RAMAL_GAPS=[[1000,2000],[3500,9000]]" in plain(shelf, recording)[:4096], "the file says it itself"
    for side in decoded(plain(shelf, recording), 2):
        # What sounded before a gap dies away in the decoder within 100 ms; what was said in it was never in there.
        assert sound.rms_dbfs(side[8800:15840]) < -75
        assert sound.rms_dbfs(side[28800:]) < -75
        assert sound.rms_dbfs(side[400:7900]) > -15
        assert sound.rms_dbfs(side[16100:27900]) > -15


def test_a_gap_is_silenced_to_the_sample_before_the_encoder_sees_it() -> None:
    import io

    from ramal.vault import opus

    wav = stereo_wav(array("h", [7] * 80_000), array("h", [9] * 80_000))
    file = io.BytesIO(wav)
    facts = opus.facts_of(file, len(wav))
    pcm = array("h")
    pcm.frombytes(b"".join(opus.silenced(file, facts, ((1001, 9003),))))
    for channel, value in ((0, 7), (1, 9)):
        side = pcm[channel::2]
        assert set(side[: 1001 * 8]) == {value}
        assert set(side[1001 * 8 : 9003 * 8]) == {0}
        assert set(side[9003 * 8 :]) == {value}


def test_the_page_gets_a_wav_while_it_is_one_and_the_ogg_afterwards(shelf: Shelf) -> None:
    recording = shelf.put(TALK)
    assert plain(shelf, recording) == TALK
    keeper(shelf).round()
    assert plain(shelf, recording)[:4] == b"OggS"
    opened = shelf.read(lambda db: open_sound(shelf.home, db, recording))
    assert (opened.mimetype, opened.suffix) == ("audio/ogg", ".ogg")
    opened.file.close()
    with pytest.raises(NoSound):
        shelf.read(lambda db: open_sound(shelf.home, db, 16))


def test_speech_is_played_louder_or_softer_but_never_cut() -> None:
    assert gain_db(-12.0, -30.0) == 10.0
    assert gain_db(-3.0, -30.0) == 2.0
    assert gain_db(-0.5, -10.0) == -10.0
    assert gain_db(-120.0, -120.0) == 0.0
    assert gain_db(-40.0, -55.0) == 20.0


def test_a_second_keeper_finds_nothing_to_do(shelf: Shelf) -> None:
    shelf.put(TALK)
    assert keeper(shelf).round() == 1
    before = shelf.read(seals.head)
    assert keeper(shelf).round() == 0
    assert shelf.read(seals.head) == before
    assert os.listdir(shelf.home.recordings_work) == ["keys"]


def test_the_file_of_another_recording_is_never_played_in_its_place(shelf: Shelf) -> None:
    one, two = shelf.put(TALK), shelf.put(stereo_wav(RIGHT, LEFT))
    assert keeper(shelf).round() == 2
    shelf.path(one).write_bytes(shelf.path(two).read_bytes())
    with pytest.raises(SealBroken, match="another one"):
        plain(shelf, one)


def test_what_an_earlier_life_left_half_made_is_thrown_away(shelf: Shelf) -> None:
    shelf.home.recordings_work.mkdir()
    left = shelf.home.recordings_work / "99.part"
    left.write_bytes(b"half")
    keeper(shelf).round()
    assert not left.exists()


def test_wavs_that_are_kept_go_together_after_a_while(shelf: Shelf) -> None:
    """One commit of the card's journal for many of them; what is heard is the kept one meanwhile."""
    first = shelf.put(TALK)
    one = keeper(shelf, linger_ms=LINGER_MS)
    assert one.round() == 1
    began_ms = shelf.now_ms
    shelf.now_ms += LINGER_MS - 1
    second = shelf.put(TALK)
    assert one.round() == 1
    assert [shelf.path(each, ".wav").exists() for each in (first, second)] == [True, True]
    assert plain(shelf, first)[:4] == b"OggS"
    assert flaws(shelf) == []
    shelf.now_ms = began_ms + LINGER_MS
    assert one.round() == 0
    assert [shelf.path(each, ".wav").exists() for each in (first, second)] == [False, False]
    assert flaws(shelf) == []


def test_a_wav_waits_for_others_neither_by_a_clock_that_was_set_back_nor_where_room_is_scarce(shelf: Shelf) -> None:
    shelf.put(TALK)
    keeper(shelf, linger_ms=LINGER_MS).round()
    waiting = shelf.write(sounds.to_unlink)
    (sound,) = waiting
    assert abs(sound.wav_bytes - len(TALK)) < 100
    scarce = LINGER_ROOM * sound.wav_bytes
    assert may_wait(waiting, sound.made_ms, LINGER_MS, scarce + 1)
    assert not may_wait(waiting, sound.made_ms, LINGER_MS, scarce)
    assert not may_wait(waiting, sound.made_ms - 1, LINGER_MS, scarce + 1)
    assert not may_wait(waiting, sound.made_ms, 0, scarce + 1)


def test_what_is_to_go_waits_for_nothing(shelf: Shelf) -> None:
    kept, gone = shelf.put(TALK), shelf.put(TALK)
    one = keeper(shelf, linger_ms=LINGER_MS)
    assert one.round() == 2
    shelf.write(lambda db: sounds.gone(db, gone, shelf.now_ms, "retention"))
    assert [each.recording for each in shelf.write(lambda db: sounds.to_unlink(db, 1))] == [gone]
    one.round()
    assert not shelf.path(gone).exists()
    assert not shelf.path(gone, ".wav").exists()
    assert shelf.path(kept, ".wav").exists()
