"""Desk phones that set themselves up: who may fetch, and the file they get.

The page's process serves ``/provision/…`` and asks here for every file; it never sees the office or writes anything.
Law: a file goes to a phone of the office whose window is open, once to a fresh one, or to who holds the phone's token;
who fetched is written before the file leaves. Secrets are in the answer only, never in a log or the audit.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast
from urllib.parse import urlsplit

from ramal import provision
from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.core.office import Office, Phone, PhoneModel
from ramal.errors import RamalError
from ramal.ops.means import Means, Subject
from ramal.provision.handset import Handset
from ramal.provision.keys import keys
from ramal.provision.zones import Zone
from ramal.provision.zones import zone as zone_of
from ramal.store import phone_files

MINUTES, MINUTES_MAX = 30, 24 * 60
_NAME = re.compile(r"(?:cfg)?([0-9a-f]{12})\.(?:cfg|xml)\Z")
_HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?\Z")
_zone = lru_cache(maxsize=8)(zone_of)


class NoPhone(RamalError):
    """The office has no such phone."""

    code = "phone-unknown"


def subject(means: Means) -> Subject:
    """``phones.list``, ``phones.open`` and ``phones.file``."""
    desk = _Phones(means)
    handlers: dict[str, Callable[[Request], Any]] = {
        "phones.list": lambda _: means.work(desk.listed),
        "phones.open": desk.open,
        "phones.file": desk.file,
    }
    return Subject("phones", handlers, at_up=desk.know, now_and_then=desk.know)


def token_of(secret: bytes, mac: str) -> str:
    """What stands in the address from which the phone ``mac`` fetches again; 32 hex digits of this box alone."""
    return hmac.new(secret, f"token {mac}".encode(), hashlib.sha256).hexdigest()[:32]


def admin_password_of(secret: bytes) -> str:
    """The password of the phones' own settings pages: 16 letters and digits, the same for all phones of a box."""
    return base64.b32encode(hmac.new(secret, b"admin", hashlib.sha256).digest())[:16].decode().lower()


def macs(office: Office) -> dict[str, str]:
    """Extension → hardware address of every phone that fetches its settings."""
    return {phone.extension: phone.mac for phone in office.phones if phone.mac and phone.model}


