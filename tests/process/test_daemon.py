"""The daemon as a real process between a fake Asterisk and its control socket."""

import os
import random
import shutil
import signal
import socket
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from ramal.box.home import Home
from ramal.box.image import Image
from ramal.control import address
from ramal.control.client import DaemonDown, Refused
from ramal.store.db import open_writer
from tests.fakes.ami_peer import AmiPeer
from tests.process.conftest import OFFICE, DaemonProcess
from tests.store.office_day import Script, a_call, merge
from tests.store.test_durable import database
from tests.until import until

Start = Callable[..., DaemonProcess]


@pytest.fixture(autouse=True)
def _reachable_phones(asterisk: AmiPeer) -> None:
    asterisk.lists["PJSIPShowEndpoints"] = [
        (("Event", "EndpointList"), ("ObjectName", extension), ("DeviceState", "Not in use"))
        for extension in ("201", "202")
    ]


MEMBER = (("Event", "QueueMember"), ("Queue", "sales"), ("Name", "agent-7"), ("Location", "PJSIP/201"), ("Status", "1"))
ENTRY = (("Event", "QueueEntry"), ("Queue", "sales"), ("Channel", "PJSIP/x-1"), ("Uniqueid", "1763.1"),
         ("CallerIDNum", "+5511999990000"), ("Wait", "12"), ("Position", "1"))  # fmt: skip


def joined(asterisk: AmiPeer, call: str) -> None:
    asterisk.event(
        "QueueCallerJoin", ("Queue", "sales"), ("Linkedid", call), ("Channel", f"PJSIP/x-{call}"), ("Position", "1"),
        ("CallerIDNum", "+5511999990000"), ("CallerIDName", "Zé\u2028Evil: header"),
    )  # fmt: skip


def state_of(daemon: DaemonProcess, code: str = "7") -> str:
    return next(str(agent["state"]) for agent in daemon.live()["agents"] if agent["code"] == code)


def opened(start: Start) -> DaemonProcess:
    daemon = start().up()
    daemon.ask("apply", toml=OFFICE, file="o.toml")
    until(lambda: daemon.live()["agents"])
    return daemon


def leaks(daemon: DaemonProcess) -> tuple[int, int]:
    """Open file descriptors and threads of the process."""
    own = Path(f"/proc/{daemon.process.pid}")
    return len(list((own / "fd").iterdir())), len(list((own / "task").iterdir()))


def settled(daemon: DaemonProcess) -> tuple[int, int]:
    """The same once it has been the same for a second."""
    seen: list[tuple[int, int]] = []

    def calm() -> bool:
        seen.append(leaks(daemon))
        return len(seen) > 50 and len(set(seen[-50:])) == 1

    until(calm, 20, "a daemon that opens and closes nothing more")
    return seen[-1]


def test_callers_and_agents_are_seen_live(start: Start, asterisk: AmiPeer) -> None:
    asterisk.lists["QueueStatus"] = [MEMBER, ENTRY]
    daemon = opened(start)
    assert state_of(daemon) == "free"
    assert [row["call"] for row in daemon.live()["waiting"]] == ["1763.1"]
    joined(asterisk, "1763.9")
    until(lambda: len(daemon.live()["waiting"]) == 2)
    assert daemon.live()["waiting"][1]["caller_name"].isprintable()
    asterisk.event("AgentCalled", ("Queue", "sales"), ("MemberName", "agent-7"), ("Linkedid", "1763.9"))
    until(lambda: state_of(daemon) == "ringing")


def test_a_killed_daemon_starts_again_and_knows_everything(start: Start, asterisk: AmiPeer) -> None:
    asterisk.lists["QueueStatus"] = [MEMBER, ENTRY]
    daemon = opened(start)
    daemon.kill()
    with pytest.raises(DaemonDown):
        daemon.ask("ping")
    daemon = start().up()
    assert state_of(daemon) == "free"
    assert daemon.live()["waiting"][0]["call"] == "1763.1"
    assert daemon.ask("office")["name"] == "Demo"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_daemon_that_is_asked_to_end_ends_clean(start: Start, home: Home, asterisk: AmiPeer, number: int) -> None:
    daemon = start().up()
    for call in range(50):
        joined(asterisk, f"1763.{call}")
    assert daemon.kill(number) == 0
    assert not home.control_sock.exists()
    assert not home.starts.exists()


