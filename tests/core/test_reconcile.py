"""Carrying out the plan on a model of app_queue leaves nothing to plan."""

from hypothesis import given
from hypothesis import strategies as st

from ramal.core.commands import AddMember, Command, PauseMember, RemoveMember, SetPenalty
from ramal.core.events import Member
from ramal.core.office import Agent, Membership, Office, Phone, Queue, Skill
from ramal.core.reconcile import plan
from tests.core.moments import OFFICE, member

NAMES = ["sales", "support", "billing"]
QUEUES = st.sampled_from(NAMES)
AGENTS = st.sampled_from(["7", "8", "9"])
PHONES = st.sampled_from(["201", "202", "203"])


@st.composite
def offices(draw: st.DrawFn) -> Office:
    queues = draw(st.lists(QUEUES, unique=True))
    codes = draw(st.lists(AGENTS, unique=True))
    return Office(
        name="any",
        languages=("en",),
        queues=tuple(Queue(name, sticky_s=draw(st.sampled_from([0, 10]))) for name in queues),
        phones=tuple(Phone(extension, "s") for extension in draw(st.lists(PHONES, unique=True))),
        agents=tuple(
            Agent(
                code,
                code,
                "1234",
                queues=tuple(
                    Membership(queue, draw(st.integers(0, 3)))
                    for queue in (draw(st.lists(st.sampled_from(queues), unique=True)) if queues else [])
                ),
                skills=draw(st.sampled_from([(), (Skill("en", 2),)])),
            )
            for code in codes
        ),
    )


@st.composite
def app_queues(draw: st.DrawFn) -> dict[tuple[str, str], Member]:
    """What Asterisk could hold: a queue has an interface once, whoever it is named after."""
    seats = draw(
        st.lists(
            st.tuples(st.one_of(QUEUES, st.sampled_from(["custom", "sales--en", "support--x-ray", "agent-7"])), PHONES),
            unique=True,
            max_size=9,
        )
    )
    return {
        (queue, phone): Member(
            queue, draw(AGENTS), phone, 1, False, draw(st.booleans()), "lunch", draw(st.integers(0, 3)),
            draw(st.integers(0, 4)),
        )
        for queue, phone in seats
    }  # fmt: skip


def carry_out(held: dict[tuple[str, str], Member], commands: tuple[Command, ...]) -> dict[tuple[str, str], Member]:
    held = dict(held)
    for command in commands:
        match command:
            case RemoveMember(queue, phone):
                del held[queue, phone]
            case AddMember(queue, agent, phone, penalty, paused, reason):
                assert (queue, phone) not in held, "Asterisk: unable to add interface: already there"
                held[queue, phone] = Member(queue, agent, phone, 1, False, paused, reason, penalty, 99)
            case SetPenalty(queue, phone, penalty):
                old = held[queue, phone]
                held[queue, phone] = Member(
                    queue, old.agent, phone, 1, False, old.paused, old.pause_reason, penalty, old.login_ms
                )
            case PauseMember():
                pass
    return held


@given(offices(), app_queues())
def test_carrying_out_the_plan_leaves_nothing_to_plan(office: Office, held: dict[tuple[str, str], Member]) -> None:
    held = carry_out(held, plan(office, held.values()))
    assert plan(office, held.values()) == ()
    known = {queue.name for queue in office.queues}
    for agent in office.agents:
        seats = [seat for seat in held.values() if seat.agent == agent.code]
        if seats:
            assert len({seat.phone for seat in seats}) == 1
            want = {(place.queue, place.penalty) for place in agent.queues}
            assert {(seat.queue, seat.penalty) for seat in seats if seat.queue in known} == want
    assert {seat.agent for seat in held.values()} <= {agent.code for agent in office.agents}


def test_an_agent_who_is_not_logged_in_stays_so() -> None:
    assert plan(OFFICE, ()) == ()


def test_a_logged_in_agent_joins_the_new_queue_with_the_pause_in_force() -> None:
    commands = plan(OFFICE, [member("7", paused=True, pause_reason="lunch")])
    assert commands == (
        AddMember("support", "7", "201", 1, True, "lunch"),
        AddMember("agent-7", "7", "201", 0, True, "lunch"),
    )


def test_an_agent_who_no_longer_exists_is_taken_out_everywhere() -> None:
    ghost = Member("custom", "66", "202")
    assert plan(OFFICE, [ghost]) == (RemoveMember("custom", "202"),)


def test_the_newest_log_in_wins_the_phone_and_the_agent() -> None:
    old = [member("8", login_ms=1), member("7", phone="203", login_ms=1)]
    new = [member("9", "support", phone="202", login_ms=2), member("7", "support", penalty=1, login_ms=2)]
    assert plan(OFFICE, [*old, *new]) == (
        RemoveMember("sales", "202"),
        RemoveMember("sales", "203"),
        AddMember("agent-9", "9", "202", 0),
        AddMember("sales", "7", "201", 0),
        AddMember("agent-7", "7", "201", 0),
    )


def test_a_logged_in_agent_is_put_into_the_queues_of_its_skills_and_out_of_those_that_are_gone() -> None:
    office = Office(
        name="any",
        languages=("en",),
        phones=(Phone("201", "s"),),
        queues=(Queue("sales", sticky_s=10),),
        agents=(Agent("7", "Ana", "1234", queues=(Membership("sales", 1),), skills=(Skill("en"),)),),
    )
    seat = member("7", "sales", "201", penalty=1, paused=True, pause_reason="lunch")
    old = member("7", "sales--x-ray", "201", penalty=1)
    assert plan(office, (seat, old)) == (
        RemoveMember("sales--x-ray", "201"),
        AddMember("sales--en", "7", "201", 1, True, "lunch"),
        AddMember("agent-7", "7", "201", 0, True, "lunch"),
    )
