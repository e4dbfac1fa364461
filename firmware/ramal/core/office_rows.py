"""What could be taken of an office file, table by table, before it is an Office. Pure."""

from dataclasses import dataclass
from typing import Any

from ramal.core.office_tables import Table
from ramal.core.office_where import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One table of the file: the values that could be taken, by key. ``given`` = every key that stands there;
    ``raw`` = what stands for its identity, also when that was refused."""

    table: Table
    path: Path
    values: dict[str, Any]
    given: frozenset[str]
    raw: Any = None

    @property
    def identity(self) -> Any:
        """What others call it; None when that was refused."""
        return self.values.get(self.table.identity)

    def refused(self, key: str) -> bool:
        """Whether ``key`` stands in the file and could not be used: then nothing is said that hangs on it."""
        return key in self.given and key not in self.values


Rows = dict[str, list[Row]]
"""By the table's key, in the order of the file."""

ANY = object()
"""The ``raw`` identity that may be any name."""


def unreadable(table: Table) -> Row:
    """Stands for a whole list that could not be read: complete, and everything may be in it."""
    return Row(table, (table.key,), {}, frozenset(setting.key for setting in table.settings), ANY)
