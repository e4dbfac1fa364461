"""What only shows between the values of an office file: twice the same, not there, round for ever, not enough.

Pure. Works on rows (what could be taken of each table, also of tables with mistakes), so that one mistake does not hide
or invent others.
"""

import ipaddress
from collections.abc import Iterator
from typing import Any

from ramal.core import office_alarms
from ramal.core.destination import Destination, Kind
from ramal.core.office_needs import lacks
from ramal.core.office_problems import Ledger
from ramal.core.office_rows import ANY, Row, Rows
from ramal.core.office_tables import (
    AGENT,
    HOURS,
    LINE,
    LISTS,
    MENU,
    MUSIC,
    NUMBER,
    PHONE,
    QUEUE,
    SURVEY,
    VOICEMAIL,
    Table,
)
from ramal.core.office_takes import BAD, like
from ramal.core.office_where import Path
from ramal.core.places import is_reserved

_TARGETS: dict[str, Table] = {"queue": QUEUE, "menu": MENU, "phone": PHONE, "number": NUMBER}
_TARGETS |= {"agent": AGENT, "callback": QUEUE}
_KIND: dict[str, Kind] = {"number": "number", "queue": "queue", "menu": "menu"}
_WHAT = {"queue": "queue", "menu": "menu", "phone": "phone", "number": "number"}
_WHAT |= {"agent": "agent", "callback": "queue"}


def check(rows: Rows, ledger: Ledger) -> None:
    """Note every problem between values."""
    for table in LISTS:
        _twice(rows[table.key], ledger)
    for row in rows["line"]:
        _line(row, ledger)
    _same_addresses(rows["line"], ledger)
    for row in rows["hours"]:
        _hours(row, ledger)
    _macs(rows["phone"], ledger)
    for row, path, key, target in _destinations(rows):
        if target.kind in _TARGETS:
            _there(
                rows,
                _TARGETS[target.kind],
                target.name,
                ledger,
                path,
                row.table.setting(key).example,
                _WHAT[target.kind],
            )
        if target.kind == "voicemail":
            _box_there(rows, target.name, ledger, path, row.table.setting(key).example)
    for row in rows["voicemail"]:
        _voicemail(rows, row, ledger)
    for row in rows["number"]:
        _named(rows, HOURS, row, "hours", ledger)
    for row in rows["queue"]:
        _named(rows, HOURS, row, "hours", ledger)
        _named(rows, HOURS, row, "callback_hours", ledger)
        _named(rows, MUSIC, row, "music", ledger)
        _named(rows, SURVEY, row, "survey", ledger)
    for row in rows["office"]:
        _named(rows, PHONE, row, "safe_phone", ledger)
    for row in rows["agent"]:
        _named(rows, PHONE, row, "phone", ledger)
        for place, membership in enumerate(row.values.get("queues", ())):
            if membership is not BAD:
                example = AGENT.setting("queues").example
                _there(rows, QUEUE, membership.queue, ledger, (*row.path, "queues", place), example, "queue")
    for row in rows["alarm"]:
        _named(rows, QUEUE, row, "queue", ledger)
        _named(rows, HOURS, row, "hours", ledger)
    office_alarms.check(rows, ledger)
    lacks(rows, list(_destinations(rows)), ledger)
    _loops(rows, ledger)


def _twice(rows: list[Row], ledger: Ledger) -> None:
    seen: dict[str, Row] = {}
    for row in rows:
        if row.identity is None:
            continue
        # Asterisk overlooks hyphens in the dialplan: a call to queue “a-b” would come to queue “ab”.
        first = seen.setdefault(row.identity.replace("-", ""), row)
        if first is not row:
            key = row.table.identity
            line = ledger.where.line((*first.path, key))
            words = {"value": row.identity, "a_thing": row.table.a_thing, "line": line, "other": first.identity}
            kind = "twice" if first.identity == row.identity else "hyphens"
            ledger.add((*row.path, key), kind, row.table.setting(key).example, **words)


def _there(rows: Rows, table: Table, name: str, ledger: Ledger, path: Path, example: str, what: str) -> None:
    known = [row.identity for row in rows[table.key] if row.identity is not None]
    # One whose name was refused may be the one that is meant: its own sentence is enough.
    refused = [row.raw for row in rows[table.key] if row.identity is None]
    if name not in known and ANY not in refused and name not in [str(raw).lower() for raw in refused]:
        ledger.add(path, "not-there", example, what=what, value=name, hint=like(name, known))


def _box_there(rows: Rows, name: str, ledger: Ledger, path: Path, example: str) -> None:
    """A voicemail is a queue's, an agent's, the office's, or stands in the file."""
    tables = ((QUEUE, ""), (VOICEMAIL, ""), (AGENT, "agent-"))
    all_rows = [(row, before) for table, before in tables for row in rows[table.key]]
    known = ["office", *(before + row.identity for row, before in all_rows if row.identity is not None)]
    refused = [str(row.raw).lower() for row, _ in all_rows if row.identity is None]
    if name not in known and not any(row.raw is ANY for row, _ in all_rows) and name not in refused:
        ledger.add(path, "not-there", example, what="voicemail, queue or agent", value=name, hint=like(name, known))


