"""Messages that callers left: a box after the other, heard, marked as returned, with a note."""

from ramal_web.messages.views import blueprint

__all__ = ["blueprint"]
