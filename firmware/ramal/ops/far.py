"""The other side of the off-box copy, by rclone: what lies there, sending, reading back, removing, trying it.

Blocks; on the copier's thread or a test's, one at a time (``Far`` is not shared). Law: a password is never in a command
line or a file; the program dies with the thread that started it, and with ``pace``, which is called while it runs.
"""

import hashlib
import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ramal.core import copies
from ramal.core.copies import Code
from ramal.core.office import Copy
from ramal.errors import RamalError
from ramal.ops import host_keys

LOOK_S = 0.1
END_S = 5.0
SAID_MAX = 64 * 1024
LISTED_MAX = 4 << 20
SPARE_BYTES = 1 << 20
HOPELESS = 3
"""So many failures to reach the other side are enough: rclone would try it with every file, for minutes each."""
QUICK_S, LONG_S = 60.0, 6 * 3600.0
_ALWAYS = (
    *("--use-json-log", "--log-level", "ERROR", "--retries", "1", "--low-level-retries", "2", "--contimeout", "10s"),
    *("--timeout", "60s", "--transfers", "1", "--checkers", "2", "--stats", "0"),
)
_NAMED = ("--no-traverse", "--files-from-raw", "-")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Pace = Callable[[], None]


class FarFailed(RamalError):
    """The other side, or the way to it. ``shown`` is the fingerprint of what was seen there, where that is the matter;
    ``objects`` are files by path with what was said of them."""

    def __init__(self, code: Code, said: str = "", shown: str = "", objects: Mapping[str, str] | None = None) -> None:
        super().__init__(copies.SENTENCES[code])
        self.code: Code = code
        self.said, self.shown, self.objects = said, shown, objects or {}


@dataclass(frozen=True, slots=True)
class Lies:
    """A file there: bytes, and digests by name (md5, sha1) as far as the other side computes any."""

    bytes: int
    hashes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Said:
    code: int
    out: bytes
    words: str
    objects: Mapping[str, str]


def program() -> str | None:
    """rclone's path."""
    return shutil.which("rclone", path=f"{os.environ.get('PATH', os.defpath)}:{_PATH}")


