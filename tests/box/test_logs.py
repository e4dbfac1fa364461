"""Logs stay small, also while somebody writes to them; journals are never touched."""

import os
from pathlib import Path

import pytest

from ramal.box.logs import add_to_ring, logs_of, main, shorten
from tests.image.test_units import SERVICES, unit


def test_a_long_log_is_put_aside_and_its_writer_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    long, short = tmp_path / "daemon.log", tmp_path / "page.log"
    short.write_text("short\n")
    (tmp_path / "a" / "queue_log").write_bytes(b"x" * 500)
    with long.open("ab", buffering=0) as writer:
        writer.write(b"old line\n" * 50)
        assert shorten(logs_of(tmp_path, tmp_path / "a"), 100) == (long,)
        writer.write(b"new line\n")
    assert long.read_bytes() == b"new line\n"
    assert (tmp_path / "daemon.log.1").read_bytes() == b"old line\n" * 50
    assert short.read_text() == "short\n"
    assert (tmp_path / "a" / "queue_log").stat().st_size == 500


def test_the_ring_of_warnings_never_grows_beyond_its_files_and_keeps_the_newest(tmp_path: Path) -> None:
    for number in range(100):
        add_to_ring(tmp_path / "ring", f"line {number:04}\n" * 10, files=3, file_bytes=1000)
    kept = sorted((tmp_path / "ring").iterdir())
    assert [path.name for path in kept] == ["0", "1", "2"]
    assert all(path.stat().st_size <= 1000 for path in kept)
    assert "line 0099" in kept[0].read_text()
    assert "line 0000" not in "".join(path.read_text() for path in kept)
    add_to_ring(tmp_path / "ring", "x" * 5000, files=3, file_bytes=1000)
    assert (tmp_path / "ring" / "0").stat().st_size == 1000


def test_a_link_laid_among_the_logs_is_not_followed(tmp_path: Path) -> None:
    """Neither where a log is put aside nor as a log; a FIFO holds nobody."""
    secret = tmp_path / "shadow"
    secret.write_bytes(b"root's" * 100)
    log = tmp_path / "log"
    log.mkdir()
    (log / "a.log").write_bytes(b"mine" * 100)
    (log / "a.log.1").symlink_to(secret)
    (log / "b.log").symlink_to(secret)
    os.mkfifo(log / "c.log")
    assert shorten(logs_of(log, tmp_path / "none"), 100) == (log / "a.log",)
    assert secret.read_bytes() == b"root's" * 100
    assert not (log / "a.log.1").is_symlink()
    assert (log / "a.log.1").read_bytes() == b"mine" * 100


def test_root_touches_no_log_of_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its service sees no home at all; the home's logs are shortened by their own user."""
    monkeypatch.setenv("RAMAL_HOME", str(tmp_path / "home"))
    log = tmp_path / "home/log/daemon.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"x" * (9 << 20))
    main(["journal"], tmp_path / "journal")
    assert log.stat().st_size == 9 << 20
    main(["home"], tmp_path / "journal")
    assert log.stat().st_size == 0
    read = unit("ramal-logs.service")
    assert read["ReadWritePaths"] == ["/data/system/journal"]
    assert read["InaccessiblePaths"] == ["-/data/ramal"]
    assert read["CapabilityBoundingSet"] == []
    assert unit("ramal-shorten.service")["User"] == ["ramal"]


def test_no_service_of_root_may_write_to_folders_whose_names_the_home_can_exchange() -> None:
    """Process 1 follows links in these paths: below the home only its own user's services may name one."""
    for name in SERVICES:
        read = unit(name)
        if read.get("User", ["root"]) == ["root"]:
            below = [path for path in read.get("ReadWritePaths", []) if path.lstrip("-").startswith("/data/ramal/")]
            assert below == [], name
