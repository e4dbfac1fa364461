"""From what was measured to what is printed: cells, aims, the table and the JSON. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

RAMAL, BARE = "ramal", "bare"

TOTAL_CPU_AIM = 1.15
RING_P50_AIM_MS, RING_P99_AIM_MS = 5.0, 20.0
DAEMON_AIM_MB, PAGE_AIM_MB = 60.0, 80.0
FULL = 0.90
"""A machine busier than that was itself the limit: waiting for a processor is in every time then."""

NOISY = 0.20
"""Processors (of one) that other programs used: more than that and the p99 is about them."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One run of one side at one load.

    ``cpu_s`` and ``memory_mb`` by process; ``peak_mb`` the most since the process began; ``lost``: calls that the
    history does not tell whole, each with the reason; ``busy``: share of all processors in use, by anybody;
    ``others_cpu_s``: what neither sipp nor the side itself used of them.
    """

    side: str
    concurrent: int
    placed: int
    failed: int
    seconds: float
    cpu_s: Mapping[str, float]
    ring_ms: tuple[float, ...]
    recordings_missing: int
    recordings_short: int
    lost: tuple[str, ...]
    memory_mb: Mapping[str, float]
    peak_mb: Mapping[str, float]
    busy: float
    sipp_cpu_s: float
    others_cpu_s: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """All segments of one side at one load, together. CPU is milliseconds a placed call."""

    side: str
    concurrent: int
    placed: int
    failed: int
    cpu_ms: Mapping[str, float]
    total_cpu_ms: float
    total_cpu_ms_runs: tuple[float, ...]
    ring_p50_ms: float
    ring_p99_ms: float
    rings: int
    recordings_missing: int
    recordings_short: int
    lost: int
    memory_mb: Mapping[str, float]
    peak_mb: Mapping[str, float]
    busy: float
    others_cpu_s_per_s: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Ramal against bare at one load; ``missed`` has a sentence for each aim that was not reached."""

    concurrent: int
    cpu_ratio: float
    added_p50_ms: float
    added_p99_ms: float
    missed: tuple[str, ...] = field(default=())


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least ``share`` (0 to 1) of them do not exceed; nan for none."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def cells(segments: Sequence[Segment]) -> tuple[Cell, ...]:
    """One cell for each side and load, by load and then Ramal first."""
    keys = sorted({(one.concurrent, one.side) for one in segments}, key=lambda key: (key[0], key[1] != RAMAL))
    return tuple(_cell([one for one in segments if (one.concurrent, one.side) == key]) for key in keys)


def compare(found: Sequence[Cell]) -> tuple[Comparison, ...]:
    """Ramal against bare for every load that has both."""
    by = {(cell.side, cell.concurrent): cell for cell in found}
    return tuple(
        _compare(cell, by[BARE, cell.concurrent])
        for cell in found
        if cell.side == RAMAL and (BARE, cell.concurrent) in by
    )


