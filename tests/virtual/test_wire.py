"""The small parts: netstrings byte by byte, and WAV headers taken out of a stream."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.core import sound
from ramal.virtual.ear import HeaderStrip
from ramal.virtual.netstring import Decoder, FrameError, encode


@given(st.lists(st.text()), st.integers(1, 7))
def test_messages_come_out_as_they_went_in_however_they_are_cut(texts: list[str], step: int) -> None:
    data = b"".join(encode({"command": text}) for text in texts)
    decoder, got = Decoder(), []
    for at in range(0, len(data), step):
        got += decoder.feed(data[at : at + step])
    assert [message["command"] for message in got] == texts


def test_raw_bytes_of_a_display_name_do_not_stop_the_phone() -> None:
    body = b'{"peerdisplayname":"a\x01\xff\xe2\x80\xa8b"}'
    assert Decoder().feed(b"%d:%s," % (len(body), body)) == [{"peerdisplayname": "a\x01\ufffd\u2028b"}]


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"3:{}x,", b"2:{}X", b"2:[],", b"99999999:", b"4:nope,"])
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        Decoder().feed(data)


@given(st.lists(st.binary(max_size=60)), st.integers(1, 97))
def test_headers_vanish_from_the_stream_and_nothing_else_does(pieces: list[bytes], step: int) -> None:
    stream = b"".join(sound.header(0) + piece for piece in pieces)
    strip, out = HeaderStrip(), b""
    for at in range(0, len(stream), step):
        out += strip.feed(stream[at : at + step])
    assert out + strip.rest() == b"".join(pieces)


def test_sound_that_only_looks_like_a_header_is_kept() -> None:
    piece = b"RIFF" + bytes(60) + b"RI"
    strip = HeaderStrip()
    assert strip.feed(piece) + strip.rest() == piece
    assert json.loads(encode({"command": "x"}).split(b":", 1)[1][:-1])["command"] == "x"
