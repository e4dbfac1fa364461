"""The picture of this moment, as the page gets it."""

import json

from ramal.core import warnings
from ramal.core.events import AgentAnswered, AgentDone, AgentRang, CallerJoined, MemberSeen, ReachChanged
from ramal.core.live import live
from ramal.core.state import State
from tests.core.moments import T0, after, caller, member, opened


def test_the_picture_shows_queues_callers_agents_phones_and_lines() -> None:
    state = opened(member("7"), member("7", "support", penalty=1), member("8"))
    state = after(
        CallerJoined(caller("c1", position=1)),
        CallerJoined(caller("c2", position=2)),
        AgentRang("sales", "8", "c1", "+5511999990000", "Zé"),
        MemberSeen(member("7", paused=True, pause_reason="lunch")),
        ReachChanged("203", False),
        state=state,
        at_ms=T0,
    )
    registry = warnings.seen({}, warnings.DISK_LOW, True, (("free_mb", 90),), T0)
    picture = live(state, T0 + 9000, {"received": 3}, registry, 42)
    assert json.loads(json.dumps(picture)) == picture
    assert picture["at_ms"] == T0 + 9000
    assert picture["asterisk"] == {"up": True, "since_ms": T0 - 60_000, "version": "22.10.1", "reason": ""}
    assert picture["office"] == {"name": "Demo", "timezone": "America/Sao_Paulo"}
    sales, support = picture["queues"]
    assert sales == {
        "name": "sales", "title": "Vendas", "waiting": 2, "longest_since_ms": T0,
        "agents_free": 0, "agents_busy": 1, "agents_paused": 1, "agents_away": 0,
    }  # fmt: skip
    assert (support["waiting"], support["longest_since_ms"], support["agents_away"]) == (0, None, 1)
    assert [(row["call"], row["position"], row["ringing"]) for row in picture["waiting"]] == [
        ("c1", 1, ["8"]),
        ("c2", 2, []),
    ]
    ana, bruno, carla = picture["agents"]
    assert (ana["state"], ana["reason"], ana["queues"]) == ("paused", "lunch", ["sales", "support"])
    assert (bruno["state"], bruno["call"], bruno["caller"]) == ("ringing", "c1", "+5511999990000")
    assert (carla["state"], carla["queues"]) == ("out", ["support"])
    assert picture["phones"][2] == {"extension": "203", "reachable": False}
    assert picture["lines"] == [{"name": "loop", "reachable": True}]
    assert picture["today"] == {"received": 3}
    assert picture["warnings"] == [{"code": "disk-low", "since_ms": T0, "text_args": {"free_mb": 90}}]
    assert picture["ingest"] == {"behind_bytes": 42}


def test_wrap_up_ends_in_the_picture_without_any_event() -> None:
    state = after(CallerJoined(caller()), AgentAnswered("sales", "7", "c1", "", "", 0), state=opened(member()))
    state = after(AgentDone("sales", "7", "c1", "agent"), state=state)
    states = [live(state, T0 + ms, {}, {})["agents"][0]["state"] for ms in (0, 4_999, 5_000)]
    assert states == ["wrap-up", "wrap-up", "free"]


def test_before_anything_is_known_the_picture_is_empty_and_says_so() -> None:
    picture = live(State(), T0, {}, {})
    assert not picture["asterisk"]["up"]
    assert picture["agents"] == picture["waiting"] == []
