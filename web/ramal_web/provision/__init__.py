"""The files that desk phones fetch to set themselves up, and the page about these phones."""

from ramal_web.provision import pages
from ramal_web.provision.views import blueprint

__all__ = ["blueprint", "pages"]