def test_a_daemon_ends_clean_while_asterisk_is_stalled(start: Start, asterisk: AmiPeer) -> None:
    daemon = start().up()
    asterisk.stall()
    assert daemon.kill(signal.SIGTERM) == 0


def test_a_second_daemon_on_the_same_home_is_refused_and_the_first_goes_on(start: Start) -> None:
    first = start().up()
    second = start()
    assert second.process.wait(15) == 1
    assert f"Another Ramal process writes to {first.home.root} now (process {first.process.pid})" in first.log
    assert first.answers()


def test_a_killed_daemons_lock_does_not_stay(start: Start) -> None:
    start().up().kill()
    start().up()


@pytest.mark.parametrize("fault", ["drop", "reset", "go_away", "stall"])
def test_a_lost_asterisk_is_said_and_found_again(start: Start, asterisk: AmiPeer, fault: str) -> None:
    asterisk.lists["QueueStatus"] = [MEMBER, ENTRY]
    daemon = opened(start)
    getattr(asterisk, fault)()
    if fault in ("go_away", "stall"):
        until(lambda: not daemon.live()["asterisk"]["up"])
        live = daemon.live()
        assert live["asterisk"]["reason"]
        assert [warned["code"] for warned in live["warnings"]] == ["asterisk-down"]
        assert state_of(daemon) == "free", "the last picture stays"
    asterisk.lists["QueueStatus"] = []
    asterisk.come_back() if fault == "go_away" else asterisk.resume()
    until(lambda: daemon.live()["asterisk"]["up"] and state_of(daemon) == "out")
    assert not daemon.live()["warnings"]
    assert not daemon.live()["waiting"]


def test_a_daemon_without_asterisk_is_there_and_waits_for_it(start: Start, asterisk: AmiPeer) -> None:
    asterisk.go_away()
    daemon = start().ready()
    until(lambda: "asterisk-down" in [warned["code"] for warned in daemon.live()["warnings"]])
    asterisk.come_back()
    daemon.up()


def test_an_office_is_applied_reconciled_and_exported(start: Start, asterisk: AmiPeer) -> None:
    asterisk.lists["QueueStatus"] = [MEMBER]
    daemon = opened(start)
    assert daemon.ask("apply", toml=daemon.ask("office")["toml"])["changes"] == []
    changed = OFFICE.replace('queues = ["sales"]', 'queues = ["support"]')
    applied = daemon.ask("apply", toml=changed, file="o.toml")
    assert applied["changes"]
    until(lambda: asterisk.named("QueueRemove") and asterisk.named("QueueAdd"))
    until(lambda: "support" in {asked.get("Queue") for asked in asterisk.named("QueueAdd")})
    assert asterisk.named("QueueRemove")[0].get("Queue") == "sales"


def test_an_office_with_mistakes_changes_nothing_and_names_each(start: Start) -> None:
    daemon = opened(start)
    before = daemon.ask("office")
    with pytest.raises(Refused) as caught:
        daemon.ask("apply", toml=OFFICE.replace('"sales"\n', '"Sales!"\n').replace("4711", "x"), file="my.toml")
    assert {"file", "line", "what", "example"} == set(caught.value.problems[0])
    assert caught.value.problems[0]["file"] == "my.toml"
    assert daemon.ask("office") == before


def test_what_asterisk_refuses_is_never_the_office(start: Start, asterisk: AmiPeer, home: Home) -> None:
    daemon = opened(start)
    before = daemon.ask("office")
    refused = iter([True])
    asterisk.answers["Reload"] = lambda action: (
        asterisk.refuse(action, "no such file") if next(refused, False) else asterisk.accept(action)
    )
    with pytest.raises(Refused, match="in force again"):
        daemon.ask("apply", toml=OFFICE.replace('"Demo"', '"Other"'))
    assert daemon.ask("office") == before
    assert "Demo" in (home.asterisk_etc / "features.conf").read_text()


