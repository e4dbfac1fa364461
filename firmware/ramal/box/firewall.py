"""``ramal guard``: keeps the packet filter right and locks out who guesses passwords. One process, its main thread.

It runs as the user ``ramal`` with the one capability that nftables needs. Before it starts, the image's static text
(systemd/firewall.nft, the same made for a box that knows nothing yet) is in force; when it dies, the last one stays.
Law: what cannot be known (the office, an address, a name) leaves the filter as it was, never open; and nobody whose
phone is registered is locked out (core.guard).
"""

import contextlib
import ipaddress
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from ramal.box import network
from ramal.box.addresses import own_addresses
from ramal.box.home import Home
from ramal.core.firewall import TABLE, Doors, Shut, ban, release, render
from ramal.core.guard import LONGEST_SIP_S, Guard, failed_at_page, failed_in_log
from ramal.core.near import PRIVATE, Address, Interface, Network, address_of, office_networks
from ramal.core.network import Plan, trusted_networks
from ramal.core.office import Office
from ramal.errors import RamalError
from ramal.store import phone_files, settings
from ramal.store.db import open_reader

LOOK_S, REFRESH_S = 1.0, 30.0
LOG_BYTES_MAX = 1 << 20
LOG_BYTES_FULL = 4 << 20
"""The logs are in memory, and a flood can write faster than they are read: unread or not, no log is longer."""
_READ_BYTES = 1 << 18
NFT_S = 20.0
_SELF = ("127.0.0.1", "::1")


class FilterRefused(RamalError):
    """nftables did not take a text."""


def nft(text: str, *words: str) -> str:
    """Have the kernel take ``text`` whole, or nothing of it; or ask it by other ``words``, and what it says.
    FilterRefused."""
    program = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin")
    if program is None:
        raise FilterRefused("The program nft is missing, so nothing filters this box's network. Install nftables.")
    try:
        done = subprocess.run(
            [program, *(words or ("-f", "-"))], input=text, capture_output=True, text=True, timeout=NFT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FilterRefused(f"The packet filter could not be changed ({error}). It stays as it was.") from error
    if done.returncode != 0:
        why = done.stderr.strip()[:400]
        raise FilterRefused(f"The packet filter was not changed, it stays as it was: {why}")
    return done.stdout


def doors(home: Home) -> Doors:
    """This box's ports."""
    now = home.in_force()
    return Doors(now.sip_port, now.rtp_first, now.rtp_last, now.page_port)


def office_of(home: Home) -> Office | None:
    """The office in force; None when nobody can tell."""
    try:
        with closing(open_reader(home.db)) as connection:
            return settings.load(connection)
    except (RamalError, sqlite3.Error):
        return None


def near_networks(own: Iterable[Interface], plan: Plan) -> tuple[Network, ...]:
    """Whose phones and people are the office's: what the Internet does not carry, the box's own networks, a VPN's."""
    return (*PRIVATE, *office_networks(own), *trusted_networks(plan))


def peers_of(office: Office, find: Callable[[str], Iterable[str]]) -> tuple[Network, ...]:
    """The trunks' addresses: those the office names, and what their hosts' names mean now."""
    found: list[Network] = []
    for line in office.lines:
        for text in (*line.addresses, *(find(line.host) if line.host else ())):
            with contextlib.suppress(ValueError):
                one = ipaddress.ip_network(text, strict=False)
                if not one.is_loopback:
                    found.append(one)
    return tuple(found)


def find(host: str) -> tuple[str, ...]:
    """The addresses of a name; none when it cannot be asked for."""
    try:
        return tuple(sorted({str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)}))
    except OSError:
        return ()


def registered(home: Home) -> frozenset[str]:
    """Where the office's phones are registered from, as Asterisk itself remembers it (AstDB)."""
    file = home.asterisk_lib / "astdb.sqlite3"
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=2.0)) as connection:
            query = "SELECT value FROM astdb WHERE key LIKE '/registrar/contact/%'"
            values = [str(value) for (value,) in connection.execute(query)]
    except sqlite3.Error:
        return frozenset()
    return frozenset(address for value in values for address in _contact_addresses(value))


