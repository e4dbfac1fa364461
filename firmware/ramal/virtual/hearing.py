"""How baresip is made to play what a phone hears into the ear, without dying of it.

Law: on the phone's thread only. The trap: baresip 1.1.0's file player uses freed memory when it is stopped before its
thread has begun, and a call starts and stops its player at every answer, hold and hang-up. So calls play into
``aubridge`` (their account says so), and an audio loop, whose ends are those of the configuration, carries the sound
from there into the ear. The loop is stopped only when sound has come out of it: then its thread has surely begun.
When the call's player is replaced (hold, re-INVITE) a bridge forgets both its ends for good: baresip's words tell that,
and loop and player meet at a new bridge.
"""

from collections.abc import Callable
from pathlib import Path

from ramal.virtual.ear import Ear

FIRST_BRIDGE = "aubridge,ear0"
_LOOK_AGAIN_S = 0.5
_SETTLE_S = 0.05
_NEW_PLAYER = "audio: player started"
_FLOWS = "aubridge: thread start"

Reply = Callable[[bool, str], object]
Say = Callable[[str, str, Reply | None], object]
After = Callable[[float, Callable[[], object]], None]


class Hearing:
    """``configure(source)`` writes the config file with the loop's source."""

    def __init__(self, ear: Ear, configure: Callable[[str], None], say: Say, after: After) -> None:
        self._ear, self._configure, self._say, self._after = ear, configure, say, after
        self._loops = self._flows = False
        self._silent_until: int | None = None
        self._bridges = 0

    @property
    def file(self) -> Path | None:
        """Where the sound goes now."""
        return self._ear.file

    def begin(self, file: Path) -> None:
        """A call begins: what is heard goes to ``file``."""
        self._ear.drain()
        self._ear.begin(file)
        if not self._loops:
            self._loop(FIRST_BRIDGE)

    def end(self, then: Callable[[], object]) -> None:
        """The last call is over; ``then`` when its file is complete."""

        ended = self._ear.file

        def complete(ok: bool, text: str) -> None:
            if self._ear.file == ended:  # else the next call has begun meanwhile, and has closed this one's file
                self._ear.end()
            then()

        if self._loops and self._begun():
            self._loops = False
            self._say("auloop_stop", "", complete)
        else:
            complete(True, "")
            self._after(_LOOK_AGAIN_S, self._stop)

    def said(self, words: str) -> None:
        """A line of baresip's log."""
        if _FLOWS in words:
            self._flows = True
        elif _NEW_PLAYER in words and self._loops:
            self._flows = False
            self._after(_SETTLE_S, self._renew)

    def _renew(self) -> None:
        if self._flows or not self._loops or self._ear.file is None:
            return
        if not self._begun():
            self._after(_SETTLE_S, self._renew)
            return
        self._bridges += 1
        bridge = f"aubridge,ear{self._bridges}"
        self._say("auloop_stop", "", None)
        self._loop(bridge, lambda: self._say("auplay", bridge, None))

    def _loop(self, bridge: str, then: Callable[[], object] = lambda: None) -> None:
        self._loops, self._flows, self._silent_until = True, False, None
        self._configure(bridge)
        self._say("conf_reload", "", lambda ok, text: self._start(then))

    def _start(self, then: Callable[[], object]) -> None:
        self._ear.drain()  # the last words of the loop before
        self._silent_until = self._ear.bytes_heard
        self._say("auloop", "8000 1", None)
        then()

    def _begun(self) -> bool:
        self._ear.drain()
        return self._silent_until is not None and self._ear.bytes_heard > self._silent_until

    def _stop(self) -> None:
        if not self._loops or self._ear.file is not None:
            return
        if self._begun():
            self._loops = False
            self._say("auloop_stop", "", None)
        else:
            self._after(_LOOK_AGAIN_S, self._stop)
