"""The office file there and back."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ramal.core.destination import Destination
from ramal.core.office import Agent, Membership, Office, Phone, Queue
from ramal.core.office_file import OfficeRefused, Problem, diff, read, write
from tests.core.offices import DEMO, demo, offices

slow = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@slow
@given(offices())
def test_a_written_office_is_read_back_the_same(office: Office) -> None:
    text = write(office)
    again = read(text)
    assert again == office
    assert write(again) == text


@slow
@given(offices(), offices())
def test_a_comparison_is_empty_exactly_when_nothing_changes(one: Office, other: Office) -> None:
    assert diff(one, one) == ()
    assert bool(diff(one, other)) is (one != other)
    assert not any("\n" in line for line in diff(one, other))


def problems(text: str) -> tuple[Problem, ...]:
    """What is wrong with ``text``; nothing when it is an office."""
    try:
        read(text, secret=lambda: "a-secret-of-the-tests")
    except OfficeRefused as refused:
        return refused.problems
    return ()


@given(st.text(max_size=300))
def test_any_text_is_an_office_or_is_refused_in_printable_lines(text: str) -> None:
    found = problems(text)
    assert found
    for problem in found:
        assert 1 <= problem.line <= text.count("\n") + 1
        assert str(problem).isprintable()


@slow
@given(st.data())
def test_a_damaged_office_is_refused_with_lines_or_still_an_office(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(DEMO) - 1))
    cut = data.draw(st.integers(0, 30))
    text = DEMO[:start] + data.draw(st.text('=[]{}",.\n#ab01*', max_size=4)) + DEMO[start + cut :]
    for problem in problems(text):
        assert 1 <= problem.line <= text.count("\n") + 1
        assert str(problem).isprintable()


def test_the_demo_office_is_valid_and_answers_at_any_hour() -> None:
    office = demo()
    assert [phone.extension for phone in office.phones if phone.virtual] == ["201", "202", "203"]
    assert len(office.agents) == 3
    assert len(office.queues) == 2
    assert [str(number.to) for number in office.numbers] == ["menu:principal"]
    assert [(span.days, span.opens_min, span.closes_min) for span in office.hours[0].spans] == [
        (tuple(range(7)), 0, 1440)
    ]


def test_the_smallest_office_is_its_name() -> None:
    assert read('[office]\nname = "X"') == Office("X")


def test_a_phone_without_a_secret_gets_a_new_one() -> None:
    count = itertools.count()
    text = '[office]\nname = "X"\n[[phone]]\nextension = "201"\n[[phone]]\nextension = "202"\n'
    office = read(text, secret=lambda: f"made-secret-{next(count)}")
    assert [phone.secret for phone in office.phones] == ["made-secret-0", "made-secret-1"]


def test_applying_a_file_twice_keeps_the_secrets_that_desk_phones_use() -> None:
    text = '[office]\nname = "X"\n[[phone]]\nextension = "201"\n[[phone]]\nextension = "202"\nsecret = "given-secret"\n'
    count = itertools.count()
    once = read(text, secret=lambda: f"made-secret-{next(count)}")
    assert read(text, secret=lambda: f"made-secret-{next(count)}", known=once) == once


def test_without_a_source_of_secrets_a_missing_one_is_a_problem() -> None:
    with pytest.raises(OfficeRefused) as refused:
        read('[office]\nname = "X"\n\n[[phone]]\nextension = "201"\n')
    assert [(problem.line, problem.what) for problem in refused.value.problems] == [
        (4, "“secret” is missing in “phone”.")
    ]


def test_a_file_from_windows_with_a_byte_order_mark_is_read() -> None:
    assert read("\ufeff" + DEMO.replace("\n", "\r\n"), secret=lambda: "a-secret-of-the-tests") == demo()


def test_two_agents_may_share_a_phone_at_different_hours() -> None:
    office = Office(
        "X",
        phones=(Phone("201", "abcdefgh"),),
        agents=(Agent("1", "Ana", "1111", "201"), Agent("2", "Bia", "2222", "201")),
    )
    assert read(write(office)) == office


def test_a_comparison_says_what_changes_without_showing_secrets() -> None:
    old = read(write(demo()))
    queue, other = old.queues
    new = Office(
        **{
            **{name: getattr(old, name) for name in old.__dataclass_fields__},
            "phones": (Phone("201", "another-secret", "Balcão", True), *old.phones[1:]),
            "queues": (
                Queue(**{**{name: getattr(queue, name) for name in queue.__dataclass_fields__}, "max_wait_s": 240}),
                other,
            ),
            "agents": (
                Agent("1", "Ana Souza", "0000", "201", (Membership("vendas", 3),)),
                old.agents[1],
                Agent("4", "Davi", "4444"),
            ),
        }
    )
    assert diff(old, new) == (
        "phone 201: secret changed",
        "agent 3: removed",
        "agent 1: pin changed",
        "agent 1: queues vendas, suporte (penalty 5) → vendas (penalty 3)",
        "agent 4: added",
        "queue vendas: max_wait_s 180 → 240",
    )
    assert "another-secret" not in "".join(diff(old, new))


def test_the_keys_of_a_menu_are_compared_one_by_one() -> None:
    text = '[office]\nname = "X"\n[[menu]]\nname = "main"\ntext = "Olá"\noptions = {{ {} }}\n'
    old = read(text.format('1 = "hangup", 9 = "menu:main"'))
    new = read(text.format('1 = "menu:main", 9 = "menu:main", "#" = "hangup"'))
    assert diff(old, new) == ("menu main: key 1 hangup → menu:main", "menu main: key # nothing → hangup")
    assert new.menus[0].options[2].to == Destination("hangup")
