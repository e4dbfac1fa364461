"""What a box has once: whole after a power cut at any instant, and never another."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ramal.box import birth

pytestmark = pytest.mark.skipif(not Path("/usr/bin/ssh-keygen").exists(), reason="no ssh here")
NAMES = [f"ssh_host_{kind}_key{end}" for kind in birth.KINDS for end in ("", ".pub")]


def born(system: Path) -> dict[str, bytes]:
    machine_id = system.parent / "machine-id"
    machine_id.write_text("0123456789abcdef" * 2 + "\n")
    assert birth.main(system, machine_id) == 0
    return {name: (system / "ssh" / name).read_bytes() for name in NAMES}


def test_keys_are_made_once(tmp_path: Path) -> None:
    first = born(tmp_path / "system")
    assert all(first.values())
    assert born(tmp_path / "system") == first


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_key_is_what_a_power_cut_left_and_is_made_anew(tmp_path: Path, name: str) -> None:
    first = born(tmp_path / "system")
    os.truncate(tmp_path / "system" / "ssh" / name, 0)
    second = born(tmp_path / "system")
    assert all(second.values())
    others = [one for one in NAMES if one.removesuffix(".pub") != name.removesuffix(".pub")]
    assert {one: first[one] for one in others} == {one: second[one] for one in others}


ORDER = """
import os, sys
from pathlib import Path
from ramal.box import birth
system, opened, synced = Path(sys.argv[1]), {}, set()
real = os.fsync
def fsync(descriptor):
    synced.add(os.readlink(f"/proc/self/fd/{descriptor}"))
    real(descriptor)
os.fsync = fsync
def watch(event, args):
    if event == "os.rename" and "ssh" in str(args[0]) and str(args[0]) not in synced:
        print("not on the disk before it had its name:", args[0])
        os._exit(9)
sys.addaudithook(watch)
sys.exit(birth.main(system, system / "no-machine-id"))
"""


def test_a_key_is_on_the_disk_before_it_has_its_name(tmp_path: Path) -> None:
    words = [sys.executable, "-c", ORDER, str(tmp_path / "system")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
