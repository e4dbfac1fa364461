"""Reading Asterisk's configuration files as Asterisk does, as far as it refuses them.

Pure; files come from a function. Why we read what we wrote ourselves: when a ``]`` is forgotten in a ``custom/`` file,
Asterisk 22 answers ``Reload: res_pjsip`` with “Module Reloaded”, keeps what it had, and next starts without phones.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Look = Callable[[str], Mapping[str, str] | None]
"""An ``#include``'s words to the files it means, name to text; None when there is no such file."""

_DEPTH = 8
_BLOCK = re.compile(r";--(?!-).*?--;", re.DOTALL)
_COMMENT = re.compile(r"(?<!\\);.*")


@dataclass(slots=True)
class Section:
    """``[name]``; ``options`` in order, with those of its templates first."""

    name: str
    template: bool
    options: list[tuple[str, str]] = field(default_factory=list)

    def get(self, key: str) -> str:
        """The last value of ``key``, or an empty string."""
        return next((value for known, value in reversed(self.options) if known == key), "")


@dataclass(slots=True)
class Conf:
    """One file with everything it includes. ``problems`` are those for which Asterisk refuses the whole of it."""

    sections: list[Section] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def real(self) -> list[Section]:
        """The sections that are no templates."""
        return [section for section in self.sections if not section.template]


def read(name: str, text: str, look: Look) -> Conf:
    """``text`` of the file ``name`` (used in problems, ``custom/pjsip.conf:40: …``) with all its includes."""
    conf = Conf()
    _read(conf, name, text, look, 0)
    return conf


def _read(conf: Conf, name: str, text: str, look: Look, depth: int) -> None:
    if depth > _DEPTH:
        conf.problems.append(f"{name}: files include each other without end.")
        return
    text = _BLOCK.sub(lambda found: "\n" * found[0].count("\n"), text)
    for number, raw in enumerate(text.split("\n"), start=1):
        line = _COMMENT.sub("", raw).strip()
        if line.startswith("["):
            wrong = _section(conf, line)
        elif line.startswith("#"):
            wrong = _directive(conf, line, look, depth)
        else:
            wrong = _option(conf, line)
        if wrong:
            conf.problems.append(f"{name}:{number}: {wrong}")


def _section(conf: Conf, line: str) -> str:
    title, closed, rest = line[1:].partition("]")
    if not closed:
        return f"the bracket of “{line[:60]}” is not closed."
    words = [word.strip() for word in rest.strip().removeprefix("(").removesuffix(")").split(",") if word.strip()]
    if "+" in words:
        known = next((section for section in conf.sections if section.name == title), None)
        if known is None:
            return f"there is no [{title}] to add to."
        conf.sections.remove(known)
        conf.sections.append(known)  # options go to the last section
        return ""
    section = Section(title, "!" in words)
    for word in words:
        if word != "!":
            parent = next((known for known in reversed(conf.sections) if known.name == word), None)
            if parent is None:
                return f"[{title}] builds on [{word}], which is not there."
            section.options += parent.options
    conf.sections.append(section)
    return ""


def _directive(conf: Conf, line: str, look: Look, depth: int) -> str:
    directive, _, rest = line[1:].partition(" ")
    if directive not in ("include", "tryinclude"):
        return ""
    wanted = rest.strip().strip("\"'<>")
    files = look(wanted)
    if files is None:
        return "" if directive == "tryinclude" else f"the file “{wanted}” is not there."
    for name, text in files.items():
        _read(conf, name, text, look, depth + 1)
    return ""


def _option(conf: Conf, line: str) -> str:
    key, equals, value = line.partition("=")
    if equals and conf.sections:
        conf.sections[-1].options.append((key.strip(), value.removeprefix(">").strip()))
    return ""
