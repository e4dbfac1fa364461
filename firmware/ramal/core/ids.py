"""The names of things, as types: a call cannot be taken for an agent. Imports nothing that does IO."""

from typing import NewType

CallId = NewType("CallId", str)
"""Asterisk's linked id of the call, e.g. ``1763779200.12``."""
AgentCode = NewType("AgentCode", str)
"""What an agent types on a phone: 1 to 6 digits. As a queue member's name it is written ``agent-7``."""
QueueName = NewType("QueueName", str)
"""Lower-case letters, digits and ``-``; Asterisk's queue has the same name."""
Extension = NewType("Extension", str)
"""A phone's number inside the office: 2 to 6 digits; its SIP user and PJSIP endpoint have the same name."""
