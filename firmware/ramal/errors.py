"""The one exception base. A message tells a person what happened, what still works and what to do."""


class RamalError(Exception):
    """Something a person can act on. ``str(error)`` is shown as it is: no traceback, no jargon.

    ``code`` names the kind of refusal for a page that has its own words for it, in the reader's language.
    """

    code = ""
