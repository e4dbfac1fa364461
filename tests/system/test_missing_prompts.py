"""Sentences that are missing or that Asterisk cannot play, with real Asterisk and callers who hear: no call dies of it
or falls silent, with no daemon; with one they are spoken anew, and what cannot be is said in words."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.asterisk.prompts import text_prompt
from ramal.core import sound
from tests.system import box, ears
from tests.system.box import TestBox
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system

OFFICE = """
[office]
name = "Línguas"
country = "BR"
timezone = "America/Sao_Paulo"
language = "pt-BR"
languages = ["en", "es"]

[[line]]
name = "loop"
kind = "sip-peer"
addresses = ["127.0.0.1"]
channels = 20

[[number]]
number = "+551133330000"
to = "menu:main"
greeting = "Olá."
greeting_in = { en = "Hello.", es = "Hola." }

[[number]]
number = "+551133330001"
to = "queue:sales"
language = "es"

[[number]]
number = "+551133330002"
to = "voicemail:sales"
language = "en"

[[phone]]
extension = "201"

[[agent]]
code = "7"
name = "Ana"
phone = "201"
pin = "4821"
queues = ["sales"]

[[queue]]
name = "sales"
announce_every_s = 15
announce_wait = false
widen_after_s = 0

[[menu]]
name = "main"
text = "Menu."
text_in = { en = "Main menu.", es = "El menú." }
wait_s = 10
options = { 1 = "queue:sales", 2 = { to = "repeat", language = "en" }, 3 = { to = "repeat", language = "es" } }
"""
MAIN, WRONG, MESSAGE = 400.0, 1200.0, 1400.0
TWICE = sound.wav_bytes(sound.tone([600.0], 300, rate_hz=16_000), 16_000)
IMPATIENT = """
import sys
from pathlib import Path
from ramal.app import Pace, run
from ramal.box.home import Home
run(Home(Path(sys.argv[1])), Pace(round_s=0.5))
"""


def own(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*.wav") if not file.is_symlink()]


@pytest.fixture(scope="module")
def office() -> Iterator[TestBox]:
    """No daemon; nothing of English, nothing of Spanish that can be played, no Spanish word of Asterisk's own, and the
    greeting broken in Portuguese."""
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    made = box.make(folder, OFFICE)
    prompts = made.home.prompts
    (menu, (number, *_)) = made.office.menus[0], made.office.numbers
    said = text_prompt(menu.text, menu.text_in, made.office)
    greeting = text_prompt(number.greeting, number.greeting_in, made.office)
    ears.retune(made, {said.replace("*", "pt_BR"): MAIN, "pt_BR/wrong-key": WRONG, "pt_BR/leave-message": MESSAGE})
    (prompts / f"{greeting.replace('*', 'pt_BR')}.wav").write_bytes(TWICE)
    for file in (*own(prompts / "en"), *own(prompts / "office" / "en")):
        file.unlink()
    for file in (*own(prompts / "es"), *own(prompts / "office" / "es")):
        if "asterisk" in file.parts[-3:]:
            file.unlink()
        else:
            file.write_bytes(TWICE)
    try:
        made.start()
        made.command("devstate change Custom:busy INUSE")
        made.command("queue add member PJSIP/201 to sales penalty 0 as agent-7 state_interface Custom:busy")
        yield made
        assert made.channels() == 0
    finally:
        made.end()
        shutil.rmtree(folder, ignore_errors=True)


def waiting(office: TestBox) -> int:
    return office.command("queue show sales").count("PJSIP/line-loop")


def test_who_chose_a_language_that_has_no_files_hears_the_offices_own(office: TestBox, tmp_path: Path) -> None:
    with ears.calling(office, tmp_path, "+551133330000", "+5511900000101") as caller:
        caller.hears(MAIN, "the menu, though the greeting before it is broken")
        caller.press("2")
        caller.hears(MAIN, "the menu again")
        caller.press("9")
        caller.hears(WRONG, "that this was no option")
        caller.hears(MAIN, "the menu after a wrong key")
    with ears.calling(office, tmp_path, "+551133330002", "+5511900000102") as caller:
        caller.hears(MESSAGE, "to leave a message")


def test_a_menu_whose_files_are_broken_still_beeps_and_takes_keys(office: TestBox, tmp_path: Path) -> None:
    with ears.calling(office, tmp_path, "+551133330000", "+5511900000103") as caller:
        caller.hears(MAIN, "the menu")
        caller.press("3")
        until(lambda: "beep" in heard_files(office), 5, "a beep in place of the menu")
        caller.press("1")
        until(lambda: waiting(office) == 1, 10, "the caller in the queue")


def heard_files(office: TestBox) -> str:
    """What the callers' channels play or did last, as the console tells."""
    return office.command("core show channels verbose")


def test_a_place_without_its_words_costs_nobody_the_call_or_the_music(office: TestBox, tmp_path: Path) -> None:
    office.call(Caller("+551133330001", "+5511900000104", stay_ms=60_000))
    until(lambda: waiting(office) == 1, 10, "the first in the queue")
    with ears.calling(office, tmp_path, "+551133330001", "+5511900000105") as caller:
        until(lambda: waiting(office) == 2, 10, "the second in the queue")

        def music() -> bool:
            samples = list(caller._samples())
            return len(samples) > 4 * sound.RATE_HZ and sound.rms_dbfs(samples[-sound.RATE_HZ :]) > -55

        until(music, 15, "music after the place")
        assert waiting(office) == 2
    office.end_calls()
    office.wait_for_callers()


def ramal(office: TestBox, *words: str) -> tuple[int, str]:
    argv = [sys.executable, "-m", "ramal", "--home", str(office.home.root), *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def warned(office: TestBox) -> str:
    told = ramal(office, "status")[1]
    return "".join(line for line in told.splitlines() if "spoken sentences" in line)


def test_the_daemon_speaks_anew_what_is_amiss_and_says_in_words_what_it_cannot(office: TestBox) -> None:
    prompts = office.home.prompts
    code, told = ramal(office, "prompts", "check")
    assert code == 1
    assert "en/closed.wav is missing" in told
    assert "es/closed.wav has a wrong rate (16000 Hz)" in told
    code, told = ramal(office, "prompts", "mend")
    assert (code, "All " in told) == (0, True), told
    assert ramal(office, "prompts")[0] == 0

    (prompts / "es" / "closed.wav").unlink()
    (prompts / "en" / "closed.wav").write_bytes(TWICE)
    blocked = prompts / "es" / "echo.wav"
    blocked.unlink()
    (blocked / "in the way").mkdir(parents=True)
    office.start_daemon("-c", IMPATIENT, str(office.home.root))
    until(lambda: "es/echo.wav (missing)" in warned(office), 30, "the warning in words")
    assert warned(office).startswith("! 1 spoken sentences"), warned(office)
    assert ramal(office, "prompts", "check")[1].count(".wav") == 1
    shutil.rmtree(blocked)
    assert ramal(office, "prompts", "mend")[0] == 0
    until(lambda: not warned(office), 10, "the warning is taken back")
