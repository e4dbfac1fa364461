"""What one event after the other means for agents, callers and warnings."""

from dataclasses import replace

import pytest

from ramal.core import narrate
from ramal.core.commands import AddMember, RemoveMember
from ramal.core.events import (
    AgentAnswered,
    AgentDone,
    AgentMissed,
    AgentRang,
    AmiDown,
    AmiUp,
    CallerJoined,
    CallerLeft,
    CommandRefused,
    ConditionSeen,
    MemberRemoved,
    MemberSeen,
    OfficeLoaded,
    ReachChanged,
    Talk,
    Ticked,
)
from ramal.core.office import Membership
from ramal.core.state import Standing, State
from ramal.core.step import SETTLED_MS, step
from tests.core.moments import OFFICE, T0, after, caller, member, opened

RANG = AgentRang("sales", "7", "c1", "+5511999990000", "Zé")
ANSWERED = AgentAnswered("sales", "7", "c1", "+5511999990000", "Zé", 4000)
DONE = AgentDone("sales", "7", "c1", "caller")


def standing(state: State, agent: str = "7", now_ms: int = T0) -> Standing:
    return state.standings[agent].at(now_ms)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ({}, "free"),
        ({"status": 2}, "busy"),
        ({"status": 8}, "busy"),
        ({"status": 6}, "ringing"),
        ({"status": 5}, "unreachable"),
        ({"status": 4}, "unreachable"),
        ({"paused": True, "pause_reason": "lunch"}, "paused"),
        ({"status": 2, "in_call": True}, "talking"),
    ],
)
def test_a_member_as_asterisk_shows_it_gives_the_agents_state(what: dict[str, object], expected: str) -> None:
    assert standing(after(MemberSeen(member(**what)))).state == expected


def test_an_agent_in_no_queue_is_out() -> None:
    assert standing(opened()).state == "out"


def test_a_call_is_followed_from_ringing_to_free_again() -> None:
    state = opened(member())
    state = after(CallerJoined(caller()), RANG, state=state, at_ms=T0)
    assert standing(state) == Standing("ringing", T0, call="c1")
    state = after(MemberSeen(member(status=6)), CallerLeft("sales", "c1", ""), ANSWERED, state=state, at_ms=T0 + 4000)
    state = after(MemberSeen(member(status=2, in_call=True)), state=state, at_ms=T0 + 4010)
    assert standing(state) == Standing("talking", T0 + 4000, call="c1")
    state = after(DONE, state=state, at_ms=T0 + 60_000)
    state = after(MemberSeen(member(status=1, last_call_ms=T0 + 60_000)), state=state, at_ms=T0 + 60_050)
    assert (standing(state, now_ms=T0 + 61_000).state, standing(state).since_ms) == ("wrap-up", T0 + 60_000)
    assert standing(state, now_ms=T0 + 65_000) == Standing("free", T0 + 65_000)


def test_between_the_talks_end_and_the_phones_own_word_the_agent_does_not_flicker_to_busy() -> None:
    state = opened(member("7", "support"))
    state = after(CallerJoined(caller(queue="support")), state=state)
    state = after(AgentAnswered("support", "7", "c1", "", "", 0), state=state)
    state = after(MemberSeen(member("7", "support", status=2, in_call=True)), state=state)
    state = after(AgentDone("support", "7", "c1", "agent"), state=state, at_ms=T0 + 9000)
    assert standing(state, now_ms=T0 + 9100).state == "free"
    assert standing(state, now_ms=T0 + 12_000).state == "busy", "the phone still says in use: a call of its own"


def test_everybody_elses_ring_ends_when_one_agent_answers() -> None:
    state = opened(member("7"), member("8"))
    state = after(CallerJoined(caller()), RANG, replace(RANG, agent="8"), state=state)
    state = after(MemberSeen(member("8", status=6)), replace(ANSWERED, agent="8"), state=state)
    assert [standing(state, agent).state for agent in "78"] == ["free", "talking"]
    assert not state.waiting["sales"]


