"""Where a key leads, in words."""

from ramal.core.destination import Destination
from ramal_web.calls.words import Speaker
from ramal_web.formats import label, number
from ramal_web.i18n import gettext


def leads(to: Destination, say: Speaker) -> str:
    """A destination as a short phrase."""
    match to.kind:
        case "queue":
            return say.queue(to.name)
        case "menu":
            return gettext("Menu “%(menu)s”", menu=label(to.name))
        case "phone":
            return gettext("Phone %(phone)s", phone=say.phone(to.name))
        case "agent":
            return say.agent(to.name)
        case "voicemail":
            return gettext("Message for %(queue)s", queue=say.box(to.name))
        case "number" | "outside":
            return number(to.name)
        case "callback":
            return gettext("Call back from %(queue)s", queue=say.queue(to.name))
        case "back":
            return gettext("Back to the menu before")
        case "repeat":
            return gettext("Hear it once more")
        case "hangup":
            return gettext("Hang up")
    return label(str(to))
