"""Engines that speak, and a voice that changes as a whole.

Piper itself is in no Debian and no wheel of ours, so its part is a small program that keeps Piper's manners (model,
settings and output file as arguments, the text on its input): a test of how it is called, not of how it sounds.
"""

import json
import os
import time
import wave
from pathlib import Path

import pytest

from ramal.asterisk.programs import argv_of, sets_of
from ramal.asterisk.prompts import Prompt
from ramal.asterisk.speak import Sets, SpeechFailed, speak
from ramal.asterisk.voices import Espeak, Voices, voices
from ramal.core import sound
from ramal.provide import peers

PROMPTS = [
    Prompt("pt_BR/a", "pt-BR", "Bom dia."),
    Prompt("pt_BR/b", "pt-BR", "Até logo."),
    Prompt("en/a", "en", "Hello."),
]
PIPER = """#!{python}
import argparse, json, struct, sys, wave
words = argparse.ArgumentParser()
for name in ("--model", "--config", "--output_file"): words.add_argument(name, required=True)
given = words.parse_args()
rate = json.load(open(given.config))["audio"]["sample_rate"]
text = sys.stdin.read()
if "logo" in text and open(given.model).read() == "bad":
    sys.exit(3)
open(given.model + ".said", "a").write(text)
import math
with wave.open(given.output_file, "wb") as out:
    out.setnchannels(1); out.setsampwidth(2); out.setframerate(rate)
    out.writeframes(b"".join(struct.pack("<h", int(8000 * math.sin(i * 1000 * 6.2831853 / rate))) for i in range(rate)))
"""


def model(folder: Path, language: str = "pt_BR", content: str = "model") -> None:
    import sys

    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "piper"
    program.write_text(PIPER.replace("{python}", sys.executable))
    program.chmod(0o755)
    (folder / f"{language}.onnx").write_text(content)
    (folder / f"{language}.onnx.json").write_text(json.dumps({"audio": {"sample_rate": 22050}}))


def sets(root: Path) -> Sets:
    return sets_of(root / "prompts", root / "own", root / "voices")


def is_tone(file: Path, hz: float = 1000.0) -> bool:
    mono = sound.read_wave(file.read_bytes()).mono
    return sound.tone_share(mono[2000:6000], 8000, hz) > 0.9


def test_espeak_speaks_every_language_and_says_its_rate(tmp_path: Path) -> None:
    engine = Espeak(argv_of(peers()))
    for number, prompt in enumerate(PROMPTS):
        out = tmp_path / f"{number}.wav"
        rate_hz = engine.speak(prompt.text, prompt.language, out)
        with wave.open(str(out)) as said:
            assert said.getframerate() == rate_hz
            assert said.getnframes() > rate_hz // 4


def test_without_a_model_espeak_speaks_and_with_one_piper_does_its_language_only(tmp_path: Path) -> None:
    argv = argv_of(peers())
    assert voices(tmp_path / "voices", argv).of("pt-BR").name == "espeak-ng"
    model(tmp_path / "voices")
    both = voices(tmp_path / "voices", argv)
    assert (both.of("pt-BR").name, both.of("en").name) == ("piper", "espeak-ng")
    (tmp_path / "voices" / "pt_BR.onnx.json").write_text("{")
    assert voices(tmp_path / "voices", argv).of("pt-BR").name == "espeak-ng"
    model(tmp_path / "voices")
    (tmp_path / "voices" / "piper").chmod(0o644)
    assert voices(tmp_path / "voices", argv).of("pt-BR").name == "espeak-ng"


