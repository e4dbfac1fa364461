"""How a queue chooses among agents who are free at once, and why one was rung: a sentence each, a reasoned line each.

Pure; a follower of ``core.step``. Before any of it the lower penalty rings (app_queue), which a skill's level raises.
"""

from typing import Final

from ramal.core.commands import Command, NoteDecision
from ramal.core.events import AgentRang, Event
from ramal.core.office import Language, Office, Strategy
from ramal.core.places import logical, personal
from ramal.core.state import State

SENTENCES: Final[dict[Strategy, dict[Language, str]]] = {
    "longest-idle": {
        "pt-BR": "Toca o atendente que está há mais tempo sem atender: reparte o trabalho por igual.",
        "en": "Rings the agent whose last call ended longest ago: shares the work evenly.",
        "es": "Suena el agente que lleva más tiempo sin atender: reparte el trabajo por igual.",
    },
    "fewest-calls": {
        "pt-BR": "Toca o atendente que atendeu menos chamadas desta fila desde que entrou em serviço.",
        "en": "Rings the agent who took the fewest calls of this queue since logging in.",
        "es": "Suena el agente que atendió menos llamadas de esta cola desde que inició sesión.",
    },
    "round-robin": {
        "pt-BR": "Toca um atendente depois do outro, sempre continuando depois do último que tocou.",
        "en": "Rings one agent after the other, going on after the one who rang last.",
        "es": "Suena un agente tras otro, siguiendo después del último que sonó.",
    },
    "ring-all": {
        "pt-BR": "Toca todos os atendentes livres ao mesmo tempo; para no máximo quatro telefones.",
        "en": "Rings every free agent at once; for four phones at most.",
        "es": "Suenan todos los agentes libres a la vez; para cuatro teléfonos como máximo.",
    },
    "in-order": {
        "pt-BR": "Toca sempre o primeiro atendente livre na ordem em que entraram em serviço.",
        "en": "Always rings the first free agent in the order they logged in.",
        "es": "Suena siempre el primer agente libre en el orden en que iniciaron sesión.",
    },
    "random": {
        "pt-BR": "Toca um atendente livre ao acaso.",
        "en": "Rings a free agent at random.",
        "es": "Suena un agente libre al azar.",
    },
}


def sentence(strategy: Strategy, language: Language) -> str:
    """What a strategy does, for people."""
    return SENTENCES[strategy][language]


def follow(before: State, after: State, event: Event, now_ms: int) -> tuple[State, tuple[Command, ...]]:
    """A reasoned line when an agent is rung and another one was free too."""
    if not isinstance(event, AgentRang) or personal(event.queue) or event.agent not in after.rings:
        return after, ()
    ring = before.rings.get(event.agent)
    if ring is not None and ring.call == event.call:
        return after, ()
    free = dict(_free(before, event, now_ms))
    idle_s = free.get(event.agent)
    strategy = _strategy(after.office, event.queue)
    if idle_s is None or len(free) < 2 or strategy in (None, "ring-all"):
        return after, ()
    args = (("agent", str(event.agent)), ("idle_s", idle_s), ("free", len(free)))
    return after, (NoteDecision(event.call, str(strategy), args),)


def _free(state: State, event: AgentRang, now_ms: int) -> list[tuple[str, int]]:
    """Who could have been rung, and for how many seconds each has been free."""
    found: list[tuple[str, int]] = []
    for agent, seats in state.members.items():
        standing = state.standings.get(agent)
        now = standing.at(now_ms) if standing else None
        if now is not None and now.state == "free" and any(queue == event.queue for queue, _ in seats):
            found.append((agent, max(0, now_ms - now.since_ms) // 1000))
    return found


def _strategy(office: Office, queue: str) -> Strategy | None:
    return next((each.strategy for each in office.queues if each.name == logical(queue)), None)
