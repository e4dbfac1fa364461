"""Desk phones as destinations, what they may dial and hand on to, parking, and what their lamps show. Pure."""

from ramal.asterisk.render_outside import outside_shapes
from ramal.asterisk.tokens import token
from ramal.core.office import Office


def phones(office: Office) -> str:
    """[dest-phone], [phone], [transfer] (where a phone may send the other side) and [hints]."""
    destination = ["[dest-phone]"]
    internal = ["[phone]"]
    transfer = ["[transfer]"]
    hints = ["[hints]"]
    for phone in office.phones:
        extension = token(phone.extension)
        destination += [
            f"exten => {extension},1,Gosub(ramal-phone,s,1({extension}))",
            f" same => n,Gosub(ramal-unanswered,s,1({extension}))",
            " same => n,Gosub(ramal-hang-up,s,1)",
        ]
        internal += [
            f"exten => {extension},1,Gosub(ramal-internal,s,1({extension}))",
            f" same => n,Gosub(ramal-unanswered,s,1({extension}))",
            " same => n,Gosub(ramal-hang-up,s,1)",
        ]
        transfer.append(f"exten => {extension},1,Goto(ramal-hand-to-phone,{extension},1)")
        hints.append(f"exten => {extension},hint,PJSIP/{extension}")
    for queue in office.queues:
        if queue.extension:
            extension, name = token(queue.extension), token(queue.name)
            internal.append(f"exten => {extension},1,Goto(dest-queue,{name},1)")
            transfer.append(f"exten => {extension},1,Goto(ramal-hand-to-queue,{name},1)")
    for agent in office.agents:
        transfer.append(f"exten => *2{token(agent.code)},1,Goto(ramal-hand-to-agent,{token(agent.code)},1)")
    transfer += [
        f"exten => {shape},1,Goto(ramal-hand-outside,${{FILTER(+0-9,${{EXTEN}})}},1)"
        for shape in outside_shapes(office.country)
    ]
    if office.parking:
        park = token(office.parking)
        internal.append(f"exten => {park},1,Park(default)")
        transfer.append(f"exten => {park},1,Goto(ramal-hand-to-parking,s,1)")
        for place in _places(office):
            internal.append(f"exten => {place},1,Goto(ramal-parked,{place},1)")
            hints.append(f"exten => {place},hint,park:{place}@ramal-parking")
    return "\n".join([*destination, "", *internal, "include => hints", "", *transfer, "", *hints]) + "\n"


def _places(office: Office) -> range:
    first = int(office.parking) + 1
    return range(first, first + office.parking_slots)


def parking_conf(office: Office) -> str:
    """res_parking.conf. Extensions and hints are ours, so that Asterisk makes none."""
    if not office.parking:
        return "[general]\n"
    places = _places(office)
    return f"""[general]

[default]
context = ramal-parking
parkpos = {places.start}-{places.stop - 1}
findslot = first
parkingtime = {office.parking_s}
comebacktoorigin = no
comebackcontext = ramal-park-over
parkedmusicclass = default
"""
