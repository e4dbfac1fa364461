"""Who did what: the page, the daemon and the phone codes, in one list."""

from ramal_web.audit.views import blueprint

__all__ = ["blueprint"]
