"""What can go wrong between us and Asterisk. Imports nothing that does IO.

The three cases differ in one thing that matters: whether Asterisk may have done what was asked.
"""

from ramal.errors import RamalError


class AmiRefused(RamalError):
    """The action cannot be sent as it is (or the peer's stream is no AMI). Nothing was sent."""


class AmiDown(RamalError):
    """There is no session to Asterisk. Nothing was sent, so the action may safely be asked again later."""


class AmiUnanswered(RamalError):
    """The action was sent and no answer came. Asterisk may have done it: never send an Originate again after this."""


class AmiForbidden(AmiDown):
    """Asterisk answers and does not let us in: a person must look at the user and secret in manager.conf."""
