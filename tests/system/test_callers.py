"""Who is calling, known without the daemon: contacts written ahead decide, and the history meets them afterwards.

One box for the module. The daemon takes the contacts, then it is killed (-9): every call below is routed without it.
The last tests start it again and read the history of all these calls.
"""

import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ramal import cli
from ramal.ami.session import Session
from ramal.asterisk.contact_switches import name_prompt
from ramal.control.client import Control, send_contacts
from ramal.core import sound
from ramal.core.journal import Cel, cel_of, user_fields
from ramal.core.numbering import normalise
from ramal.virtual.phone import Account, Phone
from tests.core.test_numbering import AREAS, spellings_of_brazil
from tests.system import agents, box
from tests.system.box import TestBox
from tests.system.sipp import Caller, quoted
from tests.until import until

pytestmark = pytest.mark.system

SALES, QUIET = "+551133330001", "+551133330002"
MARIA, VIP, BLOCKED, FRIEND = "+5511987654321", "+5511911110001", "+5511911110002", "+5511911110003"
ENGLISH, SPANISH, CHOOSY, ODD = "+5511911110004", "+5511911110005", "+5511911110006", "+5511911110007"
CONTACTS = f"""number,name,vip,blocked,language,agent,queue,note
{MARIA},Maria Souza,,,,,,
{VIP},"Vera, a ""VIP"" ${{EXTEN}}|;",yes,,,,,
{BLOCKED},Golpista,yes,yes,,,,
{FRIEND},Amiga do Rui,,,,8,,
{ENGLISH},John Smith,,,en,,,
{SPANISH},Juan,,,es,,,
{CHOOSY},Carla,,,,,quiet,
{ODD},Zé das Couves de São João da Boa Vista e Região Metropolitana,,,,,,
"""


@pytest.fixture(scope="module")
def office() -> Iterator[TestBox]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    made = box.make(folder, box.office("callers"))
    custom = made.home.etc / "custom"
    custom.mkdir(parents=True, exist_ok=True)
    (custom / "extensions.conf").write_text(batch(NUMBERS), encoding="ascii")
    try:
        made.start()
        made.start_daemon()
        done = send_contacts(Control(made.home.control_sock), CONTACTS, "contacts.csv", "test")
        assert (done["added"], done["told"]) == (8, True)
        made.kill_daemon()
        yield made
        assert made.channels() == 0
    finally:
        made.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def ana(office: TestBox) -> Iterator[Phone]:
    """Agent 7 on 201, first in order."""
    with agents.logged_in(office, "201", agents.IGNORE) as desk:
        yield desk


@pytest.fixture(scope="module")
def rui(office: TestBox) -> Iterator[Phone]:
    """Agent 8 on 202."""
    with agents.logged_in(office, "202", agents.IGNORE) as desk:
        yield desk


# -- looking -----------------------------------------------------------------------------------------------------------


def journal(office: TestBox) -> list[Cel]:
    lines = (office.home.asterisk_log / "cel-custom" / "ramal.csv").read_bytes().splitlines()
    return [cel_of(line) for line in lines]


def said(office: TestBox, sent: str) -> list[tuple[str, ...]]:
    """What the dialplan said in the calls of a caller's number as it was sent: (event, fields…)."""
    events = journal(office)
    calls = {event.linked_id for event in events if event.type == "CHAN_START" and event.number == sent}
    return [(event.user, *user_fields(event.extra)) for event in events if event.user and event.linked_id in calls]


def seen(office: TestBox) -> None:
    """Enough of whoever calls."""
    office.end_calls()
    office.wait_for_callers()


def variables(office: TestBox, sent: str) -> dict[str, str]:
    """The channel variables of the call that waits now; "" holds the whole text."""

    def found() -> dict[str, str]:
        for line in office.command("core show channels concise").splitlines():
            fields = line.split("!")
            if fields[0].startswith("PJSIP/line-loop") and fields[5] == "Queue" and fields[7] == sent:
                shown = office.command(f"core show channel {fields[0]}")
                pairs = (row.strip().partition("=") for row in shown.splitlines() if "=" in row)
                return {name: value for name, _, value in pairs} | {"": shown}
        return {}

    return until(found, 15, f"{sent} waits in a queue")


