"""The journals' lines: what Asterisk writes is understood, what it does not write is refused, nothing raises."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.core.journal import (
    CEL_LINES,
    Queued,
    clean,
    decode,
    endpoint,
    hangup_cause,
    hangup_source,
    parse_cel,
    parse_queue,
    salvage,
    user_fields,
)

LINE = (
    b"1795321509.828785,ARRIVE,1795321509.6,1795321509.7,PJSIP%2Fline-loop-00000001,%2B5511987654321,"
    b"Jos%C3%A9%2C%20%5C%22o%20bom%5C%22%20%3Cscript%3E,s,ramal-arrive,ARRIVE,%7B%22extra%22%3A%22loop%7C%2B55%22%7D,"
)


def test_a_line_of_asterisk_is_understood() -> None:
    event = parse_cel(LINE)
    assert event is not None
    assert (event.at_ms, event.type, event.linked_id, event.unique_id) == (
        1795321509828,
        "ARRIVE",
        "1795321509.6",
        "1795321509.7",
    )
    assert (event.channel, event.number) == ("PJSIP/line-loop-00000001", "+5511987654321")
    assert event.name == 'José, \\"o bom\\" <script>'
    assert (event.context, event.user, user_fields(event.extra)) == ("ramal-arrive", "ARRIVE", ["loop", "+55"])


@pytest.mark.parametrize("cut", range(len(LINE) - 1))
def test_a_torn_line_is_no_event_and_no_error(cut: int) -> None:
    torn = LINE[:cut]
    assert torn.count(b",") == 11 or parse_cel(torn) is None


@given(st.text())
def test_any_text_survives_percent_encoding(text: str) -> None:
    assert decode(quote(text.encode("utf-8", "replace").decode(), safe="")) == text.encode("utf-8", "replace").decode()


@given(st.binary(max_size=60), st.integers(min_value=0, max_value=200))
def test_a_text_cut_anywhere_is_decoded_without_an_error(raw: bytes, cut: int) -> None:
    decode(quote(raw, safe="")[:cut])


@given(st.binary(max_size=300))
def test_garbage_is_refused_without_an_error(line: bytes) -> None:
    parse_cel(line)
    parse_queue(line)
    salvage(line)


@given(st.lists(st.sampled_from([LINE, b"", b"garbage", LINE[:40], LINE + b",x", b"\0" * 30 + LINE]), max_size=8))
def test_looking_at_many_lines_finds_the_same_as_line_by_line(lines: list[bytes]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    found = [match[0] for match in CEL_LINES.finditer(data)]
    assert found == [line for line in lines if parse_cel(line) is not None]


@pytest.mark.parametrize("torn", [LINE[:25], LINE[:60], b"\0" * 4000, LINE + LINE[:30], b"1795321509.8287851795"])
def test_the_record_after_a_torn_one_is_saved(torn: bytes) -> None:
    assert salvage(torn + LINE) == LINE


def test_a_queue_log_record_after_a_torn_one_is_saved() -> None:
    line = b"1795321716|1795321716.22|sales|NONE|ABANDON|1|1|0"
    assert salvage(b"17953217" + line) == line


def test_queue_log_lines_are_understood() -> None:
    assert parse_queue(b"1795321754|1795321754.0|sales|agent-7|CONNECT|0|1795321754.6|0") == Queued(
        1795321754, "1795321754.0", "sales", "7", "CONNECT", ("0", "1795321754.6", "0")
    )
    start = parse_queue(b"1795320771|NONE|NONE|NONE|QUEUESTART|")
    assert start is not None
    assert (start.event, start.agent, start.data) == ("QUEUESTART", "", ())


def test_user_events_are_read_also_when_json_escapes_or_was_cut() -> None:
    assert user_fields('{"extra":"main|1"}') == ["main", "1"]
    assert user_fields('{"extra":"a\\"b|\\u00e9"}') == ['a"b', "é"]
    assert user_fields('{"extra":"sales|2026/11') == ["sales", "2026/11"]
    assert user_fields("") == [""]
    assert user_fields("[1]") == ["[1]"]


def test_who_hung_up_and_why_is_read() -> None:
    extra = '{"hangupcause":16,"hangupsource":"PJSIP/201-00000003","dialstatus":"ANSWER"}'
    assert (hangup_source(extra), hangup_cause(extra)) == ("PJSIP/201-00000003", 16)
    assert (hangup_source('{"hangupcause":0,"hangup'), hangup_cause("")) == ("", 0)


def test_a_channels_name_tells_its_endpoint() -> None:
    assert endpoint("PJSIP/201-0000001b") == "201"
    assert endpoint("PJSIP/line-main-office-0000001a") == "line-main-office"
    assert endpoint("Local/1@x-00000001;2") == "1@x"
    assert endpoint("rubbish") == ""


@given(st.text(max_size=400))
def test_a_strangers_text_is_harmless_for_eyes(text: str) -> None:
    shown = clean(text)
    assert len(shown) <= 120
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in shown)
    assert not set(shown) & set("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


def test_quoted_pairs_of_a_display_name_are_undone() -> None:
    assert clean('José, \\"o bom\\" <script>') == 'José, "o bom" <script>'
