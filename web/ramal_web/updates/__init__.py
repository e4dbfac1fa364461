"""Releases of the box: which one runs, installing another, starting it on trial, going back."""

from ramal_web.updates.views import blueprint

__all__ = ["blueprint"]
