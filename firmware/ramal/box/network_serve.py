"""``python -m ramal.box.network_serve``: root's part of the box's address, when the daemon left a request.

Law: what is asked is parsed as a stranger's and its settings are checked anew; it is taken away before it is done; what
came of it is said in a file that only root writes.
"""

import contextlib
import sys
import time

from ramal.box import taking
from ramal.box.home import write_whole
from ramal.box.image import Image, image_here
from ramal.box.network import CONFIRM_WITHIN_MIN, Network
from ramal.core import network_asked
from ramal.core.network import read
from ramal.core.network_asked import Asked, Said
from ramal.errors import RamalError

_BYTES_MAX = 20_000


def serve(image: Image, box: Network) -> Said:
    """Do what is asked; what came of it, said in the file too."""
    asked = network_asked.parse_asked(taking.take(image.network_request, _BYTES_MAX) or "")
    try:
        said = _done(asked, box)
    except RamalError as error:
        said = Said(False, str(error)[: network_asked.SENTENCE_MAX])
    with contextlib.suppress(OSError):
        image.network_said.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_whole(image.network_said, network_asked.said_text(said), 0o644)
        image.network_said.chmod(0o644)
    return said


def _done(asked: Asked | None, box: Network) -> Said:
    if asked is None:
        raise RamalError("What was asked about the network cannot be read. Nothing was changed.")
    match asked.act:
        case "change":
            sentence = box.change(read(asked.plan), CONFIRM_WITHIN_MIN)
            return Said(True, sentence, int(time.time() * 1000) + CONFIRM_WITHIN_MIN * 60_000)
        case "confirm":
            return Said(True, box.confirm())
        case "back":
            return Said(True, box.back())


def main() -> int:
    """0, or 1 when it was not done; always said."""
    said = serve(image_here(), Network())
    print(f"ramal: {said.sentence}", file=sys.stderr)
    return 0 if said.ok else 1


if __name__ == "__main__":
    sys.exit(main())
