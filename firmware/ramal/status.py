"""The live picture as text, for a terminal. Pure: ``text(live)`` from the control socket's ``live`` data."""

from collections.abc import Mapping, Sequence
from typing import Any

from ramal.core.warnings import CLOCK_UNTRUSTED, PROMPTS_MISSING


def text(live: Mapping[str, Any]) -> str:
    """The picture in lines of text, without control characters whatever the callers' names hold."""
    now_ms = int(live["at_ms"])
    asterisk = live["asterisk"]
    lines = [f"{live['office']['name'] or 'No office yet'}"]
    if asterisk["up"]:
        lines.append(f"Asterisk {asterisk['version']} is connected since {span(now_ms - asterisk['since_ms'])}.")
    else:
        lines.append(f"Asterisk is NOT connected ({asterisk['reason']}); what follows may be old.")
    lines += [f"! {_warning(warned['code'], warned['text_args'])}" for warned in live["warnings"]]
    lines += ["", *_table(("QUEUE", "WAITING", "LONGEST", "FREE", "BUSY", "PAUSED", "AWAY"), _queues(live, now_ms))]
    if live["waiting"]:
        lines += ["", *_table(("CALLER", "QUEUE", "PLACE", "WAITS", "RINGING"), _waiting(live, now_ms))]
    lines += ["", *_table(("AGENT", "NAME", "PHONE", "STATE", "SINCE", "CALLER"), _agents(live, now_ms))]
    if live["today"]:
        lines += ["", "Today: " + ", ".join(f"{count} {name}" for name, count in live["today"].items())]
    return "\n".join(lines) + "\n"


def span(ms: int) -> str:
    """A duration as ``0:07``, ``12:30`` or ``3:05:09``."""
    seconds = max(0, ms) // 1000
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _queues(live: Mapping[str, Any], now_ms: int) -> list[Sequence[str]]:
    return [
        (
            queue["name"],
            str(queue["waiting"]),
            span(now_ms - queue["longest_since_ms"]) if queue["longest_since_ms"] else "-",
            *(str(queue[f"agents_{kind}"]) for kind in ("free", "busy", "paused", "away")),
        )
        for queue in live["queues"]
    ]


def _waiting(live: Mapping[str, Any], now_ms: int) -> list[Sequence[str]]:
    return [
        (
            row["caller"] or "anonymous",
            row["queue"],
            str(row["position"]),
            span(now_ms - row["since_ms"]),
            " ".join(row["ringing"]) or "-",
        )
        for row in live["waiting"]
    ]


def _agents(live: Mapping[str, Any], now_ms: int) -> list[Sequence[str]]:
    return [
        (
            row["code"],
            row["name"],
            row["phone"],
            f"{row['state']} ({row['reason']})" if row["reason"] else row["state"],
            span(now_ms - row["since_ms"]),
            row["caller"] or "-",
        )
        for row in live["agents"]
    ]


def _warning(code: str, args: Mapping[str, Any]) -> str:
    if code == PROMPTS_MISSING:
        return (
            f"{args.get('count')} spoken sentences cannot be heard, such as {args.get('first')}.wav "
            f"({args.get('amiss')}). Calls go on. See “ramal prompts check”."
        )
    if code == CLOCK_UNTRUSTED:
        return "The box does not know what time it is. Calls go on; callbacks and deletions wait. See “ramal clock”."
    return f"{code} {_args(args)}".rstrip()


def _args(args: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in args.items())


def _table(head: Sequence[str], rows: list[Sequence[str]]) -> list[str]:
    shown = [[_plain(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in shown) for column in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown]


def _plain(cell: str) -> str:
    """At most 30 printable characters: a caller's name must not move the cursor of an operator's terminal."""
    return "".join(character if character.isprintable() else "?" for character in cell)[:30]
