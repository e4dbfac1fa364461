"""The packet filter, held against real packets: two network namespaces, a wire between them, the kernel's filter.

Needs root (or the right to make namespaces) and nftables; else the packets are skipped and the text is still checked.
"""

import ipaddress
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ramal.box import first
from ramal.box.firewall import LOG_BYTES_FULL, Tail, Watch, banned, find, peers_of
from ramal.box.home import Home
from ramal.core.firewall import Doors, ban, release, render
from ramal.core.guard import (
    FAILURES,
    FAILURES_NEAR,
    FIRST_BAN_S,
    LONGEST_BAN_S,
    LONGEST_SIP_S,
    Guard,
    failed_at_page,
    failed_in_log,
)
from ramal.core.near import PRIVATE, Network
from ramal.core.network import Plan
from ramal.core.office import Line, Office
from ramal.store import phone_files, settings
from ramal.store.db import open_writer
from ramal.store.phone_files import Visit
from tests.until import until

NFT = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin")
UNITS = Path(__file__).parents[2] / "systemd"
DOORS = Doors(sip=5060, rtp_first=10000, rtp_last=10010, page=80)
OFFICE, PEER, STRANGER, BOX = "192.168.7.33", "203.0.113.7", "198.51.100.9", "192.168.7.20"
has_nft = pytest.mark.skipif(NFT is None, reason="this machine has no nftables")
PROBE = """
import socket, sys
kind, source, target, port, own = sys.argv[1:6]
family = socket.AF_INET6 if ":" in target else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
s.settimeout(0.6)
try:
    s.bind((source, int(own)))
    s.connect((target, int(port)))
    if kind == "udp":
        s.send(b"hello")
        s.recv(10)
    print("in")
except OSError as error:
    print("out")
"""
SERVE = """
import select, socket, sys
doors = []
for kind, port in (word.split("/") for word in sys.argv[1:]):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::", int(port)))
    if kind == "tcp":
        s.listen()
    doors.append(s)
print("ready", flush=True)
while True:
    for s in select.select(doors, [], [])[0]:
        if s.type == socket.SOCK_DGRAM:
            data, who = s.recvfrom(100)
            s.sendto(data, who)
        else:
            s.accept()[0].close()
"""


def networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


class Wire:
    """A box behind the filter, and the world at the other end of the wire with every address it needs."""

    def __init__(self) -> None:
        self._made: list[subprocess.Popen[str]] = []
        self.box, self.world = self._namespace(), self._namespace()
        self.inside("box", "ip", "link", "add", "wire", "type", "veth", "peer", "name", "far")
        self.inside("box", "ip", "link", "set", "far", "netns", str(self.world))
        for who, name, addresses in (
            ("box", "wire", (f"{BOX}/24", "fd00:7::20/64")),
            ("world", "far", (f"{OFFICE}/24", f"{PEER}/32", f"{STRANGER}/32", "fd00:7::33/64", "2001:db8::9/128")),
        ):
            for address in addresses:
                extra = ("nodad",) if ":" in address else ()
                self.inside(who, "ip", "address", "add", address, "dev", name, *extra)
            self.inside(who, "ip", "link", "set", name, "up")
            self.inside(who, "ip", "link", "set", "lo", "up")
        self.inside("box", "ip", "route", "add", "default", "via", OFFICE)
        self.inside("box", "ip", "-6", "route", "add", "default", "via", "fd00:7::33")
        doors = ("udp/5060", "tcp/5060", "udp/10000", "tcp/80", "tcp/22", "tcp/5038", "udp/161", "udp/68")
        self._serve("box", *doors)
        self._serve("world", "tcp/5060", "udp/53")
        until(lambda: self.reaches(OFFICE, "tcp", 80), 10.0)

    def inside(self, who: str, *words: str, text: str | None = None) -> str:
        pid = self.box if who == "box" else self.world
        done = subprocess.run(
            ["nsenter", "-t", str(pid), "-n", *words],
            input=text,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    def nft(self, text: str) -> None:
        self.inside("box", str(NFT), "-f", "-", text=text)

    def reaches(self, source: str, kind: str, port: int, target: str = BOX, who: str = "world", own: int = 0) -> bool:
        words = (kind, source, target, str(port), str(own))
        return self.inside(who, sys.executable, "-c", PROBE, *words).strip() == "in"

    def close(self) -> None:
        for process in reversed(self._made):
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()

    def _namespace(self) -> int:
        process = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", "echo ready; exec sleep 300"], stdout=subprocess.PIPE, text=True
        )
        self._made.append(process)
        if process.stdout is None or process.stdout.readline() != "ready\n":
            process.wait()
            self.close()
            pytest.skip("this machine lets nobody make network namespaces")
        return process.pid

    def _serve(self, who: str, *doors: str) -> None:
        pid = self.box if who == "box" else self.world
        words = ["nsenter", "-t", str(pid), "-n", sys.executable, "-c", SERVE, *doors]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self._made.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    if NFT is None or os.geteuid() != 0:
        pytest.skip("packets need nftables and root")
    made = Wire()
    made.nft(render(DOORS, PRIVATE, networks(f"{PEER}/32")))
    yield made
    made.close()


