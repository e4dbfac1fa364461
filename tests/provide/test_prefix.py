"""The prefix is there whole or not at all; tried with a tiny unpack in the place of Debian's, and with the real one."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ramal.provide import Peers, peers, prefix
from ramal.provide.prefix import PrefixError, Wanted
from tests.until import until

TINY = Wanted("forky", "amd64", ("bell",))


def accept(root: Path) -> str:
    return (root / "bell").read_text()


def fill(root: Path) -> None:
    (root / "bell").write_text("22.1.0")


def refuse(root: Path) -> None:
    raise AssertionError(f"nothing was to be unpacked into {root}")


def test_a_second_set_up_finds_what_the_first_unpacked(tmp_path: Path) -> None:
    first = prefix.install(tmp_path, TINY, fill, accept)
    assert (first / "bell").read_text() == "22.1.0"
    assert prefix.install(tmp_path, TINY, refuse, accept) == first


def test_an_unpack_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fails(root: Path) -> None:
        fill(root)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        prefix.install(tmp_path, TINY, fails, accept)
    assert [path.name for path in tmp_path.iterdir()] == [f"{TINY.name}.lock"]


def test_what_does_not_run_here_is_not_kept(tmp_path: Path) -> None:
    def rejects(root: Path) -> str:
        raise PrefixError("it does not run")

    with pytest.raises(PrefixError):
        prefix.install(tmp_path, TINY, fill, rejects)
    assert not (tmp_path / TINY.name).exists()


def fill_and_hang(root: Path) -> None:
    (root / "bell").write_text("half")
    (root / "locked").mkdir(mode=0o500)
    signal.pause()


def test_a_set_up_killed_in_the_middle_leaves_nothing_half_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    killed = context.Process(target=prefix.install, args=(tmp_path, TINY, fill_and_hang, accept))
    killed.start()
    partial = tmp_path / f"{TINY.name}.partial"
    until(lambda: (partial / "locked").exists(), 30, "the unpack has begun")
    assert killed.pid is not None
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    assert partial.exists()
    assert not (tmp_path / TINY.name).exists()
    final = prefix.install(tmp_path, TINY, fill, accept)
    assert sorted(path.name for path in final.iterdir()) == ["bell", "ramal-peers.json"]
    assert not partial.exists()


def test_a_set_up_killed_before_its_last_rename_is_not_mistaken_for_a_whole_one(tmp_path: Path) -> None:
    (tmp_path / TINY.name).mkdir()
    (tmp_path / TINY.name / "bell").write_text("no record of it")
    assert (prefix.install(tmp_path, TINY, fill, accept) / "bell").read_text() == "22.1.0"


ONE_OF_TWO = """
import pathlib, sys, time
from ramal.provide import prefix
home, mark = pathlib.Path(sys.argv[1]), sys.argv[2]

def fill(root):
    (home / f"filled-by-{mark}").touch()
    while not (home / "go").exists():
        time.sleep(0.01)
    (root / "bell").write_text("22.1.0")

want = prefix.Wanted("forky", "amd64", ("bell",))
print(prefix.install(home, want, fill, lambda root: (root / "bell").read_text()))
"""


def test_of_two_set_ups_at_once_one_unpacks_and_the_other_waits_and_says_so(tmp_path: Path) -> None:
    def begin(mark: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", ONE_OF_TWO, str(tmp_path), mark]
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    with begin("first") as first:
        until(lambda: (tmp_path / "filled-by-first").exists(), 30, "the first one unpacks")
        with begin("second") as second:
            assert second.stdout is not None
            assert "waiting for it to finish" in second.stdout.readline()
            (tmp_path / "go").touch()
            rest = second.stdout.read()
        assert first.stdout is not None
        assert first.stdout.read().splitlines()[-1] == rest.splitlines()[-1] == str(tmp_path / TINY.name)
    assert (first.returncode, second.returncode) == (0, 0)
    assert not (tmp_path / "filled-by-second").exists()


def test_other_packages_or_another_architecture_make_another_prefix() -> None:
    names = {
        TINY.name,
        Wanted("forky", "arm64", ("bell",)).name,
        Wanted("forky", "amd64", ("bell", "rope")).name,
        Wanted("sid", "amd64", ("bell",)).name,
    }
    assert len(names) == 4


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Asterisk 22.10.1+dfsg+~cs6.17.60671434-1", "22.10.1"),
        ("Asterisk 20.5.0~dfsg+~cs6.13.40431414-1\n", "20.5.0"),
        ("Asterisk certified/20.7-cert2", "20.7"),
        ("Asterisk certified-20.7-cert2", "20.7"),
        ("Asterisk 23.0.0-rc1", "23.0.0"),
        ("Asterisk GIT-master-1a2b3c", None),
        ("", None),
    ],
)
def test_asterisks_version_is_read_from_what_it_prints(text: str, version: str | None) -> None:
    assert prefix.asterisk_version(text) == version


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an ``asterisk`` first on its PATH; the test writes its version into the file beside it."""
    script = tmp_path / "bin/asterisk"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nread version < "{tmp_path}/version"\necho "Asterisk $version"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    return script


