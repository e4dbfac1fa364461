"""Sentences put together from an office's own words, as a phone speaks them. Pure.

Whole sentences by language, never pieces glued together: "1 vendido, 2 ligar de novo" is read as one text.
"""

from ramal.core.office import Language, Queue

_KEY: dict[Language, str] = {"pt-BR": "{key} para {text}", "en": "{key} for {text}", "es": "{key} para {text}"}


def disposition_menu(queue: Queue, language: Language) -> str:
    """What an agent hears after a call of ``queue``: each key and what it stands for. Empty without dispositions."""
    parts = [_KEY[language].format(key=each.key, text=each.text) for each in queue.dispositions]
    return ", ".join(parts) + "." if parts else ""
