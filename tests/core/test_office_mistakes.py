"""Everything that can be wrong with an office file, said at once, with lines."""

import tomllib

import pytest

from ramal.core.office_file import OfficeRefused, read
from ramal.core.office_problems import SENTENCES

# Every mistake stands on a line that ends with its number; #N+ means that the line has several.
MISTAKES = """\
title = "what is this"                            #1 unknown-table
[office]
name = ""                                         #2 empty
country = "Brasil"                                #3 country
timezone = "America/Sao Paulo"                    #4 timezone
language = "pt"                                   #5 choice

[[line]]
name = "Main Line"                                #6 name
kind = "sip-peer"
addresses = ["10.0.0.0/16", "10.0.3.7/24"]        #7 address
channels = 0                                      #8 range

[[line]]                                          #9 line-needs
name = "provider"
kind = "sip-register"
host = "sip provider"                             #10 host
username = "me"
caller_ids = ["+551133330000", "1133330000"]      #11 number

[[line]]
name = "analog"
kind = "fxo"                                      #12 no-driver

[[hours]]
name = "shop"
open = [
    "mon-fri 08:00-18:00",
    "sat 8h-13h",                                 #13 hours
]

[[hours]]
name = "shop"                                     #14 twice
open = ["mon 08:00-12:00", "mon 11:00-13:00"]     #15 hours-overlap

[[number]]
number = "+551133330000"
to = "qeue:sales"                                 #16 destination
hours = "shopp"                                   #17 not-there
greeting = "Bem-vindo\\u2028à Padaria"             #18 control

[[phone]]
extension = "190"                                 #19 emergency
secret = "1234567"                                #20 secret

[[phone]]
extension = 201                                   #21 type
virtual = "yes"                                   #22 type

[[agent]]
code = "007"                                      #23 code
name = "Ana"
phone = "299"                                     #24 not-there
pin = "12a4"                                      #25 pin
queues = [
    "sales",
    { queue = "support", penalty = 200 },         #26 range
    "delivery",                                   #27 not-there
]

[[queue]]
name = "sales"
max_wait = 300                                    #28 unknown-key
ring_s = 15.5                                     #29 type
overflow = "queue:support"

[[queue]]
name = "support"
overflow = "queue:sales"                          #30 loop
no_agent = "voicemail:nobody"                     #31 not-there

[[menu]]                                          #32 missing
name = "main"
options = { 1 = "queue:sales", A = "hangup" }     #33 key
otherwise = "menu:main"                           #34 loop
"""


def test_a_file_with_thirty_four_mistakes_gets_thirty_four_sentences_with_their_lines() -> None:
    marked = [(at, line) for at, line in enumerate(MISTAKES.split("\n"), start=1) if "  #" in line]
    assert len(marked) == 34
    with pytest.raises(OfficeRefused) as refused:
        read(MISTAKES, "my office.toml", lambda: "a-secret-of-the-tests")
    found = refused.value.problems
    assert [problem.line for problem in found] == [at for at, _ in marked], str(refused.value)
    for problem, (_, line) in zip(found, marked, strict=True):
        what = SENTENCES[line.rsplit(" ", 1)[1]][0]
        for piece in (piece.partition("}")[2] or piece for piece in what.split("{")):
            assert piece in problem.what, (line, problem.what)
        assert problem.what[0].isupper() or problem.what[0] == "“"
        assert problem.what.endswith(".")
        assert problem.file == "my office.toml"
    assert str(refused.value).startswith("34 things are wrong; nothing was changed.\nmy office.toml:1: ")
    assert len(str(refused.value).split("\n")) == 35


def test_every_example_is_toml() -> None:
    with pytest.raises(OfficeRefused) as refused:
        read(MISTAKES)
    for problem in refused.value.problems:
        tomllib.loads(problem.example)


