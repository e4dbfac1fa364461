"""What an alarm says to people by mail, in the office's language. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from ramal.core.office import Language

_SAID: Mapping[str, Mapping[str, str]] = {
    "pt-BR": {
        "raised": "Alarme: {title}",
        "cleared": "Resolvido: {title}",
        "test": "Teste do alarme: {title}",
        "longest-wait": "Alguém espera há {value} s (limite: {limit} s).",
        "callers-waiting": "Há {value} pessoas esperando (limite: {limit}).",
        "service-level": "Nível de serviço F6 de {value} % nos últimos {window} minutos (limite: {limit} %).",
        "no-agent": "Nenhum atendente está conectado.",
        "backup": "Não há cópia de segurança recente e conferida. A página “Cópias de segurança” diz por quê.",
        "over": "O alarme durou de {since} a {at}.",
        "since": "Desde {since}.",
        "where": "Fila: {queue}",
        "all": "Filas: todas",
        "test-body": "Isto é só um teste: nada aconteceu.",
    },
    "en": {
        "raised": "Alarm: {title}",
        "cleared": "Resolved: {title}",
        "test": "Test of the alarm: {title}",
        "longest-wait": "Somebody has been waiting for {value} s (limit: {limit} s).",
        "callers-waiting": "{value} callers are waiting (limit: {limit}).",
        "service-level": "Service level F6 of {value} % in the last {window} minutes (limit: {limit} %).",
        "no-agent": "No agent is logged in.",
        "backup": "There is no recent backup that was found good. The page “Backups” says why.",
        "over": "The alarm lasted from {since} to {at}.",
        "since": "Since {since}.",
        "where": "Queue: {queue}",
        "all": "Queues: all",
        "test-body": "This is only a test: nothing has happened.",
    },
    "es": {
        "raised": "Alarma: {title}",
        "cleared": "Resuelto: {title}",
        "test": "Prueba de la alarma: {title}",
        "longest-wait": "Alguien espera desde hace {value} s (límite: {limit} s).",
        "callers-waiting": "Hay {value} personas esperando (límite: {limit}).",
        "service-level": "Nivel de servicio F6 de {value} % en los últimos {window} minutos (límite: {limit} %).",
        "no-agent": "Ningún agente está conectado.",
        "backup": "No hay una copia de seguridad reciente y comprobada. La página «Copias de seguridad» dice por qué.",
        "over": "La alarma duró de {since} a {at}.",
        "since": "Desde {since}.",
        "where": "Cola: {queue}",
        "all": "Colas: todas",
        "test-body": "Esto es solo una prueba: no pasó nada.",
    },
}


def mail(facts: Mapping[str, Any], language: Language, timezone: str) -> tuple[str, str]:
    """Subject and text of the mail that says ``facts`` (see ``ops.alarms``)."""
    said = _SAID.get(language, _SAID["en"])
    value = facts["value"]
    if facts["measure"] == "service-level":
        value = "–" if value < 0 else f"{value / 10:.1f}" if language == "en" else f"{value / 10:.1f}".replace(".", ",")
    words = {
        "title": facts["alarm"],
        "value": value,
        "limit": facts["limit"],
        "window": facts["window_min"],
        "queue": facts["queue_title"],
        "since": _clock(facts["raised_ms"], timezone),
        "at": _clock(facts["at_ms"], timezone),
    }
    event = facts["event"]
    body = {"raised": (facts["measure"], "since"), "cleared": ("over",), "test": ("test-body",)}[event]
    lines = [*body, *(() if facts["measure"] == "backup" else ("where" if facts["queue"] else "all",))]
    return f"{facts['office']} – {said[event].format(**words)}", "\n".join(said[line].format(**words) for line in lines)


def _clock(at_ms: int, timezone: str) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M:%S}"