def database(office: TestBox, family: str) -> dict[str, str]:
    rows = (row.partition(": ") for row in office.command(f"database show {family}").splitlines() if row[:1] == "/")
    return {key.strip().rpartition("/")[2]: value.strip() for key, _, value in rows}


# -- numbers -----------------------------------------------------------------------------------------------------------


def numbers() -> list[str]:
    """Thousands of spellings, and what is no number."""
    dice = random.Random(11)
    found: list[str] = []
    for _ in range(120):
        first = dice.choice(("9", "98", "2", "3", "5"))
        local = first + "".join(dice.choice("0123456789") for _ in range((9 if first[0] == "9" else 8) - len(first)))
        area = dice.choice((*AREAS, "11"))
        found += spellings_of_brazil(f"+55{area}{local}", "11")
    found += ["", "+", "190", "08001234567", "40041234", "9" * 40, "+55", "0" * 11, "001415555267", "+" * 9]
    for _ in range(1500):
        length = dice.randrange(1, 18)
        found.append(dice.choice(("", "+", "0", "00", "55", "+55", "0015")) + str(dice.randrange(10**length)))
    return list(dict.fromkeys("".join(char for char in text if char in "+0123456789") for text in found))


NUMBERS = numbers()


def batch(numbers: list[str]) -> str:
    """One channel normalises them all."""
    rows = ["[batch]", "exten => s,1,NoOp()"]
    for place, number in enumerate(numbers):
        rows += [
            f" same => n,Gosub(ramal-normal,s,1({number}))",
            f" same => n,Set(DB(batch/{place})=+${{GOSUB_RETVAL}})",
        ]
    return "\n".join([*rows, " same => n,Set(DB(batch/end)=1)", ""])


def test_the_dialplan_and_the_daemon_give_every_number_the_same_form(office: TestBox) -> None:
    ended: list[str] = []
    session = Session("127.0.0.1", office.settings.ami_port, lambda message: None, ended.append)
    session.open()
    try:
        session.request("Login", [("Username", "ramal"), ("Secret", office.home.ami_secret())])
        start = [("Channel", "Local/s@batch/n"), ("Application", "Wait"), ("Data", "60"), ("Async", "true")]
        assert session.request("Originate", start).ok
        until(lambda: "Value" in office.command("database get batch end"), 60, "all numbers normalised")
    finally:
        session.end()
    found = database(office, "batch")
    assert len(NUMBERS) > 2500
    differ = []
    for place, number in enumerate(NUMBERS):
        theirs, ours = found[str(place)][1:], normalise(number, "BR", "11")
        if ours != theirs and (
            ours or theirs.startswith("+55")
        ):  # abroad, the daemon also knows each country's lengths
            differ.append((number, ours, theirs))
    assert not differ
    assert sum(value.startswith("++55") for value in found.values()) > 1500


# -- routing, with a dead daemon ---------------------------------------------------------------------------------------


def waiting(office: TestBox, sent: str, number: str = SALES) -> dict[str, str]:
    """Place a call, see its variables while it waits, and let it end."""
    caller = office.call(Caller(number, sent, stay_ms=15_000))
    found = variables(office, sent)
    assert caller.poll() is None
    seen(office)
    return found


def test_a_vip_is_lifted_and_calls_again_today_higher_however_the_number_is_sent(office: TestBox, ana: Phone) -> None:
    first, second = waiting(office, "011911110001"), waiting(office, VIP)
    assert (first["RAMAL_CALLER"], first["RAMAL_FLAGS"], first["RAMAL_LEVEL"]) == (VIP, "v", "3")
    assert second["RAMAL_LEVEL"] == "4"
    assert first["RAMAL_NAME"] == "Vera, a VIP EXTEN"
    assert database(office, "ramal-today")[VIP[1:]].endswith("|2")
    events = said(office, "011911110001") + said(office, VIP)
    assert ("CALLER", VIP, "v", "", "1") in events
    assert events.count(("WHY", "vip")) == 2
    assert [event for event in events if event[1:2] == ("repeat-caller",)] == [("WHY", "repeat-caller", "2")]