def test_a_home_that_cannot_be_written_is_a_sentence(start: Start, home: Home) -> None:
    bwrap = shutil.which("bwrap")
    assert bwrap, "bubblewrap is one of the things make test provides"
    daemon = start([bwrap, "--dev-bind", "/", "/", "--ro-bind", str(home.root), str(home.root), "--"])
    assert daemon.process.wait(20) == 1
    assert "cannot be written (Read-only file system)" in daemon.log


def test_a_full_disk_of_recordings_is_a_warning_and_nothing_stops(start: Start, home: Home) -> None:
    bwrap = shutil.which("bwrap")
    assert bwrap
    disk = ["--size", str(10 << 20), "--tmpfs", str(home.recordings)]
    daemon = start([bwrap, "--dev-bind", "/", "/", *disk, "--die-with-parent", "--"]).up()
    until(lambda: "disk-full" in [warned["code"] for warned in daemon.live()["warnings"]])
    assert "warning disk-full: raised" in daemon.log


def test_a_damaged_database_is_a_sentence(start: Start, home: Home) -> None:
    home.db.write_bytes(b"this is no database" * 1000)
    daemon = start()
    assert daemon.process.wait(20) == 1
    assert str(home.db) in daemon.log


def test_a_daemon_that_restarts_in_a_circle_says_so(start: Start) -> None:
    for _ in range(3):
        start().ready().kill()
    daemon = start().ready()
    until(lambda: "daemon-restarting" in [warned["code"] for warned in daemon.live()["warnings"]])


def test_systemd_is_told_when_the_daemon_is_ready_and_that_it_lives(start: Start, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        daemon = start(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="900000")
        assert systemd.recv(100) == b"READY=1"
        assert systemd.recv(100) == b"WATCHDOG=1"
        daemon.kill(signal.SIGTERM)
        said = []
        systemd.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                said.append(systemd.recv(100))
        assert said[-1] == b"STOPPING=1"


def test_nothing_is_left_behind_by_hostile_clients_and_broken_sessions(start: Start, asterisk: AmiPeer) -> None:
    daemon = opened(start)
    before = leaks(daemon)
    for turn in range(6):
        with ExitStack() as stack:
            for index in range(60):
                connection = stack.enter_context(address.connect(daemon.home.control_sock, 5.0))
                with suppress(OSError):
                    connection.sendall((b"\xff" * 2000 + b"\n", b'{"do": "live"}\n', b'{"do"')[index % 3])
        sessions = asterisk.accepted
        asterisk.reset()
        until(lambda sessions=sessions: asterisk.accepted > sessions and asterisk.logged_in)  # type: ignore[misc]
        if not turn:  # what it opens once and keeps is no leak
            daemon.up()
            fds, tasks = settled(daemon)
            before = max(before[0], fds), max(before[1], tasks)
    daemon.up()
    until(
        lambda: all(now <= most for now, most in zip(leaks(daemon), before, strict=True)),
        what=lambda: f"descriptors and threads to fall back to {before}: {leaks(daemon)}",
    )


def test_an_idle_daemon_sleeps(start: Start) -> None:
    daemon = start([], "--box-pace").up()

    def wakes() -> int:
        tasks = Path(f"/proc/{daemon.process.pid}/task").iterdir()
        status = "".join((task / "status").read_text() for task in tasks)
        return sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("voluntary_ctxt"))

    def quiet() -> bool:
        # How often it woke while three seconds passed on the daemon's own clock.
        begun, at_ms = wakes(), daemon.live()["at_ms"]
        until(lambda: daemon.live()["at_ms"] - at_ms >= 3000, step_s=1.0)
        return wakes() - begun < 45

    until(quiet, 20, "a quiet daemon to wake less than fifteen times a second")


