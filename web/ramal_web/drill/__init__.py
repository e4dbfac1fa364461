"""The "try it" button: one real call through everything."""

from ramal_web.drill.views import blueprint

__all__ = ["blueprint"]
