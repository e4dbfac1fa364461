"""Backups with the daemon as a process: asked for by the command line, and after a kill in the middle."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ramal.box.home import Home
from ramal.core import office_file
from ramal.store import backups as rows
from ramal.store import migrations, settings
from ramal.store.db import open_reader, open_writer
from ramal.store.read import BackupPicture
from ramal.vault import backup_keys
from ramal.vault.backup_file import open_backup
from tests.process.conftest import OFFICE, ROOT, DaemonProcess
from tests.until import until


@pytest.fixture
def office(home: Home) -> None:
    with closing(open_writer(home.db)) as db:
        migrations.migrate(db)
        settings.save(db, office_file.read(OFFICE))


def ramal(home: Home, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RAMAL_HOME": str(home.root)}
    return subprocess.run(
        [sys.executable, "-m", "ramal", *words],
        cwd=ROOT, env=environment, input=given, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def picture(home: Home) -> BackupPicture:
    with closing(open_reader(home.db)) as db:
        return rows.backups(db)


def test_the_daemon_makes_one_and_compares_it(
    home: Home, office: None, start: Callable[..., DaemonProcess], tmp_path: Path
) -> None:
    daemon = start().up()
    done = ramal(home, "backup", "now")
    assert done.returncode == 0, done.stderr + daemon.log
    assert "restored and compared, all equal" in done.stdout
    (one,) = picture(home).latest
    assert [path.name for path in home.backups.iterdir()] == [one.name]
    assert "was made" in daemon.log
    assert not [row for row in daemon.live()["warnings"] if row["code"].startswith("backup")]
    refused = ramal(home, "restore", str(home.backups / one.name))
    assert refused.returncode == 1
    assert "Another Ramal process writes to" in refused.stderr
    elsewhere = ramal(home, "restore", str(home.backups / one.name), "--home", str(tmp_path / "other"))
    assert elsewhere.returncode == 0, elsewhere.stderr
    daemon.kill(signal.SIGTERM)
    before = backup_keys.load(home)
    back = ramal(home, "restore", str(home.backups / one.name))
    assert back.returncode == 0, back.stderr
    assert backup_keys.load(home) == before
    assert (home.backups / one.name).exists(), "the backups themselves come along"
    start().up()
    assert ramal(home, "backup", "list").stdout.count(one.name) == 1


def test_killed_while_one_is_made_the_next_daemon_goes_on(
    home: Home, office: None, start: Callable[..., DaemonProcess]
) -> None:
    with closing(open_writer(home.db)) as db:  # enough to be caught in the middle
        db.execute("BEGIN")
        db.executemany(
            "INSERT INTO audit (at_ms, who, what, detail) VALUES (?, 'x', 'y', ?)",
            ((n, os.urandom(60).hex()) for n in range(60_000)),
        )
        db.execute("COMMIT")
    daemon = start().up()
    daemon.ask("backups.now")
    until(lambda: home.backups.exists() and any(home.backups.iterdir()), 20, "the backup begins")
    daemon.kill()
    until(lambda: not _workers(home), 10, "the work ends with its daemon")
    daemon = start().up()
    assert ramal(home, "backup", "now").returncode == 0, daemon.log
    last, cut = picture(home).latest
    assert (last.verdict, cut.name, cut.reason) == ("equal", "", "stopped")
    assert [path.name for path in home.backups.iterdir()] == [last.name]


def _workers(home: Home) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"ramal.vault.backup_work" in words and os.fsencode(home.root) in words:
            found.append(path.parent.name)
    return found


def test_without_a_daemon_the_command_does_it_all(home: Home, office: None, tmp_path: Path) -> None:
    done = ramal(home, "backup", "now")
    assert done.returncode == 0, done.stderr
    (one,) = picture(home).latest
    file = home.backups / one.name
    code = ramal(home, "backup", "key")
    assert code.returncode == 0
    assert len(code.stdout.strip()) == 39
    assert "Write it down" in code.stderr
    elsewhere = Home(tmp_path / "other")
    verified = ramal(elsewhere, "backup", "verify", str(file), "--code-file", "-", given=code.stdout)
    assert "all equal" in verified.stdout, verified.stderr
    assert verified.returncode == 0
    assert not elsewhere.root.exists()
    wrong = ramal(elsewhere, "restore", str(file), "--code-file", "-", given="no such code, nor was there ever")
    assert wrong.returncode == 1
    assert "another recovery code" in wrong.stderr
    assert not elsewhere.root.exists()
    nobody = ramal(elsewhere, "restore", str(file))
    assert "another recovery code" in nobody.stderr
    back = ramal(elsewhere, "restore", str(file), "--code-file", "-", given=code.stdout.replace("-", " ").upper())
    assert back.returncode == 0, back.stderr
    with closing(open_reader(elsewhere.db)) as db:
        assert settings.load(db) == office_file.read(OFFICE)


def test_a_passphrase_is_never_a_word_of_the_command_line(home: Home, office: None, tmp_path: Path) -> None:
    (tmp_path / "phrase").write_text("correct horse battery staple\n")
    done = ramal(home, "backup", "key", "passphrase", "--code-file", str(tmp_path / "phrase"))
    assert done.returncode == 0, done.stderr
    assert "horse" not in done.stdout + done.stderr
    ramal(home, "backup", "now")
    (file,) = home.backups.iterdir()
    other = ramal(
        Home(tmp_path / "other"), "restore", str(file), "--code-file", "-", given="Correct-Horse battery staple"
    )
    assert other.returncode == 0, other.stderr
    weak = ramal(home, "backup", "key", "passphrase", "--code-file", "-", given="secret")
    assert weak.returncode == 1
    assert "Nothing was changed" in weak.stderr
    open_backup(file, [one.key for one in backup_keys.load(home)]).close()


def test_a_home_that_is_none_and_a_box_without_an_office_are_told(home: Home, tmp_path: Path) -> None:
    assert "no box in" in ramal(Home(tmp_path / "nowhere"), "backup", "now").stderr
    with closing(open_writer(home.db)) as db:
        migrations.migrate(db)
    assert "nothing to back up" in ramal(home, "backup", "now").stderr
    assert "There is no backup yet" in ramal(home, "backup", "list").stdout
    assert ramal(home, "restore", str(tmp_path / "none")).returncode == 1
