"""Alarms in the real daemon, with a real mail server and a real web server: told once, also when it dies in between."""

import json
from collections.abc import Callable, Iterator

import pytest

from ramal.box.home import Home
from ramal.control.client import Refused
from ramal.store import read
from tests.fakes.ami_peer import AmiPeer
from tests.fakes.mail_peer import MailPeer
from tests.fakes.web_peer import WebPeer
from tests.process.conftest import OFFICE, DaemonProcess
from tests.until import until

Start = Callable[..., DaemonProcess]
ENTRY = (("Event", "QueueEntry"), ("Queue", "sales"), ("Channel", "PJSIP/x-1"), ("Uniqueid", "1763.1"),
         ("CallerIDNum", "+5511999990000"), ("Wait", "12"), ("Position", "1"))  # fmt: skip


@pytest.fixture
def mail() -> Iterator[MailPeer]:
    with MailPeer() as peer:
        yield peer


@pytest.fixture
def web() -> Iterator[WebPeer]:
    with WebPeer() as peer:
        yield peer


def office(mail: MailPeer, web: WebPeer, more: str = "") -> str:
    return f"""{OFFICE}
[mail]
host = "127.0.0.1"
port = {mail.port}
security = "none"
sender = "office@example.com"

[[alarm]]
name = "crowd"
measure = "callers-waiting"
queue = "sales"
limit = 0
mail = ["boss@example.com"]
webhook = "http://127.0.0.1:{web.port}/hook"
webhook_secret = "a-shared-word"
quiet_min = 0
{more}
"""


def joins(asterisk: AmiPeer) -> None:
    """Somebody waits; a fresh look at Asterisk says the same."""
    asterisk.lists["QueueStatus"] = [ENTRY]
    asterisk.event(
        "QueueCallerJoin", ("Queue", "sales"), ("Linkedid", "1763.1"), ("Channel", "PJSIP/x-1"), ("Position", "1")
    )


def leaves(asterisk: AmiPeer) -> None:
    asterisk.lists["QueueStatus"] = []
    asterisk.event("QueueCallerLeave", ("Queue", "sales"), ("Linkedid", "1763.1"), ("Channel", "PJSIP/x-1"))


def lamp(asterisk: AmiPeer) -> str:
    """The alarm's lamp, as Asterisk was last told."""
    named = "DEVICE_STATE(Custom:ramal-alarm-crowd)"
    told = [action.get("Value") for action in asterisk.named("Setvar") if action.get("Variable") == named]
    return told[-1] if told else ""


def warned(daemon: DaemonProcess) -> bool:
    return any(warning["code"] == "alarm:crowd" for warning in daemon.live()["warnings"])


def events(web: WebPeer) -> list[str]:
    return [json.loads(post.body)["event"] for post in web.posts]


def settled(daemon: DaemonProcess) -> bool:
    """Nothing waits to be told."""
    return all(notice["state"] == "sent" for notice in daemon.ask("alarm.list")["notices"])


def test_an_alarm_is_told_shown_and_lit_once_and_its_end_too(
    asterisk: AmiPeer, start: Start, mail: MailPeer, web: WebPeer
) -> None:
    daemon = start().up()
    daemon.ask("apply", toml=office(mail, web), file="o.toml")
    until(lambda: lamp(asterisk) == "NOT_INUSE", 5, "the lamp is dark")
    joins(asterisk)
    until(lambda: mail.mails and web.posts, 10, "it is told")
    until(lambda: warned(daemon) and lamp(asterisk) == "INUSE", 5, "it is shown and lit")
    assert mail.mails[0]["Subject"] == "Demo – Alarme: crowd"
    post = web.posts[0]
    assert json.loads(post.body) | {"id": "", "raised_ms": 0, "at_ms": 0} == {
        "id": "", "event": "raised", "alarm": "crowd", "office": "Demo", "measure": "callers-waiting",
        "queue": "sales", "queue_title": "sales", "value": 1, "limit": 0, "window_min": 30, "raised_ms": 0, "at_ms": 0,
    }  # fmt: skip
    assert post.headers["x-ramal-signature"].startswith("sha256=")
    leaves(asterisk)
    until(lambda: len(mail.mails) == 2 and len(web.posts) == 2, 10, "its end is told")
    until(lambda: not warned(daemon) and lamp(asterisk) == "NOT_INUSE", 5, "it is over")
    assert events(web) == ["raised", "cleared"]
    assert "a-shared-word" not in daemon.log
    assert "/hook" not in daemon.log


def test_a_daemon_that_dies_before_the_mail_left_sends_it_once_when_it_is_back(
    asterisk: AmiPeer, start: Start, mail: MailPeer, web: WebPeer
) -> None:
    mail.silent.set()  # takes the connection and says nothing: the mail cannot leave
    daemon = start().up()
    daemon.ask("apply", toml=office(mail, web), file="o.toml")
    joins(asterisk)
    until(lambda: len(daemon.ask("alarm.list")["notices"]) == 2, 10, "it is raised")
    daemon.kill()
    assert not mail.mails
    mail.silent.clear()
    daemon = start().up()
    until(lambda: settled(daemon), 8, "everything is told, at the first try")
    assert all("x-ramal-signature" in post.headers for post in web.posts)
    until(lambda: warned(daemon), 5, "it is still raised")
    leaves(asterisk)
    until(lambda: len(mail.mails) == 2 and settled(daemon), 10, "its end is told")
    assert [str(one["Subject"]).split(" ")[2] for one in mail.mails] == ["Alarme:", "Resolvido:"]
    assert len({one["Message-ID"] for one in mail.mails}) == 2
    assert "cleared" in events(web)


