"""What callers pressed in the menus, and where they gave up."""

from ramal_web.menus.views import blueprint

__all__ = ["blueprint"]