def test_the_journals_become_history_and_the_days_counts_also_after_a_kill(
    start: Start, asterisk: AmiPeer, home: Home
) -> None:
    daemon = opened(start)
    now_ms = daemon.live()["at_ms"]
    calls = [a_call(random.Random(serial), serial, now_ms) for serial in range(6)]
    write(home, calls[:3])
    until(lambda: daemon.live()["today"].get("received") == 3)
    daemon.kill()
    write(home, calls[3:])
    daemon = start().ready()
    until(lambda: daemon.live()["today"].get("received") == 6)
    assert daemon.live()["ingest"] == {"behind_bytes": 0}


def test_a_database_that_takes_nothing_is_a_warning_until_it_does(start: Start, home: Home) -> None:
    daemon = start().ready()
    with closing(open_writer(home.db)) as spanner:
        spanner.execute("ALTER TABLE journal RENAME TO elsewhere")
        write(home, [a_call(random.Random(1), 1, daemon.live()["at_ms"])])
        until(lambda: "history-behind" in [warned["code"] for warned in daemon.live()["warnings"]])
        spanner.execute("ALTER TABLE elsewhere RENAME TO journal")
    until(lambda: "history-behind" not in [warned["code"] for warned in daemon.live()["warnings"]])
    until(lambda: daemon.live()["today"].get("received") == 1)
    assert daemon.log.count("cannot be read into the history") == 1


def test_the_recording_of_a_running_call_is_brought_onto_the_disk(start: Start, home: Home) -> None:
    database(home.root)
    file = home.recordings / "0.wav"
    file.symlink_to(file.name)  # cannot be opened: so the daemon says that it tried
    daemon = start().ready()
    until(lambda: "running recordings could not be made to last" in daemon.log, 20, "a try")
    assert "0.wav" in daemon.log


def write(home: Home, calls: list[Script]) -> None:
    for file, data in zip(("cel-custom/ramal.csv", "queue_log"), merge(calls), strict=True):
        with (home.asterisk_log / file).open("ab") as journal:
            journal.write(data)


def test_passwords_and_audit_go_through_the_one_writer(start: Start, home: Home) -> None:
    daemon = start().ready()
    writer = open_writer(home.db)
    columns = "name, role, password_hash, must_change, created_ms, epoch"
    writer.execute(f"INSERT INTO user ({columns}) VALUES ('owner', 'owner', 'x', 1, 0, 1)")
    writer.close()
    home.keep_one_time_password("abcd")
    digest = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21l$" + "a" * 43
    daemon.ask("user.set_password", name="owner", hash=digest)
    daemon.ask("audit", who="owner", what="password.changed", detail="O'Neil; DROP TABLE user")
    with pytest.raises(Refused, match="no argon2 hash"):
        daemon.ask("user.set_password", name="owner", hash="plain")
    with pytest.raises(Refused, match="There is no user"):
        daemon.ask("user.set_password", name="nobody", hash=digest)
    reader = sqlite3.connect(home.db)
    assert reader.execute("SELECT password_hash, must_change, epoch FROM user").fetchone() == (digest, 0, 2)
    assert reader.execute("SELECT who, detail FROM audit").fetchone() == ("owner", "O'Neil; DROP TABLE user")
    reader.close()
    assert not home.one_time_password.exists()
    assert os.getpid() != daemon.process.pid


def test_the_page_is_told_while_an_images_watchdog_is_not_armed(start: Start, tmp_path: Path) -> None:
    image = Image(tmp_path / "image")
    for file, text in ((image.release, "VERSION=1.0.0\n"), (image.watchdog, "inactive\n")):
        file.parent.mkdir(parents=True)
        file.write_text(text)
    daemon = start(RAMAL_IMAGE_ROOT=str(image.root)).ready()

    def told() -> bool:
        return "watchdog-off" in [one["code"] for one in daemon.live()["warnings"]]

    until(told, 10, "the warning")
    image.watchdog.write_text("active\n")
    until(lambda: not told(), 10, "its end")
