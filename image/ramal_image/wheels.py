"""The application layer: Ramal and its locked Python packages in /opt/ramal, without pip ever running in the image.

Law: only ready-made wheels, checked against firmware/requirements.lock; our own is built from this checkout's files
with their times set, so that the same checkout gives the same bytes. Main thread.
"""

import hashlib
import re
import shutil
import sys
import zipfile
from pathlib import Path

from ramal_image import ImageError, tools

LOCK = Path("firmware/requirements.lock")
PYTHON = "3.14"
NOT_ON_A_BOX = ("pip", "setuptools", "pycparser")
"""In the lock because a checkout needs them. (cffi wants pycparser only to compile.)"""
UNREAD = ("*/tests", "*/test", "*.dist-info/RECORD", "*.dist-info/INSTALLER")
_MACHINE = {"amd64": "x86_64", "arm64": "aarch64"}
_GLIBC = ("2_41", "2_34", "2_28", "2_26", "2_24", "2_17", "2_12", "2_5")
LANGUAGES = ("root", "en", "pt", "es", "fr", "de", "it")
"""Babel's data for 1,000 languages is 30 MB; those of an office's people stay."""


def platforms(arch: str) -> list[str]:
    """What pip may take for an image of ``arch``, the newest first."""
    machine = _MACHINE[arch]
    return [
        *(f"manylinux_{glibc}_{machine}" for glibc in _GLIBC),
        f"manylinux2014_{machine}",
        f"linux_{machine}",
        "any",
    ]


def provide(checkout: Path, arch: str, cache: Path) -> Path:
    """A folder with exactly the locked wheels for ``arch``; asks the network only for what is not there."""
    text = (checkout / LOCK).read_bytes()
    folder = cache / f"wheels-{arch}-{hashlib.sha256(text).hexdigest()[:16]}"
    if folder.exists():
        return folder
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    names = [word for name in platforms(arch) for word in ("--platform", name)]
    try:
        tools.run(sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--require-hashes",
                  "--only-binary", ":all:", "--no-deps", "-d", partial, "--python-version", PYTHON, "--implementation",
                  "cp", "--abi", f"cp{PYTHON.replace('.', '')}", "--abi", "abi3", "--abi", "none", *names,
                  "-r", checkout / LOCK)  # fmt: skip
    except ImageError as error:
        raise ImageError(
            f"Not every locked Python package has a ready-made wheel for Python {PYTHON} on {arch} (or the network "
            f"fails). Nothing was built. Run `make lock` for newer versions.\n{error}"
        ) from error
    partial.rename(folder)
    return folder


def install(checkout: Path, wheels: Path, root: Path, epoch: int) -> list[str]:
    """Fill ``root``/opt/ramal; the wheels' file names. Nothing of a wheel is run."""
    home = root / "opt/ramal"
    site = home / "lib" / f"python{PYTHON}" / "site-packages"
    site.mkdir(parents=True)
    (home / "bin").mkdir()
    (home / "pyvenv.cfg").write_text(f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n")
    (home / "bin/python").symlink_to(f"/usr/bin/python{PYTHON}")
    (home / "bin/python3").symlink_to("python")
    used = []
    for wheel in sorted(wheels.glob("*.whl")):
        if re.split(r"-\d", wheel.name)[0].replace("_", "-").lower() in NOT_ON_A_BOX:
            continue
        _unpack(wheel, site)
        used.append(wheel.name)
    _ourselves(checkout, site)
    _trim(site)
    program = home / "bin/ramal"
    program.write_text("#!/opt/ramal/bin/python -I\nimport sys\n\nfrom ramal.cli import main\n\nsys.exit(main())\n")
    program.chmod(0o755)
    link = root / "usr/bin/ramal"
    link.unlink(missing_ok=True)
    link.symlink_to("/opt/ramal/bin/ramal")
    return used


def _unpack(wheel: Path, site: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for item in archive.infolist():
            target = (site / item.filename).resolve()
            if not target.is_relative_to(site.resolve()):
                raise ImageError(f"{wheel.name} would write outside its folder; nothing was built.")
            top = item.filename.split("/")[0]
            if top.endswith(".data"):
                continue  # scripts and headers: none that a box runs
            archive.extract(item, site)
    for path in site.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


def _ourselves(checkout: Path, site: Path) -> None:
    """What a wheel of ours would hold: the packages with their data, and the record of our version."""
    listed = tools.run("git", "-C", checkout, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--",
                       "firmware/ramal", "web/ramal_web", "hw/ramal_hw")  # fmt: skip
    for name in sorted(filter(None, listed.split("\0"))):
        source = checkout / name
        if not source.is_file():
            continue
        target = site / Path(*Path(name).parts[1:])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    for po in sorted((site / "ramal_web/translations").rglob("*.po")):
        _compiled(po)
    known = site / f"ramal-{version(checkout)}.dist-info"
    known.mkdir()
    (known / "METADATA").write_text(f"Metadata-Version: 2.1\nName: ramal\nVersion: {version(checkout)}\n")


def _compiled(po: Path) -> None:
    tools.run(sys.executable, "-m", "babel.messages.frontend", "compile", "-i", po, "-o", po.with_suffix(".mo"), "-l",
              po.parts[-3], env={"PYTHONPATH": ""})  # fmt: skip
    po.unlink()


def version(checkout: Path) -> str:
    """Our own, from pyproject.toml."""
    found = re.search(r'^version = "([0-9][0-9A-Za-z.+-]*)"', (checkout / "pyproject.toml").read_text(), re.MULTILINE)
    if found is None:
        raise ImageError("pyproject.toml names no version; nothing was built.")
    return found[1]


def _trim(site: Path) -> None:
    for pattern in UNREAD:
        for path in sorted(site.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for data in (site / "babel/locale-data").glob("*.dat"):
        if data.stem.split("_")[0] not in LANGUAGES:
            data.unlink()
