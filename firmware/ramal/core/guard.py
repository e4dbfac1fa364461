"""Who guesses passwords, and for how long they are locked out. Pure; time is a parameter (seconds, monotonic).

Law: **an address behind which a phone of the office is registered is never locked out**, whatever else happens there (a
phone with an old password behind the same router as nine good ones); neither is a trunk's. Others are locked out after
some failures in a short time, longer each time. The office's own network gets more patience: strangers cannot be there.
Who proved to be the office's in another way is pardoned (a phone that was given its settings): it begins anew.
Memory is bounded: who was seen longest ago is forgotten first.
"""

import re
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

WITHIN_S = 300.0
FAILURES, FAILURES_NEAR = 8, 32
FIRST_BAN_S, LONGEST_BAN_S = 600, 86_400
LONGEST_SIP_S = 3_600
"""A phone with an old password never stops asking, so it reaches the longest; it has to be back soon after a person
typed the new one into it. 32 guesses an hour of one address are nothing against a secret, which has 8 signs or more."""
FORGET_S = 7 * 86_400.0
ADDRESSES_MAX = 4096

FAILED = frozenset({"InvalidPassword", "ChallengeResponseFailed"})
"""Wrong answers. InvalidAccountID (a name nobody has) and FailedACL try no password, and one UDP packet with a
forged sender is enough for them; a wrong answer for such a name is a ChallengeResponseFailed as well. That one can be
forged too (Asterisk 22.10 says it of a made-up challenge, and its ChallengeSent does not say which was sent): so no ban
may cut the box off from anybody whom it needs (core.firewall)."""
_FIELD = re.compile(r'([A-Za-z]+)="((?:[^"\\]|\\.)*)"(?:,|$)')
_REMOTE = re.compile(r"IPV[46]/(?:UDP|TCP|TLS|WS|WSS)/([0-9A-Fa-f:.]{2,45})/\d{1,5}\Z")
_PAGE = re.compile(r"page-failed ([0-9A-Fa-f:.%a-z]{2,60})\Z")


def failed_in_log(line: str) -> str | None:
    """The address of who failed, from a line of Asterisk's security log; None for any other line.

    The account's name in it is what a stranger sent: a line that has a field twice, or is not wholly of fields, says
    nothing, so that nobody has another address locked out.
    """
    _, mark, rest = line.rstrip("\n").partition("SecurityEvent=")
    if not mark:
        return None
    rest, at, fields = mark + rest, 0, {}
    while at < len(rest):
        found = _FIELD.match(rest, at)
        if found is None or found[1] in fields:
            return None
        fields[found[1]] = found[2]
        at = found.end()
    if fields.get("SecurityEvent") not in FAILED:
        return None
    remote = _REMOTE.match(fields.get("RemoteAddress", ""))
    return remote[1] if remote else None


def failed_at_page(line: str) -> str | None:
    """The address of who failed, from a line the page wrote."""
    found = _PAGE.match(line.rstrip("\n"))
    return found[1] if found else None


@dataclass(slots=True)
class _Record:
    failures: deque[float] = field(default_factory=lambda: deque(maxlen=FAILURES_NEAR))
    bans: int = 0
    last_s: float = 0.0
    until_s: float = 0.0


@dataclass(slots=True)
class Guard:
    """Counts failures at one door. ``spared(address)``: never to be locked out; ``near(address)``: in the office's
    network; ``longest_s``: no lockout lasts longer."""

    spared: Callable[[str], bool]
    near: Callable[[str], bool]
    longest_s: int = LONGEST_BAN_S
    _seen: "OrderedDict[str, _Record]" = field(default_factory=OrderedDict)

    def failed(self, address: str, now_s: float) -> int:
        """One failure; the seconds to lock the address out for now, 0 for not."""
        if self.spared(address):
            self._seen.pop(address, None)
            return 0
        record = self._seen.setdefault(address, _Record())
        self._seen.move_to_end(address)
        if now_s - record.last_s > FORGET_S:
            record.bans = 0
        record.last_s = now_s
        while len(self._seen) > ADDRESSES_MAX:
            self._seen.popitem(last=False)
        if now_s < record.until_s:  # what was on its way when the door closed
            return 0
        record.failures.append(now_s)
        while record.failures and now_s - record.failures[0] > WITHIN_S:
            record.failures.popleft()
        if len(record.failures) < (FAILURES_NEAR if self.near(address) else FAILURES):
            return 0
        record.failures.clear()
        seconds = min(self.longest_s, FIRST_BAN_S << min(record.bans, 16))
        record.bans += 1
        record.until_s = now_s + seconds
        return seconds

    def pardon(self, address: str) -> None:
        """Forget all that the address did."""
        self._seen.pop(address, None)

    def __len__(self) -> int:
        return len(self._seen)
