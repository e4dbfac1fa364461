"""The engine's loop: what a failing step, a full inbox and a watchdog mean."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ramal.core.commands import Command, PauseMember
from ramal.core.events import AmiDown, Event, ReachChanged, Ticked
from ramal.core.state import State
from ramal.engine import FAILURES_MAX, Engine
from ramal.notify import Notifier
from tests.until import until

PAUSE = PauseMember("201", True)


def counting(state: State, event: Event, now_ms: int) -> tuple[State, tuple[Command, ...]]:
    """Fails on a lost Asterisk, commands on a reachable phone, else only counts."""
    if isinstance(event, AmiDown):
        raise RuntimeError(event.reason)
    commands: tuple[Command, ...] = (PAUSE,) if isinstance(event, ReachChanged) else ()
    return replace(state, refused_ms=state.refused_ms + 1), commands


@contextmanager
def running(engine: Engine) -> Iterator[list[int]]:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(engine.run()))
    thread.start()
    try:
        yield codes
    finally:
        engine.stop()
        thread.join(10)
        assert not thread.is_alive()


def engine(dispatched: list[Command] | None = None, *, tick_s: float = 60.0) -> Engine:
    taken = dispatched if dispatched is not None else []
    return Engine(counting, taken.append, tick_s=tick_s, narrate=lambda *_: ())


def test_events_are_taken_in_order_and_their_commands_go_out() -> None:
    dispatched: list[Command] = []
    it = engine(dispatched)
    with running(it) as codes:
        for _ in range(100):
            it.put(ReachChanged("201", True))
        until(lambda: it.steps == 100)
        assert it.state.refused_ms == 100
        assert it.depth == 0
    assert (codes, dispatched) == ([0], [PAUSE] * 100)


def test_what_comes_next_is_called_when_all_that_was_put_before_is_taken_and_may_fail(
    caplog: pytest.LogCaptureFixture,
) -> None:
    it, seen = engine(), list[int | None]()
    for _ in range(50):
        it.put(ReachChanged("201", True))
        it.then(lambda: seen.append(it.state.refused_ms))
    it.then(lambda: seen.remove(-1))
    with running(it):
        until(lambda: "remove" in caplog.text or "lambda" in caplog.text, 10, "the failure is logged")
        it.put(ReachChanged("201", True))
        until(lambda: it.steps == 51)
    assert seen == list(range(1, 51))


def test_a_failing_step_is_logged_with_its_event_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    it = engine()
    with running(it), caplog.at_level(logging.ERROR):
        it.put(ReachChanged("201", True))
        for _ in range(FAILURES_MAX - 1):
            it.put(AmiDown("boom"))
        it.put(ReachChanged("201", True))
        until(lambda: it.steps == 2)
        assert it.state.refused_ms == 2
    assert "AmiDown(reason='boom')" in caplog.text
    assert "RuntimeError: boom" in caplog.text


def test_several_failing_steps_in_a_row_end_the_process_with_a_code() -> None:
    it = engine()
    with running(it) as codes:
        for _ in range(FAILURES_MAX):
            it.put(AmiDown("boom"))
        until(lambda: codes == [1])


def test_a_command_that_cannot_be_taken_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(command: Command) -> None:
        raise OSError("no way")

    it = Engine(counting, refuse, tick_s=60.0, narrate=lambda *_: ())
    with running(it), caplog.at_level(logging.ERROR):
        it.put(ReachChanged("201", True))
        it.put(ReachChanged("201", True))
        until(lambda: it.steps == 2)
    assert "a command was not taken" in caplog.text


def test_a_quiet_engine_ticks_and_nothing_more() -> None:
    it = engine(tick_s=0.05)
    with running(it):
        until(lambda: it.steps >= 3)


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "150000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield listener


def test_systemd_hears_ready_and_watchdog_only_after_completed_steps(systemd: socket.socket) -> None:
    it = Engine(counting, lambda _: None, notifier=Notifier(), narrate=lambda *_: ())
    it.put(AmiDown("boom"))
    it.put(ReachChanged("201", True))
    with running(it):
        assert systemd.recv(100) == b"READY=1"
        assert it.steps == 1
        assert [systemd.recv(100) for _ in range(2)] == [b"WATCHDOG=1"] * 2


def test_an_engine_whose_steps_fail_lets_the_watchdog_run_out(systemd: socket.socket) -> None:
    def broken(state: State, event: Event, now_ms: int) -> tuple[State, tuple[Command, ...]]:
        raise RuntimeError

    it = Engine(broken, lambda _: None, notifier=Notifier(), narrate=lambda *_: ())
    with running(it) as codes:
        until(lambda: codes == [1])
    systemd.settimeout(0)
    with pytest.raises(BlockingIOError):
        systemd.recv(100)


def test_without_systemd_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    it = Engine(counting, lambda _: None, tick_s=0.01, narrate=lambda *_: ())
    it.put(Ticked())
    with running(it):
        until(lambda: it.steps > 2)
