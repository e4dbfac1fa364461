"""A box for the page's tests: a real home, a real database, and a control socket that says what a test tells it to say.

The daemon behind the socket is this product's own ``ramal.control.server`` with handlers that answer from ``Daemon``'s
fields; whatever the page asked is kept in ``asked``.
"""

import copy
import io
import itertools
import math
import random
import time
import wave
from array import array
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from ramal.box.home import Home
from ramal.control.protocol import Request
from ramal.control.server import Server
from ramal.core import office_file
from ramal.core.office import Office
from ramal.errors import RamalError
from ramal.store import migrations, settings, users
from ramal.store.db import open_writer
from ramal.store.ingest import Ingest
from ramal_web.auth import passwords
from tests.store.office_day import Script, a_call, merge

DEMO = Path(__file__).parents[2] / "firmware" / "ramal" / "offices" / "demo.toml"
PASSWORD = "correct horse battery"
FIRST_PASSWORD = "one-time-7Kf3"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def demo_office() -> Office:
    secrets = (f"secret-{n:032}" for n in itertools.count())
    return office_file.read(DEMO.read_text(encoding="utf-8"), str(DEMO), lambda: next(secrets))


class Daemon:
    """Answers the page. ``live`` is what it says of this moment; ``at_ms`` is added when it is asked."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.live: dict[str, Any] = quiet_moment()
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.refuse: dict[str, str] = {}
        self.silent: set[str] = set()
        self.drill: dict[str, Any] = {"state": "running", "steps": [], "call": None}
        self.names: tuple[str, ...] = ("ping", "live", "drill.start", "drill.status", "user.set_password", "audit")
        self._server: Server | None = None

    def start(self) -> None:
        self._server = Server(self.home.control_sock, dict.fromkeys(self.names, self._answer))
        self._server.start()

    def stop(self) -> None:
        if self._server:
            self._server.stop()
            self._server = None

    def asked_for(self, do: str) -> list[dict[str, Any]]:
        return [given for name, given in self.asked if name == do]

    def _answer(self, request: Request) -> "dict[str, Any] | Future[Any]":
        if request.do != "live":
            self.asked.append((request.do, dict(request.given)))
        if request.do in self.silent:
            return Future()
        if request.do in self.refuse:
            raise RamalError(self.refuse[request.do])
        match request.do:
            case "live":
                return {"at_ms": now_ms()} | copy.deepcopy(self.live)
            case "drill.start":
                return {"drill": "d1"}
            case "drill.status":
                return copy.deepcopy(self.drill)
            case "user.set_password":
                return self._set_password(request.text("name"), request.text("hash"))
        return {}

    def _set_password(self, name: str, hash_: str) -> dict[str, Any]:
        db = open_writer(self.home.db)
        try:
            users.set_password(db, name, hash_)
        finally:
            db.close()
        return {}


def quiet_moment() -> dict[str, Any]:
    """The demo office with everybody free and nobody calling."""
    since_ms = now_ms() - 600_000
    people = (("1", "Ana Souza", "201"), ("2", "Bruno Oliveira", "202"), ("3", "Carla Nascimento", "203"))
    return {
        "asterisk": {"up": True, "since_ms": since_ms, "version": "22.10.1", "reason": ""},
        "office": {"name": "Padaria Sol", "timezone": "America/Sao_Paulo"},
        "queues": [
            {"name": name, "title": title, "waiting": 0, "longest_since_ms": None}
            | {"agents_free": 3, "agents_busy": 0, "agents_paused": 0, "agents_away": 0}
            for name, title in (("vendas", "Vendas e encomendas"), ("suporte", "Atendimento ao cliente"))
        ],
        "waiting": [],
        "agents": [
            {"code": code, "name": name, "phone": phone, "state": "free", "since_ms": since_ms, "reason": ""}
            | {"queues": ["vendas", "suporte"], "caller": "", "call": ""}
            for code, name, phone in people
        ],
        "phones": [],
        "lines": [{"name": "loop", "reachable": None}],
        "today": {"received": 0},
        "warnings": [],
        "ingest": {"behind_bytes": 0},
    }


def waiting(call: str, caller: str, name: str = "", waited_ms: int = 30_000, queue: str = "vendas") -> dict[str, Any]:
    """One waiting caller of ``live``."""
    return {"call": call, "queue": queue, "caller": caller, "caller_name": name, "since_ms": now_ms() - waited_ms} | {
        "position": 1,
        "ringing": [],
    }


class Box:
    """One home with an office and an owner; ``daemon`` is started by the tests that want one."""

    def __init__(self, root: Path, must_change: bool = False) -> None:
        self.home = Home(root)
        self.home.prepare()
        db = open_writer(self.home.db)
        try:
            migrations.migrate(db)
            settings.save(db, demo_office())
            secret = FIRST_PASSWORD if must_change else PASSWORD
            db.execute(
                "INSERT INTO user (name, role, password_hash, must_change, created_ms)"
                " VALUES ('owner', 'owner', ?, ?, ?)",
                (passwords.hashed(secret), int(must_change), now_ms()),
            )
        finally:
            db.close()
        self.daemon = Daemon(self.home)

    def add_history(self, calls: Iterable[Script]) -> None:
        """Write the calls' journals where Asterisk writes them, and read them into the history."""
        cel, queue_log = merge(calls)
        with (self.home.asterisk_log / "cel-custom" / "ramal.csv").open("ab") as file:
            file.write(cel)
        with (self.home.asterisk_log / "queue_log").open("ab") as file:
            file.write(queue_log)
        db = open_writer(self.home.db)
        try:
            ingest = Ingest(db, self.home.asterisk_log)
            while ingest.step():
                pass
        finally:
            db.close()

    def finish_recordings(self, state: str = "ready", seconds: float = 10.0) -> None:
        """Give every recording a file with a tone, and say in the database that it is finished."""
        db = open_writer(self.home.db)
        try:
            for (path,) in db.execute("SELECT path FROM recording").fetchall():
                target = self.home.root / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(tone_wav(seconds))
            db.execute("UPDATE recording SET state = ?, duration_ms = ?", (state, int(seconds * 1000)))
        finally:
            db.close()

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What ``store.writer`` would do, said directly."""
        db = open_writer(self.home.db)
        try:
            return db.execute(statement, values).fetchall()
        finally:
            db.close()

    def close(self) -> None:
        self.daemon.stop()


def answered_call(serial: int, at_ms: int, caller: str = "+5511987654321", name: str = "Maria") -> Script:
    """Menu, queue, one agent who misses it, one who answers; ten seconds of talk."""
    call = Script(serial, at_ms, caller, name, "+551133330000").arrive().menu().join("vendas").wait(1200)
    return call.miss("vendas", "2", "202", 6000).talk("vendas", "1", "201", 2300, 10_000)


def abandoned_call(serial: int, at_ms: int, caller: str = "+5511912345678", name: str = "") -> Script:
    """Somebody who waited twenty seconds."""
    return (
        Script(serial, at_ms, caller, name, "+551133330000")
        .arrive()
        .menu()
        .join("vendas")
        .wait(20_000)
        .abandon("vendas")
    )


def demo_calls(count: int, step_ms: int = 1_700_000) -> list[Script]:
    """``count`` calls of every kind, the newest just now."""
    begin_ms = now_ms() - count * step_ms
    chance = random.Random(5)
    return [a_call(chance, n * 10 + 1, begin_ms + n * step_ms) for n in range(count)]


def tone_wav(seconds: float) -> bytes:
    """A WAV file as Asterisk writes them (8 kHz, 16 bit, mono) with a tone."""
    samples = array("h", (int(9000 * math.sin(n * 0.35)) for n in range(int(8000 * seconds))))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(samples.tobytes())
    return file.getvalue()
