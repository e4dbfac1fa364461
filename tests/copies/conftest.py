from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.copies.kept import Kept
from tests.copies.servers import Server


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    one = Kept.at(tmp_path / "home")
    yield one
    one.shelf.close()


@pytest.fixture
def sftp(tmp_path: Path) -> Iterator[Server]:
    one = Server("sftp", tmp_path / "sftp").start()
    yield one
    one.stop()


@pytest.fixture
def webdav(tmp_path: Path) -> Iterator[Server]:
    one = Server("webdav", tmp_path / "webdav").start()
    yield one
    one.stop()