HEAD = '[office]\nname = "X"\n'
HOURS = "[[hours]]\nname='a'\nopen='sun 20:00-04:00'\n[[hours]]\nname='b'\nopen=['sun 20:00-04:00', 'mon 03:00-05:00']"
AGENT = "[[agent]]\ncode='1'\nname='A'\npin='1234'\n"
LINE_B = "[[line]]\nname='b'\nkind='sip-peer'\n"
LINE = "[[line]]\nname='a'\nkind='sip-peer'\n"
NUMBERS = """[[number]]
number = "+551133330000"
to = "number:+551133330001"
[[number]]
number = "+551133330001"
to = "hangup"
closed = "number:+551133330000"
"""
MENU = "[[menu]]\nname='m'\ntext='Olá'\noptions="
CALLS = "[[number]]\nnumber='+551133330000'\nto='hangup'\n"
PHONE = "[[phone]]\nextension='201'\n"
MAC = PHONE + "mac='00:15:65:aa:bb:cc'\nmodel='snom'\n"
PAUSE = "[[pause]]\ncode='lunch'\nkey='1'\ntitle='Almoço'\n"
CAMPAIGN = "[[campaign]]\nname='spring'\ncode='1'\n"
SHOP = "[[hours]]\nname='a'\nopen='mon 08:00-12:00'\n"
QUEUES = '[[queue]]\nname = "sales"\n[[queue]]\nname = "support"\n'


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('[office]\nname = "X"\nname = "Y"\n\n', 3, "stands twice"),
        ("[office]\nname = Padaria\n", 2, "needs quotes"),
        ('[office]\nname = "Padaria\n', 2, "quote is not closed"),
        ('[office]\nname = "X"\n[office]\n', 3, "stands twice"),
        ("[[office]]\nname = 'X'", 1, "table of its own"),
        ("", 1, "“name” is missing"),
        ("[queue]\nname = 'sales'\n[office]\nname='X'", 1, "double brackets"),
        ("[[queues]]\nname = 'sales'\n[office]\nname='X'", 1, "did you mean “queue”"),
        (HEAD + "[[queue]]\nname = 'general'", 4, "meaning of its own"),
        (HEAD + "[[queue]]\nname = 'a'\nrecord = 1", 5, "must be true or false"),
        (HEAD + "[[queue]]\nname = 'a'\nring_s = true", 5, "must be a whole number, not true or false"),
        (HEAD + "[[queue]]\nname = 'a'\nring_s = 1979-05-27", 5, "not a date"),
        (HEAD + "[[queue]]\nname = 'a'\nstrategy = 'longest'", 5, "did you mean “longest-idle”"),
        (HEAD + "[[queue]]\nname = 'a'\ntitle = '" + "x" * 61 + "'", 5, "61 characters, at most 60"),
        (HEAD + "[[queue]]\nname = 'a'\noverflow = 'queue:a'", 5, "queue:a → queue:a"),
        (HEAD + "[[queue]]\nname = 'a-b'\n[[queue]]\nname = 'ab'", 6, "“a-b”, the queue of line 4, in hyphens"),
        (HEAD + "[[queue]]\nname = 'a'\noverflow = 'voicemail:b'", 5, "No voicemail, queue or agent is called “b”"),
        (HEAD + "[[queue]]\nname = 'a'\noverflow = 'phone:299'", 5, "No phone is called “299”"),
        (HEAD + "[[hours]]\nname = 'a'", 3, "closed = true"),
        (HEAD + "[[hours]]\nname = 'a'\nopen = []", 5, "has no opening times"),
        (HEAD + "[[hours]]\nname = 'a'\nclosed = true\nopen = 'all 00:00-24:00'", 5, "both open and closed"),
        (HEAD + HOURS, 8, "overlap"),
        (HEAD + "[[hours]]\nname = 'a'\nopen = 'mon 08:00-25:00'", 5, "not on the clock"),
        (HEAD + "[[hours]]\nname = 'a'\nopen = 'mon 08:00-08:00'", 5, "same minute"),
        (HEAD + "[[hours]]\nname = 'a'\nopen = 'seg 08:00-09:00'", 5, "not a day"),
        (HEAD + "[[phone]]\nextension = '0201'", 4, "cannot be an extension"),
        (HEAD + "[[phone]]\nextension = '911'", 4, "emergency"),
        (HEAD + "[[phone]]\nextension = '201'\nsecret = 'aaaaaaaaaa'", 5, "repeats"),
        (HEAD + "[[phone]]\nextension = '201'\nsecret = 'with;semicolon'", 5, "plain keyboard"),
        (HEAD + "[[agent]]\ncode = '1'\nname = 'A'\npin = 1234", 6, "text in quotes"),
        (HEAD + QUEUES + AGENT + "queues=['sales', 'sales']", 11, "twice"),
        (HEAD + QUEUES + AGENT + "queues=[{queue='sales', penality=1}]", 11, "did you mean “penalty”"),
        (HEAD + QUEUES + AGENT + "queues=[{penalty=1}]", 11, "is a name, or a table"),
        (HEAD + LINE, 3, "needs “addresses”"),
        (HEAD + LINE + "addresses=['0.0.0.0/0']", 6, "strangers"),
        (HEAD + LINE + "addresses=['10.1.0.0/16']\n" + LINE_B + "addresses=['10.1.2.3']", 10, "“a”"),
        (HEAD + LINE + "addresses=['10.1.2.3']\ntransport='tls'", 7, "encrypted"),
        (HEAD + "[[line]]\nname='a'\nkind='sip-register'\nhost='h'\nusername='u'\nsecret=''", 8, "needs “secret”"),
        (HEAD + "region = 'São Paulo'", 3, "not a region of BR"),
        (HEAD + NUMBERS, 9, "for ever"),
        (HEAD + "[[number]]\nnumber='+551133330000'\nto='number:+551144440000'", 5, "No number is called"),
        (HEAD + "[[number]]\nnumber='+55 11 3333-0000'\nto='hangup'", 4, "did you mean “+551133330000”"),
        (HEAD + "[[number]]\nnumber='+5511333'\nto='hangup'", 4, "does not exist"),
        (HEAD + "[[menu]]\nname='m'\ntext='Olá'\noptions={}", 6, "empty"),
        (HEAD + QUEUES + "[[menu]]\nname='m'\ntext='Olá'\noptions={1='queue:sles'}", 10, "did you mean “sales”"),
        (HEAD + "x = [" + "[" * 100_000, 1, "nested too deeply"),
        (HEAD + ".".join("a" * 20_000) + " = 1", 3, "nested too deeply"),
        (HEAD + 'x = { a = """ " """, ' + " . ".join(['"\\""'] * 20_000) + " = 1 }", 3, "nested too deeply"),
        (HEAD + "[[line]]\nchannels = 0x" + "f" * 10_000, 4, "far too long"),
        (HEAD + "[[line]]\nchannels = " + "9" * 10_000, 4, "far too long"),
        (HEAD + '"\\' * 200_000, 3, "backslash"),
        # pauses, holidays, dates
        (HEAD + PAUSE + PAUSE.replace("lunch", "coffee"), 9, "Key 1 is that of “lunch” of line 5 already"),
        (HEAD + PAUSE + PAUSE.replace("'1'", "'2'"), 8, "it is the pause of line 4 already"),
        (HEAD + PAUSE.replace("'1'", "'#'"), 5, "not one of the keys 0 to 9"),
        # campaigns
        (HEAD + CAMPAIGN + CAMPAIGN.replace("spring", "autumn"), 8, "Code 1 is that of “spring” of line 5 already"),
        (HEAD + CAMPAIGN + CAMPAIGN.replace("'1'", "'2'"), 7, "it is the campaign of line 4 already"),
        (HEAD + CAMPAIGN.replace("'1'", "'123'"), 5, "cannot be a campaign's code: 1 or 2 digits"),
        (HEAD + CAMPAIGN.replace("'1'", "'01'"), 5, "the first not 0"),
        (HEAD + CAMPAIGN.replace("'1'", "1"), 5, "must be text in quotes"),
        (HEAD + "[[campaign]]\nname='spring'\n", 3, "“code” is missing"),
        (HEAD + CAMPAIGN + "record='sometimes'", 6, "“sometimes” is not possible for “record”"),
        (HEAD + CAMPAIGN + "record_sides='left'", 6, "it is one of"),
        (HEAD + CAMPAIGN + "keep_days=36501", 6, "it must be from 0 to 36500"),
        (HEAD + CAMPAIGN + "sac='yes'", 6, "must be true or false"),
        # surveys
        (HEAD + "[[survey]]\nname='a'\nquestions=[]", 5, "is empty"),
        (HEAD + "[[survey]]\nname='a'\nquestions=['csat','csta']", 5, "did you mean “csat”"),
        (HEAD + "[[survey]]\nname='a'\nquestions=['csat','csat']", 5, "stands twice"),
        (HEAD + "[[survey]]\nname='a'\nquestions=['csat','nps','resolved','sentence']", 5, "at most three questions"),
        (HEAD + "[[survey]]\nname='a'\npercent=101", 5, "from 0 to 100"),
        (HEAD + "[[survey]]\nname='a'\nnps_in={en='How likely?'}", 5, "not among the languages"),
        (HEAD + "[[survey]]\nname='good'\n[[queue]]\nname='sales'\nsurvey='god'", 7, "No survey is called “god”"),
        # music
        (HEAD + "[[music]]\nname='default'", 4, "default"),
        (HEAD + "[[music]]\nname='calm'\norder='loud'", 5, "it is one of random, in-order"),
        (HEAD + "[[music]]\nname='calm'\n[[queue]]\nname='sales'\nmusic='clam'", 7, "No music is called “clam”"),
        (HEAD + "[[holiday]]\ndate='2026-02-30'", 4, "“2026-02-30” is not a date"),
        (HEAD + "[[holiday]]\ndate=2026-02-18", 4, "must be a date in quotes, not a date or time"),
        (HEAD + "[[holiday]]\ndate='02-29'\n[[holiday]]\ndate='02-29'", 6, "it is the holiday of line 4"),
        (HEAD + SHOP + "holidays='shut'", 6, "it is one of open, closed"),
        (HEAD + SHOP + "dates={'12-24'='closed'}", 6, "“12-24” is not a date"),
        (HEAD + SHOP + "dates={2026-12-24='shut'}", 6, "is not two times"),
        (HEAD + SHOP + "dates={2026-12-24='08:00-12:00 11:00-13:00'}", 6, "the times overlap"),
        (HEAD + SHOP + "dates={2026-12-24=true}", 6, "must be times in quotes"),
        (HEAD + SHOP + "dates='2026-12-24'", 6, "must be a table of dates"),
        # languages and sayings
        (HEAD + "languages=['fr']", 3, "“fr” is not possible"),
        (HEAD + "languages=['en', 'pt-BR']", 3, "the office's own language"),
        (HEAD + MENU + "{1='hangup'}\ntext_in={en='Hi'}", 7, "“en” is not among the languages of this office"),
        (HEAD + CALLS + "greeting_in={'pt-BR'='Oi'}", 6, "the office's own language already"),
        (HEAD + CALLS + "greeting_in={fr='Oi'}", 6, "“fr” is not possible"),
        (HEAD + CALLS + "greeting_in={en=1}\nlanguage=''", 6, "must be text in quotes"),
        (HEAD + CALLS + "language='es'", 6, "“es” is not among the languages"),
        (HEAD + MENU + "{1={to='hangup', language='es'}}", 6, "“es” is not among the languages"),
        # keys of a menu
        (HEAD + MENU + "{1={language='pt-BR'}}", 6, "“to” is missing"),
        (HEAD + MENU + "{1={to='hangup', neeed='x'}}", 6, "did you mean “need”"),
        (HEAD + MENU + "{1={to='hangup', priority=6}}", 6, "it must be from 0 to 5"),
        (HEAD + MENU + "{1='back'}\notherwise='repeat'", 7, "cannot be “repeat”: only a key of a menu"),
        (HEAD + MENU + "{1={to='hangup', need='english'}}", 6, "No agent has the skill “english”"),
        # phones that fetch their settings
        (HEAD + PHONE + "model='yealink'\nmac='00156'", 6, "“00156” is not the MAC address of a phone"),
        (HEAD + PHONE + "model='yealink'\nmac='011565AABBCC'", 6, "is not the MAC address of a phone"),
        (HEAD + PHONE + "model='yealink'\nmac=1565", 6, "must be text in quotes"),
        (HEAD + PHONE + "model='yeelink'\nmac='001565AABBCC'", 5, "did you mean “yealink”"),
        (HEAD + PHONE + "mac='001565AABBCC'", 5, "“mac” does nothing without “model”"),
        (HEAD + PHONE + "model='snom'", 5, "“model” does nothing without “mac”"),
        (HEAD + MAC + MAC.replace("201", "202").replace(":", "-"), 9, "“001565AABBCC” stands twice: it is the"),
        # agents and what they can do
        (HEAD + CALLS + "need='englsh'\n" + AGENT + "skills=['english']", 6, "did you mean “english”"),
        (HEAD + AGENT + "skills=[{skill='en', level=0}]", 7, "it must be from 1 to 9"),
        (HEAD + AGENT + "skills=['en', {skill='en'}]", 7, "stands twice"),
        (HEAD + AGENT + "skills=[{level=2}]", 7, "is a name, or a table with “skill” and “level”"),
        (HEAD + AGENT + "skills=[{skill='en', levle=2}]", 7, "did you mean “level”"),
        # queues
        (HEAD + QUEUES + "callback_key='1'", 7, "“callback_key” does nothing without “callback”"),
        (HEAD + QUEUES + "callback_offer_s=60", 7, "“callback_offer_s” does nothing"),
        (HEAD + QUEUES + "callback_key='12'\ncallback='agent-first'", 7, "not a key of a telephone"),
        (HEAD + QUEUES + "max_predicted_s=60", 7, "does nothing without “predicted”"),
        (HEAD + QUEUES + "full='callback:sales'", 7, "The queue “sales” calls nobody back"),
        (HEAD + QUEUES + "full='callback:sals'", 7, "No queue is called “sals”"),
        (HEAD + QUEUES + "full='agent:7'", 7, "No agent is called “7”"),
        (HEAD + QUEUES + "full='agent:x'", 7, "not a possible name after “agent:”"),
        (HEAD + QUEUES + "full='outside:+5511987654321'", 7, "no line makes outgoing calls"),
        (HEAD + QUEUES + "full='outside:+5511987'", 7, "not a possible name"),
        (HEAD + QUEUES + "full='outside:+55119876543'", 7, "does not exist"),
        (HEAD + QUEUES + "hours='shop'", 7, "No set of hours is called “shop”"),
        (HEAD + QUEUES + "callback_hours='shop'", 7, "No set of hours is called “shop”"),
        (HEAD + QUEUES + "dispositions={1='sold'}", 7, "needs a code and a text"),
        (HEAD + QUEUES + "dispositions={1='sold: Sim', 2='sold: Não'}", 7, "“sold” stands twice"),
        (HEAD + QUEUES + "dispositions={10='sold: Sim'}", 7, "not one of the keys 0 to 9"),
        (HEAD + QUEUES + "dispositions={1='Sold: Sim'}", 7, "“Sold” cannot be a name"),
        (HEAD + QUEUES + "dispositions={1='sold: '}", 7, "“1” is empty"),
        (HEAD + PHONE + QUEUES + "extension='201'", 9, "“201” stands twice: it is the phone of line 4 already"),
        (HEAD + QUEUES + "extension='190'", 7, "cannot be an extension"),
        (HEAD + QUEUES + "extension='705'", 7, "“705” lies among the parking places 700 to 709"),
        (HEAD + "parking_slots=99\n" + PHONE.replace("201", "799"), 5, "the parking places 700 to 799"),
        (HEAD + "parking='185'", 3, "would cover the emergency number 190"),
        (HEAD + "parking='192'", 3, "cannot be an extension"),
        (HEAD + "parking='999999'", 3, "no extensions for 9 parking places"),
        ("#" * 2_000_001, 1, "longer than 2000000"),
    ],
)  # fmt: skip
def test_one_mistake_gets_one_sentence(text: str, line: int, said: str) -> None:
    with pytest.raises(OfficeRefused) as refused:
        read(text, secret=lambda: "a-secret-of-the-tests")
    assert [problem.line for problem in refused.value.problems] == [line], str(refused.value)
    assert said in str(refused.value.problems[0])


