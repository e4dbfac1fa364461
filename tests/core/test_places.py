"""Where agents wait for callers, and which of app_queue's queues stand behind one of ours."""

from hypothesis import given

from ramal.core.destination import Destination
from ramal.core.office import Agent, Membership, Number, Office, Queue, Skill
from ramal.core.places import (
    Place,
    asterisk_queues,
    is_reserved,
    logical,
    needs,
    personal,
    places,
    wrap_up_s,
)
from tests.core.offices import offices

SALES = Queue("sales", sticky_s=10, wrap_up_s=7)
BACK = Queue("back", wrap_up_s=30)
ANA = Agent("7", "Ana", "1234", queues=(Membership("sales", 2), Membership("back")), skills=(Skill("en", 3),))
RUI = Agent("8", "Rui", "1234", queues=(Membership("back", 1),), skills=(Skill("x-ray"), Skill("singing")))
OFFICE = Office(
    name="any",
    languages=("pt-BR", "en"),
    numbers=(Number("+551133330001", Destination("queue", "sales"), need="x-ray"),),
    agents=(ANA, RUI),
    queues=(SALES, BACK),
)


def test_an_agent_has_its_queues_the_needs_it_can_meet_and_its_own() -> None:
    assert places(OFFICE, ANA) == (
        Place("sales", 2),
        Place("sales--en", 22),
        Place("back", 0),
        Place("back--en", 20),
        Place("agent-7", 0),
    )
    assert places(OFFICE, RUI) == (Place("back", 1), Place("back--x-ray", 1), Place("agent-8", 0))


def test_only_needs_that_are_asked_for_and_can_be_met_have_a_queue() -> None:
    assert needs(OFFICE, SALES) == ("en",)
    assert needs(OFFICE, BACK) == ("x-ray", "en")
    assert [queue.name for queue in asterisk_queues(OFFICE)] == [
        "sales",
        "sales--en",
        "back",
        "back--x-ray",
        "back--en",
        "agent-7",
        "agent-8",
    ]


def test_the_rest_after_a_talk_is_that_of_the_office_s_queue() -> None:
    assert wrap_up_s(OFFICE, "sales--en") == wrap_up_s(OFFICE, "sales") == 7
    assert wrap_up_s(OFFICE, "agent-7") == 30  # the longest of its queues
    assert wrap_up_s(OFFICE, "agent-99") == wrap_up_s(OFFICE, "strange") == 0


def test_names_of_the_office_cannot_be_taken_for_app_queue_s() -> None:
    assert logical("sales--en") == logical("sales") == "sales"
    assert personal("agent-7")
    assert not personal("agent-x")
    assert not personal("sales")
    assert is_reserved("agent-7")
    assert is_reserved("a--b")
    assert is_reserved("a-")
    assert not is_reserved("a-b")


@given(offices())
def test_every_place_is_in_a_queue_that_exists_and_none_twice(office: Office) -> None:
    names = [queue.name for queue in asterisk_queues(office)]
    assert len(names) == len(set(names))
    for agent in office.agents:
        mine = [place.queue for place in places(office, agent)]
        assert len(mine) == len(set(mine))
        assert set(mine) <= set(names)
        assert {logical(name) for name in mine if not personal(name)} == {
            place.queue for place in agent.queues if place.queue in {queue.name for queue in office.queues}
        }
