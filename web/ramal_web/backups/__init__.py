"""Backups of settings and history: how they stand, making one, taking one along, the recovery code."""

from ramal_web.backups.views import blueprint

__all__ = ["blueprint"]
