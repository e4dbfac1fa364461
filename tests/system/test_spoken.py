"""What Asterisk says by itself: every value and sentence by the real dialplan against ``core.spoken``, and never a
sound of another language. No daemon runs here."""

import random
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from pathlib import Path

import pytest

from ramal.asterisk.prompts import FOLDER
from ramal.core import sound, spoken
from ramal.core.office import Language
from ramal.core.spoken_rules import GENDER, MOST
from tests.system import agents, box
from tests.system.box import TestBox
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system

Step = tuple[Language, str, spoken.Value]


def numbers() -> list[int]:
    """All that a rule begins or ends with, and chance."""
    rng = random.Random(20)
    edges = [0, 1, 2, 9, 10, 11, 19, 20, 21, 22, 29, 99, 100, 101, 110, 199, 200, 201, 999]
    thousands = [
        k * 1000 + rest for k in (1, 2, 21, 100, 101, 121, 202, 999) for rest in (0, 1, 20, 21, 100, 101, 122, 999)
    ]
    return [*edges, *thousands, *(rng.randrange(MOST) for _ in range(20)), MOST]


def steps() -> list[Step]:
    found: list[Step] = []
    for language in spoken.LANGUAGES:
        found += [(language, f"number-{form}", number) for form in "umf" for number in numbers()]
        found += [(language, noun, number) for noun in GENDER for number in (0, 1, 2, 21, 1001)]
        found += [(language, f"ordinal-{form}", number) for form in "mf" for number in (1, 2, 10, 13, 21, 99)]
        found += [(language, "year", year) for year in (1000, 1900, 1905, 1999, 2000, 2005, 2026)]
        found += [
            (language, f"money-{each}", cents)
            for each in ("BRL", "EUR", "USD")
            for cents in (0, 1, 50, 101, 99_999_999)
        ]
        found += [(language, "duration", seconds) for seconds in (0, 1, 59, 60, 61, 3600, 3661, 7500, 360_000)]
        found += [(language, "time", time(hour, minute)) for hour in range(24) for minute in (0, 1, 5, 30)]
        found += [(language, "date", date(2026, month, day)) for month in (1, 5, 12) for day in (1, 2, 21, 31)]
        found += [(language, "digits", "1234567890123"[:length]) for length in range(1, 14)]
    return found


def dialed(value: spoken.Value) -> str:
    """A value as the dialplan is given it."""
    match value:
        case datetime():
            raise AssertionError("no grammar takes it")
        case time():
            return f"{value:%H%M}"
        case date():
            return f"{value:%Y%m%d}"
        case _:
            return str(value)


SENTENCES: list[tuple[str, Mapping[str, spoken.Value]]] = [
    ("wait-range", {"low": 1, "high": 21}),
    ("wait-near", {"high": 1}),
    ("wait-most", {"high": 2}),
    *(("waiting", {"n": n}) for n in (0, 1, 2, 21, 202)),
    *(("calls", {"n": n}) for n in (0, 1, 22, "01", "002")),
    ("forwarded", {"number": "203"}),
    ("callback-to", {"number": "11987654321"}),
    ("callback-from", {"ending": "0123"}),
]
POSITIONS: dict[Language, tuple[int, ...]] = {
    **dict.fromkeys(("pt-BR", "es"), (1, 2, 9, 21, 100, 101, 131, 999)),
    "en": (1, 21, 101),  # Asterisk's own words, which take their time
}
NONSENSE = (
    ("number-f", '12"]2a', "122"),
    ("number-m", "10000000", "10000000"),
    ("time", "2561", "2561"),
    ("minute", "", "0"),
)
"""Grammar, what is given, and the digits (or the number) that are said."""