def _voicemail(rows: Rows, row: Row, ledger: Ledger) -> None:
    _named(rows, HOURS, row, "hours", ledger)
    name = row.values.get("name", "")
    ours = {row.identity for row in rows["queue"]} | {f"agent-{row.identity}" for row in rows["agent"]} | {"office"}
    other = next(
        (each for each in ours if each and each != name and each.replace("-", "") == name.replace("-", "")), ""
    )
    if other:  # as in _twice
        ledger.add((*row.path, "name"), "box-hyphens", 'name = "sales"', value=name, other=other)
    if is_reserved(name):
        _there(rows, AGENT, name.removeprefix("agent-"), ledger, (*row.path, "name"), 'name = "agent-7"', "agent")
    for place, phone in enumerate(row.values.get("phones", ())):
        if phone is not BAD and phone:
            _there(
                rows, PHONE, phone, ledger, (*row.path, "phones", place), VOICEMAIL.setting("phones").example, "phone"
            )


def _named(rows: Rows, table: Table, row: Row, key: str, ledger: Ledger) -> None:
    name = row.values.get(key)
    if name:
        what = "set of hours" if table is HOURS else table.key
        _there(rows, table, name, ledger, (*row.path, key), row.table.setting(key).example, what)


def _line(row: Row, ledger: Ledger) -> None:
    kind = row.values.get("kind")
    if kind in ("fxo", "gateway"):
        ledger.add((*row.path, "kind"), "no-driver", kind=kind)
    if row.values.get("transport") == "tls":
        ledger.add((*row.path, "transport"), "no-tls")
    needs = {"sip-register": ("host", "username", "secret"), "sip-peer": ("addresses",)}.get(str(kind), ())
    for key in needs:
        empty = key in row.values and not row.values[key]
        if key not in row.given or empty:
            path = (*row.path, key) if empty else row.path
            ledger.add(path, "line-needs", LINE.setting(key).example, kind=kind, key=key)


def _same_addresses(rows: list[Row], ledger: Ledger) -> None:
    seen: list[tuple[Any, str]] = []
    for row in rows:
        texts = enumerate(row.values.get("addresses", ()))
        own = [(place, ipaddress.ip_network(text)) for place, text in texts if text is not BAD]
        for place, network in own:
            for other, name in seen:
                if other.version == network.version and other.overlaps(network):
                    path, example = (*row.path, "addresses", place), LINE.setting("addresses").example
                    ledger.add(path, "same-address", example, value=str(network), other=name)
                    break
        seen += [(network, str(row.identity)) for _, network in own]


def _macs(rows: list[Row], ledger: Ledger) -> None:
    seen: dict[str, Row] = {}
    for row in rows:
        for key, needs in (("mac", "model"), ("model", "mac")):
            if row.values.get(key) and needs not in row.given:
                ledger.add((*row.path, key), "queue-needs", PHONE.setting(needs).example, key=key, needs=needs)
        mac = row.values.get("mac")
        first = seen.setdefault(mac, row) if mac else row
        if first is not row:
            words = {"value": mac, "a_thing": "the phone", "line": ledger.where.line((*first.path, "mac"))}
            ledger.add((*row.path, "mac"), "twice", PHONE.setting("mac").example, **words)


def _hours(row: Row, ledger: Ledger) -> None:
    name = row.identity if row.identity is not None else "this"
    closed = row.values.get("closed", False)
    if closed and "open" in row.given:
        ledger.add((*row.path, "closed"), "hours-both", name=name)
    if not closed and "closed" not in row.given - row.values.keys() and not row.values.get("open", "open" in row.given):
        ledger.add((*row.path, "open") if "open" in row.given else row.path, "hours-neither", name=name)


def _destinations(rows: Rows) -> Iterator[tuple[Row, Path, str, Destination]]:
    """Every destination of the file with its row, path and key."""
    for table in (NUMBER, QUEUE, MENU):
        for row in rows[table.key]:
            for key, value in row.values.items():
                if isinstance(value, Destination):
                    yield row, (*row.path, key), key, value
            for option in row.values.get("options", ()):
                yield row, (*row.path, "options", option.key), "options", option.to


def _loops(rows: Rows, ledger: Ledger) -> None:
    """Refuse every way round on which the caller does nothing: options of a menu are left out, a key is an act.

    A walk in depth; each step that leads back onto the way to it is one loop, told where that step stands.
    """
    steps: dict[Destination, list[tuple[Destination, Path]]] = {}
    for row, path, key, target in _destinations(rows):
        if key != "options" and row.identity is not None:
            here = Destination(_KIND[row.table.key], row.identity)
            steps.setdefault(here, []).append((target, path))
    done: set[Destination] = set()
    for start in steps:
        way: list[Destination] = []
        todo: list[tuple[Destination, Path | None]] = [(start, None)]
        while todo:
            place, came = todo.pop()
            if came == ():
                done.add(way.pop())
            elif came and place in way:
                circle = [*way[way.index(place) :], place]
                ledger.add(came, "loop", f'{came[-1]} = "hangup"', way=" → ".join(map(str, circle)))
            elif place not in done and place in steps:
                way.append(place)
                todo.append((place, ()))
                todo += [(target, path) for target, path in reversed(steps[place])]
