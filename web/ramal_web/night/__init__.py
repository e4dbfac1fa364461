"""Opening hours of this moment, and the switches that set them aside."""

from ramal_web.night.views import blueprint

__all__ = ["blueprint"]
