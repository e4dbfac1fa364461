"""For every test: the long ones first, so that no worker is left alone with them at the end."""

import signal
from pathlib import Path

import pytest

# Started by a script in the background, this process would ignore SIGINT, and so would every process under test.
signal.signal(signal.SIGINT, signal.default_int_handler)

FIRST = ("system", "box", "virtual")
ROOT = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole folders keep their order; only which folder comes first changes."""

    def turn(item: pytest.Item) -> int:
        folder = item.path.relative_to(ROOT).parts[0]
        return FIRST.index(folder) if folder in FIRST else len(FIRST)

    items.sort(key=turn)