class Far:
    """One place, looked at just now: making it finds the machine and pins who it is. FarFailed when it is not there or
    is not who it was."""

    def __init__(self, copy: Copy, folder: Path, pace: Pace = lambda: None) -> None:
        self._copy, self._folder, self._pace = copy, folder, pace
        found = program()
        if found is None:
            raise FarFailed("no-rclone")
        self._rclone = found
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        known_hosts, ca_file = self._pin()
        obscured = self._run(("obscure", "-"), QUICK_S, {}, f"{copy.secret}\n").out.decode("ascii").strip()
        self._environment = copies.environment(copy, obscured, known_hosts, ca_file)

    def lying(self, paths: Sequence[str], hashes: bool = True) -> dict[str, Lies]:
        """What of ``paths`` lies there; with ``hashes``, the other side reads every file when it can compute any."""
        asked = ("--hash", "--hash-type", "sha1") if hashes and self._copy.kind == "sftp" else ()
        words = ("lsjson", "-R", *asked, "--no-modtime", "--no-mimetype", *_NAMED)
        said = self._far(words, (copies.remote(self._copy),), LONG_S, _lines(paths))
        if said.code not in (0, 3):  # 3: the folder is not there yet
            raise self._failed(said)
        found = {}
        for row in _rows(said.out):
            if not row.get("IsDir"):
                told = {str(name).lower(): str(value) for name, value in (row.get("Hashes") or {}).items()}
                found[str(row.get("Path"))] = Lies(int(row.get("Size", -1)), told)
        return found

    def send(self, root: Path, paths: Sequence[str]) -> None:
        """Copy files below ``root``, over whatever lies there. FarFailed when not all arrived; some may have."""
        words = ("copy", "--no-check-dest", "--ignore-checksum", *copies.bandwidth(self._copy), *_NAMED)
        said = self._far(words, (str(root), copies.remote(self._copy)), LONG_S, _lines(paths))
        if said.code:
            raise self._failed(said)

    def digest(self, path: str) -> tuple[int, bytes]:
        """Read a file back: bytes and SHA-256."""
        target = copies.remote(self._copy, path)
        with tempfile.TemporaryFile(dir=self._folder) as file:
            said = self._far(("cat", *copies.bandwidth(self._copy)), (target,), LONG_S, out=file)
            if said.code:
                raise self._failed(said)
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            return size, hashlib.file_digest(file, "sha256").digest()

    def remove(self, paths: Sequence[str]) -> None:
        """Remove files; one that is not there is none to be removed."""
        said = self._far(("delete", *_NAMED), (copies.remote(self._copy),), LONG_S, _lines(paths))
        if said.code not in (0, 3):
            raise self._failed(said)

    def free_bytes(self) -> int | None:
        """Room there; None where it is not told."""
        said = self._far(("about", "--json"), (copies.remote(self._copy),), QUICK_S)
        try:
            free = json.loads(said.out).get("free") if said.code == 0 else None
        except (ValueError, AttributeError):
            return None
        return free if isinstance(free, int) else None

    def try_out(self) -> None:
        """Write a small file, read it back, remove it. FarFailed says what of that cannot be."""
        name, text = f".ramal-test-{secrets.token_hex(8)}", secrets.token_hex(512)
        target = copies.remote(self._copy, name)
        said = self._far(("rcat",), (target,), QUICK_S, text)
        try:
            if said.code:
                raise self.narrowed(self._failed(said), len(text))
            if self.digest(name) != (len(text), hashlib.sha256(text.encode("ascii")).digest()):
                raise FarFailed("different", "a small file came back changed")
        finally:
            removed = self._far(("deletefile",), (target,), QUICK_S)
        if removed.code:
            raise self._failed(removed)

    def narrowed(self, failed: FarFailed, needed_bytes: int) -> FarFailed:
        """Many servers say only that writing failed; whether there is room they may tell."""
        if failed.code not in ("other", "no-write"):
            return failed
        free = self.free_bytes()
        full = free is not None and free < needed_bytes + SPARE_BYTES
        return FarFailed("no-room", failed.said, objects=failed.objects) if full else failed

    # -- who it is -----------------------------------------------------------------------------------------------------

    def _pin(self) -> tuple[str, str]:
        copy, port = self._copy, copies.port_of(self._copy)
        try:
            if copy.kind == "smb":
                socket.create_connection((copy.host, port), host_keys.TIMEOUT_S).close()
                return "", ""
            if copy.kind == "webdav":
                return "", self._pin_certificate(host_keys.certificate(copy.host, port))
            key = host_keys.host_key(copy.host, port)
        except socket.gaierror as error:
            raise FarFailed("no-host", str(error)) from error
        except ssl.SSLError as error:
            raise FarFailed("unreachable", str(error)) from error
        except (OSError, ValueError) as error:
            raise FarFailed("unreachable", str(error)) from error
        shown = copies.key_fingerprint(key)
        if shown != copy.fingerprint:
            raise FarFailed("key-changed" if copy.fingerprint else "unpinned", "", shown)
        return str(self._put("known_hosts", copies.known_hosts_line(copy, key))), ""

    def _pin_certificate(self, shown: bytes) -> str:
        wanted, found = self._copy.fingerprint, copies.certificate_fingerprint(shown)
        if wanted and wanted != found:
            raise FarFailed("certificate", "", found)
        return str(self._put("certificate.pem", ssl.DER_cert_to_PEM_cert(shown))) if wanted else ""

    def _put(self, name: str, text: str) -> Path:
        path = self._folder / name
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(text)
        return path

    # -- the program ---------------------------------------------------------------------------------------------------

    def _far(
        self, words: Iterable[str], places: Sequence[str], limit_s: float, given: str = "", out: BinaryIO | None = None
    ) -> _Said:
        return self._run((*words, *_ALWAYS, "--", *places), limit_s, self._environment, given, out)

    def _run(
        self,
        words: Sequence[str],
        limit_s: float,
        environment: Mapping[str, str],
        given: str = "",
        out: BinaryIO | None = None,
    ) -> _Said:
        setpriv = shutil.which("setpriv", path=_PATH)
        command = [*((setpriv, "--pdeathsig", "TERM", "--") if setpriv else ()), self._rclone, *words]
        # Nothing of our own environment: a variable of the daemon must not become a setting of rclone.
        told = {"PATH": _PATH, "HOME": str(self._folder), "LC_ALL": "C.UTF-8", "RCLONE_CONFIG": "", **environment}
        with (
            tempfile.TemporaryFile(dir=self._folder) as stdin,
            tempfile.TemporaryFile(dir=self._folder) as stdout,
            tempfile.TemporaryFile(dir=self._folder) as stderr,
        ):
            stdin.write(given.encode("utf-8"))
            stdin.seek(0)
            with subprocess.Popen(command, stdin=stdin, stdout=out or stdout, stderr=stderr, env=told) as process:
                self._wait(process, limit_s, stderr.fileno())
            stdout.seek(0)
            stderr.seek(0)
            said, objects = _said(stderr.read(SAID_MAX).decode("utf-8", "replace"))
            return _Said(process.returncode, stdout.read(LISTED_MAX), said, objects)

    def _wait(self, process: "subprocess.Popen[bytes]", limit_s: float, said: int) -> None:
        ends_s = time.monotonic() + limit_s
        try:
            while True:
                try:
                    process.wait(LOOK_S)
                    return
                except subprocess.TimeoutExpired:
                    self._pace()
                if _hopeless(os.pread(said, SAID_MAX, 0)):
                    self._end(process)
                    return
                if time.monotonic() > ends_s:
                    raise FarFailed("unreachable", f"it took longer than {limit_s:.0f} s")
        except BaseException:
            self._end(process)
            raise

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _failed(self, said: _Said) -> FarFailed:
        code = copies.diagnose(said.words)
        if code == "key-changed":  # it changed between our look and rclone's
            return FarFailed(code, said.words)
        if code == "certificate":
            try:
                shown = host_keys.certificate(self._copy.host, copies.port_of(self._copy))
            except (OSError, ValueError):
                return FarFailed(code, said.words)
            return FarFailed(code, said.words, copies.certificate_fingerprint(shown))
        return FarFailed(code, said.words, objects=said.objects)


