"""Real servers to copy to: rclone's own SFTP and WebDAV, each with a user, a key and a log. Loopback only."""

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ramal.core import copies
from ramal.core.office import Copy
from ramal.ops import host_keys
from tests.system.ports import free_port
from tests.until import until

USER, SECRET = "ramal", 'p" w=$X,:-`'
RCLONE = shutil.which("rclone") or "/usr/bin/rclone"


@dataclass
class Server:
    """``folder`` is what the user sees; ``arguments`` are more of rclone's."""

    kind: str
    root: Path
    arguments: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None
    key: int = 1
    room: int = 0
    """Bytes of a disk of its own; 0 = the machine's."""

    @property
    def folder(self) -> Path:
        return self.root / "far"

    def start(self) -> "Server":
        self.folder.mkdir(parents=True, exist_ok=True)
        keys = self.root / f"key{self.key}.pem"
        if not keys.exists():
            self._make_key(keys)
        own = ("--key", str(keys)) + (("--cert", str(keys)) if self.kind == "webdav" else ())
        with (self.root / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(
                        (
                            "bwrap",
                            "--die-with-parent",
                            "--dev-bind",
                            "/",
                            "/",
                            "--size",
                            str(self.room),
                            "--tmpfs",
                            str(self.folder),
                        )
                        if self.room
                        else ()
                    ),
                    *(RCLONE, "serve", self.kind, "--config", "", "--addr", f"127.0.0.1:{self.port}", "--user", USER),
                    *("--pass", SECRET, *own, "--dir-cache-time", "0s", *self.arguments, str(self.folder)),
                ],
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], "HOME": str(self.root)},
            )
        until(self._listens, 15.0, f"{self.kind} listens")
        return self

    def stop(self, kill: bool = False) -> None:
        if self.process is not None:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(10)
            self.process = None

    def copy(self, folder: str = "backup/ramal", **more: object) -> Copy:
        """The office's table for it, with who it is pinned."""
        if self.kind == "sftp":
            shown = copies.key_fingerprint(host_keys.host_key("127.0.0.1", self.port))
        else:
            shown = copies.certificate_fingerprint(host_keys.certificate("127.0.0.1", self.port))
        given = {"port": self.port, "fingerprint": shown, "window": "00:00-00:00"} | more
        kind = "sftp" if self.kind == "sftp" else "webdav"
        return Copy(kind, "127.0.0.1", folder, USER, SECRET, **given)  # type: ignore[arg-type]

    def files(self) -> dict[str, bytes]:
        return {str(one.relative_to(self.folder)): one.read_bytes() for one in self.folder.rglob("*") if one.is_file()}

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.root / "server.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1.0).close()
        except OSError:
            return False
        return True

    def _make_key(self, path: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL)
        text = key.private_bytes(*form, serialization.NoEncryption())
        if self.kind == "webdav":
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
            today = datetime.fromtimestamp(time.time())
            built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            built = built.not_valid_before(today - timedelta(days=2)).not_valid_after(today + timedelta(days=9))
            alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
            text += built.add_extension(alternative, False).sign(key, hashes.SHA256()).public_bytes(form[0])
        path.write_bytes(text)
        path.chmod(0o600)
