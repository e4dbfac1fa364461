"""Who may use the page."""

from ramal_web.people.views import blueprint

__all__ = ["blueprint"]
