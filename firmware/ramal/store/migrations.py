"""The database's schema, one migration after the other.

Law: a migration that has been released is never changed. Each runs in one transaction with its record; before a
database that holds anything is changed, a copy is put beside it. Runs on the writer's thread, before anything else.

Times are integer milliseconds since 1970 UTC (``_ms``). ``call.key`` orders calls by their beginning and is computed
from Asterisk's linked id (``core.history.call_key``): it is the page key, so the call list needs no other index.
"""

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ramal.store.db import DatabaseUnusable

if TYPE_CHECKING:
    from sqlite_utils import Database, Migrations

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

SECOND = (
    # What the agent said that the call was: a code of the queue's dispositions.
    "ALTER TABLE call ADD COLUMN disposition TEXT NOT NULL DEFAULT ''",
    # Not a foreign key: a decision may be kept before the call's first journal line is read.
    """
    CREATE TABLE decision (
        id INTEGER PRIMARY KEY,
        call INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        code TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX decision_call ON decision (call)",
    # number: E.164. Data, not settings: thousands of rows, changed one at a time from the page or by CSV. sought: name
    # and note in small letters without accents.
    """
    CREATE TABLE contact (
        number TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        vip INTEGER NOT NULL CHECK (vip IN (0, 1)),
        blocked INTEGER NOT NULL CHECK (blocked IN (0, 1)),
        language TEXT NOT NULL CHECK (language IN ('', 'pt-BR', 'en', 'es')),
        agent TEXT NOT NULL,
        queue TEXT NOT NULL,
        note TEXT NOT NULL,
        sought TEXT NOT NULL,
        updated_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    # What supervisors did, from phones and from the page: derived from the journal like a call's other rows, so that it
    # is complete also for what happened while the daemon was dead. channels: of the phone that was listened to.
    """
    CREATE TABLE supervision (
        call INTEGER NOT NULL REFERENCES call (key) ON DELETE CASCADE,
        n INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        act TEXT NOT NULL CHECK (act IN ('listen', 'whisper', 'barge', 'pause', 'resume', 'logout')),
        by TEXT NOT NULL,
        agent TEXT NOT NULL,
        channels TEXT NOT NULL,
        PRIMARY KEY (call, n)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX supervision_at ON supervision (at_ms)",
    # What callers did in menus (core.menus): what each ended call added, and the sums by the UTC hour calls began in.
    """
    CREATE TABLE call_menu (
        call INTEGER PRIMARY KEY REFERENCES call (key) ON DELETE CASCADE,
        hour INTEGER NOT NULL,
        tally TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE menu_count (
        hour INTEGER NOT NULL,
        menu TEXT NOT NULL,
        event TEXT NOT NULL CHECK (event IN (
            'entered', 'again', 'key', 'wrong', 'silent', 'given-up', 'hung-up', 'lost')),
        key TEXT NOT NULL,
        n INTEGER NOT NULL,
        PRIMARY KEY (hour, menu, event, key)
    ) STRICT, WITHOUT ROWID
    """,
    # With whom the caller of a call that was handed on spoke, one after the other; calls with one leg have no rows.
    """
    CREATE TABLE leg (
        call INTEGER NOT NULL REFERENCES call (key) ON DELETE CASCADE,
        n INTEGER NOT NULL,
        agent TEXT NOT NULL,
        phone TEXT NOT NULL,
        number TEXT NOT NULL,
        from_ms INTEGER NOT NULL,
        to_ms INTEGER,
        began TEXT NOT NULL CHECK (began IN ('answered', 'transferred', 'picked_up', 'retrieved', 'came_back')),
        ended TEXT NOT NULL CHECK (ended IN ('', 'hung_up', 'transferred', 'parked')),
        PRIMARY KEY (call, n)
    ) STRICT, WITHOUT ROWID
    """,
    # Calls of Asterisk's that became part of another one: lines that come late find their way.
    """
    CREATE TABLE merged (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        into_id TEXT NOT NULL
    ) STRICT
    """,
    # Callbacks (core.callback_history): what each call's journal says, what became of each, and what people decided.
    """
    CREATE TABLE callback_note (
        call INTEGER NOT NULL REFERENCES call (key) ON DELETE CASCADE,
        n INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        id TEXT NOT NULL,
        event TEXT NOT NULL CHECK (event IN (
            'noted', 'again', 'waiting', 'not_allowed', 'calling', 'spoken', 'expired', 'served')),
        queue TEXT NOT NULL,
        number TEXT NOT NULL,
        joined_ms INTEGER NOT NULL,
        tries INTEGER NOT NULL,
        agent TEXT NOT NULL,
        PRIMARY KEY (call, n)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX callback_note_id ON callback_note (id)",
    """
    CREATE TABLE callback (
        id TEXT PRIMARY KEY,
        call INTEGER NOT NULL,
        queue TEXT NOT NULL,
        number TEXT NOT NULL,
        asked_ms INTEGER NOT NULL,
        joined_ms INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'calling', 'not_allowed', 'done', 'expired', 'cancelled')),
        tries INTEGER NOT NULL,
        again INTEGER NOT NULL,
        spoken_ms INTEGER,
        ended_ms INTEGER,
        agent TEXT NOT NULL,
        result TEXT NOT NULL,
        CHECK ((ended_ms IS NULL) = (state IN ('waiting', 'calling', 'not_allowed')))
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX callback_asked ON callback (asked_ms)",
    "CREATE INDEX callback_pending ON callback (joined_ms) WHERE ended_ms IS NULL",
    """
    CREATE TABLE callback_cancel (
        id TEXT PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        who TEXT NOT NULL,
        reason TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    # Missed calls (store.returns): the calls, the calls that took them off, a row a number, and what people decided.
    """
    CREATE TABLE missed_call (
        call INTEGER PRIMARY KEY REFERENCES call (key) ON DELETE CASCADE,
        number TEXT NOT NULL,
        ended_ms INTEGER NOT NULL,
        waited_ms INTEGER NOT NULL,
        queue TEXT NOT NULL,
        category TEXT NOT NULL,
        has_message INTEGER NOT NULL CHECK (has_message IN (0, 1))
    ) STRICT
    """,
    "CREATE INDEX missed_call_number ON missed_call (number, call)",
    """
    CREATE TABLE return_call (
        call INTEGER PRIMARY KEY REFERENCES call (key) ON DELETE CASCADE,
        number TEXT NOT NULL,
        ended_ms INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        how TEXT NOT NULL CHECK (how IN ('in', 'out')),
        agent TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX return_call_number ON return_call (number, call)",
    """
    CREATE TABLE missed (
        number TEXT PRIMARY KEY,
        state TEXT NOT NULL CHECK (state IN ('open', 'returned', 'closed', 'dismissed')),
        times INTEGER NOT NULL,
        first_ms INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        longest_ms INTEGER NOT NULL,
        queue TEXT NOT NULL,
        category TEXT NOT NULL,
        has_message INTEGER NOT NULL CHECK (has_message IN (0, 1)),
        last_call TEXT NOT NULL,
        done_ms INTEGER,
        done_by TEXT NOT NULL,
        done_call TEXT NOT NULL,
        reason TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX missed_state ON missed (state, last_ms)",
    """
    CREATE TABLE return_mark (
        id INTEGER PRIMARY KEY,
        number TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        who TEXT NOT NULL,
        reason TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX return_mark_number ON return_mark (number)",
    # An attempt is here before anybody is dialed, so that it is never made twice.
    """
    CREATE TABLE return_attempt (
        attempt TEXT PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        who TEXT NOT NULL,
        number TEXT NOT NULL,
        phone TEXT NOT NULL,
        agent TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX return_attempt_number ON return_attempt (number, at_ms)",
    # Screens on a wall that show the board without a password: what their address proves, as SHA-256.
    """
    CREATE TABLE wall_screen (
        id INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        name TEXT NOT NULL,
        made_ms INTEGER NOT NULL,
        made_by TEXT NOT NULL
    ) STRICT
    """,
    # Alarms (core.alarm) that are raised, and what is to be told about them. told_ms: 0 = nobody was told.
    """
    CREATE TABLE alarm_state (
        name TEXT PRIMARY KEY,
        raised_ms INTEGER NOT NULL,
        told INTEGER NOT NULL CHECK (told IN (0, 1)),
        told_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE notice (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        made_ms INTEGER NOT NULL,
        alarm TEXT NOT NULL,
        way TEXT NOT NULL CHECK (way IN ('mail', 'webhook')),
        target TEXT NOT NULL,
        body TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'given_up')),
        tries INTEGER NOT NULL,
        next_ms INTEGER NOT NULL,
        ended_ms INTEGER,
        error TEXT NOT NULL,
        CHECK ((ended_ms IS NULL) = (state = 'waiting'))
    ) STRICT
    """,
    "CREATE INDEX notice_waiting ON notice (id) WHERE state = 'waiting'",
    # Who may fetch the settings of a desk phone, and who did last. fresh: never fetched since its hardware address is
    # known (known_ms); open_until_ms: a person allowed it until then.
    """
    CREATE TABLE phone_file (
        phone TEXT PRIMARY KEY,
        mac TEXT NOT NULL,
        known_ms INTEGER NOT NULL,
        fresh INTEGER NOT NULL CHECK (fresh IN (0, 1)),
        open_until_ms INTEGER NOT NULL,
        fetched_ms INTEGER,
        address TEXT NOT NULL,
        agent TEXT NOT NULL,
        refused_ms INTEGER
    ) STRICT, WITHOUT ROWID
    """,
    # A page user of the role agent is one of the office's agents: that agent's code.
    "ALTER TABLE user ADD COLUMN agent TEXT NOT NULL DEFAULT ''",
    # What people wrote about a call, one note each. Not a foreign key: a note may be kept before the call's first
    # journal line is read, and stays when the history is computed anew.
    """
    CREATE TABLE call_note (
        call INTEGER NOT NULL,
        who TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        text TEXT NOT NULL CHECK (length(text) BETWEEN 1 AND 1000),
        PRIMARY KEY (call, who)
    ) STRICT, WITHOUT ROWID
    """,
    # A call by a press on the page is here before the phone rings, so that it is never made twice.
    """
    CREATE TABLE dial_attempt (
        attempt TEXT PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        who TEXT NOT NULL,
        phone TEXT NOT NULL,
        number TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    # Who calls is shown with their last calls while the phone rings.
    "CREATE INDEX call_caller ON call (caller) WHERE direction = 'in' AND caller <> ''",
    "CREATE INDEX call_called ON call (number) WHERE direction = 'out'",
)


def migrate(connection: sqlite3.Connection) -> list[str]:
    """Bring the database up to this version's schema; the names of the migrations that ran.

    Raises DatabaseUnusable when the database was written by a newer Ramal (nothing is changed) or a migration fails
    (that migration is rolled back whole).
    """
    from sqlite_utils import Database  # a tenth of a second that readers need not pay

    migrations = _migrations()
    database = Database(connection, recursive_triggers=False)
    path = _path(connection)
    try:
        applied = [entry.name for entry in migrations.applied(database)]
        unknown = [name for name in applied if name not in {entry.name for entry in migrations._migrations}]
        if unknown:
            raise DatabaseUnusable(
                f"The database {path} was written by a newer Ramal (it knows “{unknown[0]}”). Nothing was changed; "
                "calls go on. Install that version or newer, or restore a backup made by this one."
            )
        pending = [entry.name for entry in migrations.pending(database)]
        if pending and applied:
            _copy_aside(connection, path, pending[0])
        if pending:
            migrations.apply(database)
    except sqlite3.Error as error:
        raise DatabaseUnusable(
            f"The database {path} could not be brought up to date ({error}). It was left as it was; calls go on and "
            "are kept in Asterisk's own journals. Check the disk's free space, then start Ramal again."
        ) from error
    return pending


def _migrations() -> "Migrations":
    from sqlite_utils import Migrations

    migrations = Migrations("ramal")

    @migrations(name="0001 history, settings, users")
    def first(database: "Database") -> None:
        for statement in FIRST:
            database.execute(statement)

    @migrations(name="0002 inbound: contacts, callbacks, decisions")
    def second(database: "Database") -> None:
        for statement in SECOND:
            database.execute(statement)

    return migrations


def _path(connection: sqlite3.Connection) -> Path:
    return Path(cast(str, connection.execute("PRAGMA database_list").fetchone()[2]))


def _copy_aside(connection: sqlite3.Connection, path: Path, before: str) -> None:
    """A whole copy of the database as it is, named after the first migration that will change it."""
    copy = path.with_name(f"{path.name}.before-{before.split()[0]}")
    part = copy.with_name(copy.name + ".part")
    part.unlink(missing_ok=True)
    with sqlite3.connect(part) as target:
        connection.backup(target, pages=4096)
    target.close()
    part.chmod(0o660)
    part.replace(copy)