def text(segments: Sequence[Segment]) -> str:
    """The table and the verdicts, in Markdown, so that the same text stands in a terminal and in the README."""
    found = cells(segments)
    head = (
        "| calls at once | | CPU ms/call: Asterisk | daemon | page | total | INVITE→INVITE p50 | p99 | calls | failed |"
        " recordings missing / short | lost | memory MB: Asterisk | daemon | page | machine |"
    )
    lines = [head, "|--:|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
    lines += [_row(cell) for cell in found]
    lines.append("")
    for one in compare(found):
        verdict = " ".join(one.missed) or "Every aim reached."
        lines.append(
            f"{one.concurrent} calls: total CPU {one.cpu_ratio:.2f} × bare, ring time {one.added_p50_ms:+.1f} ms "
            f"at p50 and {one.added_p99_ms:+.1f} ms at p99. {verdict}"
        )
    lines += [
        f"{cell.concurrent} calls, {cell.side}: the machine was the limit ({cell.busy:.0%} busy, sipp included)."
        for cell in found
        if cell.busy > FULL
    ]
    lines += [
        f"{cell.concurrent} calls, {cell.side}: other programs used {cell.others_cpu_s_per_s:.0%} of one processor "
        "meanwhile; the ring times hold their waiting too."
        for cell in found
        if cell.others_cpu_s_per_s > NOISY
    ]
    lines += _troubles(segments)
    return "\n".join(lines)


def record(segments: Sequence[Segment]) -> dict[str, object]:
    """The same for a machine to read; every ring time is in it."""
    found = cells(segments)
    return {
        "aims": {
            "total_cpu": TOTAL_CPU_AIM,
            "added_ring_p50_ms": RING_P50_AIM_MS,
            "added_ring_p99_ms": RING_P99_AIM_MS,
            "daemon_mb": DAEMON_AIM_MB,
            "page_mb": PAGE_AIM_MB,
        },
        "cells": [asdict(cell) for cell in found],
        "comparisons": [asdict(one) for one in compare(found)],
        "segments": [asdict(one) for one in segments],
    }


def _cell(parts: Sequence[Segment]) -> Cell:
    placed = sum(part.placed for part in parts)
    names = list(dict.fromkeys(name for part in parts for name in part.cpu_s))
    cpu_ms = {name: 1000 * sum(part.cpu_s.get(name, 0.0) for part in parts) / max(placed, 1) for name in names}
    rings = [ring for part in parts for ring in part.ring_ms]
    seconds = sum(part.seconds for part in parts)
    return Cell(
        side=parts[0].side,
        concurrent=parts[0].concurrent,
        placed=placed,
        failed=sum(part.failed for part in parts),
        cpu_ms=cpu_ms,
        total_cpu_ms=sum(cpu_ms.values()),
        total_cpu_ms_runs=tuple(1000 * sum(part.cpu_s.values()) / max(part.placed, 1) for part in parts),
        ring_p50_ms=percentile(rings, 0.50),
        ring_p99_ms=percentile(rings, 0.99),
        rings=len(rings),
        recordings_missing=sum(part.recordings_missing for part in parts),
        recordings_short=sum(part.recordings_short for part in parts),
        lost=sum(len(part.lost) for part in parts),
        memory_mb=_most(part.memory_mb for part in parts),
        peak_mb=_most(part.peak_mb for part in parts),
        busy=sum(part.busy * part.seconds for part in parts) / max(seconds, 0.001),
        others_cpu_s_per_s=sum(part.others_cpu_s for part in parts) / max(seconds, 0.001),
    )


def _most(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    most: dict[str, float] = {}
    for part in parts:
        most |= {name: max(mb, most.get(name, 0.0)) for name, mb in part.items()}
    return most


def _compare(ramal: Cell, bare: Cell) -> Comparison:
    ratio = ramal.total_cpu_ms / bare.total_cpu_ms if bare.total_cpu_ms else math.nan
    p50, p99 = ramal.ring_p50_ms - bare.ring_p50_ms, ramal.ring_p99_ms - bare.ring_p99_ms
    missed = [
        _over("total CPU", ratio, TOTAL_CPU_AIM, " × bare"),
        _over("added ring time at p50", p50, RING_P50_AIM_MS, " ms"),
        _over("added ring time at p99", p99, RING_P99_AIM_MS, " ms"),
        _over("the daemon", ramal.memory_mb.get("daemon", 0.0), DAEMON_AIM_MB, " MB"),
        _over("the page", ramal.memory_mb.get("page", 0.0), PAGE_AIM_MB, " MB"),
        _over("failed calls", ramal.failed, 0, ""),
        _over("recordings missing or short", ramal.recordings_missing + ramal.recordings_short, 0, ""),
        _over("calls not whole in the history", ramal.lost, 0, ""),
    ]
    return Comparison(ramal.concurrent, ratio, p50, p99, tuple(one for one in missed if one))


def _over(what: str, value: float, aim: float, unit: str) -> str:
    if value <= aim:
        return ""
    digits = {" × bare": 2, " ms": 1}.get(unit, 0)
    over = f"{value - aim:.{digits}f} over the aim of {aim:.{digits}f}"
    return f"MISSED: {what} is {value:.{digits}f}{unit}, {over}."


def _row(cell: Cell) -> str:
    def of(values: Mapping[str, float], name: str) -> str:
        return f"{values[name]:.1f}" if name in values else "–"

    figures = (
        str(cell.concurrent),
        cell.side,
        *(of(cell.cpu_ms, name) for name in ("asterisk", "daemon", "page")),
        f"{cell.total_cpu_ms:.1f}",
        f"{cell.ring_p50_ms:.1f} ms",
        f"{cell.ring_p99_ms:.1f} ms",
        str(cell.placed),
        str(cell.failed),
        f"{cell.recordings_missing} / {cell.recordings_short}",
        str(cell.lost) if cell.side == RAMAL else "–",
        *(of(cell.memory_mb, name) for name in ("asterisk", "daemon", "page")),
        f"{cell.busy:.0%} busy",
    )
    return f"| {' | '.join(figures)} |"


def _troubles(segments: Sequence[Segment], shown: int = 5) -> list[str]:
    lines = []
    for one in segments:
        told = [*one.notes, *one.lost]
        lines += [f"{one.concurrent} calls, {one.side}: {what}" for what in told[:shown]]
        if len(told) > shown:
            lines.append(f"{one.concurrent} calls, {one.side}: … and {len(told) - shown} more")
    return lines
