"""The peers' prefix: Asterisk, baresip, sipp, espeak-ng and sox below the user's cache, shared by all checkouts.

Law: a prefix exists whole or not at all. It is filled beside its final name, tried, flushed, and then renamed; whatever
an interrupted run left is removed by the next one. Who comes second waits, and then finds it.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ramal.errors import RamalError
from ramal.provide import archive, sandbox
from ramal.provide.host import program
from ramal.provide.say import say
from ramal.provide.turn import turn

SUITE = "forky"
OLDEST_ASTERISK = 20
_LAYOUT = 1  # counted up when what follows the unpacking changes
# dash: Asterisk runs outside commands by /bin/sh.
_ASTERISK_PACKAGES = ("asterisk", "ca-certificates", "dash")
_OTHER_PACKAGES = (
    *("asterisk-core-sounds-en-wav", "asterisk-moh-opsound-wav"),
    *("baresip-core", "sip-tester", "espeak-ng", "sox"),
    # recordings become Opus (opus-tools); prompts come as mp3 (libsox-fmt-mp3), ogg and m4a (faad)
    *("opus-tools", "libsox-fmt-mp3", "faad"),
)
_UNPACKED_BYTES = 500e6
IMAGE_RECORD = Path("/usr/lib/ramal/peers.json")
"""On Ramal's own image the machine itself holds the programs; this file says so: ``{"version": "22.10.1"}``."""
_RECORD = "ramal-peers.json"


class PrefixError(RamalError):
    """The peers are not provided, or could not be."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a prefix must hold: Debian packages of one suite for one architecture."""

    suite: str
    arch: str
    packages: tuple[str, ...]

    @property
    def name(self) -> str:
        """The folder's name; another list of packages is another folder, so an old checkout keeps its own."""
        text = json.dumps([_LAYOUT, self.suite, sorted(self.packages)])
        return f"peers-{self.arch}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class OwnAsterisk:
    """The machine's own Asterisk and its version, for example "22.10.1"."""

    path: Path
    version: str