def fetched(home: Home) -> dict[str, int] | None:
    """When phones were last given their settings (ms UTC), by the address they asked from; None: nobody can tell."""
    try:
        with closing(open_reader(home.db)) as connection:
            known = phone_files.records(connection).values()
    except (RamalError, sqlite3.Error):
        return None
    times = sorted((one.fetched_ms, one.address) for one in known if one.fetched_ms is not None)
    return {address: at_ms for at_ms, address in times}


def _contact_addresses(value: str) -> Iterator[str]:
    with contextlib.suppress(ValueError, AttributeError):
        table = json.loads(value)
        uri = str(table.get("uri", "")).partition(";")[0].rpartition("@")[2].removeprefix("sip:")
        host = uri.partition("]")[0].lstrip("[") if uri.startswith("[") else uri.partition(":")[0]
        for text in (host, str(table.get("via_addr", ""))):
            address = address_of(text.strip("[]"))
            if address is not None:
                yield str(address)


@dataclass(slots=True)
class Tail:
    """New whole lines of a file that others append to, from its end at the first look; also when it was emptied."""

    path: Path
    say: Callable[[str], None] = lambda sentence: None
    _at: int = -1
    _inode: int = -1
    _part: bytes = b""
    _flooded: bool = False

    def lines(self) -> list[str]:
        """What came since; at most a quarter of a MiB at once. A file that has grown long is emptied when all of it
        was read, one that has grown too long anyway."""
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                if self._at < 0:
                    self._at = status.st_size
                elif status.st_ino != self._inode or status.st_size < self._at:
                    self._at, self._part = 0, b""
                self._inode = status.st_ino
                file.seek(self._at)
                data = file.read(_READ_BYTES)
                self._at += len(data)
            unread = self._at < status.st_size
            lost = unread and status.st_size > LOG_BYTES_FULL
            if lost or (self._at > LOG_BYTES_MAX and not unread):
                os.truncate(self.path, 0)
                self._at = 0
        except OSError:
            self._at, self._part = 0, b""  # it is not there: all of the next one will be new
            return []
        *whole, self._part = (self._part + data).split(b"\n")
        self._part = b"" if lost else self._part[-4096:]
        if lost and not self._flooded:
            self.say(f"{self.path.name} grows faster than it is read: what of it was not read yet is thrown away.")
        self._flooded = lost or (self._flooded and unread)  # said once, until all was read again
        return [line.decode("utf-8", "replace") for line in whole]


@dataclass(frozen=True, slots=True)
class Door:
    """Where passwords are tried: the log that tells of it, who failed by a line of it, and what a lockout shuts."""

    log: Tail
    failed: Callable[[str], str | None]
    guard: Guard
    shut: Shut