def test_a_new_voice_speaks_everything_anew_and_is_heard_all_at_once(tmp_path: Path) -> None:
    first = sets(tmp_path)
    assert first.ready(PROMPTS) == 3
    assert first.ready(PROMPTS) == 0
    assert not first.stale(PROMPTS)
    before = {prompt.path: first.sounds.played(prompt.path).read_bytes() for prompt in PROMPTS}
    model(tmp_path / "voices")
    second = sets(tmp_path)
    assert second.stale(PROMPTS)
    assert second.ready(PROMPTS) == 0, "an apply does not wait for a new voice"
    seen: list[bool] = []

    def ended() -> bool:
        # Asked before each sentence: until the last one is done nothing that is heard has changed.
        seen.append(all(second.sounds.played(path).read_bytes() == data for path, data in before.items()))
        return False

    assert second.renew(PROMPTS, ended) == 2, "English has no other voice and is not said again"
    assert seen
    assert all(seen)
    assert is_tone(second.sounds.played("pt_BR/a"))
    assert is_tone(second.sounds.played("pt_BR/b"))
    assert second.sounds.played("en/a").read_bytes() == before["en/a"]
    assert not second.stale(PROMPTS)
    assert second.all_spoken_by() == {"pt_BR/a": "piper", "pt_BR/b": "piper", "en/a": "espeak-ng"}
    assert (tmp_path / "voices" / "pt_BR.onnx.said").read_text().count("\n") == 2


def test_a_renewal_that_is_cut_off_changes_nothing_and_goes_on_where_it_was(tmp_path: Path) -> None:
    sets(tmp_path).ready(PROMPTS)
    before = [sets(tmp_path).sounds.played(prompt.path).read_bytes() for prompt in PROMPTS]
    model(tmp_path / "voices")
    asked = iter([False, True, True, True, True])
    assert sets(tmp_path).renew(PROMPTS, lambda: next(asked, True)) <= 1
    assert [sets(tmp_path).sounds.played(prompt.path).read_bytes() for prompt in PROMPTS] == before
    assert sets(tmp_path).stale(PROMPTS)
    assert sets(tmp_path).renew(PROMPTS) >= 1
    assert is_tone(sets(tmp_path).sounds.played("pt_BR/b"))


def test_what_a_power_cut_left_of_a_sentence_goes_and_work_in_hand_stays(tmp_path: Path) -> None:
    left, now = tmp_path / ".speak-left", tmp_path / ".speak-now"
    for folder, age_s in ((left, 7200.0), (now, 60.0)):
        folder.mkdir()
        (folder / "raw.wav").write_bytes(bytes(1000))
        os.utime(folder, (time.time() - age_s, time.time() - age_s))
    speak(PROMPTS[:1], tmp_path, argv_of(peers()))
    assert not left.exists()
    assert (now / "raw.wav").exists()


def test_a_sentence_that_piper_cannot_say_espeak_says_and_the_others_stay_pipers(tmp_path: Path) -> None:
    model(tmp_path / "voices", content="bad")
    sets(tmp_path).ready(PROMPTS)
    assert sets(tmp_path).renew(PROMPTS) == 2
    spoken = sets(tmp_path).all_spoken_by()
    assert (spoken["pt_BR/a"], spoken["pt_BR/b"]) == ("piper", "espeak-ng")
    assert not is_tone(sets(tmp_path).sounds.played("pt_BR/b"))
    assert not sets(tmp_path).stale(PROMPTS), "it is not tried again for ever"
    os.utime(tmp_path / "voices" / "pt_BR.onnx", (1, 1))
    assert sets(tmp_path).stale(PROMPTS), "but with another model it is"


def test_when_nobody_can_speak_it_says_which_sentence(tmp_path: Path) -> None:
    def nobody(program: str, arguments: object, folders: object) -> list[str]:
        return ["false"]

    with pytest.raises(SpeechFailed, match="Bom dia"):
        speak(PROMPTS[:1], tmp_path, nobody, voices=Voices(Espeak(nobody)))
    assert not (tmp_path / "pt_BR" / "a.wav").exists()


def test_people_are_heard_through_every_change_of_the_voice(tmp_path: Path) -> None:
    sets(tmp_path).ready(PROMPTS)
    sounds = sets(tmp_path).sounds
    mine = tmp_path / "mine.wav"
    mine.write_bytes(sound.wav_bytes(sound.tone([700], 1500)))
    sounds.choose("pt_BR/a", sounds.add("pt_BR/a", mine, 1_700_000_000_000, "upload"))
    model(tmp_path / "voices")
    sets(tmp_path).renew(PROMPTS)
    assert is_tone(sounds.played("pt_BR/a"), 700.0)
    assert is_tone(sounds.played("pt_BR/b"))
    sounds.choose("pt_BR/a", "")
    assert is_tone(sounds.played("pt_BR/a"))
