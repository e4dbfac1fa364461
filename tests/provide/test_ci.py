"""When CI builds and boots the image: ``.ci/run`` in a repository of its own, with a make that only writes down."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / ".ci/run"
MAKE = """#!/bin/sh
echo "$1" >> "$HOME/made"
mkdir -p "$HOME/.cache/ramal"
[ "$1" != "$FAILS" ]
"""


class Checkout:
    """A repository with an image, units and something else, and the machine that tests it."""

    def __init__(self, root: Path) -> None:
        self.home, self.tree = root / "home", root / "tree"
        for folder in (self.home / "bin", self.tree / ".ci", self.tree / "image", self.tree / "systemd"):
            folder.mkdir(parents=True)
        (self.home / "bin/make").write_text(MAKE)
        (self.home / "bin/make").chmod(0o755)
        shutil.copy(RUN, self.tree / ".ci/run")
        self.git("init", "-q", "-b", "main")
        self.commit("image/init", "systemd/unit", "README.md")

    def git(self, *words: str) -> None:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *who, *words], cwd=self.tree, env=self.around(), check=True, stdout=subprocess.DEVNULL)

    def around(self, fails: str = "nothing") -> dict[str, str]:
        path = f"{self.home / 'bin'}:{os.environ['PATH']}"
        return {"HOME": str(self.home), "PATH": path, "FAILS": fails, "GIT_CONFIG_NOSYSTEM": "1"}

    def commit(self, *files: str, text: str = "") -> None:
        for file in files:
            with (self.tree / file).open("a") as writing:
                writing.write(text or f"another line of {file}\n")
        self.git("add", "-A")
        self.git("commit", "-qm", "x")

    def builds(self, fails: str = "nothing") -> bool:
        """One run of CI: whether it built the image."""
        made = self.home / "made"
        made.unlink(missing_ok=True)
        done = subprocess.run([self.tree / ".ci/run"], env=self.around(fails), timeout=30, check=False)
        calls = made.read_text().split()
        assert calls[0] == "test"
        assert done.returncode == (1 if fails in calls else 0)
        return "image-test" in calls


@pytest.fixture
def lasting(tmp_path: Path) -> Checkout:
    """On a machine that keeps what it made, and has booted the first state."""
    checkout = Checkout(tmp_path)
    (checkout.home / ".cache/ramal").mkdir(parents=True)
    assert checkout.builds(), "nothing is known yet"
    return checkout


def test_every_commit_since_the_last_run_counts(lasting: Checkout) -> None:
    lasting.commit("image/init")
    lasting.commit("README.md")
    assert lasting.builds()
    lasting.commit("systemd/unit")
    lasting.commit("README.md")
    lasting.commit("README.md")
    assert lasting.builds()


def test_what_has_booted_is_not_built_again(lasting: Checkout) -> None:
    assert not lasting.builds()
    lasting.commit("README.md")
    assert not lasting.builds()
    lasting.commit("image/init")
    lasting.git("revert", "--no-edit", "HEAD")
    assert not lasting.builds()


def test_what_did_not_boot_is_built_until_it_does(lasting: Checkout) -> None:
    lasting.commit("image/init")
    assert lasting.builds(fails="image-test")
    lasting.commit("README.md")
    assert lasting.builds()
    assert not lasting.builds()


def test_failing_tests_boot_nothing_and_are_not_taken_for_a_boot(lasting: Checkout) -> None:
    lasting.commit("image/init")
    assert not lasting.builds(fails="test")
    assert lasting.builds()


def test_a_machine_that_keeps_nothing_builds_only_for_its_branch(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)

    def builds() -> bool:
        shutil.rmtree(checkout.home / ".cache", ignore_errors=True)
        return checkout.builds()

    assert not builds(), "one commit, and nothing to compare it with"
    checkout.git("update-ref", "refs/remotes/origin/HEAD", "HEAD")
    checkout.commit("image/init")
    checkout.commit("README.md")
    assert builds()
    checkout.git("update-ref", "refs/remotes/origin/HEAD", "HEAD")
    assert not builds(), "it has landed, and its last commit changed something else"
    checkout.commit("README.md")
    assert not builds()
    checkout.commit("systemd/unit")
    checkout.git("update-ref", "refs/remotes/origin/HEAD", "HEAD")
    assert builds()
