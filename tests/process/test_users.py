"""``ramal users`` as a person runs it: who may use the page, with the daemon's own process behind it."""

import re
from collections.abc import Callable

import pytest

from ramal.box.home import Home
from ramal.store.db import open_reader
from tests.process.conftest import OFFICE, DaemonProcess
from tests.process.test_cli import ramal, said
from tests.until import until

Start = Callable[..., DaemonProcess]


@pytest.fixture
def daemon(start: Start) -> DaemonProcess:
    begun = start().up()
    begun.ask("apply", toml=OFFICE, file="o.toml")
    until(lambda: begun.live()["agents"], 10, "the office in force")
    return begun


def rows(home: Home, query: str) -> list[tuple[object, ...]]:
    db = open_reader(home.db)
    try:
        return [tuple(row) for row in db.execute(query)]
    finally:
        db.close()


def test_a_user_is_added_as_an_agent_with_a_password_for_once_listed_and_removed(
    home: Home, daemon: DaemonProcess
) -> None:
    code = str(daemon.live()["agents"][0]["code"])
    added = ramal(home, "users", "add", "ana", "--role", "agent", "--agent", code)
    assert added.returncode == 0
    password = re.search(r"shown this once: (\S+)", said(added))
    assert password is not None
    ((name, role, agent, must_change, digest),) = rows(
        home, "SELECT name, role, agent, must_change, password_hash FROM user WHERE name = 'ana'"
    )
    assert (name, role, agent, must_change) == ("ana", "agent", code, 1)
    assert password[1] not in str(digest)
    assert re.search(rf"ana +agent +{code} +one-time", said(ramal(home, "users")))
    again = ramal(home, "users", "password", "ana")
    assert again.returncode == 0
    assert password[1] not in said(again)
    assert "can no longer sign in" in said(ramal(home, "users", "remove", "ana"))
    assert "ana" not in said(ramal(home, "users"))
    audit = rows(home, "SELECT who, what, detail FROM audit WHERE what LIKE 'user.%' ORDER BY id")
    assert [(what, detail) for _, what, detail in audit] == [
        ("user.added", f"ana agent {code}"),
        ("user.reset", "ana"),
        ("user.removed", "ana"),
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("add", "Ana Souza"), "letters, digits, dots or dashes"),
        (("add", "ANA"), "already"),
        (("add", "bia", "--agent", "99"), "no agent 99"),
        (("add", "bia", "--agent", "CODE"), "is the user “ana” already"),
        (("remove", "nobody"), "no user"),
        (("remove", "chefe"), "last owner"),
        (("password", "nobody"), "no user"),
        (("add",), "Which user?"),
    ],
)
def test_who_cannot_be_added_or_removed_is_told_why(
    home: Home, daemon: DaemonProcess, words: tuple[str, ...], sentence: str
) -> None:
    code = str(daemon.live()["agents"][0]["code"])
    said(ramal(home, "users", "add", "ana", "--agent", code))
    said(ramal(home, "users", "add", "chefe", "--role", "owner"))
    before = rows(home, "SELECT name, role, epoch FROM user ORDER BY name")
    refused = ramal(home, "users", *(code if word == "CODE" else word for word in words))
    assert refused.returncode == 1
    assert sentence in said(refused)
    assert rows(home, "SELECT name, role, epoch FROM user ORDER BY name") == before
