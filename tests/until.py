"""Waiting without sleeping blindly: poll a condition until it holds."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], timeout_s: float = 10.0, what: str = "", step_s: float = 0.02) -> T:
    """Return the condition's first true value; AssertionError naming ``what`` when ``timeout_s`` seconds pass."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what or condition!r} (last value: {value!r})")
        time.sleep(step_s)
