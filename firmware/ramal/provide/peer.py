"""The programs Ramal lives with, as everything else starts them: Asterisk, baresip, sipp, espeak-ng, sox.

Law: who starts one need not know whether it is the machine's own or one of the prefix. Reads files only; any thread.
"""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ramal.provide import prefix, sandbox
from ramal.provide.host import program as host_program
from ramal.provide.sandbox import RunningPeer

__all__ = ["Peers", "RunningPeer", "peers"]


@dataclass(frozen=True, slots=True)
class Peers:
    """The provided programs: ``prefix`` holds them all but an Asterisk of the machine's own (``own_asterisk``).

    ``version`` is Asterisk's, for example "22.10.1".
    """

    prefix: Path
    own_asterisk: Path | None
    version: str

    def argv(
        self,
        program: str,
        *args: str,
        binds: Sequence[Path] = (),
        tmpfs: Mapping[Path, int] | None = None,
        die_with_parent: bool = False,
    ) -> list[str]:
        """The command line that runs ``program`` ("asterisk", "baresip", "sipp", "espeak-ng", "sox", "sh").

        It sees its own /usr (read-only), the host's network, processes, names, users and /tmp, and of the rest only
        ``binds``: existing folders or files, writable, under their own paths. ``tmpfs`` maps folders to sizes in bytes:
        a private, empty disk of that size, which a test can fill (seen from outside as /proc/<pid>/root/<folder>).

        Of a process started so, Popen.pid is bwrap, not the program: bwrap passes no signal on. Use it for what ends
        by itself, and ``start`` for what must be stopped. With ``die_with_parent`` the program is killed (SIGKILL) when
        the *thread* that started it ends, so start it from a thread that lives as long.
        """
        if program == "asterisk" and self.own_asterisk:
            return sandbox.argv_on_host(self.own_asterisk, args, tmpfs=tmpfs, die_with_parent=die_with_parent)
        if self.prefix == Path("/"):  # the image: the programs are the machine's own
            found = host_program(program) or Path("/usr/bin") / program
            return sandbox.argv_on_host(found, args, tmpfs=tmpfs, die_with_parent=die_with_parent)
        return sandbox.argv(self.prefix, program, args, binds=binds, tmpfs=tmpfs, die_with_parent=die_with_parent)

    def start(
        self,
        program: str,
        *args: str,
        binds: Sequence[Path] = (),
        tmpfs: Mapping[Path, int] | None = None,
        die_with_parent: bool = False,
        **popen: Any,
    ) -> RunningPeer:
        """Start it like ``argv`` says, with subprocess.Popen's keywords; the result knows the program's own pid."""
        if ((program == "asterisk" and self.own_asterisk) or self.prefix == Path("/")) and not tmpfs:
            plain = self.argv(program, *args, die_with_parent=die_with_parent)
            process = subprocess.Popen(plain, **popen)
            return sandbox.watched(process, process.pid)

        def command(info_fd: int) -> list[str]:
            plain = self.argv(program, *args, binds=binds, tmpfs=tmpfs, die_with_parent=die_with_parent)
            return [plain[0], "--info-fd", str(info_fd), *plain[1:]]

        return sandbox.run_behind_bwrap(command, popen)

    @property
    def modules(self) -> Path:
        """Asterisk's module folder, for ``astmoddir``: as the program sees it."""
        root = Path("/") if self.own_asterisk else self.prefix
        folders = sorted(root.glob("usr/lib/*/asterisk/modules")) + sorted(root.glob("usr/lib/asterisk/modules"))
        return Path("/") / folders[0].relative_to(root) if folders else Path("/usr/lib/asterisk/modules")

    @property
    def data(self) -> Path:
        """Asterisk's data folder, for ``astdatadir`` (its documentation): as the program sees it."""
        if self.own_asterisk and not Path("/usr/share/asterisk").is_dir():
            return Path("/var/lib/asterisk")
        return Path("/usr/share/asterisk")

    @property
    def sounds(self) -> Path:
        """The English sounds, WAV (``en/``), as Asterisk sees them: ours, for a machine's own may lack them."""
        return self._shared / "sounds"

    @property
    def music(self) -> Path:
        """The music on hold, WAV, as Asterisk sees it."""
        return self._shared / "moh"

    @property
    def _shared(self) -> Path:
        return (self.prefix if self.own_asterisk else Path("/")) / "usr/share/asterisk"


def peers(cache: Path | None = None) -> Peers:
    """The peers of this machine, from ``cache`` (by default the user's). No network; PrefixError when not provided."""
    root, own, version = prefix.find(cache)
    return Peers(root, own.path if own else None, version)