def walk() -> str:
    rows = ["[test-spoken]"]
    asked: list[tuple[Language, str]] = [
        (language, f"Gosub(ramal-value,{grammar},1({dialed(value)}))") for language, grammar, value in steps()
    ]
    asked += [
        (language, f"Gosub(ramal-sentence,{name},1({','.join(map(dialed, values.values()))}))")
        for language in spoken.LANGUAGES
        for name, values in SENTENCES
    ]
    rows.append("exten => s,1,Answer()")
    for place, (language, gosub) in enumerate(asked):
        rows += [
            f" same => n,Set(CHANNEL(language)={FOLDER[language]})",
            f" same => n,{gosub}",
            f" same => n,Set(DB(test/{place})=${{GOSUB_RETVAL}})",
        ]
    rows += [f" same => n,Set(DB(test/{len(asked)})=end)", " same => n,Hangup()"]
    for language, positions in POSITIONS.items():
        rows += [f"exten => {FOLDER[language]},1,Answer()", f" same => n,Set(CHANNEL(language)={FOLDER[language]})"]
        rows += [f" same => n,SayNumber({number})" for number in positions]
        rows += [f" same => n,Set(DB(test/{FOLDER[language]})=end)", " same => n,Hangup()"]
    rows += ["exten => nonsense,1,Answer()", " same => n,Set(CHANNEL(language)=fr)"]
    for place, (grammar, given, _) in enumerate(NONSENSE):
        rows += [f" same => n,Gosub(ramal-value,{grammar},1({given}))"]
        rows += [f" same => n,Set(DB(test/nonsense-{place})=${{GOSUB_RETVAL}})"]
    rows += [" same => n,Set(DB(test/nonsense)=end)", " same => n,Hangup()"]
    return "\n".join(rows) + "\n"


SPANISH = "".join(
    f'[[number]]\nnumber = "+55113333{number}"\nlanguage = "es"\n{more}\n'
    for number, more in (
        ("1000", 'to = "menu:main"\ngreeting = "Oficina Teste."\ngreeting_in = { es = "Taller de prueba." }'),
        ("1001", 'to = "queue:sales"'),
        ("1002", 'to = "queue:sales"\nhours = "never"\nclosed = "voicemail:sales"'),
        ("1003", 'to = "queue:sales"\nhours = "never"'),
        ("1004", 'to = "queue:empty"'),
        ("1005", 'to = "queue:short"'),
    )
)
"""The numbers of the small office once more, for callers who are spoken to in Spanish."""


@pytest.fixture(scope="module")
def here() -> Iterator[TestBox]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    text = box.office("small").replace("[office]", '[office]\nlanguages = ["en", "es"]', 1) + SPANISH
    made = box.make(folder, text, terse=True)
    (made.home.etc / "custom" / "extensions.conf").write_text(walk(), encoding="utf-8")
    for file in (*made.home.prompts.rglob("say/*.wav"), *made.home.prompts.rglob("digits/*.wav")):
        if file.is_file():
            file.unlink()
            file.write_bytes(sound.wav_bytes(sound.tone([700.0], 20)))
    try:
        made.start()
        made.command("logger add channel full verbose(4),notice,warning,error")
        yield made
    finally:
        made.end()
        shutil.rmtree(folder, ignore_errors=True)


def run(here: TestBox, exten: str, end: str) -> dict[str, str]:
    here.command(f"channel originate Local/{exten}@test-spoken application Wait 600")
    until(lambda: f"/test/{end} " in here.command("database show test"), 90, f"{exten} at its end")
    return dict(re.findall(r"^/test/(\S+)\s*: (\S*)", here.command("database show test"), re.MULTILINE))


def known(values: Mapping[str, spoken.Value]) -> dict[str, spoken.Value]:
    """A count as AstDB may hold it ("01") is a count."""
    return {name: int(value) if name == "n" else value for name, value in values.items()}  # type: ignore[arg-type]


def files_of(here: TestBox, said: spoken.Said, language: Language) -> str:
    return "&".join(f"{here.home.prompts}/{FOLDER[language]}/{path}" for path in said.paths)


def test_the_dialplan_says_every_value_and_sentence_as_the_grammar_does(here: TestBox) -> None:
    asked = steps()
    answers = run(here, "s", str(len(asked) + len(spoken.LANGUAGES) * len(SENTENCES)))
    expected = [files_of(here, spoken.say(*step), step[0]) for step in asked]
    expected += [
        files_of(here, spoken.sentence(name, language, **known(values)), language)
        for language in spoken.LANGUAGES
        for name, values in SENTENCES
    ]
    wrong = [(place, answers[str(place)], each) for place, each in enumerate(expected) if answers[str(place)] != each]
    assert not wrong, (len(wrong), wrong[:3], [asked[place] for place, *_ in wrong[:3] if place < len(asked)])
    every = {file for each in expected for file in each.split("&")}
    assert not [file for file in every if not Path(f"{file}.wav").exists()]


