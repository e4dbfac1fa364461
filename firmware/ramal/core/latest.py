"""What was made of the thing that was asked for last, kept for whoever asks for the same again. Pure; any thread."""

import operator
from collections.abc import Callable
from typing import Generic, TypeVar

Of = TypeVar("Of")
Made = TypeVar("Made")


class Latest(Generic[Of, Made]):
    """``make``, asked again only for another thing than the last: another object, or by ``same`` another value. Two
    threads that ask for two things at once each get what they asked for."""

    def __init__(self, make: Callable[[Of], Made], same: Callable[[Of, Of], bool] = operator.is_) -> None:
        self._make, self._same = make, same
        self._kept: tuple[Of, Made] | None = None

    def __call__(self, of: Of) -> Made:
        kept = self._kept  # another thread may put another one into its place
        if kept is None or not self._same(kept[0], of):
            self._kept = kept = (of, self._make(of))
        return kept[1]
