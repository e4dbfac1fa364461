"""What a desk phone shows and an agent hears when a call of a queue rings: how long each part may be. Pure."""

from ramal.core.office import Queue

NAME_MAX, TITLE_MAX, OUTCOME_MAX = 40, 20, 16
"""Characters of the caller's name, the queue's title and the last outcome on a phone's display."""


def title_of(queue: Queue) -> str:
    """What people call the queue."""
    return queue.title.strip() or queue.name


def caller_of(shown: str, number: str) -> str:
    """The caller's own name out of what a desk phone is shown (``Maria Souza · Vendas · Vendido``); "" when it was only
    the number."""
    name = shown.partition(" · ")[0].strip()
    return "" if name == number else name
