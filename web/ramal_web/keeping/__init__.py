"""Room for recordings: how long it lasts, how long they are kept, and what must be kept for the law."""

from ramal_web.keeping.views import blueprint

__all__ = ["blueprint"]
