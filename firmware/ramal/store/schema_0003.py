"""What migration 0003 makes: voice's tables and columns. Times as in ``schema_0001``; a recording is named by its id
(call key * TAKES + n). None of these tables is derived from the journals unless its comment says so: ``ramal rebuild``
leaves them alone, and nothing in them is a foreign key to what it computes anew."""

THIRD = (
    # What a recording's file is now (ramal.vault). path: relative to the home; source: of the wav it was made from.
    # sha256: of the bytes on the disk; plain_sha256: of the sound file inside, which is the same file when it is not
    # encrypted (cipher 0, key_id '', file_id empty). gaps: JSON [[from_ms, to_ms], …], silent in the file. peak_db and
    # rms_db (where there is sound): dBFS, of the wav. unlink_due: 1 while a file is still to be removed: the wav of a
    # kept one, any file of a gone one. A row stays when its file is gone (gone_ms, gone_why), and goes only when a
    # person is erased.
    """
    CREATE TABLE sound (
        recording INTEGER PRIMARY KEY,
        path TEXT NOT NULL,
        source TEXT NOT NULL,
        form TEXT NOT NULL CHECK (form IN ('wav', 'opus')),
        cipher INTEGER NOT NULL CHECK (cipher IN (0, 1)),
        key_id TEXT NOT NULL,
        file_id BLOB NOT NULL,
        channels INTEGER NOT NULL,
        duration_ms INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        sha256 BLOB NOT NULL,
        plain_sha256 BLOB NOT NULL,
        gaps TEXT NOT NULL,
        peak_db REAL NOT NULL,
        rms_db REAL NOT NULL,
        made_ms INTEGER NOT NULL,
        gone_ms INTEGER,
        gone_why TEXT NOT NULL DEFAULT '',
        unlink_due INTEGER NOT NULL CHECK (unlink_due IN (0, 1)),
        CHECK ((gone_ms IS NULL) = (gone_why = '')),
        CHECK ((cipher = 0) = (key_id = ''))
    ) STRICT
    """,
    "CREATE INDEX sound_made ON sound (made_ms) WHERE gone_ms IS NULL",
    "CREATE INDEX sound_source ON sound (source)",
    "CREATE INDEX sound_unlink ON sound (recording) WHERE unlink_due",
    # The catalogue of recordings as a chain (core.chain): a row's prev is the hash over all of the row before it, so a
    # changed, removed or inserted row is found. digest: of what the row tells of (a sound's row, why it went, a day).
    # No row is ever changed or removed, also not when a person is erased: there is nothing of a person in them.
    """
    CREATE TABLE seal (
        n INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('sound', 'gone', 'erased', 'day')),
        recording INTEGER NOT NULL,
        digest BLOB NOT NULL,
        prev BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX seal_recording ON seal (recording) WHERE recording <> 0",
    "CREATE INDEX seal_day ON seal (n) WHERE kind = 'day'",
    # Every time the catalogue and the files were verified. found: JSON, the first of what was amiss.
    """
    CREATE TABLE seal_check (
        id INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        took_ms INTEGER NOT NULL,
        seals INTEGER NOT NULL,
        files INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        amiss INTEGER NOT NULL,
        found TEXT NOT NULL,
        head TEXT NOT NULL
    ) STRICT
    """,
    # Which sound was chosen for a sentence of the office, one row a choice (ops.prompts). version: its file's name
    # below own/prompts/<path>, '' = the machine's voice. The files are the truth of what is heard; these rows are who
    # and when, and what "undo" goes back to: undone = 1 was taken back.
    """
    CREATE TABLE prompt_choice (
        id INTEGER PRIMARY KEY,
        path TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        who TEXT NOT NULL,
        how TEXT NOT NULL CHECK (how IN ('phone', 'upload', 'machine', 'again', 'found')),
        version TEXT NOT NULL,
        note TEXT NOT NULL,
        undone INTEGER NOT NULL DEFAULT 0 CHECK (undone IN (0, 1))
    ) STRICT
    """,
    "CREATE INDEX prompt_choice_path ON prompt_choice (path, at_ms)",
    # Music on hold that people brought: files below own/music/<class>. title: the name it came with.
    """
    CREATE TABLE music_file (
        class TEXT NOT NULL,
        file TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        who TEXT NOT NULL,
        title TEXT NOT NULL,
        duration_ms INTEGER NOT NULL,
        PRIMARY KEY (class, file)
    ) STRICT, WITHOUT ROWID
    """,
    # What callers were asked after the talk, and answered (store.surveys); derived from the journals. asked: questions
    # separated by spaces, '' = nobody was asked, and why says why. resolved: 0 no, 1 yes. sentence: the recording.
    """
    CREATE TABLE survey (
        call INTEGER PRIMARY KEY REFERENCES call (key) ON DELETE CASCADE,
        at_ms INTEGER NOT NULL,
        queue TEXT NOT NULL,
        agent TEXT NOT NULL,
        asked TEXT NOT NULL,
        why TEXT NOT NULL,
        csat INTEGER CHECK (csat BETWEEN 1 AND 5),
        nps INTEGER CHECK (nps BETWEEN 0 AND 10),
        resolved INTEGER CHECK (resolved IN (0, 1)),
        sentence INTEGER
    ) STRICT
    """,
    "CREATE INDEX survey_at ON survey (at_ms)",
    # A survey's sentence is a recording like others: a third kind. SQLite changes a CHECK by a new table only.
    """
    CREATE TABLE recording_anew (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('talk', 'message', 'survey')),
        path TEXT NOT NULL,
        started_ms INTEGER NOT NULL,
        expected_ms INTEGER,
        duration_ms INTEGER,
        bytes INTEGER,
        sha256 BLOB,
        state TEXT NOT NULL CHECK (state IN ('writing', 'ready', 'short', 'missing', 'damaged'))
    ) STRICT
    """,
    """
    INSERT INTO recording_anew
        SELECT id, kind, path, started_ms, expected_ms, duration_ms, bytes, sha256, state FROM recording
    """,
    "DROP TABLE recording",
    "ALTER TABLE recording_anew RENAME TO recording",
    "CREATE INDEX recording_writing ON recording (id) WHERE state = 'writing'",
    # Called missing although their sound is kept (store.sounds.mend): few, and looked for often.
    "CREATE INDEX recording_missing ON recording (path) WHERE state = 'missing'",
    # Off-box copies (ops.copies). A place is where copies go, without its secret. since_ms: in use since.
    """
    CREATE TABLE copy_place (
        place TEXT PRIMARY KEY,
        since_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    # One recording's copy at one place. waiting: may lie there in part or not at all; copied: it was looked at there,
    # proof says how; forget: to be removed there, after which the row goes. Rows outlive the recording's own: what lies
    # there must be known. next_ms: not tried before (back-off), reason: a code of core.copies.
    """
    CREATE TABLE far_copy (
        place TEXT NOT NULL,
        recording INTEGER NOT NULL,
        path TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'copied', 'forget')),
        bytes INTEGER NOT NULL,
        sha256 BLOB NOT NULL,
        copied_ms INTEGER,
        proof TEXT NOT NULL DEFAULT '' CHECK (proof IN ('', 'md5', 'sha1', 'read', 'size')),
        tries INTEGER NOT NULL DEFAULT 0,
        next_ms INTEGER NOT NULL DEFAULT 0,
        reason TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (place, recording)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX far_copy_recording ON far_copy (recording)",
    "CREATE INDEX far_copy_open ON far_copy (place, state) WHERE state <> 'copied'",
    # Every time copies were made, for who asks how last night went. reason: what ended it early or kept it waiting.
    """
    CREATE TABLE copy_run (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('night', 'now', 'check')),
        place TEXT NOT NULL,
        began_ms INTEGER NOT NULL,
        ended_ms INTEGER,
        copied INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL DEFAULT 0,
        failed INTEGER NOT NULL DEFAULT 0,
        reason TEXT NOT NULL DEFAULT ''
    ) STRICT
    """,
    # Derived from the journals: what of recordings was not written because a card was being told (core.recording).
    # at_ms: of what Asterisk wrote, without the gaps before it. sides: what it holds, where the file has no header.
    """
    CREATE TABLE recording_sides (
        recording INTEGER PRIMARY KEY,
        sides TEXT NOT NULL CHECK (sides IN ('mono', 'stereo'))
    ) STRICT
    """,
    """
    CREATE TABLE recording_gap (
        recording INTEGER NOT NULL,
        n INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        length_ms INTEGER NOT NULL,
        began_ms INTEGER NOT NULL,
        phone TEXT NOT NULL,
        agent TEXT NOT NULL,
        why TEXT NOT NULL,
        PRIMARY KEY (recording, n)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX recording_gap_long ON recording_gap (began_ms) WHERE length_ms > 180000",
    # Legal holds (store.holds): recordings that nothing removes until the hold ends. what: a call's linked id, a number
    # (E.164), a queue's name; from_ms, to_ms: of calls that began then, NULL = open. until_ms: ends by itself.
    """
    CREATE TABLE hold (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('call', 'number', 'queue')),
        what TEXT NOT NULL,
        from_ms INTEGER,
        to_ms INTEGER,
        at_ms INTEGER NOT NULL,
        who TEXT NOT NULL,
        why TEXT NOT NULL,
        until_ms INTEGER,
        released_ms INTEGER,
        released_who TEXT NOT NULL DEFAULT ''
    ) STRICT
    """,
    # How long recordings of queues that are (or were) customer service by law must be kept: what was recorded until
    # until_ms keeps that minimum, also when the queue is renamed or removed from the office. A campaign is queue
    # campaign/<name> here.
    """
    CREATE TABLE queue_minimum (
        queue TEXT PRIMARY KEY,
        minimum_days INTEGER NOT NULL,
        until_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    # What the last look at the recordings' disk found (ops.keeping), as JSON: one row, replaced.
    """
    CREATE TABLE room (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        at_ms INTEGER NOT NULL,
        body TEXT NOT NULL
    ) STRICT
    """,
    # What people asked about their own data (store.privacy). number and names (JSON): who it is, '' once an erasure is
    # over; token: what stands in the number's place; digest: HMAC of the number by the receipt's code, which the box
    # does not keep. step, round, told (JSON: counts and what stays): where an erasure is, and its receipt.
    """
    CREATE TABLE subject_request (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL CHECK (kind IN ('access', 'erase')),
        at_ms INTEGER NOT NULL,
        who TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('open', 'running', 'partly', 'done', 'refused')),
        number TEXT NOT NULL,
        names TEXT NOT NULL,
        token TEXT NOT NULL DEFAULT '',
        digest BLOB,
        step TEXT NOT NULL DEFAULT '',
        round INTEGER NOT NULL DEFAULT 0,
        told TEXT NOT NULL DEFAULT '{}',
        ended_ms INTEGER,
        CHECK ((ended_ms IS NULL) = (state IN ('open', 'running', 'partly')))
    ) STRICT
    """,
    "CREATE INDEX subject_request_open ON subject_request (id) WHERE ended_ms IS NULL",
    # Messages in boxes (store.messages). Derived from the journals: message_event is what each call says, message what
    # became of each. call: the one it was left in. Who: an agent's code, page:user, or ''.
    """
    CREATE TABLE message_event (
        call INTEGER NOT NULL REFERENCES call (key) ON DELETE CASCADE,
        n INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        id TEXT NOT NULL,
        event TEXT NOT NULL CHECK (event IN (
            'begun', 'kept', 'failed', 'heard', 'deleted', 'returned', 'restored', 'adopted', 'expired')),
        box TEXT NOT NULL,
        file TEXT NOT NULL,
        sound_ms INTEGER NOT NULL,
        number TEXT NOT NULL,
        who TEXT NOT NULL,
        phone TEXT NOT NULL,
        PRIMARY KEY (call, n)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX message_event_id ON message_event (id)",
    """
    CREATE TABLE message (
        id TEXT PRIMARY KEY,
        call INTEGER NOT NULL,
        recording INTEGER,
        box TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('begun', 'new', 'old', 'deleted', 'failed')),
        file TEXT NOT NULL,
        sound_ms INTEGER NOT NULL,
        number TEXT NOT NULL,
        heard_ms INTEGER,
        heard_by TEXT NOT NULL,
        returned_ms INTEGER,
        returned_by TEXT NOT NULL,
        deleted_ms INTEGER,
        deleted_by TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX message_box ON message (box, at_ms)",
    "CREATE INDEX message_at ON message (at_ms)",
    "CREATE INDEX message_number ON message (number) WHERE number <> ''",
    "CREATE INDEX message_recording ON message (recording) WHERE recording IS NOT NULL",
    # What people wrote beside a message; not derived.
    """
    CREATE TABLE message_remark (
        id TEXT PRIMARY KEY,
        who TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        text TEXT NOT NULL CHECK (length(text) BETWEEN 1 AND 500)
    ) STRICT, WITHOUT ROWID
    """,
    # Mails with messages (store.letters), one a message and reader; since when each reads a box. away: nobody answered.
    """
    CREATE TABLE letter (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        message TEXT NOT NULL,
        target TEXT NOT NULL,
        made_ms INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'given_up')),
        tries INTEGER NOT NULL,
        next_ms INTEGER NOT NULL,
        ended_ms INTEGER,
        error TEXT NOT NULL,
        away INTEGER NOT NULL DEFAULT 0 CHECK (away IN (0, 1)),
        UNIQUE (message, target),
        CHECK ((ended_ms IS NULL) = (state = 'waiting'))
    ) STRICT
    """,
    "CREATE INDEX letter_waiting ON letter (id) WHERE state = 'waiting'",
    """
    CREATE TABLE letter_reader (
        box TEXT NOT NULL,
        target TEXT NOT NULL,
        since_ms INTEGER NOT NULL,
        PRIMARY KEY (box, target)
    ) STRICT, WITHOUT ROWID
    """,
    # The campaign a call to the outside was made for; derived.
    "ALTER TABLE call ADD COLUMN campaign TEXT NOT NULL DEFAULT ''",
)
