"""``make image``: from the locks to one flashable file. The composition of all the others. Main thread, root.

Everything it makes lies in build/image/<arch> of the checkout; what may be kept between builds lies in
``~/.cache/ramal/image``. ``quick`` trades size for time (the tests' builds).
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ramal.provide import archive, prefix
from ramal.provide.say import say
from ramal_image import (
    ImageError,
    base,
    bundle,
    bytecode,
    cuts,
    debs,
    disk,
    initrd,
    kernel,
    layout,
    loader,
    module,
    sbom,
    system,
    tools,
    wheels,
)

BASE_EPOCH = 1_790_000_000
"""The base layer's own time: fixed, so that it stays in the cache from commit to commit."""
CONSOLE = {"amd64": "ttyS0,115200", "arm64": "ttyS1,115200 console=serial0,115200"}
"""The last console that is there is the one process 1 speaks on. ``ttyS1`` is a Pi 4's header in mainline's numbering:
its loader puts ttyS0 for ``serial0``, as its maker's own kernel counts; a Pi 5's puts ttyAMA10, which is right."""
CONFIG_TXT = """\
# The Raspberry Pi's loader, this slot. autoboot.txt on the first partition chooses the slot.
[all]
arm_64bit=1
kernel=kernel8.img
initramfs initramfs.zst followkernel
# The kernel is mainline's, and so are the names of the device trees.
upstream_kernel=1
# A Pi 5 would look for marks of its maker's own system before it starts this one.
os_check=0
# Serial console: header pins 8 and 10 of a Pi 4 and CM4, the three-pin socket of a Pi 5.
enable_uart=1
disable_splash=1
# The firmware starts the watchdog, so that a kernel that hangs before process 1 falls back by itself.
kernel_watchdog_timeout=60
"""


@dataclass(slots=True)
class Steps:
    """How long each stage took, for the person who waits."""

    began: float = field(default_factory=time.monotonic)
    took_s: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        before = time.monotonic()
        yield
        self.took_s[name] = time.monotonic() - before
        say(f"  {name}: {self.took_s[name]:.1f} s")

    @property
    def total_s(self) -> float:
        return time.monotonic() - self.began


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be built. ``version`` and ``epoch`` (s) default to the checkout's; ``quick``: level 3, no xz."""

    checkout: Path
    arch: str
    version: str
    epoch: int
    quick: bool = False
    mirror: str | None = None

    @property
    def built(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.epoch))

    @property
    def name(self) -> str:
        return f"ramal-{self.version}-{self.arch}"


@dataclass(frozen=True, slots=True)
class Built:
    """The files of one build. ``boot`` (FAT) and ``root`` (squashfs) are what an update bundle carries."""

    image: Path
    boot: Path
    root: Path
    bootsel: Path
    sbom: Path
    manifest: Path
    packed: Path | None

    def sums(self) -> dict[str, str]:
        """File name: sha256, of everything that must come out the same again."""
        files = (self.image, self.boot, self.root, self.bootsel, self.sbom, *([self.packed] if self.packed else []))
        return {path.name: sha256(path) for path in files}


def wanted(
    checkout: Path, arch: str, version: str | None = None, quick: bool = False, mirror: str | None = None
) -> Wanted:
    """What ``checkout`` builds: its version, and the time of its last commit."""
    if arch not in debs.ARCHITECTURES:
        raise ImageError(f"There is no image for {arch}; there are {' and '.join(debs.ARCHITECTURES)}.")
    epoch = int(tools.run("git", "-C", checkout, "log", "-1", "--format=%ct").strip())
    return Wanted(checkout, arch, version or wheels.version(checkout), epoch, quick, mirror)


def cache() -> Path:
    """``~/.cache/ramal/image``."""
    folder = prefix.cache() / "image"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def keys() -> bundle.Keys:
    """What bundles are signed with: RAMAL_IMAGE_KEYS (a folder of a release's), else this machine's own, made once."""
    folder = os.environ.get("RAMAL_IMAGE_KEYS")
    return bundle.make_keys(Path(folder) if folder else cache() / "keys")


