"""An office reaches Asterisk at once, however many sentences are still to be spoken."""

import argparse
import sys
import threading
from pathlib import Path

from ramal import cli
from ramal.asterisk.generations import Generations
from ramal.box.home import Home
from ramal.core import office_file
from ramal.core.office import Office
from ramal.errors import RamalError
from ramal.in_force import InForce, Means
from ramal.writer_lock import only_writer
from tests.process.conftest import OFFICE
from tests.process.driver import render
from tests.process.test_cli import Start, ramal
from tests.until import until


class Voice:
    """Speaks ``left`` sentences one at a time; a negative number is a voice that fails."""

    def __init__(self, left: int) -> None:
        self.left, self.asked = left, 0

    def speak(self, office: Office) -> int:
        self.asked += 1
        if self.left < 0:
            raise RamalError("no voice")
        self.left -= 1
        return self.left


def in_force(etc: Path, voice: Voice) -> InForce:
    office = office_file.read(OFFICE)
    return InForce(Means(etc, lambda: office, lambda _: None, render, voice.speak, lambda: "secret"))


def test_what_is_in_the_database_is_asterisks_before_a_word_is_spoken(tmp_path: Path) -> None:
    voice = Voice(3)
    made = in_force(tmp_path, voice)
    assert made.refresh() is not None
    assert (Generations(tmp_path).current, voice.asked) == ("0001", 0)
    rounds = [made.speak_on() for _ in range(3)]
    assert rounds == [True, True, False]


def test_a_voice_that_fails_is_not_asked_for_ever(tmp_path: Path) -> None:
    voice = Voice(-1)
    made = in_force(tmp_path, voice)
    assert made.refresh() is not None
    assert not made.speak_on()


def test_who_applies_while_the_daemon_starts_waits_for_it(start: Start, home: Home) -> None:
    done: list[object] = []
    person = threading.Thread(target=lambda: done.append(cli._applied(home, OFFICE, "o.toml")), daemon=True)
    with only_writer(home):  # as a daemon that is not at its socket yet
        person.start()
        until(lambda: done or _rests(person), 30, "the lock was found taken")
        assert not done
    person.join(60)
    assert done
    with only_writer(home):  # and who only wants to read the office
        person = threading.Thread(target=lambda: done.append(cli._export(home, argparse.Namespace())), daemon=True)
        person.start()
        until(lambda: len(done) > 1 or _rests(person), 30, "the lock was found taken once more")
        assert len(done) == 1
    person.join(60)
    assert done[1:] == [cli.DONE]
    start().up()
    assert office_file.read(ramal(home, "export").stdout.decode()) == office_file.read(OFFICE)


def _rests(thread: threading.Thread) -> bool:
    """Whether it is between two looks."""
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and frame.f_code is cli._by_daemon.__code__
