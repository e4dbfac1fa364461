"""What a role is called, and what it may do."""

from ramal_web.i18n import gettext

ROLES = ("agent", "supervisor", "owner")
"""The least first: whoever presses too soon gives little."""


def role(code: str) -> str:
    """A role's name."""
    return {
        "owner": gettext("Owner"),
        "supervisor": gettext("Supervisor"),
        "agent": gettext("Agent"),
    }.get(code, code)


def can(code: str) -> str:
    """What a role may do."""
    return {
        "owner": gettext("everything, also settings, backups, updates and users"),
        "supervisor": gettext("calls and recordings, agents and queues, surveys, opening hours"),
        "agent": gettext("the own desk, calls and contacts"),
    }.get(code, "")
