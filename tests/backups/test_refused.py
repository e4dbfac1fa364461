"""Everything that can be wrong with a backup or with where it goes: a sentence, and nothing was changed."""

import errno
import fcntl
import hashlib
import json
import os
import socket
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from ramal.box import restore as putting
from ramal.box.home import Home
from ramal.box.restore import restore
from ramal.vault import backup_file, backup_keys, backup_make
from ramal.vault.backup_file import BackupRefused, open_backup
from ramal.vault.backup_keys import BackupKeyUnusable
from ramal.vault.cipher import FILE_ID_BYTES, Sealer
from ramal.writer_lock import HomeTaken, only_writer
from tests.backups.grown import AT_MS, backup, everything, grown, keys_of
from tests.web.box import Box


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    one = grown(tmp_path / "one" / "home", calls=2)
    yield one
    one.close()


@pytest.fixture
def file(box: Box, tmp_path: Path) -> Path:
    return backup(box, tmp_path / "backups").path


def put_back(box: Box, file: Path, home: Home) -> None:
    with closing(open_backup(file, keys_of(box))) as reader:
        restore(reader, home, file.name, AT_MS)


def refused(box: Box, file: Path, said: str) -> None:
    """Neither the home it is of nor a new folder changes."""
    before = everything(box.home)
    for home in (box.home, Home(file.parent.parent / "two")):
        with pytest.raises(BackupRefused, match=said) as told:
            put_back(box, file, home)
        assert "othing was changed" in str(told.value) or "do not trust" in str(told.value)
    assert everything(box.home) == before
    assert sorted(path.name for path in box.home.root.parent.iterdir()) == ["home", "system"]
    assert not (file.parent.parent / "two").exists()


def read_whole(box: Box, file: Path) -> None:
    with closing(open_backup(file, keys_of(box))) as reader:
        for part in reader.manifest.parts:
            with reader.opened(part) as stream:
                for _ in stream.blocks():
                    pass


# -- the file ----------------------------------------------------------------------------------------------------------


def test_any_flipped_byte_is_found(box: Box, file: Path) -> None:
    whole = file.read_bytes()
    step = max(1, len(whole) // 60)
    for at in [*range(backup_file.HEAD_BYTES + 50), *range(120, len(whole), step), len(whole) - 1]:
        changed = bytearray(whole)
        changed[at] ^= 0x10
        file.write_bytes(changed)
        with pytest.raises(BackupRefused) as told:
            read_whole(box, file)
        assert told.value.code in ("damaged", "no-key"), at
    file.write_bytes(whole)
    put_back(box, file, Home(file.parent / "two"))


def test_a_flipped_byte_changes_nothing(box: Box, file: Path) -> None:
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    file.write_bytes(whole)
    refused(box, file, "not as it was written")


@pytest.mark.parametrize("left", [0, 1, 40, 63, 64, 100, 5000, -1, -17, -4000])
def test_a_torn_file_is_refused(box: Box, file: Path, left: int) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:left])
    refused(box, file, "no backup|cut off|not as it was written")


def test_a_file_with_something_behind_it_is_refused(box: Box, file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"x")
    refused(box, file, "not as it was written")


def test_another_code_is_refused(box: Box, file: Path, tmp_path: Path) -> None:
    recipe = backup_file.recipe_of(file)
    with pytest.raises(BackupRefused, match="another recovery code or passphrase"):
        open_backup(file, [recipe.key("abcd-efgh-2345-abcd-efgh-2345-abcd-efgh")])


def test_what_is_no_backup_is_refused(box: Box, tmp_path: Path) -> None:
    for name, data in (("a.zip", b"PK\3\4" + bytes(100)), ("empty", b""), ("text", b"hello" * 50)):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BackupRefused, match="no backup of Ramal"):
            open_backup(tmp_path / name, keys_of(box))
    with pytest.raises(BackupRefused, match="cannot be read"):
        open_backup(tmp_path / "nowhere", keys_of(box))


def head(version: int = 1, rounds: int = 3, lanes: int = 4, memory_kib: int = 65_536, salt: bytes = bytes(16)) -> bytes:
    plain = struct.pack(">8sHBBI16s", backup_file.MARK, version, rounds, lanes, memory_kib, salt)
    return plain + hashlib.sha256(plain).digest()


def test_a_newer_format_is_refused_before_a_code_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(head(version=2) + bytes(500))
    with pytest.raises(BackupRefused, match=r"newer Ramal.*Bring this box up to date"):
        backup_file.recipe_of(tmp_path / "x")