def bundled(want: Wanted, built: Built) -> Path:
    """The signed update bundle of a build, made when it is not there yet. (Its signature holds the time: it is the only
    file that differs from build to build.)"""
    out = built.image.with_suffix(".raucb")
    if not out.exists() or out.stat().st_mtime < built.root.stat().st_mtime:
        bundle.make_bundle(want.arch, want.version, built.boot, built.root, keys(), out)
    return out


def lock_file(checkout: Path, arch: str) -> Path:
    return checkout / f"image/packages-{arch}.lock"


def locked(checkout: Path, arch: str) -> list[debs.Deb]:
    """The committed lock; ImageError when there is none."""
    path = lock_file(checkout, arch)
    if not path.exists():
        raise ImageError(f"{path.name} is missing. Run `make image-lock ARCH={arch}` once and commit it.")
    return debs.read(path.read_text())


def write_lock(checkout: Path, arch: str, mirror: str | None = None) -> list[debs.Deb]:
    """``make image-lock``: the newest fitting packages of this machine's mirror."""
    found = debs.resolve(debs.wishes((checkout / "image/packages.txt").read_text(), arch), arch, cache(), mirror)
    lock_file(checkout, arch).write_text(debs.written(found, arch))
    return found


def build(want: Wanted, out: Path) -> Built:
    """Make the image of ``want`` in the folder ``out``; prints each stage's time and the sizes."""
    tools.require()
    steps = Steps()
    out.mkdir(parents=True, exist_ok=True)
    packages = locked(want.checkout, want.arch)
    with steps.step("base layer"):
        layers = base.provide(packages, want.arch, BASE_EPOCH, cache(), want.mirror)
    with steps.step("Python packages"):
        folder = wheels.provide(want.checkout, want.arch, cache())
    root = out / "root"
    shutil.rmtree(root, ignore_errors=True)
    try:
        built = _from_layers(want, out, root, layers, folder, packages, steps)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    if not want.quick:
        with steps.step("bundle"):
            bundled(want, built)
    _report(want, built, steps)
    return built


