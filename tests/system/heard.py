"""What a recording holds, measured: tones over time, silence, and the gaps that the history tells of."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from ramal.core import sound
from ramal.core.sound import Wave
from ramal.store import gaps
from ramal.store.db import open_reader
from ramal.store.ledger import TAKES
from tests.system.desks import HZ, Desks
from tests.until import until

WINDOW_MS = 20


def recordings(office: Desks, call: sqlite3.Row) -> list[tuple[int, Wave]]:
    """The talks of an ended call, by id, once all are measured and ready."""

    def found() -> list[sqlite3.Row]:
        query = "SELECT id, path, state FROM recording WHERE id >= ? AND id < ? AND kind = 'talk' ORDER BY id"
        return office.box.rows(query, call["key"] * TAKES, (call["key"] + 1) * TAKES)

    rows = until(
        lambda: rows if (rows := found()) and all(row["state"] != "writing" for row in rows) else [], 20, "measured"
    )
    assert [row["state"] for row in rows] == ["ready"] * len(rows), [tuple(row) for row in rows]
    return [(row["id"], sound.read_wave((office.box.home.root / row["path"]).read_bytes())) for row in rows]


def spans(office: Desks, recording: int) -> tuple[tuple[int, int], ...]:
    """Its gaps, as the vault and the page are told."""
    connection = open_reader(office.box.home.db)
    try:
        return gaps.of(connection, recording)
    finally:
        connection.close()


def track(samples: Sequence[int], names: Sequence[str], rate_hz: int = 8000) -> list[str]:
    """Per 20 ms the voices that sound in it, "" for silence, as one word."""
    rows = sound.tones_present(samples, rate_hz, [HZ[name] for name in names], WINDOW_MS, 0.08)
    return ["+".join(name for name, there in zip(names, row, strict=True) if there) for row in rows]


def is_silent(wave: Wave, from_ms: int, to_ms: int) -> bool:
    """Sample by sample, on every channel."""
    begin, end = from_ms * wave.rate_hz // 1000, to_ms * wave.rate_hz // 1000
    return all(not any(samples[begin:end]) for samples in wave.samples) and end <= len(wave.samples[0])


def on_disk(home: Path, needle: bytes) -> list[Path]:
    """Files of the home, but those of the virtual phones, that hold these bytes."""
    files = (path for path in sorted(home.rglob("*")) if path.is_file() and not path.is_symlink())
    ours = (path for path in files if "virtual" not in path.relative_to(home).parts)
    return [path for path in ours if needle in path.read_bytes()]
