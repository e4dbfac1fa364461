"""Why this agent was rung: said when another one was free too."""

from typing import get_args

from ramal.core.commands import NoteDecision
from ramal.core.events import AgentRang, CallerJoined
from ramal.core.office import Language, Strategy
from ramal.core.step import step
from ramal.core.strategies import SENTENCES, sentence
from tests.core.moments import T0, after, caller, member, opened

RANG = AgentRang("sales", "7", "c1", "+5511999990000", "Zé")


def notes(*members: object) -> list[NoteDecision]:
    state = after(CallerJoined(caller("c1")), state=opened(*members))  # type: ignore[arg-type]
    state, commands = step(state, RANG, T0 + 5000)
    _, again = step(state, RANG, T0 + 6000)
    assert not again
    return [command for command in commands if isinstance(command, NoteDecision)]


def test_the_longest_idle_is_named_when_there_was_a_choice() -> None:
    (note,) = notes(member("7"), member("8"))
    assert (note.call, note.code) == ("c1", "longest-idle")
    assert dict(note.args) == {"agent": "7", "idle_s": 65, "free": 2}


def test_without_a_choice_nothing_is_said() -> None:
    assert notes(member("7")) == []
    assert notes(member("7"), member("8", paused=True)) == []
    assert notes(member("7"), member("9", queue="support")) == []


def test_every_strategy_has_a_sentence_in_every_language() -> None:
    for strategy in get_args(Strategy):
        for language in get_args(Language):
            assert sentence(strategy, language).endswith(".")
    assert set(SENTENCES) == set(get_args(Strategy))
