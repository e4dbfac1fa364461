"""What the status lamp says, and that each rhythm can be told from the others."""

import itertools

import pytest

from ramal.core.status_lamp import RHYTHMS, STARTING_MS, Facts, Rhythm, Sign, sign_of

WELL = Facts(up_ms=10 * STARTING_MS, safe=False, calls=True, daemon=True, claimed=True)


@pytest.mark.parametrize(
    ("facts", "sign"),
    [
        (WELL, "well"),
        (Facts(1, False, False, False, False), "starting"),
        (Facts(STARTING_MS, False, False, False, False), "fault"),
        (Facts(1, False, True, False, False), "unclaimed"),
        (Facts(1, False, True, True, False), "unclaimed"),
        (Facts(1, False, True, False, True), "amiss"),
        (Facts(1, True, True, True, False), "fault"),
    ],
)
def test_the_worst_that_holds_is_shown(facts: Facts, sign: Sign) -> None:
    assert sign_of(facts) == sign


def flashes(rhythm: Rhythm) -> list[tuple[bool, int]]:
    """Two rounds as an eye sees them: lit or not, for how long, in hundredths."""
    looks = [rhythm.is_lit(at) for at in range(0, 2 * sum(rhythm.steps_ms), 10)]
    return [(lit, len(list(group))) for lit, group in itertools.groupby(looks)]


def test_every_rhythm_is_another_one() -> None:
    seen = {sign: tuple(flashes(rhythm)) for sign, rhythm in RHYTHMS.items()}
    assert len(set(seen.values())) == len(RHYTHMS)
    assert seen["well"] == ((True, 200),), "steady"
    assert len([1 for lit, _ in seen["unclaimed"] if lit]) == 6, "three a round"
    assert len([1 for lit, _ in seen["fault"] if lit]) == 4, "two a round"


@pytest.mark.parametrize("sign", RHYTHMS)
def test_a_rhythm_tells_how_long_it_stays_as_it_is(sign: Sign) -> None:
    rhythm = RHYTHMS[sign]
    for at_ms in range(0, 2 * sum(rhythm.steps_ms), 7):
        stays_ms = rhythm.until_change_ms(at_ms)
        assert stays_ms > 0
        assert len({rhythm.is_lit(at) for at in range(at_ms, at_ms + stays_ms)}) == 1
