"""The office's own sentences: recorded at a phone while no daemon runs, uploaded in the page, heard in real calls."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.asterisk.own_sounds import OwnSounds
from ramal.asterisk.prompts import needed
from ramal.asterisk.render_prompts import numbers
from ramal.control.client import Control, Refused, send_sound
from ramal.core import sound
from ramal.virtual.phone import Account, Phone
from tests.system import agents, box
from tests.system.box import TestBox
from tests.until import until

pytestmark = pytest.mark.system

PIN, VOICE_HZ, WRONG_HZ = "5512", 620.0, 1300.0
CLOSED = "pt_BR/closed"
CLOSED_NUMBER = "+551133330003"
CALM_HZ = 1200.0
SOUNDS = Path(__file__).parents[1] / "asterisk" / "sounds"
BOSS = """
[[music]]
name = "calm"
order = "in-order"

[[agent]]
code = "9"
name = "Chefe"
phone = "203"
pin = "5512"
supervisor = true

[[phone]]
extension = "204"
name = "Fone 204"
"""


@pytest.fixture(scope="module")
def office() -> Iterator[TestBox]:
    folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    try:
        text = box.office().replace('title = "Vendas"', 'title = "Vendas"\nmusic = "calm"') + BOSS
        with box.running(folder, text, daemon=False, terse=True) as running:
            yield running
            assert running.channels() == 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def own(office: TestBox) -> OwnSounds:
    return OwnSounds(office.home.prompts, office.home.own_prompts)


def voice(folder: Path, hz: float) -> Path:
    path = folder / f"{hz:.0f}.wav"
    path.write_bytes(sound.wav_bytes(sound.tone([hz], 2000)))
    return path


def asked(office: TestBox, application: str, besides: str = "") -> str:
    """The channel on which an application runs for at least a second, with its words; "" for none but ``besides``."""
    for line in office.command("core show channels concise").splitlines():
        fields = line.split("!")
        if len(fields) > 11 and fields[5] == application and fields[11] not in ("", "0"):
            found = fields[0] + fields[6]
            return found if found != besides else ""
    return ""


def press_when_asked(office: TestBox, desk: Phone, keys: list[str], before: str = "") -> str:
    for word in keys:
        reading = until(lambda before=before: asked(office, "Read", before), 15, f"asked before {word}")  # type: ignore[misc]
        desk.dtmf(word)
        before = reading
    return before


def dial_sentence(office: TestBox, desk: Phone, path: str) -> str:
    """Dial a sentence's code and pass the PIN; what was asked last."""
    number = numbers(needed(office.office))[path]
    desk.dial(f"*51{number}")
    return press_when_asked(office, desk, ["9#", f"{PIN}#"])


def heard(office: TestBox, tmp_path: Path, user: str, number: str = CLOSED_NUMBER) -> list[int]:
    """What a caller hears until the box hangs up: samples."""
    account = Account(user, port=office.settings.sip_port)
    with Phone(tmp_path / user, user, account) as caller:
        caller.dial(f"sip:{number}@127.0.0.1:{office.settings.sip_port}")
        call = until(lambda: next(iter(caller.calls.values()), None), 10, "the call began")
        until(lambda: not caller.calls, 30, "the box hung up")
        return list(sound.read_wave(call.heard.read_bytes()).mono)


def tenths(samples: list[int], hz: float) -> int:
    """In how many tenths of a second a tone is heard."""
    return sum(row[0] for row in sound.tones_present(samples, sound.RATE_HZ, [hz], share=0.7))


