"""A stay in one queue of the office may be several visits to app_queue's queues: history tells it as one."""

from typing import Any

from ramal.core.fold import fold
from ramal.core.journal import Cel, Journal, Queued
from ramal.core.timeline import timeline

CALLER, AGENT = "1763.1", "1763.2"
LINE, PHONE = "PJSIP/line-loop-01", "PJSIP/201-02"
T0 = 1_763_000_000_000


def cel(at_s: float, kind: str, extra: str = "", unique: str = CALLER, user: str = "") -> Cel:
    fields: dict[str, Any] = {
        "at_ms": T0 + round(1000 * at_s),
        "type": kind,
        "linked_id": CALLER,
        "unique_id": unique,
        "channel": LINE if unique == CALLER else PHONE,
        "number": "+5511900000001",
        "name": "",
        "exten": "s",
        "context": "ramal-queue",
        "user": user,
        "extra": extra,
        "peer": "",
    }
    return Cel(**fields)


def said(at_s: float, user: str, *fields: str) -> Cel:
    return cel(at_s, user, '{"extra":"' + "|".join(fields) + '"}', user=user)


def log(at_s: int, queue: str, event: str, *data: str, agent: str = "") -> Queued:
    return Queued(at_s=T0 // 1000 + at_s, call_id=CALLER, queue=queue, agent=agent, event=event, data=data)


def told(*cels: Cel, queue: tuple[Queued, ...]) -> Journal:
    events = (cel(0, "CHAN_START"), said(0, "ARRIVE", "loop", "+551133330001", "allowed"), *cels)
    return Journal(call_id=CALLER, cel=events, queue=queue)


STAGES = (
    said(1, "QUEUE", "sales", "file-1"),
    said(1, "WHY", "agent-first", "8", "5"),
    said(1, "STAGE", "agent-8", "agent-first"),
    said(6, "STAGE", "sales--en", "need"),
    said(16, "STAGE", "sales", "all"),
)
VISITS = (
    log(1, "agent-8", "ENTERQUEUE", "", "+5511900000001", "1"),
    log(6, "agent-8", "RINGNOANSWER", "5000", agent="8"),
    log(6, "agent-8", "EXITWITHTIMEOUT", "1", "1", "5"),
    log(6, "sales--en", "ENTERQUEUE", "", "+5511900000001", "1"),
    log(16, "sales--en", "EXITWITHTIMEOUT", "1", "1", "10"),
    log(16, "sales", "ENTERQUEUE", "", "+5511900000001", "4"),
)


def test_stages_that_end_with_an_answer_are_one_answered_stay() -> None:
    journal = told(
        *STAGES,
        cel(20, "CHAN_START", unique=AGENT),
        cel(22, "ANSWER", unique=AGENT),
        cel(23, "BRIDGE_ENTER"),
        cel(23, "BRIDGE_ENTER", unique=AGENT),
        cel(60, "BRIDGE_EXIT"),
        cel(60, "HANGUP", unique=AGENT),
        cel(60, "HANGUP"),
        cel(60, "LINKEDID_END"),
        queue=(*VISITS, log(23, "sales", "CONNECT", "7", AGENT, "2", agent="7")),
    )
    call = fold(journal)
    (stay,) = call.stays
    assert (stay.queue, stay.outcome, stay.agent, stay.missed) == ("sales", "answered", "7", ("8",))
    assert (stay.joined_ms, stay.wait_ms) == (T0 + 1000, 22_000)
    assert (call.category, call.queue, len(call.takes)) == ("answered", "sales", 1)
    kinds = [step.kind for step in timeline(journal)]
    assert kinds.count("queue_joined") == 1
    assert "queue_left" not in kinds


def test_the_last_stage_decides_how_a_stay_ended() -> None:
    over = (log(90, "sales", "EXITWITHTIMEOUT", "1", "4", "74"),)
    journal = told(
        *STAGES,
        said(90, "QUEUE_END", "sales", "TIMEOUT"),
        said(91, "VOICEMAIL", "sales", "file-m"),
        cel(99, "HANGUP"),
        cel(99, "LINKEDID_END"),
        queue=(*VISITS, *over),
    )
    call = fold(journal)
    (stay,) = call.stays
    assert (stay.outcome, stay.wait_ms, call.category) == ("timed_out", 89_000, "timed_out")
    gone = told(*STAGES, cel(40, "HANGUP"), cel(40, "LINKEDID_END"), queue=(*VISITS, log(40, "sales", "ABANDON", "1")))
    assert [stay.outcome for stay in fold(gone).stays] == ["abandoned"]
    now = told(*STAGES[:4], queue=VISITS[:4])
    assert [stay.outcome for stay in fold(now).stays] == ["waiting"]


def test_the_same_queue_twice_is_two_stays() -> None:
    journal = told(
        *STAGES,
        said(90, "QUEUE_END", "sales", "TIMEOUT"),
        said(91, "QUEUE", "sales", "file-2"),
        said(91, "STAGE", "sales", "all"),
        cel(99, "HANGUP"),
        cel(99, "LINKEDID_END"),
        queue=(
            *VISITS,
            log(90, "sales", "EXITWITHTIMEOUT", "1", "4", "74"),
            log(91, "sales", "ENTERQUEUE", "", "+5511900000001", "2"),
            log(99, "sales", "ABANDON", "1", "2", "8"),
        ),
    )
    assert [(stay.outcome, stay.joined_ms - T0) for stay in fold(journal).stays] == [
        ("timed_out", 1000),
        ("abandoned", 91_000),
    ]


def test_who_was_not_let_in_for_a_long_forecast_overflowed_and_waited_for_nobody() -> None:
    journal = told(
        said(1, "QUEUE", "sales", "file-1"),
        said(1, "WHY", "predicted-too-long", "sales", "400", "300"),
        said(1, "QUEUE_END", "sales", "PREDICTED"),
        cel(2, "HANGUP"),
        cel(2, "LINKEDID_END"),
        queue=(),
    )
    call = fold(journal)
    assert [stay.outcome for stay in call.stays] == ["overflowed"]
    assert call.category == "overflowed"
    assert "queue_refused" in [step.kind for step in timeline(journal)]


def test_who_stays_after_a_key_waits_on_in_the_same_stay() -> None:
    journal = told(
        *STAGES,
        said(30, "QUEUE_END", "sales", "KEY"),
        said(36, "STAGE", "sales", "all"),
        cel(50, "HANGUP"),
        cel(50, "LINKEDID_END"),
        queue=(
            *VISITS,
            log(30, "sales", "EXITWITHKEY", "9", "1"),
            log(36, "sales", "ENTERQUEUE", "", "+5511900000001", "1"),
            log(50, "sales", "ABANDON", "1", "1", "14"),
        ),
    )
    (stay,) = fold(journal).stays
    assert (stay.outcome, stay.wait_ms) == ("abandoned", 49_000)


def test_an_agent_who_hangs_up_before_the_caller_is_connected_ended_the_call() -> None:
    gone = '{"hangupsource":"%s"}'
    journal = told(
        *STAGES,
        cel(20, "CHAN_START", unique=AGENT),
        cel(22, "ANSWER", unique=AGENT),
        cel(23, "BRIDGE_ENTER", unique=AGENT),
        cel(23, "BRIDGE_EXIT", unique=AGENT),
        cel(23, "HANGUP", gone % ""),
        cel(23, "HANGUP", gone % PHONE, unique=AGENT),
        cel(23, "LINKEDID_END"),
        queue=(
            *VISITS,
            log(23, "sales", "CONNECT", "7", AGENT, "2", agent="7"),
            log(23, "sales", "COMPLETECALLER", "7", "0", "1", agent="7"),
        ),
    )
    assert fold(journal).hangup_by == "agent"
