"""Our one kernel module (image/module), compiled for the locked kernel by the compiler that made that kernel.

Law: compiler, headers and kernel come from the same lock, in the image's own architecture, unpacked into a folder of
their own: nothing of them is in the image, and the same lock gives the same bytes on every machine. Needs root (chroot)
and, for another architecture, qemu-user. Main thread.
"""

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ramal.provide import archive
from ramal.provide.say import say
from ramal_image import ImageError, debs, tools
from ramal_image.debs import Deb

RECIPE = "1"
NAME = "ramal_tryboot"
WHERE = "updates"
"""The folder in a kernel's modules that depmod prefers."""


def provide(checkout: Path, locked: Sequence[Deb], arch: str, cache: Path, mirror: str | None = None) -> Path | None:
    """The compiled module, from the cache where the same source was compiled by the same lock; None where the
    architecture has none (no ``debs.BUILD``)."""
    if arch not in debs.BUILD:
        return None
    source = checkout / "image/module"
    some = [deb for deb in locked if deb.group == "build"]
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sorted(source.iterdir()))).hexdigest()
    final = cache / f"module-{arch}-{debs.key(some, arch, RECIPE, digest)}.ko"
    if final.exists():
        return final
    files = debs.fetch(some, arch, cache, mirror)
    with tempfile.TemporaryDirectory(prefix="ramal-module-", dir=cache) as scratch:
        root = Path(scratch) / "root"
        say(f"compiling {NAME} for {arch} (once per lock)")
        archive.unpack([path for _, path in sorted(files.items())], root)
        made = _compile(source, root, version(some))
        shutil.copyfile(made, final.with_suffix(".partial"))
    final.with_suffix(".partial").rename(final)
    return final


def version(locked: Iterable[Deb]) -> str:
    """The kernel that the locked headers are of: ``7.2.12+deb14-arm64``. ImageError when there is not exactly one."""
    found = [
        deb.name.removeprefix("linux-headers-")
        for deb in locked
        if deb.name.startswith("linux-headers-") and deb.name[14].isdigit() and not deb.name.endswith("-common")
    ]
    if len(found) != 1:
        raise ImageError(f"The lock has the headers of {tools.capped(found) or 'no kernel'}. Run `make image-lock`.")
    return found[0]


def put(made: Path, root: Path, kernel: str) -> None:
    """Lay the module into ``root``'s kernel ``kernel``; ImageError when it was compiled for another."""
    text = made.read_bytes()
    magic = f"vermagic={kernel} ".encode()
    if magic not in text:
        raise ImageError(f"{NAME} was compiled for another kernel than {kernel}. Run `make image-lock`.")
    target = root / "usr/lib/modules" / kernel / WHERE / f"{NAME}.ko"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text)


def _compile(source: Path, root: Path, kernel: str) -> Path:
    os.umask(0o022)
    for name, minor in (("null", 3), ("zero", 5), ("urandom", 9)):
        os.mknod(root / "dev" / name, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
    (root / "tmp").mkdir(exist_ok=True)
    (root / "usr/bin/awk").symlink_to("mawk")  # a package's script would make it, and none runs here
    work = root / "module"
    shutil.copytree(source, work)
    # An undefined symbol (none in the kernel's Module.symvers) fails here. No type data for tracing (it wants the whole
    # kernel's), no debug data: neither is loaded on a box.
    tools.run("chroot", root, "/usr/bin/make", "-C", f"/usr/lib/modules/{kernel}/build", "M=/module", "modules",
              "CONFIG_DEBUG_INFO_BTF_MODULES=", "KBUILD_MODPOST_WARN=", env=_ENVIRONMENT)  # fmt: skip
    made = work / f"{NAME}.ko"
    strip = sorted(path.name for path in (root / "usr/bin").glob("*-linux-gnu-strip"))
    tools.run("chroot", root, f"/usr/bin/{strip[0]}", "--strip-debug", "--enable-deterministic-archives",
              f"/module/{NAME}.ko", env=_ENVIRONMENT)  # fmt: skip
    return made


_ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/sbin:/usr/bin", "LC_ALL": "C", "HOME": "/", "KBUILD_BUILD_TIMESTAMP": "1970-01-01",
    "KBUILD_BUILD_USER": "ramal", "KBUILD_BUILD_HOST": "ramal", "SOURCE_DATE_EPOCH": "0",
}  # fmt: skip
