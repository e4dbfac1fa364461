"""Logs stay small, also while somebody writes to them; journals are never touched."""

from pathlib import Path

from ramal.box.logs import add_to_ring, logs_of, shorten


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
