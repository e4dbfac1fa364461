"""One linter finds a missing or wrong prompt of any language before a call does."""

import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.asterisk.prompt_lint import Seen, in_folder, judged, text
from ramal.asterisk.prompts import needed
from ramal.asterisk.speak import SpeechFailed, lay_fallbacks, speak
from ramal.core import sound
from ramal.core.office import Office
from tests.core.offices import demo

GOOD = sound.wav_bytes(sound.tone([400.0], 20))


def office() -> Office:
    return replace(demo(), languages=("en", "es"))


def spoken(folder: Path) -> Path:
    for prompt in needed(office()):
        file = folder / f"{prompt.path}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(GOOD)
    return folder


def found(folder: Path) -> dict[str, tuple[str, int]]:
    return {fault.prompt.path: (fault.amiss, fault.figure) for fault in in_folder(office(), folder)}


def test_whole_languages_have_no_fault_and_it_is_said_which(tmp_path: Path) -> None:
    assert found(spoken(tmp_path)) == {}
    assert "(pt-BR, en, es)" in text((), office(), tmp_path)


def test_each_file_that_asterisk_cannot_play_is_named_with_its_language_and_sentence(tmp_path: Path) -> None:
    folder = spoken(tmp_path)
    (folder / "es" / "closed.wav").unlink()
    (folder / "en" / "closed.wav").write_bytes(sound.wav_bytes(sound.tone([400.0], 20, rate_hz=16_000), 16_000))
    (folder / "pt_BR" / "closed.wav").write_bytes(b"ID3 this is an mp3")
    (folder / "pt_BR" / "asterisk" / "digits" / "7.wav").write_bytes(b"")
    (folder / "es" / "echo.wav").write_bytes(GOOD[:60])
    (folder / "es" / "dnd-on.wav").write_bytes(sound.header(4, 8000, 2) + b"\0" * 4)
    (folder / "es" / "dnd-off.wav").unlink()
    (folder / "es" / "dnd-off.wav").mkdir()
    assert found(folder) == {
        "pt_BR/closed": ("no-wav", 0),
        "pt_BR/asterisk/digits/7": ("empty", 0),
        "en/closed": ("wrong-rate", 16_000),
        "es/closed": ("missing", 0),
        "es/dnd-off": ("missing", 0),
        "es/dnd-on": ("stereo", 2),
        "es/echo": ("cut-short", 0),
    }
    said = text(in_folder(office(), folder), office(), folder)
    assert "en/closed.wav has a wrong rate (16000 Hz) (en: “We are closed at the moment.”)" in said
    assert said.startswith("7 of ")


def test_eight_bit_sound_and_a_list_before_the_sound_are_told_apart() -> None:
    eight = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8) + b"data\4\0\0\0abcd"
    assert judged(Seen(eight, len(eight))) == ("not-16-bit", 8)
    tagged = GOOD[:36] + b"LIST\3\0\0\0abc\0" + GOOD[36:]
    assert judged(Seen(tagged, len(tagged))) is None
    assert judged(Seen(GOOD[:36], 36)) == ("no-wav", 0)


@given(st.binary(max_size=200), st.integers(0, 80))
def test_no_bytes_make_the_linter_stumble(data: bytes, keep: int) -> None:
    for head in (data, GOOD[:keep] + data):
        judged(Seen(head, len(head)))


def test_one_sentence_that_cannot_be_spoken_keeps_no_other_from_being_made(tmp_path: Path) -> None:
    def argv(program: str, words: object, folders: object) -> list[str]:
        assert isinstance(words, list)
        if program == "espeak-ng":
            return ["/bin/sh", "-c", f"! grep -q echo -i && cp {tmp_path}/good {words[-1]}"]
        (out,) = (word for word in words if word.endswith("out.wav"))
        return ["/bin/cp", str(tmp_path / "good"), out]

    (tmp_path / "good").write_bytes(GOOD)
    prompts = [
        prompt for prompt in needed(office()) if prompt.path.startswith("en/") and "/asterisk/" not in prompt.path
    ]
    with pytest.raises(SpeechFailed, match="Echo test"):
        speak(prompts, tmp_path / "p", argv)
    left = [fault.prompt.path for fault in in_folder(replace(demo(), language="en"), tmp_path / "p")]
    assert "en/echo" in left
    assert "en/closed" not in left
    with pytest.raises(SpeechFailed):
        assert speak(prompts, tmp_path / "p", argv) == 0, "the others are not made again"


def test_a_fallback_leads_to_the_offices_language_and_moves_with_it(tmp_path: Path) -> None:
    for language in ("pt_BR", "en"):
        (tmp_path / language).mkdir()
        (tmp_path / language / "closed.wav").write_text(language)
    lay_fallbacks([("closed", "pt_BR/closed"), ("office/x", "office/pt_BR/x")], tmp_path)
    assert (tmp_path / "closed.wav").read_text() == "pt_BR"
    lay_fallbacks([("closed", "en/closed"), ("office/x", "office/en/x")], tmp_path)
    assert (tmp_path / "closed.wav").read_text() == "en"
    assert not (tmp_path / "office" / "x.wav").exists()
    (tmp_path / "office" / "en").mkdir()
    (tmp_path / "office" / "en" / "x.wav").write_text("here now")
    assert (tmp_path / "office" / "x.wav").read_text() == "here now"
