"""What the mail says that brings the seal of the recordings' last day, in the office's language. Pure."""

from collections.abc import Mapping
from typing import Any

from ramal.core.office import Language

EVENT = "seal"
"""What a notice's facts call it; an alarm's events are others."""
_SAID: Mapping[str, tuple[str, str]] = {
    "pt-BR": (
        "{office} – Selo das gravações de {day}",
        (
            "Guarde este e-mail. O selo prova o que foi gravado até {day}:\n\n{head}\n\n"
            "Para conferir: ramal recordings verify --head {head}"
        ),
    ),
    "en": (
        "{office} – Seal of the recordings of {day}",
        (
            "Keep this mail. The seal proves what was recorded until {day}:\n\n{head}\n\n"
            "To check it: ramal recordings verify --head {head}"
        ),
    ),
    "es": (
        "{office} – Sello de las grabaciones del {day}",
        (
            "Guarde este correo. El sello prueba lo que se grabó hasta el {day}:\n\n{head}\n\n"
            "Para comprobarlo: ramal recordings verify --head {head}"
        ),
    ),
}


def mail(facts: Mapping[str, Any], language: Language) -> tuple[str, str]:
    """Subject and text; of ``facts`` are read ``office``, ``day`` (2026-11-22) and ``head`` (core.chain.Head.text)."""
    subject, text = _SAID.get(language, _SAID["en"])
    return subject.format(**facts), text.format(**facts)