def test_what_cannot_be_said_is_said_digit_by_digit_in_the_offices_language(here: TestBox) -> None:
    answers = run(here, "nonsense", "nonsense")
    folder = here.home.prompts / "pt_BR" / "say"
    assert answers["nonsense-0"] == f"{folder}/100-then&{folder}/22f"
    assert re.sub(rf"{folder}/g?", "", answers["nonsense-1"]) == "1&0&0&0&0&0&0&0"
    assert re.sub(rf"{folder}/g?", "", answers["nonsense-2"]) == "2&5&6&1"
    assert answers["nonsense-3"] == f"{folder}/0&{folder}/minute-n"


def played(text: str) -> list[tuple[str, str]]:
    """File (without its form) and language of all that was played, in order."""
    return re.findall(r"Playing '([^']*?)(?:\.\w+)?' \(language '(\w+)'\)", text)


@pytest.mark.parametrize("language", spoken.LANGUAGES)
def test_asterisks_own_applications_say_numbers_by_our_grammar(here: TestBox, language: Language) -> None:
    """app_queue's place in the line is said by the same function as SayNumber."""
    log = here.home.asterisk_log / "full"
    before = len(log.read_text())
    run(here, FOLDER[language], FOLDER[language])
    found = played(log.read_text()[before:])
    assert {tongue for _, tongue in found} == {FOLDER[language]}
    if language == "en":
        assert all(file.startswith("digits/") for file, _ in found), found
    else:
        expected = [path for number in POSITIONS[language] for path in spoken.say(language, "number-u", number).paths]
        assert [file for file, _ in found] == expected
    assert all(of_the_language(here, file, FOLDER[language]) for file, _ in found)
    assert "does not exist in any format" not in log.read_text()[before:]


def of_the_language(here: TestBox, file: str, folder: str) -> bool:
    """Whether the file that Asterisk was asked for is there in that very language, and none else could be meant."""
    prompts = here.home.prompts
    if file.startswith(f"{prompts}/"):
        before, _, word = file.rpartition("/")
        if f"{before}/".startswith((f"{prompts}/{folder}/", f"{prompts}/office/")) and Path(f"{file}.wav").exists():
            return True
        return Path(before, folder, f"{word}.wav").exists()  # Asterisk looks for the language before the last word
    if folder == "en":
        return True  # Asterisk's own are English; that it found them, the log says
    ours = prompts / folder / "asterisk" / f"{file}.wav"
    return ours.is_symlink() if file == "beep" else ours.exists()  # a tone has no language


@pytest.mark.parametrize(("language", "numbers"), [("pt_BR", "+55113333000"), ("es", "+55113333100")])
def test_a_whole_tour_of_calls_hears_nothing_in_another_language(here: TestBox, language: str, numbers: str) -> None:
    log = here.home.asterisk_log / "full"
    before = len(log.read_text())
    user = iter(range(5511900000400, 5511900000500))

    def call(last: int, stay_ms: int, *keys: tuple[int, str]) -> None:
        here.call(Caller(f"{numbers}{last}", f"+{next(user)}", stay_ms=stay_ms, keys=keys))

    with agents.logged_in(here, "201", agents.IGNORE):
        call(0, 6000, (1500, "9"), (3000, "1"))
        call(1, 8000)
        call(1, 9000)
        call(5, 9000)
        for last in (2, 3, 4):
            call(last, 4000)
        here.wait_for_callers()
    text = log.read_text()[before:]
    found = played(text)
    names = {file.rpartition("/")[2] for file, tongue in found if tongue == language}
    assert {"queue-youarenext", "queue-thereare", "queue-callswaiting", "2", "closed", "wrong-key"} <= names
    assert [name for name in names if "message" in name], "a voicemail box was reached"
    wrong = {(file, tongue) for file, tongue in found if not of_the_language(here, file, tongue)}
    assert not wrong
    assert {tongue for _, tongue in found} <= {language, "pt_BR"}, "only the phones of the house speak the office's"
    assert "does not exist in any format" not in text
