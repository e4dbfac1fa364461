"""What ``make run`` promises, held against ``ramal up`` as a real process with real Asterisk.

One box (the demo office) lives through most of the module; a test that needs another way of starting has its own.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.box.home import Home
from ramal.provide import peers
from tests.box.boxes import Up, Visitor, address, listening, new_home, password_in, processes, sockets
from tests.system import sipp
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system

SMALL = """
[office]
name = "Loja Pequena"
country = "BR"
region = "SP"
timezone = "America/Sao_Paulo"
language = "pt-BR"

[[phone]]
extension = "201"
name = "Balcão"
"""
MAIN_NUMBER = "+551133330000"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


class Shared:
    """The module's box. ``up`` is the keeper that holds it now; a test may put another in its place."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.up = Up(home)
        self.first_s = self.up.wait_up()
        self.visitor = Visitor(self.up.page)


@pytest.fixture(scope="module")
def shared(folder: Path) -> Iterator[Shared]:
    box = Shared(new_home(folder / "demo"))
    try:
        yield box
    finally:
        box.up.end()


@pytest.fixture
def spoken(shared: Shared) -> Path:
    """Prompts that need not be spoken again."""
    return shared.home.prompts


@pytest.fixture
def small(folder: Path) -> Path:
    office = folder / "small.toml"
    office.write_text(SMALL, encoding="utf-8")
    return office


# -- a box that runs ---------------------------------------------------------------------------------------------------


def test_it_says_where_the_page_is_how_to_log_in_and_what_to_try(shared: Shared) -> None:
    said = shared.up.said()
    assert "The home is empty: starting with the demo office" in said
    for line in (f"{shared.up.page}/", "one-time password", "Place a test call", "ramal drill", "Ctrl-C"):
        assert line in said
    assert str(shared.home.root) in said


def test_the_printed_password_opens_the_page_and_must_be_changed_at_once(shared: Shared) -> None:
    password = password_in(shared.up.said())
    assert Visitor(shared.up.page).post("/login", "/login", user="owner", password="guess")[0] == 401
    visitor = shared.visitor
    assert visitor.post("/login", "/login", user="owner", password=password) == (200, "/password")
    mine = "a sentence of my own"
    assert visitor.post("/password", "/password", new=mine, again=mine)[0] == 200
    assert visitor.get("/calls")[0] == "/calls"
    assert not shared.home.one_time_password.exists()


def test_a_second_start_on_the_same_home_says_so_and_disturbs_nothing(shared: Shared) -> None:
    before = processes(shared.home)
    second = Up(Home(shared.home.root), before=("env", "--"))
    try:
        assert second.process.wait(30) == 1
        said = second.said()
    finally:
        second.end()
    assert f"already running with the home {shared.home.root} (process {shared.up.process.pid})" in said
    assert "Traceback" not in said
    assert processes(shared.home) == before
    assert shared.up.live()["asterisk"]["up"]


def test_without_lan_everything_is_on_loopback_only(shared: Shared) -> None:
    settings = shared.home.settings()
    assert listening(settings.sip_port, "udp") == {"127.0.0.1"}
    assert listening(settings.sip_port, "tcp") == {"127.0.0.1"}
    assert listening(settings.page_port, "tcp") == {"127.0.0.1"}
    assert listening(settings.ami_port, "tcp") == {"127.0.0.1"}
    # UDP is left out: the resolvers of Asterisk and of the phones ask from addresses of their own.
    assert _tcp_listeners(set(processes(shared.home))) == {"127.0.0.1"}


def test_a_killed_daemon_page_and_phones_come_back_by_themselves(shared: Shared) -> None:
    asterisk = shared.up.pid("asterisk")
    before = {name: shared.up.pid(name) for name in ("daemon", "page", "phones")}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    def back() -> bool:
        return all(shared.up.pid(name) not in (0, pid) for name, pid in before.items())

    until(back, 20, "three new processes")
    until(lambda: shared.up.agents_free() == 3, 40, "the virtual agents are back at work")
    until(lambda: _answers(shared.up), 20, "the page answers")
    assert shared.visitor.get("/calls")[0] == "/calls", "nobody has to log in again"
    assert shared.up.pid("asterisk") == asterisk
    assert "The daemon ended (killed by SIGKILL); it is started again" in shared.up.said()


def test_a_killed_asterisk_comes_back_by_itself(shared: Shared) -> None:
    before = shared.up.pid("asterisk")
    os.kill(before, signal.SIGKILL)
    until(lambda: not shared.up.live()["asterisk"]["up"], 20, "the daemon noticed")
    until(
        lambda: shared.up.live()["asterisk"]["up"] and shared.up.pid("asterisk") not in (0, before),
        40,
        "Asterisk is back",
    )
    until(lambda: shared.up.agents_free() == 3, 60, "the phones have registered again")


