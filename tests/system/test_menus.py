"""Menus with real Asterisk, a real phone that presses keys and hears, and no daemon: it is not needed for any of this.

Every sentence is a tone of its own pitch, so a wrong menu or the wrong language is heard. The history is made from
Asterisk's journals afterwards, by the product's own reader.
"""

import contextlib
import json
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ramal import cli
from ramal.asterisk.prompts import FOLDER, text_prompt
from ramal.core import sound
from ramal.core.history import Step
from ramal.core.office import Language
from ramal.store.db import open_writer
from ramal.store.ingest import Ingest
from ramal.store.menus import MenuFigures, menus
from tests.system import agents, box, ears
from tests.system.box import TestBox
from tests.until import until

pytestmark = pytest.mark.system

MAIN, MAIN_EN, SECOND, SECOND_EN, THIRD, STRICT, ENDS = 400.0, 500.0, 600.0, 700.0, 800.0, 900.0, 950.0
WELCOME, WELCOME_EN, WRONG, WRONG_EN, MESSAGE, MESSAGE_EN = 1000.0, 1100.0, 1200.0, 1300.0, 1400.0, 1500.0
CLOSED, CLOSED_EN, PLACE, PLACE_EN = 1600.0, 1700.0, 1750.0, 1850.0
TEXTS: dict[str, tuple[float, float]] = {
    "main": (MAIN, MAIN_EN),
    "second": (SECOND, SECOND_EN),
    "third": (THIRD, THIRD),
    "strict": (STRICT, STRICT),
    "ends": (ENDS, ENDS),
}


def path(menu: str, language: Language, office: TestBox) -> str:
    found = next(each for each in office.office.menus if each.name == menu)
    return text_prompt(found.text, found.text_in, office.office).replace("*", FOLDER[language])


@pytest.fixture(scope="module")
def office() -> Iterator[TestBox]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    made = box.make(folder, box.office("menus"))
    pitches = {path(menu, "pt-BR", made): pitch for menu, (pitch, _) in TEXTS.items()}
    pitches |= {path(menu, "en", made): pitch for menu, (_, pitch) in TEXTS.items()}
    (number, *_) = made.office.numbers
    greeting = text_prompt(number.greeting, number.greeting_in, made.office)
    pitches |= {greeting.replace("*", "pt_BR"): WELCOME, greeting.replace("*", "en"): WELCOME_EN}
    pitches |= {"pt_BR/wrong-key": WRONG, "en/wrong-key": WRONG_EN, "pt_BR/closed": CLOSED, "en/closed": CLOSED_EN}
    pitches |= {"pt_BR/leave-message": MESSAGE, "en/leave-message": MESSAGE_EN}
    pitches |= {"pt_BR/asterisk/queue-thereare": PLACE}
    ears.retune(made, pitches)
    english(made)
    try:
        made.start()
        yield made
        assert made.channels() == 0
        said = (made.home.asterisk_log / "messages.log").read_text(errors="replace")
        assert not re.findall(r".*(?:does not exist in any format|Unable to open|No such file).*", said)
    finally:
        made.end()
        shutil.rmtree(folder, ignore_errors=True)


def english(made: TestBox) -> None:
    """Asterisk's own English, with one sentence as a tone."""
    link = made.home.asterisk_data / "sounds" / "en"
    real = link.readlink()  # a path in the peers' root, not in ours
    link.unlink()
    link.mkdir()
    for name in ("beep.wav", "digits", "queue-youarenext.wav", "queue-callswaiting.wav", "queue-thankyou.wav"):
        (link / name).symlink_to(real / name)
    (link / "queue-thereare.wav").write_bytes(sound.wav_bytes(sound.tone([PLACE_EN], ears.LENGTH_MS)))


def variable(office: TestBox, name: str) -> str:
    """A variable of the one caller's channel."""
    channel = next(line for line in office.command("core show channels concise").splitlines() if "line-loop" in line)
    told = office.command(f"core show channel {channel.split('!')[0]}")
    found = re.search(rf"^{name}=(.*)$", told, re.MULTILINE)
    return found[1] if found else ""


def language(office: TestBox) -> str:
    channel = next(line for line in office.command("core show channels concise").splitlines() if "line-loop" in line)
    return next(
        line.split(":", 1)[1].strip()
        for line in office.command(f"core show channel {channel.split('!')[0]}").splitlines()
        if line.strip().startswith("Language:")
    )


