"""Files people bring as sounds: every form that is taken, and hostile ones, with the real decoders in their prison."""

import io
import os
import random
import socket
import subprocess
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from ramal.asterisk import incoming
from ramal.asterisk.incoming import NotTaken, take
from ramal.core import sound
from ramal.provide import jail, peers
from tests.until import until

SOUNDS = Path(__file__).parent / "sounds"
HZ = 980.0


def prison(program: str, words: list[str], file: Path | None) -> list[str]:
    return jail.argv(peers().prefix, program, words, file)


def run(program: str, *words: str, folder: Path) -> None:
    subprocess.run(peers().argv(program, *words, binds=[folder]), check=True, capture_output=True)


def spoken(level_dbfs: float = -30.0, before_ms: int = 900, after_ms: int = 1200) -> bytes:
    """A second and a half of a tone between silences."""
    tone = sound.tone([HZ], 1500, level_dbfs)
    return sound.wav_bytes(sound.silence(before_ms) + tone + sound.silence(after_ms))


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    file = tmp_path / "sound.wav"
    file.write_bytes(spoken())
    return file


def made(folder: Path, source: Path, form: str) -> Path:
    """The same sound in another form, under a name that says nothing."""
    target = folder / f"made.{form}"
    match form:
        case "opus":
            run("opusenc", "--quiet", str(source), str(target), folder=folder)
        case "m4a":
            target.write_bytes((SOUNDS / "tone-980hz.m4a").read_bytes())
        case "wav":
            run("sox", str(source), "-r", "48000", "-c", "2", "-b", "24", str(target), folder=folder)
        case _:
            run("sox", str(source), "-r", "44100", "-c", "2", str(target), folder=folder)
    return target.rename(folder / "given")


