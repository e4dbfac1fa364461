"""The wallboard: big figures for a screen on the wall."""

from ramal_web.wall.views import blueprint

__all__ = ["blueprint"]