@pytest.mark.parametrize(
    "wrong", [{"memory_kib": 4 << 20}, {"memory_kib": 512 << 10}, {"rounds": 255}, {"lanes": 0}, {"memory_kib": 1}]
)
def test_a_file_cannot_make_a_machine_compute_for_days(tmp_path: Path, wrong: dict[str, int]) -> None:
    (tmp_path / "x").write_bytes(head(**wrong) + bytes(500))
    with pytest.raises(BackupRefused, match="unheard-of key"):
        backup_file.recipe_of(tmp_path / "x")


# -- what is in it: made by somebody who has the key -------------------------------------------------------------------


def forged(box: Box, file: Path, change: Callable[[dict[str, bytes], dict[str, Any]], None]) -> Path:
    """The same backup with other parts, encrypted with the box's own key."""
    with closing(open_backup(file, keys_of(box))) as reader:
        parts = {part.name: reader.read(part, 1 << 26) for part in reader.manifest.parts}
        manifest = json.loads(reader._zip.read("manifest.json"))
    change(parts, manifest)
    key = backup_keys.load(box.home)[-1]
    with file.open("wb") as target:
        target.write(head(salt=key.recipe.salt))
        sealer = Sealer(target, key.key, os.urandom(FILE_ID_BYTES))
        with zipfile.ZipFile(cast(BinaryIO, backup_file._Stream(sealer)), "w") as archive:
            for name, data in parts.items():
                archive.writestr(zipfile.ZipInfo(name), data)
            archive.writestr("manifest.json", json.dumps(manifest))
        sealer.seal()
    return file


def listed(manifest: dict[str, Any], name: str, data: bytes) -> None:
    row = {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "rows": None, "mode": 0o777}
    manifest["parts"].append(row)


def test_a_forged_one_that_is_not_changed_is_put_back(box: Box, file: Path) -> None:
    put_back(box, forged(box, file, lambda parts, manifest: None), Home(file.parent / "two"))


@pytest.mark.parametrize(
    "name",
    ["../../evil", "/tmp/evil", "own/../../evil", "secrets/../../evil", "own//evil", "own/..", "recordings/evil", "x"],
)
def test_a_path_that_leads_out_is_refused(box: Box, file: Path, name: str) -> None:
    def change(parts: dict[str, bytes], manifest: dict[str, Any]) -> None:
        parts[name] = b"evil"
        listed(manifest, name, b"evil")

    refused(box, forged(box, file, change), "would lie outside a home")
    assert not list(file.parent.parent.rglob("*evil*"))


@pytest.mark.parametrize("name", [5, None, ["own"], {}])
def test_a_part_whose_name_is_no_word_is_refused(box: Box, file: Path, name: object) -> None:
    def change(parts: dict[str, bytes], manifest: dict[str, Any]) -> None:
        manifest["parts"].append({"name": name, "bytes": 1, "sha256": "00", "rows": None, "mode": 0})

    refused(box, forged(box, file, change), "cannot be read")


def test_a_part_that_lies_under_a_file_is_refused(box: Box, file: Path) -> None:
    def change(parts: dict[str, bytes], manifest: dict[str, Any]) -> None:
        for name in ("own/a", "own/a/b"):
            parts[name] = b"x"
            listed(manifest, name, b"x")

    refused(box, forged(box, file, change), "cannot be written")


def test_a_missing_part_is_refused(box: Box, file: Path) -> None:
    refused(box, forged(box, file, lambda parts, _: parts.pop("tables/call.jsonl")), "tables/call.jsonl is missing")


def test_a_missing_table_is_refused(box: Box, file: Path) -> None:
    def change(parts: dict[str, bytes], manifest: dict[str, Any]) -> None:
        del parts["tables/user.jsonl"]
        manifest["parts"] = [row for row in manifest["parts"] if row["name"] != "tables/user.jsonl"]

    refused(box, forged(box, file, change), "lacks the table user")


def test_a_part_that_nobody_listed_is_refused(box: Box, file: Path) -> None:
    refused(box, forged(box, file, lambda parts, _: parts.update({"own/x": b"x"})), "not those of its list")


def test_a_part_with_other_bytes_than_listed_is_refused(box: Box, file: Path) -> None:
    def change(parts: dict[str, bytes], manifest: dict[str, Any]) -> None:
        parts["custom/extensions.conf"] = b"; by haNd\n"

    refused(box, forged(box, file, change), "custom/extensions.conf of this backup is not what was put in")


