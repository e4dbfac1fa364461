"""A home with everything a backup holds, and what it holds, read in another way than backups read it."""

import hashlib
import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from ramal.box.home import Home
from ramal.vault import backup_keys, backup_make, keys
from ramal.vault.backup_make import Made
from tests.web.box import Box, answered_call, demo_calls

AT_MS = 1_795_000_000_000
DERIVED = ("caller_search", "sqlite_stat")


def grown(root: Path, calls: int = 12) -> Box:
    """An office with calls, people, own sounds, a hand-written file, keys, a sealed head, network settings."""
    box = Box(root)
    home = box.home
    box.add_history([*demo_calls(calls), answered_call(99_001, AT_MS - 10**7, "+5511970001234", "José Ünï")])
    box.sql("INSERT INTO user (name, role, password_hash, must_change, created_ms) VALUES ('ana', 'agent', 'h', 0, 5)")
    box.sql("INSERT INTO held (uniqueid, line) VALUES ('1.1', ?)", bytes(range(256)))
    box.sql("INSERT INTO audit (at_ms, who, what, detail) VALUES (1, 'x', 'y', CAST(x'ff00c328' AS TEXT))")
    box.sql("INSERT INTO audit (at_ms, who, what, detail) VALUES (?, 'x', 'y', ?)", -(2**63), 'a\0b\u2028\n\\"é😀')
    box.sql("DELETE FROM audit WHERE id = 1")
    for message in ("a", "b", "c"):
        box.sql("INSERT INTO letter VALUES (NULL, ?, 'mail:x', 1, 'waiting', 0, 0, NULL, '', 0)", message)
    box.sql("DELETE FROM letter WHERE message = 'c'")  # its number is never used again
    put(home.own_prompts / "pt_BR" / "closed" / "1795000000000.upload.wav", os.urandom(3000))
    os.link(
        home.own_prompts / "pt_BR/closed/1795000000000.upload.wav", home.own_prompts / "pt_BR" / "closed" / "chosen.wav"
    )
    put(home.own_music / "calm" / "Ünï côde (1).wav", os.urandom(70_000))
    put(home.etc / "custom" / "extensions.conf", b"; by hand\n")
    put(home.seals / "2026-11-22", b"head\n")
    put(home.network_file, b'address = "192.0.2.7"\n')
    put(home.incoming / "half.wav", b"not kept yet")
    put(home.recordings / "2026" / "11" / "22" / "1.ogg.sealed", b"a recording")
    home.save_settings(home.settings())
    keys.obtain(home, (), AT_MS)
    backup_keys.obtain(home, AT_MS)
    return box


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def backup(box: Box, folder: Path, now_ms: int = AT_MS) -> Made:
    return backup_make.make(box.home, folder, backup_keys.obtain(box.home, now_ms), now_ms, "1.2.3")


def keys_of(box: Box) -> list[Any]:
    return [one.key for one in backup_keys.load(box.home)]


def database(path: Path, without: Iterable[str] = ()) -> dict[str, list[str]]:
    """Every row of every table as SQLite's own literals, sorted."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        found = {}
        for name in names:
            if name.startswith(DERIVED) or name in without:
                continue
            columns = [row[1] for row in db.execute(f'PRAGMA table_info("{name}")')]
            literal = " || ',' || ".join(f'quote("{column}")' for column in columns)
            found[name] = sorted(row[0] for row in db.execute(f'SELECT CAST({literal} AS BLOB) FROM "{name}"'))
        return found


def found_by(path: Path, digits: str) -> list[int]:
    """The calls that the search index knows of these digits."""
    with closing(sqlite3.connect(path)) as db:
        query = " AND ".join(f'"{digits[at : at + 3]}"' for at in range(len(digits) - 2))
        return [row[0] for row in db.execute("SELECT rowid FROM caller_search WHERE caller_search MATCH ?", (query,))]


def files(home: Home) -> dict[str, str]:
    """Everything beside the database that a backup must hold, by path."""
    found = {}
    for root in (home.root / "secrets", home.own, home.etc / "custom", home.seals, home.settings_file):
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            if path.is_file() and home.incoming not in path.parents:
                found[str(path.relative_to(home.root))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def everything(home: Home, without: Iterable[str] = ()) -> tuple[dict[str, list[str]], dict[str, str]]:
    return database(home.db, without), files(home)
