"""A new box's only door: who stands in its network and knows the code from its console becomes its owner."""

from ramal_web.claim.views import blueprint

__all__ = ["blueprint"]
