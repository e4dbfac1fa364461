"""What migration 0001 makes: history, settings, users. Released: never changed.

Times are integer milliseconds since 1970 UTC (``_ms``). ``call.key`` orders calls by their beginning and is computed
from Asterisk's linked id (``core.history.call_key``): it is the page key, so the call list needs no other index.
"""

CALL = """
CREATE TABLE call (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('in', 'out', 'internal')),
    category TEXT CHECK (category IN (
        'answered', 'abandoned', 'timed_out', 'overflowed', 'blocked', 'unanswered', 'closed', 'refused', 'message',
        'gave_up', 'withdrawn', 'system', 'connected', 'not_connected', 'service')),
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    line TEXT NOT NULL,
    number TEXT NOT NULL,
    caller TEXT NOT NULL,
    caller_name TEXT NOT NULL,
    menu TEXT NOT NULL,
    queue TEXT NOT NULL,
    agent TEXT NOT NULL,
    phone TEXT NOT NULL,
    wait_ms INTEGER,
    ring_ms INTEGER,
    talk_ms INTEGER,
    hangup_by TEXT NOT NULL CHECK (hangup_by IN ('', 'caller', 'agent', 'system')),
    missed TEXT NOT NULL,
    has_message INTEGER NOT NULL CHECK (has_message IN (0, 1)),
    CHECK ((category IS NULL) = (ended_ms IS NULL))
) STRICT
"""

FIRST = (
    CALL,
    "CREATE INDEX call_category ON call (category)",
    "CREATE INDEX call_agent ON call (agent) WHERE agent <> ''",
    "CREATE INDEX call_not_received ON call (direction) WHERE direction <> 'in'",
    "CREATE INDEX call_running ON call (key) WHERE ended_ms IS NULL",
    # The truth: the journals' own lines about the call (store.packing). Apart from `call`, so that lists stay small.
    """
    CREATE TABLE call_journal (
        call INTEGER PRIMARY KEY REFERENCES call (key) ON DELETE CASCADE,
        lines BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE queue_stay (
        call INTEGER NOT NULL REFERENCES call (key) ON DELETE CASCADE,
        n INTEGER NOT NULL,
        queue TEXT NOT NULL,
        joined_ms INTEGER NOT NULL,
        left_ms INTEGER,
        outcome TEXT NOT NULL CHECK (outcome IN (
            'waiting', 'answered', 'abandoned', 'timed_out', 'overflowed', 'blocked', 'withdrawn', 'system')),
        agent TEXT NOT NULL,
        position INTEGER,
        wait_ms INTEGER,
        ring_ms INTEGER,
        talk_ms INTEGER,
        missed TEXT NOT NULL,
        PRIMARY KEY (call, n)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX queue_stay_queue ON queue_stay (queue, call)",
    # id = call.key * 16 + n: a call's recordings are a range of ids and need no index of their own.
    """
    CREATE TABLE recording (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('talk', 'message')),
        path TEXT NOT NULL,
        started_ms INTEGER NOT NULL,
        expected_ms INTEGER,
        duration_ms INTEGER,
        bytes INTEGER,
        sha256 BLOB,
        state TEXT NOT NULL CHECK (state IN ('writing', 'ready', 'short', 'missing', 'damaged'))
    ) STRICT
    """,
    "CREATE INDEX recording_writing ON recording (id) WHERE state = 'writing'",
    """
    CREATE TABLE agent_event (
        id INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        agent TEXT NOT NULL,
        queue TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('login', 'logout', 'pause', 'resume')),
        detail TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX agent_event_at ON agent_event (at_ms)",
    # Calls that ended, by the UTC hour they began in, so that totals never count a million rows.
    """
    CREATE TABLE hour_count (
        hour INTEGER NOT NULL,
        direction TEXT NOT NULL,
        category TEXT NOT NULL,
        n INTEGER NOT NULL,
        PRIMARY KEY (hour, direction, category)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE journal (
        name TEXT PRIMARY KEY,
        device INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        first BLOB NOT NULL,
        tail BLOB NOT NULL,
        recheck INTEGER NOT NULL,
        lines INTEGER NOT NULL,
        refused INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    # queue_log lines of channels that no call is known to have yet.
    "CREATE TABLE held (id INTEGER PRIMARY KEY, uniqueid TEXT NOT NULL, line BLOB NOT NULL UNIQUE) STRICT",
    "CREATE TABLE restart (at_ms INTEGER PRIMARY KEY) STRICT",
    """
    CREATE VIRTUAL TABLE caller_search USING fts5 (
        digits, name, content = '', columnsize = 0, detail = none, tokenize = 'trigram')
    """,
    """
    CREATE TABLE setting (
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        position INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (kind, key)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE user (
        name TEXT PRIMARY KEY,
        role TEXT NOT NULL CHECK (role IN ('owner', 'supervisor', 'agent')),
        password_hash TEXT NOT NULL,
        must_change INTEGER NOT NULL CHECK (must_change IN (0, 1)),
        created_ms INTEGER NOT NULL,
        epoch INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        who TEXT NOT NULL,
        what TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX audit_at ON audit (at_ms)",
)
