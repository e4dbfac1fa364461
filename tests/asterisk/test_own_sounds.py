"""Two sounds for one sentence: which is heard, after every act and after a crash anywhere, by Python and by a phone."""

import itertools
import os
import subprocess
import threading
from importlib import resources
from pathlib import Path

import pytest

from ramal.asterisk.own_sounds import CHOSEN, MACHINE, OwnSounds, version_of
from ramal.provide import peers

PATH = "pt_BR/closed"
SCRIPT = resources.files("ramal.asterisk").joinpath("dialplan", "prompt.pl")


@pytest.fixture
def sounds(tmp_path: Path) -> OwnSounds:
    made = OwnSounds(tmp_path / "prompts", tmp_path / "own" / "prompts")
    made.own.mkdir(parents=True)
    (tmp_path / "own" / "takes").mkdir()
    speak(made, b"machine")
    made.settle(PATH)
    return made


def speak(sounds: OwnSounds, data: bytes) -> None:
    """As the machine does: a file of its own, never written over."""
    file = sounds.machine(PATH)
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_bytes(data)
    os.replace(new, file)


def heard(sounds: OwnSounds) -> bytes:
    return sounds.played(PATH).read_bytes()


def given(sounds: OwnSounds, data: bytes, at_ms: int = 1_700_000_000_000) -> str:
    file = sounds.own.parent / "takes" / "given.wav"
    file.write_bytes(data)
    return sounds.add(PATH, file, at_ms, "upload")


def phone(sounds: OwnSounds, act: str, *words: str, path: str = PATH) -> "subprocess.CompletedProcess[str]":
    """As the dialplan does: the script of the generation, by the perl that Asterisk finds."""
    root = sounds.prompts.parent
    script = root / "prompt.pl"
    script.write_text(SCRIPT.read_text(encoding="utf-8"))
    arguments = [str(script), act, str(sounds.prompts), str(root / "own"), path, *words]
    command = peers().argv("perl", *arguments, binds=[root])
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def take(sounds: OwnSounds, data: bytes) -> str:
    file = sounds.own.parent / "takes" / "17.wav"
    file.write_bytes(data)
    return str(file)


def test_what_people_gave_is_heard_until_they_give_it_back(sounds: OwnSounds) -> None:
    assert heard(sounds) == b"machine"
    first = given(sounds, b"first")
    assert heard(sounds) == b"machine", "a sound is heard when it is chosen, not before"
    sounds.choose(PATH, first)
    second = given(sounds, b"second")
    assert second != first, "two in one millisecond are two"
    sounds.choose(PATH, second)
    assert heard(sounds) == b"second"
    sounds.choose(PATH, first)
    assert (heard(sounds), sounds.chosen(PATH)) == (b"first", first)
    sounds.choose(PATH, "")
    assert (heard(sounds), sounds.chosen(PATH)) == (b"machine", "")
    assert [one.name for one in sounds.versions(PATH)] == [second, first], "nothing is ever lost"


def test_a_new_voice_does_not_speak_over_people(sounds: OwnSounds) -> None:
    sounds.choose(PATH, given(sounds, b"mine"))
    speak(sounds, b"another voice")
    sounds.settle(PATH)
    assert heard(sounds) == b"mine"
    sounds.choose(PATH, "")
    assert heard(sounds) == b"another voice"


def test_a_phone_and_the_page_are_of_one_mind(sounds: OwnSounds) -> None:
    mine = given(sounds, b"uploaded", at_ms=1_000_000_000_000)
    sounds.choose(PATH, mine)
    assert phone(sounds, "keep", "9", "204", take(sounds, b"by phone")).returncode == 0
    assert heard(sounds) == b"by phone"
    newest, oldest = sounds.versions(PATH)
    assert (newest.source, newest.agent, newest.phone, oldest.name) == ("phone", "9", "204", mine)
    assert sounds.chosen(PATH) == newest.name
    assert not sounds.settle(PATH), "nothing is left to do"
    assert phone(sounds, "machine", "9", "204").returncode == 0
    assert (heard(sounds), sounds.chosen(PATH)) == (b"machine", "")
    assert any(".machine.9.204" in name for name in os.listdir(sounds.folder(PATH))), "who did is found later"
    # A sentence that was never recorded before, in a folder below a folder, twice within one second.
    deep = "pt_BR/asterisk/digits/1F"
    for word in (b"one", b"two"):
        assert phone(sounds, "keep", "9", "204", take(sounds, word), path=deep).returncode == 0
    assert sounds.played(deep).read_bytes() == b"two"
    assert len(sounds.versions(deep)) == 2


