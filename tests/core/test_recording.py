"""Whether a talk is recorded, and what its events make of it."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from ramal.core import recording
from ramal.core.gap import Gap
from ramal.core.recording import ORDER, Policy

policies = st.sampled_from(ORDER)


@dataclass
class Leg:
    """A channel and when it was connected."""

    bridged: list[tuple[int, int | None]] = field(default_factory=list)
    ended_ms: int | None = None

    def bridged_ms(self, from_ms: int, until_ms: int) -> int:
        spans = ((max(a, from_ms), min(until_ms if b is None else b, until_ms)) for a, b in self.bridged)
        return sum(b - a for a, b in spans if b > a)


@given(policies, policies, policies, policies)
def test_never_wins_over_all_and_always_over_the_rest(
    queue: Policy, line: Policy, agent: Policy, other: Policy
) -> None:
    decided = recording.decide(queue, line, agent, other)
    said = {queue, line, agent, other}
    if "never" in said:
        assert decided == "never"
    elif "always" in said:
        assert decided == "always"
    else:
        assert decided == ("on-demand" if "on-demand" in said else "")


def test_who_says_a_side_first_is_heard() -> None:
    assert recording.sides("", "stereo", "mono") == "stereo"
    assert recording.sides("mono", "stereo") == "mono"
    assert recording.sides("", "") == "mono"


def told(*events: tuple[int, str, str], leg: Leg | None = None) -> list[recording.Made]:
    return list(recording.made((at_ms, name, values.split("|"), leg) for at_ms, name, values in events))


def test_a_gap_ends_by_the_code_by_its_limit_and_with_the_talk() -> None:
    leg = Leg([(1000, 400_000)], 400_000)
    (made,) = told(
        (500, "RECORD", "ready|a|stereo"),
        (11_000, "CARD", "on|a|10000|201|7|120"),
        (31_000, "CARD", "off|a|code|20000"),
        (41_000, "CARD", "on|a|20000|201|7|120"),
        (300_000, "CARD", "on|a|159000|201|7|120"),
        leg=leg,
    )
    assert made.sides == "stereo"
    assert made.began_ms() == 1000
    assert made.talked_ms(400_000) == 399_000
    assert made.gaps_until(400_000) == (
        Gap(10_000, 20_000, 11_000, "201", "7", "code"),
        Gap(20_000, 120_000, 41_000, "201", "7", "limit"),
        Gap(159_000, 100_000, 300_000, "201", "7", "end"),
    )
    assert recording.heard(made.gaps) == ((10_000, 30_000), (40_000, 160_000), (299_000, 399_000))


def test_what_app_queue_was_not_to_record_is_no_recording() -> None:
    leg = Leg([(1000, 9000)], 9000)
    (made,) = told((500, "RECORD", "ready|a|mono"), (600, "RECORD", "not|a|3"), leg=leg)
    assert made.began_ms() is None


def test_on_demand_counts_only_what_was_asked_for() -> None:
    leg = Leg([(1000, 20_000)], 20_000)
    (made,) = told(
        (3000, "RECORD", "on|a|mono|code"),
        (6000, "RECORD", "off|a|code"),
        (10_000, "RECORD", "on|a|mono|code"),
        leg=leg,
    )
    assert (made.began_ms(), made.talked_ms(20_000)) == (3000, 13_000)


@given(st.lists(st.tuples(st.sampled_from(["RECORD", "CARD"]), st.text("onready|a1f-9", max_size=30)), max_size=20))
def test_no_event_breaks_the_history(events: list[tuple[str, str]]) -> None:
    for made in told(*((at, name, values) for at, (name, values) in enumerate(events)), leg=Leg([(0, None)])):
        assert made.talked_ms(100) >= 0
        assert all(gap.length_ms >= 0 for gap in made.gaps_until(100))
