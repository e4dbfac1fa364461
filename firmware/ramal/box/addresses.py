"""The box's own addresses, as the kernel has them now. Asks ``ip``, takes some 5 ms; any thread."""

import ipaddress
import json
import shutil
import subprocess

from ramal.core.near import Interface

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
ASK_S = 5.0


def own_addresses() -> tuple[Interface, ...]:
    """Every address with its prefix; none when they cannot be asked for (then everybody is a stranger)."""
    program = shutil.which("ip", path=_PATH)
    if program is None:
        return ()
    try:
        done = subprocess.run([program, "-j", "address"], capture_output=True, text=True, timeout=ASK_S, check=True)
        return parse(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return ()


def parse(text: str) -> tuple[Interface, ...]:
    """The addresses in what ``ip -j address`` prints, in its order. ValueError when it is no such text."""
    found: list[Interface] = []
    for link in json.loads(text):
        for one in link.get("addr_info", ()):
            if one.get("family") in ("inet", "inet6") and "local" in one:
                found.append(ipaddress.ip_interface(f"{one['local']}/{int(one['prefixlen'])}"))
    return tuple(found)
