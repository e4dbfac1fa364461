"""For every test: the long ones first, so that no worker is left alone with them at the end."""

from pathlib import Path

import pytest

FIRST = ("system", "box", "virtual")
ROOT = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole folders keep their order; only which folder comes first changes."""

    def turn(item: pytest.Item) -> int:
        folder = item.path.relative_to(ROOT).parts[0]
        return FIRST.index(folder) if folder in FIRST else len(FIRST)

    items.sort(key=turn)