def test_calls_of_another_day_do_not_count(office: TestBox, ana: Phone) -> None:
    office.command(f"database put ramal-today {ODD[1:]} 20200101|9")
    assert waiting(office, ODD).get("RAMAL_LEVEL", "") in ("", "0")
    assert database(office, "ramal-today")[ODD[1:]].endswith("|1")


def test_the_contacts_language_holds_when_the_office_speaks_it(office: TestBox, ana: Phone) -> None:
    assert "Language: en\n" in waiting(office, ENGLISH)[""]
    assert "Language: pt_BR\n" in waiting(office, SPANISH)[""]


def test_a_blocked_caller_hears_a_sentence_and_is_gone(office: TestBox, ana: Phone) -> None:
    office.call(Caller(SALES, BLOCKED, stay_ms=20_000))
    office.wait_for_callers()
    events = said(office, BLOCKED)
    assert [event[0] for event in events] == ["ARRIVE", "CALLER", "BLOCKED"]
    assert not ana.calls


def withheld(number: str) -> str:
    """An identity only for the network (RFC 3325): asserted, and a Privacy header that forbids to show it."""
    asserted = f"P-Asserted-Identity: <sip:{number}@127.0.0.1>"
    return f"anonymous@127.0.0.1>;tag=hidden\n{asserted}\nPrivacy: id\nX-Rest: <sip:rest"


@pytest.mark.parametrize("sent", ["anonymous", "08001234567", "190", withheld(VIP), "9" * 60, "+5511911110001*1"])
def test_a_withheld_or_impossible_number_is_nobodys_contact(office: TestBox, ana: Phone, sent: str) -> None:
    before = database(office, "ramal-today")
    until(lambda: not ana.calls, 10, "the phone is quiet")
    office.call(Caller(SALES, sent, stay_ms=15_000))
    until(lambda: ana.calls, 15, "the agent's phone rings all the same")
    seen(office)
    assert database(office, "ramal-today") == before
    assert not [event for event in journal(office)[-200:] if event.user == "CALLER" and event.number == sent[:40]]


def test_the_contacts_agent_is_asked_first(office: TestBox, ana: Phone, rui: Phone) -> None:
    office.call(Caller(SALES, FRIEND, stay_ms=15_000))
    until(lambda: rui.calls, 15, "Rui's phone rings")
    assert not ana.calls
    seen(office)
    assert ("CALLER", FRIEND, "", "8", "1") in said(office, FRIEND)


def test_the_contacts_queue_is_where_the_call_goes(office: TestBox, ana: Phone) -> None:
    assert waiting(office, CHOOSY)["RAMAL_QUEUE"] == "quiet"


def test_who_spoke_last_is_kept_and_asked_first_next_time(office: TestBox, ana: Phone, rui: Phone) -> None:
    rui.policy = agents.ANSWER
    office.call(Caller(SALES, FRIEND, stay_ms=5000))
    entry = until(lambda: database(office, "ramal-last").get(FRIEND[1:]), 15, "Rui is remembered").split("|")
    assert (entry[0], entry[2:]) == ("8", ["sales", ""])
    rui.hangup()
    office.wait_for_callers()
    rui.policy = agents.IGNORE
    until(lambda: not rui.calls, 10, "Rui's phone is quiet again")
    office.command(f"database put ramal-last {MARIA[1:]} {'|'.join(entry)}")
    office.call(Caller(SALES, MARIA, stay_ms=15_000))
    until(lambda: rui.calls, 15, "Rui's phone rings")
    assert not ana.calls
    seen(office)
    assert ("CALLER", MARIA, "", "8", "1") in said(office, MARIA)


# -- display and whisper -----------------------------------------------------------------------------------------------


