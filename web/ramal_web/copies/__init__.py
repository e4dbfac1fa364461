"""Copies of the recordings outside the box: how it stands, and asking for more."""

from ramal_web.copies.views import blueprint

__all__ = ["blueprint"]
