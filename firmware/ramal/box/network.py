"""``ramal network``: how the box stands in its network, changed so that nobody is locked out by it.

Runs in the command's process, as root; writes network.toml below /data/system and networkd's files below /run. Law:
network.toml holds only what was confirmed. A change is a trial: it is in force at once, and unless ``ramal network
confirm`` comes within some minutes (from a computer that still reaches the box) the last good settings return, by a
timer of systemd; and after a power cut at any instant they are in force again too.
"""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ramal.box.home import write_whole
from ramal.core import network as core
from ramal.core.network import NetworkRefused, Plan
from ramal.errors import RamalError

CONFIRM_WITHIN_MIN = 5
MINUTES_MAX = 60
RETURN_UNIT = "ramal-network-return"
_BYTES_MAX = 64 * 1024

Command = Callable[[Sequence[str]], None]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the files lie on the image."""

    kept: Path = Path("/data/system/network.toml")
    trial: Path = Path("/run/ramal-network/trial.toml")
    """Not on the disk: a power cut ends the trial."""
    networkd: Path = Path("/run/systemd/network")


def read(path: Path) -> Plan:
    """The plan in a file; DHCP where there is none. NetworkRefused."""
    try:
        with path.open("rb") as file:
            return core.read(file.read(_BYTES_MAX).decode("utf-8"))
    except FileNotFoundError:
        return Plan()
    except (OSError, UnicodeDecodeError) as error:
        raise NetworkRefused(f"{path} cannot be read ({error}).") from error


def in_force(places: Places | None = None) -> Plan:
    """The plan that is in force now, a trial's too; DHCP when the file cannot be used."""
    where = places or Places()
    for path in (where.trial, where.kept):
        with contextlib.suppress(NetworkRefused):
            if path.exists():
                return read(path)
    return Plan()


class Network:
    """The commands, on ``places``; ``call`` runs a program of the system (tests have their own)."""

    def __init__(self, places: Places | None = None, call: Command | None = None) -> None:
        self.places = places or Places()
        self._call = call or _call

    def boot(self) -> str:
        """At every start: what was confirmed last. A file that cannot be used means DHCP, said in the sentence."""
        try:
            plan, told = read(self.places.kept), ""
        except NetworkRefused as error:
            plan, told = Plan(), f"{error} The box asks for an address by DHCP instead."
        self._render(plan)
        return told

    def change(self, plan: Plan, minutes: int = CONFIRM_WITHIN_MIN) -> str:
        """Try ``plan``; what a person is told. RamalError."""
        if not 1 <= minutes <= MINUTES_MAX:
            raise NetworkRefused(f"The minutes to confirm in are 1 to {MINUTES_MAX}. Nothing was changed.")
        before = self._last_good()
        try:
            self.places.trial.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            write_whole(self.places.trial, core.write(plan), 0o644)
        except OSError as error:
            raise _unwritten(error) from error
        try:
            # The way back first: from here on even the loss of this very connection is mended.
            self._call(["systemctl", "stop", f"{RETURN_UNIT}.timer"])
            when = (f"--on-active={minutes}min", "--timer-property=AccuracySec=1s")
            again = (sys.executable, "-m", "ramal", "network", "back")
            self._call(["systemd-run", f"--unit={RETURN_UNIT}", "--collect", *when, *again])
            self._apply(plan)
        except (RamalError, OSError) as error:
            self.places.trial.unlink(missing_ok=True)
            self._apply(before)
            raise RamalError(
                f"The change could not be tried ({error}). The settings of before are in force."
            ) from error
        return (
            f"On trial: {words(plan)}. Confirm within {minutes} min, from a computer that reaches the box: "
            "ramal network confirm. Otherwise the settings of before return by themselves."
        )

    def confirm(self) -> str:
        """Keep what is on trial. RamalError when nothing is."""
        if not self.places.trial.exists():
            raise RamalError("Nothing is on trial; the settings in force are those that were confirmed last.")
        plan = read(self.places.trial)
        try:
            self.places.kept.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.places.kept, core.write(plan), 0o644)
        except OSError as error:
            raise _unwritten(error) from error
        self.places.trial.unlink(missing_ok=True)
        with contextlib.suppress(RamalError, OSError):
            self._call(["systemctl", "stop", f"{RETURN_UNIT}.timer"])
        return f"Kept: {words(plan)}."

    def back(self) -> str:
        """Return to what was confirmed last, when something is on trial."""
        if not self.places.trial.exists():
            return "Nothing is on trial."
        self.places.trial.unlink(missing_ok=True)
        plan = self._last_good()
        self._apply(plan)
        return f"Nobody confirmed the change: {words(plan)} is in force again."

    def reload(self) -> None:
        """Have networkd read what lies there now. RamalError."""
        self._call(["networkctl", "reload"])

    def _last_good(self) -> Plan:
        try:
            return read(self.places.kept)
        except NetworkRefused:
            return Plan()

    def _apply(self, plan: Plan) -> None:
        gone = self._render(plan)
        if "10-ramal-phones.netdev" in gone:
            with contextlib.suppress(RamalError):
                self._call(["networkctl", "delete", core.VLAN_NAME])
        self.reload()

    def _render(self, plan: Plan) -> frozenset[str]:
        """Lay networkd's files; the names of those that are no more."""
        files, folder = core.render(plan), self.places.networkd
        try:
            folder.mkdir(parents=True, exist_ok=True)
            before = {path.name for path in folder.glob("1[01]-ramal*")}
            for name, text in files.items():
                write_whole(folder / name, text, 0o644)
            for name in before - files.keys():
                (folder / name).unlink()
        except OSError as error:
            raise _unwritten(error) from error
        return frozenset(before - files.keys())