def test_a_part_that_swells_is_refused(box: Box, file: Path) -> None:
    def change(parts: dict[str, bytes], manifest: dict[str, Any]) -> None:
        parts["custom/extensions.conf"] = bytes(50 << 20)

    refused(box, forged(box, file, change), "is not what was put in")


def rewritten(manifest: dict[str, Any], parts: dict[str, bytes], name: str, data: bytes, rows: int) -> None:
    parts[name] = data
    for row in manifest["parts"]:
        if row["name"] == name:
            row.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), rows=rows)


@pytest.mark.parametrize(
    ("table", "data", "said"),
    [
        ("held", b'["id","uniqueid"]\n', "other columns"),
        ("held", b'["id","uniqueid","line"]\n[1,"a"]\n', "row of another length"),
        ("held", b'["id","uniqueid","line"]\nnonsense\n', "no row"),
        ("held", b'["id","uniqueid","line"]\n{"a":1}\n', "no row"),
        ("held", b'["id","uniqueid","line"]\n[1,"a",{"b":"???"}]\n', "bytes that cannot be read"),
        ("held", b'["id","uniqueid","line"]\n[1,"a","no blob"]\n', "does not fit"),
        ("held", b'["id","uniqueid","line"]\n[99999999999999999999,"a",{"b":""}]\n', "does not fit"),
        ("user", b'["name","role","password_hash","must_change","created_ms","epoch"]\n', "other columns"),
        ("call_note", b"", "no row"),
    ],
)
def test_rows_that_do_not_fit_are_refused(box: Box, file: Path, table: str, data: bytes, said: str) -> None:
    def change(parts: dict[str, bytes], manifest: dict[str, Any]) -> None:
        rewritten(manifest, parts, f"tables/{table}.jsonl", data, data.count(b"\n") - 1)

    refused(box, forged(box, file, change), said)


def test_rows_that_are_of_no_call_are_refused(box: Box, file: Path) -> None:
    def change(parts: dict[str, bytes], manifest: dict[str, Any]) -> None:
        first = parts["tables/call.jsonl"].splitlines(keepends=True)[0]
        rewritten(manifest, parts, "tables/call.jsonl", first, 0)

    refused(box, forged(box, file, change), "points at nothing in call")


def test_another_office_than_that_of_its_text_is_refused(box: Box, file: Path) -> None:
    def change(parts: dict[str, bytes], manifest: dict[str, Any]) -> None:
        text = parts["office.toml"].replace(b"Padaria", b"Quitanda")
        rewritten(manifest, parts, "office.toml", text, 0)

    refused(box, forged(box, file, change), "The office came back changed")


def test_an_office_that_would_begin_a_line_of_asterisks_files_is_refused(box: Box, file: Path) -> None:
    def change(parts: dict[str, bytes], manifest: dict[str, Any]) -> None:
        rows = parts["tables/setting.jsonl"]
        assert b"Padaria" in rows
        rewritten(
            manifest, parts, "tables/setting.jsonl", rows.replace(b"Padaria", b"Pad\\\\naria"), rows.count(b"\n") - 1
        )

    refused(box, forged(box, file, change), "control character")


def test_an_office_that_asterisk_would_compute_is_refused(box: Box, file: Path) -> None:
    def change(parts: dict[str, bytes], manifest: dict[str, Any]) -> None:
        for name in ("tables/setting.jsonl", "office.toml"):
            rows = parts[name]
            data = rows.replace(b"fewest-calls", b"${SHELL(id)}")
            assert data != rows, name
            rewritten(manifest, parts, name, data, rows.count(b"\n") - 1 if name.startswith("tables") else 0)

    refused(box, forged(box, file, change), "Asterisk would compute")


def test_migrations_that_ramal_never_had_are_refused(box: Box, file: Path) -> None:
    for named, said in ((["0001 other"], "newer Ramal"), ([], "of no version")):
        refused(box, forged(box, file, lambda _, manifest: manifest.update(migrations=named)), said)  # noqa: B023


def test_a_list_of_parts_that_is_none_is_refused(box: Box, file: Path) -> None:
    refused(box, forged(box, file, lambda _, manifest: manifest.pop("parts")), "list of this backup's parts")


# -- where it goes -----------------------------------------------------------------------------------------------------


