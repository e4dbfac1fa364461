"""For every test: the long files first, so that no worker is left alone with one at the end; what is spoken, kept."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from tests.system import spoken

# Started by a script in the background, this process would ignore SIGINT, and so would every process under test.
signal.signal(signal.SIGINT, signal.default_int_handler)

FIRST = ("system", "box", "virtual")
ROOT = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """The controller makes the folder of spoken prompts; workers find it in their environment."""
    if spoken.FOLDER not in os.environ:
        folder = tempfile.mkdtemp(prefix="ramal-spoken-", dir="/tmp")
        os.environ[spoken.FOLDER] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files keep their order inside; only which file comes first changes."""

    def turn(item: pytest.Item) -> int:
        folder = item.path.relative_to(ROOT).parts[0]
        return FIRST.index(folder) if folder in FIRST else len(FIRST)

    items.sort(key=turn)