def test_an_abandoning_caller_and_a_missed_call_leave_the_agent_free() -> None:
    for end in (CallerLeft("sales", "c1", "", abandoned=True), AgentMissed("sales", "7", "c1", 15_000)):
        state = after(CallerJoined(caller()), RANG, MemberSeen(member(status=6)), end, state=opened(member()))
        assert standing(state).state == "free"


def test_a_ring_whose_caller_left_unseen_is_healed_by_the_tick() -> None:
    state = after(CallerJoined(caller()), RANG, CallerLeft("sales", "c1", ""), state=opened(member()))
    assert standing(state).state == "ringing"
    assert standing(after(Ticked(), state=state, at_ms=T0 + 6000), now_ms=T0 + 6000).state == "free"


def test_a_talk_whose_end_was_lost_is_healed_by_the_phones_state() -> None:
    state = after(CallerJoined(caller()), ANSWERED, MemberSeen(member(status=2, in_call=True)), state=opened(member()))
    state = after(MemberSeen(member(status=1)), state=state, at_ms=T0 + 9000)
    assert standing(state, now_ms=T0 + 9000).state == "wrap-up"


def test_an_agent_who_logs_out_in_a_talk_is_talking_until_it_ends() -> None:
    state = after(CallerJoined(caller()), ANSWERED, MemberRemoved("sales", "7"), state=opened(member()))
    assert standing(state).state == "talking"
    assert standing(after(DONE, state=state)).state == "out"


def test_repeated_events_do_not_move_since() -> None:
    state = opened(member())
    state = after(MemberSeen(member(paused=True, pause_reason="lunch")), state=state, at_ms=T0)
    for late_ms in (1000, 2000):
        state = after(
            MemberSeen(member(paused=True, pause_reason="lunch", last_call_ms=late_ms)), state=state, at_ms=T0 + late_ms
        )
        state = after(MemberSeen(member("7", "support", paused=True, pause_reason="lunch")), state=state)
    assert standing(state) == Standing("paused", T0, "lunch")


def test_a_phone_that_is_lost_makes_its_agent_unreachable_and_back() -> None:
    state = after(ReachChanged("201", False), state=opened(member(login_ms=T0 - 90_000)))
    assert standing(state).state == "unreachable"
    assert standing(after(ReachChanged("201", True), state=state, at_ms=T0 + 5)).since_ms == T0 + 5


def test_callers_keep_the_order_and_the_position_the_queue_gave_them() -> None:
    state = after(
        CallerJoined(caller("c1", position=1)),
        CallerJoined(caller("c2", position=2)),
        CallerJoined(caller("vip", position=1)),
    )
    assert [seat.call for seat in state.waiting["sales"]] == ["vip", "c1", "c2"]
    state = after(CallerLeft("sales", "vip", ""), CallerLeft("sales", "stranger", ""), state=state)
    assert [seat.call for seat in state.waiting["sales"]] == ["c1", "c2"]


def test_a_new_session_replaces_what_is_known_but_keeps_since_where_nothing_changed() -> None:
    state = opened(member("7"), member("8"))
    state = after(CallerJoined(caller("c1")), CallerJoined(caller("c2")), ANSWERED, state=state, at_ms=T0)
    state = after(AmiDown("reset"), state=state, at_ms=T0 + 1000)
    assert not state.asterisk.up
    assert "asterisk-down" in state.warnings
    up = AmiUp((member("7", in_call=True, status=2), member("9", "support")), (caller("c2", joined_ms=T0 + 900),))
    state = after(up, state=state, at_ms=T0 + 5000)
    assert state.asterisk.since_ms == T0 + 5000
    assert not state.warnings
    assert standing(state) == Standing("talking", T0, call="c1")
    assert standing(state, "8") == Standing("out", T0 + 5000)
    assert [(seat.call, seat.joined_ms) for seat in state.waiting["sales"]] == [("c2", T0)]
    assert state.reach == {"201": False, "202": False, "203": False, "line-loop": False}


