"""Every released schema can be brought up to date; a newer one is refused; a copy is made first."""

import sqlite3
from pathlib import Path

import pytest

from ramal.store import migrations
from ramal.store.db import DatabaseUnusable, open_writer
from ramal.store.migrations import migrate

SCHEMAS = Path(__file__).parent / "schemas"
RELEASED = sorted(SCHEMAS.glob("*.sql"))


def schema(db: sqlite3.Connection) -> list[str]:
    rows = db.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY name")
    return [" ".join(sql.split()) for (sql,) in rows]


def test_an_empty_database_gets_the_schema_once(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "ramal.db")
    assert migrate(db)
    before = schema(db)
    assert migrate(db) == []
    assert schema(db) == before
    db.close()


def load(path: Path, dump: Path) -> sqlite3.Connection:
    db = open_writer(path)
    # A virtual table's own tables come with it, so the dump holds only what we made.
    for statement in dump.read_text().split(";\n"):
        if statement.strip():
            db.execute(statement)
    return db


@pytest.mark.parametrize("dump", RELEASED, ids=lambda path: path.stem)
def test_a_released_schema_becomes_todays_and_keeps_its_rows(tmp_path: Path, dump: Path) -> None:
    today = open_writer(tmp_path / "today.db")
    migrate(today)
    old = load(tmp_path / "old.db", dump)
    migrate(old)
    assert schema(old) == schema(today)
    assert old.execute("SELECT who, what FROM audit").fetchall() == [("owner", "kept")]
    assert old.execute("SELECT id, category FROM call").fetchall() == [("1763700000.0", "answered")]
    today.close()
    old.close()


def test_there_is_a_dump_of_every_released_schema() -> None:
    assert [path.stem for path in RELEASED] == ["0001"]


def test_a_newer_database_is_refused_and_not_touched(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "ramal.db")
    migrate(db)
    db.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('ramal', '9999 the future', 'then')"
    )
    before = schema(db)
    with pytest.raises(DatabaseUnusable, match=r"newer Ramal.*9999 the future.*Nothing was changed"):
        migrate(db)
    assert schema(db) == before
    db.close()


def test_a_copy_is_made_before_anything_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ramal.db"
    db = open_writer(path)
    migrate(db)
    db.execute("INSERT INTO audit (at_ms, who, what, detail) VALUES (1, 'x', 'before', '')")
    known = migrations._migrations()

    @known(name="0002 tomorrow")
    def tomorrow(database: object) -> None:
        db.execute("ALTER TABLE audit ADD COLUMN more TEXT NOT NULL DEFAULT ''")

    monkeypatch.setattr(migrations, "_migrations", lambda: known)
    assert migrate(db) == ["0002 tomorrow"]
    copy = sqlite3.connect(path.with_name("ramal.db.before-0002"))
    assert copy.execute("SELECT * FROM audit").fetchall() == [(1, 1, "x", "before", "")]
    copy.close()
    db.close()


def test_a_migration_that_fails_changes_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db = open_writer(tmp_path / "ramal.db")
    migrate(db)
    before = schema(db)
    known = migrations._migrations()

    @known(name="0002 broken")
    def broken(database: object) -> None:
        db.execute("ALTER TABLE audit ADD COLUMN more TEXT NOT NULL DEFAULT ''")
        db.execute("ALTER TABLE nonsense ADD COLUMN more")

    monkeypatch.setattr(migrations, "_migrations", lambda: known)
    with pytest.raises(DatabaseUnusable, match="left as it was"):
        migrate(db)
    assert schema(db) == before
    db.close()


def test_the_schema_refuses_what_history_must_never_hold(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "ramal.db")
    migrate(db)
    texts = ", ".join(["''"] * 8)
    put = f"INSERT INTO call VALUES (1, '1.1', ?, ?, 1, ?, {texts}, NULL, NULL, NULL, '', '', 0, '', '')"
    for values in (("sideways", None, None), ("in", "lost", 5), ("in", None, 5), ("in", "answered", None)):
        with pytest.raises(sqlite3.IntegrityError):
            db.execute(put, values)
    db.execute(put, ("in", "answered", 5))
    with pytest.raises(sqlite3.IntegrityError):
        db.execute("INSERT INTO call_journal VALUES (2, x'00')")
    db.close()