@contextlib.contextmanager
def history(office: TestBox) -> Iterator[sqlite3.Connection]:
    """What the journals say so far; every call has ended."""
    until(lambda: office.channels() == 0, 15, "no channel left")
    with closing(open_writer(office.home.db)) as db:
        ingest = Ingest(db, office.home.asterisk_log)
        while ingest.step():
            pass
        yield db


def told(office: TestBox, caller: str) -> tuple[sqlite3.Row, tuple[Step, ...]]:
    """The one call of a caller, and its steps."""
    with history(office) as db:
        db.row_factory = sqlite3.Row
        (call,) = db.execute("SELECT * FROM call WHERE caller = ? AND ended_ms IS NOT NULL", (caller,)).fetchall()
    return call, office.detail(call["id"]).steps


def steps(found: tuple[Step, ...], kind: str) -> list[tuple[str | int, ...]]:
    return [tuple(step.detail.values()) for step in found if step.kind == kind]


def test_three_menus_deep_and_back_again_to_the_first(office: TestBox, tmp_path: Path) -> None:
    with ears.calling(office, tmp_path, "+551133330000", "+5511900000101") as caller:
        caller.hears(WELCOME, "the greeting")
        caller.hears(MAIN, "the main menu")
        caller.press("1")
        caller.hears(SECOND, "the second menu", never=(WELCOME,))
        caller.press("1")
        caller.hears(THIRD, "the third menu")
        caller.press("*")
        caller.hears(SECOND, "the second menu again", never=(MAIN,))
        caller.press("*")
        caller.hears(MAIN, "the main menu again", never=(WELCOME, THIRD))
        caller.press("*")  # there is nothing above it
        caller.hears(MAIN, "the main menu once more", never=(SECOND, THIRD))
    call, _ = told(office, "+5511900000101")
    assert call["menu"] == "main:1 second:1 third:* second:* main:* main"
    assert call["category"] == "gave_up"


def test_going_back_takes_back_what_a_key_chose_and_pressing_it_twice_lifts_once(
    office: TestBox, tmp_path: Path
) -> None:
    with ears.calling(office, tmp_path, "+551133330000", "+5511900000102") as caller:
        caller.hears(MAIN, "the main menu")
        caller.press("1")
        caller.hears(SECOND, "the second menu")
        for _ in range(2):
            caller.press("1")
            caller.hears(THIRD, "the third menu")
            assert (variable(office, "RAMAL_NEED"), variable(office, "RAMAL_LEVEL")) == ("x-ray", "3")
            caller.press("*")
            caller.hears(SECOND, "the second menu again")
            assert (variable(office, "RAMAL_NEED"), variable(office, "RAMAL_LEVEL")) == ("", "")
        caller.press("1")
        caller.hears(THIRD, "the third menu")
        caller.press("0")  # straight to the main menu by its name: the way is short again
        caller.hears(MAIN, "the main menu", never=(SECOND,))
        assert variable(office, "RAMAL_WAY") == "/main/"
        assert variable(office, "RAMAL_NEED") == ""
    _, found = told(office, "+5511900000102")
    assert steps(found, "need") == [("x-ray",)] * 3


def test_wrong_keys_are_counted_apart_and_lead_to_their_own_place(office: TestBox, tmp_path: Path) -> None:
    with ears.calling(office, tmp_path, "+551133330001", "+5511900000103") as caller:
        caller.hears(STRICT, "the menu")
        assert variable(office, "RAMAL_LEVEL") == "2"  # the number's priority
        caller.hears(STRICT, "the menu again after silence", never=(WRONG,))
        caller.press("7")
        caller.hears(WRONG, "that this was no option")
        caller.hears(STRICT, "the menu after it", never=(SECOND, THIRD))
        caller.press("8")
        caller.hears(WRONG, "the same of the second wrong key")
        caller.hears(SECOND, "where wrong keys lead", never=(THIRD, STRICT))
    _, found = told(office, "+5511900000103")
    assert steps(found, "wrong_key") == [("strict", "7"), ("strict", "8")]
    assert steps(found, "no_key") == [("strict",)]
    assert steps(found, "menu_given_up") == [("strict", "wrong")]


def test_silence_is_counted_apart_and_leads_to_its_own_place_and_repeat_counts_as_neither(
    office: TestBox, tmp_path: Path
) -> None:
    with ears.calling(office, tmp_path, "+551133330001", "+5511900000104") as caller:
        caller.hears(STRICT, "the menu")
        caller.press("9")
        caller.hears(STRICT, "the menu repeated", never=(WRONG,))
        caller.hears(STRICT, "the menu after one silence")
        caller.hears(STRICT, "the menu after two silences")
        caller.hears(THIRD, "where silence leads", never=(SECOND, WRONG))
    _, found = told(office, "+5511900000104")
    assert steps(found, "menu_given_up") == [("strict", "silent")]
    assert steps(found, "menu") == [("strict",), ("strict", "again"), ("third",)]


