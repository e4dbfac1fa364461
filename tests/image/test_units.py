"""The image's units: systemd takes each of them, each is closed as far as it can be, and calls wait for nobody.

systemd-analyze judges them where the machine has it (Debian's does); what follows from our own law is read from the
files everywhere.
"""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
OURS = sorted(
    path.name
    for pattern in ("*.service", "*.timer", "*.socket", "*.path", "*.target", "*.mount")
    for path in UNITS.glob(pattern)
)
EXPOSED_MOST = 3.0
ANALYZE = shutil.which("systemd-analyze")
judged = pytest.mark.skipif(ANALYZE is None, reason="this machine has no systemd-analyze")
CALLS = ("ramal-asterisk.service", "ramal-safe-asterisk.service")
MAY_WAIT_FOR = re.compile(
    r"ramal-(prepare|reset|firstboot|safe-check|safe)\.service|systemd-tmpfiles-setup\.service|network-pre\.target"
)


def unit(name: str) -> Mapping[str, list[str]]:
    """Every setting's values, words of all its lines together; an empty value forgets those before it."""
    found: dict[str, list[str]] = {}
    for line in (UNITS / name).read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", "[")):
            found[key] = [*found.get(key, []), *value.split()] if value else []
    return found


@judged
def test_systemd_takes_every_unit() -> None:
    done = subprocess.run(
        [str(ANALYZE), "verify", "--recursive-errors=no", "--man=no", *(f"./{name}" for name in OURS)],
        cwd=UNITS, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    # The programs are the image's, not this machine's: image/ looks that they are there.
    absent = re.compile(r": Command \S+ is not executable: No such file or directory$")
    assert [line for line in (done.stdout + done.stderr).splitlines() if line and not absent.search(line)] == []


@judged
@pytest.mark.parametrize("name", SERVICES)
def test_every_service_of_ours_is_closed_as_far_as_it_can_be(name: str) -> None:
    done = subprocess.run(
        [str(ANALYZE), "security", "--offline=true", f"--threshold={EXPOSED_MOST * 10:.0f}", "--no-pager", f"./{name}"],
        cwd=UNITS, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr


@pytest.mark.parametrize("name", [name for name in CALLS if (UNITS / name).exists()])
def test_asterisk_waits_for_no_daemon_no_page_no_network_and_no_time(name: str) -> None:
    read = unit(name)
    for key in ("Requires", "BindsTo", "Requisite", "PartOf"):
        assert read.get(key, []) == [], key
    others = [word for key in ("After", "Wants") for word in read.get(key, []) if not MAY_WAIT_FOR.fullmatch(word)]
    assert others == []
    assert read["Restart"] == ["always"]
    assert read["StartLimitIntervalSec"] == ["0"], "it must never give up"


def test_who_ends_a_hung_asterisk_can_see_it() -> None:
    """Seen in the image: /proc hid a process of the same user in another user namespace, and nobody was ended."""
    assert all(unit(name)["PrivateUsers"] == ["yes"] for name in CALLS)
    pulse = unit("ramal-pulse.service")
    assert pulse["User"] == unit(CALLS[0])["User"]
    assert pulse.get("ProtectProc", ["default"]) == ["default"]
    assert "PrivateUsers" not in pulse
    assert "PrivatePIDs" not in pulse


def waited_for(name: str) -> set[str]:
    """Everything that comes before ``name`` by any way through our units, whoever of the two says it."""
    before: dict[str, set[str]] = {}
    for each in OURS:
        read = unit(each)
        before.setdefault(each, set()).update(read.get("After", []))
        for later in read.get("Before", []):
            before.setdefault(later, set()).add(each)
    found, ahead = set[str](), [name]
    while ahead:
        fresh = before.get(ahead.pop(), set()) - found
        found |= fresh
        ahead += fresh
    return found


@pytest.mark.parametrize("name", CALLS)
def test_calls_come_first_by_every_way_through_the_units(name: str) -> None:
    """Of ours only what makes Asterisk's files and what is asked for once; of the system's nothing with a network's
    address or its time. (That the clock goes on needs no server.)"""
    allowed = {"prepare", "reset", "firstboot", "safe-check", "clock", "card", "firewall", "network"}
    ours = {one for one in waited_for(name) if one.startswith("ramal")}
    assert ours <= {f"ramal-{one}.service" for one in allowed}
    systems = waited_for(name) - ours
    assert systems <= {
        *("systemd-tmpfiles-setup.service", "network-pre.target", "local-fs.target"),
        *("systemd-modules-load.service", "systemd-sysctl.service"),
    }


def test_what_comes_before_calls_may_fail_and_has_an_end() -> None:
    """Wants, never Requires; and a job that hangs is given up, so that Asterisk starts with what was there last."""
    for name in sorted(one for one in waited_for("ramal-asterisk.service") if one.startswith("ramal")):
        assert unit(name)["Type"] == ["oneshot"], name
        assert name == "ramal-firewall.service" or unit(name).get("TimeoutStartSec"), (
            f"{name}: a oneshot waits for ever"
        )


def test_the_daemon_comes_after_asterisk_and_does_not_need_it() -> None:
    read = unit("ramal.service")
    assert "ramal-asterisk.service" in read["After"]
    assert read.get("Requires", []) == []
    assert read["WatchdogSec"] == ["30"]
    assert read["Restart"] == ["always"]


def test_the_page_is_another_user_and_does_not_see_what_it_does_not_need() -> None:
    read = unit("ramal-web.service")
    assert read["User"] == ["ramal-web"]
    hidden = set(read["InaccessiblePaths"])
    assert {"-/data/ramal/secrets/ami", "-/data/ramal/secrets/phones", "-/data/ramal/asterisk"} <= hidden
    assert read["CapabilityBoundingSet"] == []


def test_nothing_of_ours_waits_for_the_network_to_be_up() -> None:
    for name in SERVICES:
        words = {word for key in ("After", "Wants", "Requires") for word in unit(name).get(key, [])}
        assert not words & {"network-online.target", "time-sync.target"}, name


def test_what_is_enabled_is_there_and_can_be_enabled() -> None:
    enabled = (UNITS / "enabled").read_text(encoding="utf-8").split()
    assert len(set(enabled)) == len(enabled)
    for name in enabled:
        assert {"WantedBy", "RequiredBy", "Alias"} & set(unit(name)), name


def test_users_have_numbers_of_their_own_because_the_data_outlives_the_release() -> None:
    lines = (UNITS / "sysusers.d" / "ramal.conf").read_text(encoding="utf-8").splitlines()
    for line in lines:
        if line.startswith(("u ", "g ")):
            assert re.match(r"[ug] \S+\s+\d+(:\d+)?\s", line), line


def test_a_backup_is_put_back_while_nothing_has_the_home_open() -> None:
    read = unit("ramal-restore.service")
    users_of_the_home = {
        name
        for name in SERVICES
        if unit(name).get("User", ["root"])[0] in ("ramal", "ramal-web") and unit(name).get("Type") != ["oneshot"]
    }
    assert {"ramal.service", "ramal-web.service", "ramal-asterisk.service", "ramal-guard.service"} <= users_of_the_home
    stopped = set(read["Conflicts"])
    assert users_of_the_home | {"ramal-safe-asterisk.service", "ramal-prepare.service"} <= stopped
    for name in ("ramal-restore.path", "ramal-restore-check.path"):
        assert unit(name)["ConditionPathExists"] == ["!/run/ramal-safe"]
    assert "ramal-web.socket" in stopped, "else the next visitor starts the page"
    assert stopped == set(read["After"]), "ended before, not beside"
    assert (read["SuccessAction"], read["FailureAction"]) == (["reboot"], ["reboot"])


def test_nobody_but_root_tells_rauc_what_to_install() -> None:
    policies = ElementTree.parse(UNITS / "dbus/de.pengutronix.rauc.conf").getroot()
    told = {
        (policy.get("context") or policy.get("user"), rule.tag, rule.get("send_destination"))
        for policy in policies
        for rule in policy
        if rule.get("send_destination")
    }
    name = "de.pengutronix.rauc"
    assert told == {("default", "deny", name), ("root", "allow", name)}


@pytest.mark.parametrize("name", [name for name in OURS if name.endswith((".path", ".timer", ".socket"))])
def test_what_starts_services_waits_for_none_of_them(name: str) -> None:
    """Path units, timers and sockets come before basic.target, and services after: seen in a VM, where process 1 left
    such a unit out to break the circle, and what it was for was never done."""
    read = unit(name)
    waits = [word for word in read.get("After", []) if word.endswith(".service")]
    assert not waits or read.get("DefaultDependencies") == ["no"]
