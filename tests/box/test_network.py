"""The box's network: files of networkd, refusals that leave it reachable, and a change that returns by itself."""

import ipaddress
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.box.addresses import own_addresses, parse
from ramal.box.network import Network, Places, in_force, run
from ramal.core import network as core
from ramal.core.network import NetworkRefused, Plan, checked, dhcp, read, render, static, trust, vlan, write
from ramal.errors import RamalError

FIXED = static("192.168.1.10/24", "192.168.1.1", ("192.168.1.1", "9.9.9.9"), Plan())
UNITS = Path(__file__).parents[2] / "systemd"


def lines(text: str, start: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(start)]


class Systemd:
    """What the commands were; one of them can fail."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.fails = ""

    def __call__(self, words: "tuple[str, ...] | list[str]") -> None:
        self.asked.append(tuple(words))
        if self.fails and self.fails in " ".join(words):
            raise RamalError("systemd said no")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "kept" / "network.toml", tmp_path / "run" / "trial.toml", tmp_path / "networkd")


def laid(places: Places) -> dict[str, str]:
    return {path.name: path.read_text() for path in places.networkd.glob("*")}


def test_a_fixed_address_becomes_networkds_words() -> None:
    text = render(FIXED)["10-ramal.network"]
    for line in ("Name=en* eth*", "DHCP=no", "Address=192.168.1.10/24", "Gateway=192.168.1.1", "DNS=9.9.9.9"):
        assert line in text.splitlines()
    assert "IPv6AcceptRA=yes" in text.splitlines()


def test_a_box_on_dhcp_stands_in_its_network_as_the_image_has_it_whatever_else_is_set() -> None:
    image = (UNITS / "network" / "80-ramal.network").read_text()
    for plan in (Plan(), vlan(20, "", Plan()), trust(["10.8.0.0/24"], Plan()), dhcp(FIXED)):
        text = render(plan)["10-ramal.network"]
        for setting in ("DHCP=", "LinkLocalAddressing=", "IPv6AcceptRA="):
            assert lines(text, setting) == lines(image, setting)
    assert lines(render(FIXED)["10-ramal.network"], "LinkLocalAddressing=") == ["LinkLocalAddressing=ipv6"]


def test_a_vlan_for_the_phones_has_no_way_out() -> None:
    files = render(vlan(20, "10.20.0.1/24", FIXED))
    assert "Id=20" in files["10-ramal-phones.netdev"].splitlines()
    assert "VLAN=phones" in files["10-ramal.network"].splitlines()
    assert "Address=10.20.0.1/24" in files["11-ramal-phones.network"].splitlines()
    assert "Gateway" not in files["11-ramal-phones.network"].replace("UseGateway=no", "")
    assert "DHCP=yes" in render(vlan(20, "", FIXED))["11-ramal-phones.network"].splitlines()
    assert set(render(vlan(0, "", FIXED))) == {"10-ramal.network"}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda: static("192.168.1.10", "192.168.1.1", ["192.168.1.1"], Plan()), "192.168.1.10/24"),
        (lambda: static("192.168.1.10/24", "192.168.2.1", ["192.168.1.1"], Plan()), "not in the box's network"),
        (lambda: static("192.168.1.10/24", "192.168.1.10", ["192.168.1.1"], Plan()), "both the box and its router"),
        (lambda: static("192.168.1.0/24", "192.168.1.1", ["192.168.1.1"], Plan()), "no address that a box can have"),
        (lambda: static("192.168.1.255/24", "192.168.1.1", ["192.168.1.1"], Plan()), "no address that a box can have"),
        (lambda: static("127.0.0.1/24", "127.0.0.2", ["192.168.1.1"], Plan()), "no address that a box can have"),
        (lambda: static("224.0.0.5/24", "224.0.0.1", ["192.168.1.1"], Plan()), "no address that a box can have"),
        (lambda: static("192.168.1.10/31", "192.168.1.11", ["192.168.1.1"], Plan()), "none for an office"),
        (lambda: static("192.168.1.10/24", "router", ["192.168.1.1"], Plan()), "is not an address"),
        (lambda: static("192.168.1.10/24", "192.168.1.1", [], Plan()), "Name servers"),
        (lambda: static("192.168.1.10/24", "192.168.1.1", ["1.1.1.1"] * 4, Plan()), "Name servers"),
        (lambda: static("192.168.1.10/24", "192.168.1.1", ["x\nDHCP=yes"], Plan()), "is not an address"),
        (lambda: static("fe80::1%eth0/64", "fe80::2", ["192.168.1.1"], Plan()), "is not an address with its network"),
        (lambda: vlan(4095, "", Plan()), "from 1 to 4094"),
        (lambda: vlan(-1, "", Plan()), "from 1 to 4094"),
        (lambda: vlan(20, "192.168.1.77/24", FIXED), "overlap"),
        (lambda: trust(["0.0.0.0/0"], Plan()), "too much to trust"),
        (lambda: trust(["2000::/3"], Plan()), "too much to trust"),
        (lambda: trust(["10.8.0.1/24"], Plan()), "is not a network"),
        (lambda: trust(["10.8.0.0/24"] * 17, Plan()), "At most"),
    ],
)
def test_what_would_leave_the_box_unreachable_is_refused_with_a_sentence(change: Callable[[], Plan], word: str) -> None:
    with pytest.raises(NetworkRefused) as caught:
        change()
    assert word in str(caught.value)
    assert str(caught.value).endswith((".", "/24")) or "For example" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["mode =", 'mode = "bridge"', 'colour = "red"', "vlan = true", 'dns = "x"', 'mode = "static"', "vlan = 9999",
     'mode = "static"\naddress = "10.0.0.5/24"\ngateway = "10.0.0.1"\ndns = ["10.0.0.1\\nDHCP=yes"]'],
)  # fmt: skip
def test_a_file_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(NetworkRefused):
        read(text)


PLANS = st.builds(
    lambda mode, number, inside, trusted: trust(
        [f"100.64.{n}.0/24" for n in trusted],
        vlan(number, inside, FIXED if mode else dhcp(FIXED)),
    ),
    st.booleans(),
    st.integers(0, 4094),
    st.sampled_from(("", "10.20.0.1/24", "fd00:20::1/64")),
    st.lists(st.integers(0, 255), max_size=16),
)


@given(PLANS)
def test_a_plan_that_is_written_is_read_as_the_same(plan: Plan) -> None:
    assert checked(read(write(plan))) == plan


@given(st.text(max_size=60), st.text(max_size=40), st.text(max_size=40))
def test_no_text_becomes_a_line_of_its_own(address: str, gateway: str, name: str) -> None:
    try:
        plan = static(address, gateway, [name], Plan())
    except NetworkRefused:
        return
    assert all("\n" not in one for one in (plan.address, plan.gateway, *plan.dns))


def test_a_change_is_in_force_and_returns_unless_somebody_confirms_it(places: Places) -> None:
    systemd = Systemd()
    box = Network(places, systemd)
    assert "ramal network confirm" in box.change(FIXED)
    assert "Address=192.168.1.10/24" in laid(places)["10-ramal.network"]
    assert not places.kept.exists(), "nothing is kept before somebody reached the box"
    timer = systemd.asked.index(next(words for words in systemd.asked if words[0] == "systemd-run"))
    assert systemd.asked.index(("networkctl", "reload")) > timer, "the way back has to be there before the change"
    assert "--on-active=5min" in systemd.asked[timer]
    assert systemd.asked[timer][-2:] == ("network", "back")
    assert "in force again" in box.back()
    assert "DHCP=yes" in laid(places)["10-ramal.network"]
    assert in_force(places) == Plan()


def test_what_is_confirmed_is_kept_and_a_later_timer_changes_nothing(places: Places) -> None:
    box = Network(places, Systemd())
    box.change(FIXED)
    box.confirm()
    assert read(places.kept.read_text()) == FIXED
    assert box.back() == "Nothing is on trial."
    assert in_force(places) == FIXED
    with pytest.raises(RamalError, match="Nothing is on trial"):
        box.confirm()


def test_a_power_cut_in_a_trial_leaves_the_settings_that_were_confirmed(places: Places) -> None:
    box = Network(places, Systemd())
    box.change(FIXED)
    box.confirm()
    box.change(vlan(20, "", FIXED))
    places.trial.unlink()  # memory is gone with the power
    for path in places.networkd.glob("*"):
        path.unlink()
    assert box.boot() == ""
    assert set(laid(places)) == {"10-ramal.network"}
    assert "Address=192.168.1.10/24" in laid(places)["10-ramal.network"]


def test_a_vlan_that_is_no_more_is_taken_away(places: Places) -> None:
    systemd = Systemd()
    box = Network(places, systemd)
    box.change(vlan(20, "", Plan()))
    assert "10-ramal-phones.netdev" in laid(places)
    box.back()
    assert set(laid(places)) == {"10-ramal.network"}
    assert ("networkctl", "delete", "phones") in systemd.asked


@pytest.mark.parametrize("fails", ["systemd-run", "networkctl reload"])
def test_a_change_that_fails_leaves_the_settings_of_before(places: Places, fails: str) -> None:
    systemd = Systemd()
    box = Network(places, systemd)
    box.change(FIXED)
    box.confirm()
    systemd.fails = fails

    def stop_failing_at_the_way_back(words: "tuple[str, ...] | list[str]") -> None:
        try:
            systemd(words)
        finally:
            if systemd.fails and systemd.fails in " ".join(words):
                systemd.fails = ""

    with pytest.raises(RamalError, match="could not be tried"):
        Network(places, stop_failing_at_the_way_back).change(dhcp(FIXED))
    assert in_force(places) == FIXED
    assert "Address=192.168.1.10/24" in laid(places)["10-ramal.network"]


def test_a_file_that_cannot_be_used_means_dhcp_at_the_start_and_a_sentence(places: Places) -> None:
    places.kept.parent.mkdir(parents=True)
    places.kept.write_text("mode = broken")
    assert "DHCP instead" in Network(places, Systemd()).boot()
    assert "DHCP=yes" in laid(places)["10-ramal.network"]


def test_the_command_line_does_the_same(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    box = Network(places, Systemd())
    run("static", ["192.168.1.10/24", "192.168.1.1", "192.168.1.1"], 3, box)
    assert "Confirm within 3 min" in capsys.readouterr().out
    run("show", [], 5, box)
    assert "on trial" in capsys.readouterr().out
    run("confirm", [], 5, box)
    run("vlan", ["20", "10.20.0.1/24"], 5, box)
    run("back", [], 5, box)
    run("show", [], 5, box)
    assert capsys.readouterr().out.splitlines()[-1] == "192.168.1.10/24 by way of 192.168.1.1, DNS 192.168.1.1"
    for act, values, minutes in (("static", ["x"], 5), ("vlan", ["x"], 5), ("dhcp", ["x"], 5), ("dhcp", [], 0)):
        with pytest.raises(RamalError):
            run(act, values, minutes, box)
    assert in_force(places).address == "192.168.1.10/24"


def test_the_boxs_own_addresses_are_those_of_the_kernel() -> None:
    found = own_addresses()
    assert ipaddress.ip_interface("127.0.0.1/8") in found
    assert parse("[]") == ()
    with pytest.raises(ValueError):
        parse("nonsense")


def test_the_phones_interface_is_named_as_the_kernel_allows() -> None:
    assert len(core.VLAN_NAME) <= 15
