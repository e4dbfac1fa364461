"""What changes between two offices, in short lines for a person. Pure. Secrets and PINs are named, never shown."""

from typing import Any

from ramal.core.hours import spell, spell_day
from ramal.core.office import DayPlan, Disposition, Membership, Office, Option, Saying, Skill, Span
from ramal.core.office_tables import LISTS, OFFICE, Table

_HIDDEN = frozenset({"secret", "pin", "password", "webhook", "webhook_secret"})


def diff(old: Office | None, new: Office) -> tuple[str, ...]:
    """One line per change, ``queue sales: max_wait_s 300 → 240``; empty exactly when nothing changes."""
    if old is None:
        things = sum(len(getattr(new, table.attr)) for table in LISTS)
        return (f"office: “{new.name}” is new, with {things} settings tables",)
    lines = _changes("office", OFFICE, old, new)
    for table in LISTS:
        lines += _list(table, getattr(old, table.attr), getattr(new, table.attr))
    return tuple(lines)


def _list(table: Table, old: tuple[Any, ...], new: tuple[Any, ...]) -> list[str]:
    before = {getattr(thing, table.identity): thing for thing in old}
    after = {getattr(thing, table.identity): thing for thing in new}
    lines = [f"{table.key} {name}: removed" for name in before if name not in after]
    for name, thing in after.items():
        if name not in before:
            lines.append(f"{table.key} {name}: added")
        else:
            lines += _changes(f"{table.key} {name}", table, before[name], thing)
    if [name for name in before if name in after] != [name for name in after if name in before]:
        lines.append(f"{table.key}: the order changed")
    return lines


def _changes(title: str, table: Table, old: Any, new: Any) -> list[str]:
    lines = []
    for setting in table.settings:
        key = setting.key
        attr = "spans" if (table.key, key) == ("hours", "open") else key
        if (table.key, key) == ("hours", "closed"):
            continue
        before, after = getattr(old, attr), getattr(new, attr)
        if before == after:
            continue
        if key in _HIDDEN:
            lines.append(f"{title}: {key} changed")
        elif key == "options":
            lines += _options(title, before, after)
        else:
            lines.append(f"{title}: {key} {_said(before)} → {_said(after)}")
    return lines


def _options(title: str, old: tuple[Option, ...], new: tuple[Option, ...]) -> list[str]:
    before, after = {option.key: _said(option) for option in old}, {option.key: _said(option) for option in new}
    lines = [
        f"{title}: key {key} {before.get(key, 'nothing')} → {after.get(key, 'nothing')}"
        for key in {**before, **after}
        if before.get(key) != after.get(key)
    ]
    return lines or [f"{title}: the order of the keys changed"]


def _said(value: Any) -> str:
    match value:
        case None | () | "":
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case Span():
            return spell(value)
        case Option():
            more = [
                value.language,
                value.need and f"needs {value.need}",
                value.priority and f"priority {value.priority}",
            ]
            said = ", ".join(str(part) for part in more if part)
            return f"{value.to} ({said})" if said else str(value.to)
        case DayPlan(date, spans):
            return f"{date} {spell_day(spans)}"
        case Saying(language, text):
            return f"{language} {_said(text)}"
        case Skill(skill, level):
            return f"{skill} (level {level})" if level > 1 else skill
        case Disposition(key, code, text):
            return f"{key} {code} {_said(text)}"
        case Membership(queue, penalty):
            return f"{queue} (penalty {penalty})" if penalty else queue
        case tuple():
            return ", ".join(map(_said, value))
        case str():
            short = value if len(value) <= 40 else value[:39] + "…"
            return f"“{short}”"
    return str(value)
