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
)
