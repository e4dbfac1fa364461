"""What make's variables become, and what a person sees when a command cannot go on."""

import platform
import subprocess
import sys

import pytest

from ramal.provide import __main__ as commands
from ramal.provide import host


@pytest.mark.parametrize(
    ("settings", "flags"),
    [
        ({}, []),
        ({"OFFICE": ""}, []),
        ({"OFFICE": "my office.toml"}, ["--office", "my office.toml"]),
        ({"OFFICE": "empty", "LAN": "1"}, ["--office", "empty", "--lan"]),
        ({"LAN": "0"}, []),
        ({"LAN": ""}, []),
    ],
)
def test_makes_variables_become_flags(settings: dict[str, str], flags: list[str]) -> None:
    assert commands.up_flags(settings) == flags


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"QUICK": "0", "PROOFS": ""}, []),
        ({"ARCH": "arm64", "QUICK": "1"}, ["--arch", "arm64", "--quick"]),
        ({"ANEW": "1", "QUICK": "0"}, ["--anew"]),
        ({"PROOFS": "boot,call", "RELEASE": "0.2.0"}, ["--release", "0.2.0", "--only", "boot,call"]),
    ],
)
def test_makes_variables_become_words_for_the_image(settings: dict[str, str], words: list[str]) -> None:
    assert commands.image_words(settings) == words


def test_another_processors_image_needs_its_programs() -> None:
    names = {need.package for need in host.needs_of("arm64", proofs=True)}
    assert "qemu-system-arm" in names
    if platform.machine() != "aarch64":
        assert {"qemu-user-static", "binfmt-support", "arch-test"} <= names
    assert {need.package for need in host.needs_of("amd64", proofs=True)} == {"qemu-system-x86", "ovmf"}
    assert host.needs_of("amd64", proofs=False) == ()


def test_an_unknown_command_shows_the_known_ones() -> None:
    done = subprocess.run([sys.executable, "-m", "ramal.provide", "dance"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "run|test|check|bench" in done.stderr
