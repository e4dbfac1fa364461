"""What the command line does with a home whose daemon does not run: apply, export, rebuild.

Runs on the command's own thread, as the only writer of the database; nothing here speaks to Asterisk.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from ramal.app import Peers, new_secret, peers_of
from ramal.box.home import Home
from ramal.in_force import InForce, Means
from ramal.store import migrations, settings
from ramal.store.db import open_writer
from ramal.store.ingest import Ingest
from ramal.writer_lock import only_writer


class Alone:
    """The office in force while no daemon runs: what ``ramal apply`` and ``ramal export`` do then.

    HomeTaken while a daemon runs that only does not answer.
    """

    def __init__(self, home: Home, peers: Peers | None = None) -> None:
        self._home, self._peers = home, peers or peers_of(home)

    def apply(self, text: str, file: str) -> dict[str, Any]:
        """As ``InForce.apply``; Asterisk is not told, it reads the files when it starts."""
        with self._in_force() as in_force:
            return in_force.apply(text, file)

    def export(self) -> dict[str, Any]:
        """As ``InForce.export``."""
        with self._in_force() as in_force:
            return in_force.export()

    @contextmanager
    def _in_force(self) -> Iterator[InForce]:
        self._home.prepare()
        with only_writer(self._home), closing(open_writer(self._home.db)) as connection:
            migrations.migrate(connection)
            yield InForce(
                Means(
                    etc=self._home.etc,
                    load=lambda: settings.load(connection),
                    save=lambda office: settings.save(connection, office),
                    render=self._peers.render,
                    speak=self._peers.speak,
                    secret=new_secret,
                )
            )


def rebuild(home: Home) -> str:
    """Compute the whole history anew from the kept journal lines, without a daemon; a sentence about it."""
    home.prepare()
    with only_writer(home), closing(open_writer(home.db)) as connection:
        migrations.migrate(connection)
        ingest = Ingest(connection, home.asterisk_log)
        after: int | None = 0
        while after is not None:
            after = ingest.refold(after)
        count = connection.execute("SELECT count(*) FROM call").fetchone()[0]
    return f"The history of {count} calls was computed anew from their journal lines."
