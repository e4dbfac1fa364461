"""Boxes for messages, as the dialplan looks them up. Pure. What happens in them is ``dialplan/message.conf``."""

from ramal.asterisk.goto import prompt
from ramal.asterisk.tokens import token
from ramal.core.messages import ROOM, Box, boxes, may_open, phones_of
from ramal.core.office import Office

DOMAIN = "ramal"
"""Behind the extension in the name of a phone's own mailbox (MWI): ``201@ramal``."""
LAMP = "message-"
"""A box's lamp: hint ``message-<box>``, which can be dialed too; custom device state ``ramal-message-<box>``."""


def messages(office: Office) -> str:
    """``dest-voicemail`` and every context that is made from the boxes."""
    known = boxes(office)
    takes = [agent.code for agent in office.agents if agent.voicemail]
    tables = [
        _destinations(known),
        _boxes(known),
        _greetings(known, office),
        _phones(known, office),
        _phone_boxes(known, office),
        [
            "[ramal-message-number]",
            *(f"exten => {box.number},1,Return({token(box.name)})" for box in known if box.number),
        ],
        _may(known, office),
        ["[ramal-message-takes]", *(f"exten => {token(code)},1,Return()" for code in takes)],
        _heal(known, office),
        *_lamps(known),
    ]
    return "\n\n".join("\n".join(table) for table in tables) + "\n"


def _destinations(known: tuple[Box, ...]) -> list[str]:
    rows = ["[dest-voicemail]"]
    for box in known:
        rows += [f"exten => {token(box.name)},1,Gosub(ramal-voicemail,s,1({token(box.name)}))", " same => n,Hangup(16)"]
    return rows


def _boxes(known: tuple[Box, ...]) -> list[str]:
    """``longest message in seconds|room``."""
    return [
        "[ramal-message-box]",
        *(f"exten => {token(box.name)},1,Return({box.settings.max_s}|{ROOM})" for box in known),
    ]


def _greetings(known: tuple[Box, ...], office: Office) -> list[str]:
    """What is said before the tone, as files for Playback. Closed: as the box's hours say, without them the call."""
    rows = ["[ramal-message-greeting]"]
    ours = "${RAMAL_PROMPTS}/leave-message"
    for box in known:
        about = box.settings
        opened = prompt(about.greeting, office, about.greeting_in) if about.greeting else ours
        shut = f"${{RAMAL_PROMPTS}}/closed&{opened}"
        if about.closed_greeting:
            shut = prompt(about.closed_greeting, office, about.closed_greeting_in)
        rows.append(f'exten => {token(box.name)},1,Set(LOCAL(closed)=${{IF($["${{RAMAL_CLOSED}}"="1"]?closed:open)}})')
        if about.hours:
            rows.append(f" same => n,Gosub(hours,{token(about.hours)},1)")
            rows.append(" same => n,Set(LOCAL(closed)=${GOSUB_RETVAL})")
        rows.append(' same => n,GotoIf($["${closed}"="closed"]?shut)')  # no IF(): a folder may have a colon in its name
        rows.append(f" same => n,Return({opened})")
        rows.append(f" same => n(shut),Return({shut})")
    return rows


def _phones(known: tuple[Box, ...], office: Office) -> list[str]:
    """``phone&phone``: where a box is shown; an agent's where the agent sits, and at the agent's own phone."""
    rows = ["[ramal-message-phones]"]
    own = {agent.code: agent.phone for agent in office.agents}
    for box in known:
        phones = [token(phone) for phone in phones_of(office, box)]
        if box.kind == "agent":
            code = token(box.of)
            rows.append(f"exten => {token(box.name)},1,Set(LOCAL(seat)=${{FILTER(0-9,${{DB(ramal-agent/{code})}})}})")
            own_phone = [token(own[box.of])] if own[box.of] else []
            rows.append(f" same => n,Return({'&'.join(['${seat}', *own_phone, *phones])})")
        else:
            rows.append(f"exten => {token(box.name)},1,Return({'&'.join(phones)})")
    return rows


def _phone_boxes(known: tuple[Box, ...], office: Office) -> list[str]:
    """``box&box``: what a phone shows whoever sits there."""
    rows = ["[ramal-message-boxes]"]
    for phone in office.phones:
        shown = [token(box.name) for box in known if phone.extension in box.settings.phones]
        if shown:
            rows.append(f"exten => {token(phone.extension)},1,Return({'&'.join(shown)})")
    return rows


def _may(known: tuple[Box, ...], office: Office) -> list[str]:
    """``<box>_a<agent>`` and ``<box>_p<phone>``: who may open a shared box."""
    rows = ["[ramal-message-may]"]
    for box in known:
        if box.kind != "agent":
            who = [f"a{token(agent.code)}" for agent in office.agents if may_open(office, box, agent)]
            who += [f"p{token(phone)}" for phone in phones_of(office, box)]
            rows += [f"exten => {token(box.name)}_{each},1,Return()" for each in who]
    return rows


def _heal(known: tuple[Box, ...], office: Office) -> list[str]:
    """Every lamp as it has to be: Asterisk forgets the phones' own lamps when it ends."""
    rows = ["[ramal-messages-heal]", "exten => s,1,NoOp()"]
    rows += [f" same => n,Gosub(ramal-message-lamps,s,1({token(box.name)}))" for box in known]
    rows += [f" same => n,Gosub(ramal-message-phone,s,1({token(phone.extension)}))" for phone in office.phones]
    return [*rows, " same => n,Return()"]


def _lamps(known: tuple[Box, ...]) -> tuple[list[str], list[str]]:
    """Each box's lamp, and what its button does."""
    hints, phone = ["[hints]"], ["[phone]"]
    for box in known:
        lamp = f"{LAMP}{token(box.name)}"
        hints.append(f"exten => {lamp},hint,Custom:ramal-{lamp}")
        code = f"*97{token(box.of)}" if box.kind == "agent" else f"*98{box.number}"
        phone.append(f"exten => {lamp},1,Goto({code},1)")
    return hints, phone
