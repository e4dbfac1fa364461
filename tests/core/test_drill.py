"""The drill's way through an office, and its verdict."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from ramal.core.destination import parse
from ramal.core.drill import Left, Way, judge, way
from ramal.core.office import Agent, Hours, Membership, Menu, Number, Office, Option, Queue
from tests.core.offices import demo, offices

NOON = datetime(2026, 11, 23, 15, tzinfo=UTC)  # a Monday, 12:00 in São Paulo
GOOD = Left(
    category="answered",
    agent="1",
    talk_ms=6000,
    steps=("arrived", "queue_joined", "ringing", "answered", "hung_up"),
    recording_state="ready",
    recording_ms=5900,
    tone_of_caller=True,
    tone_of_agent=True,
)


def test_the_demo_offices_way_is_one_key() -> None:
    assert way(demo(), NOON) == Way("+551133330000", ("1",), "vendas")


def test_the_way_goes_through_nested_menus_to_a_queue_that_somebody_serves() -> None:
    office = Office(
        name="x",
        numbers=(Number("+551133330000", parse("menu:a")),),
        menus=(
            Menu(
                "a",
                "a",
                (Option("1", parse("menu:a")), Option("2", parse("queue:empty")), Option("3", parse("menu:b"))),
            ),
            Menu("b", "b", (Option("9", parse("queue:full")),)),
        ),
        queues=(Queue("empty"), Queue("full")),
        agents=(Agent("1", "A", "1234", queues=(Membership("full"),)),),
    )
    assert way(office, NOON) == Way("+551133330000", ("3", "9"), "full")
    assert way(replace(office, agents=()), NOON) is None
    assert way(office, NOON, "+551144440000") is None


def test_a_closed_number_leads_nowhere_and_another_is_tried() -> None:
    office = demo()
    shut = replace(office, hours=(Hours("never", ()),), numbers=(replace(office.numbers[0], hours="never"),))
    assert way(shut, NOON) is None
    second = Number("+551133330009", parse("queue:suporte"))
    assert way(replace(shut, numbers=(*shut.numbers, second)), NOON) == Way("+551133330009", (), "suporte")


@given(offices())
@hypothesis_settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_way_is_one_that_a_caller_can_really_go(office: Office) -> None:
    found = way(office, NOON)
    if found is None:
        return
    place = next(number.to for number in office.numbers if number.number == found.number)
    for key in found.keys:
        assert place.kind == "menu"
        menu = next(menu for menu in office.menus if menu.name == place.name)
        place = next(option.to for option in menu.options if option.key == key)
    assert str(place) == f"queue:{found.queue}"
    assert any(membership.queue == found.queue for agent in office.agents for membership in agent.queues)


def test_a_call_that_left_everything_passes() -> None:
    assert all(step.ok for step in judge(GOOD, 12_000))


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (replace(GOOD, category="abandoned"), "category"),
        (replace(GOOD, agent=None), "category"),
        (replace(GOOD, steps=("arrived",)), "timeline"),
        (replace(GOOD, recording_state="missing", recording_ms=0), "recording"),
        (replace(GOOD, recording_ms=3000), "recording-length"),
        (replace(GOOD, recording_ms=0, talk_ms=0), "recording-length"),
        (replace(GOOD, tone_of_caller=False), "sound-caller"),
        (replace(GOOD, tone_of_agent=False), "sound-agent"),
    ],
)
def test_each_thing_amiss_fails_its_own_step(broken: Left, what: str) -> None:
    assert what in [step.what for step in judge(broken, 0) if not step.ok]
