"""What makes Asterisk's queues as the office wants them: ``plan(office, members)`` gives the commands.

Pure and level-triggered: it looks only at what is, never at what happened, so a button, the page, a phone code and a
restart converge. Carrying out the plan leaves nothing to plan. Who is logged in is Asterisk's own fact (an agent who
is a member of any queue); which queues that means, and with which penalty, is the office's.
"""

from collections.abc import Iterable, Mapping

from ramal.core.commands import AddMember, Command, RemoveMember, SetPenalty
from ramal.core.events import Member
from ramal.core.ids import AgentCode, Extension, QueueName
from ramal.core.office import Agent, Office
from ramal.core.places import all_places, is_reserved


def plan(office: Office, members: Iterable[Member]) -> tuple[Command, ...]:
    """The commands that make the logged-in agents members of exactly their queues.

    An agent sits at one phone, the one of the newest log-in, and a phone serves one agent. Agents and phones that are
    no longer in the office are taken out everywhere. Queues the office does not know (hand-written ones) are left
    alone for agents it does know, but not those that are named as only ``core.places`` names them.
    """
    present = tuple(members)
    agents = {agent.code: agent for agent in office.agents}
    queues = {queue.name for queue in office.queues}
    seats = _seats(office, agents, present)
    wanted = {code: {place.queue: place.penalty for place in found} for code, found in all_places(office).items()}
    sitting: dict[str, list[Member]] = {}
    for member in present:
        sitting.setdefault(member.agent, []).append(member)
    removals: list[Command] = []
    changes: list[Command] = []
    for member in present:
        agent = agents.get(member.agent)
        penalties = wanted[agent.code] if agent else {}
        if agent is None or seats.get(member.agent) != member.phone:
            removals.append(RemoveMember(member.queue, member.phone))
        elif member.queue in penalties:
            if penalties[member.queue] != member.penalty:
                changes.append(SetPenalty(member.queue, member.phone, penalties[member.queue]))
        elif member.queue in queues or is_reserved(member.queue):
            removals.append(RemoveMember(member.queue, member.phone))
    for code, phone in seats.items():
        mine = sitting.get(code, [])
        has = {member.queue for member in mine if member.phone == phone}
        paused = next((member for member in mine if member.paused), None)
        changes.extend(
            AddMember(QueueName(queue), code, phone, penalty, paused is not None, paused.pause_reason if paused else "")
            for queue, penalty in wanted[code].items()
            if queue not in has
        )
    return (*removals, *changes)


def _seats(office: Office, agents: Mapping[str, Agent], members: tuple[Member, ...]) -> dict[AgentCode, Extension]:
    """Agent code → the phone it is logged in at; each phone once."""
    phones = {phone.extension for phone in office.phones}
    seats: dict[AgentCode, Extension] = {}
    for member in sorted(members, key=lambda member: (member.login_ms, member.agent, member.phone), reverse=True):
        if member.agent in agents and member.agent not in seats:
            seats[member.agent] = member.phone
    taken: set[str] = set()
    for code, phone in list(seats.items()):
        if phone not in phones or phone in taken:
            del seats[code]
        taken.add(phone)
    return seats
