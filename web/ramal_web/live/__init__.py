"""This moment: who waits, who is there, and how the day went so far."""

from ramal_web.live.views import blueprint

__all__ = ["blueprint"]
