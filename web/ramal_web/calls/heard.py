"""Who listens to what right now, so that one listening is one line of the audit. Bounded. Any thread."""

import threading
from collections import OrderedDict

AGAIN_S = 600.0
ENTRIES_MAX = 1024


class Heard:
    """Remembers listenings; one by the same user to the same recording within ``AGAIN_S`` is the same."""

    def __init__(self) -> None:
        self._began_s: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._lock = threading.Lock()

    def first(self, user: str, recording_id: int, now_s: float) -> bool:
        """Whether a listening begins; ``now_s`` is monotonic."""
        key = (user, recording_id)
        with self._lock:
            if now_s - self._began_s.get(key, float("-inf")) < AGAIN_S:
                return False
            self._began_s[key] = now_s
            self._began_s.move_to_end(key)
            while len(self._began_s) > ENTRIES_MAX:
                self._began_s.popitem(last=False)
            return True