def test_a_way_round_over_a_menu_and_two_queues_is_told_once_and_whole() -> None:
    text = HEAD + (
        "[[menu]]\nname='m'\ntext='Olá'\noptions={1='queue:a', 2='menu:m'}\notherwise='queue:a'\n"
        "[[queue]]\nname='a'\noverflow='queue:b'\nno_agent='queue:b'\n[[queue]]\nname='b'\noverflow='menu:m'\n"
    )
    with pytest.raises(OfficeRefused) as refused:
        read(text)
    assert [problem.what.partition(": ")[2] for problem in refused.value.problems] == [
        "queue:a → queue:b → menu:m → queue:a."
    ]


@pytest.mark.parametrize("way", ["overflow", "no_agent", "full", "predicted", "closed"])
@pytest.mark.parametrize("back", ["otherwise", "wrong", "silent"])
def test_every_way_that_a_call_takes_by_itself_counts_as_a_loop(way: str, back: str) -> None:
    text = HEAD + f"[[queue]]\nname='a'\n{way}='menu:m'\n{MENU}{{1='back'}}\n{back}='queue:a'\n"
    with pytest.raises(OfficeRefused) as refused:
        read(text)
    assert [problem.what.partition(": ")[2] for problem in refused.value.problems] == ["queue:a → menu:m → queue:a."]


def test_a_default_parking_place_is_named_where_a_phone_stands_in_it() -> None:
    read(HEAD + "parking=''\n[[phone]]\nextension='705'\n", secret=lambda: "a-secret-of-the-tests")
    with pytest.raises(OfficeRefused, match="among the parking places 700 to 709") as refused:
        read(HEAD + "[[phone]]\nextension='705'\n", secret=lambda: "a-secret-of-the-tests")
    assert [problem.example for problem in refused.value.problems] == ['parking = ""']


def test_a_menu_that_is_heard_again_by_a_key_is_no_loop() -> None:
    read(HEAD + "[[menu]]\nname='m'\ntext='Olá'\noptions={9='menu:m'}\n")


def test_a_hostile_name_cannot_break_the_report_into_lines() -> None:
    with pytest.raises(OfficeRefused) as refused:
        read(HEAD + '"evil\\n\\u2028office.toml:1: all is well" = 1\n[[queue]]\nname = "a\\nb\\u0085{line}"\n')
    assert len(refused.value.problems) == 2
    assert len(str(refused.value).splitlines()) == 3