def _from_layers(
    want: Wanted, out: Path, root: Path, layers: list[Path], folder: Path, packages: list[debs.Deb], steps: Steps
) -> Built:
    facts = base.facts(packages)
    with steps.step("root"):
        base.open_into(layers, root)
        busybox = out / "busybox"
        shutil.copyfile(root / "usr/bin/busybox", busybox)
        wheels.install(want.checkout, folder, root, want.epoch)
        parts = sbom.of_root(root)
        kernel.keep_terms(root)
        cuts.cut(root)
        asterisk = system.asterisk_version(facts["asterisk"])
        system.furnish(want.checkout, root, want.arch, want.version, want.built, asterisk)
        for path, (text, mode) in bundle.files(want.arch, keys()).items():
            target = root / path.removeprefix("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            target.chmod(mode)
        cuts.setuid(root)
        cuts.caches(root)
    with steps.step("byte code"):
        own = lock_file(want.checkout, archive.architecture())
        others = debs.read(own.read_text()) if own.exists() else None
        with bytecode.runner(packages, others, want.arch, BASE_EPOCH, cache(), want.mirror) as python:
            bytecode.compile_all(root, python)
    with steps.step("our module"):
        made = module.provide(want.checkout, packages, want.arch, cache(), want.mirror)
    with steps.step("kernel"):
        name = kernel.version(root)
        if made is not None:
            module.put(made, root, name)
        boards, disks = kernel.boards(root, name, want.arch)
        stay, all_of_them = kernel.trim(root, name, boards)
        boot_files = out / "boot"
        shutil.rmtree(boot_files, ignore_errors=True)
        kernel.take(root, name, want.arch, boot_files)
        say(f"  kernel {name}: {stay} of {all_of_them} modules")
        initrd.build(
            root,
            name,
            busybox,
            want.checkout / "image/initramfs",
            boot_files / "initramfs.zst",
            want.epoch,
            disks,
        )
    starting = out / "loader"
    shutil.rmtree(starting, ignore_errors=True)
    parts = sorted([*parts, *loader.unpack(packages, want.arch, cache(), starting, want.mirror)])
    return _files(want, out, root, boot_files, parts, steps)


def _files(want: Wanted, out: Path, root: Path, boot_files: Path, parts: list[sbom.Part], steps: Steps) -> Built:
    squash, boot, selector = (out / f"{want.name}.{end}" for end in ("squashfs", "boot.vfat", "bootsel.vfat"))
    with steps.step("squashfs"):
        disk.squashfs(root, squash, want.epoch, 3 if want.quick else 15)
    with steps.step("boot partitions"):
        (boot_files / "config.txt").write_text(CONFIG_TXT)
        (boot_files / "cmdline.txt").write_text(loader.command_line_file(want.arch, command_line(want.arch, "A")))
        files = {path.name: path for path in sorted(boot_files.iterdir())}
        number = layout.volume_id(want.version, want.arch, "boot")
        disk.fat(boot, layout.BOOT_A, "RAMALBOOT", number, files, want.epoch)
        first = loader.files(want.arch, out / "loader", want.checkout, out / "first")
        disk.bootsel(selector, want.version, want.arch, want.epoch, first)
    with steps.step("image"):
        image = out / f"{want.name}.img"
        contents = {layout.BOOTSEL: selector, layout.BOOT_A: boot, layout.ROOT_A: squash}
        disk.assemble(image, want.version, want.arch, contents)
    packed = None
    if not want.quick:
        with steps.step("xz"):
            packed = disk.compress(image)
    papers, manifest = out / f"{want.name}.spdx.json", out / f"{want.name}.manifest.json"
    papers.write_text(sbom.text(parts, want.version, want.arch, want.built))
    built = Built(image, boot, squash, selector, papers, manifest, packed)
    table = {
        "version": want.version,
        "arch": want.arch,
        "built": want.built,
        "files": {
            name: {"sha256": value, "bytes": (out / name).stat().st_size} for name, value in built.sums().items()
        },
        "packages": [{"kind": part.kind, "name": part.name, "version": part.version} for part in parts],
    }
    manifest.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")
    return built


def command_line(arch: str, slot: str) -> str:
    """cmdline.txt. ``gpt``: the kernel then uses the second partition table when a power cut tore the first."""
    return (
        f"console=tty1 console={CONSOLE[arch]} quiet loglevel=4 gpt panic=10 ramal.slot={slot} "
        "systemd.tty.term.console=dumb"
    )


def same(want: Wanted, out: Path, anew: bool = False) -> bool:
    """Build twice in two folders and compare every file; says which differ. ``anew``: the second time with nothing kept
    from an earlier build but what was downloaded (base layer, module and byte code are made once more)."""
    sums = [build(want, out / "one").sums()]
    if not anew:
        sums.append(build(want, out / "two").sums())
    else:
        with tempfile.TemporaryDirectory(prefix="ramal-anew-", dir=cache()) as scratch:
            empty = Path(scratch) / "ramal/image"
            empty.mkdir(parents=True)
            for name in ("debs", "keys", *(path.name for path in cache().glob("wheels-*"))):
                (empty / name).symlink_to(cache() / name)
            before = os.environ.get("XDG_CACHE_HOME")
            os.environ["XDG_CACHE_HOME"] = scratch
            try:
                sums.append(build(want, out / "two").sums())
            finally:
                if before is None:
                    del os.environ["XDG_CACHE_HOME"]
                else:
                    os.environ["XDG_CACHE_HOME"] = before
    differ = sorted(name for name in sums[0] if sums[0][name] != sums[1][name])
    for name, value in sorted(sums[0].items()):
        say(f"{'DIFFERS' if name in differ else 'the same'}  {name}  {value}")
    return not differ


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _report(want: Wanted, built: Built, steps: Steps) -> None:
    update = built.image.with_suffix(".raucb")
    sizes = [built.root, *([built.packed] if built.packed else []), *([update] if not want.quick else [])]
    say(f"{want.name}: " + ", ".join(f"{path.name} {path.stat().st_size / 1e6:.1f} MB" for path in sizes))
    say(f"{built.image} is ready to be flashed, after {steps.total_s:.0f} s")