def test_the_machines_own_asterisk_is_used_when_it_is_new_enough(own: Path, tmp_path: Path) -> None:
    (tmp_path / "version").write_text("20.5.0~dfsg\n")
    found = prefix.own_asterisk()
    assert found == prefix.OwnAsterisk(own, "20.5.0")
    want = prefix.wanted(found, "amd64")
    assert "asterisk" not in want.packages
    assert {"asterisk-core-sounds-en-wav", "baresip-core", "sip-tester", "espeak-ng", "sox"} <= set(want.packages)
    (tmp_path / want.name).mkdir()
    (tmp_path / want.name / "ramal-peers.json").write_text(json.dumps({"version": ""}))
    found_peers = peers(tmp_path)
    assert found_peers == Peers(tmp_path / want.name, own, "20.5.0")
    assert found_peers.argv("asterisk", "-V") == [str(own), "-V"]
    assert found_peers.sounds == tmp_path / want.name / "usr/share/asterisk/sounds"
    with found_peers.start("asterisk", "-V", stdout=subprocess.PIPE, text=True) as running:
        assert running.popen.pid == running.pid
        assert running.popen.communicate()[0] == "Asterisk 20.5.0~dfsg\n"


def test_an_older_asterisk_of_the_machine_is_left_alone(own: Path, tmp_path: Path) -> None:
    (tmp_path / "version").write_text("18.26.4\n")
    assert prefix.own_asterisk() is None


def test_an_asterisk_that_does_not_start_is_none(own: Path) -> None:
    own.write_text("not a program")
    assert prefix.own_asterisk() is None


def test_peers_that_are_not_provided_are_a_sentence_that_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(PrefixError, match="make run"):
        peers(tmp_path)


def test_the_cache_is_where_the_user_keeps_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert prefix.cache() == tmp_path / "ramal"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert prefix.cache() == Path.home() / ".cache/ramal"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["asterisk", "-V"], "Asterisk "),
        (["baresip", "-h"], "Usage: baresip"),
        (["sipp", "-v"], "SIPp v"),
        (["espeak-ng", "--version"], "eSpeak NG"),
        (["sox", "--version"], "SoX"),
        (["sh", "-c", "echo shell"], "shell"),
    ],
)
def test_a_provided_program_runs(words: list[str], expected: str) -> None:
    done = subprocess.run(peers().argv(*words), capture_output=True, text=True)
    assert expected in done.stdout + done.stderr


def test_the_recorded_version_is_that_of_the_asterisk_that_runs() -> None:
    found = peers()
    shown = subprocess.run(found.argv("asterisk", "-V"), capture_output=True, text=True).stdout
    assert prefix.asterisk_version(shown) == found.version
    assert int(found.version.split(".")[0]) >= prefix.OLDEST_ASTERISK


def test_asterisks_modules_sounds_and_documentation_are_where_the_peers_say() -> None:
    found = peers()
    look = f"test -e {found.modules}/app_queue.so && test -e {found.data}/documentation/core-en_US.xml"
    look += f" && test -e {found.sounds}/en/vm-goodbye.wav && for file in {found.music}/*.wav; do test -e $file; done"
    assert subprocess.run(found.argv("sh", "-c", look)).returncode == 0


def test_no_library_of_asterisk_or_its_modules_is_missing() -> None:
    found = peers()
    loader = "for so in /lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1; do test -e $so && break; done; "
    each = f'for file in {found.modules}/*.so /usr/sbin/asterisk; do $so --list "$file" || echo "in $file"; done'
    shown = subprocess.run(found.argv("sh", "-c", loader + each), capture_output=True, text=True)
    assert shown.stdout.count("libc.so.6") > 100
    assert [line for line in (shown.stdout + shown.stderr).splitlines() if "not found" in line or "in /" in line] == []
