"""Screens on the wall, made and taken away by the real daemon, and kept in the audit."""

from collections.abc import Callable
from contextlib import closing

import pytest

from ramal.box.home import Home
from ramal.control.client import Refused
from ramal.store import read, screens
from ramal.store.db import open_reader
from tests.process.conftest import DaemonProcess

Start = Callable[..., DaemonProcess]


def test_a_screen_s_address_works_over_restarts_until_it_is_taken_away(start: Start, home: Home) -> None:
    daemon = start().ready()
    made = daemon.ask("wall.make", who="owner", name="  Sala de\u00a0espera ")
    other = daemon.ask("wall.make", who="owner", name="Loja")
    assert made["token"] != other["token"]
    assert len(made["token"]) >= 32
    daemon.kill()
    daemon = start().ready()
    with closing(open_reader(home.db)) as db:
        found = read.screen_of(db, made["token"])
        assert found is not None
        assert (found.id, found.name, found.made_by) == (made["id"], "Sala de espera", "owner")
    daemon.ask("wall.revoke", who="owner", screen=str(made["id"]))
    with pytest.raises(Refused, match="no such screen"):
        daemon.ask("wall.revoke", who="owner", screen=str(made["id"]))
    for wrong in ("", "-1", "x", "9" * 16):
        with pytest.raises(Refused, match="no such screen"):
            daemon.ask("wall.revoke", who="owner", screen=wrong)
    with closing(open_reader(home.db)) as db:
        assert read.screen_of(db, made["token"]) is None
        assert read.screen_of(db, other["token"]) is not None
        told = db.execute("SELECT who, what, detail FROM audit ORDER BY id").fetchall()
    assert told == [
        ("owner", "wall.made", "Sala de espera"),
        ("owner", "wall.made", "Loja"),
        ("owner", "wall.revoked", "Sala de espera"),
    ]
    assert made["token"] not in daemon.log


def test_there_are_no_screens_without_a_name_and_not_too_many(start: Start) -> None:
    daemon = start().ready()
    with pytest.raises(Refused) as refused:
        daemon.ask("wall.make", who="owner", name=" \n ")
    assert refused.value.code == "screen-name"
    for n in range(screens.SCREENS_MAX):
        daemon.ask("wall.make", who="owner", name=str(n))
    with pytest.raises(Refused) as full:
        daemon.ask("wall.make", who="owner", name="one more")
    assert full.value.code == "screens-full"
