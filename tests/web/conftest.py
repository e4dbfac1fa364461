"""Boxes, pages and browsers for the page's tests."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from ramal_web.app import create_app
from ramal_web.settings import of_home
from tests.until import until
from tests.web.box import PASSWORD, Box

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-audio-output",
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: a unix socket's address has no room for pytest's."""
    with tempfile.TemporaryDirectory(prefix="ramal-web-") as made:
        yield Path(made)


@pytest.fixture
def box(folder: Path) -> Iterator[Box]:
    made = Box(folder / "home")
    made.daemon.start()
    yield made
    made.close()


@pytest.fixture
def fresh_box(folder: Path) -> Iterator[Box]:
    """A box whose owner still has the one-time password."""
    made = Box(folder / "home", must_change=True)
    made.daemon.start()
    yield made
    made.close()


def english(app: Flask) -> FlaskClient:
    """A browser that asks for English."""
    client = app.test_client()
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


@pytest.fixture
def client(box: Box) -> FlaskClient:
    return english(create_app(of_home(box.home)))


class Served:
    """The page as its own process, as it runs on a box."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.port = 0
        self.log = box.home.log / "web.log"
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ramal_web", "--home", self.box.home.root, "--port", str(self.port)],
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        found = until(self._listening, 30.0, "the page listens")
        self.port = int(found)
        self.url = f"http://127.0.0.1:{self.port}"

    def _listening(self) -> str:
        assert self.process.poll() is None, self.log.read_text()
        told = re.findall(r"listens on http://127\.0\.0\.1:(\d+)/", self.log.read_text())
        return told[-1] if len(told) > self._times else ""

    _times = 0

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        self._times += 1
        self.process.send_signal(with_signal)
        return self.process.wait(10)


@pytest.fixture
def served(box: Box) -> Iterator[Served]:
    page = Served(box)
    yield page
    page.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    made = chromium.new_context(viewport={"width": 1366, "height": 800}, locale="en-US")
    made.set_default_timeout(15_000)
    yield made
    made.close()


@pytest.fixture
def faults(page: Page) -> list[str]:
    """What the browser complained about: scripts, blocked styles, dialogs that a hostile name opened."""
    heard: list[str] = []
    page.on("pageerror", lambda error: heard.append(f"script: {error}"))
    page.on("dialog", lambda dialog: (heard.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on(
        "console",
        lambda message: heard.append(message.text) if "Content Security Policy" in message.text else None,
    )
    return heard


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def sign_in(page: Page, url: str, password: str = PASSWORD) -> None:
    page.goto(url + "/login")
    page.fill("#user", "owner")
    page.fill("#password", password)
    page.click("form.form button")
    page.wait_for_url(lambda address: "/login" not in address)
