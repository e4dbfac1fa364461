"""The office file: from TOML to an Office and back. Whoever holds an Office from here holds a valid one.

Pure. ``read`` says everything that is wrong at once; ``write`` is canonical: ``read(write(x)) == x``, and the text of
the same office is the same, byte for byte. Settings equal to their default are left out, secrets and PINs are not.
"""

import re
import tomllib
from collections.abc import Callable, Iterable
from typing import Any

import tomli_w

from ramal.core import hours, office_links
from ramal.core.destination import Destination
from ramal.core.office import DayPlan, Disposition, Hours, Membership, Office, Option, Saying, Skill
from ramal.core.office_diff import diff
from ramal.core.office_problems import Ledger, OfficeRefused, Problem
from ramal.core.office_rows import Row, Rows, unreadable
from ramal.core.office_tables import HOURS, LISTS, OFFICE, Table, defaults
from ramal.core.office_takes import BAD, Spot, meant, near
from ramal.core.office_where import Path, Where, where

__all__ = ["OfficeRefused", "Problem", "diff", "read", "write"]

HEADER = """\
# An office for Ramal. Put it into force with: ramal apply <this file>
# It holds the secrets of phones and lines and the PINs of people: keep it like a key.
"""
HIGH = 2_000_000
"""Characters of a file; the largest office possible is well below."""

_PART = r"""(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"?|'[^'\n]*+'?)[ \t]*+"""
_TOKENS = re.compile(
    r'''"""(?:[^"\\]|\\.|"(?!""))*+"{0,5}|'''
    r"""'''(?:[^']|'(?!''))*+'{0,5}|#[^\n]*+|"""
    rf"(?P<long>[\w-]{{1000}})|(?P<deep>{_PART}(?:\.[ \t]*+{_PART}){{16}})|{_PART}(?:\.[ \t]*+{_PART})*+|[^\w\"'#-]++",
    re.DOTALL,
)
"""A text cut into strings, comments, keys and the rest, each character once. ``deep`` is a key of more than 16 parts:
tomllib keeps every beginning of it, and 200 kB of one took 24 GB. ``long`` is a number that Python will not print."""

_BARE = re.compile(r"[0-9]\Z|[A-Za-z][A-Za-z-]*\Z")

# What tomllib says, in words for somebody who never heard of TOML.
_SYNTAX = (
    (r"Cannot overwrite a value", "this setting stands twice in one table", 'name = "sales"'),
    (r"Cannot declare|Cannot redefine|Cannot mutate", "this table stands twice", "[[queue]]"),
    (r"Invalid value \(at end", "a bracket or a quote is not closed", 'queues = ["sales", "support"]'),
    (r"Invalid value", "text needs quotes around it, and a list has no empty places", 'queues = ["sales", "support"]'),
    (r"Expected '='", "a setting is a name, an equals sign and a value", "max_wait_s = 300"),
    (r"Illegal character '.n'|Unterminated string|Expected (\"'\"|'\")", "a quote is not closed", 'name = "sales"'),
    (r"Illegal character", "a character stands there that cannot be printed", 'name = "sales"'),
    (r"Unescaped", "a backslash inside quotes is written twice", 'name = "one \\\\ two"'),
    (r"Unclosed", "a bracket is not closed", 'queues = ["sales", "support"]'),
    (r"Expected newline or end", "a line goes on after its value, or a number begins with 0", "ring_s = 15"),
    (r"Expected ']'", "the brackets around a table's name are not closed", "[[queue]]"),
    (r"Invalid initial character|Invalid statement", "a line must begin with a setting or a table", "[[queue]]"),
)


