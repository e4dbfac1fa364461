"""Recordings copied to real servers, and everything that can come in between."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ramal.core import warnings
from ramal.core.copies import Code
from ramal.core.office import Copy
from ramal.core.state import State
from ramal.store import copies as rows
from ramal.store import sounds
from tests.copies.kept import Kept, work
from tests.copies.servers import Server
from tests.system.ports import free_port
from tests.until import until

MANY = int(os.environ.get("RAMAL_COPIES", "210"))
"""More by hand: a thousand take 15 to 40 seconds."""
NIGHT = "01:00-01:01"
"""Not the hour of these tests: the shelf's clock stands at 08:06 in São Paulo."""


def reason(kept: Kept) -> str:
    """What keeps everything from being copied, as the test of the connection and a round see it, which must agree."""
    tried = kept.copier().test().result(60)
    copier = kept.copier()
    copier.round()
    assert copier.told()["reason"] == tried["code"]
    assert copier.told()["shown"] == tried["shown"]
    return str(tried["code"])


@pytest.mark.parametrize("kind", ["sftp", "webdav"])
def test_every_kept_recording_arrives_as_it_is_and_is_proved(
    kind: str, kept: Kept, request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue(kind)
    kept.put(3)
    kept.shelf.put(b"RIFF not kept yet")
    kept.to(server.copy())
    copier = kept.copier()
    assert copier.test().result(60)["code"] == ""
    assert server.files() == {}, "a test leaves nothing there"
    work(copier)
    assert server.files() == kept.files()
    picture = kept.picture()
    assert (picture.copied, picture.left, picture.unkept, picture.failures) == (3, 0, 1, ())
    assert (picture.runs[0].kind, picture.runs[0].copied, picture.runs[0].reason) == ("night", 3, "")
    assert picture.runs[0].ended_ms
    proofs = {row[0] for row in kept.shelf.read(lambda db: db.execute("SELECT proof FROM far_copy").fetchall())}
    assert proofs == ({"sha1"} if kind == "sftp" else {"read", "size"})


def test_what_never_becomes_a_kept_file_is_not_said_to_be_prepared(kept: Kept) -> None:
    """A message left by a caller stays a wav; a talk that the power cut in its first moment holds no sound."""
    for change in ("kind = 'message'", "duration_ms = 0, state = 'short'", "state = 'short'"):
        one = kept.shelf.put(b"RIFF")
        kept.shelf.write(
            lambda db, one=one, change=change: db.execute(f"UPDATE recording SET {change} WHERE id = ?", (one,))
        )
    assert kept.shelf.read(lambda db: rows.copies(db, "anywhere").unkept) == 1


def test_a_server_that_is_not_there_loses_nothing_and_is_asked_again_later_and_later(kept: Kept, sftp: Server) -> None:
    kept.put(2)
    kept.to(sftp.copy())
    sftp.stop()
    copier = kept.copier()
    assert not copier.round()
    assert copier.told()["reason"] == "unreachable"
    assert kept.picture().runs[0].reason == "unreachable"
    sftp.start()
    assert not copier.round(), "not yet"
    assert sftp.files() == {}
    kept.seconds += 61
    work(copier)
    assert sftp.files() == kept.files()
    assert [(run.copied, run.reason, run.ended_ms is not None) for run in kept.picture().runs] == [(2, "", True)]
    assert copier.told()["reason"] == ""


def test_each_trouble_with_an_sftp_server_has_its_own_word(kept: Kept, sftp: Server) -> None:
    kept.put()
    right = sftp.copy()

    def with_(**changed: object) -> str:
        return reason(kept.to(replace(right, **changed)))  # type: ignore[arg-type]

    assert with_(secret="wrong") == "password"
    assert with_(user="nobody") == "password"
    assert with_(port=free_port()) == "unreachable"
    assert with_(host="nowhere.invalid") == "no-host"
    assert with_(fingerprint="") == "unpinned"
    sftp.stop()
    sftp.key += 1
    sftp.start()
    assert with_() == "key-changed"
    assert kept.copier().test().result(60)["shown"] == sftp.copy().fingerprint
    sftp.stop()
    sftp.arguments = ("--read-only",)
    sftp.start()
    assert reason(kept.to(sftp.copy())) == "no-write"
    assert sftp.files() == {}


def test_each_trouble_with_a_webdav_server_has_its_own_word(kept: Kept, webdav: Server) -> None:
    kept.put()
    right = webdav.copy()
    assert reason(kept.to(replace(right, secret="wrong"))) == "password"
    assert reason(kept.to(replace(right, fingerprint=""))) == "certificate", "nobody has signed it"
    assert kept.copier().test().result(60)["shown"] == right.fingerprint
    webdav.stop()
    assert reason(kept.to(right)) == "unreachable"
    webdav.key += 1
    webdav.start()
    assert reason(kept.to(right)) == "certificate", "it is another one than was pinned"
    webdav.stop()
    webdav.arguments = ("--read-only",)
    webdav.start()
    assert reason(kept.to(webdav.copy())) == "no-folder"
    assert webdav.files() == {}


@pytest.mark.parametrize("kind", ["sftp", "webdav"])
def test_a_full_disk_there_is_named_and_what_found_room_counts(kind: str, kept: Kept, tmp_path: Path) -> None:
    server = Server(kind, tmp_path / "full", room=400_000).start()
    try:
        kept.put(6, size=100_000)
        kept.to(server.copy())
        copier = kept.copier()
        copier.round()
        assert copier.told()["reason"] == "no-room"
        picture = kept.picture()
        assert 2 <= picture.copied <= 3
        assert picture.left == 6 - picture.copied
        assert picture.runs[0].reason == "no-room"
    finally:
        server.stop()


def test_a_server_that_dies_midway_gets_the_rest_later(kept: Kept, sftp: Server) -> None:
    server = sftp
    kept.put(6, size=150_000)
    kept.to(server.copy(bandwidth_kbit=3200))
    copier = kept.copier()
    copier.start()
    try:
        until(lambda: len(server.files()) >= 2, 30.0, "some arrive")
        server.stop(kill=True)
        until(lambda: copier.told()["reason"] == "unreachable", 90.0, "it is noticed")
    finally:
        copier.stop()
    assert kept.picture().left > 0
    server.start()
    kept.to(replace(kept.office.copy[0], bandwidth_kbit=0))
    work(kept.copier())
    assert server.files() == kept.files()
    assert kept.picture().left == 0


def test_what_goes_here_stays_there_unless_the_owner_says_otherwise(kept: Kept, sftp: Server) -> None:
    first, second, third = kept.put(3)
    kept.to(sftp.copy())
    work(kept.copier())
    before = sftp.files()
    kept.shelf.write(lambda db: sounds.gone(db, first.recording, 1, "age"))
    kept.shelf.write(lambda db: sounds.gone(db, second.recording, 1, "erased"))
    work(kept.copier())
    assert set(before) - set(sftp.files()) == {f"backup/ramal/{second.path}"}, "only of the erased person"
    assert kept.shelf.read(lambda db: rows.left_far(db, [second.recording])) == 0
    kept.to(replace(kept.office.copy[0], delete=True))
    work(kept.copier())
    assert set(sftp.files()) == {f"backup/ramal/{third.path}"}


def test_copies_that_are_to_be_forgotten_go_also_when_the_server_was_away(kept: Kept, sftp: Server) -> None:
    first, second = kept.put(2)
    kept.to(sftp.copy(window=NIGHT))
    copier = kept.copier()
    copier.ask("now")
    work(copier)
    sftp.stop()
    kept.shelf.write(lambda db: rows.forget(db, [first.recording]))
    copier.round()
    assert kept.picture().forget == 1
    assert kept.shelf.read(lambda db: rows.left_far(db, [first.recording])) == 1
    sftp.start()
    copier = kept.copier()
    work(copier)
    assert set(sftp.files()) == {f"backup/ramal/{second.path}"}, "also outside the window"
    assert kept.shelf.read(lambda db: rows.left_far(db, [first.recording])) == 0


def test_a_person_erased_while_a_recording_is_being_sent_leaves_no_copy(kept: Kept, sftp: Server) -> None:
    (sound,) = kept.put(1, size=400_000)
    kept.to(sftp.copy(bandwidth_kbit=3200))
    copier = kept.copier()
    copier.start()
    try:
        until(lambda: sftp.files(), 30.0, "it is on its way")
        kept.shelf.write(lambda db: rows.forget(db, [sound.recording]))
        kept.shelf.write(lambda db: sounds.gone(db, sound.recording, 1, "erased"))
        kept.shelf.write(lambda db: sounds.unlinked(db, [sound.recording]))
        kept.shelf.write(lambda db: sounds.erase(db, sound.recording, 2))
        until(lambda: not kept.shelf.read(lambda db: rows.left_far(db, [sound.recording])), 60.0, "it is forgotten")
    finally:
        copier.stop()
    assert sftp.files() == {}


def test_a_recording_that_is_damaged_here_never_becomes_a_copy(kept: Kept, sftp: Server) -> None:
    good, bad, lost = kept.put(3)
    root = kept.shelf.home.root
    (root / bad.path).write_bytes(b"x" * bad.bytes)
    (root / lost.path).unlink()
    kept.to(sftp.copy())
    work(kept.copier())
    assert set(sftp.files()) == {f"backup/ramal/{good.path}"}
    failures = kept.picture().failures
    assert {one.path: one.reason for one in failures} == {bad.path: "damaged", lost.path: "missing"}
    assert kept.picture().left == 2


@pytest.mark.parametrize("kind", ["sftp", "webdav"])
def test_a_check_finds_what_is_not_there_any_more_and_it_is_sent_again(
    kind: str, kept: Kept, request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue(kind)
    changed, short, lost, _ = kept.put(4)
    kept.to(server.copy(window=NIGHT))
    copier = kept.copier()
    copier.ask("now")
    work(copier)
    folder = server.folder / "backup/ramal"
    (folder / short.path).write_bytes(b"x")
    (folder / lost.path).unlink()
    if kind == "sftp":  # only who computes digests there can tell this one
        (folder / changed.path).write_bytes(b"x" * changed.bytes)
    copier.ask("check")
    work(copier)
    picture = kept.picture()
    assert (picture.runs[0].kind, picture.runs[0].failed) == ("check", 3 if kind == "sftp" else 2)
    assert picture.left == picture.runs[0].failed
    copier.ask("now")
    work(copier)
    assert server.files() == kept.files()


def test_nothing_is_sent_while_the_box_is_busy_or_outside_the_night(kept: Kept, sftp: Server) -> None:
    kept.put()
    kept.to(sftp.copy())
    kept.load = 99.0
    copier = kept.copier()
    assert not copier.round()
    assert copier.told()["waiting"]
    kept.load = 0.0
    kept.shelf.state = State()  # Asterisk is not seen: there may be calls, and half the load is too much
    kept.load = 1.4
    assert not copier.round()
    assert sftp.files() == {}
    kept.load = 0.0
    kept.to(replace(kept.office.copy[0], window=NIGHT))
    work(kept.copier())
    assert sftp.files() == {}
    assert kept.picture().runs == ()


def test_who_asked_for_copies_now_gets_them_also_after_a_restart(kept: Kept, sftp: Server) -> None:
    kept.put()
    kept.to(sftp.copy(window=NIGHT))
    copier = kept.copier()
    copier.ask("now")
    kept.load = 0.0
    place = copier.told()["place"]
    kept.shelf.write(lambda db: rows.begin_run(db, "now", place or "x", kept.shelf.now_ms))
    kept.shelf.write(lambda db: db.execute("UPDATE copy_run SET place = ?", (kept.place(),)))
    work(kept.copier())  # another daemon: it was told nothing
    assert sftp.files() == kept.files()


def test_many_recordings_arrive_parcel_by_parcel(kept: Kept, sftp: Server) -> None:
    kept.put(MANY, size=300)
    kept.to(sftp.copy())
    assert work(kept.copier()) == -(-MANY // 100)
    assert sftp.files() == kept.files()
    assert kept.picture().runs[0].copied == MANY


def test_a_warning_comes_after_the_days_the_owner_gave_and_goes_with_the_copy(kept: Kept, sftp: Server) -> None:
    kept.put(2)
    kept.to(sftp.copy(window=NIGHT, warn_days=3))
    copier = kept.copier()
    copier.round()
    assert not kept.shelf.told[-1].holds, "the place is new: it could not have been copied before"
    kept.shelf.now_ms += 3 * 24 * 3_600_000 + 1
    copier.round()
    last = kept.shelf.told[-1]
    assert (last.code, last.holds, last.args) == (
        warnings.COPIES_BEHIND,
        True,
        (("count", 2), ("days", 3), ("reason", "")),
    )
    copier.ask("now")
    work(copier)
    assert not kept.shelf.told[-1].holds


def test_neither_the_secret_nor_anything_like_it_is_on_a_command_line_or_on_the_disk(kept: Kept, sftp: Server) -> None:
    kept.put(2, size=300_000)
    copy: Copy = sftp.copy(bandwidth_kbit=1600)
    kept.to(copy)
    copier = kept.copier()
    seen: set[bytes] = set()

    def look() -> bool:
        for one in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = one.read_bytes()
            except OSError:
                continue
            if b"rclone" in line and b"far:" in line:
                seen.add(line)
        return any(b"copy" in line.split(b"\0") for line in seen)

    copier.start()
    try:
        until(look, 30.0, "rclone runs")
    finally:
        copier.stop()
    assert all(copy.secret.encode() not in line and b"127.0.0.1" not in line for line in seen)
    for file in kept.shelf.home.copies.rglob("*"):
        assert copy.secret.encode() not in file.read_bytes()


def test_a_former_place_is_named_until_the_owner_says_that_it_is_empty(
    kept: Kept, sftp: Server, webdav: Server
) -> None:
    first, _ = kept.put(2)
    kept.to(sftp.copy())
    former = kept.place()
    work(kept.copier())
    kept.to(webdav.copy())
    work(kept.copier())
    assert webdav.files() == kept.files(), "what lies elsewhere is not a copy here"
    kept.shelf.write(lambda db: rows.forget(db, [first.recording]))
    work(kept.copier())
    assert kept.picture().elsewhere == ((former, 1),)
    kept.shelf.write(lambda db: rows.drop_place(db, former))
    assert kept.picture().elsewhere == ()


def test_without_rclone_a_sentence_says_so(kept: Kept, sftp: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from ramal.ops import copies, far

    kept.put()
    kept.to(sftp.copy())
    monkeypatch.setattr(far, "program", lambda: None)
    monkeypatch.setattr(copies, "program", lambda: None)
    wanted: Code = "no-rclone"
    assert reason(kept) == wanted
    with pytest.raises(copies.NotNow, match="apt-get install rclone"):
        kept.copier().ask("now")
