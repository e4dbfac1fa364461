"""The Debian packages of an image: chosen by name, locked by version and hash, fetched once.

Law: a build uses exactly the files of the lock, whatever the mirror has today; what is in the cache with the right hash
is never fetched again, and then no network is needed at all. Main thread.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from ramal.provide import archive
from ramal_image import ImageError, tools

SUITE = "forky"
ARCHITECTURES = ("amd64", "arm64")
_HEADER = """\
# The Debian packages of the {arch} image: group, name, version, architecture, sha256, bytes.
# Written by `make image-lock`; do not edit. Group root: installed; kernel, beside: unpacked only; files: single files
# are taken; build: the compiler of our kernel module, which is not in the image; loader: what starts a PC.
"""
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_VERSION = re.compile(r"[0-9A-Za-z.+~:-]+")
GROUPS = ("root", "kernel", "beside", "files", "build", "loader")
BUILD: Mapping[str, Sequence[str]] = {"arm64": ("?essential", "linux-headers-arm64", "make")}
"""What compiles ``image/module`` (the headers bring the compiler that made the kernel). It is of the image's own
architecture, so that one lock serves every building machine."""
LOADER: Mapping[str, Sequence[str]] = {"amd64": ("shim-signed", "grub-efi-amd64-signed")}
"""What starts a PC (``ramal_image.loader``): files are taken out of these, nothing is installed."""


class LockWrong(ImageError):
    """A lock cannot be used."""


@dataclass(frozen=True, slots=True, order=True)
class Deb:
    """One locked package file. ``group``: one of GROUPS; ``size``: bytes."""

    group: str
    name: str
    version: str
    arch: str
    sha256: str
    size: int

    @property
    def file(self) -> str:
        """Its name in the cache."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.arch}.deb"


@dataclass(frozen=True, slots=True)
class Wish:
    """A line of packages.txt: ``suite`` only where it is named."""

    name: str
    suite: str | None = None
    component: str = "main"

    @property
    def group(self) -> str:
        if self.suite is None:
            return "root"
        return "beside" if self.component == "main" else "files"


def wishes(text: str, arch: str) -> list[Wish]:
    """What packages.txt asks of ``arch``. LockWrong at the first line that is none."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split("#")[0].split()
        if not words:
            continue
        suites = [word[1:] for word in words[1:] if word.startswith("@")]
        limits = [word[1:-1] for word in words[1:] if word.startswith("[") and word.endswith("]")]
        known = len(suites) + len(limits) == len(words) - 1 and len(suites) <= 1 and set(limits) <= set(ARCHITECTURES)
        if not known or not _NAME.fullmatch(words[0]):
            raise LockWrong(f"image/packages.txt, line {number}: “{line.strip()}” is no package. Nothing was built.")
        if not limits or arch in limits:
            suite, _, component = suites[0].partition("/") if suites else ("", "", "")
            found.append(Wish(words[0], suite or None, component or "main"))
    return found


def written(debs: Iterable[Deb], arch: str) -> str:
    """The lock's text."""
    lines = [f"{deb.group} {deb.name} {deb.version} {deb.arch} {deb.sha256} {deb.size}" for deb in sorted(debs)]
    return _HEADER.format(arch=arch) + "\n".join(lines) + "\n"


def read(text: str) -> list[Deb]:
    """The lock ``text``; LockWrong at the first line that is not one of ours, or a package named twice."""
    debs: list[Deb] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("#") or not line.strip():
            continue
        fields = line.split(" ")
        if len(fields) != 6 or not _fits(fields):
            raise LockWrong(
                f"The package lock's line {number} is not one of ours: “{line[:80]}”. Run `make image-lock`."
            )
        debs.append(Deb(fields[0], fields[1], fields[2], fields[3], fields[4], int(fields[5])))
    names = [(deb.group, deb.name) for deb in debs]
    twice = sorted({name for group, name in names if names.count((group, name)) > 1})
    if twice or not debs:
        raise LockWrong(f"The package lock names {tools.capped(twice) or 'nothing'} twice. Run `make image-lock`.")
    return debs


def _fits(fields: Sequence[str]) -> bool:
    group, name, version, arch, sha256, size = fields
    return (
        group in GROUPS
        and bool(_NAME.fullmatch(name))
        and bool(_VERSION.fullmatch(version))
        and arch in (*ARCHITECTURES, "all")
        and bool(re.fullmatch(r"[0-9a-f]{64}", sha256))
        and size.isascii()
        and size.isdigit()
    )


