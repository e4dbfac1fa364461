"""Debian packages of another suite, fetched and unpacked into a folder: nothing on the machine itself changes.

apt does the fetching, with a private root of its own: it resolves, resumes, and checks Debian's signature on the index
and the index's hash on each package. So this works for any user, and a mirror cannot slip anything in. The mirror is
the one that this machine's own apt uses for Debian, never a third party's.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ramal.errors import RamalError
from ramal.provide.host import tied
from ramal.provide.say import Progress, say

KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
)
# What only people read. Asterisk's own documentation is not here: the daemon reads it, and it lies elsewhere.
_UNREAD = (
    "./usr/share/doc/*",
    "./usr/share/man/*",
    "./usr/share/locale/*",
    "./usr/share/info/*",
    "./usr/share/lintian/*",
)
_DEBIAN_SUITES = frozenset({"stable", "oldstable", "testing", "unstable", "sid"})


class ArchiveError(RamalError):
    """Packages could not be found, fetched, verified or unpacked."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Where packages come from: ``uri`` as apt writes it, the suite, and the keys that must have signed its index."""

    uri: str
    suite: str
    keyring: Path
    components: str = "main"


def architecture() -> str:
    """Debian's word for this machine's processor: amd64, arm64."""
    return _output(["dpkg", "--print-architecture"]).strip()


def machine_archive(suite: str) -> Archive:
    """The Debian mirror of this machine's own apt, for another of its suites. No network use."""
    keyring = next((path for path in KEYRINGS if path.exists()), None)
    if keyring is None:
        raise ArchiveError(
            "Debian's signatures cannot be checked: this machine has no debian-archive-keyring. "
            "Nothing was downloaded. Run `apt-get install debian-archive-keyring` as root, then this again."
        )
    codename = os_release().get("VERSION_CODENAME", "")
    uri = next(iter(debian_uris(_index_targets(), codename)), None)
    if uri is None:
        raise ArchiveError(
            "This machine's apt sources name no Debian mirror (only security, third parties or a CD), so there is "
            "nowhere to take Asterisk from. Add Debian's own archive, or install Asterisk 20 or newer yourself, "
            "then run this again."
        )
    return Archive(uri, suite, keyring)


def debian_uris(targets: Iterable[tuple[str, str, str, str]], codename: str) -> list[str]:
    """The URIs among apt's (origin, release, component, uri) targets that are Debian's main archive, the best first.

    ``origin`` is empty where apt has not fetched that source yet; then the release's name decides, and apt's check of
    the signature has the last word.
    """
    suites = {codename, *_DEBIAN_SUITES} - {""}
    full, partial = [], []
    for origin, release, component, uri in targets:
        name, _, part = release.partition("-")
        if (
            origin not in ("", "Debian")
            or component not in ("", "main")
            or name not in suites
            or uri.startswith("cdrom:")
        ):
            continue
        if part == "":
            full.append(uri)
        elif part in ("updates", "backports"):
            partial.append(uri)
    return list(dict.fromkeys(full + partial))


def _index_targets() -> list[tuple[str, str, str, str]]:
    """What apt is configured with: from its fetched lists; where there are none yet, from what it would fetch."""
    form = "$(ORIGIN)\t$(RELEASE)\t$(COMPONENT)\t$(REPO_URI)"
    targets = []
    for line in _output(["apt-get", "indextargets", "--format", form, "Created-By: Packages"]).splitlines():
        fields = line.split("\t")
        if len(fields) == 4:
            origin = "" if fields[0].startswith("$(") else fields[0]
            targets.append((origin, fields[1], fields[2], fields[3]))
    if not targets:
        for uri, release in re.findall(
            r"'(\S+)/dists/(\S+)/InRelease'", _output(["apt-get", "--print-uris", "update"])
        ):
            targets.append(("", release, "", uri))
    return targets


def os_release(path: Path = Path("/etc/os-release")) -> dict[str, str]:
    """The fields of os-release; empty where the file is missing."""
    if not path.exists():
        return {}
    pairs = (line.partition("=") for line in path.read_text().splitlines() if "=" in line)
    return {key: value.strip().strip('"') for key, _, value in pairs}


def fetch(archive: Archive, packages: Sequence[str], arch: str, downloads: Path) -> list[Path]:
    """Download ``packages`` and what they depend on into ``downloads`` (kept between tries); the verified files.

    ArchiveError when the mirror cannot be reached, a signature or a hash is wrong, or a package does not exist.
    """
    environment = _private_apt(archive, arch, downloads)
    say(f"Debian {archive.suite}: fetching the package index from this machine's mirror")
    # Any-error: without it apt calls an index that it could not fetch a warning and goes on with nothing.
    _apt(["update", "-o", "APT::Update::Error-Mode=any"], environment, "Debian's package index could not be fetched")
    wanted = ["install", "-y", *packages]
    # apt leaves out what it already has, so the whole plan shows only beside an empty folder.
    plan = _output(["apt-get", "--print-uris", "-o", f"Dir::Cache::archives={downloads}/none/", *wanted], environment)
    names = re.findall(r"^'\S+' (\S+\.deb) (\d+)", plan, re.MULTILINE)
    if not names:
        raise ArchiveError(
            f"Debian {archive.suite} does not offer {', '.join(packages)} for {arch} as a set that fits together. "
            "Nothing was changed; try again on another day, or install Asterisk 20 or newer yourself."
        )
    size_mb = sum(int(size) for _, size in names) / 1e6
    room(downloads, size_mb * 1e6)
    progress = Progress(
        f"downloading {len(names)} packages, {size_mb:.0f} MB (what an earlier try fetched is used again)"
    )
    _apt([*wanted, "--download-only"], environment, "the packages could not be downloaded", progress)
    progress.done()
    return [downloads / "cache/archives" / name for name, _ in names]


