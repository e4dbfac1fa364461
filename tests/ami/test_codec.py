"""The wire format, byte by byte and with every hostile character we know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.ami.codec import MAX_BLOCK_BYTES, MAX_LINE_BYTES, Framer, decode, encode
from ramal.ami.errors import AmiRefused

LINE_BREAKS_TO_PYTHON = ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\r", "\n"]

names = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True)
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
safe_values = values.map(lambda value: value.replace("\r", "").replace("\n", ""))
pairs = st.tuples(names, safe_values)
blocks = st.lists(pairs, min_size=1, max_size=6)


def wire(messages: list[list[tuple[str, str]]]) -> bytes:
    text = "".join("".join(f"{name}: {value}\r\n" for name, value in message) + "\r\n" for message in messages)
    return b"Asterisk Call Manager/11.0.0\r\n" + text.encode()


@given(st.lists(blocks, max_size=4), st.data())
def test_any_split_of_the_byte_stream_gives_the_same_messages(messages, data):
    stream = wire(messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    framer = Framer()
    texts = [text for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True) for text in framer.feed(stream[a:b])]
    assert texts[0] == "Asterisk Call Manager/11.0.0"
    assert [list(decode(text).pairs) for text in texts[1:]] == messages


def test_one_byte_at_a_time_gives_the_same_messages():
    stream = wire([[("Event", "A"), ("X", "ü\u2028")], [("Response", "Success")]])
    framer = Framer()
    texts = [text for byte in stream for text in framer.feed(bytes([byte]))]
    assert texts == ["Asterisk Call Manager/11.0.0", "Event: A\r\nX: ü\u2028", "Response: Success"]


@pytest.mark.parametrize("character", LINE_BREAKS_TO_PYTHON)
def test_a_caller_name_cannot_forge_a_header(character):
    message = decode(f"Event: QueueCallerJoin\r\nCallerIDName: Bob{character}Queue: vip\r\nQueue: sales")
    assert message.get("Queue") == "sales"
    assert message.get("CallerIDName") == f"Bob{character}Queue: vip"


def test_order_and_repeats_are_kept_and_names_match_in_any_case():
    message = decode("Event: X\r\nVariable: a=1\r\nvariable: b=2\r\nEmpty:\r\nno colon\r\nTime: 12:30: 5")
    assert message.pairs[1:] == (
        ("Variable", "a=1"),
        ("variable", "b=2"),
        ("Empty", ""),
        ("", "no colon"),
        ("Time", "12:30: 5"),
    )
    assert message.all("VARIABLE") == ("a=1", "b=2")
    assert message.get("nothing", "else") == "else"


def test_only_the_first_header_says_what_a_message_is():
    assert decode("Event: X\r\nResponse: Success\r\nActionID: 7").kind == "event"
    assert decode("Response: Success\r\nEvent: X").kind == "response"
    assert decode("CallerIDName: x\r\nEvent: Hangup").kind == "other"
    assert decode("CallerIDName: x\r\nEvent: Hangup").event == ""
    assert decode("").kind == "other"
    assert decode("Response: Error\r\nMessage: no").ok is False
    assert decode("response: SUCCESS").ok is True
    assert decode("Event: Success").ok is False


@given(st.text())
def test_decoding_never_raises(text):
    message = decode(text)
    assert message.kind in ("response", "event", "other")


def test_bytes_that_are_no_utf8_are_replaced_and_hide_nothing():
    framer = Framer()
    _, text = framer.feed(b"banner\r\nEvent: X\r\nCallerIDName: Jo\xe3o \xff\r\nQueue: sales\r\n\r\n")
    assert decode(text).get("CallerIDName") == "Jo\ufffdo \ufffd"
    assert decode(text).get("Queue") == "sales"


def test_an_endless_line_is_given_up_at_the_limit():
    framer = Framer()
    framer.feed(b"banner\r\n")
    for _ in range(MAX_BLOCK_BYTES // 65536):
        framer.feed(b"x" * 65536)
    with pytest.raises(AmiRefused):
        framer.feed(b"x" * 65536)


def test_an_endless_banner_is_given_up_too():
    framer = Framer(limit_bytes=100)
    with pytest.raises(AmiRefused):
        framer.feed(b"x" * 101)


def test_a_message_just_within_the_limit_is_taken():
    framer = Framer(limit_bytes=100)
    assert framer.feed(b"b\r\n" + b"x" * 96) == ["b"]
    assert framer.feed(b"\r\n\r\n") == ["x" * 96]


@given(names, st.lists(pairs.filter(lambda pair: pair[1].isprintable()), max_size=5))
def test_what_is_encoded_decodes_to_itself(action, headers):
    data = encode(action, "id-1", headers)
    assert data.endswith(b"\r\n\r\n")
    assert data.count(b"\r\n\r\n") == 1
    assert decode(data[:-4].decode()).pairs == (("Action", action), ("ActionID", "id-1"), *headers)


@given(st.text(st.characters(), max_size=40), st.text(st.characters(), max_size=40))
def test_no_value_becomes_a_second_line(value, action_id):
    try:
        data = encode("Originate", action_id, [("CallerID", value)])
    except AmiRefused:
        return
    assert data.count(b"\n") == data.count(b"\r") == 4
    assert data.index(b"\r\n\r\n") == len(data) - 4


@pytest.mark.parametrize(
    "value",
    [
        "x\r\n\r\nAction: Command",
        "x\nY: 1",
        "x\ry",
        "a\x1cb",
        "a\x00b",
        "a\x7fb",
        "a\udce9",
        "\ud800",
        "é" * (MAX_LINE_BYTES // 2),
        "x" * 2048,
    ],
)
def test_a_hostile_value_is_refused(value):
    with pytest.raises(AmiRefused):
        encode("Originate", "1", [("CallerID", value)])
    with pytest.raises(AmiRefused):
        encode("Originate", value, [])
    with pytest.raises(AmiRefused):
        encode(value, "1", [])
    with pytest.raises(AmiRefused):
        encode("Originate", "1", [], [("X", value)])


@pytest.mark.parametrize("name", ["", "A b", "A:", "A\r\nAction", "1A", "Ä", "x" * 65, "A\n"])
def test_a_header_name_of_another_shape_is_refused(name):
    with pytest.raises(AmiRefused):
        encode("Ping", "1", [(name, "v")])


@pytest.mark.parametrize(
    ("name", "value"), [("A", "1,B=2"), ("A,B", "1"), ("A=1", "2"), ("", "1"), ("A(x)", "1"), ("A\n", "1")]
)
def test_a_variable_that_would_set_another_is_refused(name, value):
    with pytest.raises(AmiRefused):
        encode("Originate", "1", [], [(name, value)])


def test_quotes_and_backslashes_in_a_variable_are_escaped_because_asterisk_eats_them():
    assert b'Variable: __X=a\\"b\\\\c(d\r\n' in encode("Originate", "1", [], [("__X", 'a"b\\c(d')])


def test_u2028_in_a_value_is_no_control_character_and_passes():
    assert "CallerID: a\u2028b\u0085c\r\n".encode() in encode("Originate", "1", [("CallerID", "a\u2028b\u0085c")])


def test_the_longest_line_is_a_thousand_bytes_and_not_one_more():
    room = MAX_LINE_BYTES - len("CallerID: ")
    assert encode("Originate", "1", [("CallerID", "x" * room)])
    with pytest.raises(AmiRefused, match="1001 bytes"):
        encode("Originate", "1", [("CallerID", "x" * (room + 1))])


def test_more_lines_than_asterisk_takes_are_refused():
    with pytest.raises(AmiRefused, match="lines"):
        encode("Originate", "1", [], [(f"V{n}", "1") for n in range(200)])