@pytest.mark.parametrize(("kind", "port"), [("udp", 5060), ("tcp", 5060), ("udp", 10000), ("tcp", 80), ("tcp", 22)])
def test_the_office_reaches_its_doors(wire: Wire, kind: str, port: int) -> None:
    assert wire.reaches(OFFICE, kind, port)
    assert wire.reaches("fd00:7::33", kind, port, "fd00:7::20")


@pytest.mark.parametrize(("kind", "port"), [("tcp", 5038), ("udp", 161)])
def test_the_office_reaches_nothing_else(wire: Wire, kind: str, port: int) -> None:
    assert not wire.reaches(OFFICE, kind, port)


@pytest.mark.parametrize(
    ("kind", "port", "comes_in"),
    [("udp", 5060, True), ("tcp", 5060, True), ("udp", 10000, True), ("tcp", 80, False), ("tcp", 22, False)],
)
def test_a_trunks_peer_reaches_the_line_and_nothing_else(wire: Wire, kind: str, port: int, comes_in: bool) -> None:
    assert wire.reaches(PEER, kind, port) is comes_in


@pytest.mark.parametrize("kind_port", ["udp/5060", "tcp/5060", "udp/10000", "tcp/80", "tcp/22", "tcp/5038", "udp/161"])
def test_the_internet_reaches_nothing(wire: Wire, kind_port: str) -> None:
    kind, port = kind_port.split("/")
    assert not wire.reaches(STRANGER, kind, int(port))
    assert not wire.reaches("2001:db8::9", kind, int(port), "fd00:7::20")


def test_answers_to_what_the_box_asked_come_in(wire: Wire) -> None:
    assert wire.reaches(BOX, "tcp", 5060, STRANGER, who="box")


def test_the_box_reaches_itself(wire: Wire) -> None:
    assert wire.reaches("127.0.0.1", "tcp", 5038, "127.0.0.1", who="box")


def test_a_ban_closes_every_door_to_one_address_and_a_release_opens_them(wire: Wire) -> None:
    wire.nft(ban(OFFICE, 4, 600, "banned"))
    wire.nft(ban(OFFICE, 4, 1200, "banned"))  # again, while it is there
    try:
        assert not wire.reaches(OFFICE, "udp", 5060)
        assert not wire.reaches(OFFICE, "tcp", 80)
        assert wire.reaches(PEER, "udp", 5060)
        # New networks are another filter text, and the ban outlives it.
        wire.nft(render(DOORS, (*PRIVATE, *networks("100.64.9.0/24")), networks(f"{PEER}/32")))
        assert not wire.reaches(OFFICE, "udp", 5060)
        listed = wire.inside("box", str(NFT), "-j", "list", "set", "inet", "ramal", "banned4")
        assert [who for who, left_s in banned(listed) if 0 < left_s <= 1200] == [OFFICE]
        assert "timeout 20m" in wire.inside("box", str(NFT), "list", "set", "inet", "ramal", "banned4")
    finally:
        wire.nft(release(OFFICE, 4, "banned"))
    assert wire.reaches(OFFICE, "udp", 5060)


def test_a_ban_of_the_router_leaves_the_box_its_address_its_names_and_its_way_out(wire: Wire) -> None:
    assert f"via {OFFICE}" in wire.inside("box", "ip", "route", "show", "default")
    wire.nft(ban(OFFICE, 4, 600, "banned") + ban("fd00:7::33", 6, 600, "banned"))
    try:
        assert not wire.reaches(OFFICE, "tcp", 80)
        wire.inside("box", "ip", "-6", "neigh", "flush", "dev", "wire")
        for kind, port in (("tcp", 5060), ("udp", 53)):
            assert wire.reaches(BOX, kind, port, OFFICE, who="box")
            assert wire.reaches("fd00:7::20", kind, port, "fd00:7::33", who="box")
        assert wire.reaches(OFFICE, "udp", 68, own=67)
    finally:
        wire.nft(release(OFFICE, 4, "banned") + release("fd00:7::33", 6, "banned"))