@dataclass(frozen=True, slots=True)
class _Phones:
    means: Means

    def know(self) -> None:
        """Take the office's phones into the database."""
        office, now_ms = self.means.office(), self.means.clock_ms()
        wanted = macs(office)
        known = {row.phone: row.mac for row in self.means.read(phone_files.records).values()}
        if not wanted.items() <= known.items():
            self.means.write(lambda db: phone_files.know(db, wanted, now_ms)).result()

    def listed(self) -> Answer:
        """``{"phones": [{"extension", "name", "mac", "model", "virtual", "registered", "fetched_ms", "address",
        "agent", "open", "open_until_ms"}]}`` in the file's order; ``open``: it may fetch now without its token."""
        office, now_ms, reach = self.means.office(), self.means.clock_ms(), self.means.state().reach
        known = self.means.read(phone_files.records)
        rows: list[dict[str, Any]] = []
        for phone in office.phones:
            row = known.get(phone.extension)
            row = row if row is not None and row.mac == phone.mac else None
            rows.append(
                {
                    **{name: getattr(phone, name) for name in ("extension", "name", "mac", "model", "virtual")},
                    "registered": reach.get(phone.extension, False),
                    "fetched_ms": row.fetched_ms if row else None,
                    "address": row.address if row else "",
                    "agent": row.agent if row else "",
                    "open": row.is_open(now_ms) if row else False,
                    "open_until_ms": row.open_until_ms if row and row.open_until_ms > now_ms else 0,
                }
            )
        return {"phones": rows, "timezone": office.timezone}

    def open(self, request: Request) -> "Future[Answer]":
        """Let ``extension`` fetch for ``minutes`` (0 = no more) for ``who``; ``{"until_ms"}``. NoPhone with a sentence
        when the office has no such phone or does not say what it is."""
        extension, who = request.text("extension"), request.text("who", "command line")
        minutes = request.given.get("minutes", MINUTES)
        if not isinstance(minutes, int) or isinstance(minutes, bool) or not 0 <= minutes <= MINUTES_MAX:
            raise RamalError(f"A phone can be let in for 0 to {MINUTES_MAX} minutes. Nothing was changed.")
        phone = next((phone for phone in self.means.office().phones if phone.extension == extension), None)
        if phone is None:
            raise NoPhone(f"This office has no phone {extension[:12]}. Nothing was changed.")
        if not (phone.mac and phone.model):
            raise NoPhone(
                f"The office file does not say “mac” and “model” of phone {extension}, so it cannot fetch its "
                "settings. Add both to its [[phone]] and apply the file."
            )
        now_ms = self.means.clock_ms()
        until_ms = now_ms + minutes * 60_000 if minutes else 0
        wanted = macs(self.means.office())

        def job(db: Any) -> Answer:
            phone_files.know(db, wanted, now_ms)
            phone_files.open_until(db, extension, until_ms, now_ms, who)
            return {"until_ms": until_ms}

        return self.means.write(job)

    def file(self, request: Request) -> "Future[Answer]":
        """The file ``name`` for who asks from ``address`` with the program ``agent``, having reached the box at
        ``host`` (with its port); ``token`` empty = without. ``{"body", "type"}``, or ``{"refused"}`` with a sentence
        when the window is closed. NoPhone when no phone of this office has such a file."""
        name, host = request.text("name").lower(), request.text("host")
        token, address, agent = request.text("token", ""), request.text("address"), request.text("agent", "")
        office, now_ms = self.means.office(), self.means.clock_ms()
        if not _HOST.match(host):
            raise NoPhone("This is not an address of the box.")
        phone = _phone(office, name)
        secret = self.means.home.phones_secret()
        body = provision.files(self._handset(office, phone, host, secret, now_ms)).get(name)
        # Compared before anything else is said, so that a wrong token learns no more than no file.
        known = hmac.compare_digest(token.encode(), token_of(secret, phone.mac).encode())
        if body is None or (token and not known):
            raise NoPhone("No phone of this office has such a file.")
        visit = phone_files.Visit(phone.extension, phone.mac, bool(token), address, agent)
        wanted = macs(office)

        def job(db: Any) -> Answer:
            phone_files.know(db, wanted, now_ms)
            if not phone_files.admit(db, visit, now_ms):
                return {
                    "refused": f"Phone {phone.extension} may not fetch its settings now. It keeps those it has. "
                    f"Let it in with: ramal phones provision {phone.extension}"
                }
            return {"body": body, "type": "text/plain" if phone.model == "yealink" else "application/xml"}

        return self.means.write(job)

    def _handset(self, office: Office, phone: Phone, host: str, secret: bytes, now_ms: int) -> Handset:
        year = datetime.fromtimestamp(now_ms / 1000, UTC).year
        return Handset(
            model=cast(PhoneModel, phone.model),
            mac=phone.mac,
            extension=phone.extension,
            secret=phone.secret,
            name=phone.name,
            server=urlsplit(f"//{host}").hostname or "",
            port=self.means.home.in_force().sip_port,
            base_url=f"http://{host}/provision/{token_of(secret, phone.mac)}",
            admin_password=admin_password_of(secret),
            language=office.language,
            zone=_zone_in(office, year),
            keys=keys(office, phone),
        )


def _zone_in(office: Office, year: int) -> Zone:
    return _zone(office.timezone, min(max(year, 2000), 2100))


def _phone(office: Office, name: str) -> Phone:
    """The phone whose file is called so; NoPhone."""
    found = _NAME.match(name)
    mac = found[1].upper() if found else ""
    for phone in office.phones:
        if mac and phone.mac == mac and phone.model:
            return phone
    raise NoPhone("No phone of this office has such a file.")
