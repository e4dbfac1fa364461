"""With whom a caller spoke, one after the other: each way a call can be handed on, as Asterisk's journal tells it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.core.history import Part
from ramal.core.journal import Cel, Journal, Queued
from ramal.core.legs import agents_of, last_agent, parts, talks
from ramal.core.story import tell

CALLER, FIRST, SECOND, ASKING, OUT = "1763.1", "1763.2", "1763.5", "1763.4", "1763.6"
CHANNELS = {
    CALLER: "PJSIP/line-loop-00000001",
    FIRST: "PJSIP/201-00000002",
    ASKING: "PJSIP/201-00000004",
    SECOND: "PJSIP/202-00000005",
    OUT: "PJSIP/line-out-00000006",
}
T0 = 1_763_000_000_000


def cel(at_s: float, kind: str, unique: str = CALLER, extra: str = "", user: str = "") -> Cel:
    fields: dict[str, Any] = {
        "at_ms": T0 + round(1000 * at_s),
        "type": kind,
        "linked_id": CALLER,
        "unique_id": unique,
        "channel": CHANNELS[unique],
        "number": "",
        "name": "",
        "exten": "s",
        "context": "",
        "user": user,
        "extra": extra,
        "peer": "",
    }
    return Cel(**fields)


def said(at_s: float, user: str, *fields: str, unique: str = CALLER) -> Cel:
    return cel(at_s, user, unique, '{"extra":"' + "|".join(fields) + '"}', user)


def room(at_s: float, kind: str, bridge: str, *channels: str) -> tuple[Cel, ...]:
    return tuple(cel(at_s, f"BRIDGE_{kind}", channel, f'{{"bridge_id":"{bridge}"}}') for channel in channels)


def moved(at_s: float, kind: str, unique: str, target: str = "") -> Cel:
    return cel(at_s, kind, unique, f'{{"transfer_target_channel_uniqueid":"{target}"}}')


ARRIVED = (cel(0, "CHAN_START"), said(0, "ARRIVE", "loop", "+551133330001", "allowed"), cel(0, "ANSWER"))
ANSWERED = (*ARRIVED, cel(1, "CHAN_START", FIRST), cel(2, "ANSWER", FIRST), *room(2, "ENTER", "one", CALLER, FIRST))
CONNECT = (Queued(T0 // 1000 + 2, CALLER, "sales", "7", "CONNECT", ("2", FIRST, "1")),)
OVER = (cel(60, "HANGUP"), cel(60, "LINKEDID_END"))
SEATED = said(10, "PHONE", "202", "8")
RINGS = (cel(11, "CHAN_START", SECOND), cel(12, "ANSWER", SECOND))


def told(*events: Cel) -> tuple[Part, ...]:
    journal = Journal(CALLER, events, CONNECT)
    story = tell(journal)
    return parts(story, talks(journal, story))


def words(*events: Cel) -> list[tuple[str, ...]]:
    return [(part.agent, part.phone, part.number, part.began, part.ended) for part in told(*events)]


BLIND = (
    *ANSWERED,
    moved(10, "BLINDTRANSFER", FIRST),
    *room(10, "EXIT", "one", CALLER, FIRST),
    SEATED,
    *RINGS,
    *room(12, "ENTER", "two", CALLER, SECOND),
    *room(60, "EXIT", "two", CALLER, SECOND),
    *OVER,
)
ATTENDED = (
    *ANSWERED,
    cel(9, "CHAN_START", ASKING),
    said(9, "INTERNAL", "201", "202", "8", "7", unique=ASKING),
    *RINGS,
    *room(13, "ENTER", "asking", ASKING, SECOND),
    *room(20, "EXIT", "asking", SECOND),
    *room(20, "EXIT", "one", FIRST),
    *room(20, "ENTER", "one", SECOND),
    moved(20, "ATTENDEDTRANSFER", FIRST, SECOND),
    *room(20, "EXIT", "asking", ASKING),
    *room(60, "EXIT", "one", SECOND, CALLER),
    *OVER,
)
PARKED = (
    *ANSWERED,
    moved(10, "BLINDTRANSFER", FIRST),
    *room(10, "EXIT", "one", CALLER, FIRST),
    cel(10, "PARK_START", extra='{"parker_dial_string":"PJSIP/201"}'),
    *room(10, "ENTER", "place", CALLER),
    cel(29, "CHAN_START", SECOND),
    said(29, "RETRIEVE", "202", "701", "8", unique=SECOND),
    *room(30, "EXIT", "place", CALLER),
    *room(30, "ENTER", "two", SECOND, CALLER),
    *room(60, "EXIT", "two", SECOND, CALLER),
    *OVER,
)
CAME_BACK = (
    *ANSWERED,
    moved(10, "BLINDTRANSFER", FIRST),
    *room(10, "EXIT", "one", CALLER, FIRST),
    said(20, "BACK", "202", "BUSY", "8"),
    cel(21, "CHAN_START", SECOND),
    cel(22, "ANSWER", SECOND),
    *room(22, "ENTER", "two", CALLER, SECOND),
    *room(60, "EXIT", "two", CALLER, SECOND),
    *OVER,
)
OUTSIDE = (
    *ANSWERED,
    moved(10, "BLINDTRANSFER", FIRST),
    *room(10, "EXIT", "one", CALLER, FIRST),
    said(11, "OUT", "+5511987654321", "out", ""),
    cel(11, "CHAN_START", OUT),
    cel(12, "ANSWER", OUT),
    *room(12, "ENTER", "two", CALLER, OUT),
    *room(60, "EXIT", "two", CALLER, OUT),
    *OVER,
)


@pytest.mark.parametrize(
    ("events", "legs"),
    [
        (BLIND, [("7", "201", "", "answered", "transferred"), ("8", "202", "", "transferred", "hung_up")]),
        (ATTENDED, [("7", "201", "", "answered", "transferred"), ("8", "202", "", "transferred", "hung_up")]),
        (PARKED, [("7", "201", "", "answered", "parked"), ("8", "202", "", "retrieved", "hung_up")]),
        (CAME_BACK, [("7", "201", "", "answered", "transferred"), ("8", "202", "", "came_back", "hung_up")]),
        (
            OUTSIDE,
            [("7", "201", "", "answered", "transferred"), ("", "", "+5511987654321", "transferred", "hung_up")],
        ),
        ((*ANSWERED, *room(60, "EXIT", "one", CALLER, FIRST), *OVER), []),
        (ARRIVED, []),
    ],
    ids=["blind", "attended", "parked", "came back", "outside", "one leg", "nobody"],
)
def test_each_way_a_call_is_handed_on_has_its_legs(events: tuple[Cel, ...], legs: list[tuple[str, ...]]) -> None:
    assert words(*events) == legs


def test_the_consultation_is_no_leg_and_takes_nothing_from_the_times() -> None:
    first, second = told(*ATTENDED)
    assert (first.from_ms - T0, (first.to_ms or 0) - T0) == (2000, 20_000)
    assert (second.from_ms - T0, (second.to_ms or 0) - T0) == (20_000, 60_000)


def test_who_hangs_up_at_once_after_being_given_the_call_has_not_handed_it_on() -> None:
    short = tuple(event for event in ATTENDED if event.at_ms < T0 + 60_000)
    hung_up = (*room(20.5, "EXIT", "one", SECOND, CALLER), *OVER)
    assert [leg[-1] for leg in words(*short, *hung_up)] == ["transferred", "hung_up"]


def test_a_talk_that_ends_long_after_a_transfer_that_failed_was_hung_up() -> None:
    tried = tuple(sorted((*BLIND, moved(30, "BLINDTRANSFER", SECOND)), key=lambda event: event.at_ms))
    assert [leg[-1] for leg in words(*tried)] == ["transferred", "hung_up"]


def test_a_talk_that_goes_on_has_no_end_yet() -> None:
    going_on = ATTENDED[: ATTENDED.index(OVER[0]) - 2]
    first, second = told(*going_on)
    assert (first.ended, second.ended, second.to_ms) == ("transferred", "", None)


def test_a_queue_that_hands_the_call_to_the_next_agent_says_answered() -> None:
    again = Queued(T0 // 1000 + 12, CALLER, "help", "8", "CONNECT", ("2", SECOND, "1"))
    journal = Journal(CALLER, BLIND, (*CONNECT, again))
    story = tell(journal)
    assert [part.began for part in parts(story, talks(journal, story))] == ["answered", "answered"]


def test_the_agents_of_a_call_are_named_in_order_and_the_last_one_has_it() -> None:
    journal = Journal(CALLER, PARKED, CONNECT)
    spoken = talks(journal, tell(journal))
    assert list(agents_of(spoken)) == ["7", "8"]
    assert last_agent(spoken) == "8"
    assert last_agent([]) == ""


def test_a_talk_with_a_line_outside_leaves_the_call_with_the_agent_who_had_it() -> None:
    journal = Journal(CALLER, OUTSIDE, CONNECT)
    assert last_agent(talks(journal, tell(journal))) == "7"


EVERY = (*BLIND, *ATTENDED, *PARKED, *CAME_BACK, *OUTSIDE)


@given(st.lists(st.sampled_from(EVERY), max_size=30))
def test_whatever_the_journal_says_no_talk_ends_before_it_began_and_one_talk_is_no_transfer(events: list[Cel]) -> None:
    journal = Journal(CALLER, tuple(sorted(events, key=lambda event: event.at_ms)), CONNECT)
    story = tell(journal)
    spoken = talks(journal, story)
    assert all(talk.leg is not story.main for talk in spoken)
    assert all(talk.to_ms is None or talk.to_ms >= talk.from_ms for talk in spoken)
    found = parts(story, spoken)
    assert len(found) == (len(spoken) if len(spoken) > 1 else 0)
    assert all((part.ended == "") == (part.to_ms is None) for part in found)
