"""Logs stay small, also while somebody writes to them; journals are never touched."""

from pathlib import Path

from ramal.box.logs import logs_of, shorten


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
