"""Contacts asked of the daemon, with an AstDB behind a fake Asterisk: saved first, told at once, brought into agreement
when Asterisk was away, and compared only when they differ."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from ramal.ami.codec import Message
from ramal.box.home import Home
from ramal.control.client import Refused, send_contacts
from ramal.store.contacts import found_contacts
from ramal.store.db import open_reader
from tests.fakes.ami_peer import AmiPeer, Pairs
from tests.process.conftest import OFFICE, DaemonProcess
from tests.until import until

Start = Callable[..., DaemonProcess]
FAMILY, STAMP = "ramal-contact", "ramal-contact-stamp"


class AstDb:
    """AstDB as AMI shows it."""

    def __init__(self, peer: AmiPeer) -> None:
        self.peer, self.tables = peer, dict[str, dict[str, str]]()
        self.refuses = threading.Event()
        peer.answers |= {"DBPut": self._put, "DBDel": self._del, "DBGetTree": self._tree}

    def family(self, name: str) -> dict[str, str]:
        return self.tables.setdefault(name, {})

    def _put(self, action: Message) -> bytes:
        if self.refuses.is_set():
            return self.peer.refuse(action, "Failed to update entry")
        self.family(action.get("Family"))[action.get("Key")] = action.get("Val")
        return self.peer.accept(action, ("Message", "Updated database successfully"))

    def _del(self, action: Message) -> bytes:
        if self.family(action.get("Family")).pop(action.get("Key"), None) is None:
            return self.peer.refuse(action, "Database entry not found")
        return self.peer.accept(action, ("Message", "Key deleted successfully"))

    def _tree(self, action: Message) -> bytes:
        family = action.get("Family")
        if not self.family(family):
            return self.peer.refuse(action, "Database entry not found")
        entries = self.family(family).items()
        rows: list[Pairs] = [
            (("Event", "DBGetTreeResponse"), ("Key", f"/{family}/{key}"), ("Val", value)) for key, value in entries
        ]
        return self.peer.listing(action, rows)

    def compared(self) -> int:
        """How often all contacts were read."""
        return sum(action.get("Family") == FAMILY for action in self.peer.named("DBGetTree"))


@pytest.fixture
def astdb(asterisk: AmiPeer) -> AstDb:
    return AstDb(asterisk)


@pytest.fixture
def daemon(start: Start, astdb: AstDb) -> DaemonProcess:
    begun = start().up()
    begun.ask("apply", toml=OFFICE, file="o.toml")
    return begun


def save(daemon: DaemonProcess, number: str, **fields: Any) -> dict[str, Any]:
    return daemon.ask("contact.save", who="owner", contact={"number": number, **fields})


def test_a_saved_contact_is_told_and_audited_and_a_deleted_one_is_taken_out(
    daemon: DaemonProcess, astdb: AstDb, home: Home
) -> None:
    saved = save(daemon, "(11) 98765-4321", name="Zé; ${X}|", vip="yes", agent="7", queue="sales", language="en")
    assert saved["contact"]["number"] == "+5511987654321"
    assert (saved["added"], saved["told"]) == (True, True)
    assert astdb.family(FAMILY) == {"5511987654321": "v||7|sales|Z%C3%A9%20X"}  # English is not spoken here
    again = save(daemon, "+5511987654321", name="Zé")
    assert (again["added"], again["contact"]["vip"]) == (False, True)
    assert astdb.family(FAMILY) == {"5511987654321": "v||7|sales|Z%C3%A9"}
    assert daemon.ask("contact.delete", number="1187654321", who="owner") == {"deleted": True, "told": True}
    assert astdb.family(FAMILY) == {}
    with open_reader(home.db) as db:
        audit = db.execute("SELECT who, what, detail FROM audit WHERE what LIKE 'contact%' ORDER BY id").fetchall()
    assert audit == [
        ("owner", "contact.saved", "+5511987654321 name vip language agent queue"),
        ("owner", "contact.saved", "+5511987654321 name"),
        ("owner", "contact.deleted", "+5511987654321"),
    ]


def test_what_asterisk_missed_it_is_told_when_it_is_back(
    daemon: DaemonProcess, asterisk: AmiPeer, astdb: AstDb
) -> None:
    save(daemon, "11911110001", vip=True)
    asterisk.go_away()
    until(lambda: not daemon.live()["asterisk"]["up"], 10, "Asterisk is lost")
    assert save(daemon, "11911110002", blocked=True)["told"] is False
    assert daemon.ask("contact.delete", number="11911110001")["told"] is False
    astdb.family(FAMILY)["5511911110003"] = "b||||"  # from nowhere
    asterisk.come_back()
    until(lambda: astdb.family(FAMILY) == {"5511911110002": "b||||"}, 10, "AstDB holds what the database says")
    assert len(until(lambda: astdb.family(STAMP).get("all", ""), 10, "the stamp")) == 32


def test_contacts_are_compared_only_when_they_differ(daemon: DaemonProcess, asterisk: AmiPeer, astdb: AstDb) -> None:
    send_contacts(daemon.control, "number,vip\n11911110001,1\n11911110002,1\n", "f.csv", "test")
    until(lambda: "all" in astdb.family(STAMP), 10, "the stamp")
    before = astdb.compared()
    looks = len(asterisk.named("DBGetTree"))
    asterisk.drop()
    until(lambda: len(asterisk.named("DBGetTree")) > looks and daemon.live()["asterisk"]["up"], 10, "looked again")
    assert astdb.compared() == before
    save(daemon, "11911110001", vip=False, blocked=True)
    assert astdb.family(FAMILY)["5511911110001"] == "b||||"
    assert "all" not in astdb.family(STAMP)  # until the next round: a crash now would be noticed


def test_a_refused_switch_is_tried_again(daemon: DaemonProcess, asterisk: AmiPeer, astdb: AstDb) -> None:
    astdb.refuses.set()
    assert save(daemon, "11911110001", vip=True)["told"] is False
    astdb.refuses.clear()
    asterisk.drop()
    until(lambda: astdb.family(FAMILY) == {"5511911110001": "v||||"}, 10, "the switch is there")


def test_the_office_in_force_decides_what_is_told(daemon: DaemonProcess, astdb: AstDb) -> None:
    save(daemon, "11911110001", agent="7", queue="sales", language="en")
    assert astdb.family(FAMILY) == {"5511911110001": "||7|sales|"}
    other = OFFICE.replace('name = "Demo"', 'name = "Demo"\nlanguages = ["en"]').replace('code = "7"', 'code = "8"')
    daemon.ask("apply", toml=other, file="o.toml")
    until(lambda: astdb.family(FAMILY) == {"5511911110001": "|en||sales|"}, 10, "the new office's switches")


def test_twenty_thousand_contacts_come_in_parts_and_one_mistake_refuses_all(
    daemon: DaemonProcess, astdb: AstDb, home: Home
) -> None:
    rows = [f"+55119{n:08};Cliente {n};{'sim' if n % 2 else 'não'};Notas de João, nº {n}" for n in range(20_000)]
    text = "\n".join(["number;name;vip;note", *rows])
    assert len(text) > 1 << 20
    with pytest.raises(Refused) as caught:
        send_contacts(daemon.control, text + "\nx;y;;\n+5511900000000;twice;;", "big.csv", "test")
    assert [(problem["line"], problem["file"]) for problem in caught.value.problems] == [
        (20_002, "big.csv"),
        (20_003, "big.csv"),
    ]
    with open_reader(home.db) as db:
        assert found_contacts(db).total == 0
    assert send_contacts(daemon.control, text, "big.csv", "test") == {
        "added": 20_000,
        "changed": 0,
        "same": 0,
        "told": True,
    }
    assert len(astdb.family(FAMILY)) == 20_000
    with pytest.raises(Refused, match="20000 is the most"):
        save(daemon, "+5521911110001")
    with open_reader(home.db) as db:
        assert found_contacts(db, "joao").total == 20_000


@pytest.mark.parametrize(
    ("do", "given", "sentence"),
    [
        ("contact.save", {}, "needs “contact”"),
        ("contact.save", {"contact": "x"}, "needs “contact”"),
        ("contact.save", {"contact": {"name": "x"}}, "no telephone number"),
        ("contact.save", {"contact": {"number": "11911110001", "queue": "shop"}}, "no queue of this office"),
        ("contact.delete", {"number": "zzz"}, "no telephone number"),
        ("contact.import", {"csv": 5}, "needs “csv” as text"),
        ("contact.import", {"csv": "number\n", "import": "unknown"}, "not known any more"),
        ("contact.import", {"csv": "what\n"}, "1 line|One line is wrong"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(
    daemon: DaemonProcess, do: str, given: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Refused, match=sentence):
        daemon.ask(do, **given)


def test_imports_that_never_end_do_not_pile_up(daemon: DaemonProcess) -> None:
    tokens = [daemon.ask("contact.import", csv="number\n", more=True)["import"] for _ in range(6)]
    with pytest.raises(Refused, match="not known any more"):
        daemon.ask("contact.import", csv="11911110001\n", **{"import": tokens[0]})
    assert daemon.ask("contact.import", csv="11911110001\n", **{"import": tokens[-1]})["added"] == 1
    big = "x" * 900_000
    token = {"import": daemon.ask("contact.import", csv=big, more=True)["import"]}
    for _ in range(8):
        daemon.ask("contact.import", csv=big, more=True, **token)
    with pytest.raises(Refused, match="at most 8 MiB"):
        daemon.ask("contact.import", csv=big, more=True, **token)