def key(debs: Iterable[Deb], *more: str) -> str:
    """What the base layer is cached under: the same packages and the same recipe, the same key."""
    text = "\n".join([*more, *(f"{deb.group} {deb.name} {deb.version} {deb.sha256}" for deb in sorted(debs))])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def version_of(debs: Iterable[Deb], name: str) -> str | None:
    """Of the installed package ``name``; None where the lock has none."""
    return next((deb.version for deb in debs if deb.group == "root" and deb.name == name), None)


def resolve(wanted: Sequence[Wish], arch: str, cache: Path, mirror: str | None = None) -> list[Deb]:
    """The newest packages of the mirror that fit ``wanted``, fetched into ``cache``/debs; needs the network."""
    own = [wish.name for wish in wanted if wish.group == "root"]
    found = _closure("root", ["?essential", *own], SUITE, arch, cache, mirror)
    kernel = _closure("kernel", [f"linux-image-{arch}"], SUITE, arch, cache, mirror)
    found += [deb for deb in kernel if re.match(r"linux-(binary|modules|base)-\d", deb.name)]
    for name in LOADER.get(arch, ()):
        found += [deb for deb in _closure("loader", [name], SUITE, arch, cache, mirror) if deb.name == name]
    for wish in wanted:
        if wish.suite is not None:
            beside = _closure(wish.group, [wish.name], wish.suite, arch, cache, mirror, wish.component)
            found += [deb for deb in beside if deb.name == wish.name]
    if arch in BUILD:
        found += _closure("build", BUILD[arch], SUITE, arch, cache, mirror)
    return sorted(found)


def fetch(debs: Sequence[Deb], arch: str, cache: Path, mirror: str | None = None) -> Mapping[Deb, Path]:
    """The locked files; only those missing in the cache are asked of the mirror. ImageError when it has moved on."""
    folder = cache / "debs"
    paths = {deb: folder / deb.file for deb in debs}
    lacking = [deb for deb in debs if not _right(paths[deb], deb)]
    for suite, component in dict.fromkeys(_source(deb) for deb in lacking):
        exact = sorted({f"{deb.name}={deb.version}" for deb in lacking if _source(deb) == (suite, component)})
        try:
            _closure("root", exact, suite, arch, cache, mirror, component)
        except archive.ArchiveError as error:
            raise ImageError(
                f"The locked packages are neither in {folder} nor on this machine's mirror "
                f"({tools.capped(exact)}). Run `make image-lock`, look at what changed, and commit it.\n{error}"
            ) from error
    wrong = [deb.name for deb in debs if not _right(paths[deb], deb)]
    if wrong:
        raise ImageError(
            f"{tools.capped(wrong)}: what the mirror gives is not what the lock says. Nothing was built. "
            "Run `make image-lock`, look at what changed, and commit it."
        )
    return paths


def _source(deb: Deb) -> tuple[str, str]:
    """Suite and component that a group comes from."""
    if deb.group == "beside":
        return archive.os_release().get("VERSION_CODENAME", "bookworm"), "main"
    return SUITE, "non-free-firmware" if deb.group == "files" else "main"


def _right(path: Path, deb: Deb) -> bool:
    return path.exists() and path.stat().st_size == deb.size and _sha256(path) == deb.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _closure(
    group: str, names: Sequence[str], suite: str, arch: str, cache: Path, mirror: str | None, component: str = "main"
) -> list[Deb]:
    """Packages with their dependencies, downloaded into ``cache``/debs under the names that the lock knows."""
    known = archive.machine_archive(suite)
    parts = " ".join(dict.fromkeys(("main", component)))
    source = archive.Archive(mirror or known.uri, suite, known.keyring, parts)
    folder = cache / "debs"
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    own = f"apt-{suite}-{arch}" + (f"-{component}" if component != "main" else "")
    for path in archive.fetch(source, names, arch, cache / own):
        name, version, built_for = unquote(path.stem).split("_")
        kept = folder / Deb(group, name, version, built_for, "", 0).file
        if not kept.exists() or kept.stat().st_size != path.stat().st_size:
            kept.unlink(missing_ok=True)
            os.link(path, kept)
        found.append(Deb(group, name, version, built_for, _sha256(kept), kept.stat().st_size))
    return found


def control(deb: Path) -> str:
    """The control paragraph of a package file."""
    return tools.run("dpkg-deb", "-f", deb).rstrip("\n")


def repository(debs: Mapping[Deb, Path], folder: Path) -> None:
    """Make ``folder`` a flat archive of exactly these files, for mmdebstrap's apt."""
    folder.mkdir(parents=True)
    stanzas = []
    for deb, path in sorted(debs.items()):
        os.link(path, folder / deb.file)
        stanzas.append(f"{control(path)}\nFilename: ./{deb.file}\nSize: {deb.size}\nSHA256: {deb.sha256}\n")
    (folder / "Packages").write_text("\n".join(stanzas))
