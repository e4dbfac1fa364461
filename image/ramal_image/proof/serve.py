"""Files for the box by HTTP on the proof's own network, with ranges, which RAUC asks for. One thread a request."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

from ramal_image.qemu import wire


class _Files(http.server.SimpleHTTPRequestHandler):
    """Files with ranges, which RAUC asks for."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        size = path.stat().st_size
        first, last = 0, size - 1
        asked = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
        if asked[1]:
            first = int(asked[0] or 0)
            last = min(int(asked[2] or last), size - 1)
        self.send_response(206 if asked[1] else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if asked[1]:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        with path.open("rb") as file, contextlib.suppress(OSError):
            file.seek(first)
            left = last - first + 1
            while left and (data := file.read(min(left, 1 << 16))):
                self.wfile.write(data)
                left -= len(data)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[int]:
    """``folder`` by HTTP on the proof's network; the port."""
    server = http.server.ThreadingHTTPServer((wire.OURS, 0), lambda *words: _Files(*words, directory=str(folder)))
    threading.Thread(target=server.serve_forever, name="releases", daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