@dataclass(slots=True)
class Watch:
    """The loop's state. ``put`` takes a text for nft; the others tell how things are, and tests put their own."""

    home: Home
    put: Callable[[str], object] = nft
    own: Callable[[], tuple[Interface, ...]] = own_addresses
    find: Callable[[str], Iterable[str]] = find
    plan: Callable[[], Plan] = network.in_force
    say: Callable[[str], None] = lambda sentence: print(sentence, file=sys.stderr, flush=True)
    _text: str = ""
    _near: tuple[Network, ...] = PRIVATE
    _peers: tuple[Network, ...] = ()
    _answers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _phones: frozenset[str] = frozenset()
    _fetched: dict[str, int] | None = None
    _sip: Door = field(init=False)
    _page: Door = field(init=False)

    def __post_init__(self) -> None:
        sip = Guard(self._spared, self._is_near, LONGEST_SIP_S)
        self._sip = Door(Tail(self.home.security_log, self.say), failed_in_log, sip, "muted")
        page = Guard(self._spared, self._is_near)
        self._page = Door(Tail(self.home.page_failures, self.say), failed_at_page, page, "banned")
        with contextlib.suppress(OSError):
            os.close(os.open(self.home.page_failures, os.O_CREAT | os.O_WRONLY, 0o660))
            os.chmod(self.home.page_failures, 0o660)  # the page's user writes to it, by the group

    def refresh(self) -> None:
        """Bring the filter to how things are now."""
        self._near = near_networks(self.own(), self.plan())
        office = office_of(self.home)
        if office is not None:
            hosts = {line.host for line in office.lines}
            self._answers = {host: answer for host, answer in self._answers.items() if host in hosts}
            self._peers = peers_of(office, self._meant)
        self._phones = registered(self.home)
        self._pardon()
        text = render(doors(self.home), self._near, self._peers)
        if text == self._text:
            return
        try:
            self.put(text)
        except FilterRefused as error:
            self.say(str(error))
            return
        self._text = text
        self.say(f"The packet filter is in force: {len(self._peers)} networks of trunks may reach the lines.")

    def _meant(self, host: str) -> tuple[str, ...]:
        """What a name means; while it cannot be asked for, what it meant last: a trunk stays in when DNS is out."""
        answer = tuple(self.find(host)) or self._answers.get(host, ())
        self._answers[host] = answer
        return answer

    def look(self, now_s: float) -> None:
        """Read what failed since, and lock out who has to be."""
        for door in (self._sip, self._page):
            for line in door.log.lines():
                address = address_of(door.failed(line) or "")
                if address is None or str(address) in _SELF:
                    continue
                seconds = door.guard.failed(str(address), now_s)
                if seconds:
                    self._ban(address, seconds, door.shut)

    def _pardon(self) -> None:
        """Let phones that were given their settings since the last look try the password they have now."""
        now = fetched(self.home)
        if now is None:
            return
        before, self._fetched = self._fetched, now
        if before is None:  # what was fetched before this process began ends no lockout
            return
        for text in (one for one in now if now[one] != before.get(one)):
            address = address_of(text)
            if address is None:
                continue
            self._sip.guard.pardon(str(address))
            try:
                self.put(release(str(address), address.version, self._sip.shut))
            except FilterRefused as error:
                self.say(f"{address} was given its phone's settings and could not be let in: {error}")

    def _ban(self, address: Address, seconds: int, shut: Shut) -> None:
        if str(address) in registered(self.home):  # as it is this instant, not half a minute ago
            return
        try:
            self.put(ban(str(address), address.version, seconds, shut))
        except FilterRefused as error:
            self.say(f"{address} could not be locked out: {error}")
            return
        what = "every door" if shut == "banned" else "SIP"
        self.say(
            f"{address} tried too many passwords; locked out of {what} for {seconds} s. ramal guard release {address}"
        )

    def _spared(self, text: str) -> bool:
        return text in self._phones or self._in(text, self._peers)

    def _is_near(self, text: str) -> bool:
        return self._in(text, self._near)

    @staticmethod
    def _in(text: str, networks: Iterable[Network]) -> bool:
        address = address_of(text)
        return address is not None and any(address in one for one in networks if one.version == address.version)


def banned(listed: str) -> tuple[tuple[str, int], ...]:
    """(address, seconds left) of what ``nft -j list set`` says."""
    found: list[tuple[str, int]] = []
    for part in json.loads(listed).get("nftables", ()):
        for one in part.get("set", {}).get("elem", ()):
            inner = one.get("elem", one) if isinstance(one, dict) else {"val": one}
            found.append((str(inner.get("val")), int(inner.get("expires", 0))))
    return tuple(sorted(found))


def _banned_now(shut: Shut) -> Iterator[tuple[str, int]]:
    for version in (4, 6):
        yield from banned(nft("", "-j", "list", "set", *TABLE.split(), f"{shut}{version}"))


def run(home: Home, act: str = "run", address: str = "") -> int:
    """``run`` until SIGTERM; ``show`` the text; list ``bans``; ``release`` an address. RamalError."""
    if act == "show":
        print(render(doors(home), near_networks(own_addresses(), network.in_force()), ()), end="")
        return 0
    if act == "bans":
        for who, left_s in _banned_now("banned"):
            print(f"{who}  {left_s} s left")
        for who, left_s in _banned_now("muted"):
            print(f"{who}  {left_s} s left, SIP only")
        return 0
    if act == "release":
        found = address_of(address)
        if found is None:
            raise RamalError(f"“{address[:60]}” is not an address. For example: ramal guard release 192.168.1.33")
        if str(found) not in {who for who, _ in (*_banned_now("banned"), *_banned_now("muted"))}:
            raise RamalError(f"{found} is not locked out.")
        nft(release(str(found), found.version, "banned", "muted"))
        print(f"{found} may come in again.")
        return 0
    ended: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        ended.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    watch, due_s = Watch(home), 0.0
    while not ended:
        now_s = time.monotonic()
        if now_s >= due_s:
            watch.refresh()
            due_s = now_s + REFRESH_S
        watch.look(now_s)
        time.sleep(LOOK_S)
    return 0
