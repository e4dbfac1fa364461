"""The calls that were: the list, one call, and its recordings."""

from ramal_web.calls.views import blueprint

__all__ = ["blueprint"]
