"""The box's address in the page: the daemon asks within bounds, root tries, and what nobody keeps returns. Real files;
systemd's programs are the test's."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.box.image import Image
from ramal.box.network import Network, Places
from ramal.box.network_serve import serve
from ramal.core import network, network_asked
from ramal.core.network import NetworkRefused, Plan
from ramal.core.network_asked import Asked, parse_asked, plan_of
from ramal.errors import RamalError
from ramal.ops.network import Desk
from tests.vault.shelf import Shelf

FORM = {"mode": "static", "address": "192.168.7.20/24", "gateway": "192.168.7.1", "dns": "192.168.7.1, 9.9.9.9",
        "vlan": "20", "vlan_address": "10.20.0.1/24", "trust": "10.8.0.0/24"}  # fmt: skip
PLAN = Plan(
    "static", "192.168.7.20/24", "192.168.7.1", ("192.168.7.1", "9.9.9.9"), 20, "10.20.0.1/24", ("10.8.0.0/24",)
)


class Box:
    """The daemon's half and root's half on one folder."""

    def __init__(self, folder: Path) -> None:
        self.image, self.shelf = Image(folder / "image"), Shelf.at(folder / "home")
        self.image.release.parent.mkdir(parents=True)
        self.image.release.write_text("VERSION=1\n")
        self.image.run.mkdir(parents=True)
        networkd = folder / "networkd"
        self.called: list[Sequence[str]] = []
        self.network = Network(
            Places(self.image.network_kept, self.image.network_trial, networkd), lambda words: self.called.append(words)
        )
        self.networkd = networkd
        self.desk = Desk(self.shelf.means(), self.image)

    def root(self) -> bool:
        return serve(self.image, self.network).ok

    def rendered(self) -> str:
        return "".join(path.read_text() for path in sorted(self.networkd.iterdir()))


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    found = Box(tmp_path)
    yield found
    found.shelf.close()


def test_an_address_is_tried_kept_and_audited(box: Box) -> None:
    box.desk.change("ana", FORM)
    assert box.desk.status()["waits"]
    assert box.root()
    told = box.desk.status()
    assert (told["trial"], told["waits"], told["said"]["ok"]) == (True, False, True)
    assert "Address=192.168.7.20/24" in box.rendered()
    assert "Id=20" in box.rendered()
    assert not box.image.network_kept.exists(), "nobody kept it yet"
    assert any("systemd-run" in words[0] for words in box.called), "the way back is set first"
    box.desk.settle("confirm", "ana")
    assert box.root()
    assert network.read(box.image.network_kept.read_text()) == PLAN
    assert not box.desk.status()["trial"]
    rows = box.shelf.read(lambda db: db.execute("SELECT who, what FROM audit ORDER BY id").fetchall())
    assert [tuple(row) for row in rows] == [("ana", "network.change"), ("ana", "network.confirm")]


def test_what_is_on_trial_can_be_taken_back(box: Box) -> None:
    box.desk.change("ana", FORM)
    assert box.root()
    box.desk.settle("back", "ana")
    assert box.root()
    assert not box.desk.status()["trial"]
    assert "DHCP=yes" in box.rendered()
    assert "192.168.7.20" not in box.rendered()


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "magic"},
        {"address": "192.168.7.20"},
        {"gateway": "10.0.0.1"},
        {"dns": ""},
        {"vlan": "5000"},
        {"vlan": "-1"},
        {"vlan_address": "192.168.7.9/24"},
        {"trust": "0.0.0.0/0"},
        {"address": "192.168.7.20/24\nDNS=6.6.6.6"},
    ],
    ids=str,
)
def test_what_would_lock_the_office_out_is_refused_and_root_is_not_asked(box: Box, wrong: dict[str, str]) -> None:
    with pytest.raises(NetworkRefused, match="Nothing was changed"):
        box.desk.change("ana", FORM | wrong)
    assert not box.image.network_request.exists()


def test_nothing_is_asked_twice_or_without_need(box: Box) -> None:
    with pytest.raises(RamalError, match="already"):
        box.desk.change("ana", {"mode": "dhcp"})
    with pytest.raises(RamalError, match="Nothing is on trial"):
        box.desk.settle("confirm", "ana")
    box.image.release.unlink()
    with pytest.raises(RamalError, match="Nothing was changed"):
        box.desk.change("ana", FORM)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        network_asked.asked_text(Asked("change", 'mode = "static"\n')),
        network_asked.asked_text(Asked("change", "exec = 'rm'\n")),
        '{"act": "reboot", "plan": "", "who": ""}',
        network_asked.asked_text(Asked("confirm")),
    ],
)
def test_root_believes_nothing_and_says_what_was_wrong(box: Box, text: str) -> None:
    box.image.network_request.write_text(text)
    assert not box.root()
    assert not box.image.network_request.exists(), "a path unit would start it for ever"
    assert not box.image.network_trial.exists()
    assert box.called == []
    said = box.desk.status()["said"]
    assert not said["ok"]
    assert said["sentence"]


def test_root_follows_no_link(box: Box, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text(network_asked.asked_text(Asked("change", network.write(PLAN))))
    box.image.network_request.symlink_to(other)
    assert not box.root()
    assert other.exists()
    os.mkfifo(box.image.network_request)
    assert not box.root()


def test_a_form_makes_the_plan_it_shows() -> None:
    assert plan_of(FORM, Plan()) == PLAN
    assert plan_of({"mode": "dhcp", "vlan": "0"}, PLAN) == Plan()
    assert plan_of(FORM | {"vlan": ""}, Plan()) == replace(PLAN, vlan=0, vlan_address="")


@given(st.text(max_size=200))
def test_what_is_no_request_is_none(text: str) -> None:
    assert parse_asked(text) is None


def test_the_unit_and_the_daemon_mean_the_same_file() -> None:
    units = Path(__file__).parents[2] / "systemd"
    assert f"PathExists={Image().network_request}\n" in (units / "ramal-network-ask.path").read_text()
    assert "ramal-network-ask.path" in (units / "enabled").read_text().split()
