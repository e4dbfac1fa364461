"""What make's variables become, and what a person sees when a command cannot go on."""

import subprocess
import sys

import pytest

from ramal.provide import __main__ as commands


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


def test_an_unknown_command_shows_the_known_ones() -> None:
    done = subprocess.run([sys.executable, "-m", "ramal.provide", "dance"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "run|test|check|bench" in done.stderr
