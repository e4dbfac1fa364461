"""The history's books as the chronicle needs them, over the store. On the writer's thread only."""

import sqlite3
from collections.abc import Mapping

from ramal.box.home import Home
from ramal.core.history import first_key
from ramal.store import read
from ramal.store.ingest import Ingest
from ramal.store.ledger import TAKES
from ramal.store.recordings import Finisher

_FOR_EVER_MS = 1 << 53


class Books:
    """Implements ``chronicle.History`` with the writer's ``connection``."""

    def __init__(self, connection: sqlite3.Connection, home: Home, finisher: Finisher) -> None:
        self._db, self._home, self._finisher = connection, home, finisher
        self._ingest = Ingest(connection, home.asterisk_log)

    def step(self) -> int:
        """As ``Ingest.step``."""
        return self._ingest.step()

    def behind_bytes(self) -> int:
        """Bytes of both journals that are not read yet; those of rotated files are not counted."""
        behind = 0
        for name, offset in self._db.execute("SELECT name, offset FROM journal"):
            try:
                behind += max(0, (self._home.asterisk_log / name).stat().st_size - offset)
            except OSError:
                continue
        return behind

    def today(self, since_ms: int) -> Mapping[str, int]:
        """Ended calls from outside per category, and their sum as ``received``."""
        counts = {str(category): n for category, n in read.counts(self._db, since_ms, _FOR_EVER_MS).items()}
        return {"received": sum(counts.values()), **counts}

    def finish_recordings(self) -> int:
        """As ``Finisher.step``: hand over the recordings whose call ended."""
        return self._finisher.step(self._db)

    def amiss(self, since_ms: int) -> Mapping[str, int]:
        """Recordings of calls that began since then, by what is wrong with them."""
        rows = self._db.execute(
            "SELECT state, count(*) FROM recording WHERE id >= ? AND state IN ('missing', 'short') GROUP BY state",
            (first_key(since_ms) * TAKES,),
        )
        return {str(state): int(count) for state, count in rows}
