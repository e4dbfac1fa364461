"""The status lamp through gpiozero (its own strict mock of a board) and through the kernel's files."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory

from ramal.box.home import Home
from ramal.box.lamp import facts_of, play
from ramal.core.status_lamp import RHYTHMS, Facts
from ramal_hw.status_lamp import PIN, KernelLamp, Lamps, PinLamp, find
from tests.system.ports import free_port

UNCLAIMED = Facts(up_ms=1, safe=False, calls=True, daemon=True, claimed=False)


@pytest.fixture
def board() -> Iterator[MockFactory]:
    before, Device.pin_factory = Device.pin_factory, MockFactory()
    yield Device.pin_factory
    Device.pin_factory.reset()
    Device.pin_factory = before


def led(folder: Path, name: str) -> Path:
    found = folder / name
    found.mkdir(parents=True)
    (found / "trigger").write_text("none timer [mmc0] heartbeat\n")
    (found / "max_brightness").write_text("255\n")
    (found / "brightness").write_text("0")
    return found


def test_an_unclaimed_box_waits_with_its_rhythm_on_the_status_pin(board: MockFactory) -> None:
    lamp, seen, now = PinLamp(), list[tuple[int, bool]](), [0]

    def pause(seconds: float) -> None:
        seen.append((now[0], bool(board.pin(PIN).state)))
        now[0] += round(seconds * 1000)

    play(lamp, lambda: UNCLAIMED, lambda: now[0], pause, lambda: now[0] >= 6000)
    assert {at for at, lit in seen if lit} >= {0, 400, 800, 2200, 2600, 3000, 4400, 4800, 5200}
    assert all(lit == RHYTHMS["unclaimed"].is_lit(at) for at, lit in seen)
    lamp.close()
    assert not board.pin(PIN).state


def test_the_rhythm_follows_how_the_box_is(board: MockFactory) -> None:
    lamp, now, lit = PinLamp(), [0], list[bool]()
    well = Facts(1, False, True, True, True)

    def pause(seconds: float) -> None:
        if now[0] >= 20_000:
            lit.append(bool(board.pin(PIN).state))
        now[0] += round(seconds * 1000)

    play(lamp, lambda: UNCLAIMED if now[0] < 15_000 else well, lambda: now[0], pause, lambda: now[0] >= 40_000)
    assert lit
    assert all(lit), "steady once it is claimed"
    lamp.close()


def test_the_kernels_lamp_is_given_back(tmp_path: Path) -> None:
    folder = led(tmp_path, "ACT")
    lamp = KernelLamp(folder)
    assert folder.joinpath("trigger").read_text() == "none"
    lamp.show(True)
    assert folder.joinpath("brightness").read_text() == "255"
    lamp.show(False)
    assert folder.joinpath("brightness").read_text() == "0"
    lamp.close()
    assert folder.joinpath("trigger").read_text() == "mmc0"


def test_the_hats_lamp_comes_first_and_without_it_pin_and_board_say_the_same(
    tmp_path: Path, board: MockFactory
) -> None:
    act = led(tmp_path, "ACT")
    both = find(tmp_path)
    assert isinstance(both, Lamps)
    both.show(True)
    assert board.pin(PIN).state
    assert act.joinpath("brightness").read_text() == "255"
    both.close()
    led(tmp_path, "ramal:status")
    assert isinstance(find(tmp_path), KernelLamp), "the kernel has the pin then: gpiozero must not"


def test_a_box_without_a_lamp_is_a_box(tmp_path: Path) -> None:
    def none() -> PinLamp:
        raise RuntimeError("no pins")

    assert find(tmp_path, none) is None


def test_what_is_shown_needs_no_daemon(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    home.save_settings(replace(home.settings(), sip_port=free_port()))
    assert facts_of(home, tmp_path / "safe", 5) == Facts(5, False, False, False, True)
    home.claim.write_text("abcd-2345\n")
    (tmp_path / "safe").mkdir()
    assert facts_of(home, tmp_path / "safe", 5) == Facts(5, True, False, False, False)
