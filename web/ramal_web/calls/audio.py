"""A recording's bytes, sent whole or in the piece that was asked for, whatever the file on the disk is
(``ramal.vault.sound``): decrypted piece by piece while they are sent, so seeking costs as much as playing.

Runs on a request's thread. The browser seeks by asking for ranges (206); the ETag is the plain sound's checksum, so a
piece of another file is never put behind the first one (If-Range).
"""

from flask import request
from werkzeug.wrappers import Response
from werkzeug.wsgi import FileWrapper

from ramal.store.read import Recording
from ramal.vault.sound import Opened

BLOCK = 64 * 1024


def answer(sound: Opened, recording: Recording, as_file: bool) -> Response:
    """200, 206, 304 or 416 as the request says; HEAD has no body. Closes the sound with the response."""
    response = Response(FileWrapper(sound.file, BLOCK), mimetype=sound.mimetype, direct_passthrough=True)
    response.content_length = sound.size
    response.last_modified = sound.modified_s  # type: ignore[assignment]
    response.set_etag(sound.tag)
    response.headers["Cache-Control"] = "private, no-cache"
    if as_file:
        name = f"ramal-{recording.call_id}-{recording.kind}{sound.suffix}"
        response.headers.set("Content-Disposition", "attachment", filename=name)
    try:
        response.make_conditional(request.environ, accept_ranges=True, complete_length=sound.size)
    except BaseException:  # 416
        sound.file.close()
        raise
    if response.status_code == 304 or request.method == "HEAD":
        response.close()  # no body is sent, and then nobody closes the file
    return response
