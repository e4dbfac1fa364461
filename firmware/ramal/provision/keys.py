"""Which programmable keys a phone gets, in the order of their use: small phones have few. Pure.

The agents who sit here, the night lamps, parking places, then the colleagues. Lamps are dialed by their own names.
"""

from collections.abc import Iterator

from ramal.core.office import Language, Office, Phone
from ramal.provision.handset import Key

AGENTS, NIGHTS, PARKED, KEYS = 2, 2, 3, 20
"""The most of each, and of all."""

_LABELS: dict[str, dict[Language, str]] = {
    "in": {"pt-BR": "Logado", "en": "Signed in", "es": "Conectado"},
    "pause": {"pt-BR": "Pausa", "en": "Break", "es": "Pausa"},
    "wrap": {"pt-BR": "Pós-atend.", "en": "Wrap-up", "es": "Cierre"},
    "missed": {"pt-BR": "Perdidas", "en": "Missed", "es": "Perdidas"},
    "card": {"pt-BR": "Cartão", "en": "Card-safe", "es": "Tarjeta"},
    "night": {"pt-BR": "Noturno", "en": "Night", "es": "Noche"},
    "park": {"pt-BR": "Espera", "en": "Parked", "es": "Espera"},
    "*45": {"pt-BR": "Entrar", "en": "Sign in", "es": "Entrar"},
    "*46": {"pt-BR": "Sair", "en": "Sign out", "es": "Salir"},
    "*47": {"pt-BR": "Pausa", "en": "Break", "es": "Pausa"},
    "*48": {"pt-BR": "Voltar", "en": "Back", "es": "Volver"},
}


def keys(office: Office, phone: Phone) -> tuple[Key, ...]:
    """The keys of ``phone``. Where no agent has this phone, keys to sign in and out: anybody may sit here."""
    return tuple(_keys(office, phone))[:KEYS]


def _keys(office: Office, phone: Phone) -> Iterator[Key]:
    language = office.language
    own = [agent for agent in office.agents if agent.phone == phone.extension][:AGENTS]
    for agent in own:
        for lamp in ("in", "pause", "wrap", "missed", "card"):
            label = _LABELS[lamp][language]
            yield Key("lamp", f"{lamp}-{agent.code}", label if len(own) == 1 else f"{label} {agent.code}")
    if not own and office.agents:
        yield from (Key("dial", code, _LABELS[code][language]) for code in ("*45", "*46", "*47", "*48"))
    for hours in office.hours[:NIGHTS]:
        yield Key("lamp", f"night-{hours.name}", f"{_LABELS['night'][language]} {hours.name}")
    if office.parking:
        first = int(office.parking) + 1
        for place in range(first, first + min(office.parking_slots, PARKED)):
            yield Key("lamp", str(place), f"{_LABELS['park'][language]} {place}")
    for other in office.phones:
        if other.extension != phone.extension:
            yield Key("lamp", other.extension, other.name.strip() or other.extension, pick_up=True)