def test_a_ban_ends_what_the_banned_one_began(wire: Wire) -> None:
    assert wire.reaches(OFFICE, "udp", 5060, own=5070)
    wire.nft(ban(OFFICE, 4, 600, "banned"))
    try:
        assert not wire.reaches(OFFICE, "udp", 5060, own=5070)
    finally:
        wire.nft(release(OFFICE, 4, "banned"))
    assert wire.reaches(OFFICE, "udp", 5060, own=5070)


def test_a_phone_that_is_muted_reaches_every_door_but_sip(wire: Wire) -> None:
    v6 = ("fd00:7::33", "fd00:7::20")
    assert wire.reaches(OFFICE, "udp", 5060, own=5071)
    wire.nft(ban(OFFICE, 4, 600, "muted") + ban(v6[0], 6, 600, "muted"))
    try:
        assert not wire.reaches(OFFICE, "udp", 5060, own=5071), "what it began is ended"
        assert not wire.reaches(OFFICE, "tcp", 5060)
        assert not wire.reaches(v6[0], "udp", 5060, v6[1])
        assert wire.reaches(OFFICE, "tcp", 80)
        assert wire.reaches(v6[0], "tcp", 80, v6[1])
        wire.nft(render(DOORS, (*PRIVATE, *networks("100.64.9.0/24")), networks(f"{PEER}/32")))
        assert not wire.reaches(OFFICE, "udp", 5060)
    finally:
        wire.nft(release(OFFICE, 4, "banned", "muted") + release(v6[0], 6, "muted"))
    assert wire.reaches(OFFICE, "udp", 5060, own=5071)
    assert wire.reaches(v6[0], "udp", 5060, v6[1])


def test_a_ban_ends_by_itself(wire: Wire) -> None:
    wire.nft(ban(OFFICE, 4, 5, "banned"))
    assert not wire.reaches(OFFICE, "udp", 5060)
    until(lambda: wire.reaches(OFFICE, "udp", 5060), 20.0)


def test_a_peer_that_is_none_any_more_is_a_stranger(wire: Wire) -> None:
    wire.nft(render(DOORS, PRIVATE, ()))
    try:
        assert not wire.reaches(PEER, "tcp", 5060)
    finally:
        wire.nft(render(DOORS, PRIVATE, networks(f"{PEER}/32")))
    assert wire.reaches(PEER, "tcp", 5060)


def test_the_guards_own_process_filters_and_bans_and_ends_when_asked(tmp_path: Path) -> None:
    if NFT is None or os.geteuid() != 0:
        pytest.skip("packets need nftables and root")
    home = Home(tmp_path / "home")
    assert first.run(home, tmp_path / "nowhere", say=lambda sentence: None) == 0
    words = ["unshare", "-n", sys.executable, "-m", "ramal", "guard", "--home", str(home.root)]
    guard = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        assert guard.stderr is not None
        assert "in force" in guard.stderr.readline()
        inside = ["nsenter", "-t", str(guard.pid), "-n", sys.executable, "-m", "ramal", "guard"]

        def bans(*words: str) -> "subprocess.CompletedProcess[str]":
            return subprocess.run([*inside, *words], capture_output=True, text=True, timeout=30, check=False)

        line = SAID.format(account="201", remote=f"IPV4/UDP/{STRANGER}/5060")

        def locked_out() -> bool:
            with home.security_log.open("a") as log:
                log.write(line)
            return STRANGER in bans("bans").stdout

        until(locked_out, 30.0)
        assert "may come in again" in bans("release", STRANGER).stdout
        assert bans("release", STRANGER).returncode == 1
        assert STRANGER not in bans("bans").stdout
    finally:
        guard.terminate()
        code = guard.wait(20)
        if guard.stderr is not None:
            guard.stderr.close()
    assert code == 0