def test_a_mail_that_was_taken_while_the_daemon_died_comes_again_with_the_same_id(
    asterisk: AmiPeer, start: Start, mail: MailPeer, web: WebPeer
) -> None:
    mail.hold.set()  # it has the mail, and has not said so
    daemon = start().up()
    daemon.ask("apply", toml=office(mail, web), file="o.toml")
    joins(asterisk)
    until(lambda: mail.mails, 10, "the mail is there")
    daemon.kill()
    mail.hold.clear()
    daemon = start().up()
    until(lambda: settled(daemon), 8, "it is told again, at the first try")
    assert len(mail.mails) == 2
    assert mail.mails[0]["Message-ID"] == mail.mails[1]["Message-ID"]


def test_what_happened_while_the_daemon_was_dead_is_cleared_when_it_is_back(
    asterisk: AmiPeer, start: Start, mail: MailPeer, web: WebPeer
) -> None:
    daemon = start().up()
    daemon.ask("apply", toml=office(mail, web), file="o.toml")
    joins(asterisk)
    until(lambda: settled(daemon) and web.posts, 10, "it is told")
    daemon.kill()
    leaves(asterisk)
    daemon = start().up()
    until(lambda: events(web) == ["raised", "cleared"], 10, "its end is told")
    until(lambda: lamp(asterisk) == "NOT_INUSE", 5, "the lamp is dark")


def test_a_mail_server_that_hangs_delays_neither_the_webhook_s_neighbours_nor_the_daemon(
    asterisk: AmiPeer, start: Start, mail: MailPeer, web: WebPeer
) -> None:
    mail.silent.set()
    daemon = start().up()
    daemon.ask("apply", toml=office(mail, web), file="o.toml")
    joins(asterisk)
    until(lambda: len(daemon.ask("alarm.list")["notices"]) == 2, 10, "it is raised")
    leaves(asterisk)
    until(lambda: len(daemon.ask("alarm.list")["notices"]) == 4, 10, "and cleared, while the mail hangs")
    until(lambda: lamp(asterisk) == "NOT_INUSE", 5, "the lamp follows")
    mail.silent.clear()
    until(lambda: settled(daemon), 10, "all is told in the end")
    assert events(web) == ["raised", "cleared"]


def test_a_lamp_is_brought_back_when_asterisk_was_away(
    asterisk: AmiPeer, start: Start, mail: MailPeer, web: WebPeer
) -> None:
    daemon = start().up()
    daemon.ask("apply", toml=office(mail, web), file="o.toml")
    joins(asterisk)
    until(lambda: lamp(asterisk) == "INUSE", 10, "the lamp is lit")
    before = len(asterisk.named("Setvar"))
    asterisk.drop()
    until(lambda: len(asterisk.named("Setvar")) > before, 10, "the lamp is set again")
    assert lamp(asterisk) == "INUSE"
    assert events(web) == ["raised"], "a lost connection raises nothing twice"


def test_an_alarm_that_is_taken_out_of_the_office_leaves_nothing(
    asterisk: AmiPeer, start: Start, home: Home, mail: MailPeer, web: WebPeer
) -> None:
    daemon = start().up()
    daemon.ask("apply", toml=office(mail, web), file="o.toml")
    joins(asterisk)
    until(lambda: warned(daemon) and lamp(asterisk) == "INUSE", 10, "it is raised")
    daemon.ask("apply", toml=OFFICE, file="o.toml")
    until(lambda: not warned(daemon) and lamp(asterisk) == "NOT_INUSE", 10, "it is gone")
    db = read.open_reader(home.db)
    try:
        until(lambda: not db.execute("SELECT * FROM alarm_state").fetchall(), 5, "no state is left")
    finally:
        db.close()


def test_nobody_logged_in_is_an_alarm_until_somebody_is(
    asterisk: AmiPeer, start: Start, mail: MailPeer, web: WebPeer
) -> None:
    nobody = '[[alarm]]\nname = "nobody"\nmeasure = "no-agent"\nqueue = "sales"\nhours = "always"'
    nobody += f'\nwebhook = "http://127.0.0.1:{web.port}/nobody"\nquiet_min = 0'
    hours = '\n[[hours]]\nname = "always"\nopen = ["mon-sun 00:00-24:00"]'
    asterisk.answers["DBGetTree"] = lambda action: asterisk.refuse(action, "Database entry not found")
    daemon = start().up()
    daemon.ask("apply", toml=office(mail, web, nobody + hours), file="o.toml")
    until(lambda: events(web) == ["raised"], 10, "nobody is there")
    asterisk.event("QueueMemberAdded", ("Queue", "sales"), ("MemberName", "agent-7"), ("Interface", "PJSIP/201"))
    until(lambda: events(web) == ["raised", "cleared"], 10, "somebody is")


def test_an_alarm_can_be_tried(asterisk: AmiPeer, start: Start, mail: MailPeer, web: WebPeer) -> None:
    daemon = start().up()
    daemon.ask("apply", toml=office(mail, web), file="o.toml")
    assert daemon.ask("alarm.test", alarm="crowd", who="owner") == {"notices": 2}
    until(lambda: mail.mails and web.posts, 10, "it is told")
    assert events(web) == ["test"]
    assert "Teste" in mail.mails[0]["Subject"]
    with pytest.raises(Refused, match="no alarm called"):
        daemon.ask("alarm.test", alarm="other", who="owner")
