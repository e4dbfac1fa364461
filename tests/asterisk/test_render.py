"""What an office becomes in Asterisk's files. A person reviews the goldens: a change shows there first."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from ramal.ami import translate
from ramal.asterisk.machine import Box
from ramal.asterisk.prompts import FOLDER, fallbacks, needed, spoken
from ramal.asterisk.render import render
from ramal.asterisk.render_agents import pin_digest
from ramal.asterisk.render_arrival import spellings
from ramal.asterisk.render_base import AMI_EVENTS
from ramal.asterisk.tokens import display, secret, token
from ramal.core.destination import BACK
from ramal.core.office import Campaign, Menu, Office, Option, Saying
from ramal.core.office_file import read
from tests.core.offices import offices

GOLDEN = Path(__file__).parent / "golden"
BOX = Box(
    etc="/home/asterisk/etc/current",
    data="/home/asterisk/data",
    lib="/home/asterisk/lib",
    log="/home/asterisk/log",
    spool="/home/asterisk/spool",
    run="/home/run",
    recordings="/home/recordings",
    prompts="/home/prompts",
    own="/home/own",
    custom="/home/asterisk/etc/custom",
    sip_bind="127.0.0.1",
    sip_port=5060,
    rtp_first=10000,
    rtp_last=10999,
    ami_port=5038,
    ami_secret="AmiSecret",
)


def demo() -> Office:
    text = resources.files("ramal").joinpath("offices", "demo.toml").read_text(encoding="utf-8")
    return read(text, "demo.toml", lambda: "abcdefgh12345678")


def test_the_demo_office_renders_to_the_golden_files() -> None:
    # dialplan/ is hand-written, and reviewed where it stands.
    files = {name: text for name, text in render(demo(), BOX).items() if not name.startswith("dialplan/")}
    if os.environ.get("RAMAL_WRITE_GOLDENS"):
        for name, text in files.items():
            (GOLDEN / name).parent.mkdir(parents=True, exist_ok=True)
            (GOLDEN / name).write_text(text, encoding="utf-8")
    for name, text in files.items():
        assert text == (GOLDEN / name).read_text(encoding="utf-8"), name


def test_a_campaign_is_found_by_its_code_and_asked_about_recording() -> None:
    campaigns = (Campaign("spring", "1", "Primavera", "always", "stereo"), Campaign("quiet-1", "12", record="never"))
    text = render(replace(demo(), campaigns=(*campaigns, Campaign("plain", "99"))), BOX)["extensions.conf"]
    found = text.split("[ramal-campaign]\n")[1].split("\n\n")[0]
    assert found.splitlines() == [
        "exten => 1,1,Return(spring)",
        "exten => 12,1,Return(quiet-1)",
        "exten => 99,1,Return(plain)",
        "exten => _X!,1,Return()",
    ]
    says, sides = (text.split(f"[ramal-record-{word}]\n")[1].split("\n\n")[0] for word in ("says", "sides"))
    assert [line for line in says.splitlines() if "campaign" in line] == [
        "exten => campaign-spring,1,Return(2)",
        "exten => campaign-quiet-1,1,Return(3)",
    ]
    assert [line for line in sides.splitlines() if "campaign" in line] == ["exten => campaign-spring,1,Return(stereo)"]
    assert "RAMAL_RECORD_FORM = raw" in text, "one campaign in stereo: the whole office writes raw"


def test_a_call_of_a_campaign_that_comes_to_a_queue_on_demand_is_recorded_from_its_first_word() -> None:
    office = demo()
    asked = replace(office, queues=tuple(replace(queue, record="on-demand") for queue in office.queues))
    always = replace(asked, campaigns=(Campaign("spring", "1", record="always"),))
    counts = [render(each, BOX)["queues.conf"].count("monitor-format") for each in (asked, always, office)]
    assert counts[0] == 0
    assert counts[1] == counts[2] > 0


def test_the_same_office_gives_the_same_bytes() -> None:
    assert render(demo(), BOX) == render(demo(), BOX)


@given(offices())
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_office_can_write_a_line_of_its_own_into_asterisks_files(office: Office) -> None:
    for name, text in render(office, BOX).items():
        assert "\r" not in text
        assert "\x00" not in text
        if name == "extensions.conf":  # every line is one this renderer can have meant
            for line in text.splitlines():
                assert re.match(
                    r"(\[[\w-]+\]|exten => |( same => n)|#include |#tryinclude |include => |\w+ = |$)", line
                ), line
        if name == "pjsip.conf":
            for line in text.splitlines():
                assert re.match(r"(\[[\w-]+\](\([\w!-]+\))?$|[a-z_0-9]+ = |#tryinclude |$)", line), line


def contexts(files: Mapping[str, str]) -> dict[str, dict[str, set[str]]]:
    """Context to extension to the labels it has, of all files of the dialplan together, as Asterisk merges them."""
    found: dict[str, dict[str, set[str]]] = {}
    for name, text in files.items():
        if name != "extensions.conf" and not name.startswith("dialplan/"):
            continue
        context = exten = ""
        for line in text.splitlines():
            if at := re.match(r"\[([\w-]+)\]", line):
                context = at[1]
                found.setdefault(context, {})
            elif at := re.match(r"exten => ([^,]+),(?:\w+)(?:\((\w[\w-]*)\))?,", line):
                exten = at[1]
                found[context].setdefault(exten, set()).update({at[2]} if at[2] else set())
            elif at := re.match(r" same => n\(([\w-]+)\),", line):
                found[context][exten].add(at[1])
    return found


def ways(files: Mapping[str, str]) -> Iterator[tuple[str, str, str, list[str]]]:
    """Every place a call can be sent to by a literal name: (line, own context, own extension, parts of the target)."""
    for name, text in files.items():
        if name != "extensions.conf" and not name.startswith("dialplan/"):
            continue
        context = exten = ""
        for line in text.splitlines():
            if at := re.match(r"\[([\w-]+)\]", line):
                context = at[1]
            elif at := re.match(r"exten => ([^,]+),", line):
                exten = at[1]
            if line.startswith((";", "#")):
                continue
            for application, inside in _targets(line):
                yield line, context, exten, [application, *inside]


def _targets(line: str) -> Iterator[tuple[str, list[str]]]:
    for at in re.finditer(r"\b(Goto|Gosub)\(([^(),]*),([^(),]*),([^(),]*)[(),]", line):
        yield at[1], [at[2], at[3], at[4]]
    for at in re.finditer(r"\bGoto\(([^(),]*),([^(),]*)\)", line):
        yield "Goto", ["", at[1], at[2]]
    for at in re.finditer(r"\bGoto\(([^(),]*)\)", line):
        yield "Goto", ["", "", at[1]]
    if branches := re.search(r"\bGotoIf(?:Time)?\((.*)\)\s*$", line):
        for target in branches[1].rpartition("?")[2].split(":"):
            parts = target.split(",")
            if target:
                yield "GotoIf", [""] * (3 - len(parts)) + parts


def check_ways(files: Mapping[str, str]) -> int:
    """Fail on a way that leads nowhere; the number of ways looked at."""
    known = contexts(files)
    count = 0
    for line, own_context, own_exten, (_, context, exten, priority) in ways(files):
        context = context or own_context
        if "$" in context + exten:
            continue
        count += 1
        assert context in known, line
        extens = known[context]
        exten = exten or own_exten
        assert exten in extens or any(each.startswith("_") for each in extens), line
        if not priority.isdigit() and "$" not in priority and exten in extens:
            assert priority in extens[exten], line
    return count


@given(offices())
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_place_named_in_the_dialplan_exists_in_it(office: Office) -> None:
    assert check_ways(render(office, BOX)) > 50


@pytest.mark.parametrize("broken", ["Goto(dest-nowhere,s,1)", "Gosub(ramal-menu,x,1(a))", "Goto(nowhere)"])
def test_a_way_that_leads_nowhere_is_found(broken: str) -> None:
    files = dict(render(demo(), BOX))
    files["dialplan/zz.conf"] = f"[zz]\nexten => s,1,NoOp()\n same => n,{broken}\n"
    with pytest.raises(AssertionError):
        check_ways(files)


def test_the_manager_lets_through_every_event_that_the_daemon_understands() -> None:
    assert set(translate.EVENTS) <= set(AMI_EVENTS)


def test_an_older_asterisk_gets_the_older_event_filter() -> None:
    old = render(demo(), replace(BOX, version=(20, 5)))
    assert "eventfilter = Event: QueueCallerJoin" in old["manager.conf"]
    assert "res_cdrel_custom" not in old["modules.conf"]


def test_a_trunk_behind_a_router_is_told_the_public_address_and_phones_the_private_one() -> None:
    text = render(demo(), replace(BOX, sip_bind="0.0.0.0", external_address="203.0.113.7"))["pjsip.conf"]
    assert text.count("external_media_address = 203.0.113.7\n") == 2
    assert text.count("local_net = 192.168.0.0/16\n") == 2
    assert "external_media_address" not in render(demo(), BOX)["pjsip.conf"]


def test_a_number_is_known_in_every_spelling_a_provider_may_send() -> None:
    assert spellings("+551133330000", "BR") == ("+551133330000", "551133330000", "1133330000", "01133330000")


def test_no_folder_stands_where_a_colon_in_its_name_would_be_read_as_otherwise() -> None:
    """IF() and ExecIf() end their first choice at a colon that no parenthesis holds."""
    folder = r"\$\{RAMAL_(?:PROMPTS|RECORDINGS)\}"
    for name, text in render(demo(), BOX).items():
        for line in text.splitlines():
            choice = line.partition("ExecIf(")[2] or line.partition("${IF(")[2]
            if choice and not line.lstrip().startswith(";"):
                outside = re.sub(r"\w+\([^()]*\)", "", choice.partition("]?")[2])
                assert not re.search(folder, outside), f"{name}: {line}"


def test_no_pin_stands_readable_in_a_file() -> None:
    text = "\n".join(render(demo(), BOX).values())
    for agent in demo().agents:
        assert not re.search(rf"\b{agent.pin}\b", text)
        assert pin_digest(agent.code, agent.pin) in text


NO_PROMPTS = {
    "nowhere",  # a link to /dev/null, for the recording of a stand-in
    "names/",  # spoken by the daemon, played only when it is there (STAT)
}


def prompts_played(office: Office) -> Iterator[str]:
    """Every prompt's path that a call in any language of the office can meet; a name with a variable as ``name*``.

    Asterisk looks for the call's language before the last word of a path, then for the path itself.
    """
    alone = {prompt.path for prompt in needed(office)}
    files = render(office, BOX)
    text = "".join(
        spelled_out(text) for name, text in files.items() if name == "extensions.conf" or name.startswith("dialplan/")
    )
    for path in re.findall(r"\$\{RAMAL_PROMPTS\}/((?:[\w/-]|\$\{\w*\})+)", text):
        if path in NO_PROMPTS or "/say/" in path:  # the pieces of values: tests/core/test_spoken.py
            continue
        name = re.sub(r"\$\{\w*\}.*", "*", path)
        if name in alone:
            yield name
            continue
        before, slash, word = name.rpartition("/")
        yield from (f"{before}{slash}{FOLDER[language]}/{word}" for language in spoken(office))


def spelled_out(text: str) -> str:
    """The dialplan with the beginnings of paths that a context keeps in a LOCAL variable put in where it is used."""
    parts = re.split(r"^(?=\[)", text, flags=re.MULTILINE)
    for place, part in enumerate(parts):
        for name, path in re.findall(r"LOCAL\((\w+)\)=(\$\{RAMAL_PROMPTS\}[\w/-]*)\)", part):
            part = part.replace(f"${{{name}}}", path)
        parts[place] = part
    return "".join(parts)


def check_prompts(office: Office) -> int:
    made = {prompt.path for prompt in needed(office)}
    played = set(prompts_played(office))
    for path in played:
        # A path that ends in a variable, or is kept in one for words to be added, is the beginning of some.
        begins = path[:-1] if path.endswith("*") else f"{path}-"
        assert path in made or any(each.startswith(begins) for each in made), path
    return len(played)


def test_every_prompt_that_the_dialplan_plays_is_made() -> None:
    assert check_prompts(demo()) > 20


@given(offices())
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_prompt_that_any_office_plays_is_made_in_each_of_its_languages(office: Office) -> None:
    assert check_prompts(office) > 10 * len(spoken(office))
    paths = [prompt.path for prompt in needed(office)]
    assert len(paths) == len(set(paths))


MENU = Menu("main", "Tecle um.", (Option("1", BACK),), text_in=(Saying("en", "Press one."),))


def test_a_text_is_said_in_the_calls_language_and_in_the_offices_where_it_was_not_translated() -> None:
    office = replace(demo(), languages=("en", "es"), menus=(MENU,), numbers=())
    (digest,) = {path.rpartition("/")[2] for path in prompts_played(office) if path.startswith("office/en/")}
    said = {prompt.path: (prompt.language, prompt.text) for prompt in needed(office)}
    assert said[f"office/pt_BR/{digest}"] == ("pt-BR", "Tecle um.")
    assert said[f"office/en/{digest}"] == ("en", "Press one.")
    assert said[f"office/es/{digest}"] == ("pt-BR", "Tecle um.")
    assert (f"office/{digest}", f"office/pt_BR/{digest}") in fallbacks(office)
    made = {prompt.path for prompt in needed(office)}
    assert all(target in made and path not in made for path, target in fallbacks(office))


def test_a_changed_translation_is_a_new_file_in_every_language() -> None:
    one = replace(demo(), languages=("en",), menus=(MENU,), numbers=())
    other = replace(one, menus=(replace(MENU, text_in=(Saying("en", "Press 1."),)),))
    texts = [
        {prompt.path for prompt in needed(office) if prompt.path.startswith(("office/en/", "office/pt_BR/"))}
        for office in (one, other)
    ]
    assert texts[0]
    assert texts[0].isdisjoint(texts[1])


@pytest.mark.parametrize("evil", ["a;b", "a\nb", "x,y", "${EXTEN}", 'a"b', "a]b", "é"])
def test_a_token_that_could_be_configuration_is_refused(evil: str) -> None:
    with pytest.raises(ValueError):
        token(evil)


def test_a_display_name_keeps_letters_and_loses_everything_that_means_something() -> None:
    assert display('José "o bom" <x>;[y]\n#${Z}') == "José o bom x y Z"


def test_a_secret_cannot_hold_a_comment_or_a_line() -> None:
    for evil in ("ab;cd", "ab\ncd", 'ab"cd', "ab cd"):
        with pytest.raises(ValueError):
            secret(evil)
