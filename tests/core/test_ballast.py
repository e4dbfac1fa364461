"""When the room for the worst day is let go and taken."""

from hypothesis import given
from hypothesis import strategies as st

from ramal.core.ballast import BYTES, LET_GO_BELOW, TAKE_ABOVE, due


def test_it_is_let_go_on_a_full_disk_and_taken_on_one_with_room() -> None:
    assert due(0, True) == due(LET_GO_BELOW - 1, True) == "let-go"
    assert due(LET_GO_BELOW, True) == due(TAKE_ABOVE - 1, False) == due(0, False) == due(TAKE_ABOVE, True) == ""
    assert due(TAKE_ABOVE, False) == "take"


@given(st.integers(0, 1 << 40), st.booleans())
def test_it_never_flaps(free: int, held: bool) -> None:
    done = due(free, held)
    if done:
        after = free + BYTES if done == "let-go" else free - BYTES
        assert due(after, not held) == ""