def shown(office: TestBox, desk: Phone, caller: Caller) -> str:
    """What the desk phone shows while the call rings."""
    office.call(caller)
    name = until(lambda: next((call.peer_name for call in desk.calls.values()), ""), 15, "the phone rings")
    seen(office)
    until(lambda: not desk.calls, 10, "the phone is quiet again")
    return name


def test_the_desk_phone_shows_name_queue_and_last_outcome(office: TestBox, ana: Phone) -> None:
    office.command(f"database put ramal-last {MARIA[1:]} 7|1700000000|sales|sold")
    assert shown(office, ana, Caller(SALES, MARIA, stay_ms=15_000)) == "Maria Souza · Vendas · Vendido"
    office.command(f"database put ramal-last {MARIA[1:]} 7|1700000000|sales|unheard")
    assert shown(office, ana, Caller(QUIET, MARIA, stay_ms=15_000)) == "Maria Souza · Suporte"
    stranger = Caller(SALES, "+5511922220001", '"Pedro"', stay_ms=15_000)
    assert shown(office, ana, stranger) == "Pedro · Vendas"
    assert shown(office, ana, Caller(SALES, "+5511922220002", stay_ms=15_000)) == "+5511922220002 · Vendas"
    assert shown(office, ana, Caller(SALES, withheld(VIP), stay_ms=15_000)) == "anonymous · Vendas"
    assert shown(office, ana, Caller(SALES, ODD, stay_ms=15_000)) == "Zé das Couves de São João da Boa Vista e · Vendas"


def test_what_the_agent_said_of_a_call_is_shown_when_the_same_caller_rings_again(
    office: TestBox, ana: Phone, rui: Phone
) -> None:
    sent = "+5511922220008"
    assert shown(office, ana, Caller(SALES, sent, '"Bia"', stay_ms=15_000)) == "Bia · Vendas"
    ana.policy = agents.ANSWER
    office.call(Caller(SALES, sent, '"Bia"', stay_ms=4000))
    until(lambda: database(office, "ramal-last").get(sent[1:], "").endswith("|sales|"), 15, "they talk")
    ana.policy = agents.IGNORE
    until(lambda: "!Read!" in office.command("core show channels concise"), 15, "the agent is asked what it was")
    ana.dtmf("2")
    until(lambda: database(office, "ramal-last")[sent[1:]].endswith("|sales|again"), 10, "the key is kept")
    office.wait_for_callers()
    until(lambda: not ana.calls, 10, "the phone is quiet again")
    assert shown(office, ana, Caller(SALES, sent, '"Bia"', stay_ms=15_000)) == "Bia · Vendas · Ligar de novo"


def listened(office: TestBox, desk: Phone, number: str, sent: str, least_s: float) -> sound.Wave:
    """What the agent's phone got in so many seconds of a call whose caller is silent."""
    desk.policy = agents.ANSWER
    office.call(Caller(number, sent, stay_ms=20_000))
    call = until(lambda: next((c for c in desk.calls.values() if c.state == "answered"), None), 15, "the agent answers")

    def enough() -> bool:
        got = call.heard.read_bytes() if call.heard.exists() else b""
        return len(got) > 44 and sound.read_wave(got).duration_s > least_s

    until(enough, 15, f"{least_s} s are heard")
    office.end_calls()
    desk.hangup()  # without a word of what the call was
    office.wait_for_callers()
    until(lambda: not desk.calls, 10, "the call is over")
    desk.policy = agents.IGNORE
    return sound.read_wave(call.heard.read_bytes())


def heard(office: TestBox, desk: Phone, number: str, sent: str) -> float:
    """How loud it was on the agent's phone, dBFS."""
    return sound.rms_dbfs(listened(office, desk, number, sent, 2.5).mono)


def test_the_agent_hears_the_queue_before_the_caller_unless_it_is_quiet(office: TestBox, ana: Phone) -> None:
    assert heard(office, ana, SALES, "+5511922220003") > -50
    assert heard(office, ana, QUIET, "+5511922220004") < -60