def test_the_keeper_killed_in_a_call_costs_nothing_and_the_next_start_keeps_the_call(shared: Shared) -> None:
    programs, work = peers(), shared.home.root / "callers"
    work.mkdir(exist_ok=True)
    until(lambda: shared.up.agents_free() == 3, 60, "three agents free")
    caller = Caller(MAIN_NUMBER, "+5511930000001", keys=((6000, "1"),), stay_ms=90_000)
    process = sipp.start(caller, programs, work, shared.home.settings().sip_port)
    try:
        talking = until(lambda: _talking(shared.up), 60, "an agent talks")
        recording = until(lambda: _newest_recording(shared.home), 10, "the recording began")
        asterisk, phones, daemon = (shared.up.pid(name) for name in ("asterisk", "phones", "daemon"))
        shared.up.kill()
        size = recording.stat().st_size
        shared.up = Up(shared.home)
        shared.up.wait_up()
        assert "Kept with its calls: Asterisk" in shared.up.said()
        assert (shared.up.pid("asterisk"), shared.up.pid("phones")) == (asterisk, phones)
        assert shared.up.pid("daemon") != daemon
        assert daemon not in processes(shared.home)
        assert _talking(shared.up) == talking
        until(lambda: recording.stat().st_size > size + 32_000, 15, "the recording goes on")
        assert process.poll() is None
    finally:
        process.kill()
        process.wait(10)
    os.kill(asterisk, signal.SIGKILL)
    until(lambda: "Asterisk ended (nobody told how)" in shared.up.said(), 10, "the kept one is watched too")
    until(lambda: shared.up.pid("asterisk") not in (0, asterisk), 20, "a new one")
    until(lambda: shared.up.live()["asterisk"]["up"] and shared.up.agents_free() == 3, 40, "and all is well")


def test_control_c_ends_everything_and_the_next_start_needs_no_network_and_is_faster(shared: Shared) -> None:
    assert processes(shared.home)
    assert shared.up.end(signal.SIGINT) == 0
    assert "Everything is stopped" in shared.up.said()
    assert processes(shared.home) == {}
    assert sockets(shared.home) == []
    assert sorted(path.name for path in shared.home.run.iterdir()) == ["security.log", "up.lock"]
    shared.up = Up(shared.home, before=_without_network())
    second_s = shared.up.wait_up()
    assert "Speaking" not in shared.up.said()
    assert "one-time password" not in shared.up.said()
    assert second_s < max(shared.first_s, 10.0)
    print(f"first start {shared.first_s:.1f} s, second {second_s:.1f} s")
    assert shared.up.end(signal.SIGTERM) == 0
    assert processes(shared.home) == {}


# -- other ways to start -----------------------------------------------------------------------------------------------


def test_taken_ports_are_named_and_nothing_is_started(folder: Path) -> None:
    home = new_home(folder / "taken")
    settings = home.settings()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip,
        socket.create_server(("127.0.0.1", settings.page_port)),
    ):
        sip.bind(("127.0.0.1", settings.sip_port))
        said = Up(home).refused()
    assert f"UDP port {settings.sip_port} at 127.0.0.1 for phones and lines (SIP) is not free" in said
    assert f"TCP port {settings.page_port} at 127.0.0.1 for the page is not free" in said
    assert str(home.settings_file) in said
    assert sockets(home) == []


def test_a_broken_settings_file_is_a_sentence_with_every_mistake(folder: Path) -> None:
    home = new_home(folder / "settings")
    home.settings_file.write_text('sip_port = 70000\npage_port = "8080"\nami_prot = 1\nsip_bind = 127\n')
    said = Up(home).refused()
    for part in ("sip_port must be", "page_port must be", "“ami_prot” is not a setting", "sip_bind must be"):
        assert part in said
    home.settings_file.write_text("sip_port = \n")
    assert "is not valid TOML" in Up(home).refused()
    home.settings_file.write_bytes(b"\xff\xfe")
    assert "is not valid TOML" in Up(home).refused()
    home.settings_file.write_text('sip_bind = "nowhere.invalid"\n')
    assert "nowhere.invalid" in Up(home).refused()


def test_every_mistake_of_an_office_file_is_a_sentence_and_the_home_stays_empty(folder: Path) -> None:
    home = new_home(folder / "office")
    office = folder / "wrong.toml"
    office.write_text(SMALL + '\n[[phone]]\nextension = "2O2"\n\n[[queue]]\nname = "a b"\nring_s = 0\n')
    said = Up(home, ["--office", str(office)]).refused()
    lines = [line for line in said.splitlines() if line.startswith(f"{office}:")]
    assert len(lines) >= 3
    assert any(line.startswith(f"{office}:14:") for line in lines), said
    assert str(folder / "none.toml") in Up(home, ["--office", str(folder / "none.toml")]).refused()
    assert not home.asterisk_etc.exists()


def test_a_home_that_cannot_be_written_is_a_sentence(folder: Path) -> None:
    new = Home(folder / "shelf" / "new")
    new.root.parent.mkdir()
    for home in (new, new_home(folder / "shelf" / "used")):
        shut = ("bwrap", "--dev-bind", "/", "/", "--ro-bind", str(folder / "shelf"), str(folder / "shelf"), "--")
        said = Up(home, before=(*shut, "sh", "-c", 'exec "$@" 2>&1', "sh")).refused()
        assert f"The home {home.root} cannot be written" in said or f"that the home {home.root} can be written" in said
        assert not home.settings_file.exists() or home.settings().sip_port


