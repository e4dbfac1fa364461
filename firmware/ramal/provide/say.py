"""What the set-up tells a person: one line per stage on standard output, and a moving figure on a terminal."""

import sys
import time


def say(text: str) -> None:
    """Print one line at once, so that it stands above whatever a child process prints next."""
    print(f"ramal: {text}", flush=True)


class Progress:
    """A percentage of one stage: redrawn in place on a terminal, a line per quarter elsewhere (a log, CI)."""

    def __init__(self, stage: str) -> None:
        self._tty = sys.stdout.isatty()
        self._shown = -1
        self._started = time.monotonic()
        say(stage)

    def at(self, percent: float) -> None:
        """Show ``percent`` (0 to 100) of the stage; calls that change nothing visible print nothing."""
        whole = max(0, min(100, int(percent)))
        if self._tty:
            if whole > self._shown:
                self._shown = whole
                print(f"\r  {whole:3d} %", end="", flush=True)
        elif whole // 25 > self._shown // 25 and whole < 100:
            self._shown = whole
            print(f"  {whole:3d} %", flush=True)

    def done(self, what: str = "done") -> None:
        """Close the stage with how long it took."""
        took_s = time.monotonic() - self._started
        print(f"{chr(13) if self._tty else ''}  {what} in {took_s:.1f} s", flush=True)
