"""Waiting without sleeping blindly: poll a condition until it holds."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 3.0
"""Times a wait's own limit: the machine is shared, and how long something takes says nothing about the product. It
costs time only where a test fails."""


def until(
    condition: Callable[[], T], timeout_s: float = 10.0, what: str | Callable[[], object] = "", step_s: float = 0.02
) -> T:
    """Return the condition's first true value; AssertionError naming ``what`` when PATIENCE times ``timeout_s`` seconds
    pass. What changes while one waits is to be given as a function: it is asked at the end."""
    timeout_s *= PATIENCE
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            told = what() if callable(what) else what
            raise AssertionError(f"not within {timeout_s} s: {told or condition!r} (last value: {value!r})")
        time.sleep(step_s)
