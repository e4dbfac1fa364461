"""The keys of recordings: made once, never replaced in silence."""

import stat

import pytest

from ramal.store import sounds
from ramal.vault import keys
from ramal.vault.keys import KeysUnusable
from tests.vault.shelf import Shelf
from tests.vault.test_keep import TALK, keeper, plain


def test_a_key_is_made_once_for_its_owner_only_and_used_again(shelf: Shelf) -> None:
    first = keys.obtain(shelf.home, (), 1)
    assert keys.obtain(shelf.home, (), 2) == first
    assert stat.S_IMODE(shelf.home.recordings_key.stat().st_mode) == 0o600
    assert stat.S_IMODE((shelf.home.recordings_work / "keys").stat().st_mode) == 0o600
    assert first.secret.hex() not in (shelf.home.recordings_work / "keys").read_text()


@pytest.mark.parametrize("knows", ["database", "disk"])
def test_a_lost_key_is_told_and_none_is_made_in_its_place(shelf: Shelf, knows: str) -> None:
    old, new = shelf.put(TALK), 0
    assert keeper(shelf).round() == 1
    export = keys.export(shelf.home)
    shelf.home.recordings_key.unlink()
    if knows == "database":
        (shelf.home.recordings_work / "keys").unlink()
    new = shelf.put(TALK)
    one = keeper(shelf)
    assert one.round() == 0
    assert shelf.warned() == (("count", 1), ("reason", "key"))
    assert not shelf.home.recordings_key.exists()
    assert shelf.path(new, ".wav").read_bytes() == TALK
    with pytest.raises(Exception, match="key import"):
        plain(shelf, old)
    assert keys.merge(shelf.home, export.encode())[0] == 1
    assert keeper(shelf).round() == 1
    assert shelf.warned() is None
    assert plain(shelf, old)[:4] == plain(shelf, new)[:4] == b"OggS"
    assert len(keys.load(shelf.home).keys) == 1


def test_an_empty_key_file_is_a_lost_key(shelf: Shelf) -> None:
    keys.obtain(shelf.home, (), 1)
    for left in (b"", b"\n", b"# a comment\n"):
        shelf.home.recordings_key.write_bytes(left)
        with pytest.raises(KeysUnusable):
            keys.obtain(shelf.home, (), 2)
        assert shelf.home.recordings_key.read_bytes() == left


@pytest.mark.parametrize("damage", ["a flipped bit", "cut off", "zeros"])
def test_a_damaged_key_is_told_and_mended_by_the_export(shelf: Shelf, damage: str) -> None:
    keys.obtain(shelf.home, (), 1)
    keys.add_new(shelf.home, 2)
    export = keys.export(shelf.home).encode()
    data = bytearray(export)
    if damage == "a flipped bit":
        data[-60] ^= 1
    elif damage == "cut off":
        del data[-30:]
    else:
        data[100:] = bytes(len(data) - 100)
    shelf.home.recordings_key.write_bytes(data)
    shelf.put(TALK)
    assert keeper(shelf).round() == 0
    assert shelf.warned() == (("count", 1), ("reason", "key"))
    assert shelf.home.recordings_key.read_bytes() == data
    with pytest.raises(KeysUnusable):
        keys.add_new(shelf.home, 3)
    with pytest.raises(KeysUnusable):
        keys.export(shelf.home)
    keys.add_new(shelf.home, 3, lost=True)
    assert (shelf.home.root / "secrets" / "recordings.key.damaged").read_bytes() == data
    shelf.home.recordings_key.write_bytes(data)
    keys.merge(shelf.home, export)
    assert keys.export(shelf.home).encode() == export
    assert keeper(shelf).round() == 1


def test_old_recordings_stay_readable_after_a_new_key(shelf: Shelf) -> None:
    old = shelf.put(TALK)
    keeper(shelf).round()
    first = keys.load(shelf.home).current
    keys.add_new(shelf.home, 5)
    new = shelf.put(TALK)
    assert keeper(shelf).round() == 1
    rows = [shelf.read(lambda db, one=one: sounds.of(db, one)) for one in (old, new)]
    assert first is not None
    assert rows[0].key_id == first.id
    assert rows[1].key_id != first.id
    assert plain(shelf, old)[:4] == plain(shelf, new)[:4] == b"OggS"


def test_another_box_reads_with_an_imported_key_and_keeps_its_own_in_use(shelf: Shelf) -> None:
    keys.obtain(shelf.home, (), 1)
    own = keys.load(shelf.home).current
    other = keys.key_of(bytes(32), 9)
    text = f"ramal-recordings-key-1 {other.id} {other.secret.hex()} 9\n"
    assert keys.merge(shelf.home, text.encode())[0] == 1
    ring = keys.load(shelf.home)
    assert ring.current == own
    assert ring.get(other.id) == other
    assert keys.merge(shelf.home, text.encode())[0] == 0


@pytest.mark.parametrize("data", [b"", b"hello", b"ramal-recordings-key-1 00 11 22\n", b"\xff\xfe\x00"])
def test_what_is_no_export_changes_nothing(shelf: Shelf, data: bytes) -> None:
    keys.obtain(shelf.home, (), 1)
    before = shelf.home.recordings_key.read_bytes()
    with pytest.raises(KeysUnusable):
        keys.merge(shelf.home, data)
    assert shelf.home.recordings_key.read_bytes() == before


def test_an_older_key_file_put_back_is_told_and_new_recordings_are_kept(shelf: Shelf) -> None:
    keys.obtain(shelf.home, (), 1)
    older = shelf.home.recordings_key.read_bytes()
    keys.add_new(shelf.home, 2)
    shelf.put(TALK)
    assert keeper(shelf).round() == 1
    assert shelf.warned() is None
    shelf.home.recordings_key.write_bytes(older)
    shelf.put(TALK)
    assert keeper(shelf).round() == 1
    assert shelf.warned() == (("count", 1), ("reason", "key"))
