"""What ends a card's gap (``dialplan/card.conf``) and no dialplan can see: the customer was on hold and is back.

Steered: with a dead daemon the gap ends with its limit. The agent's own code is pressed once more, as if the phone had:
one way to end a gap, with its line in the history and its sound. Law: only for a channel whose gap is known to
Asterisk, so that a code never begins a gap here. Waits for Asterisk, so not on the engine's thread.
"""

import logging
import re

from ramal.ops import asterisk
from ramal.ops.means import Means

log = logging.getLogger(__name__)

UNHOLD = "Unhold"
_PHONE = re.compile(r"PJSIP/([0-9]{2,6})-[0-9a-f]+\Z")


def held_no_more(means: Means, channel: str, code: str) -> bool:
    """This phone's ``channel`` has taken its call back: press ``code`` when a gap is open there; whether it was.

    RamalError when Asterisk is not there or refuses.
    """
    phone = _PHONE.match(channel)
    if phone is None or asterisk.tree(means, "ramal-card").get(phone[1]) != channel:
        return False
    for key in code:
        means.ask("PlayDTMF", (("Channel", channel), ("Digit", key), ("Duration", "100"), ("Receive", "true")))
    log.info("a card's gap at phone %s ends: the customer is back from hold", phone[1])
    return True
