"""One desk phone as the templates see it, and how texts of people become safe in its files. Pure."""

from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

from ramal.core.office import Language, PhoneModel, Transport
from ramal.provision.zones import Zone

EXPIRES_S = 300
"""How long a registration lasts: a phone that was unplugged is known to be gone after that, a call not much later."""
PICK_UP = "*8"
"""Dialed before an extension: take the call that rings there."""


@dataclass(frozen=True, slots=True)
class Key:
    """A programmable key: a ``lamp`` (BLF) is watched and dialed, ``dial`` is only dialed. ``value`` is what is dialed;
    ``pick_up``: a call that rings there can be taken with the key."""

    kind: Literal["lamp", "dial"]
    value: str
    label: str
    pick_up: bool = False


@dataclass(frozen=True, slots=True)
class Handset:
    """Everything one phone is set up with.

    ``mac``: 12 capital digits. ``server``: the address the phone reached the box at, also its NTP server.
    ``base_url``: the folder of its files with its own token, ``http://10.0.0.5:8080/provision/3f…``, no slash last.
    """

    model: PhoneModel
    mac: str
    extension: str
    secret: str
    name: str
    server: str
    port: int
    base_url: str
    admin_password: str
    language: Language
    zone: Zone
    keys: tuple[Key, ...] = ()
    transport: Transport = "udp"

    @property
    def title(self) -> str:
        """What the phone shows of itself."""
        return self.name.strip() or self.extension

    @property
    def address(self) -> str:
        """``host:port`` as it stands in a SIP URI."""
        return f"{self.host}:{self.port}"

    @property
    def host(self) -> str:
        """The server, an IPv6 address in brackets."""
        return f"[{self.server}]" if ":" in self.server else self.server


def line_text(text: str) -> str:
    """A person's text as a value of a ``key = value`` line: one line, without what begins comments, quotes or stands
    for “nothing” (``%NULL%``)."""
    clean = "".join(" " if char in '#"\\%' or not char.isprintable() else char for char in text)
    return " ".join(clean.split())


def xml_text(text: str) -> str:
    """A text inside an XML element or a quoted attribute. Characters that XML has no way to write are left out."""
    allowed = "".join(char for char in text if char.isprintable())
    return escape(allowed, {'"': "&quot;", "'": "&apos;"})
