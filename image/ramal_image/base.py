"""The base layers, kept in the cache as tars: the locked Debian packages installed into a folder, and what lies beside.

Law: mmdebstrap sees only a private archive of the locked files, so that nothing else can come in and no mirror's name
is in the result. The kernel, the packages ``beside`` and the binaries of chip makers are only unpacked (a layer of
their own: a new kernel does not install everything anew); no script of theirs runs. Needs root; another architecture
than the machine's needs qemu-user (``binfmt_misc``), and takes half an hour, once per lock. Main thread.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ramal.provide import archive
from ramal.provide.say import Progress
from ramal_image import ImageError, blobs, debs, tools
from ramal_image.debs import Deb

RECIPE = "4"
"""Counted up when what follows changes: it is part of the cache's key."""
Make = Callable[[Mapping[Deb, Path], str, int, Path], None]
"""Makes a layer of files, for an architecture, with a time (s since 1970), as a tar."""
BESIDE = ("kernel", "beside", "files")
"""Groups that are not installed, only unpacked."""
UNREAD = ("man", "info", "locale", "lintian", "bug", "doc-base", "groff", "gtk-doc")
"""Folders of /usr/share that only people read; of doc only the copyright files stay (until the SBOM has read them)."""


def provide(locked: list[Deb], arch: str, epoch: int, cache: Path, mirror: str | None = None) -> list[Path]:
    """The layers' tars, in the order they are unpacked; made when they are not in the cache yet."""
    beside = [deb for deb in locked if deb.group in BESIDE]
    return [
        installed(locked, arch, epoch, cache, mirror),
        _layer("beside", beside, _lay_beside, arch, epoch, cache, mirror),
    ]


def installed(locked: Sequence[Deb], arch: str, epoch: int, cache: Path, mirror: str | None = None) -> Path:
    """The first layer alone: what dpkg installed."""
    some = [deb for deb in locked if deb.group == "root"]
    return _layer("base", some, _install, arch, epoch, cache, mirror)


def _layer(name: str, some: Sequence[Deb], make: Make, arch: str, epoch: int, cache: Path, mirror: str | None) -> Path:
    final = cache / f"{name}-{arch}-{debs.key(some, arch, RECIPE, str(epoch))}.tar"
    if not final.exists():
        files = debs.fetch(some, arch, cache, mirror)
        with tempfile.TemporaryDirectory(prefix=f"ramal-{name}-", dir=cache) as scratch:
            partial = Path(scratch) / "layer.tar"
            make(files, arch, epoch, partial)
            partial.rename(final)
    return final


def _install(files: Mapping[Deb, Path], arch: str, epoch: int, out: Path) -> None:
    _emulation(arch)
    progress = Progress(f"installing {len(files)} Debian packages for {arch} (once per lock)")
    private = out.parent / "archive"
    debs.repository(files, private)
    _mmdebstrap([deb.name for deb in files], arch, private, out, epoch)
    progress.done()


def _lay_beside(files: Mapping[Deb, Path], arch: str, epoch: int, out: Path) -> None:
    root = out.parent / "root"
    for deb, path in sorted(files.items()):
        _unpack(path, root, blobs.TAKEN.get(deb.name) if deb.group == "files" else None)
        _record(path, root)
    tools.run("tar", "--create", "--file", out, "--directory", root, "--sort=name", "--numeric-owner", "--owner=0",
              "--group=0", f"--mtime=@{epoch}", "--clamp-mtime", ".")  # fmt: skip


def _mmdebstrap(wanted: Iterable[str], arch: str, private: Path, out: Path, epoch: int) -> None:
    keep_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in UNREAD]
    keep_out += ["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright"]
    names = ",".join(sorted(wanted))
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
        # Keys made by a package's script, and the name of a folder of this machine: no image has them, nor this layer.
        '--customize-hook=rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/apt/sources.list',
        f"--include={names}",
        debs.SUITE,
        out,
        f"deb [trusted=yes] copy:{private} ./",
        env={"SOURCE_DATE_EPOCH": str(epoch), "TMPDIR": str(out.parent)},
    )


def _unpack(deb: Path, root: Path, only: Sequence[str] | None = None) -> None:
    """Only the files, on merged /usr (a package that still ships /lib must not replace the link). ``only``: patterns
    of what is taken (and the copyright file); ImageError when one of them finds nothing."""
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
        if only is not None:
            reduce(Path(scratch), only, deb.name)
        tools.run("cp", "-a", f"{scratch}/.", root)


def reduce(root: Path, only: Sequence[str], of: str) -> None:
    """Remove all but the files of ``only`` (patterns) and the copyright files from ``root``. ImageError when a pattern
    finds nothing in the package ``of``."""
    missing = [pattern for pattern in only if not any(root.glob(pattern))]
    if missing:
        raise ImageError(f"{of} has no {tools.capped(missing)} any more; look at ramal_image.blobs.")
    wanted = {path for pattern in (*only, "usr/share/doc/*/copyright") for path in root.glob(pattern)}
    for path in sorted(root.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in wanted:
            path.unlink()


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
            "As root: `mount -t binfmt_misc none /proc/sys/fs/binfmt_misc` (a container often lacks it), then "
            "`update-binfmts --enable`, then run this again."
        )


def open_into(layers: Sequence[Path], root: Path) -> None:
    """Unpack the layers into the new folder ``root``."""
    root.mkdir(parents=True)
    for layer in layers:
        tools.run("tar", "--extract", "--file", layer, "--directory", root, "--numeric-owner", "--preserve-permissions",
                  "--keep-directory-symlink")  # fmt: skip


def facts(locked: list[Deb]) -> Mapping[str, str]:
    """Name: version, of everything locked."""
    return {deb.name: deb.version for deb in locked}
