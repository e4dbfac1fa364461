"""When a box that does not come up stops trying the same. Pure, and without imports: it runs before all else.

Law: three starts in a row that nobody saw come up, and the fourth is safe; after a safe start the box tries itself once
more, so that what was mended needs no hand, and what was not is safe again.
"""

STARTS_MAX = 3
COUNT_MAX = 1000


def begin(kept: int | None) -> tuple[bool, int]:
    """A start begins: whether it is a safe one, and the count that is kept on the disk until it is seen to be good.
    ``kept`` is the count on the disk, None when there is none that can be read."""
    before = 0 if kept is None or not 0 <= kept <= COUNT_MAX else kept
    return (True, STARTS_MAX - 1) if before >= STARTS_MAX else (False, before + 1)


def good(safe: bool, kept: int) -> int:
    """A start came up (or ended in order): what is kept then. A safe one proves nothing of the office."""
    return kept if safe else 0