def test_without_an_office_it_starts_empty_and_says_what_to_do_next(folder: Path, spoken: Path) -> None:
    up = Up(new_home(folder / "empty", spoken), ["--office", "empty"])
    try:
        up.wait_up()
        assert up.live()["agents"] == []
        assert "demo" not in up.said()
    finally:
        assert up.end(signal.SIGTERM) == 0
    assert processes(up.home) == {}


def test_with_lan_phones_and_page_are_reachable_and_the_manager_is_not(folder: Path, spoken: Path, small: Path) -> None:
    up = Up(new_home(folder / "lan", spoken), ["--office", str(small), "--lan"])
    settings = up.home.settings()
    try:
        up.wait_up()
        assert listening(settings.sip_port, "udp") == {"0.0.0.0"}
        assert listening(settings.page_port, "tcp") == {"0.0.0.0"}
        assert listening(settings.ami_port, "tcp") == {"127.0.0.1"}
        assert "From the LAN" in up.said()
        assert settings.sip_bind == "127.0.0.1", "the flag is not written into the file"
        up.kill()
        again = Up(up.home, ["--office", str(small)])
        try:
            again.wait_up()
            assert "because it has other ports or addresses" in again.said()
            assert listening(settings.sip_port, "udp") == {"127.0.0.1"}
        finally:
            assert again.end() == 0
    finally:
        up.end()
    assert processes(up.home) == {}


def test_a_home_with_a_long_odd_path_works_whole(folder: Path, spoken: Path) -> None:
    odd = folder / "Padaria São João +1 100% — #@~:='n'!" / ("very long " * 9).strip()
    up = Up(new_home(odd / "casa nova", spoken))
    assert len(os.fsencode(up.home.root)) > 140
    try:
        up.wait_up()
        until(lambda: up.agents_free() == 3, 40, "three agents free")
        drill = subprocess.run(
            [sys.executable, "-m", "ramal", "--home", str(up.home.root), "drill"],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert drill.returncode == 0, drill.stdout + drill.stderr
        up.kill()
        again = Up(up.home)
        try:
            again.wait_up()
            assert "Kept with its calls: Asterisk" in again.said()
        finally:
            assert again.end() == 0
    finally:
        up.end()
    assert processes(up.home) == {}
    assert not any(up.home.run.glob("*.pid"))
    shutil.rmtree(up.home.run, ignore_errors=True)  # its short stand-in lies outside the folder of the test


def test_a_path_that_asterisk_cannot_take_is_a_sentence(folder: Path) -> None:
    for name in ("a;b", "a[1]", "a,b", "a\nb", "a${b}"):
        home = Home(folder / name)
        assert "which Asterisk cannot take" in Up(home).refused()
        assert not home.root.exists()


def test_asked_to_end_at_any_moment_of_its_start_it_leaves_nothing(folder: Path, spoken: Path, small: Path) -> None:
    home = new_home(folder / "hasty", spoken)
    marks = ("secrets/ami", "db/ramal.db", "asterisk/etc/current", "run/up-asterisk.pid", "run/up-page.pid")
    for turn, mark in enumerate(marks):
        up = Up(home, ["--office", str(small)])
        until(lambda mark=mark, up=up: (home.root / mark).exists() or up.process.poll() is not None, 30, mark)
        assert up.end((signal.SIGINT, signal.SIGTERM, signal.SIGHUP)[turn % 3]) in (0, -signal.SIGINT, 130), up.said()
        assert processes(home) == {}, mark
        assert sockets(home) == [], mark
        assert "Traceback" not in up.said()


def _without_network() -> tuple[str, ...]:
    """A network of its own in which only loopback is up: whoever asks for anything else fails."""
    up = (
        "import fcntl, os, socket, struct, sys\n"
        "with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:\n"
        "    fcntl.ioctl(s, 0x8914, struct.pack('16sh14x', b'lo', 0x41))\n"
        "os.execvp(sys.argv[1], sys.argv[1:])"
    )
    alone = ("unshare", "-n") if os.geteuid() == 0 else ("unshare", "-rn")
    if subprocess.run([*alone, "true"], capture_output=True).returncode != 0:
        pytest.skip("this machine lets nobody make a network of his own")
    return (*alone, "--", sys.executable, "-c", up)


def _tcp_listeners(pids: set[int]) -> set[str]:
    """Every IPv4 address at which one of these processes takes connections."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                inodes.add(os.readlink(link))
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
            found.add(address(words[1]))
    return found


def _answers(up: Up) -> bool:
    try:
        return Visitor(up.page).get("/login")[0] == "/login"
    except OSError:
        return False


def _talking(up: Up) -> list[str]:
    return [agent["code"] for agent in up.live()["agents"] if agent["state"] == "talking"]


def _newest_recording(home: Home) -> Path | None:
    return max(home.recordings.rglob("*.wav"), key=lambda path: path.stat().st_mtime, default=None)
