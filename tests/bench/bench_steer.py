"""The steering core alone: how long one whole re-plan takes with 30 agents and 200 waiting callers.

``python -m tests.bench.bench_steer [--json FILE]``. A re-plan is what a tick does: heal what an event missed, bring
every membership to what the office wants, order every waiting caller anew. Aim: under 2 ms on this machine (median).
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ramal.core import order
from ramal.core.commands import AddMember, ChangePriority
from ramal.core.events import AmiUp, CallerJoined, Event, Member, OfficeLoaded, Ticked, Waiting
from ramal.core.ids import AgentCode, CallId, Extension, QueueName
from ramal.core.office import Agent, Membership, Office, Phone, Queue, Skill
from ramal.core.state import State
from ramal.core.step import step

AGENTS, WAITING, QUEUES = 30, 200, 5
NOW_MS = 1_790_000_000_000
AIM_MS = 2.0


def office() -> Office:
    """Thirty agents, each in three of five queues, a third of them with a language more."""
    queues = tuple(Queue(f"queue-{number}", age_every_s=30) for number in range(QUEUES))
    agents = tuple(
        Agent(
            code=str(number + 1),
            name=f"Agente {number + 1}",
            pin="4821",
            phone=str(201 + number),
            queues=tuple(Membership(queues[(number + k) % QUEUES].name, 5 * k) for k in range(3)),
            skills=(Skill("en"),) if number % 3 == 0 else (),
        )
        for number in range(AGENTS)
    )
    phones = tuple(Phone(str(201 + number), "a-secret-of-the-bench") for number in range(AGENTS))
    return Office("Bench", languages=("en",), phones=phones, agents=agents, queues=queues)


def full_house() -> State:
    """Everybody is logged in and talks; 200 callers wait, joined over the last ten minutes."""
    state, _ = step(State(), OfficeLoaded(office()), NOW_MS)
    up = AmiUp((), tuple(_waiting(number) for number in range(WAITING)), version="22")
    state, commands = step(state, up, NOW_MS)
    wanted = _login(state.office)
    members = tuple(replace(member, status=2, in_call=True) for member in wanted)
    state, commands = step(state, AmiUp(members, up.waiting, version="22"), NOW_MS)
    joined = [command for command in commands if isinstance(command, AddMember)]
    more = tuple(
        Member(QueueName(str(one.queue)), AgentCode(one.agent), Extension(one.phone), 2, True, penalty=one.penalty)
        for one in joined
    )
    state, commands = step(state, AmiUp((*members, *more), up.waiting, version="22"), NOW_MS)
    assert not [command for command in commands if isinstance(command, AddMember)], "the plan does not settle"
    return state


def _login(office: Office) -> tuple[Member, ...]:
    return tuple(
        Member(QueueName(agent.queues[0].queue), AgentCode(agent.code), Extension(agent.phone), 1)
        for agent in office.agents
    )


def _waiting(number: int) -> Waiting:
    queue = QueueName(f"queue-{number % QUEUES}")
    call = CallId(f"1789990000.{number}")
    joined_ms = NOW_MS - 3000 * (WAITING - number)
    prio = order.prio(number % 3, order.deadline_s(joined_ms // 1000, 20))
    who = (f"PJSIP/line-main-{number:08x}", f"+551198{number:07}", "", number // QUEUES + 1, joined_ms)
    return Waiting(queue, call, *who, queue, prio, prio, joined_ms // 1000)


def timed(act: Callable[[], Any], times: int) -> list[float]:
    """Milliseconds of each of ``times`` runs."""
    took = []
    for _ in range(times):
        begun = time.perf_counter_ns()
        act()
        took.append((time.perf_counter_ns() - begun) / 1e6)
    return took


def measure(times: int = 400) -> dict[str, Any]:
    """The figures; ``missed`` holds a sentence for an aim that was missed."""
    state = full_house()
    late_ms = NOW_MS + 120_000
    _, aged = step(state, Ticked(), late_ms)
    again = AmiUp(
        tuple(member for seats in state.members.values() for member in seats.values()),
        tuple(caller for line in state.waiting.values() for caller in line),
        version="22",
    )
    newcomer = CallerJoined(replace(_waiting(1), call=CallId("1790000001.999"), channel="PJSIP/line-main-ffffffff"))
    cases: dict[str, Event] = {"re-plan (tick)": Ticked(), "new look at Asterisk": again, "one caller joins": newcomer}
    found: dict[str, Any] = {}
    for name, event in cases.items():
        took = sorted(timed(lambda event=event: step(state, event, late_ms), times))  # type: ignore[misc]
        found[name] = {
            "p50_ms": round(statistics.median(took), 3),
            "p99_ms": round(took[len(took) * 99 // 100], 3),
            "per_s": round(1000 / statistics.median(took)),
        }
    plan_ms = found["re-plan (tick)"]["p50_ms"]
    missed = [f"a re-plan takes {plan_ms} ms, {plan_ms - AIM_MS:.2f} ms over the aim"] if plan_ms > AIM_MS else []
    return {
        "kind": "steer",
        "agents": AGENTS,
        "waiting": WAITING,
        "members": sum(map(len, state.members.values())),
        "priority_changes_in_the_plan": sum(isinstance(command, ChangePriority) for command in aged),
        **found,
        "missed": missed,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    result = measure()
    for name, value in result.items():
        print(f"{name}: {value}")
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
