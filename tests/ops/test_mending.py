"""Sentences are spoken a few at a time, so that the page's requests come between, and only what could not be spoken is
a warning. A real home and the daemon's own worker; the voice is the test's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ramal.asterisk.own_sounds import MACHINE
from ramal.asterisk.prompt_lint import in_folder
from ramal.asterisk.prompts import Prompt
from ramal.core import sound
from ramal.errors import RamalError
from ramal.ops import mending
from ramal.ops.mending import A_ROUND, AT_ONCE
from ramal.worker import Worker
from tests.vault.shelf import Shelf


@dataclass
class Voice:
    """Speaks everything but ``never``; ``between`` runs inside of the first speaking."""

    never: str = ""
    spoken: list[int] = field(default_factory=list)

    def say(self, prompts: Sequence[Prompt], folder: Path) -> None:
        self.spoken.append(len(prompts))
        for prompt in prompts:
            if prompt.path != self.never:
                file = folder / f"{prompt.path}.wav"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(sound.header(1600, 8000, 1) + bytes(1600))
        if self.never in {prompt.path for prompt in prompts}:
            raise RamalError(f"{self.never} could not be spoken.")


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    one = Shelf.at(tmp_path / "home")
    (one.home.prompts / MACHINE).mkdir(parents=True)
    yield one
    one.close()


@pytest.fixture
def worker() -> Iterator[Worker]:
    one = Worker("work")
    yield one
    one.stop(10)


def lacking(shelf: Shelf) -> list[str]:
    return [fault.prompt.path for fault in in_folder(shelf.office, shelf.home.prompts)]


def test_a_request_waits_for_a_few_sentences_only(shelf: Shelf, worker: Worker) -> None:
    voice, when = Voice(), list[int]()
    asked = False

    def say(prompts: Sequence[Prompt], folder: Path) -> None:
        nonlocal asked
        if not asked:  # somebody opens a page while the first are spoken
            asked = True
            worker.submit(lambda: when.append(sum(voice.spoken)))
        voice.say(prompts, folder)

    subject = mending.subject(replace(shelf.means(), work=worker.submit, say=say))
    subject.now_and_then()
    assert when == [AT_ONCE]
    assert sum(voice.spoken) == A_ROUND


def test_only_what_could_not_be_spoken_is_a_warning(shelf: Shelf, worker: Worker) -> None:
    never = lacking(shelf)[A_ROUND // 2]
    subject = mending.subject(replace(shelf.means(), work=worker.submit, say=Voice(never).say))
    rounds = 0
    while lacking(shelf) != [never]:
        subject.now_and_then()
        rounds += 1
        assert rounds < 100
        assert {dict(said.args)["first"] for said in shelf.told} == {never}, "the others' turn just has not come"
        assert {dict(said.args)["count"] for said in shelf.told} == {1}
    assert rounds > 1
    assert shelf.told
