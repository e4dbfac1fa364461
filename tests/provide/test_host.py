"""What the set-up does to the machine itself, with scripts in the place of apt-get, apt-cache and sudo."""

import os
from pathlib import Path

import pytest

from ramal.provide import host
from ramal.provide.host import HostError, Need


class Machine:
    """A machine whose apt is a folder: what is in ``installed`` is there, and every command is in the log."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "bin"
        self.bin.mkdir()
        (root / "installed").mkdir()
        (root / "log").touch()
        self.script("apt-get", 'for last; do :; done; case "$*" in *install*) : > installed/$last ;; esac')
        self.lists("1.0")

    def script(self, name: str, does: str) -> None:
        path = self.bin / name
        path.write_text(f'#!/bin/sh\ncd {self.root}\necho "{name} $*" >> log\n{does}\n')
        path.chmod(0o755)

    def lists(self, candidate: str) -> None:
        self.script("apt-cache", f'echo "bell:"; echo "  Candidate: {candidate}"')

    def need(self, package: str = "bell") -> Need:
        return Need(package, (self.root / "installed" / package).exists, f"it rings the {package}")

    def log(self) -> list[str]:
        """The commands that ran, each by its first word and its own last words."""
        lines = (self.root / "log").read_text().splitlines()
        return [
            " ".join(word for word in line.split() if not word.startswith("-") and "=" not in word) for line in lines
        ]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    # env, sh: the scripts' own needs. Nothing else of the real machine is on this PATH.
    for name in ("env", "sh"):
        (made.bin / name).symlink_to(Path("/usr/bin") / name)
    monkeypatch.setenv("PATH", str(made.bin))
    return made


def test_nothing_runs_and_nothing_is_said_when_nothing_is_missing(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    (machine.root / "installed/bell").touch()
    host.provide([machine.need()])
    assert machine.log() == []
    assert capfd.readouterr().out == ""


def test_what_is_missing_is_named_with_its_reason_before_anything_runs(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    machine.script("apt-get", 'echo "apt-get begins"; : > installed/bell')
    host.install(["bell"], [])
    (machine.root / "installed/bell").unlink()
    capfd.readouterr()
    if os.geteuid() != 0:
        machine.script("sudo", '"$@"')
    host.provide([machine.need()])
    said = capfd.readouterr().out
    assert 0 < said.index("it rings the bell") < said.index("apt-get begins")


def test_the_package_lists_are_left_as_they_are_when_they_know_the_package(machine: Machine) -> None:
    host.install(["bell"], [])
    assert machine.log() == ["apt-cache policy bell", "apt-get install bell"]


def test_missing_package_lists_are_fetched_first(machine: Machine) -> None:
    machine.lists("(none)")
    host.install(["bell"], [])
    assert machine.log() == ["apt-cache policy bell", "apt-get update", "apt-get install bell"]


def test_old_package_lists_are_fetched_again_when_the_install_fails(machine: Machine) -> None:
    machine.script(
        "apt-get", 'case "$*" in *update*) : > fresh ;; *install*) test -e fresh && : > installed/bell ;; esac'
    )
    host.install(["bell"], [])
    assert machine.log() == [
        "apt-cache policy bell",
        *["apt-get install bell", "apt-get update"],
        "apt-get install bell",
    ]


def test_an_install_that_fails_twice_is_one_sentence(machine: Machine) -> None:
    machine.script("apt-get", 'case "$*" in *install*) exit 100 ;; esac')
    with pytest.raises(HostError, match="could not install bell"):
        host.install(["bell"], [])


def test_package_lists_that_cannot_be_fetched_are_one_sentence(machine: Machine) -> None:
    machine.lists("(none)")
    machine.script("apt-get", "exit 100")
    with pytest.raises(HostError, match="apt-get update failed"):
        host.install(["bell"], [])


def test_apt_asks_no_questions(machine: Machine) -> None:
    machine.script("apt-get", 'echo "$DEBIAN_FRONTEND" > frontend; read answer && exit 1; exit 0')
    host.install(["bell"], [])
    assert (machine.root / "frontend").read_text() == "noninteractive\n"


def test_root_needs_no_sudo(machine: Machine) -> None:
    assert host.as_root(["bell"], 0) == []


def test_a_user_goes_through_sudo_and_is_told_so(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.script("sudo", '"$@"')
    root = host.as_root(["bell"], 1000)
    assert "with sudo" in capsys.readouterr().out
    host.install(["bell"], root)
    assert machine.log()[1:] == ["sudo env apt-get install bell", "apt-get install bell"]


def test_a_user_without_sudo_is_told_what_root_should_run(machine: Machine) -> None:
    with pytest.raises(HostError, match="apt-get install bell rope"):
        host.as_root(["bell", "rope"], 1000)


def test_a_machine_without_apt_is_told_what_it_lacks(machine: Machine) -> None:
    (machine.bin / "apt-get").unlink()
    with pytest.raises(HostError, match="counterparts of bell"):
        host.as_root(["bell"], 0)


def test_an_install_that_does_not_help_is_not_taken_for_one_that_did(machine: Machine) -> None:
    machine.script("apt-get", "exit 0")
    if os.geteuid() != 0:
        machine.script("sudo", '"$@"')
    with pytest.raises(HostError, match="still does not see it"):
        host.provide([machine.need()])


def test_this_machine_has_all_that_the_tests_need() -> None:
    assert host.missing(host.TEST_NEEDS) == ()
