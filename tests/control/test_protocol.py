"""Lines and objects of the control socket, byte by byte and hostile."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.control import protocol
from ramal.control.protocol import Lines, Malformed, Request, parse_answer, parse_request


def test_a_request_survives_the_way() -> None:
    line = protocol.request(7, "apply", {"toml": 'name = "Zé\u2028"\n'})
    assert line.count(b"\n") == 1
    assert parse_request(line) == Request(7, "apply", {"toml": 'name = "Zé\u2028"\n'})


@given(st.binary(max_size=60), st.integers(1, 7))
def test_lines_come_out_the_same_however_the_bytes_are_cut(data: bytes, size: int) -> None:
    whole, cut = Lines(100), Lines(100)
    expected = list(whole.feed(data))
    assert [line for i in range(0, len(data), size) for line in cut.feed(data[i : i + size])] == expected
    assert expected == data.split(b"\n")[:-1]


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_that_is_too_long_is_refused_before_it_is_kept(end: bytes) -> None:
    lines = Lines(10)
    assert list(lines.feed(b"0123456789\n")) == [b"0123456789"]
    with pytest.raises(Malformed, match="at most 10 bytes"):
        list(lines.feed(b"01234567890" + end))
    assert not lines.partial


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\0", b"\xff\xfe", b"[]", b"1", b"null", b'"x"', b"{", b"[" * 100_000, b'{"id":' * 50_000,
        b'{"do": 3}', b'{"do": ""}', b'{"do": "' + b"x" * 65 + b'"}', b'{"id": true, "do": "ping"}',
        b'{"id": {}, "do": "ping"}', b'{"id": 1e999, "do": "ping"}', b'{"id": NaN, "do": "ping"}',
        b'{"do": "ping", "with": []}', b'{"id": ' + b"9" * 5000 + b', "do": "ping"}',
        b'{"do": "ping", "with": {"toml": "\\ud800"}}', b"GET / HTTP/1.1",
    ],
)  # fmt: skip
def test_what_is_no_request_is_malformed_and_nothing_worse(line: bytes) -> None:
    with pytest.raises(Malformed):
        parse_request(line)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_stumble(line: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert parse_request(line).do


def test_a_malformed_request_keeps_its_id_for_the_answer() -> None:
    with pytest.raises(Malformed) as caught:
        parse_request(b'{"id": 9, "do": 1}')
    assert caught.value.id == 9


def test_an_answer_that_is_too_long_becomes_a_refusal() -> None:
    table = parse_answer(protocol.answer(3, {"text": "x" * protocol.ANSWER_MAX}))
    assert (table["id"], table["ok"]) == (3, False)


def test_answers_are_ascii_whatever_they_hold() -> None:
    line = protocol.answer(1, {"name": "\ud800 Zé"})
    assert json.loads(line.decode("ascii"))["data"]["name"] == "\ud800 Zé"