def test_without_counts_of_their_own_both_count_together_and_lead_on(office: TestBox, tmp_path: Path) -> None:
    with ears.calling(office, tmp_path, "+551133330003", "+5511900000105") as caller:
        caller.hears(ENDS, "the menu")
        caller.press("7")
        caller.hears(WRONG, "that this was no option")
        caller.hears(ENDS, "the menu again")
        caller.hears(SECOND, "where it leads after a wrong key and a silence")
    _, found = told(office, "+5511900000105")
    assert steps(found, "menu_given_up") == [("ends", "silent")]


def test_a_key_interrupts_the_sentence_about_a_wrong_key(office: TestBox, tmp_path: Path) -> None:
    with ears.calling(office, tmp_path, "+551133330003", "+5511900000106") as caller:
        caller.hears(ENDS, "the menu")
        caller.press("7")
        caller.hears(WRONG, "that this was no option")
        caller.press("1")
        caller.hears(MAIN, "the menu of that key", never=(ENDS, SECOND))
    assert told(office, "+5511900000106")[0]["menu"] == "ends:1 main"


def test_an_extension_is_dialed_from_a_menu(office: TestBox, tmp_path: Path) -> None:
    with (
        agents.phone(office, "201", agents.ANSWER) as desk,
        ears.calling(office, tmp_path, "+551133330000", "+5511900000107") as caller,
    ):
        caller.hears(MAIN, "the main menu")
        caller.press("201")  # 2 alone is an option
        until(lambda: any(call.state == "answered" for call in desk.calls.values()), 10, "the phone was reached")
        assert language(office) == "pt_BR"
    call, found = told(office, "+5511900000107")
    assert (call["category"], call["phone"], call["menu"]) == ("answered", "201", "main:201")
    assert steps(found, "language") == []


def test_a_queues_extension_and_the_option_that_begins_it_are_told_apart(office: TestBox, tmp_path: Path) -> None:
    with agents.logged_in(office, "201", agents.IGNORE):
        with ears.calling(office, tmp_path, "+551133330000", "+5511900000108") as caller:
            caller.hears(MAIN, "the main menu")
            caller.press("300")
            until(lambda: variable(office, "RAMAL_QUEUE") == "sales", 10, "waits in the queue")
            assert variable(office, "RAMAL_NEED") == ""
        with ears.calling(office, tmp_path, "+551133330000", "+5511900000109") as caller:
            caller.hears(MAIN, "the main menu")
            caller.press("3")
            until(lambda: variable(office, "RAMAL_QUEUE") == "sales", 10, "waits in the queue")
            assert (variable(office, "RAMAL_NEED"), variable(office, "RAMAL_LEVEL")) == ("x-ray", "1")
    assert told(office, "+5511900000108")[0]["menu"] == "main:300"
    assert told(office, "+5511900000109")[0]["menu"] == "main:3"


def test_a_language_chosen_by_key_holds_in_menus_queue_and_voicemail(office: TestBox, tmp_path: Path) -> None:
    with (
        agents.logged_in(office, "201", agents.IGNORE),
        ears.calling(office, tmp_path, "+551133330000", "+5511900000110") as first,
        ears.calling(office, tmp_path, "+551133330000", "+5511900000111") as caller,
    ):
        first.hears(MAIN, "the main menu")
        first.press("300")
        caller.hears(MAIN, "the main menu")
        caller.press("2")
        caller.hears(MAIN_EN, "the main menu in English", never=(MAIN, WELCOME_EN))
        caller.press("5")
        caller.hears(WRONG_EN, "the built-in sentence in English", never=(WRONG,))
        caller.press("1")
        caller.hears(SECOND_EN, "the second menu in English", never=(SECOND,))
        caller.press("1")
        caller.hears(THIRD, "a text without a translation, in the office's language")
        caller.press("0")  # whose priority would have put this caller before the first one
        caller.hears(MAIN_EN, "the main menu in English")
        caller.press("300")
        caller.hears(PLACE_EN, "the place in the queue in English", never=(PLACE,), timeout_s=25)
    with ears.calling(office, tmp_path, "+551133330000", "+5511900000112") as caller:
        caller.hears(MAIN, "the main menu")
        caller.press("4")
        caller.hears(MESSAGE_EN, "the voicemail in English", never=(MESSAGE, CLOSED_EN))
    _, found = told(office, "+5511900000111")
    assert steps(found, "language") == [("en",)]


