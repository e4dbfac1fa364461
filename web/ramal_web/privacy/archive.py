"""What a person gets: a zip with every sound, every event in words and as data, and pages a layman can read.

Law: one call and one piece of sound in memory at a time, whatever there is of them: the zip is made while it is sent.
Runs on a request's thread, or a command's inside a request context; needs the database and the files, no daemon.
"""

import json
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from flask import render_template
from flask_babel import force_locale  # type: ignore[import-untyped]

from ramal.box.home import Home
from ramal.store.read import Identity, Recording
from ramal.vault.sound import NoSound
from ramal_web.audit import words as audit_words
from ramal_web.calls import words as call_words
from ramal_web.catalogs import LANGUAGES
from ramal_web.history import History, OfficeWords

BLOCK = 64 * 1024
NOTICE = ("RECORD", ('{"extra":"told', '{"extra":"objected'))
"""How the dialplan writes down that a caller heard of the recording, or objected to it (dialplan/record.conf)."""


STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;"
    "color:#1a1a1a;background:#fff}"
    "h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.5rem;border-top:1px solid #bbb;padding-top:1rem}"
    "td,th{text-align:left;padding:.15rem .8rem .15rem 0;vertical-align:top}audio{width:100%}.soft{color:#555}"
    "@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}.soft{color:#aaa}a{color:#8cf}}"
)
"""The pages inside the zip stand alone: a browser opens them from a folder."""


class _Pipe:
    """A file that cannot be sought in: what was written comes out in pieces."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: Any) -> int:
        """Take bytes."""
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> bytes:
        """Everything since the last time."""
        data, self._pieces = b"".join(self._pieces), []
        return data


@dataclass(frozen=True, slots=True)
class Case:
    """Whose data, out of what; ``at_ms``: when it is handed out. ``history`` is the case's own: the request's reader is
    closed before the last piece is sent."""

    history: History
    home: Home
    person: Identity
    office: OfficeWords
    at_ms: int


def pieces(case: Case) -> Iterator[bytes]:
    """The zip's bytes; closes the case's history. Sound is stored as it is (it is compressed already), the rest is
    deflated."""
    with closing(case.history):
        yield from _pieces(case)


def _pieces(case: Case) -> Iterator[bytes]:
    pipe = _Pipe()
    keys = case.history.party(case.person.number)
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for language in LANGUAGES:
            yield from _page(archive, pipe, f"{language}.html", _told(case, keys, language))
        yield from _page(archive, pipe, "index.html", _index(case, len(keys)))
        yield from _data(archive, pipe, case, keys)
        for key in keys:
            for recording in case.history.recordings_of(key):
                yield from _sound(archive, pipe, case, recording)
    yield pipe.taken()


def _page(archive: zipfile.ZipFile, pipe: _Pipe, name: str, parts: Iterable[str]) -> Iterator[bytes]:
    with archive.open(name, "w") as file:
        for part in parts:
            file.write(part.encode())
            yield pipe.taken()
    yield pipe.taken()


def _index(case: Case, calls: int) -> Iterator[str]:
    """The first page: the same few sentences in every language, and the way to each."""
    sections = []
    for tag, (locale, title) in LANGUAGES.items():
        with force_locale(locale):
            sections.append(render_template("privacy/archive_index.html", case=case, calls=calls, tag=tag, title=title))
    yield render_template(
        "privacy/archive_frame.html", style=STYLE, title=case.office.name, tag="en", body="\n".join(sections)
    )


def _told(case: Case, keys: list[int], language: str) -> Iterator[str]:
    locale = LANGUAGES[language][0]

    def said(template: str, **more: Any) -> str:
        with force_locale(locale):
            say = call_words.Speaker(case.office)
            return render_template(template, case=case, say=say, call_words=call_words, audit_words=audit_words, **more)

    frame = said("privacy/archive_frame.html", style=STYLE, title=case.office.name, tag=language, body="\0")
    head, _, foot = frame.partition("\0")
    yield head
    summary = case.history.person(case.person)
    yield said("privacy/archive_person.html", found=summary, contact=case.history.contact(case.person.number))
    for key in keys:
        detail = case.history.call_by_key(key)
        if detail is not None:
            notices = [(at_ms, "objected" in extra) for at_ms, _, extra in _notices(case.history.said_in(key))]
            yield said(
                "privacy/archive_call.html",
                call=detail.call,
                steps=detail.steps,
                recordings=_named(case, detail.recordings),
                listeners=detail.listeners,
                notes=case.history.notes(detail.call.id),
                heard=case.history.audit_of(detail.call.id),
                notices=notices,
            )
    yield foot


def _data(archive: zipfile.ZipFile, pipe: _Pipe, case: Case, keys: list[int]) -> Iterator[bytes]:
    """``data.json``: all that is kept, as the box keeps it, call by call."""
    person, history = case.person, case.history
    contact = history.contact(person.number)
    begin = {
        "number": person.number,
        "names": person.names,
        "at_ms": case.at_ms,
        "contact": asdict(contact) if contact is not None else None,
    }

    def parts() -> Iterator[str]:
        yield json.dumps(begin, ensure_ascii=False)[:-1] + ', "calls": ['
        for n, key in enumerate(keys):
            detail = history.call_by_key(key)
            events = history.said_in(key)
            told = {
                "call": asdict(detail.call) if detail is not None else {"key": key},
                "rows": history.rows_about(key),
                "events": events,
                "notices": _notices(events),
                "steps": [asdict(step) for step in detail.steps] if detail is not None else [],
                "audit": history.audit_of(detail.call.id) if detail is not None else [],
            }
            yield ("," if n else "") + "\n" + json.dumps(told, ensure_ascii=False, default=str)
        yield '\n], "audit": ' + json.dumps(history.audit_about(person), ensure_ascii=False) + "}\n"

    yield from _page(archive, pipe, "data.json", parts())


def _sound(archive: zipfile.ZipFile, pipe: _Pipe, case: Case, recording: Recording) -> Iterator[bytes]:
    try:
        opened = case.history.sound(case.home, recording.id)
    except NoSound:
        return
    entry = zipfile.ZipInfo(name_of(recording, opened.suffix))
    entry.compress_type = zipfile.ZIP_STORED
    with opened.file, archive.open(entry, "w", force_zip64=True) as file:
        while block := opened.file.read(BLOCK):
            file.write(block)
            yield pipe.taken()
    yield pipe.taken()


def name_of(recording: Recording, suffix: str) -> str:
    """A recording's name inside the zip."""
    return f"audio/{recording.call_id}-{recording.id % 16}-{recording.kind}{suffix}"


def _notices(events: list[tuple[int, str, str]]) -> list[tuple[int, str, str]]:
    return [event for event in events if event[1] == NOTICE[0] and event[2].startswith(NOTICE[1])]


def _named(case: Case, recordings: Iterable[Recording]) -> list[tuple[Recording, str]]:
    """Recordings and their names in the zip; "" for one that has no sound (any more)."""
    named = []
    for one in recordings:
        try:
            opened = case.history.sound(case.home, one.id)
        except NoSound:
            named.append((one, ""))
        else:
            opened.file.close()
            named.append((one, name_of(one, opened.suffix)))
    return named
