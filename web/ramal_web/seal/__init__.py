"""The seal of the recordings: the head to print, and whether everything is as it was sealed."""

from ramal_web.seal.views import blueprint

__all__ = ["blueprint"]
