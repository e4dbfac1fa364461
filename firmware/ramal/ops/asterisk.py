"""How subjects speak to Asterisk: a command of the core, the switches written ahead (AstDB), and lamps.

Waits for Asterisk, so never on the control thread. Errors as ``Means.ask``: RamalError when Asterisk is not there.
"""

from collections.abc import Sequence

from ramal.ami.codec import Header, Message
from ramal.ami.translate import action
from ramal.core.commands import ToAsterisk
from ramal.errors import RamalError
from ramal.ops.means import Means


def tell(means: Means, command: ToAsterisk) -> Message:
    """Have ``command`` done; Asterisk's answer, which may be a refusal (``ok``)."""
    told = action(command)
    return means.ask(told.name, told.headers, told.variables, action_id=told.action_id)


def tree(means: Means, family: str, timeout_s: float = 10.0) -> dict[str, str]:
    """All switches of a family of AstDB, by key. Thousands of them want a longer ``timeout_s``."""
    answer, rows = means.ask_list("DBGetTree", (("Family", family),), timeout_s=timeout_s)
    if not answer.ok and "not found" not in answer.get("Message").lower():
        reason = answer.get("Message")
        raise RamalError(f"Asterisk did not tell its switches ({reason}). Nothing was changed; calls go on.")
    return {row.get("Key").rpartition("/")[2]: row.get("Val") for row in rows if row.get("Key")}


def tick(means: Means, what: str, variables: Sequence[Header] = ()) -> None:
    """Have Asterisk look over something of its own now: an extension of ``ramal-tick`` (``dialplan/timer.conf``)."""
    once = (("Channel", f"Local/{what}@ramal-tick/n"), ("Application", "NoOp"), ("Async", "true"))
    means.ask("Originate", once, variables)


def device_state(means: Means, device: str) -> str:
    """What Asterisk shows of a device (``Custom:ramal-in-7``, ``PJSIP/201``): ``INUSE``, ``NOT_INUSE``, …"""
    return means.ask("Getvar", (("Variable", f"DEVICE_STATE({device})"),)).get("Value")


def light(means: Means, device: str, lit: bool) -> None:
    """Have a lamp of ours shine or not."""
    value = "INUSE" if lit else "NOT_INUSE"
    means.ask("Setvar", (("Variable", f"DEVICE_STATE({device})"), ("Value", value)))
