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
    # Called missing although their sound is kept (store.sounds.mend): few, and looked for often.
    "CREATE INDEX recording_missing ON recording (path) WHERE state = 'missing'",
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
)
