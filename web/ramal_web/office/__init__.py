"""The office's file: looked at, changed, put into force."""

from ramal_web.office.views import blueprint

__all__ = ["blueprint"]
