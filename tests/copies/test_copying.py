"""Recordings copied to real servers, and everything that can come in between."""

import pytest

from tests.copies.kept import Kept, work
from tests.copies.servers import Server


@pytest.mark.parametrize("kind", ["sftp", "webdav"])
def test_every_kept_recording_arrives_as_it_is_and_is_proved(
    kind: str, kept: Kept, request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue(kind)
    kept.put(3)
    kept.shelf.put(b"RIFF not kept yet")
    kept.to(server.copy())
    work(kept.copier())
    assert server.files() == kept.files()
    picture = kept.picture()
    assert (picture.copied, picture.left, picture.unkept, picture.failures) == (3, 0, 1, ())
    assert (picture.runs[0].kind, picture.runs[0].copied, picture.runs[0].reason) == ("night", 3, "")
    proofs = {row[0] for row in kept.shelf.read(lambda db: db.execute("SELECT proof FROM far_copy").fetchall())}
    assert proofs == ({"sha1"} if kind == "sftp" else {"read", "size"})