def test_a_queue_outside_its_hours_says_so_in_the_numbers_language_and_takes_a_message(
    office: TestBox, tmp_path: Path
) -> None:
    with ears.calling(office, tmp_path, "+551133330002", "+5511900000113") as caller:
        caller.hears(CLOSED_EN, "that it is closed, in English", never=(CLOSED,))
        caller.hears(MESSAGE_EN, "the voicemail in English", never=(MESSAGE,))
    call, found = told(office, "+5511900000113")
    assert (call["category"], call["queue"]) == ("closed", "late")
    assert steps(found, "closed") == [("never", "late")]


def test_a_contacts_queue_comes_before_the_numbers_menu_and_its_hours_are_kept(office: TestBox, tmp_path: Path) -> None:
    for digits, queue in (("5511900000114", "late"), ("5511900000115", "sales"), ("5511900000116", "gone")):
        office.command(f'database put ramal-contact {digits} "|||{queue}|"')
    with ears.calling(office, tmp_path, "+551133330000", "+5511900000114") as caller:
        caller.hears(WELCOME, "the greeting", never=(MAIN,))
        caller.hears(CLOSED, "that the queue is closed", never=(MAIN,))
    call, _ = told(office, "+5511900000114")
    assert (call["category"], call["menu"], call["queue"]) == ("closed", "", "late")
    with (
        agents.logged_in(office, "201", agents.IGNORE),
        ears.calling(office, tmp_path, "+551133330000", "+5511900000115") as caller,
    ):
        caller.hears(WELCOME, "the greeting", never=(MAIN,))
        until(lambda: variable(office, "RAMAL_QUEUE") == "sales", 10, "waits in the contact's queue")
    assert told(office, "+5511900000115")[0]["menu"] == ""
    with ears.calling(office, tmp_path, "+551133330000", "+5511900000116") as caller:
        caller.hears(MAIN, "the menu, because that queue is not there any more")


def test_a_contacts_language_comes_before_the_numbers_and_only_one_that_is_spoken_counts(
    office: TestBox, tmp_path: Path
) -> None:
    for digits, tongue in (("5511900000118", "en"), ("5511900000119", "es"), ("5511900000120", "pt_BR")):
        office.command(f'database put ramal-contact {digits} "|{tongue}|||"')
    with ears.calling(office, tmp_path, "+551133330000", "+5511900000118") as caller:
        caller.hears(WELCOME_EN, "the greeting in English", never=(WELCOME,))
        caller.hears(MAIN_EN, "the menu in English", never=(MAIN,))
    with ears.calling(office, tmp_path, "+551133330000", "+5511900000119") as caller:
        caller.hears(WELCOME, "the greeting, because nobody speaks Spanish here")
        assert language(office) == "pt_BR"
    with ears.calling(office, tmp_path, "+551133330002", "+5511900000120") as caller:  # an English number
        caller.hears(CLOSED, "that it is closed, in the contact's language", never=(CLOSED_EN,))


def test_the_drop_out_point_of_each_caller_is_known(
    office: TestBox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with history(office) as db:
        before = {one.menu: one for one in menus(db, 0, 1 << 53)}
    with ears.calling(office, tmp_path, "+551133330000", "+5511900000117") as caller:
        caller.hears(MAIN, "the main menu")
        caller.press("1")
        caller.hears(SECOND, "the second menu")
    with history(office) as db:
        after = {one.menu: one for one in menus(db, 0, 1 << 53)}
    nothing = MenuFigures("")
    main, second = (before.get(name, nothing) for name in ("main", "second"))
    assert after["second"].hung_up == second.hung_up + 1
    assert after["second"].entered == second.entered + 1
    assert after["main"].hung_up == main.hung_up
    assert after["main"].keys["1"] == main.keys.get("1", 0) + 1
    assert cli.main(["--home", str(office.home.root), "menus", "--json"]) == 0
    shown = {menu["menu"]: menu for menu in json.loads(capsys.readouterr().out)["menus"]}
    assert shown["second"]["hung_up"] == after["second"].hung_up
    assert [key["key"] for key in shown["main"]["keys"]][:6] == ["1", "2", "3", "4", "9", "*"]
    for one in after.values():
        assert one.entered + one.again == sum(one.keys.values()) + one.given_up + one.hung_up + one.lost
