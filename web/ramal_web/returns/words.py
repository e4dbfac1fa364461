"""Words for missed calls and callbacks."""

from ramal.store.read import Callback, Missed
from ramal_web.calls.words import Speaker
from ramal_web.formats import label
from ramal_web.i18n import gettext

STATE_LOOK = {
    "open": ("clock", "warn"),
    "returned": ("check", "good"),
    "closed": ("check", "good"),
    "dismissed": ("off", "quiet"),
}
CALLBACK_LOOK = {"waiting": ("clock", "info"), "calling": ("ring", "warn"), "not_allowed": ("moon", "quiet")}


def state(row: Missed, say: Speaker) -> str:
    """What became of a missed caller, and by whom."""
    match row.state:
        case "returned":
            return (
                gettext("Called back by %(name)s", name=say.agent(row.done_by))
                if row.done_by
                else gettext("Called back")
            )
        case "closed":
            return (
                gettext("Spoke with %(name)s", name=say.agent(row.done_by)) if row.done_by else gettext("Spoken with")
            )
        case "dismissed":
            return gettext("Dismissed by %(name)s", name=label(row.done_by))
    return gettext("To be called back")


def callback(row: Callback) -> str:
    """Where a callback stands."""
    return {
        "waiting": gettext("Waits for its turn"),
        "calling": gettext("Being called now"),
        "not_allowed": gettext("Not at this hour"),
    }.get(row.state, label(row.state))
