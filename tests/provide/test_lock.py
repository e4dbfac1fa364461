"""The lock files say everything that pyproject.toml asks for, by hash, and name no place to download from."""

import re
import tomllib
from pathlib import Path

import pytest

from ramal.provide import lock

ROOT = Path(__file__).resolve().parents[2]


def locked(name: Path) -> dict[str, str]:
    """The packages of a lock file with their versions."""
    lines = (ROOT / name).read_text().splitlines()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", "\n".join(lines), re.MULTILINE))


def asked(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9_.-]", wish)[0].lower().replace("_", "-") for wish in requirements}


def test_everything_the_project_asks_for_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    run = asked(project["project"]["dependencies"]) | asked(project["build-system"]["requires"])
    assert run - locked(lock.RUN).keys() == set(), "run `make lock`"
    assert asked(project["dependency-groups"]["dev"]) - locked(lock.DEV).keys() == set(), "run `make lock`"


def test_both_locks_agree_on_what_they_share() -> None:
    run, dev = locked(lock.RUN), locked(lock.DEV)
    assert {name: dev.get(name) for name in run} == run


@pytest.mark.parametrize("name", [lock.RUN, lock.DEV], ids=str)
def test_every_locked_package_has_hashes_and_no_address(name: Path) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*--(?!hash=)", text, re.MULTILINE)
    for package in re.split(r"\n(?=[a-z])", text.split("\n", 2)[2]):
        assert "--hash=sha256:" in package, package