@pytest.mark.parametrize("form", ["wav", "mp3", "ogg", "opus", "flac", "m4a"])
def test_each_form_becomes_a_trimmed_and_levelled_prompt(form: str, tmp_path: Path, wav: Path) -> None:
    taken = take(made(tmp_path, wav, form), "prompt", prison)
    assert taken.form == {"ogg": "vorbis"}.get(form, form)
    for data, rate_hz in ((taken.wav, 8000), (taken.wide, 16000)):
        heard = sound.read_wave(data)
        assert (heard.rate_hz, heard.channels, heard.torn) == (rate_hz, 1, False)
        # The fixture of AAC has two seconds and no silence around them.
        assert abs(heard.duration_s - (2.2 if form == "m4a" else 1.7)) < 0.12
        assert abs(incoming.loud_dbfs(heard.mono, rate_hz) - incoming.SPEECH_DBFS) < 1.5
        middle = heard.mono[rate_hz // 2 : rate_hz]
        assert sound.tone_share(middle, rate_hz, HZ) > 0.95


def test_nothing_is_lost_of_the_longest_sound_that_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "long"
    file.write_bytes(sound.wav_bytes(sound.looped(sound.tone([HZ], 1000), incoming.LONGEST_S * 1000 - 500)))
    for use in ("prompt", "music"):
        taken = take(file, use, prison)
        assert abs(taken.duration_ms - incoming.LONGEST_S * 1000) < 1500
    file.write_bytes(sound.wav_bytes(sound.looped(sound.tone([HZ], 1000), incoming.LONGEST_S * 1000 + 1000)))
    with pytest.raises(NotTaken) as caught:
        take(file, "music", prison)
    assert caught.value.code == "sound-long"


def test_a_click_before_the_first_word_is_no_sound(tmp_path: Path) -> None:
    samples = sound.silence(1000) + sound.tone([HZ], 1500) + sound.silence(1000)
    samples[800] = samples[-800] = 30000
    file = tmp_path / "click"
    file.write_bytes(sound.wav_bytes(samples))
    assert abs(take(file, "prompt", prison).duration_ms - 1700) < 60


def test_music_keeps_its_silence_and_is_quieter_than_speech(tmp_path: Path, wav: Path) -> None:
    heard = sound.read_wave(take(wav, "music", prison).wav)
    assert abs(heard.duration_s - 3.6) < 0.05
    assert abs(incoming.loud_dbfs(heard.mono, 8000) - incoming.MUSIC_DBFS) < 1.5


def test_a_click_does_not_keep_a_quiet_voice_quiet_nor_is_anything_clipped(tmp_path: Path) -> None:
    samples = sound.tone([HZ], 1500, -38.0)
    samples[6000] = 20000
    file = tmp_path / "click"
    file.write_bytes(sound.wav_bytes(samples))
    heard = sound.read_wave(take(file, "prompt", prison).wav).mono
    assert max(map(abs, heard)) < 32767
    assert incoming.loud_dbfs(heard, 8000) > -34.0


def refusal(folder: Path, data: bytes) -> NotTaken:
    file = folder / "given.mp3"
    file.write_bytes(data)
    with pytest.raises(NotTaken) as caught:
        take(file, "prompt", prison)
    assert "Nothing was changed" in str(caught.value)
    return caught.value


def zipped() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("sound.wav", spoken())
    return target.getvalue()


NOISE = random.Random(1).randbytes(60_000)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "sound-empty"),
        (b"\0", "sound-form"),
        (b"<html><script>alert(1)</script>", "sound-form"),
        (b"\x7fELF" + NOISE, "sound-form"),
        (b"MZ" + NOISE, "sound-form"),
        (zipped(), "sound-form"),
        (b"#!/bin/sh\nrm -rf /\n", "sound-form"),
        (b"\xff\xf1\x50\x80" + NOISE, "sound-form"),
        (b"OggS" + bytes(22) + b"\x01\x05theora", "sound-form"),
        (b"OggS", "sound-form"),
        (b"RIFF\xff\xff\xff\xffWAVE", "sound-short"),
        (b"RIFF" + bytes(4) + b"WAVEfmt " + b"\xff" * 60, "sound-short"),
        (sound.header(0), "sound-short"),
        (sound.header(2**31 - 1), "sound-short"),
        (b"fLaC" + NOISE, "sound-short"),
        (b"ID3" + NOISE[:40], "sound-short"),
        (b"\0\0\0\x20ftypM4A " + NOISE, "sound-short"),
        (b"\0\0\0\x20ftypisom" + b"\0\0\0\x08moov" * 500, "sound-short"),
        (b"OggS" + bytes(22) + b"\x01\x13OpusHead" + NOISE, "sound-short"),
        (b"OggS" + bytes(22) + b"\x01\x1e\x01vorbis" + NOISE, "sound-short"),
        (sound.wav_bytes(sound.silence(3000)), "sound-silent"),
        (sound.wav_bytes(sound.tone([HZ], 50)), "sound-short"),
    ],
)
def test_what_is_no_sound_is_refused_with_a_sentence(data: bytes, code: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, data).code == code


def test_a_file_of_more_than_20_mb_is_not_even_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "given"
    with file.open("wb") as opened:
        opened.write(b"RIFF")
        opened.truncate(incoming.BYTES_MAX + 1)
    with pytest.raises(NotTaken) as caught:
        take(file, "prompt", prison)
    assert caught.value.code == "sound-large"


def test_a_few_kilobytes_that_become_hours_are_refused_soon(tmp_path: Path) -> None:
    run("sox", "-n", "-r", "8000", str(tmp_path / "bomb.flac"), "trim", "0", "7200", folder=tmp_path)
    bomb = tmp_path / "bomb.flac"
    assert bomb.stat().st_size < 1_000_000
    began_s = time.monotonic()
    assert refusal(tmp_path, bomb.read_bytes()).code == "sound-long"
    assert time.monotonic() - began_s < incoming.TAKES_S


def test_a_header_that_promises_more_than_there_is_gives_what_there_is(tmp_path: Path) -> None:
    samples = sound.tone([HZ], 1000)
    file = tmp_path / "torn"
    file.write_bytes(sound.header(2**30) + samples.tobytes())
    assert abs(take(file, "prompt", prison).duration_ms - 1200) < 60