def test_a_home_in_use_is_refused(box: Box, file: Path) -> None:
    before = everything(box.home)
    with only_writer(box.home), pytest.raises(HomeTaken, match="Nothing was started or changed"):
        put_back(box, file, box.home)
    (box.home.run / "up.lock").touch()
    with (box.home.run / "up.lock").open("rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BackupRefused, match=r"runs: calls may be going on\. Nothing was changed"):
            put_back(box, file, box.home)
    with socket.socket(socket.AF_UNIX) as asterisk:
        asterisk.bind(str(box.home.run / "asterisk.ctl"))
        asterisk.listen()
        with pytest.raises(BackupRefused, match=r"runs: calls may be going on\. Nothing was changed"):
            put_back(box, file, box.home)
    assert everything(box.home) == before
    put_back(box, file, box.home)  # the socket of an Asterisk that is dead keeps nobody


def test_a_folder_with_other_things_is_refused(box: Box, file: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(BackupRefused, match=r"no home of Ramal\. Nothing was changed"):
        put_back(box, file, Home(tmp_path / "photos"))
    with pytest.raises(BackupRefused, match="is no folder"):
        put_back(box, file, Home(file))
    (tmp_path / "empty").mkdir()
    put_back(box, file, Home(tmp_path / "empty"))


def test_two_restores_at_once_are_one(box: Box, file: Path, tmp_path: Path) -> None:
    with putting._alone(tmp_path / "one" / ".home.restoring.lock"), pytest.raises(HomeTaken, match="Another restore"):
        put_back(box, file, box.home)


def test_a_full_disk_is_refused(box: Box, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_make, "SPARE_BYTES", 1 << 62)
    refused(box, file, "no room")


def test_a_disk_that_becomes_full_leaves_no_half_backup(box: Box, tmp_path: Path) -> None:
    class Full:
        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    told = backup_make.refusal(OSError(errno.ENOSPC, "No space left on device"))
    assert told.code == "no-room"
    with pytest.raises(OSError, match="No space"):
        backup_file.BackupWriter(cast(BinaryIO, Full()), backup_keys.load(box.home)[-1])


def test_a_folder_that_cannot_be_made_is_refused(box: Box, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BackupRefused, match="cannot be written") as told:
        backup(box, tmp_path / "file" / "backups")
    assert told.value.code == "no-write"


# -- the key -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weak", ["short", "a" * 40, "abc-abc-abc-abc", "x" * 300])
def test_a_weak_passphrase_is_refused(box: Box, weak: str) -> None:
    before = box.home.backup_key.read_bytes()
    with pytest.raises(BackupKeyUnusable, match="Nothing was changed"):
        backup_keys.add_new(box.home, AT_MS, weak)
    assert box.home.backup_key.read_bytes() == before


@pytest.mark.parametrize("data", [b"", b"x", b"{}\n", b"[]", b"\xff", b'{"id": "1"}'])
def test_a_damaged_key_file_is_told_and_not_replaced(box: Box, tmp_path: Path, data: bytes) -> None:
    box.home.backup_key.write_bytes(data)
    with pytest.raises(BackupKeyUnusable, match="damaged"):
        backup_keys.obtain(box.home, AT_MS)
    with pytest.raises(BackupKeyUnusable, match="damaged"):
        backup_keys.add_new(box.home, AT_MS)
    assert box.home.backup_key.read_bytes() == data
    backup_keys.add_new(box.home, AT_MS, lost=True)
    assert box.home.backup_key.with_name("backup.key.damaged").read_bytes() == data
    assert backup(box, tmp_path / "backups").path.exists()


def test_a_passphrase_of_the_owner_opens_what_is_made_from_then_on(box: Box, tmp_path: Path) -> None:
    first = backup(box, tmp_path / "backups")
    chosen = backup_keys.add_new(box.home, AT_MS, "Cavalo certo, bateria grampo!")
    second = backup(box, tmp_path / "backups")
    assert chosen.code == ""
    assert b"avalo" not in box.home.backup_key.read_bytes()
    key = backup_file.recipe_of(second.path).key("CAVALO certo,bateria grampo!")
    open_backup(second.path, [key]).close()
    with pytest.raises(BackupRefused, match="another recovery code"):
        open_backup(first.path, [key])
    open_backup(first.path, keys_of(box)).close()
    assert oct(box.home.backup_key.stat().st_mode)[-3:] == "600"