@has_nft
def test_the_kernels_program_takes_every_text() -> None:
    many = tuple(ipaddress.ip_network(f"198.51.{n}.0/24") for n in range(200))
    for text in (render(Doors(), (), ()), render(Doors(ssh=80), PRIVATE, (*many, *networks("2001:db8::/32")))):
        done = subprocess.run([str(NFT), "-c", "-f", "-"], input=text, capture_output=True, text=True, check=False)
        if "Operation not permitted" in done.stderr:
            pytest.skip("this machine lets nobody ask nftables")
        assert done.returncode == 0, done.stderr


def test_the_images_first_filter_is_what_a_box_that_knows_nothing_would_make() -> None:
    wanted = render(Doors(), PRIVATE, ())
    if os.environ.get("RAMAL_WRITE_GOLDENS"):
        (UNITS / "firewall.nft").write_text(wanted, encoding="utf-8")
    assert (UNITS / "firewall.nft").read_text(encoding="utf-8") == wanted


SAID = (
    '[2026-11-22 17:25:26.048] SECURITY[1] res_security_log.c: SecurityEvent="ChallengeResponseFailed",EventTV="x",'
    'Severity="Error",Service="PJSIP",EventVersion="1",AccountID="{account}",SessionID="guess",'
    'LocalAddress="IPV4/UDP/127.0.0.1/10200",RemoteAddress="{remote}",Challenge="c",Response="r",ExpectedResponse=""\n'
)


