"""A real Samba server of our own user, all its files in one folder, on a port of its own. Loopback only."""

import getpass
import shutil
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from ramal.core.office import Copy
from tests.system.ports import free_port
from tests.until import until

SMBD = shutil.which("smbd", path="/usr/sbin:/usr/bin")
SECRET = 'p" w=$X,:-`'


@dataclass
class Samba:
    root: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None
    writable: bool = True

    @property
    def folder(self) -> Path:
        return self.root / "share"

    def start(self) -> "Samba":
        for name in ("share", "private", "lock", "state", "cache", "pid", "rpc"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        own = self.root
        conf = own / "smb.conf"
        conf.write_text(
            f"[global]\nsmb ports = {self.port}\ninterfaces = lo\n"
            f"bind interfaces only = yes\npassdb backend = tdbsam:{own}/private/passdb.tdb\n"
            f"private dir = {own}/private\n"
            f"lock directory = {own}/lock\nstate directory = {own}/state\ncache directory = {own}/cache\n"
            f"pid directory = {own}/pid\nncalrpc dir = {own}/rpc\nlog file = {own}/smbd.log\nload printers = no\n"
            f"disable spoolss = yes\nserver min protocol = SMB2\n"
            f"[backup]\npath = {own}/share\nread only = {'no' if self.writable else 'yes'}\n",
            encoding="ascii",
        )
        words = ["smbpasswd", "-L", "-c", str(conf), "-a", "-s", getpass.getuser()]
        subprocess.run(words, input=f"{SECRET}\n{SECRET}\n".encode(), check=True, capture_output=True)
        with (own / "out.log").open("ab") as log:
            command = [str(SMBD), "-F", "--no-process-group", "-s", str(conf), "-l", str(own)]
            # A session of its own: an ending smbd ends all of its process group, which would be us.
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        until(self._listens, 20.0, "smbd listens")
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def copy(self, folder: str = "backup/ramal") -> Copy:
        return Copy("smb", "127.0.0.1", folder, getpass.getuser(), SECRET, self.port, window="00:00-00:00")

    def files(self) -> dict[str, bytes]:
        return {str(one.relative_to(self.folder)): one.read_bytes() for one in self.folder.rglob("*") if one.is_file()}

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.root / "out.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1.0).close()
        except OSError:
            return False
        return True
