"""Whom nobody has spoken with yet: missed calls and callbacks, as a list of work."""

from ramal_web.returns.views import blueprint

__all__ = ["blueprint"]
