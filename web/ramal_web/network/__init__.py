"""The box's address in its network, tried before it is kept."""

from ramal_web.network.views import blueprint

__all__ = ["blueprint"]