class Floor:
    """An office's home, its guard, and what that tells nftables and says."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root / "home")
        assert first.run(self.home, root / "nowhere", say=lambda sentence: None) == 0
        self.put: list[str] = []
        self.said: list[str] = []
        self.found: dict[str, tuple[str, ...]] = {}
        self.watch = self.guard()

    def guard(self) -> Watch:
        made = Watch(self.home, self.put.append, tuple, lambda host: self.found.get(host, ()), Plan, self.said.append)
        made.refresh()
        made.look(0.0)
        self.put.clear()
        return made

    def fails(self, address: str, times: int, at_s: float) -> list[str]:
        """What nftables was told when Asterisk said that so many answers from there were wrong."""
        with self.home.security_log.open("a") as log:
            log.write(SAID.format(account="201", remote=f"IPV4/UDP/{address}/5060") * times)
        self.put.clear()
        self.watch.look(at_s)
        return self.put

    def trunks(self, *names: str) -> None:
        with closing(open_writer(self.home.db)) as connection:
            lines = tuple(Line(name, "sip-register", host=f"{name}.example", username="1") for name in names)
            settings.save(connection, Office(name="x", lines=lines))

    def fetches(self, address: str, at_ms: int) -> None:
        with closing(open_writer(self.home.db)) as connection, connection:
            phone_files.know(connection, {"201": "001565AABBCC"}, at_ms)
            assert phone_files.admit(connection, Visit("201", "001565AABBCC", True, address, "x"), at_ms)


@pytest.fixture
def box(tmp_path: Path) -> Floor:
    return Floor(tmp_path)


def test_a_trunks_peers_are_its_addresses_and_what_its_name_means() -> None:
    lines = (
        Line("a", "sip-peer", host="203.0.113.1", addresses=("198.51.100.0/24", "203.0.113.8")),
        Line("b", "sip-register", host="provider.example"),
        Line("c", "sip-register", host="gone.example"),
        Line("loop", "sip-peer", host="127.0.0.1", addresses=("127.0.0.1",)),
    )
    known = {
        "203.0.113.1": ["203.0.113.1"],
        "provider.example": ["192.0.2.5", "2001:db8::5"],
        "127.0.0.1": ["127.0.0.1"],
    }
    found = peers_of(Office(name="x", lines=lines), lambda host: known.get(host, []))
    assert set(found) == set(networks("203.0.113.1", "198.51.100.0/24", "203.0.113.8", "192.0.2.5", "2001:db8::5"))


def test_a_trunk_stays_in_the_filter_while_its_name_cannot_be_asked_for(box: Floor) -> None:
    box.trunks("one", "two")
    box.found = {"one.example": ("192.0.2.5",), "two.example": ("192.0.2.6",)}
    box.watch.refresh()
    assert "ramal peers4 { 192.0.2.5/32, 192.0.2.6/32 }" in box.put[-1]
    box.put.clear()
    box.found = {}
    box.watch.refresh()
    assert box.put == [], "DNS is out, and the filter stays as it was"
    box.found = {"one.example": ("192.0.2.7",)}
    box.watch.refresh()
    assert "ramal peers4 { 192.0.2.6/32, 192.0.2.7/32 }" in box.put[-1]
    box.found = {}
    box.trunks("one")
    box.watch.refresh()
    assert "ramal peers4 { 192.0.2.7/32 }" in box.put[-1]
    box.trunks("one", "two")
    box.put.clear()
    box.watch.refresh()
    assert box.put == [], "of a trunk that was taken away nothing is remembered"


def test_a_name_that_cannot_be_asked_for_has_no_addresses() -> None:
    assert find("127.0.0.1") == ("127.0.0.1",)
    assert find("no.such.name.invalid") == ()


# -- the guard's own sense ---------------------------------------------------------------------------------------------


def guard(spared: set[str] | None = None, near: str = "192.168.") -> Guard:
    return Guard(lambda address: address in (spared or set()), lambda address: address.startswith(near))


def bans(guard: Guard, address: str, times: int, began_s: float = 0.0, every_s: float = 1.0) -> list[int]:
    seconds = (guard.failed(address, began_s + n * every_s) for n in range(times))
    return [one for one in seconds if one]


def test_a_stranger_is_locked_out_after_some_failures_and_longer_each_time() -> None:
    watched = guard()
    assert bans(watched, STRANGER, FAILURES - 1) == []
    found, at_s = [], 10.0
    for _ in range(12):
        found += (one := bans(watched, STRANGER, FAILURES, at_s))
        at_s += (one or [0])[0] + 100.0
    assert found[:3] == [FIRST_BAN_S, 2 * FIRST_BAN_S, 4 * FIRST_BAN_S]
    assert max(found) == LONGEST_BAN_S


def test_who_errs_now_and_then_is_never_locked_out() -> None:
    assert bans(guard(), STRANGER, 500, every_s=60.0) == []


def test_the_offices_own_network_gets_more_patience() -> None:
    assert bans(guard(), OFFICE, FAILURES_NEAR - 1) == []
    assert bans(guard(), OFFICE, FAILURES_NEAR) == [FIRST_BAN_S]


def test_a_spared_address_is_never_locked_out() -> None:
    assert bans(guard({STRANGER}), STRANGER, 5000, every_s=0.01) == []


def test_no_lockout_is_longer_than_the_doors_longest_and_a_pardon_begins_anew() -> None:
    watched = Guard(lambda address: False, lambda address: False, 900)
    found, at_s = [], 0.0
    for _ in range(3):
        found += bans(watched, STRANGER, FAILURES, at_s)
        at_s += 1000.0
    assert found == [FIRST_BAN_S, 900, 900]
    watched.pardon(STRANGER)
    watched.pardon("192.0.2.77")
    assert bans(watched, STRANGER, FAILURES, at_s) == [FIRST_BAN_S]


def test_a_phone_with_an_old_password_is_locked_out_of_sip_only_and_for_an_hour_at_most(box: Floor) -> None:
    seconds = []
    for number in range(6):
        told = "".join(box.fails(OFFICE, FAILURES_NEAR, number * 4000.0))
        assert "banned" not in told
        seconds.append(int(told.partition("timeout ")[2].partition("s")[0]))
    assert seconds == [600, 1200, 2400, LONGEST_SIP_S, LONGEST_SIP_S, LONGEST_SIP_S]
    assert f"{OFFICE} tried too many passwords; locked out of SIP for 600 s." in box.said[1]


def test_a_phone_that_was_given_its_settings_is_let_in_and_begins_anew_and_no_other_is(box: Floor) -> None:
    box.fetches("192.168.7.99", 1)
    box.watch = box.guard()
    for address in (OFFICE, "192.168.7.99"):
        assert box.fails(address, FAILURES_NEAR, 1.0) == [ban(address, 4, FIRST_BAN_S, "muted")]
    box.put.clear()
    box.watch.refresh()
    assert box.put == [], "a fetch of before the lockout ends none"
    box.fetches(OFFICE, 2)
    box.watch.refresh()
    assert box.put == [release(OFFICE, 4, "muted")]
    box.watch.refresh()
    assert len(box.put) == 1
    assert box.fails(OFFICE, FAILURES_NEAR - 1, 2.0) == []
    assert box.fails(OFFICE, 1, 3.0) == [ban(OFFICE, 4, FIRST_BAN_S, "muted")]
    assert box.fails("192.168.7.99", FAILURES_NEAR, 4.0) == [], "it is still locked out, nothing to be told"


def test_the_first_phone_that_ever_fetches_is_let_in(box: Floor) -> None:
    assert box.fails(OFFICE, FAILURES_NEAR, 1.0)
    box.fetches(OFFICE, 2)
    box.watch.refresh()
    assert box.put[1:] == [release(OFFICE, 4, "muted")]


def test_who_guesses_at_the_page_is_locked_out_of_every_door(box: Floor) -> None:
    with box.home.page_failures.open("a") as log:
        log.write(f"page-failed {OFFICE}\n" * FAILURES_NEAR)
    box.watch.look(1.0)
    assert box.put == [ban(OFFICE, 4, FIRST_BAN_S, "banned")]


def test_the_guards_memory_is_bounded() -> None:
    watched = guard()
    for number in range(10_000):
        watched.failed(str(ipaddress.ip_address(number)), float(number))
    assert len(watched) <= 4096


@pytest.mark.parametrize(
    ("account", "remote", "failed"),
    [
        ("201", "IPV4/UDP/203.0.113.9/5060", "203.0.113.9"),
        ("201", "IPV6/TCP/2001:db8::9/5060", "2001:db8::9"),
        ('201",RemoteAddress="IPV4/UDP/10.0.0.1/5060', "IPV4/UDP/203.0.113.9/5060", None),
        ('201",Other="x', "IPV4/UDP/203.0.113.9/5060", "203.0.113.9"),
        ('201" RemoteAddress="', "IPV4/UDP/203.0.113.9/5060", None),
        ("201", "nonsense", None),
        ("201", "IPV4/UDP/203.0.113.9/5060 }; flush ruleset", None),
    ],
)
def test_a_stranger_cannot_have_another_address_locked_out(account: str, remote: str, failed: str | None) -> None:
    assert failed_in_log(SAID.format(account=account, remote=remote)) == failed


def test_other_lines_say_nothing() -> None:
    for line in ("", "x", 'SecurityEvent="SuccessfulAuth",RemoteAddress="IPV4/UDP/203.0.113.9/5060"'):
        assert failed_in_log(line) is None
    for event in ("ChallengeSent", "InvalidAccountID", "FailedACL"):  # no answer to a challenge, no guess
        assert failed_in_log(f'SecurityEvent="{event}",RemoteAddress="IPV4/UDP/203.0.113.9/5060"') is None
    assert failed_at_page("page-failed 192.168.7.33\n") == "192.168.7.33"
    assert failed_at_page("page-failed x }; flush\n") is None


def test_a_tail_reads_whole_lines_from_the_end_and_again_after_the_file_was_emptied(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("old\n")
    tail = Tail(file)
    assert tail.lines() == []
    with file.open("a") as out:
        out.write("one\ntw")
    assert tail.lines() == ["one"]
    with file.open("a") as out:
        out.write("o\n")
    assert tail.lines() == ["two"]
    file.write_text("new\n")
    assert tail.lines() == ["new"]
    file.unlink()
    assert tail.lines() == []
    file.write_text("again and longer\n")
    assert tail.lines() == ["again and longer"]


def test_a_log_that_grows_faster_than_it_is_read_is_emptied_and_that_is_said_once_a_flood(tmp_path: Path) -> None:
    file, said = tmp_path / "log", list[str]()
    file.write_text("")
    tail = Tail(file, said.append)
    assert tail.lines() == []

    def emptied() -> bool:
        with file.open("a") as out:
            out.write(("x" * 999 + "\n") * 1000)
        tail.lines()
        assert file.stat().st_size <= LOG_BYTES_FULL
        return file.stat().st_size == 0

    assert sum(emptied() for _ in range(20)) > 2
    assert len(said) == 1
    assert "log grows faster than it is read" in said[0]
    assert any(emptied() for _ in range(20))
    with file.open("a") as out:
        out.write("after\n")
    assert tail.lines() == ["after"], "nothing of a line that was thrown away stands before it"
    assert any(emptied() for _ in range(20))
    assert len(said) == 2


def test_a_flood_that_is_read_as_fast_as_it_comes_is_emptied_too(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("")
    tail = Tail(file)
    assert tail.lines() == []
    for _ in range(100):  # always a little behind
        with file.open("a") as out:
            out.write(("x" * 1023 + "\n") * 260)
        tail.lines()
        assert file.stat().st_size <= LOG_BYTES_FULL


def test_a_log_that_was_not_there_is_read_from_its_beginning(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "log")
    assert tail.lines() == []
    (tmp_path / "log").write_text("first\n")
    assert tail.lines() == ["first"]
