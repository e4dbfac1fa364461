"""Callers are asked after the talk: real callers who press keys, real phones that hang up or hand on.

No daemon runs while the calls are made. The history is read from the journals afterwards.
"""

import contextlib
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest

from ramal.core import sound
from ramal.store import answers, migrations
from ramal.store.db import open_writer
from ramal.store.ingest import Ingest
from ramal.virtual.phone import Manual, Phone
from tests.system import agents, box, ears
from tests.system.desks import Desks, hears, talks
from tests.system.provider import Provider
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system

SALES, SELDOM, HANDED, SPOKEN, PLAIN, RESTED = (f"+55113333000{n}" for n in range(1, 7))
_SAID = re.compile(r",(SURVEY|WHY|QUEUE_END),[^,\n]*,[^,\n]*,(?:[^,\n]*,){6}([^,\n]*),[^,\n]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Office(Desks):
    """Desk phones, a provider, and what the journal says so far."""

    def said(self) -> list[str]:
        """Every event of a survey in the journal, ``SURVEY sales|7|csat|4``, in order."""
        text = (self.box.home.asterisk_log / "cel-custom" / "ramal.csv").read_text(errors="replace")
        found = []
        for match in _SAID.finditer(text):
            words = unquote(match[2]).removeprefix('{"extra":"').removesuffix('"}')
            if match[1] == "SURVEY" or words.startswith("survey"):
                found.append(f"{match[1]} {words}")
        return found

    def waits_for(self, begin: int, *events: str) -> None:
        """Until the journal says these, from that place on."""
        seen = lambda: f"{events} from the {begin}th on, of {self.said()}"  # noqa: E731
        until(lambda: self.said()[begin : begin + len(events)] == list(events), 15, seen)

    @contextlib.contextmanager
    def history(self) -> Iterator[sqlite3.Connection]:
        """The journals as they are, read into the database by hand: no daemon runs."""
        with contextlib.closing(open_writer(self.box.home.db)) as db:
            migrations.migrate(db)
            ingest = Ingest(db, self.box.home.asterisk_log)
            while ingest.step():
                pass
            db.row_factory = sqlite3.Row
            yield db

    def told(self, caller: str) -> tuple[sqlite3.Row, answers.Answer | None]:
        """The last call of a caller or to a customer, and its survey."""
        with self.history() as db:
            query = "SELECT * FROM call WHERE (caller = ? OR number = ?) AND ended_ms > 0 ORDER BY key DESC"
            call = db.execute(query, (caller, caller)).fetchone()
            assert call is not None, caller
            return call, answers.answer_of(db, call["key"])


@pytest.fixture(scope="module")
def module() -> Iterator[Office]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    provider = Provider("127.0.0.2", hz=620.0)
    try:
        text = box.office("survey").replace("5999", str(provider.port))
        with box.running(folder, text, daemon=False, terse=True) as running:
            yield Office(running, provider, folder)
    finally:
        provider.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def agent(module: Office) -> Iterator[Phone]:
    with module.phone("201", agents.ANSWER, login=True) as desk:
        yield desk


@pytest.fixture
def office(module: Office, agent: Phone) -> Iterator[Office]:
    yield module
    agent.hangup()
    module.over()


@contextlib.contextmanager
def talking(office: Office, agent: Phone, user: str, number: str) -> Iterator[Phone]:
    """A caller and the agent hear each other."""
    with office.caller(user, number) as caller:
        talks(agent)
        hears(caller, "201")
        yield caller


def gone(caller: Phone) -> None:
    until(lambda: not caller.calls, 15, "the box has hung up")


def test_after_the_agent_has_hung_up_the_caller_is_asked_and_every_answer_is_kept(office: Office, agent: Phone) -> None:
    user, begin = "+5511911110001", len(office.said())
    with talking(office, agent, user, RESTED) as caller:
        agent.hangup()
        office.waits_for(begin, "WHY survey-offered|rested|100", "SURVEY rested|7|asked|csat-nps-resolved")
        until(lambda: "Value: " in office.box.command("database get ramal-wrap 7"), 3, "the wrap-up began at once")
        assert "(in call)" not in agents.members(office.box, "rested")
        for key, event in (("4", "csat|4"), ("*", "nps|10"), ("1", "resolved|yes")):
            before = len(office.said())
            caller.dtmf(key)
            office.waits_for(before, f"SURVEY rested|7|{event}")
        gone(caller)
    office.over()
    agent.policy = Manual
    agents.dial_code(office.box, agent, "*49")
    agent.policy = agents.ANSWER
    call, answer = office.told(user)
    assert answer is not None
    assert (answer.queue, answer.agent, answer.asked) == ("rested", "7", ("csat", "nps", "resolved"))
    assert (answer.csat, answer.nps, answer.resolved, answer.why) == (4, 10, 1, "")
    assert (call["category"], call["agent"], call["hangup_by"]) == ("answered", "7", "agent")
    assert call["ended_ms"] > answer.at_ms
    assert call["started_ms"] + call["wait_ms"] + call["talk_ms"] < answer.at_ms + 500, "the survey is no talk"
    detail = office.box.detail(call["id"])
    assert [step.detail["value"] for step in detail.steps if step.kind == "survey_answer"] == ["4", "10", "yes"]
    assert [take.kind for take in detail.recordings] == ["talk"]


def test_ten_is_also_one_and_zero(office: Office, agent: Phone) -> None:
    user, begin = "+5511911110002", len(office.said())
    with talking(office, agent, user, SALES) as caller:
        agent.hangup()
        office.waits_for(begin + 1, "SURVEY sales|7|asked|csat-nps-resolved")
        caller.dtmf("5")
        office.waits_for(begin + 2, "SURVEY sales|7|csat|5")
        caller.dtmf("10")
        office.waits_for(begin + 3, "SURVEY sales|7|nps|10")
        caller.dtmf("2")
        office.waits_for(begin + 4, "SURVEY sales|7|resolved|no")
        gone(caller)
    office.over()


def test_keys_of_a_phone_that_sends_them_as_sound_count_too(office: Office, agent: Phone) -> None:
    begin = len(office.said())
    office.box.call(Caller(SALES, "+5511911110003", stay_ms=25_000, tones="4" * 40))
    talks(agent)
    agent.hangup()
    office.waits_for(
        begin + 1, "SURVEY sales|7|asked|csat-nps-resolved", "SURVEY sales|7|csat|4", "SURVEY sales|7|nps|4"
    )
    office.box.end_calls("+5511911110003")
    office.box.wait_for_callers()


def test_one_alone_is_one_and_a_wrong_key_is_asked_again_once(office: Office, agent: Phone) -> None:
    user, begin = "+5511911110004", len(office.said())
    with talking(office, agent, user, SALES) as caller:
        agent.hangup()
        office.waits_for(begin + 1, "SURVEY sales|7|asked|csat-nps-resolved")
        caller.dtmf("99")  # twice wrong: no answer, and the next question
        caller.dtmf("1")
        office.waits_for(begin + 2, "SURVEY sales|7|nps|1")
        caller.dtmf("7")
        caller.dtmf("2")
        office.waits_for(begin + 3, "SURVEY sales|7|resolved|no")
        gone(caller)
    office.over()
    _, answer = office.told(user)
    assert answer is not None
    assert (answer.csat, answer.nps, answer.resolved) == (None, 1, 0)


def test_who_hangs_up_midway_leaves_what_was_answered_and_who_answers_nothing_has_refused(
    office: Office, agent: Phone
) -> None:
    first, second, begin = "+5511911110005", "+5511911110006", len(office.said())
    with talking(office, agent, first, SALES) as caller:
        agent.hangup()
        office.waits_for(begin + 1, "SURVEY sales|7|asked|csat-nps-resolved")
        caller.dtmf("2")
        office.waits_for(begin + 2, "SURVEY sales|7|csat|2")
        caller.hangup()
    office.over()
    with talking(office, agent, second, SALES) as caller:
        agent.hangup()
        office.waits_for(begin + 4, "SURVEY sales|7|asked|csat-nps-resolved")
        caller.hangup()
        office.waits_for(begin + 5, "WHY survey-refused|sales")
    office.over()
    call, answer = office.told(first)
    assert answer is not None
    assert (answer.csat, answer.nps, answer.resolved, call["hangup_by"]) == (2, None, None, "agent")
    call, answer = office.told(second)
    assert answer is not None
    assert (answer.asked, answer.csat, call["hangup_by"]) == (("csat", "nps", "resolved"), None, "agent")


def test_who_hangs_up_first_is_not_asked_and_nobody_twice_within_the_days(office: Office, agent: Phone) -> None:
    user, begin = "+5511911110007", len(office.said())
    with talking(office, agent, user, SALES) as caller:
        caller.hangup()
    office.over()
    assert office.said()[begin:] == []
    call, answer = office.told(user)
    assert (call["hangup_by"], answer) == ("caller", None)
    for event in ("WHY survey-offered|sales|100", "WHY survey-skipped|sales|asked-lately|30"):
        begin = len(office.said())
        with talking(office, agent, user, SALES) as caller:
            agent.hangup()
            office.waits_for(begin, event)
            caller.hangup() if "offered" in event else gone(caller)
        office.over()
    call, answer = office.told(user)
    assert answer is not None
    assert (answer.asked, answer.why, call["hangup_by"]) == ((), "asked-lately", "agent")
    kept = office.box.command(f"database get ramal-survey {user.removeprefix('+')}")
    assert "|sales" in kept
    long_ago = re.sub(
        r"[0-9]{10}", lambda match: str(int(match[0]) - 30 * 86_400), kept.partition("Value: ")[2].strip()
    )
    office.box.command(f'database put ramal-survey {user.removeprefix("+")} "{long_ago}"')
    begin = len(office.said())
    with talking(office, agent, user, SALES):
        agent.hangup()
        office.waits_for(begin, "WHY survey-offered|sales|100")


def test_a_withheld_number_is_asked_by_the_rate_only_and_a_rate_of_nothing_asks_nobody(
    office: Office, agent: Phone
) -> None:
    for _ in range(2):
        begin = len(office.said())
        with talking(office, agent, "anonymous", SALES):
            agent.hangup()
            office.waits_for(begin, "WHY survey-offered|sales|100")
        office.over()
    user, begin = "+5511911110008", len(office.said())
    with talking(office, agent, user, SELDOM) as caller:
        agent.hangup()
        office.waits_for(begin, "WHY survey-skipped|seldom|not-sampled|0")
        gone(caller)
    office.over()
    call, answer = office.told(user)
    assert answer is not None
    assert (answer.why, call["hangup_by"], call["category"]) == ("not-sampled", "agent", "answered")
    begin = len(office.said())
    with talking(office, agent, "+5511911110009", PLAIN) as caller:
        agent.hangup()
        gone(caller)
    assert office.said()[begin:] == []


def test_by_hand_only_whom_the_agent_hands_to_the_survey_is_asked(office: Office, agent: Phone) -> None:
    user, begin = "+5511911110010", len(office.said())
    with talking(office, agent, user, HANDED) as caller:
        agent.hangup()
        gone(caller)
    office.over()
    assert office.said()[begin:] == []
    with talking(office, agent, user, HANDED) as caller:
        agent.transfer("*54")
        office.waits_for(begin, "WHY survey-offered|handed|100", "SURVEY handed|7|asked|resolved")
        until(lambda: not agent.calls, 10, "the agent is free")
        caller.dtmf("1")
        office.waits_for(begin + 2, "SURVEY handed|7|resolved|yes")
        gone(caller)
    office.over()
    call, answer = office.told(user)
    assert answer is not None
    assert (answer.agent, answer.resolved, call["hangup_by"]) == ("7", 1, "agent")
    with talking(office, agent, user, PLAIN) as caller:  # whose queue asks nothing comes back
        before = set(agent.calls)
        agent.transfer("*54")
        until(lambda: agent.calls and not before & set(agent.calls), 15, "back at the agent")
        hears(caller, "201")


def test_no_agent_avoids_it_by_handing_the_caller_on(office: Office, agent: Phone) -> None:
    blind, attended = "+5511911110011", "+5511911110012"
    with office.phone("203", agents.ANSWER) as other, office.phone("202", agents.ANSWER, login=True) as second:
        begin = len(office.said())
        with talking(office, agent, blind, SALES) as caller:
            agent.transfer("203")
            talks(other)
            hears(caller, "203")
            other.hangup()
            office.waits_for(begin + 1, "SURVEY sales|7|asked|csat-nps-resolved")
            caller.dtmf("3")
            office.waits_for(begin + 2, "SURVEY sales|7|csat|3")
        office.over()
        begin = len(office.said())
        with talking(office, agent, attended, SALES) as caller:
            agent.dial("202")
            talks(second)
            hears(second, "201")
            agent.connect()
            until(lambda: not agent.calls, 10, "the agent is free")
            hears(caller, "202")
            second.hangup()
            until(lambda: len(office.said()) > begin, 10, "asked")
            caller.dtmf("1")
            until(
                lambda: any(event.endswith("csat|1") for event in office.said()[begin:]),
                10,
                lambda: office.said()[begin:],
            )
        office.over()
    call, answer = office.told(blind)
    assert answer is not None
    assert (answer.csat, call["hangup_by"]) == (3, "agent")
    assert len(office.box.detail(call["id"]).legs) == 2
    call, answer = office.told(attended)
    assert answer is not None
    assert (answer.agent, answer.csat, call["agent"]) == ("8", 1, "8")


@pytest.mark.parametrize(("asked", "user"), [(False, "+5511911110015"), (True, "+5511911110016")])
def test_no_agent_avoids_it_by_parking_the_caller(office: Office, agent: Phone, asked: bool, user: str) -> None:
    begin = len(office.said())
    with office.phone("203") as other, talking(office, agent, user, SALES) as caller:
        if asked:  # for the number of the place
            agent.dial("700")
            until(lambda: len(agent.calls) == 2, 10, "two calls")
            until(lambda: all(one.state == "answered" for one in agent.calls.values()), 10, "the place is said")
            agent.connect()
        else:
            agent.transfer("700")
        until(lambda: "InUse" in office.box.command("core show hint 701"), 10, "parked")
        until(lambda: not agent.calls, 10, "the agent is free")
        other.dial("701")
        hears(caller, "203")
        hears(other, "caller")
        other.hangup()
        office.waits_for(begin + 1, "SURVEY sales|7|asked|csat-nps-resolved")
        caller.dtmf("2")
        office.waits_for(begin + 2, "SURVEY sales|7|csat|2")
    office.over()
    call, answer = office.told(user)
    assert answer is not None
    assert (answer.csat, call["hangup_by"], call["category"]) == (2, "agent", "answered")


def test_who_was_parked_in_a_queue_that_asks_nothing_is_asked_nothing(office: Office, agent: Phone) -> None:
    user, begin = "+5511911110017", len(office.said())
    with office.phone("203") as other, talking(office, agent, user, PLAIN) as caller:
        agent.transfer("700")
        until(lambda: "InUse" in office.box.command("core show hint 701"), 10, "parked")
        other.dial("701")
        hears(caller, "203")
        other.hangup()
        gone(caller)
    assert office.said()[begin:] == []


def test_a_sentence_is_recorded_in_the_caller_s_language_and_kept_by_a_hang_up(office: Office, agent: Phone) -> None:
    user, begin = "+5511911110013", len(office.said())
    # The number is an English one: the question in another language is another pitch.
    ears.retune(office.box, {"en/survey-nps": 2000.0, "pt_BR/survey-nps": 2600.0}, 3000)
    with talking(office, agent, user, SPOKEN) as caller:
        agent.hangup()
        office.waits_for(begin + 1, "SURVEY spoken|7|asked|nps-sentence")
        hears(caller, "2000")
        caller.dtmf("6")
        office.waits_for(begin + 2, "SURVEY spoken|7|nps|6")
        file = until(lambda: list(office.box.home.recordings.rglob("*-survey.wav")), 10, "the sentence")[0]
        until(lambda: file.stat().st_size > 3 * 16_000, 15, "three seconds")
        caller.hangup()
    office.over()
    wave = sound.read_wave(file.read_bytes())
    assert ears.part(wave.mono, 1250.0, 0.7, wave.rate_hz) > 0.7
    call, _ = office.told(user)
    assert [take.kind for take in office.box.detail(call["id"]).recordings] == ["talk", "survey"]
    with office.history() as db:
        db.execute("UPDATE recording SET duration_ms = 3000 WHERE kind = 'survey'")
        found = answers.answer_of(db, call["key"])
        assert found is not None
        assert found.sentence == call["key"] * 16 + 1
        before = [tuple(row) for row in db.execute("SELECT * FROM survey ORDER BY call")]
        ingest, after = Ingest(db, office.box.home.asterisk_log), 0
        while (after := ingest.refold(after) or 0) > 0:
            pass
        assert [tuple(row) for row in db.execute("SELECT * FROM survey ORDER BY call")] == before


def test_a_customer_who_was_called_back_is_asked_too(office: Office, agent: Phone) -> None:
    user, begin = "+5511911110014", len(office.said())
    agent.policy = Manual
    office.box.call(Caller(SALES, user, stay_ms=30_000, keys=((2500, "2"), (5500, "1"))))
    assert office.box.callers[-1][1].wait(60) == 0
    office.box.callers.pop()
    until(lambda: any(call.state == "incoming" for call in agent.calls.values()), 20, "the stand-in's turn")
    agent.policy = agents.ANSWER
    agent.answer()
    hears(agent, "620")
    agent.hangup()
    office.waits_for(begin, "WHY survey-offered|sales|100")
    until(lambda: len(office.said()) > begin + 2, 30, "nobody answers: refused")
    assert office.said()[begin + 1 :] == ["SURVEY sales||asked|csat-nps-resolved", "WHY survey-refused|sales"]
    office.over()
    call, answer = office.told(user)
    assert answer is not None
    assert (call["direction"], call["category"], call["hangup_by"]) == ("out", "connected", "agent")
    assert (answer.agent, answer.asked) == ("7", ("csat", "nps", "resolved"))