def test_of_a_file_that_is_two_things_at_once_only_the_sound_is_left(tmp_path: Path) -> None:
    file = tmp_path / "polyglot"
    file.write_bytes(spoken() + zipped() + b"<script>alert(1)</script>")
    taken = take(file, "prompt", prison)
    assert b"script" not in taken.wav
    assert b"PK\x03\x04" not in taken.wav
    assert abs(taken.duration_ms - 1700) < 400  # what follows the samples may sound like noise, never more


def perl(*lines: str, limits: jail.Limits | None = None) -> list[str]:
    return jail.argv(peers().prefix, "perl", ["-e", " ".join(lines)], None, limits)


def output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    return done.stdout + done.stderr


def test_a_decoder_sees_no_file_of_ours_no_network_and_no_process(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hush")
    for path in (secret, Path("/etc/passwd"), Path("/root"), Path("/home"), Path("/proc/self")):
        assert output(perl(f"print -e '{path}' ? 'there' : 'gone';")) == "gone", path
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = f"pack('SnCCCCx8', 2, {server.getsockname()[1]}, 127, 0, 0, 1)"
        connect = f"socket(my $s, 2, 1, 0); print connect($s, {there}) ? 'connected' : 'alone';"
        assert output(perl(connect)) == "alone"
    assert output(perl(f"print kill(0, {os.getpid()}) ? 'there' : 'gone';")) == "gone"
    assert output(perl("print open(my $f, '>', '/usr/bin/x') ? 'written' : 'refused';")) == "refused"
    assert output(perl("print join ' ', sort keys %ENV;")) == "LC_ALL PATH PWD"


def test_a_decoder_is_ended_at_its_limits(tmp_path: Path) -> None:
    small = jail.Limits(cpu_s=1, memory_bytes=200 << 20, file_bytes=1 << 20)
    until_s = time.monotonic() + 20
    with pytest.raises(NotTaken) as caught:
        incoming._run([perl("print 'a'; 1 while 1;", limits=small)], b"", 1000, until_s)
    assert caught.value.code == "sound-slow"
    assert "survived" not in output(perl("my $x = 'a' x (400 << 20); print 'survived';", limits=small))
    write = "open my $f, '>', '/tmp/x'; print $f 'a' x (4 << 20); close $f or exit; print 'survived';"
    assert "survived" not in output(perl(write, limits=small))


def test_endless_output_is_cut_and_its_program_ended(tmp_path: Path) -> None:
    mark = f"endless-{tmp_path.name}"
    endless = perl(f"my $mark = '{mark}'; print 'a' x 65536 while 1;")
    data = incoming._run([endless], b"", 1_000_000, time.monotonic() + 30)
    assert len(data) == 1_000_000
    until(lambda: not alive(mark), 5, "the program is gone")


def test_a_program_that_says_nothing_for_too_long_is_ended(tmp_path: Path) -> None:
    mark = f"mute-{tmp_path.name}"
    with pytest.raises(NotTaken) as caught:
        incoming._run([perl(f"my $mark = '{mark}'; sleep 600;")], b"", 1000, time.monotonic() + 0.5)
    assert caught.value.code == "sound-slow"
    until(lambda: not alive(mark), 5, "the program is gone")


def alive(mark: str) -> bool:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "cmdline").read_bytes():
                return True
        except OSError:
            continue
    return False


@pytest.mark.parametrize("form", ["wav", "mp3", "ogg", "opus", "flac", "m4a"])
def test_damaged_files_are_taken_or_refused_and_nothing_else_happens(form: str, tmp_path: Path, wav: Path) -> None:
    whole = made(tmp_path, wav, form).read_bytes()
    chance = random.Random(form)
    for number in range(6):
        data = bytearray(whole)
        for _ in range(30 if number else 0):
            data[chance.randrange(8, len(data))] = chance.randrange(256)
        file = tmp_path / f"{number}"
        file.write_bytes(data[: len(data) // 2] if number % 2 else data)
        try:
            taken = take(file, "prompt", prison)
        except NotTaken:
            assert number, "the whole one is taken"
        else:
            assert not sound.read_wave(taken.wav).torn
