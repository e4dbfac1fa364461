"""For every test: the long files first, so that no worker is left alone with one at the end; what is spoken, kept."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.system import spoken

# Started by a script in the background, this process would ignore SIGINT, and so would every process under test.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The machine is shared: how long an example takes says nothing about the product, so no test fails for it.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

LONG = (
    *("system/test_attacks", "system/test_transfers", "system/test_phone_features", "system/test_calls"),
    *("system/test_agents_on_phones", "box/test_up", "web/test_browser", "system/test_daemon_death"),
    *("system/test_callback", "system/test_trouble", "web/test_inbound", "system/test_callers", "system/test_menus"),
    *("system/test_callback_ends", "system/test_callback_more", "system/test_night", "system/test_supervise"),
    *("system/test_outside", "box/test_disk_full", "system/test_drill", "web/test_wall", "system/test_stages"),
)
"""As measured, the longest first. The others follow by folder."""
FOLDERS = ("system", "web", "box", "virtual", "process", "provide")
ROOT = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """The controller makes the folder of spoken prompts; workers find it in their environment."""
    if spoken.FOLDER not in os.environ:
        folder = tempfile.mkdtemp(prefix="ramal-spoken-", dir="/tmp")
        os.environ[spoken.FOLDER] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files keep their order inside; only which file comes first changes."""

    def turn(item: pytest.Item) -> tuple[int, int]:
        file = item.path.relative_to(ROOT).with_suffix("")
        long = LONG.index(str(file)) if str(file) in LONG else len(LONG)
        return long, FOLDERS.index(file.parts[0]) if file.parts[0] in FOLDERS else len(FOLDERS)

    items.sort(key=turn)
