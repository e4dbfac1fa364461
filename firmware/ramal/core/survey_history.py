"""What a caller was asked after the talk and answered, out of the call's journal.

Pure. ``dialplan/survey.conf`` says these things: ``SURVEY`` the facts, ``WHY`` the decisions. Who is judged is whoever
spoke last with the caller, as the channels tell it; the dialplan's own word counts where they do not.
"""

from collections.abc import Iterable

from ramal.core.history import Surveyed
from ramal.core.journal import Cel, clean

QUESTIONS = ("csat", "nps", "resolved", "sentence")
_VALUES: dict[str, dict[str, int]] = {
    "csat": {str(n): n for n in range(1, 6)},
    "nps": {str(n): n for n in range(11)},
    "resolved": {"yes": 1, "no": 0},
}
_DECISIONS = frozenset({"survey-offered", "survey-skipped"})


def surveyed(said: Iterable[tuple[Cel, list[str]]], agent: str) -> Surveyed | None:
    """None when there was no question of a survey. ``agent``: who spoke last, "" = unknown. Of two answers to one
    question, which the dialplan never gives, the first counts, as for a caller who is asked once."""
    at_ms, queue, hint, why = 0, "", "", ""
    asked: tuple[str, ...] = ()
    values: dict[str, int] = {}
    sentence = ""
    for event, fields in said:
        if event.user == "WHY" and fields[0] in _DECISIONS and len(fields) > 1 and not queue:
            at_ms, queue = event.at_ms, clean(fields[1])
            why = clean(fields[2]) if fields[0] == "survey-skipped" and len(fields) > 2 else ""
        elif event.user == "SURVEY" and len(fields) > 3:
            at_ms, queue, hint = at_ms or event.at_ms, queue or clean(fields[0]), hint or clean(fields[1])
            question, value = fields[2:4]
            if question == "asked" and not asked:
                asked = tuple(one for one in dict.fromkeys(value.split("-")) if one in QUESTIONS)
            elif question == "sentence":
                sentence = sentence or f"{value}.wav"
            elif value in _VALUES.get(question, {}):
                values.setdefault(question, _VALUES[question][value])
    if not queue:
        return None
    # An answer whose question is not on record was asked all the same: half a journal must not make 2 answers of 1.
    answered = [*values, *(["sentence"] if sentence else [])]
    asked = (*asked, *(one for one in answered if one not in asked))
    return Surveyed(at_ms, queue, agent or hint, asked, "" if asked else why, sentence=sentence, **values)


def began_ms(said: Iterable[tuple[Cel, list[str]]]) -> int | None:
    """When the talk was over and the survey's turn came; None without one. From here on nobody's hanging up ends the
    talk: that had been done at our side, or the caller would not be here."""
    return next(
        (
            event.at_ms
            for event, fields in said
            if event.user == "SURVEY" or (event.user == "WHY" and fields[0] in _DECISIONS)
        ),
        None,
    )
