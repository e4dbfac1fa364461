"""Whether the page itself works: asked by whoever starts it."""

from ramal_web.health.views import blueprint

__all__ = ["blueprint"]