def test_a_sentence_is_recorded_at_a_phone_while_no_daemon_runs_and_the_next_caller_hears_it(
    office: TestBox, tmp_path: Path
) -> None:
    assert tenths(heard(office, tmp_path, "before"), VOICE_HZ) == 0
    with agents.phone(office, "204", voice=voice(tmp_path, VOICE_HZ)) as desk:
        last = dial_sentence(office, desk, CLOSED)
        last = press_when_asked(office, desk, ["2"], last)
        until(lambda: asked(office, "Record"), 15, "recording")
        until(lambda: (take := next(take_files(office), None)) and take.stat().st_size > 24_000, 10, "a take")
        desk.dtmf("#")
        press_when_asked(office, desk, ["1"], last)
        until(lambda: not desk.calls, 20, "kept")
    sounds = own(office)
    kept = sounds.versions(CLOSED)
    assert [(one.source, one.agent, one.phone) for one in kept] == [("phone", "9", "204")]
    assert sounds.chosen(CLOSED) == kept[0].name
    assert list(take_files(office)) == []
    assert tenths(heard(office, tmp_path, "after"), VOICE_HZ) >= 10
    assert "PROMPT" in journal(office)


def test_three_brings_the_machine_back_and_the_take_stays(office: TestBox, tmp_path: Path) -> None:
    with agents.phone(office, "204", voice=voice(tmp_path, WRONG_HZ)) as desk:
        last = dial_sentence(office, desk, CLOSED)
        press_when_asked(office, desk, ["3"], last)
        until(lambda: not desk.calls, 20, "done")
    assert own(office).chosen(CLOSED) == ""
    assert len(own(office).versions(CLOSED)) == 1
    assert tenths(heard(office, tmp_path, "machine"), VOICE_HZ) == 0


def test_who_has_no_pin_changes_nothing(office: TestBox, tmp_path: Path) -> None:
    before = own(office).played(CLOSED).read_bytes()
    with agents.phone(office, "204", voice=voice(tmp_path, WRONG_HZ)) as desk:
        desk.dial(f"*51{numbers(needed(office.office))[CLOSED]}")
        press_when_asked(office, desk, ["7#"])  # an agent, no supervisor
        until(lambda: not desk.calls, 20, "refused")
    assert own(office).played(CLOSED).read_bytes() == before


def test_the_daemon_finds_what_a_phone_did_writes_it_down_and_levels_the_take(office: TestBox, tmp_path: Path) -> None:
    office.start_daemon()
    rows = until(lambda: found if len(found := audit(office)) >= 2 else [], 15, "the phone's acts are in the audit")
    assert rows == [("9", "prompt.recorded", f"{CLOSED} 204"), ("9", "prompt.machine", f"{CLOSED} 204")]
    version = own(office).versions(CLOSED)[0].name
    raw = own(office).folder(CLOSED) / f"{version.removesuffix('.wav')}.raw"
    until(raw.exists, 15, "the take is levelled")
    office.control("prompts.use", 10, path=CLOSED, version=version, who="owner")
    samples = heard(office, tmp_path, "levelled")
    assert tenths(samples, VOICE_HZ) >= 10
    told = office.control("prompts.one", 10, path=CLOSED)
    assert (told["by"], told["source"], told["versions"][0]["who"]) == ("own", "phone", "9")


@pytest.mark.parametrize(("form", "hz"), [("mp3", 980.0), ("m4a", 980.0), ("opus", 980.0)])
def test_an_uploaded_file_is_heard_by_the_next_caller_and_undone(
    office: TestBox, tmp_path: Path, form: str, hz: float
) -> None:
    before = own(office).chosen(CLOSED)
    given = brought(office, tmp_path, form, hz)
    done = office.control("prompts.replace", 60, path=CLOSED, upload=given, file=f"bom dia.{form}", who="owner")
    assert done["form"] == form
    samples = heard(office, tmp_path, f"up{form}")
    assert tenths(samples, hz) >= 10
    assert tenths(samples, VOICE_HZ) == 0
    assert ("owner", "prompt.replaced", f"{CLOSED} bom dia.{form}") in audit(office)
    office.control("prompts.undo", 10, path=CLOSED, who="owner")
    assert own(office).chosen(CLOSED) == before