def read(
    text: str,
    file: str = "office.toml",
    secret: Callable[[], str] | None = None,
    known: Office | None = None,
) -> Office:
    """The office that ``text`` describes; OfficeRefused with every problem when it is none.

    ``file`` is how problems name it. A phone without a secret keeps the one it has in ``known`` (the office in force;
    or every desk phone would be locked out by applying a file twice), else gets ``secret()``, else is a problem.
    """
    tree, lines = _parse(text, file)
    ledger = Ledger(file, lines)
    rows = _take(tree, ledger)
    _fill_secrets(rows, secret, known)
    for table in (OFFICE, *LISTS):
        for row in rows[table.key]:
            _complete(row, ledger)
    office_links.check(rows, ledger)
    if ledger.problems:
        raise OfficeRefused(ledger.problems)
    lists: dict[str, Any] = {table.attr: tuple(_made(row) for row in rows[table.key]) for table in LISTS}
    return Office(**rows["office"][0].values, **lists)


def write(office: Office) -> str:
    """``office`` as TOML, canonical: a header, then every table in one order."""
    parts = [HEADER, _table("[office]", OFFICE, office)]
    for table in LISTS:
        head = f"[{table.key}]" if table.high == 1 else f"[[{table.key}]]"
        parts += [_table(head, table, thing) for thing in getattr(office, table.attr)]
    return "\n".join(parts)


def _parse(text: str, file: str) -> tuple[dict[str, Any], Where]:
    text = text.removeprefix("\ufeff")
    ledger = Ledger(file, Where({}))
    if len(text) > HIGH:
        ledger.add((), "too-big", high=HIGH)
        raise OfficeRefused(ledger.problems)
    if bomb := next((token for token in _TOKENS.finditer(text) if token.lastgroup), None):
        ledger.where = Where({("at",): text.count("\n", 0, bomb.start()) + 1})
        if bomb.lastgroup == "deep":
            ledger.add(("at",), "too-deep")
        else:
            ledger.add(("at",), "syntax", "ring_s = 15", reason="a number or a word is far too long")
        raise OfficeRefused(ledger.problems)
    try:
        return tomllib.loads(text), where(text)
    except RecursionError:
        ledger.add((), "too-deep")
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        found = re.search(r"line (\d+), column \d+", said)
        at = int(found[1]) if found else text.rstrip().count("\n") + 1
        words = next(((why, right) for what, why, right in _SYNTAX if re.search(what, said)), None)
        reason, example = words or (re.sub(r" \(at .*\)$", "", said), 'name = "sales"')
        ledger.where = Where({("at",): at})
        ledger.add(("at",), "syntax", example, reason=reason)
    raise OfficeRefused(ledger.problems)


def _take(tree: dict[str, Any], ledger: Ledger) -> Rows:
    tables = {table.key: table for table in (OFFICE, *LISTS)}
    for key in [key for key in tree if key not in tables]:
        close = near(key, tables)
        example = "[office]" if close == "office" else f"[[{close or 'queue'}]]"
        ledger.add((key,), "unknown-table", example, table=key[:40], hint=meant(close))
    rows: Rows = {key: [] for key in tables}
    office = tree.get("office", {})
    if not isinstance(office, dict):
        ledger.add(("office",), "not-a-table", table="office")
        rows["office"] = [unreadable(OFFICE)]
    else:
        country = office.get("country")
        rows["office"] = [_row(OFFICE, office, ("office",), ledger, country if isinstance(country, str) else "BR")]
    country = rows["office"][0].values.get("country", "BR")
    for table in LISTS:
        items = tree.get(table.key, [])
        alone = table.high == 1 and isinstance(items, dict)
        items = [items] if alone else items
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            ledger.add((table.key,), "not-a-list", table=table.key)
            rows[table.key] = [unreadable(table)]
        elif len(items) > table.high:
            ledger.add((table.key, table.high), "too-many", table=table.key, count=len(items), high=table.high)
            rows[table.key] = [unreadable(table)]
        else:
            rows[table.key] = [
                _row(table, item, (table.key,) if alone else (table.key, place), ledger, country)
                for place, item in enumerate(items)
            ]
    return rows


