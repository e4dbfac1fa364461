"""Does the box know what time it is, and a person's word that it does."""

from ramal_web.clock.views import blueprint

__all__ = ["blueprint"]
