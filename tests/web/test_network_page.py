"""The page of the box's address: for the owner, tried before it is kept."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.web.box import Box
from tests.web.test_door import enter, token

PLAN = {"mode": "dhcp", "address": "", "gateway": "", "dns": [], "vlan": 0, "vlan_address": "", "trust": []}
SENT = {"mode": "static", "address": "192.168.7.20/24", "gateway": "192.168.7.1", "dns": "192.168.7.1", "vlan": "20",
        "vlan_address": "", "trust": ""}  # fmt: skip


def telling(box: Box, monkeypatch: pytest.MonkeyPatch, **state: Any) -> None:
    told = {"settable": True, "plan": PLAN, "trial": False, "waits": False, "said": None} | state
    answer = box.daemon._answer
    monkeypatch.setattr(box.daemon, "_answer", lambda request: answer(request) or told)
    box.daemon.names += ("network.status", "network.change", "network.confirm", "network.back")
    box.daemon.stop()
    box.daemon.start()


def test_the_owner_tries_another_address(box: Box, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    telling(box, monkeypatch)
    enter(client)
    assert 'name="vlan"' in client.get("/network").get_data(as_text=True)
    assert client.post("/network", data=SENT | {"csrf": token(client, "/network")}).status_code == 303
    assert box.daemon.asked_for("network.change") == [SENT | {"who": "owner"}]


def test_what_is_on_trial_is_kept_or_taken_back(box: Box, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    telling(box, monkeypatch, trial=True, said={"ok": True, "sentence": "", "until_ms": 1_800_000_000_000})
    enter(client)
    assert 'id="trial"' in client.get("/network").get_data(as_text=True)
    for act in ("confirm", "back"):
        sent = {"csrf": token(client, "/network")}
        assert client.post(f"/network/{act}", data=sent).status_code == 303
        assert box.daemon.asked_for(f"network.{act}") == [{"who": "owner"}]
    assert client.post("/network/reboot", data={"csrf": token(client, "/network")}).status_code == 404


def test_what_root_refused_is_said(box: Box, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    telling(box, monkeypatch, said={"ok": False, "sentence": "networkctl: <b>no</b>", "until_ms": 0})
    enter(client)
    page = client.get("/network").get_data(as_text=True)
    assert 'id="refused"' in page
    assert "&lt;b&gt;no" in page


def test_on_a_computer_that_is_not_ours_there_is_no_form(
    box: Box, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling(box, monkeypatch, settable=False)
    enter(client)
    assert "<form" not in client.get("/network").get_data(as_text=True).partition("<main")[2].partition("</main")[0]
