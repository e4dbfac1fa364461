"""Calls that Asterisk joined: a consultation that ended in a transfer, a call picked up or taken back from parking.

Each began as a call of its own and became part of an older one; in history they are one call. Runs on the writer's
thread, inside the step's transaction. Costs one look-up a step for calls that join nothing.

Asterisk shows it in two ways: a channel that began a call goes on under another linked id; and ATTENDEDTRANSFER names
the channels it connected. The older call lives on, as in Asterisk.
"""

import re
from collections.abc import Iterable, Mapping

from ramal.core.history import call_key
from ramal.core.journal import decode

_CHANNEL = re.compile(r'"(?:channel2|transferee_channel|transfer_target_channel)_uniqueid":\s*"([0-9A-Za-z_.-]+)"')
_TRANSFER = b",ATTENDEDTRANSFER,"


def joins(
    grouped: Mapping[bytes, list[bytes]], owner: Mapping[str, str], known: Iterable[str], homes: Mapping[str, str]
) -> dict[str, str]:
    """Which calls became part of which, by this step's lines.

    ``owner``: channels that did not begin the call they are in, to it; ``known``: those of them that began a call once;
    ``homes``: what became part of what before. Ids to ids; the values are calls that live on.
    """
    found: dict[str, str] = dict(homes)

    def home(call: str) -> str:
        while call in found:
            call = found[call]
        return call

    def join(one: str, other: str) -> None:
        one, other = home(one), home(other)
        if one != other:
            old, new = sorted((one, other), key=lambda call: call_key(call) or 0)
            found[new] = old

    for channel in known:
        join(channel, owner[channel])
    for linked, lines in grouped.items():
        for line in lines:
            if _TRANSFER in line:
                extra = decode(line.split(b",")[10].decode("utf-8", "replace"))
                for channel in _CHANNEL.findall(extra):
                    if channel in owner or channel.encode() in grouped:
                        join(linked.decode(), owner.get(channel, channel))
    return {gone: home(gone) for gone in found}


def in_order(lines: list[bytes]) -> list[bytes]:
    """The lines of calls that became one, by time; those of one moment as they came."""
    return sorted(lines, key=lambda line: line[:17])
