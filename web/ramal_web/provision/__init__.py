"""The files that desk phones fetch to set themselves up."""

from ramal_web.provision.views import blueprint

__all__ = ["blueprint"]