def test_a_daemon_started_under_calls_takes_the_times_from_asterisk() -> None:
    state = after(OfficeLoaded(OFFICE), state=State())
    up = AmiUp(
        members=(
            member("7", in_call=True, status=2),
            member("8", paused=True, pause_reason="lunch", last_pause_ms=T0 - 600_000),
            member("9", "support", login_ms=T0 - 900_000),
        ),
        waiting=(),
        reached=("201", "202", "203"),
        talks=(Talk("7", "sales", "c1", since_ms=T0 - 120_000),),
    )
    state = after(up, state=state)
    assert standing(state, "7") == Standing("talking", T0 - 120_000, call="c1")
    assert standing(state, "8") == Standing("paused", T0 - 600_000, "lunch")
    assert standing(state, "9") == Standing("free", T0 - 900_000)


OWN = AddMember("agent-7", "7", "201", 0)
"""The queue of the agent alone: who knows Ana waits there."""


def test_a_fresh_session_and_new_settings_are_reconciled_at_once() -> None:
    state, commands = step(opened(), AmiUp((member("7"),), ()), T0)
    assert commands == (AddMember("support", "7", "201", 1), OWN)
    fewer = replace(OFFICE, agents=(replace(OFFICE.agents[0], queues=(Membership("support", 1),)), *OFFICE.agents[1:]))
    _, commands = step(state, OfficeLoaded(fewer), T0)
    assert commands == (RemoveMember("sales", "201"), AddMember("support", "7", "201", 1), OWN)


def test_a_log_out_in_progress_is_not_undone() -> None:
    state = opened(member("7"), member("7", "support", penalty=1))
    state, commands = step(state, MemberRemoved("sales", "7"), T0)
    assert not commands
    assert not step(state, Ticked(), T0 + 100)[1]
    assert step(state, Ticked(), T0 + SETTLED_MS)[1] == (AddMember("sales", "7", "201", 0), OWN)


def test_a_refused_plan_rests_before_it_is_tried_again() -> None:
    state = after(CommandRefused("AddMember", "no such queue"), state=opened(member("7"), at_ms=T0 - 60_000))
    assert not step(state, Ticked(), T0 + 10_000)[1]
    assert step(state, Ticked(), T0 + 60_000)[1] == (AddMember("support", "7", "201", 1), OWN)


def test_nothing_is_reconciled_without_an_office_or_without_asterisk() -> None:
    assert not step(State(), AmiUp((member("7"),), ()), T0)[1]
    state = after(AmiDown("reset"), state=opened(member("7")))
    assert not step(state, Ticked(), T0 + 60_000)[1]


def test_a_warning_is_raised_once_and_cleared_once() -> None:
    told: list[str] = []
    state = opened()
    for at_ms, holds, free_mb in ((0, True, 90), (10, True, 80), (20, False, 900), (30, False, 900)):
        event = ConditionSeen("disk-low", holds, (("free_mb", free_mb),))
        before, (state, _) = state, step(state, event, T0 + at_ms)
        told.extend(narrate.lines(before, event, state, T0 + at_ms))
    assert told == ["warning disk-low: raised free_mb=90", "warning disk-low: cleared"]


def test_the_log_tells_every_transition_once() -> None:
    told: list[str] = []
    state = opened(member())
    for event in (
        CallerJoined(caller()),
        CallerJoined(caller()),
        RANG,
        RANG,
        CallerLeft("sales", "c1", ""),
        ANSWERED,
        DONE,
    ):
        before, (state, _) = state, step(state, event, T0)
        told.extend(narrate.lines(before, event, state, T0))
    assert told == [
        "call c1: -> waiting (sales)",
        "agent-7: free -> ringing",
        "call c1: waiting -> left (sales)",
        "call c1: -> answered (agent-7)",
        "agent-7: ringing -> talking",
        "call c1: talk over (caller)",
        "agent-7: talking -> wrap-up",
    ]
