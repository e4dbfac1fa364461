from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vault.shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    one = Shelf.at(tmp_path / "home")
    yield one
    one.close()
