"""What is kept of the last thing."""

import operator

from ramal.core.latest import Latest


def test_it_is_made_once_for_the_same_thing_and_anew_for_another() -> None:
    asked: list[list[int]] = []

    def make(of: list[int]) -> int:
        asked.append(of)
        return sum(of)

    latest, one, twin = Latest(make), [1, 2], [1, 2]
    assert [latest(one), latest(one), latest(twin), latest(one)] == [3, 3, 3, 3]
    assert [each is one for each in asked] == [True, False, True]


def test_by_value_the_twin_is_the_same_thing() -> None:
    asked: list[list[int]] = []
    latest = Latest(lambda of: asked.append(of), operator.eq)
    latest([1])
    latest([1])
    latest([2])
    assert asked == [[1], [2]]


def test_nothing_is_a_thing_too() -> None:
    assert Latest(lambda of: of is None)(None) is True
