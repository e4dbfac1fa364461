"""The base layer: the locked Debian packages installed into a folder, once per lock, kept in the cache as a tar.

Law: mmdebstrap sees only a private archive of the locked files, so that nothing else can come in and no mirror's name
is in the result. The kernel and the packages ``beside`` are only unpacked: no script of theirs runs. Needs root;
another architecture than the machine's needs qemu-user (``binfmt_misc``), and takes most of an hour. Main thread.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ramal.provide import archive
from ramal.provide.say import Progress
from ramal_image import ImageError, debs, tools
from ramal_image.debs import Deb

RECIPE = "3"
"""Counted up when what follows changes: it is part of the cache's key."""
UNREAD = ("man", "info", "locale", "lintian", "bug", "doc-base", "groff", "gtk-doc")
"""Folders of /usr/share that only people read; of doc only the copyright files stay (until the SBOM has read them)."""


def provide(locked: list[Deb], arch: str, epoch: int, cache: Path, mirror: str | None = None) -> Path:
    """The base layer's tar, made when it is not in the cache yet."""
    final = cache / f"base-{arch}-{debs.key(locked, arch, RECIPE, str(epoch))}.tar"
    if final.exists():
        return final
    _emulation(arch)
    files = debs.fetch(locked, arch, cache, mirror)
    progress = Progress(f"installing {len(locked)} Debian packages for {arch} (once per lock)")
    with tempfile.TemporaryDirectory(prefix="ramal-base-", dir=cache) as scratch:
        folder = Path(scratch)
        private = folder / "archive"
        debs.repository({deb: path for deb, path in files.items() if deb.group == "root"}, private)
        partial = folder / "base.tar"
        _mmdebstrap(locked, arch, private, partial, epoch)
        root = folder / "more"
        for deb, path in sorted(files.items()):
            if deb.group != "root":
                _unpack(path, root)
                _record(path, root)
        tools.run("tar", "--append", "--file", partial, "--directory", root, "--sort=name", "--numeric-owner",
                  "--owner=0", "--group=0", ".")  # fmt: skip
        partial.rename(final)
    progress.done()
    return final


def _mmdebstrap(locked: list[Deb], arch: str, private: Path, out: Path, epoch: int) -> None:
    keep_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in UNREAD]
    keep_out += ["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright"]
    names = ",".join(sorted(deb.name for deb in locked if deb.group == "root"))
    tools.run(
        "mmdebstrap",
        "--mode=root",
        f"--arch={arch}",
        "--variant=apt",
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=Acquire::Languages "none"',
        "--dpkgopt=force-unsafe-io",
        *keep_out,
        # No service may be started by a package's script, and none is enabled by it: systemd/enabled decides.
        '--essential-hook=mkdir -p "$1/etc/systemd/system-preset"; echo "disable *" > '
        '"$1/etc/systemd/system-preset/00-ramal.preset"',
        f"--include={names}",
        debs.SUITE,
        out,
        f"deb [trusted=yes] copy:{private} ./",
        env={"SOURCE_DATE_EPOCH": str(epoch), "TMPDIR": str(out.parent)},
    )


def _unpack(deb: Path, root: Path) -> None:
    """Only the files, on merged /usr (a package that still ships /lib must not replace the link)."""
    root.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent) as scratch:
        tools.run("dpkg-deb", "-x", deb, scratch)
        for name in ("lib", "bin", "sbin"):
            old = Path(scratch, name)
            if old.is_dir() and not old.is_symlink():
                tools.run("cp", "-a", f"{old}/.", Path(scratch, "usr", name))
                shutil.rmtree(old)
        for name in ("man", "info", "lintian"):
            shutil.rmtree(Path(scratch, "usr/share", name), ignore_errors=True)
        tools.run("cp", "-a", f"{scratch}/.", root)


def _record(deb: Path, root: Path) -> None:
    """For the SBOM: what dpkg would have written in its status."""
    known = root / "var/lib/ramal-image"
    known.mkdir(parents=True, exist_ok=True)
    (known / f"{deb.name}.control").write_text(debs.control(deb) + "\n")


def _emulation(arch: str) -> None:
    if arch == archive.architecture():
        return
    known = subprocess.run(["arch-test", arch], capture_output=True).returncode == 0
    if not known:
        raise ImageError(
            f"This machine cannot run {arch} programs, so their packages cannot be installed. Nothing was built. "
            "Install qemu-user-static as root (and mount binfmt_misc in a container), then run this again."
        )


def open_into(base: Path, root: Path) -> None:
    """Unpack the layer into the new folder ``root``."""
    root.mkdir(parents=True)
    tools.run("tar", "--extract", "--file", base, "--directory", root, "--numeric-owner", "--preserve-permissions",
              "--keep-directory-symlink")  # fmt: skip


def facts(locked: list[Deb]) -> Mapping[str, str]:
    """Name: version, of everything locked."""
    return {deb.name: deb.version for deb in locked}
