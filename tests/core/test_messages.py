"""Boxes of an office, and what becomes of a message whatever order its journals are read in."""

from hypothesis import given
from hypothesis import strategies as st

from ramal.core.history import MessageNote
from ramal.core.messages import Message, box_of, boxes, may_open, state_of, title_of
from ramal.core.office import Agent, Membership, Office, Queue, Voicemail

SELLER = Agent("7", "Ana", "4821", queues=(Membership("sales"),))
BOSS = Agent("9", "Chefe", "5512", supervisor=True)
OFFICE = Office(
    "X",
    queues=(Queue("sales", "Vendas"),),
    agents=(SELLER, BOSS),
    voicemails=(Voicemail("extra"), Voicemail("sales", max_s=30)),
)
LEFT = (
    MessageNote(1000, "1.2", "begun", "sales", "f"),
    MessageNote(9000, "1.2", "kept", "sales", "f", 8000, "+5511987654321"),
)
LATER = (
    MessageNote(20_000, "1.2", "heard", "sales", who="7"),
    MessageNote(21_000, "1.2", "returned", "sales", who="page:carla"),
    MessageNote(22_000, "1.2", "deleted", "sales", who="7"),
    MessageNote(23_000, "1.2", "restored", "sales", who="page:carla"),
)


def test_every_queue_every_agent_and_the_office_have_a_box_and_the_file_makes_more() -> None:
    assert [(box.name, box.kind, box.number) for box in boxes(OFFICE)] == [
        ("office", "office", 1),
        ("sales", "queue", 2),
        ("extra", "other", 3),
        ("agent-7", "agent", 0),
        ("agent-9", "agent", 0),
    ]
    sales = box_of(OFFICE, "sales")
    assert sales is not None
    assert (sales.settings.max_s, title_of(sales, OFFICE.queues, OFFICE.agents)) == (30, "Vendas")
    assert [box.name for box in boxes(Office("X", queues=(Queue("office"),)))] == ["office"]


def test_agents_hear_their_own_and_their_queues_supervisors_every_shared_one() -> None:
    heard = {agent.code: [box.name for box in boxes(OFFICE) if may_open(OFFICE, box, agent)] for agent in OFFICE.agents}
    assert heard == {"7": ["sales", "agent-7"], "9": ["office", "sales", "extra", "agent-9"]}


@given(st.permutations((*LEFT, *LATER)))
def test_the_order_of_reading_changes_nothing(told: list[MessageNote]) -> None:
    assert state_of(told) == Message(
        *("1.2", "sales", 1000, "old", "f", 8000, "+5511987654321", 20_000, "7", 21_000, "page:carla", None, "")
    )


@given(st.lists(st.sampled_from((*LEFT, *LATER, MessageNote(9000, "1.2", "failed", "sales", "f")))))
def test_no_history_of_a_message_is_a_mistake(told: list[MessageNote]) -> None:
    message = state_of(told)
    assert (message is None) == (not any(note.event in ("begun", "kept", "failed") for note in told))


def test_what_was_never_left_is_no_message_and_a_failed_one_is_not_heard() -> None:
    assert state_of(LATER) is None
    failed = state_of((LEFT[0], MessageNote(2000, "1.2", "failed", "sales", "f"), LATER[0]))
    assert failed is not None
    assert (failed.state, failed.heard_ms) == ("failed", None)
