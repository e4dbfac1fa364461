"""What a check of the recordings found, on the page in the reader's language."""

import json
from typing import Any, get_args

import pytest

from ramal.core.flaws import PLACES, Code, Flaw, Place
from ramal_web.app import create_app
from ramal_web.seal import words
from ramal_web.settings import of_home
from tests.web.box import Box, now_ms
from tests.web.test_door import enter

TAGS = ("en", "pt-BR", "es")
ARGS: dict[str, int | str] = {
    "n": 41,
    "next": 42,
    "first": 43,
    "last": 44,
    "recording": 4711,
    "path": "recordings/<b>x</b>\u202e.ogg.sealed",
    "size": 51,
    "bytes": 52,
    "begin": 53,
    "end": 54,
    "key": "abcd1234",
    "said": "Some English.",
    "reason": "EIO",
}
MANY = ((60, 61), (62, 63))


def found(*flaws: Flaw) -> str:
    return json.dumps([flaw.plain() for flaw in flaws])


def keep(box: Box, text: str) -> None:
    row = "INSERT INTO seal_check (at_ms, took_ms, seals, files, bytes, amiss, found, head) VALUES (?,1,1,1,1,1,?,'')"
    box.sql(row, now_ms(), text)


def in_language(box: Box, tag: str, text: str) -> tuple[words.Told, ...]:
    with create_app(of_home(box.home)).test_request_context(headers={"Accept-Language": tag}):
        return words.told(text)


def test_every_finding_has_words_in_every_language(box: Box) -> None:
    codes: tuple[Code, ...] = get_args(Code)
    places: tuple[Place, ...] = get_args(Place)
    flaws = [Flaw("file", "path", code, ARGS, MANY) for code in codes]
    spots = [Flaw("file", place, "file-missing", ARGS) for place in places]
    said = {tag: in_language(box, tag, found(*flaws)) for tag in TAGS}
    where = {tag: in_language(box, tag, found(*spots)) for tag in TAGS}
    for at, flaw in enumerate(flaws):
        three = [said[tag][at].what for tag in TAGS]
        assert len(set(three)) == 3, three
        assert not any("Some English." in one or "%(" in one for one in three), three
        if flaw.code.startswith("file-") and flaw.code not in ("file-outside", "file-unknown"):
            assert all("4711" in one for one in three), three
    for at, spot in enumerate(spots):
        three = [where[tag][at].where for tag in TAGS]
        figures = [name for name in ARGS if f"%({name})s" in PLACES[spot.place] and name != "path"]
        assert all(str(ARGS[name]) in one for name in figures for one in three), three
        assert len(set(three)) == (1 if spot.place == "path" else 3), three
    spans = in_language(box, "es", found(Flaw("file", "path", "file-spans", ARGS, MANY)))[0].what
    assert "bytes 60 a 61, bytes 62 a 63" in spans


@pytest.mark.parametrize(
    ("tag", "where", "what"),
    [
        ("en", "row 5 (or row 6)", "changed, or another one was put in its place"),
        ("pt-BR", "linha 5 (ou linha 6)", "alterada, ou outra foi posta em seu lugar"),
        ("es", "línea 5 (o línea 6)", "cambiada, o se puso otra en su lugar"),
    ],
)
def test_the_page_says_a_finding_in_the_reader_s_language(box: Box, tag: str, where: str, what: str) -> None:
    keep(box, found(Flaw("row", "either", "row-changed", {"n": 5, "next": 6})))
    client = create_app(of_home(box.home)).test_client()
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = tag
    enter(client)
    page = client.get("/seal").text
    assert where in page
    assert what in page


OLD = {"kind": "file", "where": "recordings/<b>x</b>", "what": "the file of recording 3 was changed"}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"code": "a-later-one", "place": "path", "args": {"path": "x"}},
        {"code": "file-missing", "place": "nowhere", "args": {"recording": 3}},
        {"code": "file-missing", "place": "path", "args": {}},
        {"code": "file-missing", "place": "path", "args": 7, "spans": 7},
        {"code": ["file-missing"], "place": {"a": 1}, "args": None, "spans": [1, [2]]},
    ],
)
def test_what_is_not_known_here_is_told_in_the_words_it_came_with(box: Box, more: dict[str, Any]) -> None:
    keep(box, json.dumps([OLD | more]))
    client = create_app(of_home(box.home)).test_client()
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "es"
    enter(client)
    page = client.get("/seal").text
    assert "recordings/&lt;b&gt;x&lt;/b&gt;" in page
    assert "the file of recording 3 was changed" in page


@pytest.mark.parametrize("text", ["", "{}", "7", "[1, null, []]", "nonsense"])
def test_what_no_verification_wrote_down_breaks_no_page(box: Box, text: str) -> None:
    assert in_language(box, "en", text) == ()


def test_a_stranger_s_text_is_cleaned(box: Box) -> None:
    (one,) = in_language(box, "pt-BR", found(Flaw("file", "sound", "file-outside", ARGS)))
    assert one.where == "gravação 4711 (recordings/<b>x</b> .ogg.sealed)"
