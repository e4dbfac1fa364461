"""Signing in and out, passwords, and the reader's language."""

from ramal_web.auth.views import blueprint

__all__ = ["blueprint"]
