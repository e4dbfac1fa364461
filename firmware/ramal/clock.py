"""``ramal clock``: does the box know what time it is, a person's word that it does, setting it (and ``restore``, which
is ``box.waking``'s). Main thread of a command."""

import sys
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ramal.box.home import Home
from ramal.box.waking import restore, set_clock
from ramal.control.client import Control
from ramal.core import clock_set
from ramal.ops.clock import WORDS

WHO = "command line"
TIMEOUT_S = 15.0
BELIEVED: dict[str, str] = {
    "ntp": "a time server was heard",
    "rtc": "the battery clock agrees with all that is known",
    "said": "a person said that it is right",
    "host": "this computer looks after its own clock",
}


def run(home: Home, act: str, when: str) -> int:
    """Do one act: status, trust, set, restore; 0, or 1 when the clock is not trusted. RamalError with a sentence."""
    if act == "restore":
        return restore(home)
    control = Control(home.control_sock)
    zone = ZoneInfo(str(control.ask("live", TIMEOUT_S)["office"]["timezone"]))
    if act == "set":
        set_clock(clock_set.time_of(when, zone.key) / 1000)
        act = "trust"
    told = control.ask("clock.trust", TIMEOUT_S, who=WHO) if act == "trust" else control.ask("clock.status", TIMEOUT_S)
    sys.stdout.write(text(told, zone))
    return 1 if told["source"] == "none" else 0


def text(told: dict[str, Any], zone: ZoneInfo) -> str:
    """The answer of ``clock.status`` in lines of text."""
    now = _when(told["at_ms"], zone)
    if told["source"] == "none":
        lines = [
            f"It is {now}, says the clock, and that is NOT trusted: {WORDS[told['why']]}.",
            "Calls, queues and recordings go on, in their order; opening hours count as open. Nobody is called back,",
            "and nothing is deleted for its age. Connect the box to the Internet, or look at a clock and say",
            "“ramal clock trust” when this one is right, “ramal clock set 'YYYY-MM-DD HH:MM'” when it is not.",
        ]
    else:
        lines = [f"It is {now}. That is trusted: {BELIEVED[told['source']]}."]
    for one in reversed(told["epochs"]):
        until = _when(one["until_ms"], zone) if one["until_ms"] else "now"
        why = f" ({WORDS[one['why']]})" if one["why"] else ""
        mended = "" if one["shift_ms"] is None else f"; was wrong by {one['shift_ms'] / 1000:+.0f} s, put right"
        lines.append(f"  {_when(one['from_ms'], zone)} to {until}: {one['source']}{why}{mended}")
    return "\n".join(lines) + "\n"


def _when(at_ms: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at_ms / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")
