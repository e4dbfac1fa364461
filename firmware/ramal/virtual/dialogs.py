"""The SIP dialogs of a phone, read from the trace of its messages: what an attended transfer has to name.

Law: pure; the phone's thread feeds it line by line. baresip 1.1.0 has no command for attended transfers, but it sends a
REFER to whatever it is told, and a Refer-To with Replaces is one.
"""

import re
from urllib.parse import quote

_HEADER = re.compile(r"(from|f|to|t|call-id|i)\s*:\s*(.*)", re.IGNORECASE)
_TAG = re.compile(r";tag=([^;>\s]+)")
_BEGIN = re.compile(r"SIP/2\.0 (?P<status>\d{3})|[A-Z]+ sips?:\S+ SIP/2\.0")


class Dialogs:
    """Feed it the lines of messages; ask it for the tags of a call."""

    def __init__(self) -> None:
        self._now: dict[str, str] = {}
        self._agreed = False
        self._known: dict[str, tuple[str, str]] = {}

    def read(self, words: str) -> None:
        """One line of the phone's log; those that belong to no message do no harm."""
        begin = _BEGIN.search(words)
        if begin is not None:
            self._now, self._agreed = {}, begin["status"] == "200"
            return
        match = _HEADER.match(words)
        if match is None:
            return
        name, value = match[1].lower()[0].replace("c", "i"), match[2]
        if name in "ft":
            tag = _TAG.search(value)
            if tag is None:
                return
            value = tag[1]
        self._now.setdefault(name, value.strip())
        if len(self._now) == 3 and self._agreed:
            # The first 200 answers the INVITE: From is who called. Later ones answer both sides.
            self._known.setdefault(self._now["i"], (self._now["f"], self._now["t"]))

    def replaces(self, call_id: str, outgoing: bool) -> str:
        """``Replaces=...`` for the peer of a call, as it stands in a URI; "" while the call is not known.

        to-tag is the peer's own tag in that dialog, from-tag the phone's. ``outgoing``: the phone began the call.
        """
        tags = self._known.get(call_id)
        if tags is None:
            return ""
        ours, theirs = tags if outgoing else (tags[1], tags[0])
        return "Replaces=" + quote(f"{call_id};to-tag={theirs};from-tag={ours}", safe="")
