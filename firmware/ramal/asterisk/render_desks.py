"""Desk phones as destinations, and what their lamps show. Pure."""

from ramal.asterisk.tokens import token
from ramal.core.office import Office


def phones(office: Office) -> str:
    destination = ["[dest-phone]"]
    internal = ["[phone]"]
    hints = ["[hints]"]
    for phone in office.phones:
        extension = token(phone.extension)
        destination += [
            f"exten => {extension},1,Gosub(ramal-phone,s,1({extension}))",
            " same => n,Hangup(${HANGUPCAUSE})",
        ]
        internal += [
            f"exten => {extension},1,Gosub(ramal-internal,s,1({extension}))",
            " same => n,Hangup(${HANGUPCAUSE})",
        ]
        hints.append(f"exten => {extension},hint,PJSIP/{extension}")
    return "\n".join([*destination, "", *internal, "include => hints", "", *hints]) + "\n"
