"""The .venv of a tiny checkout, made by the real venv and pip from wheels in a folder. No network."""

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ramal.provide import lock, venv
from ramal.provide.lock import LockError
from ramal.provide.venv import VenvError

# A build backend of 20 lines, so that the editable install needs no setuptools, which no index could provide here.
BACKEND = """
import pathlib, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "tinybox-1-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        wheel.writestr("tinybox.pth", str(pathlib.Path.cwd()))
        wheel.writestr("tinybox-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tinybox\\nVersion: 1\\n")
        wheel.writestr("tinybox-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("tinybox-1.dist-info/RECORD", "tinybox-1.dist-info/RECORD,,\\n")
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "tinybox"
version = "1"
"""


def wheel(folder: Path, version: str) -> str:
    """Write the package ``bell`` as a wheel; its line in a lock file."""
    path = folder / f"bell-{version}-py3-none-any.whl"
    info = f"bell-{version}.dist-info"
    files = {
        "bell.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: bell\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={digest(text)},{len(text)}\n" for name, text in files.items())
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(name, text)
    return f"bell=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root, wheels = tmp_path / "a checkout", tmp_path / "wheels"
    (root / "firmware").mkdir(parents=True)
    wheels.mkdir()
    (root / "backend.py").write_text(BACKEND)
    (root / "pyproject.toml").write_text(PROJECT)
    (root / lock.RUN).write_text(wheel(wheels, "1.0"))
    for name in [key for key in os.environ if key.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_USER", "1")  # a habit of some machines that must not send the packages elsewhere
    return root


def rings(python: Path) -> str:
    """The version of the package that the venv's python finds."""
    return ask(python, "import bell; print(bell.VERSION)")


def ask(python: Path, code: str) -> str:
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()


def test_a_venv_is_made_once_kept_while_it_fits_and_changed_when_the_lock_changes(
    checkout: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    python = venv.provide(checkout)
    assert rings(python) == "1.0"
    assert ask(python, "import importlib.metadata, backend; print(importlib.metadata.version('tinybox'))") == "1"
    capfd.readouterr()
    made = python.lstat().st_mtime_ns
    venv.provide(checkout)
    assert capfd.readouterr().out == ""

    # A lock that asks for another version changes it in place: a box that runs out of this .venv keeps its python.
    (checkout / lock.RUN).write_text(wheel(checkout.parent / "wheels", "2.0"))
    assert rings(venv.provide(checkout)) == "2.0"
    assert python.lstat().st_mtime_ns == made

    # What an interrupted run left is not trusted.
    (checkout / ".venv/.ramal-building").touch()
    (python.parent.parent / "lib/half").touch()
    assert rings(venv.provide(checkout)) == "2.0"
    assert not (checkout / ".venv/lib/half").exists()
    assert "making it anew" in capfd.readouterr().out


def test_a_file_that_is_not_the_locked_one_is_refused_and_the_venv_stays_unfinished(checkout: Path) -> None:
    good = (checkout / lock.RUN).read_text()
    wheel_path = next((checkout.parent / "wheels").iterdir())
    content = wheel_path.read_bytes()
    with zipfile.ZipFile(wheel_path, "a") as changed:
        changed.writestr("bell_evil.py", "")
    with pytest.raises(VenvError, match="HASH"):
        venv.provide(checkout)
    wheel_path.write_bytes(content)
    assert (checkout / lock.RUN).read_text() == good
    assert rings(venv.provide(checkout)) == "1.0"


def test_a_missing_lock_file_is_a_sentence(checkout: Path) -> None:
    (checkout / lock.RUN).unlink()
    with pytest.raises(LockError, match="make lock"):
        venv.provide(checkout)


def test_two_set_ups_at_once_make_one_venv(checkout: Path) -> None:
    words = "import pathlib, sys; from ramal.provide import venv; print(venv.provide(pathlib.Path(sys.argv[1])))"
    both = [
        subprocess.Popen([sys.executable, "-c", words, str(checkout)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("making .venv with" in text for text in said) == 1
    assert rings(checkout / ".venv/bin/python") == "1.0"
