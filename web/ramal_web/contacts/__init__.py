"""The people who call: search, change, bring in and take out."""

from ramal_web.contacts.views import blueprint

__all__ = ["blueprint"]