@pytest.mark.parametrize(
    ("act", "path", "words"),
    [
        ("keep", "../../secrets/ami", ("9", "204", "take")),
        ("keep", "pt_BR/../x", ("9", "204", "take")),
        ("keep", "/etc/passwd", ("9", "204", "take")),
        ("keep", "pt_BR/closed\n", ("9", "204", "take")),
        ("keep", PATH, ("9;rm", "204", "take")),
        ("keep", PATH, ("9", "$(id)", "take")),
        ("remove", PATH, ("9", "204")),
        ("keep", PATH, ("9", "204", "no-such-take")),
    ],
)
def test_a_phones_script_refuses_what_the_dialplan_would_never_say(
    sounds: OwnSounds, act: str, path: str, words: tuple[str, ...]
) -> None:
    before = sorted(sounds.prompts.parent.rglob("*"))
    words = tuple(take(sounds, b"x") if word == "take" else word for word in words)
    assert phone(sounds, act, *words, path=path).returncode != 0
    left = {path for path in sounds.prompts.parent.rglob("*") if path.name not in ("17.wav", "prompt.pl")}
    assert left - set(before) <= {sounds.own / "pt_BR", sounds.folder(PATH)}
    assert heard(sounds) == b"machine"


def test_after_a_crash_between_any_two_steps_the_choice_is_heard(sounds: OwnSounds) -> None:
    """A choice stands once ``chosen`` does; whatever was not done then is done by the next look."""
    version = given(sounds, b"mine")
    os.link(sounds.folder(PATH) / version, sounds.folder(PATH) / CHOSEN)  # and here the power went
    assert heard(sounds) == b"machine"
    assert sounds.settle(PATH)
    assert heard(sounds) == b"mine"
    (sounds.folder(PATH) / CHOSEN).unlink()
    assert sounds.settle(PATH)
    assert heard(sounds) == b"machine"
    sounds.played(PATH).unlink()
    assert sounds.settle(PATH)
    assert heard(sounds) == b"machine"


def test_a_copied_home_knows_what_was_chosen_though_its_links_are_gone(sounds: OwnSounds) -> None:
    version = given(sounds, b"mine")
    sounds.choose(PATH, version)
    for file in (sounds.folder(PATH) / CHOSEN, sounds.played(PATH)):
        data = file.read_bytes()
        file.unlink()
        file.write_bytes(data)
    assert sounds.chosen(PATH) == version
    assert not sounds.settle(PATH)


def test_a_caller_hears_one_sound_or_the_other_and_never_half(sounds: OwnSounds) -> None:
    """Somebody reads all the while others choose: always one whole sound."""
    whole = {b"machine", *(letter * 200_000 for letter in (b"a", b"b"))}
    names = [given(sounds, letter * 200_000) for letter in (b"a", b"b")]
    ended = threading.Event()
    wrong: list[bytes] = []

    def listen() -> None:
        while not ended.is_set():
            data = heard(sounds)
            if data not in whole:
                wrong.append(data[:20])

    listener = threading.Thread(target=listen)
    listener.start()
    for name in itertools.islice(itertools.cycle([*names, ""]), 300):
        sounds.choose(PATH, name)
    ended.set()
    listener.join()
    assert not wrong
    assert sorted(os.listdir(sounds.played(PATH).parent)) == ["closed.wav"], "nothing is left lying about"


@pytest.mark.parametrize("path", ["../x", "/x", "x/../y", "x.wav", "", "x\n", "a//b"])
def test_no_path_leads_out_of_the_sounds(sounds: OwnSounds, path: str) -> None:
    with pytest.raises(ValueError):
        sounds.played(path)
    with pytest.raises(ValueError):
        sounds.choose(path, "")


@pytest.mark.parametrize(
    "name", ["chosen.wav", "1.wav", "1700000000000.upload.wide.wav", "../1700000000000.upload.wav"]
)
def test_only_versions_are_versions(sounds: OwnSounds, name: str) -> None:
    assert version_of(name) is None
    with pytest.raises(FileNotFoundError):
        sounds.choose(PATH, name)
    assert (sounds.prompts / MACHINE).is_dir()