def cache() -> Path:
    """``$XDG_CACHE_HOME/ramal``, by default ``~/.cache/ramal``; that rule ignores a relative XDG_CACHE_HOME."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(named) if named.startswith("/") else Path.home() / ".cache") / "ramal"


def asterisk_version(text: str) -> str | None:
    """The version in what ``asterisk -V`` prints: "22.10.1"; None for a build from a branch, which has no number."""
    found = re.search(r"^Asterisk (?:certified[/-])?(\d+(?:\.\d+)*)", text.strip())
    return found[1] if found else None


def own_asterisk() -> OwnAsterisk | None:
    """The machine's own Asterisk, when it has one that is new enough. Starts it once with -V (some 20 ms)."""
    path = program("asterisk")
    if path is None:
        return None
    try:
        shown = subprocess.run([path, "-V"], capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = asterisk_version(shown)
    if version is None or int(version.split(".")[0]) < OLDEST_ASTERISK:
        return None
    return OwnAsterisk(path, version)


def wanted(own: OwnAsterisk | None, arch: str) -> Wanted:
    """The packages for a machine with or without an Asterisk of its own."""
    return Wanted(SUITE, arch, _OTHER_PACKAGES if own else _ASTERISK_PACKAGES + _OTHER_PACKAGES)


def provide(folder: Path | None = None) -> Path:
    """Make sure that this machine's prefix is there and return it; prints the stages. RamalError says what to do."""
    own = own_asterisk()
    arch = archive.architecture()
    if arch not in ("amd64", "arm64"):
        raise PrefixError(f"Ramal runs on amd64 and arm64; this system is {arch}. Install a 64-bit Debian 12 or 13.")
    want = wanted(own, arch)
    home = folder or cache()
    if (home / want.name / _RECORD).exists():
        return home / want.name
    if own:
        say(f"using this machine's own Asterisk {own.version} ({own.path}); providing the phones beside it")
    else:
        say(
            f"no Asterisk {OLDEST_ASTERISK} or newer here; unpacking one from Debian {SUITE} into {home} "
            "(nothing on the system changes)"
        )
    sandbox.check()
    return install(home, want, lambda root: _from_debian(want, home, root), finish)


def install(home: Path, want: Wanted, fill: Callable[[Path], None], accept: Callable[[Path], str]) -> Path:
    """The atomic frame around ``fill(root)``, which unpacks, and ``accept(root)``, which tries it and says its version.

    Safe to kill at any instant and to run twice at once.
    """
    final = home / want.name
    with turn(home / f"{want.name}.lock", f"is providing Asterisk and the phones in {home}"):
        if (final / _RECORD).exists():
            return final
        partial = home / f"{want.name}.partial"
        for leftover in (partial, final):
            remove(leftover)
        partial.mkdir(parents=True)
        try:
            fill(partial)
            version = accept(partial)
        except BaseException:
            remove(partial)
            raise
        record = {"version": version, "suite": want.suite, "packages": want.packages}
        (partial / _RECORD).write_text(json.dumps(record, indent=1) + "\n")
        # The rename must not reach the disk before what it names.
        subprocess.run(["sync", "--file-system", partial], check=True)
        partial.rename(final)
        remove(_downloads(home, want))
    say(f"provided in {final}")
    return final


def find(folder: Path | None = None, image: Path = IMAGE_RECORD) -> tuple[Path, OwnAsterisk | None, str]:
    """The provided prefix, the machine's own Asterisk if that is the one, and its version. No network, no waiting.

    On the image (``image`` is there) the prefix is ``/``, and no program has to be asked."""
    if folder is None and image.exists():
        version = str(json.loads(image.read_text())["version"])
        return Path("/"), OwnAsterisk(Path("/usr/sbin/asterisk"), version), version
    own = own_asterisk()
    root = (folder or cache()) / wanted(own, archive.architecture()).name
    try:
        record = json.loads((root / _RECORD).read_text())
    except FileNotFoundError:
        raise PrefixError(
            f"Asterisk and the phones are not provided on this machine yet ({root} is not there). "
            "Run `make run` (or `make test`) once in the checkout: it provides them."
        ) from None
    return root, own, own.version if own else str(record["version"])


def remove(root: Path) -> None:
    """Remove a tree if it is there, also one whose folders a package made read-only."""
    if not root.exists():
        return
    for folder, _, _ in os.walk(root):
        os.chmod(folder, 0o755)
    shutil.rmtree(root)


def finish(root: Path) -> str:
    """Do by hand what the packages' scripts would, then run what was unpacked; the version of its Asterisk, or ""."""
    sounds = root / "usr/share/asterisk/sounds"
    if (sounds / "en_US_f_Allison").is_dir() and not (sounds / "en").exists():
        (sounds / "en").symlink_to("en_US_f_Allison")
    tries: list[tuple[str, Sequence[str], str]] = [
        ("baresip", ["-h"], "Usage: baresip"),
        ("sipp", ["-v"], "SIPp v"),
        ("espeak-ng", ["--version"], "eSpeak NG"),
        ("sox", ["--version"], "SoX"),
        ("opusenc", ["--version"], "opus-tools"),
    ]
    if (root / "usr/sbin/asterisk").exists():
        tries.append(("asterisk", ["-V"], "Asterisk "))
    shown = ""
    for name, words, expected in tries:
        command = sandbox.argv(root, name, words)
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        shown = done.stdout + done.stderr
        if expected not in shown:
            raise PrefixError(
                f"{name} was unpacked and does not run here:\n{shown.strip()}\nNothing of it is kept. "
                "If bwrap is the one that complains, this machine (a container?) forbids namespaces."
            )
    return asterisk_version(shown) or ""


def _from_debian(want: Wanted, home: Path, root: Path) -> None:
    archive.room(home, _UNPACKED_BYTES)
    downloads = _downloads(home, want)
    debs = archive.fetch(archive.machine_archive(want.suite), want.packages, want.arch, downloads)
    try:
        archive.unpack(debs, root)
    except archive.ArchiveError:
        remove(downloads)  # so that a file which a power cut emptied does not fail every later try
        raise


def _downloads(home: Path, want: Wanted) -> Path:
    return home / f"{want.name}.downloads"
