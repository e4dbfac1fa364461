"""Programs of the prefix see what they should, get their signals, and can be given a disk that fills up."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ramal.provide import Peers, peers
from ramal.provide.sandbox import SandboxError
from tests.until import until

# Waits on a pipe that nobody writes to, so it ends by signals only; the shell is the program itself, not its child.
WAIT = "echo ready; read forever"


PIPES: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}


@pytest.fixture
def found() -> Peers:
    return peers()


def sh(found: Peers, script: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(found.argv("sh", "-c", script, **options), capture_output=True, text=True)


def test_a_bound_folder_is_writable_under_its_own_path(found: Peers) -> None:
    folder = Path.home() / f".ramal-test-{os.getpid()}"
    folder.mkdir()
    try:
        assert sh(found, f"echo heard > {folder}/file", binds=[folder]).returncode == 0
        assert (folder / "file").read_text() == "heard\n"
        assert sh(found, f"test -e {folder}").returncode == 1
    finally:
        (folder / "file").unlink(missing_ok=True)
        folder.rmdir()


def test_the_prefix_itself_cannot_be_changed(found: Peers) -> None:
    assert "Read-only file system" in sh(found, "echo x > /usr/bin/new").stderr


def test_the_users_names_and_temporary_files_are_the_hosts(found: Peers, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("here\n")
    assert sh(found, f"read line < {tmp_path}/mine; echo $line", binds=[tmp_path]).stdout == "here\n"
    passwd = Path("/etc/passwd").read_text()
    assert sh(found, "while read line; do echo $line; done < /etc/passwd").stdout.split() == passwd.split()


def test_a_disk_of_limited_size_really_fills_up_and_leaves_the_hosts_alone(found: Peers, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    block = "x" * 4096
    script = (
        f"for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo {block} >> {disk}/file || exit 28; done"
    )
    full = sh(found, script, binds=[tmp_path], tmpfs={disk: 16 * 4096})
    assert full.returncode == 28
    assert "error" in full.stderr
    assert sh(found, script, binds=[tmp_path], tmpfs={disk: 64 * 4096}).returncode == 0
    assert list(disk.iterdir()) == []


def test_an_exit_code_passes_through(found: Peers) -> None:
    assert sh(found, "exit 7").returncode == 7


def test_a_started_program_is_known_by_its_own_pid_and_gets_its_signals(found: Peers, tmp_path: Path) -> None:
    script = f"trap 'echo asked > {tmp_path}/end; exit 3' TERM; {WAIT}"
    with found.start("sh", "-c", script, binds=[tmp_path], **PIPES) as running:
        assert running.popen.stdout is not None
        assert running.popen.stdout.readline() == b"ready\n"
        assert running.pid != running.popen.pid
        assert Path(f"/proc/{running.pid}/comm").read_text() == "sh\n"
        assert running.poll() is None
        assert running.stop() == 3
        close(running.popen)
    assert (tmp_path / "end").read_text() == "asked\n"


def test_a_program_that_does_not_listen_is_killed(found: Peers) -> None:
    with found.start("sh", "-c", f"trap '' TERM; {WAIT}", **PIPES) as running:
        assert running.popen.stdout is not None
        running.popen.stdout.readline()
        assert running.stop(timeout_s=0.2) == 128 + signal.SIGKILL
        running.send_signal(signal.SIGTERM)  # to nobody, and no harm
        close(running.popen)


def test_a_program_that_has_ended_at_once_is_no_error(found: Peers) -> None:
    for _ in range(5):
        with found.start("sh", "-c", "exit 5") as running:
            assert running.wait(30) == 5


def test_a_program_outlives_its_starter_or_dies_with_it_as_asked(found: Peers, tmp_path: Path) -> None:
    code = (
        "import sys; from ramal.provide import peers; "
        f"r = peers().start('sh', '-c', 'read forever < {tmp_path}/pipe', die_with_parent=sys.argv[1] == 'dies'); "
        "print(r.pid, flush=True); sys.stdin.read()"
    )
    os.mkfifo(tmp_path / "pipe")
    holder = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        pids = {}
        for manner in ("dies", "lives"):
            words = [sys.executable, "-c", code, manner]
            with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starter:
                assert starter.stdout is not None
                pids[manner] = int(starter.stdout.readline())
                starter.kill()
        until(lambda: not alive(pids["dies"]), 10, "it died with its starter")
        assert alive(pids["lives"])
        os.kill(pids["lives"], signal.SIGTERM)
        until(lambda: not alive(pids["lives"]), 10, "it ended when it was told")
    finally:
        os.close(holder)


def test_a_program_outlives_the_thread_that_started_it(found: Peers) -> None:
    started = []
    thread = threading.Thread(target=lambda: started.append(found.start("sh", "-c", WAIT, **PIPES)))
    thread.start()
    thread.join()
    with started[0] as running:
        assert running.popen.stdout is not None
        assert running.popen.stdout.readline() == b"ready\n"
        assert running.poll() is None
        running.stop()
        close(running.popen)


def test_a_program_that_is_not_provided_is_a_sentence(found: Peers) -> None:
    with pytest.raises(SandboxError, match="is not among the provided programs"):
        found.argv("no-such-program")


def test_a_folder_that_cannot_be_bound_is_told_and_leaves_no_descriptor(found: Peers, tmp_path: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(SandboxError, match="does not exist"):
        found.start("sh", "-c", "exit", binds=[tmp_path / "missing"])
    assert sorted(os.listdir("/proc/self/fd")) == before


def close(popen: "subprocess.Popen[bytes]") -> None:
    for pipe in (popen.stdin, popen.stdout):
        if pipe is not None:
            pipe.close()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
