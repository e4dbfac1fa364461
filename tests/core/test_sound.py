"""Sound: tones are found where they are, torn files keep their sound, digits are heard as they were dialed."""

import io
import math
import random
import wave
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramal.core import sound

RATE_HZ = 8000


def test_a_full_scale_sine_has_power_one_and_another_frequency_nearly_none() -> None:
    sine = array("h", [round(32767 * math.sin(2 * math.pi * 440 * n / RATE_HZ)) for n in range(800)])
    assert sound.goertzel(sine, RATE_HZ, 440) == pytest.approx(1.0, abs=0.01)
    assert sound.goertzel(sine, RATE_HZ, 620) < 1e-3
    assert sound.rms_dbfs(sine) == pytest.approx(-3.01, abs=0.05)


def test_the_share_of_a_tone_does_not_depend_on_its_loudness() -> None:
    for level in (-6.0, -20.0, -40.0):
        assert sound.tone_share(sound.tone([440], 100, level), RATE_HZ, 440) == pytest.approx(1.0, abs=0.02)
    assert sound.tone_share(sound.silence(100), RATE_HZ, 440) == 0.0
    assert sound.tone_share(array("h"), RATE_HZ, 440) == 0.0


def test_each_of_two_voices_is_found_in_the_windows_in_which_it_speaks() -> None:
    both = sound.tone([440], 300) + sound.tone([440, 620], 300) + sound.silence(200) + sound.tone([620], 250)
    told = sound.tones_present(both, RATE_HZ, [440, 620], window_ms=100)
    assert told == [(True, False)] * 3 + [(True, True)] * 3 + [(False, False)] * 2 + [(False, True)] * 2


def test_noise_holds_no_tone() -> None:
    chance = random.Random(1)
    noise = array("h", [chance.randrange(-8000, 8000) for _ in range(RATE_HZ * 2)])
    assert not any(any(window) for window in sound.tones_present(noise, RATE_HZ, [440, 620]))


def test_digital_silence_has_a_loudness_of_its_own() -> None:
    assert sound.rms_dbfs(sound.silence(10)) == sound.SILENT_DBFS


@given(st.text("0123456789*#ABCD", min_size=1, max_size=12), st.sampled_from([60, 80, 120]), st.floats(-25, -8))
@settings(max_examples=30, deadline=None)
def test_digits_are_heard_as_they_were_dialed(digits: str, tone_ms: int, level: float) -> None:
    assert sound.heard_digits(sound.silence(70) + sound.digit_tones(digits, tone_ms, 80, level)) == digits


def test_a_packet_lost_in_a_digit_does_not_make_it_two() -> None:
    five = sound.digit_tones("5", 120, 0)
    torn = sound.digit_tones("2") + five[:480] + sound.silence(20) + five[480:] + sound.silence(80)
    assert sound.heard_digits(torn + sound.digit_tones("55")) == "2555"


def test_a_voice_a_single_tone_and_noise_are_no_digits() -> None:
    chance = random.Random(2)
    noise = array("h", [chance.randrange(-9000, 9000) for _ in range(RATE_HZ)])
    assert sound.heard_digits(noise + sound.tone([697], 300) + sound.tone([440, 620], 300)) == ""


def test_a_letter_that_is_no_key_is_refused_by_name() -> None:
    with pytest.raises(sound.SoundError, match="'x' is no key"):
        sound.digit_tones("1x")


def test_the_standard_library_reads_what_we_write_and_we_read_what_it_writes() -> None:
    samples = sound.tone([440], 250)
    with wave.open(io.BytesIO(sound.wav_bytes(samples))) as theirs:
        assert (theirs.getnchannels(), theirs.getsampwidth(), theirs.getframerate()) == (1, 2, RATE_HZ)
        assert theirs.readframes(10**6) == samples.tobytes()
    stereo = io.BytesIO()
    with wave.open(stereo, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(array("h", [1, -1, 2, -2, 3, -3]).tobytes())
    ours = sound.read_wave(stereo.getvalue())
    assert (ours.rate_hz, ours.channels, ours.torn) == (16000, 2, False)
    assert [list(channel) for channel in ours.samples] == [[1, 2, 3], [-1, -2, -3]]


@pytest.mark.parametrize("claims", [0, 320, 4_000_000, 0xFFFFFFFF])
def test_a_file_whose_writer_was_cut_off_keeps_all_its_sound(claims: int) -> None:
    samples = sound.tone([440], 1000)
    whole = sound.wav_bytes(samples)
    torn = whole[:40] + claims.to_bytes(4, "little") + whole[44:] + b"\x07"  # and half a sample
    read = sound.read_wave(torn)
    assert read.torn
    assert read.mono == samples
    assert read.duration_s == 1.0


def test_chunks_before_and_after_the_sound_are_no_sound() -> None:
    samples = sound.tone([440], 100)
    body = samples.tobytes()
    form = sound.header(0)[12:36]
    extra = b"LIST" + (5).to_bytes(4, "little") + b"hello\0"
    data = b"data" + len(body).to_bytes(4, "little") + body
    whole = b"RIFF" + (4 + len(form) + 2 * len(extra) + len(data)).to_bytes(4, "little") + b"WAVE"
    read = sound.read_wave(whole + extra + form + data + extra)
    assert read.mono == samples
    assert not read.torn


@pytest.mark.parametrize(
    "data", [b"", b"RIFF", b"OggS" + bytes(60), sound.header(0)[:36], b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd"]
)
def test_what_is_no_sound_is_said_in_a_sentence(data: bytes) -> None:
    with pytest.raises(sound.SoundError, match="WAV"):
        sound.read_wave(data)


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_read_or_refused_and_never_crash(tail: bytes) -> None:
    for data in (tail, b"RIFF\0\0\0\0WAVE" + tail, sound.header(0)[:36] + tail):
        try:
            read = sound.read_wave(data)
        except sound.SoundError:
            continue
        assert all(len(channel) == len(read.mono) for channel in read.samples)


def test_a_pilot_can_be_found_under_speech() -> None:
    chance = random.Random(3)
    speech = array("h", [chance.randrange(-9000, 9000) for _ in range(RATE_HZ)]) + sound.silence(1000)
    both = sound.mixed(speech, sound.pilot(1130, -20.0))
    assert len(both) == len(speech)
    told = sound.tones_present(both, RATE_HZ, [1130], share=0.5)
    assert sum(window[0] for window in told[10:]) >= 7
    assert sound.mixed(speech, array("h")) == speech


def test_repeating_keeps_the_sound_whole_and_nothing_cannot_be_repeated() -> None:
    assert len(sound.looped(sound.tone([440], 300), 1000)) == 4 * 2400
    with pytest.raises(sound.SoundError, match="no sound to repeat"):
        sound.looped(array("h"), 1000)
