"""A decoder of the prefix in a prison: what strangers' files are opened with.

Unlike ``sandbox`` this is one: no network, no other processes, no file but the one it is given (read-only) and the
programs themselves, a small private /tmp, no environment; and the kernel's limits on processor time, memory and files.
It can only answer on its standard output, which the caller reads up to a limit and for a limited time.
"""

from dataclasses import dataclass
from pathlib import Path

from ramal.provide.host import program
from ramal.provide.sandbox import SandboxError

GIVEN = "/given"
"""Under this name the program finds the file."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Processor seconds, bytes of address space, and of a file written in the private /tmp."""

    cpu_s: int = 30
    memory_bytes: int = 768 << 20
    file_bytes: int = 64 << 20


def argv(root: Path, name: str, words: list[str], given: Path | None = None, limits: Limits | None = None) -> list[str]:
    """The command line that runs ``name`` of the prefix ``root`` on the file ``given``. SandboxError when this machine
    cannot hold a prisoner: then nothing of a stranger's is opened."""
    bwrap, prlimit = program("bwrap"), program("prlimit")
    if bwrap is None or prlimit is None:
        raise SandboxError(
            "This machine lacks bwrap or prlimit, so files from outside are not opened. Nothing was changed. "
            "Run `apt-get install bubblewrap util-linux` as root."
        )
    inside = next((f"/{path}" for path in (f"usr/bin/{name}", f"usr/sbin/{name}") if (root / path).exists()), None)
    if inside is None:
        raise SandboxError(f"{name} is not among the provided programs (below {root}/usr); nothing was started.")
    most = limits or Limits()
    command = [str(prlimit), f"--cpu={most.cpu_s}", f"--as={most.memory_bytes}", f"--fsize={most.file_bytes}"]
    command += ["--core=0", "--nofile=64", "--", str(bwrap), "--unshare-all", "--die-with-parent", "--new-session"]
    command += ["--ro-bind", f"{root}/usr", "/usr"]
    for folder in ("bin", "sbin", "lib", "lib64"):
        command += ["--symlink", f"usr/{folder}", f"/{folder}"]
    # No /proc: a decoder needs none, and inside a hardened service the kernel would refuse a new one.
    command += ["--ro-bind-try", f"{root}/etc/alternatives", "/etc/alternatives"]
    command += ["--dev", "/dev", "--size", str(most.file_bytes), "--tmpfs", "/tmp"]
    if given is not None:
        command += ["--ro-bind", str(given.absolute()), GIVEN]
    command += ["--clearenv", "--setenv", "PATH", "/usr/bin", "--setenv", "LC_ALL", "C", "--chdir", "/tmp"]
    return [*command, "--", inside, *words]
