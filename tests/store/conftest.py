"""A history under test, for every test of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.history import Life


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    one = Life(tmp_path / "journals")
    yield one
    one.close()
