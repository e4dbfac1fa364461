"""A while of a talk of which nothing was written: card-safe. A value of ``core.history``, made by ``core.recording``.

Pure.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing was written for ``length_ms`` after ``at_ms`` of what had been written (without the gaps before it).
    ``why`` it ended: code (also pressed for the agent, who took the customer back from hold), limit, transfer, stopped,
    end. ``began_ms``: since 1970."""

    at_ms: int
    length_ms: int
    began_ms: int
    phone: str = ""
    agent: str = ""
    why: str = ""
