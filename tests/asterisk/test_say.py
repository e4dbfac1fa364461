"""say.conf, by which app_queue says a place in the line, read here as Asterisk reads it; and its words."""

import re
from dataclasses import replace

import pytest

from ramal.asterisk.prompts import FOLDER, needed
from ramal.asterisk.render import render
from ramal.asterisk.render_spoken import say_conf
from ramal.core import spoken
from ramal.core.office import Language
from tests.asterisk.test_render import BOX, demo

Rules = list[tuple[re.Pattern[str], list[str]]]
ASKED = {
    "queue-thereare": "announce-position",
    "queue-callswaiting": "announce-position",
    "queue-youarenext": "announce-position",
    "queue-thankyou": "announce-position",
    "pbx-parkingfailed": "res_parking: every place is taken",
    "pbx-invalidpark": "res_parking: nobody is parked there",
    **{f"digits/{digit}": "SayDigits: the place of a parked call" for digit in range(10)},
}
"""What the applications we load can ask for by themselves, as their modules name it, and why."""
SWITCHED_OFF = ("announce-holdtime = no", "reportholdtime = no", "periodic-announce-frequency = 0")
"""What would ask for more words: queue-holdtime, queue-minutes, queue-reporthold, queue-periodic-announce…"""


def rules(language: Language) -> Rules:
    """A section of say.conf: patterns as regular expressions, in order, and what each becomes."""
    section = say_conf().partition(f"[{FOLDER[language]}]\n")[2].partition("\n\n")[0]
    found: Rules = []
    for line in section.splitlines():
        pattern, _, parts = line.partition(" => ")
        assert pattern.startswith("_[n]um"), "an unbracketed n is a wildcard"
        found.append((re.compile(pattern[1:].replace("X", "[0-9]") + r"\Z"), parts.split(", ")))
    return found


def says(known: Rules, asked: str, depth: int = 0) -> list[str]:
    """As do_say of app_playback.c: the first pattern that matches, 10 deep at most, names of 127 characters at most."""
    assert depth <= 10
    parts = next((parts for pattern, parts in known if pattern.match(asked)), None)
    assert parts is not None, asked
    value = asked.partition(":")[2]
    files: list[str] = []
    for part in parts:
        name = re.sub(
            r"\$\{SAY(?::(\d)(?::(\d))?)?\}",
            lambda cut: value[int(cut[1] or 0) :][: int(cut[2]) if cut[2] else None],
            part,
        )
        assert len(name) < 127
        files += says(known, name, depth + 1) if ":" in name else [name]
    return files


@pytest.mark.parametrize("language", ["pt-BR", "es"])
def test_say_conf_says_every_place_in_a_line_as_the_grammar_does(language: Language) -> None:
    known = rules(language)
    for number in (*range(1100), 2000, 21_021, 100_101, 121_200, 999_999):
        assert tuple(says(known, f"num:{number}")) == spoken.say(language, "number-u", number).paths, number


def test_say_conf_says_english_numbers_with_asterisks_own_words() -> None:
    known = rules("en")
    words = {**{str(n): n for n in range(20)}, **{f"{n}0": 10 * n for n in range(2, 10)}}
    for number in (*range(1100), 2000, 21_021, 100_101, 999_999):
        total = part = 0
        for file in says(known, f"num:{number}"):
            name = file.removeprefix("digits/")
            if name == "thousand":
                total, part = part * 1000, 0
            else:
                part = part * 100 if name == "hundred" else part + words[name]
        assert total + part == number


@pytest.mark.parametrize("language", ["pt-BR", "es"])
def test_what_asterisk_asks_for_by_itself_is_there_in_the_language(language: Language) -> None:
    office = demo()
    made = {
        prompt.path.removeprefix(f"{FOLDER[language]}/asterisk/")
        for prompt in needed(replace(office, language=language, languages=()))
    }
    assert set(ASKED) <= made


def test_what_would_ask_for_more_words_is_switched_off() -> None:
    for queue in render(demo(), BOX)["queues.conf"].split("\n[")[2:]:
        assert [line for line in SWITCHED_OFF if line not in queue] == []


def test_a_box_says_numbers_by_say_conf() -> None:
    assert "[general]\nmode = new\n" in render(demo(), BOX)["say.conf"]
