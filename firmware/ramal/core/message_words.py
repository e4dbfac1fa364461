"""What a mail says that brings a message, in the office's language. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from ramal.core.office import Language

_SAID: Mapping[str, Mapping[str, str]] = {
    "pt-BR": {
        "subject": "Recado de {who} para {box} ({long})",
        "nobody": "número desconhecido",
        "office": "o escritório",
        "from": "De: {who}",
        "box": "Caixa: {box}",
        "at": "Recebido: {at}",
        "long": "Duração: {long}",
        "sound": "O som está anexado.",
        "page": "Ouça o recado na página do Ramal ou pelo telefone (*97).",
        "gone": "O som deste recado não existe mais.",
        "time": "%d/%m/%Y %H:%M",
    },
    "en": {
        "subject": "Message from {who} for {box} ({long})",
        "nobody": "an unknown number",
        "office": "the office",
        "from": "From: {who}",
        "box": "Box: {box}",
        "at": "Received: {at}",
        "long": "Length: {long}",
        "sound": "The sound is attached.",
        "page": "Hear the message in Ramal's page or by phone (*97).",
        "gone": "The sound of this message is gone.",
        "time": "%Y-%m-%d %H:%M",
    },
    "es": {
        "subject": "Mensaje de {who} para {box} ({long})",
        "nobody": "un número desconocido",
        "office": "la oficina",
        "from": "De: {who}",
        "box": "Buzón: {box}",
        "at": "Recibido: {at}",
        "long": "Duración: {long}",
        "sound": "El sonido va adjunto.",
        "page": "Escuche el mensaje en la página de Ramal o por teléfono (*97).",
        "gone": "El sonido de este mensaje ya no existe.",
        "time": "%d/%m/%Y %H:%M",
    },
}


def mail(
    *, number: str, name: str, box: str, at_ms: int, sound_ms: int, sound: str, language: Language, timezone: str
) -> tuple[str, str]:
    """Subject and text. ``box``: its title, "" for the office's; ``sound``: ``sound`` when it goes with the mail,
    ``page`` when it is not to, ``gone`` when there is none any more."""
    said = _SAID.get(language, _SAID["en"])
    caller = f"{name} ({number})" if name and number else name or number or said["nobody"]
    when = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(timezone)).strftime(said["time"])
    seconds = max(1, round(sound_ms / 1000))
    words = {"who": caller, "box": box or said["office"], "at": when, "long": f"{seconds // 60}:{seconds % 60:02}"}
    lines = [said[key].format(**words) for key in ("from", "box", "at", "long")]
    return said["subject"].format(**words), "\n".join([*lines, "", said[sound]])
