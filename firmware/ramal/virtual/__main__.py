"""``python -m ramal.virtual --config FILE.json``: the virtual office as a process of its own.

Law: SIGTERM and SIGINT end it cleanly (exit code 0); a mistake in the file is one sentence (exit code 2).
"""

import argparse
import signal
import sys
import time
from pathlib import Path

from ramal.errors import RamalError
from ramal.virtual import office_config
from ramal.virtual.office import VirtualOffice


def main(words: list[str] | None = None) -> int:
    """Run the office until it is told to end; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ramal.virtual", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the office as JSON (see ramal/virtual/README.md)")
    chosen = parser.parse_args(words)
    try:
        config = office_config.parse(chosen.config.read_text(encoding="utf-8"))
        office = VirtualOffice(config, _say)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: office.stop())
        office.run()
    except OSError as problem:
        print(f"The virtual office cannot work: {problem}.", file=sys.stderr)
        return 2
    except RamalError as problem:
        print(problem, file=sys.stderr)
        return 2
    return 0


def _say(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
