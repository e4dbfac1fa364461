"""What an office lacks to do what its file asks for: agents with a skill, a language, callbacks, a line to the outside,
extensions and keys of their own.

Pure. The second half of ``office_links``.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from ramal.core.destination import Destination
from ramal.core.office import SURVEY_PARTS, Office, Recordings
from ramal.core.office_problems import Ledger
from ramal.core.office_rows import ANY, Row, Rows
from ramal.core.office_tables import CAMPAIGN, OFFICE, PAUSE, QUEUE, Table, defaults
from ramal.core.office_takes import BAD, is_emergency, like
from ramal.core.office_where import Path

Target = tuple[Row, Path, str, Destination]
"""A destination of the file: its row, path, key."""


def lacks(rows: Rows, targets: Iterable[Target], ledger: Ledger) -> None:
    """Note everything that the file asks for and the office cannot do."""
    _skills(rows, ledger)
    _languages(rows, ledger)
    for target in targets:
        _callback_or_line(rows, target, ledger)
    for row in rows["queue"]:
        _queue(row, ledger)
    _apart(rows["pause"], PAUSE, "key", ledger)
    _apart(rows["campaign"], CAMPAIGN, "code", ledger)
    _extensions(rows, ledger)
    _parking(rows, ledger)
    _in_call_codes(rows, ledger)


def _skills(rows: Rows, ledger: Ledger) -> None:
    if any(row.raw is ANY or row.refused("skills") for row in rows["agent"]):
        return
    listed = [skill for row in rows["agent"] for skill in row.values.get("skills", ())]
    if BAD in listed:
        return
    known = {skill.name for skill in listed}
    for path, need in _each(rows, "need"):
        if need and need not in known:
            ledger.add(path, "no-skill", value=need, hint=like(need, sorted(known)))


def _languages(rows: Rows, ledger: Ledger) -> None:
    office = rows["office"][0]
    if office.raw is ANY or office.refused("languages") or office.refused("language"):
        return
    own = office.values.get("language", defaults(Office)["language"])
    more = office.values.get("languages", ())
    example = OFFICE.setting("languages").example
    if own in more:
        ledger.add((*office.path, "languages", more.index(own)), "own-language", example, value=own)
    if BAD in more:
        return
    for path, language in _each(rows, "language"):
        if language and language not in (own, *more):
            ledger.add(path, "not-spoken", value=language)
    surveys = (("survey", f"{part}_in") for part in SURVEY_PARTS)
    boxes = (("voicemail", "greeting_in"), ("voicemail", "closed_greeting_in"))
    for table, key in (("number", "greeting_in"), ("menu", "text_in"), *surveys, *boxes):
        for row in rows[table]:
            for saying in row.values.get(key, ()):
                path = (*row.path, key, saying.language)
                if saying.language == own:
                    ledger.add(path, "own-language", row.table.setting(key).example, value=own)
                elif saying.language not in more:
                    ledger.add(path, "not-spoken", value=saying.language)


def _each(rows: Rows, key: str) -> Iterator[tuple[Path, Any]]:
    """What numbers and the keys of menus set for the calls that come by."""
    for row in rows["number"]:
        yield (*row.path, key), row.values.get(key)
    for row in rows["menu"]:
        for option in row.values.get("options", ()):
            yield (*row.path, "options", option.key, key), getattr(option, key)


def _callback_or_line(rows: Rows, target: Target, ledger: Ledger) -> None:
    _, path, key, to = target
    if to.kind == "callback":
        for row in rows["queue"]:
            if row.identity == to.name and not row.refused("callback") and row.values.get("callback", "no") == "no":
                ledger.add(path, "no-callback", value=to.name)
    lines = rows["line"]
    unknown = any(row.raw is ANY or row.refused("outgoing") for row in lines)
    if to.kind == "outside" and not unknown and not any(row.values.get("outgoing", True) for row in lines):
        ledger.add(path, "no-outgoing", key=key, value=to.name)


def _queue(row: Row, ledger: Ledger) -> None:
    calls_back = row.refused("callback") or row.values.get("callback", "no") != "no"
    for key in ("callback_key", "callback_offer_s"):
        if row.values.get(key) and not calls_back:
            ledger.add((*row.path, key), "queue-needs", QUEUE.setting("callback").example, key=key, needs="callback")
    if row.values.get("max_predicted_s") and "predicted" not in row.given:
        words = {"key": "max_predicted_s", "needs": "predicted"}
        ledger.add((*row.path, "max_predicted_s"), "queue-needs", QUEUE.setting("predicted").example, **words)


def _in_call_codes(rows: Rows, ledger: Ledger) -> None:
    """A code that is the beginning of another is always taken first."""
    usual = defaults(Recordings)
    for row in rows["recordings"]:
        if row.raw is ANY or row.refused("record_code") or row.refused("card_code"):
            continue
        record, card = (row.values.get(key, usual[key]) for key in ("record_code", "card_code"))
        if record.startswith(card) or card.startswith(record):
            key, other = ("card_code", "record_code") if "card_code" in row.given else ("record_code", "card_code")
            ledger.add((*row.path, key), "same-code", key=key, other=other)


def _apart(rows: list[Row], table: Table, key: str, ledger: Ledger) -> None:
    """What is dialed for one of a table is dialed for no other."""
    seen: dict[str, Row] = {}
    for row in rows:
        dialed = row.values.get(key)
        first = seen.setdefault(dialed, row) if dialed else row
        if first is not row:
            words = {"value": dialed, "other": first.identity, "line": ledger.where.line((*first.path, key))}
            ledger.add((*row.path, key), f"{key}-twice", table.setting(key).example, **words)


def _extensions(rows: Rows, ledger: Ledger) -> None:
    """What phones dial means one thing: a phone or a queue."""
    seen = {row.identity: row for row in reversed(rows["phone"]) if row.identity is not None}
    for row in rows["queue"]:
        extension = row.values.get("extension")
        first = seen.setdefault(extension, row) if extension else row
        if first is not row:
            line = ledger.where.line((*first.path, "extension"))
            words = {"value": extension, "a_thing": first.table.a_thing, "line": line}
            ledger.add((*row.path, "extension"), "twice", QUEUE.setting("extension").example, **words)


def _parking(rows: Rows, ledger: Ledger) -> None:
    office, usual = rows["office"][0], defaults(Office)
    if office.raw is ANY or office.refused("parking") or office.refused("parking_slots"):
        return
    parking = office.values.get("parking", usual["parking"])
    count = office.values.get("parking_slots", usual["parking_slots"])
    if not parking:
        return
    places = [str(int(parking) + place) for place in range(count + 1)]
    here = (*office.path, "parking")
    if len(places[-1]) > 6:
        ledger.add(here, "parked-high", count=count, value=parking)
        return
    words = {"first": places[0], "last": places[-1]}
    country = office.values.get("country", usual["country"])
    help_here = [place for place in places[1:] if is_emergency(place, country)]
    if help_here:
        ledger.add(here, "parked-help", value=help_here[0], **words)
    for row in (*rows["phone"], *rows["queue"]):
        extension = row.values.get("extension")
        if extension in places:
            ledger.add((*row.path, "extension"), "parked", value=extension, **words)
