"""What an office becomes in Asterisk's files. A person reviews the goldens: a change shows there first."""

import os
import re
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from ramal.ami import translate
from ramal.asterisk.machine import Box
from ramal.asterisk.prompts import needed
from ramal.asterisk.render import render
from ramal.asterisk.render_agents import pin_digest
from ramal.asterisk.render_arrival import spellings
from ramal.asterisk.render_base import AMI_EVENTS
from ramal.asterisk.tokens import display, secret, token
from ramal.core.office import Office
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


@given(offices())
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_destination_named_in_the_dialplan_exists_in_it(office: Office) -> None:
    text = render(office, BOX)["extensions.conf"]
    contexts: dict[str, set[str]] = {"dest-hangup": {"s"}}
    context = ""
    for line in text.splitlines():
        if found := re.match(r"\[([\w-]+)\]", line):
            context = found[1]
            contexts.setdefault(context, set())
        elif found := re.match(r"exten => ([^,]+),1,", line):
            contexts[context].add(found[1])
    for kind, name in re.findall(r"Goto\((dest-[a-z]+),([^,]+),1\)", text):
        assert name in contexts.get(kind, set()), f"{kind},{name}"
    for name in re.findall(r"Gosub\(hours,([^,]+),1\)", text):
        assert name in contexts["hours"]


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


def test_no_pin_stands_readable_in_a_file() -> None:
    text = "\n".join(render(demo(), BOX).values())
    for agent in demo().agents:
        assert not re.search(rf"\b{agent.pin}\b", text)
        assert pin_digest(agent.code, agent.pin) in text


def test_every_prompt_that_the_dialplan_plays_is_made() -> None:
    office = demo()
    files = render(office, BOX)
    made = {prompt.path for prompt in needed(office)}
    played = set(re.findall(r"\$\{RAMAL_PROMPTS\}/(office/\w+)", files["extensions.conf"]))
    static = "".join(files[name] for name in files if name.startswith("dialplan/"))
    played |= {
        f"pt_BR/{name}" for name in re.findall(r"\$\{RAMAL_PROMPTS\}/\$\{CHANNEL\(language\)\}/([\w-]+)", static)
    }
    assert played
    assert played <= made


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
