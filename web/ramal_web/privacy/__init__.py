"""A person's own data: requests, what is handed out, and what is erased."""

from ramal_web.privacy.views import blueprint

__all__ = ["blueprint"]
