"""Every sentence of an office, as a person looks for it: its text, its language, where it is said, its number. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from ramal.asterisk.prompts import Prompt, greetings_of, needed, text_prompt
from ramal.asterisk.render_prompts import numbers
from ramal.core.office import SURVEY_PARTS, Language, Office, Saying
from ramal.core.ring_name import title_of
from ramal.core.wording import disposition_menu


@dataclass(frozen=True, slots=True)
class Entry:
    """``id``: the same in all languages. ``kind``: ``sentence`` (ours), ``word`` (figures and Asterisk's own words), or
    what the text of the office file belongs to (``number``, ``menu``, ``pause``, ``queue``, ``answers``, ``survey``,
    ``office``), and ``of`` which one. ``number`` is what ``*51`` is followed by."""

    path: str
    id: str
    language: Language
    text: str
    kind: str
    of: str
    number: str


def entries(office: Office) -> list[Entry]:
    """In the order in which a person would look: the office's own texts, our sentences, words."""
    prompts = list(needed(office))
    digits, uses = numbers(prompts), dict(_uses(office))
    made = [_entry(prompt, uses, digits[prompt.path]) for prompt in prompts]
    return sorted(made, key=lambda entry: {"sentence": 1, "word": 2}.get(entry.kind, 0))


def _entry(prompt: Prompt, uses: dict[str, tuple[str, str]], number: str) -> Entry:
    folder, _, name = prompt.path.partition("/")
    if folder == "office" or name.startswith("office/"):
        id = name.rpartition("/")[2]
        kind, of = uses.get(id, ("office", ""))
    else:
        id = name
        # Figures, months and the like stand in folders of their own.
        kind, of = ("word" if "/" in name else "sentence"), ""
    return Entry(prompt.path, id, prompt.language, prompt.text, kind, of, number)


def _uses(office: Office) -> Iterator[tuple[str, tuple[str, str]]]:
    """Digest of a text of the office file → what it belongs to; where one text stands twice, the first."""
    seen: set[str] = set()
    for kind, of, text, others in _texts(office):
        digest = text_prompt(text, others, office).rpartition("/")[2]
        if digest not in seen:
            seen.add(digest)
            yield digest, (kind, of)


def _texts(office: Office) -> Iterator[tuple[str, str, str, tuple[Saying, ...]]]:
    for number in office.numbers:
        if number.greeting:
            yield "number", number.number, number.greeting, number.greeting_in
    for menu in office.menus:
        yield "menu", menu.name, menu.text, menu.text_in
    for reason in office.pauses:
        yield "pause", reason.code, reason.title, ()
    for queue in office.queues:
        if queue.dispositions:
            yield "answers", queue.name, disposition_menu(queue, office.language), ()
        if queue.whisper:
            yield "queue", queue.name, title_of(queue), ()
    for box in office.voicemails:
        yield from (("voicemail", box.name, text, others) for text, others in greetings_of(box) if text)
    for survey in office.surveys:
        for part in SURVEY_PARTS:
            text, others = survey.said(part)
            if text:
                yield "survey", survey.name, text, others
