"""The daemon killed while it sends, and the command line."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ramal import copies as command
from ramal.control.server import Server as Socket
from ramal.core import office_file
from ramal.ops.copies import subject
from ramal.store import settings
from tests.copies.kept import Kept, work
from tests.copies.servers import Server
from tests.until import until


def rclones(home: Path) -> list[str]:
    """Processes of rclone that work for this home."""
    found = []
    for one in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"HOME={home}".encode() in one.read_bytes():
                found.append(one.parent.name)
        except OSError:
            continue
    return found


def test_a_daemon_killed_while_it_sends_is_taken_up_and_sends_nothing_twice(
    kept: Kept, sftp: Server, tmp_path: Path
) -> None:
    kept.put(8, size=150_000)
    kept.to(sftp.copy(bandwidth_kbit=3200))
    file = tmp_path / "office.toml"
    file.write_text(office_file.write(kept.office), encoding="utf-8")
    kept.shelf.close()  # one writer at a time
    child = subprocess.Popen([sys.executable, "-m", "tests.copies.child", kept.shelf.home.root, file])
    try:
        until(lambda: len(sftp.files()) >= 3, 30.0, "some arrive")
    finally:
        child.kill()
        child.wait()
    until(lambda: not rclones(kept.shelf.home.copies), 10.0, "rclone ends with who started it")
    sftp.stop()  # what it had been given is written, nothing more arrives
    sftp.start()
    whole = [name for name, body in sftp.files().items() if len(body) == 150_000]
    assert 1 <= len(whole) < 8
    after = Kept.at(kept.shelf.home.root)
    try:
        after.to(replace(kept.office.copy[0], bandwidth_kbit=0))
        assert after.picture().left == 8, "nothing counts that was not looked at there"
        work(after.copier())
        assert sftp.files() == after.files()
        run = after.picture().runs[0]
        assert (run.copied, run.bytes) == (8, (8 - len(whole)) * 150_000)
    finally:
        after.shelf.close()


def test_the_command_copies_tells_and_checks(kept: Kept, sftp: Server, capsys: pytest.CaptureFixture[str]) -> None:
    home = kept.shelf.home
    kept.to(sftp.copy(window="01:00-01:01"))
    kept.shelf.write(lambda db: settings.save(db, kept.office))
    kept.put(2)
    assert command.run(home, "status", "", False) == 0, "it needs no daemon"
    assert "2 are NOT copied yet" in capsys.readouterr().out
    made = subject(replace(kept.shelf.means(), office=lambda: kept.office), load=lambda: 0.0)
    socket = Socket(home.control_sock, made.handlers)
    made.start()
    socket.start()
    try:
        assert command.run(home, "test", "", False) == 0
        assert command.run(home, "now", "", False) == 0
        assert command.run(home, "check", "", False) == 0
        said = capsys.readouterr().out
        assert "The connection works" in said
        assert "2 copied" in said
        assert "2 looked at" in said
        assert sftp.files() == kept.files()
        sftp.stop()
        kept.put()
        assert command.run(home, "now", "", False) == 1
        assert "does not answer" in capsys.readouterr().err
    finally:
        socket.stop()
        made.stop()


def test_a_box_that_becomes_busy_lets_go_of_what_it_sends_and_goes_on_later(kept: Kept, sftp: Server) -> None:
    kept.put(8, size=150_000)
    kept.to(sftp.copy(bandwidth_kbit=3200))
    copier = kept.copier()
    copier.start()
    try:
        until(lambda: len(sftp.files()) >= 2, 30.0, "some arrive")
        kept.load = 99.0

        def let_go() -> bool:
            kept.seconds += 20  # the copier's clock, on which half a minute of being busy passes
            return not rclones(kept.shelf.home.copies)

        until(let_go, 15.0, "rclone is ended")
        until(lambda: copier.told()["waiting"], 10.0, "it waits")
        assert len(sftp.files()) < 8
        kept.load = 0.0
        kept.to(replace(kept.office.copy[0], bandwidth_kbit=0))
        until(lambda: kept.picture().left == 0, 30.0, "the rest arrives")
    finally:
        copier.stop()
    assert sftp.files() == kept.files()
