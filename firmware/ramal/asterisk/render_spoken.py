"""What ``core.spoken`` says, as dialplan and as say.conf. Pure.

One context per grammar and language, ``ramal-<grammar>-<language>``: the rules' patterns are its extensions, and each
returns its pieces as ``file&file`` for Playback or Read. ``ramal-sentence-<language>`` has the catalogue's sentences.
The hand-written ``dialplan/say.conf`` leads there and knows how a value becomes the digits of a pattern.

say.conf is what Asterisk's own applications speak numbers by (app_queue: the place in the line). Its files are
relative (``say/21``), because Asterisk cuts a name after 127 characters; ``box.asterisk.lay_data`` puts them in reach.
"""

import functools
from collections.abc import Iterator

from ramal.asterisk.prompts import FOLDER
from ramal.core import spoken
from ramal.core.office import Language
from ramal.core.spoken_rules import MOST, Again, Part, Rule, grammars

_LONGEST = len(str(MOST))


@functools.cache
def spoken_contexts(languages: tuple[Language, ...]) -> str:
    """The contexts of all grammars and sentences in each of the languages: ``dialplan/spoken.conf``."""
    rows: list[str] = []
    for language in languages:
        for grammar, rules in grammars(language).items():
            rows += [f"[ramal-{grammar}-{FOLDER[language]}]"]
            for rule in rules:
                rows += _rule(rule, language)
            rows += [""]
        rows += [f"[ramal-sentence-{FOLDER[language]}]"]
        for name, entry in spoken.SENTENCES.items():
            rows += _sentence(name, entry, language)
        rows += [""]
    return "\n".join(rows)


def _rule(rule: Rule, language: Language) -> Iterator[str]:
    pattern = "".join(rule.places)
    steps: list[str] = []
    files: list[str] = []
    for at, part in enumerate(rule.parts):
        if isinstance(part, Again):
            steps.append(f"Gosub(ramal-{part.grammar}-{FOLDER[language]},{_slice('EXTEN', part)},1)")
            if any(isinstance(later, Again) for later in rule.parts[at + 1 :]):
                steps.append(f"Set(LOCAL(said{at})=${{GOSUB_RETVAL}})")
                files.append(f"${{said{at}}}")
            else:
                files.append("${GOSUB_RETVAL}")
        else:
            digits = _slice("EXTEN", part) if part.end > part.start else ""
            files.append(f"{_folder(language)}/{spoken.FOLDER}/{part.before}{digits}{part.after}")
    yield from _extension(pattern if pattern.isdigit() else f"_{pattern}", [*steps, f"Return({'&'.join(files)})"])


def _extension(name: str, steps: list[str]) -> Iterator[str]:
    for at, step in enumerate(steps):
        yield f" same => n,{step}" if at else f"exten => {name},1,{step}"


def _sentence(name: str, entry: spoken.Sentence, language: Language) -> Iterator[str]:
    steps = [
        f"ExecIf($[0${{FILTER(0-9,${{ARG1}})}} = {value}]?Return({_folder(language)}/{phrase}))"
        for value, phrase in entry.only
    ]
    files: list[str] = []
    for at, (phrase, variable, grammar) in enumerate(spoken.row_of(entry, language)):
        if phrase:
            files.append(f"{_folder(language)}/{phrase}")
            continue
        steps.append(f"Gosub(ramal-value,{grammar},1(${{ARG{entry.variables.index(variable) + 1}}}))")
        steps.append(f"Set(LOCAL(said{at})=${{GOSUB_RETVAL}})")
        files.append(f"${{said{at}}}")
    yield from _extension(name, [*steps, f"Return({'&'.join(files)})"])


def _folder(language: Language) -> str:
    return f"${{RAMAL_PROMPTS}}/{FOLDER[language]}"


def _slice(variable: str, part: Part) -> str:
    return f"${{{variable}:{part.start}:{part.end - part.start}}}"


# ---- say.conf --------------------------------------------------------------------------------------------------------


@functools.cache
def say_conf() -> str:
    """Numbers by our grammar in Portuguese and Spanish; in English by Asterisk's own words, for the sentences around
    them are Asterisk's too. Dates and times are never asked of it: no rule, no sound, and no English either."""
    parts = ["[general]\nmode = new\n", "[en]", *_ENGLISH, ""]
    for language in spoken.LANGUAGES:
        if language != "en":
            parts += [f"[{FOLDER[language]}]"]
            parts += [
                f"_[n]um:{_say_pattern(rule)} => {', '.join(_say_part(part) for part in rule.parts)}"
                for rule in grammars(language)["number-u"]
            ]
            inner = {
                part.grammar
                for rule in grammars(language)["number-u"]
                for part in rule.parts
                if isinstance(part, Again)
            }
            for grammar in sorted(inner - {"number-u"}):
                parts += [
                    f"_{_prefix(grammar)}:{_say_pattern(rule)} => {', '.join(_say_part(part) for part in rule.parts)}"
                    for rule in grammars(language)[grammar]
                    if len(rule.places) <= _LONGEST // 2
                ]
            parts.append("")
    return "\n".join(parts)


def _prefix(grammar: str) -> str:
    """``num`` or, of another gender, ``num-m``; n is a wildcard in a pattern."""
    return "[n]um" if grammar == "number-u" else f"[n]um{grammar[-1]}"


def _say_pattern(rule: Rule) -> str:
    return "".join(rule.places)


def _say_part(part: Part) -> str:
    if isinstance(part, Again):
        return f"{_prefix(part.grammar).replace('[n]', 'n')}:{_slice('SAY', part)}"
    return f"{spoken.FOLDER}/{part.before}{_slice('SAY', part) if part.end > part.start else ''}{part.after}"


_ENGLISH = (
    "_[n]um:X => digits/${SAY}",
    "_[n]um:1X => digits/${SAY}",
    "_[n]um:[2-9]0 => digits/${SAY}",
    "_[n]um:[2-9][1-9] => digits/${SAY:0:1}0, num:${SAY:1}",
    "_[n]um:[1-9]00 => num:${SAY:0:1}, digits/hundred",
    "_[n]um:[1-9]0[1-9] => num:${SAY:0:1}, digits/hundred, num:${SAY:2}",
    "_[n]um:[1-9][1-9]X => num:${SAY:0:1}, digits/hundred, num:${SAY:1}",
    "_[n]um:[1-9]000 => num:${SAY:0:1}, digits/thousand",  # the first pattern that matches counts
    "_[n]um:[1-9]X000 => num:${SAY:0:2}, digits/thousand",
    "_[n]um:[1-9]XX000 => num:${SAY:0:3}, digits/thousand",
    "_[n]um:[1-9]XXX => num:${SAY:0:1}, digits/thousand, numrest:${SAY:1}",
    "_[n]um:[1-9]XXXX => num:${SAY:0:2}, digits/thousand, numrest:${SAY:2}",
    "_[n]um:[1-9]XXXXX => num:${SAY:0:3}, digits/thousand, numrest:${SAY:3}",
    "_[n]umrest:[1-9]XX => num:${SAY}",
    "_[n]umrest:0[1-9]X => num:${SAY:1}",
    "_[n]umrest:00[1-9] => num:${SAY:2}",
)