def test_an_agent_who_hangs_up_during_the_whisper_does_not_lose_the_caller(
    office: TestBox, ana: Phone, rui: Phone
) -> None:
    ana.policy = rui.policy = agents.ANSWER
    office.call(Caller(SALES, "+5511922220007", stay_ms=9000))
    until(lambda: any(call.state == "answered" for call in ana.calls.values()), 15, "the agent hears the queue's title")
    ana.hangup()
    log = office.home.asterisk_log / "queue_log"
    until(lambda: "|CONNECT|" in log.read_text().partition("|AGENTDUMP|")[2], 15, "the same caller is answered")
    seen(office)
    ana.policy = rui.policy = agents.IGNORE


# -- hostile callers ---------------------------------------------------------------------------------------------------

HOSTILE = {
    "+5511933330001": '"Silva, João; {EXTEN} ${DB_DELETE(ramal-contact/5511987654321)} | b"',
    "+5511933330002": quoted('"),Hangup(16)" \\ ${SHELL(id)} ?Set(x=y):Hangup()'),
    "+5511933330003": '"' + "A${EXTEN}|,é" * 60 + '"',
    "+5511933330004": '"%0d%0aEvent: Forged %7c%2c \t\x0b \u2028 \u0085 | CALLER,+5511987654321|v"',
    "+5511933330005": '"' + "ã" * 300 + '"',
    "+5511933330006": '""',
}


def test_hostile_names_break_out_of_nothing(office: TestBox, ana: Phone) -> None:
    before = database(office, "ramal-contact")
    for sent, display in HOSTILE.items():
        name = shown(office, ana, Caller(SALES, sent, display, stay_ms=15_000))
        assert name.endswith("Vendas"), name
        assert len(name) <= 80
    assert database(office, "ramal-contact") == before
    for sent in HOSTILE:
        events = said(office, sent)
        assert events[0][0] == "ARRIVE"
        assert [event for event in events if event[0] == "CALLER"] == [("CALLER", sent, "", "", "0")]
        assert not [event for event in events if event[0] in ("BLOCKED", "REFUSED")]
    messages = (office.home.asterisk_log / "messages.log").read_text(errors="replace")
    assert "syntax error" not in messages.lower()
    assert "ast_expr" not in messages


def test_an_expression_in_a_name_is_a_name(office: TestBox, ana: Phone, tmp_path: Path) -> None:
    account = Account("+5511933330009", port=office.settings.sip_port, display_name="$[1/0] ${EXTEN} 100%")
    with Phone(tmp_path / "caller", "caller", account) as caller:
        caller.dial(f"sip:{SALES}@127.0.0.1:{office.settings.sip_port}")
        name = until(lambda: next((call.peer_name for call in ana.calls.values()), ""), 15, "the phone rings")
        caller.hangup()
        until(lambda: not ana.calls, 10, "the phone is quiet again")
    assert name == "$[1/0] ${EXTEN} 100% · Vendas"


# -- the daemon is back ------------------------------------------------------------------------------------------------


def calls(office: TestBox, number: str) -> list[Any]:
    return office.rows("SELECT * FROM call WHERE caller = ? AND ended_ms IS NOT NULL ORDER BY key", number)


