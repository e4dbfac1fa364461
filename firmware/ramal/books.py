"""The history's books as the chronicle needs them, over the store. On the writer's thread only."""

import sqlite3
from collections.abc import Mapping

from ramal.box.home import Home
from ramal.store import read, recordings
from ramal.store.ingest import Ingest
from ramal.store.recordings import Finisher

_FOR_EVER_MS = 1 << 53


class Books:
    """Implements ``chronicle.History`` with the writer's ``connection``."""

    def __init__(self, connection: sqlite3.Connection, home: Home, finisher: Finisher) -> None:
        self._db, self._finisher = connection, finisher
        self._ingest = Ingest(connection, home.asterisk_log)

    def step(self) -> int:
        """As ``Ingest.step``."""
        return self._ingest.step()

    def behind_bytes(self) -> int:
        """As ``Ingest.behind_bytes``."""
        return self._ingest.behind_bytes()

    def today(self, since_ms: int) -> Mapping[str, int]:
        """Ended calls from outside per category, and their sum as ``received``."""
        counts = {str(category): n for category, n in read.counts(self._db, since_ms, _FOR_EVER_MS).items()}
        return {"received": sum(counts.values()), **counts}

    def finish_recordings(self) -> int:
        """As ``Finisher.step``: hand over the recordings whose call ended."""
        return self._finisher.step(self._db)

    def amiss(self, since_ms: int) -> Mapping[str, int]:
        """As ``recordings.amiss``."""
        return recordings.amiss(self._db, since_ms)