def test_a_hostile_upload_changes_nothing_and_is_not_kept(office: TestBox, tmp_path: Path) -> None:
    before = own(office).played(CLOSED).read_bytes()
    file = tmp_path / "evil.mp3"
    file.write_bytes(b"<html><script>" * 1000)
    with file.open("rb") as opened:
        name = send_sound(Control(office.home.control_sock), opened, "owner")
    with pytest.raises(Refused) as caught:
        office.control("prompts.replace", 60, path=CLOSED, upload=name, file="evil.mp3", who="owner")
    assert caught.value.code == "sound-form"
    assert own(office).played(CLOSED).read_bytes() == before
    assert list(office.home.incoming.iterdir()) == []


def test_what_the_owner_said_survives_a_new_voice_and_an_apply(office: TestBox, tmp_path: Path) -> None:
    chosen = own(office).chosen(CLOSED)
    assert chosen
    text = office.control("office", 10)["toml"].replace("Oficina Teste", "Outra Oficina")
    office.control("apply", 60, toml=text, file="o.toml")
    assert own(office).chosen(CLOSED) == chosen
    assert tenths(heard(office, tmp_path, "applied"), VOICE_HZ) >= 10
    assert office.control("prompts.restore", 10, path=CLOSED, who="owner")["changed"]
    assert tenths(heard(office, tmp_path, "restored"), VOICE_HZ) == 0


def test_a_waiting_caller_hears_the_queues_own_music_and_a_new_sound_disturbs_nobody(
    office: TestBox, tmp_path: Path
) -> None:
    given = brought(office, tmp_path, "mp3", CALM_HZ)
    assert office.control("music.add", 60, music="calm", upload=given, file="calm.mp3", who="owner")["told"]
    account = Account("waits", port=office.settings.sip_port)
    with agents.logged_in(office, "201", agents.IGNORE), Phone(tmp_path / "waits", "waits", account) as caller:
        caller.dial(f"sip:+551133330001@127.0.0.1:{office.settings.sip_port}")
        call = until(lambda: next(iter(caller.calls.values()), None), 10, "the call began")

        def music() -> int:
            return tenths(list(sound.read_wave(call.heard.read_bytes()).mono), CALM_HZ) if call.heard.exists() else 0

        before = until(lambda: found if (found := music()) >= 10 else 0, 20, "the music")
        more = brought(office, tmp_path, "flac", 1500.0)
        assert office.control("music.add", 60, music="calm", upload=more, file="b.flac", who="owner")["told"]
        until(lambda: music() >= before + 10, 20, "the music goes on")
        caller.hangup()
    shown = office.command("moh show files")
    files = [row["file"] for row in office.control("music.list", 10)["music"][0]["files"]]
    assert len(files) == 2
    assert all(file.removesuffix(".wav") in shown for file in files)
    office.control("music.remove", 10, music="calm", file=files[0], who="owner")
    assert files[0].removesuffix(".wav") not in office.command("moh show files")
    agents_out(office)


def agents_out(office: TestBox) -> None:
    with agents.phone(office, "201") as desk:
        agents.dial_code(office, desk, "*46")


def brought(office: TestBox, folder: Path, form: str, hz: float) -> str:
    """A file of three seconds of a tone in some form, sent to the daemon; its name there."""
    wav, file = folder / f"{hz:.0f}.wav", folder / f"{hz:.0f}.{form}"
    wav.write_bytes(sound.wav_bytes(sound.tone([hz], 3000)))
    if form == "m4a":
        file = SOUNDS / "tone-980hz.m4a"
    else:
        program = ("opusenc", "--quiet") if form == "opus" else ("sox",)
        subprocess.run(office.programs.argv(*program, str(wav), str(file), binds=[folder]), check=True)
    with file.open("rb") as opened:
        return send_sound(Control(office.home.control_sock), opened, "owner")


def audit(office: TestBox) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in office.rows("SELECT who, what, detail FROM audit WHERE what LIKE 'prompt.%'")]


def take_files(office: TestBox) -> Iterator[Path]:
    return (office.home.own / "takes").glob("*.wav")


def journal(office: TestBox) -> str:
    return (office.home.asterisk_log / "cel-custom" / "ramal.csv").read_text(errors="replace")
