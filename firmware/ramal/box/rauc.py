"""RAUC on this box: what a bundle holds, and installing one while telling how far it is.

Runs on the thread of root's ``ramal update``. Law: nothing is installed that RAUC does not verify against the box's own
keyring; what a bundle says of itself counts only after that. A source is a file below a folder of ours, or an http(s)
address, which RAUC streams by itself.
"""

import contextlib
import hashlib
import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ramal.box.image import Image
from ramal.core.updates import Progress, progress_of
from ramal.errors import RamalError

INFO_S, BEGIN_S = 120.0, 180.0
INSTALL_S = 3600.0
SOURCE_MAX = 2000
BLOCK = 4096
_VERITY = re.compile(r"Verity (Salt|Hash|Size):\s+'?([0-9a-f]{1,128})\b")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,39}\Z")


class BundleRefused(RamalError):
    """A bundle that is not installed; ``code`` names the reason for the page."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{sentence} Nothing was changed; the release that runs goes on.")
        self.code = code


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a verified bundle says of itself."""

    compatible: str
    version: str


@dataclass(frozen=True, slots=True)
class Rauc:
    """RAUC with this image's configuration. ``program`` is its command."""

    image: Image
    program: tuple[str, ...] = ("rauc",)
    bus: tuple[str, ...] = ("busctl",)
    """How RAUC's service is asked. It alone may stream: that needs a network block device and root's powers, which
    whoever calls this (``ramal-update.service``) does not have."""
    begin: tuple[str, ...] = ("systemctl", "start", "rauc.service")
    """Starts that service. The bus would do it by itself, and gives up after 25 s: a busy box needs longer."""

    def compatible(self) -> str:
        """What a bundle must be made for."""
        try:
            return _config(self.image.system_conf).get("system", "compatible")
        except (OSError, UnicodeDecodeError, ConfigError) as error:
            raise RamalError(
                f"{self.image.system_conf} cannot be read ({error}), so nothing can be installed here. Calls go on."
            ) from error

    def installed(self, slot: str, since_s: float) -> str:
        """The version RAUC itself noted for ``slot`` (A or B) at an installation that began at ``since_s`` (Unix time);
        "" when it noted none since then."""
        with contextlib.suppress(OSError, UnicodeDecodeError, ConfigError):
            path = Path(_config(self.image.system_conf).get("system", "statusfile"))
            if path.stat().st_mtime >= since_s:
                return _config(path).get(f"slot.rootfs.{'AB'.index(slot)}", "bundle.version")
        return ""

    def verified(self, source: str) -> Bundle:
        """What ``source`` holds. BundleRefused when it is no bundle, not signed by whom this box trusts, damaged, or
        for another machine."""
        bundle = self._told(source) if checked(source).startswith("/") else self._streamed(source)
        if bundle.compatible != self.compatible():
            raise BundleRefused(
                "other-machine",
                f"This update is for another kind of machine ({bundle.compatible[:40] or 'unknown'}; this one is "
                f"{self.compatible()}).",
            )
        if not _NAME.match(bundle.version):
            raise BundleRefused("no-version", "This update does not say which version it is.")
        if source.startswith("/"):
            self._check_payload(source)
        return bundle

    def _told(self, file: str) -> Bundle:
        """By RAUC's own command, in this process's confines."""
        words = [*self.program, f"--conf={self.image.system_conf}", "info", "--output-format=shell", file]
        done = _done(words, INFO_S)
        if done.returncode:
            raise refusal(done.stderr or done.stdout)
        told = _shell(done.stdout)
        return Bundle(told.get("RAUC_MF_COMPATIBLE", ""), told.get("RAUC_MF_VERSION", ""))

    def _streamed(self, address: str) -> Bundle:
        """By RAUC's service, which verifies the signature before it says anything."""
        self._begun()
        words = [*self.bus, "--json=short", f"--timeout={INFO_S:.0f}", "call", "de.pengutronix.rauc", "/"]
        done = _done([*words, "de.pengutronix.rauc.Installer", "InspectBundle", "sa{sv}", address, "0"], INFO_S + 10)
        if done.returncode:
            raise refusal(done.stderr or done.stdout)
        return inspected(done.stdout)

    def _begun(self) -> None:
        """Whatever comes of it: asking the service says better what is amiss."""
        with contextlib.suppress(RamalError):
            _done([*self.begin], BEGIN_S)

    def _check_payload(self, source: str) -> None:
        """The signature covers the root of a tree of hashes; RAUC itself meets a damaged block only when it comes to
        it, after the slot was begun. Here every block is read first. BundleRefused for a damaged one."""
        words = [*self.program, f"--conf={self.image.system_conf}", "info", "--output-format=readable", source]
        found = dict(_VERITY.findall(_done(words, INFO_S).stdout))
        if len(found) == 3 and not payload_is_whole(
            Path(source), int(found["Size"]), bytes.fromhex(found["Salt"]), bytes.fromhex(found["Hash"])
        ):
            raise BundleRefused("signature", "The update is damaged.")

    def install(self, source: str, on_progress: Callable[[Progress], None]) -> None:
        """Install ``source`` into the slot that does not run. BundleRefused with RAUC's last words when it fails."""
        said: list[str] = []
        self._begun()
        try:
            running = subprocess.Popen(
                [*self.program, f"--conf={self.image.system_conf}", "install", checked(source)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise RamalError(f"RAUC could not be started ({error}). Nothing was changed.") from error
        with running:
            assert running.stdout is not None
            out = running.stdout.fileno()
            for raw in _lines(lambda most: os.read(out, most)):
                said = [*said, raw][-20:]
                progress = progress_of(raw)
                if progress is not None:
                    on_progress(progress)
        if running.returncode:
            raise refusal("\n".join(said))


def _config(path: Path) -> ConfigParser:
    config = ConfigParser(interpolation=None, strict=False, delimiters=("=",))
    config.read_string(path.read_text(encoding="utf-8"))
    return config


def inspected(answer: str) -> Bundle:
    """What ``InspectBundle`` answered, as busctl writes it (JSON: every value with its type); BundleRefused for what
    it never answers."""
    try:
        (told,) = json.loads(answer)["data"]
        update = _bare(_bare(told)["update"])
        return Bundle(*(str(_bare(update[name])) for name in ("compatible", "version")))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BundleRefused("failed", f"RAUC did not say what this update is ({answer.strip()[:200]}).") from None


def _bare(value: Any) -> Any:
    """A value without its types: variants lie in variants."""
    return _bare(value["data"]) if isinstance(value, dict) and value.keys() == {"type", "data"} else value


def payload_is_whole(path: Path, tree_bytes: int, salt: bytes, root: bytes) -> bool:
    """Whether a verity bundle's blocks have the hash ``root``. The file is payload, tree (``tree_bytes``), signature
    and the signature's length (8 bytes, big-endian)."""
    with path.open("rb") as file:
        file.seek(-8, 2)
        end = file.tell()
        size = end - int.from_bytes(file.read(8), "big") - tree_bytes
        if size <= 0 or size % BLOCK:
            return False
        file.seek(0)
        begun = hashlib.sha256(salt)
        level = b"".join(_hash(begun, file.read(BLOCK)) for _ in range(size // BLOCK))
    while len(level) > 32:
        level = b"".join(_hash(begun, level[at : at + BLOCK].ljust(BLOCK, b"\0")) for at in range(0, len(level), BLOCK))
    return level == root


def _hash(begun: "hashlib._Hash", block: bytes) -> bytes:
    whole = begun.copy()
    whole.update(block)
    return whole.digest()


def checked(source: str) -> str:
    """``source`` when it is an absolute path of a file or an address RAUC may fetch; BundleRefused otherwise."""
    if len(source) > SOURCE_MAX or not source.isprintable():
        raise BundleRefused("no-source", "This is no address of an update.")
    if source.startswith("/"):
        if not Path(source).is_file():
            raise BundleRefused("no-file", "The file of the update is not there any more.")
        return source
    parts = urlsplit(source)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BundleRefused("no-source", "An update is a file, or an address that begins with http:// or https://.")
    return source


def refusal(said: str) -> BundleRefused:
    """What RAUC's words mean to a person. The words change between versions; what is not known is shown as it is."""
    low = said.lower()
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "RAUC did not say why")[:300]
    if "compatible" in low and "match" in low:
        return BundleRefused("other-machine", "This update is for another kind of machine.")
    if "server not responding" in low or "failed to configure streaming" in low or "resolve" in low:
        return BundleRefused("unreachable", "The address of the update does not answer.")
    if "signature" in low or "certificate" in low or "verif" in low or "verity" in low:
        return BundleRefused("signature", "The update is damaged, or not signed by whom this box trusts.")
    if "no space" in low:
        return BundleRefused("no-room", "There is no room for the update.")
    if "non-bootable" in low or "custom" in low or "backend" in low:
        return BundleRefused("on-trial", "The box is not ready for an update now: a release runs on trial.")
    if "bundle" in low and ("format" in low or "identifier" in low or "small" in low or "size" in low):
        return BundleRefused("no-bundle", "This file is no update of Ramal.")
    return BundleRefused("failed", f"The update could not be installed ({last}).")


def _done(argv: list[str], timeout_s: float) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            argv, capture_output=True, text=True, errors="replace", timeout=timeout_s, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise BundleRefused("unreachable", "The update could not be read in time.") from None
    except OSError as error:
        raise RamalError(f"RAUC could not be started ({error}). Nothing was changed.") from error


def _shell(text: str) -> dict[str, str]:
    """``NAME='value'`` lines."""
    try:
        pairs = (word.partition("=") for word in shlex.split(text))
        return {name: value for name, _, value in pairs}
    except ValueError:
        return {}


def _lines(read: Callable[[int], bytes], longest: int = 4096) -> Iterator[str]:
    """Lines as they come; a carriage return ends one too, for progress bars."""
    rest = b""
    while data := read(4096):
        *whole, rest = re.split(rb"[\r\n]+", rest + data)
        rest = rest[-longest:]
        yield from (line.decode("utf-8", "replace") for line in whole if line)
    if rest:
        yield rest.decode("utf-8", "replace")