def unpack(debs: Sequence[Path], root: Path) -> None:
    """Unpack into the new folder ``root``, laid out as merged /usr. No package's scripts run; no file stays setuid."""
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    progress = Progress(f"unpacking {len(debs)} packages")
    with ThreadPoolExecutor(max_workers=2) as workers:
        for count, _ in enumerate(workers.map(lambda deb: _unpack_one(deb, root), debs), start=1):
            progress.at(100 * count / len(debs))
    for folder, _, files in os.walk(root):
        for name in files:
            path = Path(folder, name)
            mode = path.lstat().st_mode
            if mode & 0o6000 and not path.is_symlink():
                path.chmod(mode & 0o1777)
    progress.done()


def room(folder: Path, need_bytes: float) -> None:
    """ArchiveError when the disk below ``folder`` has less than ``need_bytes`` free."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < need_bytes:
        raise ArchiveError(
            f"The disk below {folder} has {free_bytes / 1e6:.0f} MB free, and {need_bytes / 1e6:.0f} MB are needed. "
            "Make room, or set XDG_CACHE_HOME to a folder on a larger disk, then run this again."
        )


def _unpack_one(deb: Path, root: Path) -> None:
    tar = ["tar", "--extract", f"--directory={root}", "--keep-directory-symlink", "--no-same-owner"]
    tar += [f"--exclude={pattern}" for pattern in _UNREAD]
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as reader:
        written = subprocess.run(tar, stdin=reader.stdout)
    if reader.returncode or written.returncode:
        raise ArchiveError(f"{deb.name} could not be unpacked into {root}; the reason is above (is the disk full?).")


def _private_apt(archive: Archive, arch: str, downloads: Path) -> Mapping[str, str]:
    """An apt that knows one signed source and an empty machine; the environment that selects it."""
    for folder in ("lists/partial", "cache/archives/partial", "none/partial", "etc"):
        (downloads / folder).mkdir(parents=True, exist_ok=True)
    (downloads / "status").touch()
    source = f"deb [arch={arch} signed-by={archive.keyring}] {archive.uri} {archive.suite} {archive.components}\n"
    (downloads / "etc/sources.list").write_text(source)
    settings = {
        "Dir::State": f"{downloads}/",
        "Dir::State::lists": f"{downloads}/lists/",
        "Dir::State::status": f"{downloads}/status",
        "Dir::State::extended_states": f"{downloads}/extended_states",
        "Dir::Cache": f"{downloads}/cache/",
        "Dir::Log": f"{downloads}/",
        "Dir::Etc::main": "/dev/null",
        "Dir::Etc::parts": "/dev/null",
        "Dir::Etc::sourcelist": f"{downloads}/etc/sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::Etc::trusted": "/dev/null",
        "Dir::Etc::trustedparts": "/dev/null",
        "APT::Architecture": arch,
        "APT::Install-Recommends": "false",
        "APT::Get::AllowUnauthenticated": "false",
        # apt's own user cannot enter a home folder, where the cache lies.
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }
    lines = [f'{key} "{value}";' for key, value in settings.items()]
    lines[-2:-2] = [f'APT::Architectures {{ "{arch}"; }};', *_machine_network_settings()]
    (downloads / "apt.conf").write_text("\n".join(lines) + "\n")
    return {**os.environ, "APT_CONFIG": str(downloads / "apt.conf"), "LC_ALL": "C.UTF-8"}


def _machine_network_settings() -> list[str]:
    """How this machine's apt reaches its mirrors: proxies, certificates, and whether its clock can be trusted.

    Nothing that could loosen the check of a signature is taken over.
    """
    taken = re.compile(r"Acquire::(https?::|ftp::|Check-Valid-Until|Check-Date|Max-FutureTime|ForceIPv)", re.IGNORECASE)
    loosens = re.compile(r"Verify-(Peer|Host)", re.IGNORECASE)
    dumped = _output(["apt-config", "dump"]).splitlines()
    return [line for line in dumped if taken.match(line) and not loosens.search(line)]


def _apt(words: Sequence[str], environment: Mapping[str, str], failed: str, progress: Progress | None = None) -> None:
    reads, writes = os.pipe()
    command = tied(["apt-get", "-q", "-o", f"APT::Status-Fd={writes}", *words])
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stderr,
        subprocess.Popen(
            command,
            env=environment,
            pass_fds=(writes,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        ) as apt,
    ):
        os.close(writes)
        with os.fdopen(reads, encoding="utf-8", errors="replace") as status:
            for line in status:
                fields = line.split(":")
                if progress is not None and fields[0] == "dlstatus" and len(fields) > 2:
                    progress.at(float(fields[2]))
        apt.wait()
        stderr.seek(0)
        complaints = stderr.read().strip()
    if apt.returncode != 0:
        raise ArchiveError(
            f"{failed[0].upper()}{failed[1:]}:\n{complaints}\n"
            "Nothing of it was used. When the network, this machine's clock and its mirror are right, run this again: "
            "it goes on where it stopped."
        )


def _output(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    except FileNotFoundError:
        raise ArchiveError(
            f"This machine has no {command[0]}, so it is no Debian. Ramal can provide Asterisk on Debian 12 or 13; "
            "elsewhere install Asterisk 20 or newer, baresip, sipp, espeak-ng and sox yourself."
        ) from None
    return done.stdout
