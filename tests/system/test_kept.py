"""A real call's recording becomes what is kept, by a real daemon; it survives the daemon, is played and verified."""

import shutil
import subprocess
import tempfile
from array import array
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ramal import cli
from ramal.core import sound
from ramal.provide import peers
from ramal.store import sounds
from ramal.store.db import open_reader
from ramal.vault.sound import open_sound
from tests.system import agents, box, ears
from tests.system.box import TestBox
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def office() -> Iterator[TestBox]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    try:
        with box.running(folder, box.office(), daemon=False, terse=True, whole="office") as running:
            running.start_daemon("-m", "tests.system.keeping", str(running.home.root))
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def kept(office: TestBox, caller: str) -> sounds.Sound:
    query = (
        "SELECT s.recording FROM call c JOIN sound s ON s.recording / 16 = c.key WHERE c.caller = ? AND NOT unlink_due"
    )
    row = until(lambda: office.rows(query, caller), 30.0, "the recording is kept")[0]
    with closing(open_reader(office.home.db)) as db:
        found = sounds.of(db, row[0])
    assert found is not None
    return found


def heard(office: TestBox, recording: int) -> list["array[int]"]:
    """What a listener hears, by channel."""
    with closing(open_reader(office.home.db)) as db:
        opened = open_sound(office.home, db, recording)
        with opened.file as file:
            command = peers().argv("opusdec", "--quiet", "--no-dither", "--rate", "8000", "-", "-")
            pcm = array("h")
            pcm.frombytes(subprocess.run(command, input=file.read(), capture_output=True, check=True).stdout)
        row = sounds.of(db, recording)
    assert row is not None
    return [pcm[channel :: row.channels] for channel in range(row.channels)]


def test_a_call_is_kept_encrypted_played_and_verified_and_the_daemon_may_die_meanwhile(
    office: TestBox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    voice = tmp_path / "voice.wav"
    voice.write_bytes(sound.wav_bytes(sound.tone([440.0], 2000)))
    with agents.logged_in(office, "201", voice=voice):
        process = office.call(Caller("+551133330001", "+5511900000031", stay_ms=4500))
        assert process.wait(60) == 0
        one = kept(office, "+5511900000031")
        process = office.call(Caller("+551133330001", "+5511900000032", stay_ms=4500))
        assert process.wait(60) == 0
    office.kill_daemon()
    office.start_daemon("-m", "tests.system.keeping", str(office.home.root))
    two = kept(office, "+5511900000032")
    for row in (one, two):
        assert not (office.home.root / row.source).exists()
        assert row.duration_ms > 2000
        channels = heard(office, row.recording)
        assert max(ears.part(channel, 440.0, 0.5) for channel in channels) > 0.5
    assert cli.main(["--home", str(office.home.root), "recordings", "verify"]) == 0
    assert "Everything is as it was sealed (2 files" in capsys.readouterr().out
    until(
        lambda: office.rows("SELECT 1 FROM seal_check WHERE amiss = 0 AND files = 2"), 5.0, "the daemon wrote it down"
    )
    assert office.control("recordings.verify")["running"]
    until(lambda: len(office.rows("SELECT 1 FROM seal_check")) == 2, 20.0, "the daemon verified by itself")
    assert not any(one["code"] == "recordings-unkept" for one in office.control("live")["warnings"])
