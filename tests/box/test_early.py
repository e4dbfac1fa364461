"""What runs before calls on every start imports little, and what it decides when the data partition is not there."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ramal.box import early, home, safe
from ramal.box.home import Home

FIRMWARE = Path(__file__).parents[2] / "firmware"
HEAVY = {"argparse", "socket", "ssl", "logging", "sqlite3", "asyncio", "tempfile", "random", "hashlib", "zoneinfo",
         "ctypes", "subprocess", "email", "http", "concurrent.futures", "tomllib", "datetime"}  # fmt: skip


def imported(module: str) -> set[str]:
    """Everything that ``module`` brings in, on a Python without a single package installed."""
    code = (
        f"import sys; before = set(sys.modules); sys.path.insert(0, {str(FIRMWARE)!r}); import {module}; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def ours(brought: set[str]) -> set[str]:
    return {one for one in brought if one.startswith("ramal.")}


def test_the_count_of_starts_imports_next_to_nothing() -> None:
    brought = imported("ramal.box.early")
    assert brought & (HEAVY | {"dataclasses", "pathlib", "typing", "re", "inspect"}) == set()
    assert ours(brought) == {"ramal.box", "ramal.box.early", "ramal.core", "ramal.core.starts"}


def test_the_clock_goes_on_without_a_package_and_without_what_is_heavy() -> None:
    brought = imported("ramal.box.waking")
    assert brought & HEAVY == set()
    assert ours(brought) == {
        *("ramal.box", "ramal.box.home", "ramal.box.waking", "ramal.core", "ramal.core.clock", "ramal.errors"),
        *("ramal.ops", "ramal.ops.machine"),
    }


@pytest.mark.parametrize(("module", "unit"), [("early", "ramal-safe-check"), ("waking", "ramal-clock")])
def test_the_units_start_the_light_ones(module: str, unit: str) -> None:
    text = (FIRMWARE.parent / "systemd" / f"{unit}.service").read_text(encoding="utf-8")
    assert f"ExecStart=-/opt/ramal/bin/python -m ramal.box.{module}\n" in text


def test_without_data_the_initramfs_mark_becomes_safe_modes_folder(tmp_path: Path) -> None:
    """In data's shell script it is a file, because nobody of ours runs yet; Asterisk's files go into the folder."""
    where = safe.Places(tmp_path / "count", tmp_path / "safe")
    where.mark.write_text("data\n")
    assert "data partition" in safe.check(where, tmp_path)
    assert where.mark.is_dir()
    assert where.no_data.exists()
    assert not where.count.exists(), "in memory it would count nothing"
    (where.mark / "etc").mkdir()


def test_a_box_has_its_home_and_its_backups_whoever_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person at the console has no RAMAL_HOME; the backups must outlive a reset of the home."""
    release = tmp_path / "ramal-release"
    monkeypatch.setattr(home, "BOX_RELEASE", release)
    for name in ("RAMAL_HOME", "RAMAL_BACKUPS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    assert home.default_home().root == tmp_path / ".ramal"
    assert home.default_home().backups == tmp_path / ".ramal/backups"
    release.write_text("VERSION=1\n")
    assert home.default_home().root == Path("/data/ramal")
    assert home.default_home().backups == Path("/data/backups")
    monkeypatch.setenv("RAMAL_BACKUPS", str(tmp_path / "b"))
    assert Home(Path("/data/ramal")).backups == tmp_path / "b"


def test_a_counted_start_is_counted_though_the_plug_is_pulled_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is on the disk, too, and not only in the file system's plans for the next seconds."""
    synced: list[bool] = []
    monkeypatch.setattr(early.os, "fsync", lambda at: synced.append(stat.S_ISDIR(os.fstat(at).st_mode)))
    early.keep(str(tmp_path / "failed-boots" / "count"), 2)
    assert synced == [False, True]
    assert early.read(str(tmp_path / "failed-boots" / "count")) == 2


def test_what_cannot_be_counted_starts_as_usual(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert early.check(str(tmp_path / "file" / "count"), str(tmp_path / "safe"), str(tmp_path)) == ""
    assert not (tmp_path / "safe").exists()