def test_without_a_daemon_the_command_line_keeps_contacts_and_asterisk_learns_at_its_start(
    office: TestBox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "more.csv"
    file.write_text("number;name;vip\n011 91111-0008;Nova;sim\n011911110003;;\n", encoding="utf-8")
    ramal = ["--home", str(office.home.root), "contacts"]
    assert cli.main([*ramal, "import", str(file)]) == 0
    assert capsys.readouterr().out == "Contacts added: 1, changed: 1, as they were: 0.\n"
    assert cli.main([*ramal, "block", "11 91111-0009"]) == 0
    assert cli.main([*ramal, "find", "nova"]) == 0
    assert "+5511911110008" in capsys.readouterr().out
    file.write_text("number,agent\n011 91111-0010,7\n12,99\n", encoding="utf-8")
    assert cli.main([*ramal, "import", str(file)]) == 1
    assert "more.csv:3: “12” is no telephone number" in capsys.readouterr().err
    today = {"5511922229999": "20200101|3"}
    office.command("database put ramal-today 5511922229999 20200101|3")
    office.command("database put ramal-last 5511922229999 7|1600000000|sales|")
    office.command("database put ramal-contact 5511922229998 v||||Ghost")
    office.start_daemon("-m", "tests.system.brisk", str(office.home.root))
    told = until(lambda: known if "5511911110009" in (known := database(office, "ramal-contact")) else None, 15, "told")
    assert told["5511911110008"] == "v||||Nova"
    assert told["5511911110009"] == "b||||"
    assert told[FRIEND[1:]] == "||8||"
    assert {"5511911110010", "5511922229998"}.isdisjoint(told)
    until(lambda: not today.keys() & database(office, "ramal-today").keys(), 15, "other days are forgotten")
    until(lambda: "5511922229999" not in database(office, "ramal-last"), 15, "who spoke years ago is forgotten")
    assert FRIEND[1:] in database(office, "ramal-last")


def test_afterwards_the_history_knows_every_caller_by_one_number(office: TestBox, ana: Phone) -> None:
    vera = until(lambda: two if len(two := calls(office, VIP)) == 2 else None, 20, "both calls of the VIP")
    assert {row["category"] for row in vera} == {"abandoned"}
    assert {row["caller_name"] for row in calls(office, MARIA)} == {""}
    assert calls(office, "08001234567")
    blocked = calls(office, BLOCKED)[0]
    assert blocked["category"] == "refused"
    steps = [(step.kind, step.detail.get("reason")) for step in office.detail(blocked["id"]).steps]
    assert ("refused", "blocked") in steps
    assert calls(office, "+5511933330001")[0]["caller_name"].startswith("Silva, João; {EXTEN}")
    dumped = calls(office, "+5511922220007")[0]
    assert (dumped["category"], dumped["missed"]) == ("answered", "7")
    kinds = [step.kind for step in office.detail(dumped["id"]).steps if step.who in ("7", "8")]
    assert kinds == ["ringing", "missed", "ringing", "answered"]
    assert not [row for row in calls(office, "anonymous") if row["caller_name"] not in ("", "anonymous")]


def test_a_contact_blocked_on_the_page_is_refused_at_once_and_audited(office: TestBox, ana: Phone) -> None:
    saved = office.control("contact.save", who="owner", contact={"number": "011922220003", "blocked": True})
    assert (saved["added"], saved["told"]) == (True, True)
    office.call(Caller(SALES, "+5511922220003", stay_ms=20_000))
    office.wait_for_callers()
    assert said(office, "+5511922220003")[-1] == ("BLOCKED", "blocked")
    assert office.control("contact.delete", who="owner", number="+5511922220003") == {"deleted": True, "told": True}
    assert "5511922220003" not in database(office, "ramal-contact")
    audit = [tuple(row) for row in office.rows("SELECT who, what, detail FROM audit ORDER BY id DESC LIMIT 2")]
    assert audit == [
        ("owner", "contact.deleted", "+5511922220003"),
        ("owner", "contact.saved", "+5511922220003 blocked"),
    ]


def test_the_names_of_those_who_call_are_spoken_ahead_and_heard(office: TestBox, ana: Phone) -> None:
    names = office.home.prompts / "names"
    until(lambda: (names / f"{name_prompt('Maria Souza', office.office).path}.wav").exists(), 30, "the name is spoken")
    office.command(f"database del ramal-last {MARIA[1:]}")
    assert heard(office, ana, QUIET, "+5511922220005") < -60
    alone, named = spoken_ms(office, ana, "+5511922220006"), spoken_ms(office, ana, MARIA)
    assert named > alone + 300


def spoken_ms(office: TestBox, desk: Phone, sent: str) -> int:
    """How long somebody speaks on the agent's phone in a call whose caller is silent."""
    wave = listened(office, desk, SALES, sent, 4.5)
    step = wave.rate_hz // 50
    windows = (wave.mono[at : at + step] for at in range(0, len(wave.mono) - step, step))
    return 20 * sum(sound.rms_dbfs(window) > -45 for window in windows)