def _hopeless(said: bytes) -> bool:
    lines = said.decode("utf-8", "replace").splitlines() if said else ()
    return sum(copies.diagnose(line) == "unreachable" for line in lines) >= HOPELESS


def plain(path: str) -> bool:
    """Whether a path can stand in a list of files, one a line."""
    return bool(path) and path.isprintable() and path == path.strip() and not path.startswith(("/", "-", "#", ";"))


def _lines(paths: Sequence[str]) -> str:
    for path in paths:
        if not plain(path):
            raise FarFailed("other", f"a recording's path cannot be copied: {path!r}")
    return "".join(f"{path}\n" for path in paths)


def _rows(out: bytes) -> list[dict[str, Any]]:
    try:
        rows = json.loads(out or b"[]")
    except ValueError as error:
        raise FarFailed("other", "rclone's list cannot be read") from error
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _said(text: str) -> tuple[str, dict[str, str]]:
    """The words of rclone's log, and those about single files."""
    words, objects = [], {}
    for line in text.splitlines():
        try:
            row = json.loads(line)
            message, named = str(row.get("msg", "")), str(row.get("object", ""))
        except (ValueError, AttributeError):
            message, named = line, ""
        words.append(message)
        if named:
            objects[named] = message
    return "\n".join(words).strip(), objects
