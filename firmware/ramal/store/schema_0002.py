"""What migration 0002 makes: inbound's tables and columns. Times as in ``schema_0001``."""

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
        kept TEXT NOT NULL,
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
