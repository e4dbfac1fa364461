"""The lamps of alarms: phones watch ``alarm-<name>``; the daemon lights ``Custom:ramal-alarm-<name>``. Pure."""

from ramal.asterisk.tokens import token
from ramal.core.alarm import device
from ramal.core.office import Office


def alarms(office: Office) -> str:
    """The hints; nothing without alarms."""
    hints = [f"exten => alarm-{token(alarm.name)},hint,{device(token(alarm.name))}" for alarm in office.alarms]
    return "\n".join(["[hints]", *hints]) + "\n" if hints else ""
