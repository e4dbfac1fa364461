"""Writes tests/store/schemas/NNNN.sql, the dump of today's schema with a few rows, when a version is released.

python -m tests.store.make_schema 0001
"""

import sys
import tempfile
from pathlib import Path

from tests.store.history import fresh

ROWS = """
INSERT INTO audit (at_ms, who, what, detail) VALUES (1, 'owner', 'kept', '');
INSERT INTO call VALUES (3612057600000, '1763700000.0', 'in', 'answered', 1763700000000, 1763700009000, 'main',
    '+551133334444', '+5511987654321', 'Maria', 'main:1', 'sales', '7', '201', 4000, 3000, 5000, 'caller', '8', 0);
"""


def main(version: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        db = fresh(Path(folder))
        made = db.execute(
            "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'caller_search_%'"
            " AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
        ).fetchall()
        applied = db.execute("SELECT migration_set, name FROM _sqlite_migrations").fetchall()
        db.close()
    statements = [sql for (sql,) in made]
    statements += [
        f"INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('{of}', '{name}', '')"
        for of, name in applied
    ]
    path = Path(__file__).parent / "schemas" / f"{version}.sql"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(statement + ";\n" for statement in statements) + ROWS.lstrip())


if __name__ == "__main__":
    main(sys.argv[1])
