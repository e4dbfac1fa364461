"""A recording's bytes: found only below the recordings' folder, sent whole or in the piece that was asked for.

Runs on a request's thread. The browser seeks by asking for ranges (206); the ETag is the file's checksum, so a piece of
another file is never put behind the first one (If-Range).
"""

from pathlib import Path

from flask import request, send_file
from werkzeug.wrappers import Response

from ramal.store.read import Recording

TYPES = {".wav": "audio/wav", ".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".opus": "audio/ogg"}


def inside(root: Path, folder: Path, relative: str) -> Path | None:
    """The file at ``root``/``relative`` when it really lies in ``folder`` (links resolved) and is a sound file."""
    if not relative or "\0" in relative:
        return None
    try:
        path = (root / relative).resolve(strict=True)
        if not path.is_relative_to(folder.resolve(strict=True)) or not path.is_file():
            return None
    except OSError:
        return None
    return path if path.suffix in TYPES else None


def answer(path: Path, recording: Recording, as_file: bool) -> Response:
    """200, 206, 304 or 416 as the request says; HEAD has no body."""
    state = path.stat()
    response = send_file(
        path,
        mimetype=TYPES[path.suffix],
        conditional=True,
        etag=recording.sha256 or f"{state.st_size:x}-{state.st_mtime_ns:x}",
        last_modified=int(state.st_mtime),
        as_attachment=as_file,
        download_name=f"ramal-{recording.call_id}-{recording.kind}{path.suffix}",
        max_age=None,
    )
    response.headers["Cache-Control"] = "private, no-cache"
    if response.status_code == 304 or request.method == "HEAD":
        response.close()  # Werkzeug opened the file but sends no body, and then never closes it
    return response
