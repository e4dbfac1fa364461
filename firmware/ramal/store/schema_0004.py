"""What migration 0004 makes: the box's own life (backups, clock, updates). Times as in ``schema_0001``. None of these
tables is derived from the journals: ``ramal rebuild`` leaves them alone."""

FOURTH: tuple[str, ...] = (
    # The clock (core.clock). from_ms and until_ms as the clock showed them then; until_ms NULL: now. shift_ms: what is
    # to be added for the right time, NULL = not known, or nothing to repair.
    """
    CREATE TABLE clock_epoch (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        boot TEXT NOT NULL,
        boottime_ms INTEGER NOT NULL,
        from_ms INTEGER NOT NULL,
        source TEXT NOT NULL CHECK (source IN ('none', 'host', 'rtc', 'said', 'ntp')),
        why TEXT NOT NULL,
        until_ms INTEGER,
        shift_ms INTEGER,
        mended_ms INTEGER,
        CHECK ((shift_ms IS NULL) = (mended_ms IS NULL))
    ) STRICT
    """,
    "CREATE INDEX clock_epoch_behind ON clock_epoch (id) WHERE shift_ms > 0",
    # Calls whose times were put right: the journal's lines keep what the clock showed, this is the epoch they began in.
    """
    CREATE TABLE clock_call (
        call INTEGER PRIMARY KEY REFERENCES call (key) ON DELETE CASCADE,
        epoch INTEGER NOT NULL
    ) STRICT
    """,
    # Rows of other tables whose times were put right, and what they said before.
    """
    CREATE TABLE clock_moved (
        tbl TEXT NOT NULL CHECK (tbl IN ('agent_event', 'decision')),
        id INTEGER NOT NULL,
        was_ms INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        PRIMARY KEY (tbl, id)
    ) STRICT, WITHOUT ROWID
    """,
    # Backups that were begun (core.backups). name '' = none came of it; reason: a code, '' = made. verdict: what the
    # restore into a scratch home said. gone_ms: its file was removed from the box.
    """
    CREATE TABLE backup (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('night', 'now')),
        began_ms INTEGER NOT NULL,
        ended_ms INTEGER,
        bytes INTEGER NOT NULL DEFAULT 0,
        sha256 BLOB NOT NULL DEFAULT x'',
        reason TEXT NOT NULL DEFAULT '',
        checked_ms INTEGER,
        verdict TEXT NOT NULL DEFAULT '' CHECK (verdict IN ('', 'equal', 'failed')),
        amiss TEXT NOT NULL DEFAULT '',
        tables INTEGER NOT NULL DEFAULT 0,
        "rows" INTEGER NOT NULL DEFAULT 0,
        files INTEGER NOT NULL DEFAULT 0,
        gone_ms INTEGER,
        CHECK ((checked_ms IS NULL) = (verdict = ''))
    ) STRICT
    """,
    "CREATE UNIQUE INDEX backup_name ON backup (name) WHERE name <> ''",
    # Copies of backups at other places, as they were seen to lie there. address: a folder, or core.copies.place_of.
    """
    CREATE TABLE backup_copy (
        name TEXT NOT NULL,
        address TEXT NOT NULL,
        place TEXT NOT NULL CHECK (place IN ('stick', 'far')),
        bytes INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        PRIMARY KEY (name, address)
    ) STRICT, WITHOUT ROWID
    """,
)
