"""A real Asterisk that hangs is ended, and one that works is left alone. Time is the test's own."""

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.box.pulse import Watch, answers_manager, answers_sip, cpu_ms, pid_of
from ramal.core.pulse import IDLE_MS, KNOCKS_MIN
from tests.system import box
from tests.system.box import TestBox
from tests.until import until

pytestmark = pytest.mark.system


@pytest.fixture
def office(tmp_path: Path) -> Iterator[TestBox]:
    made = box.make(tmp_path, box.office())
    made.home.put_in_force(made.settings)
    made.start()
    try:
        yield made
    finally:
        made.end()


def test_a_hung_asterisk_is_ended_and_a_living_one_is_not(office: TestBox) -> None:
    told: list[str] = []
    minutes = itertools.count(60_000, IDLE_MS)
    watch = Watch(office.home, patience_s=3.0, say=told.append, now_ms=lambda: next(minutes))
    for _ in range(5):
        assert not watch.look()
    assert watch.state.well is not None, "it answered"
    pid = pid_of(office.home.run / "asterisk.pid")
    assert pid
    assert cpu_ms(pid) > 0
    logs = [path.read_text(errors="replace") for path in office.home.asterisk_log.rglob("*") if path.is_file()]
    assert "ramal-health" not in "".join(logs), "a knock a minute must not fill the disk's logs"
    noted = [line for line in office.home.security_log.read_text().splitlines() if "ramal-health" in line]
    assert all("ChallengeSent" in line for line in noted), "nor be a password that failed"
    os.kill(pid, signal.SIGSTOP)
    watch.patience_s = 0.3
    # Of its threads one on another processor may run on for a moment.
    until(lambda: not answers_sip("127.0.0.1", office.settings.sip_port, 0.3))
    assert not answers_manager(office.settings.ami_port, 0.3), "its kernel takes the connection; it says nothing"
    looks = 0
    while not watch.look():
        looks += 1
        assert looks < 50
    assert looks >= KNOCKS_MIN - 1
    assert "answered nothing" in told[0]
    assert office.asterisk is not None
    until(lambda: office.asterisk is None or office.asterisk.poll() is not None, 20.0, "it ended")
    assert not watch.look(), "no process, nobody to end"
    office.asterisk.close()
    office.asterisk = None


def test_a_number_that_is_another_process_by_now_is_not_ended(tmp_path: Path) -> None:
    file = tmp_path / "asterisk.pid"
    for text in (str(os.getpid()), "1", "0", "-1", "", "x", "99999999999"):
        file.write_text(text)
        assert pid_of(file) == 0, text
