"""What is known of far copies: who asks for one to be forgotten is heard at every moment of its making."""

from ramal.store import copies as rows
from ramal.store import sounds
from tests.copies.kept import Kept

PLACE = "sftp://u@h:22/f"


def test_a_copy_that_is_to_be_forgotten_neither_arrives_nor_is_sent_nor_fails_back_into_being(kept: Kept) -> None:
    kept.put(1)
    (one,) = kept.shelf.read(lambda db: rows.due(db, PLACE, 0, 10))
    kept.shelf.write(lambda db: rows.sending(db, PLACE, [one]))
    assert kept.shelf.write(lambda db: rows.forget(db, [one.recording])) == 1
    kept.shelf.write(lambda db: rows.arrived(db, PLACE, [(one.recording, "sha1")], 5))
    kept.shelf.write(lambda db: rows.sending(db, PLACE, [one]))
    kept.shelf.write(lambda db: rows.failed(db, PLACE, one.recording, 5, "other"))
    state = kept.shelf.read(lambda db: db.execute("SELECT state FROM far_copy").fetchall())
    assert state == [("forget",)]
    assert kept.shelf.read(lambda db: rows.due(db, PLACE, 10**15, 10)) == ()
    assert kept.shelf.read(lambda db: rows.to_forget(db, PLACE, 10**15, 10, aged=False)) == ((one.recording, one.path),)


def test_a_file_that_is_another_recording_s_now_is_not_removed_with_the_first(kept: Kept) -> None:
    from dataclasses import replace

    (first,) = kept.put(1)
    (one,) = kept.shelf.read(lambda db: rows.due(db, PLACE, 0, 10))
    kept.shelf.write(lambda db: (rows.sending(db, PLACE, [one]), rows.arrived(db, PLACE, [(one.recording, "md5")], 1)))
    kept.shelf.write(lambda db: sounds.gone(db, first.recording, 1, sounds.MOVED))
    kept.shelf.write(lambda db: sounds.keep(db, replace(first, recording=first.recording + 64)))
    kept.shelf.write(lambda db: rows.forget(db, [first.recording]))
    assert kept.shelf.read(lambda db: rows.to_forget(db, PLACE, 5, 10, aged=True)) == ()
    assert kept.shelf.write(lambda db: rows.disown(db, PLACE)) == 1
    assert kept.shelf.read(lambda db: rows.left_far(db, [first.recording])) == 0