def words(plan: Plan) -> str:
    """The plan in a line."""
    main = f"{plan.address} by way of {plan.gateway}, DNS {', '.join(plan.dns)}" if plan.mode == "static" else "DHCP"
    phones = f"; phones in VLAN {plan.vlan} ({plan.vlan_address or 'DHCP'})" if plan.vlan else ""
    return main + phones + (f"; trusted too: {', '.join(plan.trust)}" if plan.trust else "")


def run(act: str, values: Sequence[str], minutes: int, network: Network | None = None) -> int:
    """One act of the command line; prints what a person has to know. RamalError."""
    box = network or Network()
    now = in_force(box.places)
    match act, len(values):
        case "show", 0:
            trial = " (on trial: ramal network confirm keeps it)" if box.places.trial.exists() else ""
            print(f"{words(now)}{trial}")
        case "boot", 0:
            print(box.boot() or f"The network: {words(in_force(box.places))}.")
        case "dhcp", 0:
            print(box.change(core.dhcp(now), minutes))
        case "static", count if count >= 3:
            print(box.change(core.static(values[0], values[1], values[2:], now), minutes))
        case "vlan", 1 | 2:
            number = int(values[0]) if values[0].isascii() and values[0].isdigit() else -1
            print(box.change(core.vlan(number, values[1] if len(values) == 2 else "", now), minutes))
        case "trust", _:
            print(box.change(core.trust(values, now), minutes))
        case "confirm", 0:
            print(box.confirm())
        case "back", 0:
            print(box.back())
        case _:
            raise RamalError(
                "For example: ramal network show | dhcp | static 192.168.1.10/24 192.168.1.1 192.168.1.1 | "
                "vlan 20 10.20.0.1/24 | vlan 0 | trust 10.8.0.0/24 | confirm | back"
            )
    return 0


def _call(words: Sequence[str]) -> None:
    """Run a program of systemd; RamalError with its own words. Stopping what does not run is no failure."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RamalError(f"{words[0]} could not be run: {error}") from error
    if done.returncode != 0 and words[:2] != ["systemctl", "stop"]:
        raise RamalError(f"{' '.join(words[:2])}: {(done.stderr or done.stdout).strip()[:300]}")


def _unwritten(error: OSError) -> RamalError:
    return RamalError(
        f"The network's settings cannot be written ({error.strerror or error}: {error.filename or ''}). Nothing was "
        "changed. Run the command as root (sudo ramal network …)."
    )
