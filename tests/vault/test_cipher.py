"""Encrypted files: seekable, and whatever is done to them is found."""

import io
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramal.vault.cipher import FILE_ID_BYTES, HEADER_BYTES, PIECE, TAG, Key, SealBroken, Sealer, Unsealer
from ramal.vault.keys import key_of

KEY = key_of(bytes(range(32)), 0)
WHOLE = PIECE + TAG


def sealed(data: bytes, file_id: bytes = b"", key: Key = KEY) -> bytes:
    file = io.BytesIO()
    sealer = Sealer(file, key, file_id or os.urandom(FILE_ID_BYTES))
    for at in range(0, len(data), 10_007):
        sealer.write(data[at : at + 10_007])
    sealer.seal()
    return file.getvalue()


def unsealed(data: bytes) -> Unsealer:
    return Unsealer(io.BytesIO(data), len(data), {KEY.id: KEY}.get)


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 17])
def test_what_was_sealed_is_read_back_whole(size: int) -> None:
    data = os.urandom(size)
    file = unsealed(sealed(data))
    assert (file.size, file.read()) == (size, data)
    assert file.read() == b""


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3 * PIECE), st.integers(0, 2 * PIECE)), max_size=8))
def test_any_piece_can_be_read_in_any_order(asked: list[tuple[int, int]]) -> None:
    for begin, length in asked:
        OPENED.seek(begin)
        assert OPENED.read(length) == DATA[begin : begin + length]


DATA = os.urandom(2 * PIECE + 999)
OPENED = unsealed(sealed(DATA))


@pytest.mark.parametrize("size", [0, 5, PIECE, 2 * PIECE + 5])
def test_a_changed_byte_anywhere_is_found(size: int) -> None:
    whole = sealed(os.urandom(size))
    places = {*range(HEADER_BYTES), *range(HEADER_BYTES, len(whole), 4999), len(whole) - 1}
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1
        with pytest.raises(SealBroken):
            unsealed(bytes(changed)).read()


def test_a_file_cut_off_anywhere_is_found_when_it_is_opened() -> None:
    whole = sealed(os.urandom(3 * PIECE))
    for length in (
        0,
        10,
        HEADER_BYTES,
        HEADER_BYTES + 5,
        HEADER_BYTES + WHOLE,
        HEADER_BYTES + 2 * WHOLE,
        len(whole) - 1,
    ):
        with pytest.raises(SealBroken):
            unsealed(whole[:length])


def test_a_file_that_was_never_finished_is_found() -> None:
    file = io.BytesIO()
    Sealer(file, KEY, bytes(FILE_ID_BYTES)).write(os.urandom(3 * PIECE))
    with pytest.raises(SealBroken):
        unsealed(file.getvalue())


def test_pieces_in_another_order_left_out_or_repeated_are_found() -> None:
    whole = sealed(os.urandom(4 * PIECE))
    head = whole[:HEADER_BYTES]
    parts = [whole[at : at + WHOLE] for at in range(HEADER_BYTES, len(whole), WHOLE)]
    for order in ((1, 0, 2, 3), (0, 2, 3), (0, 1, 1, 2, 3), (3, 1, 2, 0), (0, 1, 2, 3, 3)):
        with pytest.raises(SealBroken):
            unsealed(head + b"".join(parts[number] for number in order)).read()


def test_pieces_of_another_file_and_a_header_of_another_file_are_found() -> None:
    one, two = sealed(os.urandom(2 * PIECE)), sealed(os.urandom(2 * PIECE))
    with pytest.raises(SealBroken):
        unsealed(two[:HEADER_BYTES] + one[HEADER_BYTES:])
    with pytest.raises(SealBroken):
        unsealed(one[: HEADER_BYTES + WHOLE] + two[HEADER_BYTES + WHOLE :]).read()


def test_a_piece_of_ones_own_after_the_end_is_found() -> None:
    whole = sealed(os.urandom(100))
    with pytest.raises(SealBroken):
        unsealed(whole + b"x")
    with pytest.raises(SealBroken):
        unsealed(whole + whole[HEADER_BYTES:])


def test_the_place_of_a_change_is_told() -> None:
    whole = bytearray(sealed(os.urandom(5 * PIECE)))
    whole[HEADER_BYTES + 2 * WHOLE + 77] ^= 0x80
    assert unsealed(bytes(whole)).broken_pieces() == [(HEADER_BYTES + 2 * WHOLE, HEADER_BYTES + 3 * WHOLE)]


def test_without_its_key_a_file_is_not_readable_and_the_sentence_says_what_to_do() -> None:
    whole = sealed(b"secret")
    with pytest.raises(SealBroken, match="ramal recordings key import"):
        Unsealer(io.BytesIO(whole), len(whole), {}.get)
    other = key_of(bytes(32), 0)
    with pytest.raises(SealBroken):
        Unsealer(io.BytesIO(whole), len(whole), lambda _: other)


def test_the_same_sound_twice_is_two_different_files() -> None:
    assert sealed(b"x" * 100)[HEADER_BYTES:] != sealed(b"x" * 100)[HEADER_BYTES:]


def test_a_key_is_never_shown_by_accident() -> None:
    assert KEY.secret.hex() not in repr(KEY)
    assert repr(KEY.secret) not in repr(KEY)
