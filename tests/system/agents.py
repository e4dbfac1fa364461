"""Real desk phones of a box under test: baresip processes, registered, and dialing the codes an agent dials."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ramal.virtual.phone import Account, Manual, Phone, Policy
from tests.system.box import TestBox, agents_phone
from tests.until import until

ANSWER = Policy("answer", 0.3)
IGNORE = Manual
REJECT = Policy("reject", 0.3)


@contextlib.contextmanager
def phone(box: TestBox, extension: str, policy: Policy = Manual, voice: Path | None = None) -> Iterator[Phone]:
    """A phone of the office, registered at the box."""
    user, secret = agents_phone(box, extension)
    account = Account(user, secret, port=box.settings.sip_port)
    with Phone(box.home.virtual / extension, extension, account, voice=voice, policy=policy) as desk:
        desk.wait_registered(15)
        until(lambda: "Avail" in box.command(f"pjsip show aor {extension}"), 10, f"{extension} reachable")
        yield desk


def dial_code(box: TestBox, desk: Phone, code: str) -> None:
    """Dial a code and wait until the box has hung up, as it does when it has said its sentence."""
    desk.dial(code)
    until(lambda: not desk.calls, 20, f"{code} done")


def members(box: TestBox, queue: str) -> str:
    """What Asterisk's console says about a queue."""
    return box.command(f"queue show {queue}")


@contextlib.contextmanager
def logged_in(box: TestBox, extension: str, policy: Policy = ANSWER, voice: Path | None = None) -> Iterator[Phone]:
    """A phone whose own agent has logged in with ``*45``."""
    with phone(box, extension, Manual, voice) as desk:
        dial_code(box, desk, "*45")
        desk.policy = policy
        yield desk
