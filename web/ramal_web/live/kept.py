"""Parts of the live view that did not change since they were last drawn, kept as they were.

Law: what a part shows is all in its key, with the reader's session, language and country; a clock is never in one. Any
thread: two that miss at once draw the same. Bounded: when it is full it starts anew.
"""

from collections.abc import Callable, Hashable

from flask import g
from markupsafe import Markup

from ramal_web.history import office
from ramal_web.languages import language
from ramal_web.security import csrf_token

PARTS_MAX = 2_000
"""Of about a thousand characters each."""


class Kept:
    """One page process's memory. In a template ``{% call kept(key, ...) %}part{% endcall %}``."""

    def __init__(self) -> None:
        self._parts: dict[Hashable, Markup] = {}

    def __call__(self, *key: Hashable, caller: Callable[[], Markup]) -> Markup:
        if "kept_for" not in g:
            g.kept_for = (csrf_token(), language(), office().country)
        whole = (g.kept_for, key)
        part = self._parts.get(whole)
        if part is None:
            part = caller()
            if len(self._parts) >= PARTS_MAX:
                self._parts.clear()
            self._parts[whole] = part
        return part
