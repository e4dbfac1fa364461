"""Which boxes a person at the page may hear; the daemon asks the same (``ramal.ops.messages``)."""

from collections.abc import Mapping

from ramal_web.history import BoxWords, User, office


def mine(user: User) -> Mapping[str, BoxWords]:
    """Box → its words: all for owners and supervisors, the own ones and those of the own queues for agents."""
    boxes = office().boxes
    if user.role in ("owner", "supervisor"):
        return boxes
    own = user.agent if user.role == "agent" else ""
    return {name: box for name, box in boxes.items() if own and own in box.agents}