def _row(table: Table, item: dict[str, Any], path: Path, ledger: Ledger, country: str) -> Row:
    keys = [setting.key for setting in table.settings]
    for key in item:
        if key not in keys:
            close = near(key, keys)
            example = table.setting(close or keys[0]).example
            ledger.add((*path, key), "unknown-key", example, key=key[:40], table=table.key, hint=meant(close))
    values: dict[str, Any] = {}
    for setting in table.settings:
        if setting.key in item:
            value = setting.take(
                item[setting.key], Spot(ledger, (*path, setting.key), setting.key, setting.example, country)
            )
            if value is not BAD:
                values[setting.key] = value
    return Row(table, path, values, frozenset(item), item.get(table.identity))


def _fill_secrets(rows: Rows, secret: Callable[[], str] | None, known: Office | None) -> None:
    present = {phone.extension: phone.secret for phone in known.phones} if known else {}
    for row in rows["phone"]:
        if "secret" not in row.given:
            kept = present.get(str(row.identity)) or (secret() if secret else None)
            if kept:
                row.values["secret"] = kept


def _complete(row: Row, ledger: Ledger) -> None:
    for setting in row.table.settings:
        required = setting.required or (row.table.key, setting.key) == ("phone", "secret")
        if required and setting.key not in row.given and setting.key not in row.values:
            ledger.add(row.path, "missing", setting.example, key=setting.key, table=row.table.key)


def _made(row: Row) -> Any:
    if row.table is HOURS:
        more = {key: value for key, value in row.values.items() if key not in ("name", "open", "closed")}
        return Hours(row.values["name"], row.values.get("open", ()), **more)
    return row.table.made_of(**row.values)


def _table(head: str, table: Table, thing: Any) -> str:
    usual = defaults(table.made_of)
    rows = [head]
    for setting in table.settings:
        if table is HOURS and setting.key in ("open", "closed"):
            value: Any = tuple(hours.spell(span) for span in thing.spans) if setting.key == "open" else not thing.spans
            if value:
                rows.append(f"{setting.key} = {_value(value)}")
            continue
        value = getattr(thing, setting.key)
        if setting.key not in usual or value != usual[setting.key]:
            rows.append(f"{setting.key} = {_value(value)}")
    return "\n".join(rows) + "\n"


def _value(value: Any) -> str:
    match value:
        case bool() | int() | str():
            return tomli_w.dumps({"k": value}).removeprefix("k = ").rstrip("\n")
        case Destination():
            return _value(str(value))
        case Membership(queue, 0):
            return _value(queue)
        case Membership(queue, penalty):
            return f"{{ queue = {_value(queue)}, penalty = {penalty} }}"
        case Skill(skill, 1):
            return _value(skill)
        case Skill(skill, level):
            return f"{{ skill = {_value(skill)}, level = {level} }}"
        case Option(_, to, "", "", 0):
            return _value(to)
        case Option():
            parts = [("to", value.to), ("language", value.language), ("need", value.need), ("priority", value.priority)]
            return _pairs((key, item) for key, item in parts if item)
        case (Option(), *_):
            return _pairs((option.key, option) for option in value)
        case (Saying(), *_):
            return _pairs((saying.language, saying.text) for saying in value)
        case (Disposition(), *_):
            return _pairs((one.key, f"{one.code}: {one.text}") for one in value)
        case (DayPlan(), *_):
            return _pairs((plan.date, hours.spell_day(plan.spans)) for plan in value)
        case tuple():
            return f"[{', '.join(map(_value, value))}]"
    raise TypeError(f"no TOML for {value!r}")


def _pairs(pairs: Iterable[tuple[str, Any]]) -> str:
    """A table in one line; keys that TOML takes bare stand bare, dates are quoted so that nobody reads a date."""
    named = ((key if _BARE.match(key) else _value(key), value) for key, value in pairs)
    return f"{{ {', '.join(f'{key} = {_value(value)}' for key, value in named)} }}"
