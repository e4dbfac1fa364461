"""A large file (an update, a backup) that a browser sends in pieces (pieces.js): one piece, on to the daemon.

Runs on a request's thread. Law: no request is large, and nothing of the file is kept by this process.
"""

import base64
from typing import Any

from flask import request

from ramal_web.asking import ask
from ramal_web.i18n import gettext

PIECE = 2 << 20
"""Bytes the browser sends at once."""
BODY_MAX = PIECE + (64 << 10)
"""Bytes of such a request: the piece and its form."""
PART = 600_000
"""Bytes of it in one question to the daemon, before base64."""


def passed_on(do: str) -> tuple[dict[str, Any], int]:
    """Ask the daemon ``do`` with the piece of this request, part by part; ``{"upload", "bytes"}``, or ``{"error"}``,
    and the status. NotDone when the daemon refuses."""
    given, upload = request.files.get("piece"), request.form.get("upload", "")[:40]
    at = request.form.get("at", "0")
    if given is None or not (at.isascii() and at.isdigit() and len(at) < 15):
        return {"error": gettext("Your browser sent something this page cannot use.")}, 400
    bytes_ = int(at)
    while part := given.stream.read(PART):
        answer = ask(do, upload=upload, at=bytes_, data=base64.b64encode(part).decode())
        upload, bytes_ = str(answer["upload"]), int(answer["bytes"])
    return {"upload": upload, "bytes": bytes_}, 200
