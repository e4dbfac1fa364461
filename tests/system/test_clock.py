"""A box that does not know what time it is: it takes calls as if it were open, and calls nobody back until it knows.

A real Asterisk, real phones and a provider; with the daemon, and with what it has written when it is dead.
"""

import json
from pathlib import Path

import pytest

from tests.system import agents, callbacks
from tests.system.callbacks import SALES, Office, rows
from tests.system.test_hours import ZONES, heard, told_apart, walking
from tests.until import until

pytestmark = pytest.mark.system

module, office = callbacks.module, callbacks.office
UNTRUSTED = "Set(DB(ramal-clock/untrusted)=1)"


def test_nobody_is_called_back_before_the_time_is_known_and_then_at_once(office: Office, tmp_path: Path) -> None:
    user, facts = "+5511988880031", tmp_path / "facts.json"
    facts.write_text("{}")
    office.box.start_daemon("-m", "tests.system.timeless", str(office.box.home.root), str(facts))
    try:
        until(lambda: "Value: 1" in office.box.command("database get ramal-clock untrusted"), 20, "Asterisk is told")
        with agents.logged_in(office.box, "201", agents.IGNORE, office.voice) as desk:
            office.ask(SALES, user)
            desk.policy = agents.ANSWER
            rows(office, "SELECT 1 FROM callback WHERE number = ? AND state = 'not_allowed'", user)
            assert [one["code"] for one in office.box.control("live")["warnings"]].count("clock-untrusted") == 1
            assert "has 0 calls" in agents.members(office.box, "sales"), "not in the queue, so no agent is asked"
            assert office.asked() == []
            office.box.kill_daemon()
            assert office.standins() == 1
            assert office.asked() == [], "nor with a dead daemon"
            facts.write_text(json.dumps({"synced": True}))
            office.box.start_daemon("-m", "tests.system.timeless", str(office.box.home.root), str(facts))
            until(lambda: office.asked() == [user.removeprefix("+")], 40, "the customer is called")
            until(lambda: not office.record(user), 15, "and has answered")
            office.provider.hang_up()
            until(lambda: office.box.channels() == 0, 15, "nobody is left")
        standin = rows(office, "SELECT id FROM call WHERE id IN (SELECT c.id FROM callback_note n JOIN call c ON"
                       " c.key = n.call WHERE n.event = 'not_allowed')")[0]["id"]  # fmt: skip
        said = [step.detail.get("code") for step in office.box.detail(standin).steps if step.kind == "decision"]
        assert "callback-clock" in said
    finally:
        office.box.stop_daemon()


def test_hours_count_as_open_but_for_a_persons_switch_which_does_not_end() -> None:
    asked = [
        ("NoOp()", "Gosub(hours,never,1)"),
        (UNTRUSTED, "Gosub(hours,never,1)"),
        ("Set(DB(ramal-night/always)=closed|1|1)", "Gosub(hours,always,1)"),
        ("Set(was=${DB_DELETE(ramal-clock/untrusted)})", "Gosub(hours,never,1)"),
        ("NoOp()", "Gosub(hours,always,1)"),
    ]
    with walking(ZONES[0], told_apart(asked)) as box:
        answers = heard(box, [gosub for _, gosub in asked])
        assert [answers[place] for place in range(len(asked))] == ["closed", "open", "closed", "closed", "open"]
