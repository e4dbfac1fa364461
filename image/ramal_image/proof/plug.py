"""The plug is pulled out of a box at work: systemd, Asterisk, the daemon, the page and a recording all run.

On the disk of ``power``, which loses, tears and keeps what was not flushed. One card lives through all of it: its first
start is cut while the data partition grows, while that is made and while the services start; then the plug is pulled
right after the owner claimed it; in the middle of a recorded call; as soon as the page gave the recording of one that
ended; in a start; and right after a change of the office that was saved in the page while somebody talked. After each
the next start takes calls, nothing that the page said is gone, and of what was recorded only the last seconds are.
"""

import html
import io
import random
import re
import subprocess
import time
import wave
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ramal.provide import peers
from ramal.provide.say import say
from ramal_image import ImageError
from ramal_image.proof import call, full, office, outside, reach
from ramal_image.proof.bench import BOOT_S, DISK_MIB, Bench
from ramal_image.proof.outside import Browser
from ramal_image.qemu.shell import Shell
from ramal_image.qemu.vm import Running
from ramal_image.qemu.volume import Counts, Volume

FIRST = (("growing the data partition", 5), ("making the data partition's file system", 8), ("root=", 150))
"""Cuts of the first start: at most so many writes after its initramfs said these words."""
IN_A_START = 120
"""Writes after the initramfs, within which a later start is cut."""
LOST_S = 8.0
"""Of a recording's sound may be gone: five to seven seconds, and one for what this machine takes to see an answer."""
TALK_S, SHORT_S, LONG_S = 35.0, 20.0, 230.0
"""The longest is a little shorter than what the phone has to say (outside.VOICE_S)."""
SOUND_S = 0.1
"""A piece of sound that is told apart from silence."""
LOUD = 500
SEEN_S, AT_ONCE_S = 600.0, 5.0
"""Beside three other virtual machines the daemon answered nothing for four minutes."""
MARK = "/run/ramal-safe"
COUNT = "/data/system/failed-boots/count"


@dataclass(slots=True)
class _Box:
    """What the people around the box know of it. ``saved``: words of what the page said is saved, by where it shows
    them; ``sounds``: seconds of sound of each call's recording."""

    bench: Bench
    shell: Shell
    chance: random.Random = field(default_factory=lambda: random.Random(11))
    cuts: int = 0
    counts: Counts = field(default_factory=Counts)
    saved: dict[str, str] = field(default_factory=dict)
    sounds: dict[str, float] = field(default_factory=dict)
    talked_s: float | None = None
    """Of a call that was talked before the last cut and is not looked up yet."""
    lost_s: list[float] = field(default_factory=list)


def prove(bench: Bench) -> None:
    """ImageError at the first thing that does not hold."""
    with bench.inside() as shell:
        box = _Box(bench, shell)
        _first_start(box)
        _claimed(box)
        _cut_in_a_call(box)
        _cut_after_a_call(box)
        _cut_in_a_start(box)
        _cut_after_a_change(box)
        with _plugged(box) as (_, running):
            _well(box, running)
    bench.figures |= {"cuts": box.cuts, "lost_sound_s": max(box.lost_s)}
    bench.figures |= {f"writes_{name}": getattr(box.counts, name) for name in ("lost", "torn", "kept")}
    if not box.counts.lost:
        raise ImageError("No write was ever lost: the disk was not volatile, and the cuts showed nothing.")


# ---- the plug


@contextmanager
def _plugged(box: _Box) -> Iterator[tuple[Volume, Running]]:
    """A start whose power goes at the end of the block, by ``_pull`` or anyhow."""
    volume = Volume(box.bench.card, box.bench.folder / "nbd", seed=box.cuts)
    try:
        with box.bench.start(f"nbd:unix:{volume.path}") as running:
            yield volume, running
    finally:
        done = volume.cut()
        volume.close()
        box.shell.close()
    box.cuts += 1
    for name in ("writes", "flushes", "lost", "torn", "kept"):
        setattr(box.counts, name, getattr(box.counts, name) + getattr(done, name))
    say(f"  cut {box.cuts}: {done.writes} writes, {done.lost} lost, {done.torn} torn, {done.kept} kept of those not "
        "flushed")  # fmt: skip


def _pull(volume: Volume, running: Running, when: str) -> None:
    """The power goes now."""
    volume.cut()
    say(f"  {running.age_s:6.1f} s  the plug is pulled: {when}")
    running.kill()


def _pull_within(box: _Box, volume: Volume, running: Running, writes: int, when: str) -> None:
    """The power goes at one of the next ``writes`` writes."""
    volume.cut_after(box.chance.randrange(1, writes))
    if not volume.cut_reached.wait(BOOT_S):
        raise ImageError(f"Nothing was written, {when}. The console's last lines:\n{running.tail()}")
    _pull(volume, running, f"{when} (the console's last words: {_last_words(running)})")


def _last_words(running: Running) -> str:
    said = re.findall(r"ramal-initrd: ([^\r\n]+)", running.said)
    return str(said[-1])[:60] if said else "none"


# ---- one cut after the other


def _first_start(box: _Box) -> None:
    for words, writes in FIRST:
        with _plugged(box) as (volume, running):
            running.wait_for(re.escape(words), BOOT_S)
            _pull_within(box, volume, running, writes, f"after “{words}”")


def _claimed(box: _Box) -> None:
    """What all these cuts left is a new box, which has an owner from the moment that its page says so."""
    with _plugged(box) as (volume, running):
        box.bench.up(running)
        _on_its_data(box, running)
        call.claim(call.claim_code(running))
        _pull(volume, running, "as soon as the box was claimed")


def _cut_in_a_call(box: _Box) -> None:
    with _plugged(box) as (volume, running):
        browser = _well(box, running)
        call.lay_office(box.shell, running)
        _come_up(box, running)
        _at_leisure(box, running, browser)
        call.sign_in(box.shell, running, box.bench.folder / "phone")
        call.converse(box.bench, box.shell, running, 15_000)
        _look_up(box, running, browser, 1, 5.0)
        _note(box, running, browser)
        with _talking(box, running, int(1000 * LONG_S)) as talk:
            _contact(box, running, browser)
            running.until(lambda: talk.lasts_s > TALK_S, SEEN_S, "the two talk")
            box.talked_s = talk.goes_on_s()
            _pull(volume, running, f"after {box.talked_s:.1f} s of talk")


def _cut_after_a_call(box: _Box) -> None:
    with _plugged(box) as (volume, running):
        browser = _well(box, running)
        _come_up(box, running)
        call.sign_in(box.shell, running, box.bench.folder / "phone")
        with _talking(box, running, int(1000 * SHORT_S)) as talk:
            running.until(lambda: talk.caller.poll() == 0, SEEN_S, "the caller hangs up")
            _look_up(box, running, browser, 1, talk.lasts_s)
            _pull(volume, running, "as soon as the page gave the recording of a call that ended")


def _cut_in_a_start(box: _Box) -> None:
    with _plugged(box) as (volume, running):
        _checked(running)
        running.wait_for(r"ramal-initrd: root=\S+", BOOT_S)
        _pull_within(box, volume, running, IN_A_START, "while the services start")


def _cut_after_a_change(box: _Box) -> None:
    with _plugged(box) as (volume, running):
        browser = _well(box, running)
        call.sign_in(box.shell, running, box.bench.folder / "phone")
        with _talking(box, running, int(1000 * LONG_S)) as talk:
            running.until(lambda: talk.lasts_s > SHORT_S, SEEN_S, "the two talk")
            _change(box, running, browser)
            box.talked_s = talk.goes_on_s()
            _pull(volume, running, f"as soon as the page said so, after {box.talked_s:.1f} s of talk")


# ---- what people do


@dataclass(frozen=True, slots=True)
class _Talk:
    """A caller whom the phone has heard since ``began`` (monotonic)."""

    caller: "subprocess.Popen[bytes]"
    began: float

    @property
    def lasts_s(self) -> float:
        return time.monotonic() - self.began

    def goes_on_s(self) -> float:
        """The same, of a caller who did not hang up meanwhile. ImageError."""
        if self.caller.poll() is not None:
            raise ImageError(f"The page needed longer than a call of {LONG_S:.0f} s to save something.")
        return self.lasts_s


@contextmanager
def _talking(box: _Box, running: Running, stay_ms: int) -> Iterator[_Talk]:
    """A caller and the phone outside are connected."""
    log = box.bench.folder / "phone/phone.log"
    log.unlink(missing_ok=True)
    with outside.phone(log.parent):
        registered = "the phone is registered"
        running.until(lambda: "201/" in call.asterisk(box.shell, "pjsip show contacts"), 120, registered)
        with outside.calling(box.bench.folder / "caller", stay_ms) as caller:
            # It answers some seconds before the box has the two talk: what it hears first is the caller.
            running.until(lambda: "incoming rtp" in log.read_text(errors="replace"), 120, "the two hear each other")
            yield _Talk(caller, time.monotonic())


def _contact(box: _Box, running: Running, browser: Browser) -> None:
    """The owner saves a contact."""
    number, name = f"+55114444{len(box.saved):04d}", f"Caller {len(box.saved)} of the proof"
    form = {"number": number, "name": name, "language": "", "agent": "", "queue": "", "note": "by plug"}
    _save(box, running, name, f"/contacts/{number}", lambda: browser.sent("/contacts/new", **form))


def _at_leisure(box: _Box, running: Running, browser: Browser) -> None:
    """A new office's sentences are spoken by the same hand that saves things, which on this machine takes minutes:
    until some saves in a row are answered at once."""

    def at_once() -> bool:
        began = time.monotonic()
        _contact(box, running, browser)
        soon = time.monotonic() - began < AT_ONCE_S
        time.sleep(AT_ONCE_S)
        return soon

    running.until(lambda: all(at_once() for _ in range(3)), BOOT_S, "the page saves three contacts at once")


def _note(box: _Box, running: Running, browser: Browser) -> None:
    """The owner writes a note on the newest call. (Its page goes on in the same way when it was not kept.)"""
    where, words = next(iter(box.sounds)), f"Note {len(box.saved)} of the proof"
    _save(box, running, words, where, lambda: browser.send(f"{where}/note", form_at=where, text=words), words)


def _change(box: _Box, running: Running, browser: Browser) -> None:
    """The owner changes the office's file."""
    words = f"Sales {len(box.saved)} of the proof"
    text = outside.OFFICE.replace('title = "Sales"', f'title = "{words}"')
    _save(box, running, words, "/office", lambda: browser.sent("/office", text=text))


def _save(
    box: _Box, running: Running, words: str, where: str, send: Callable[[], reach.Answer], sign: str = ""
) -> None:
    """Until the page says that it is saved: it goes on to another page (303), or shows ``sign``. A daemon that is too
    busy to answer says so, and one tries again."""
    answer = reach.Answer(0)

    def done() -> bool:
        nonlocal answer
        answer = send()
        return sign in answer.body and answer.status == 200 if sign else answer.status == 303

    said = f"the page says that “{words}” is saved"
    running.until(done, BOOT_S, said, lambda: f"{answer.status} {call.text(answer.body)[:500]}")
    box.saved[where] = words


# ---- what must be there


def _come_up(box: _Box, running: Running) -> None:
    """Three starts in a row that nobody saw come up make a safe one, which is not what is proved here."""
    seen = "the start is seen to have come up"
    running.until(lambda: box.shell.run(f"cat {COUNT}")[1].strip() in ("", "0"), BOOT_S, seen)


def _checked(running: Running) -> str:
    return running.wait_for(r"fsck of data: ([01])\b", BOOT_S)[1]


def _on_its_data(box: _Box, running: Running) -> None:
    """On the data partition, which is as large as the card, and in no safe mode."""
    if "NO DATA" in running.said or box.shell.run(f"test -e {MARK}")[0] == 0:
        raise ImageError(f"The box started in safe mode.\n{running.tail()}")
    size_mib = int(box.shell.must("df --output=size -BM /data | tail -1").strip().rstrip("M"))
    if size_mib < (DISK_MIB - 1400) * 0.9:
        raise ImageError(f"The data partition's file system has {size_mib} MiB on a card of {DISK_MIB} MiB.")


def _well(box: _Box, running: Running) -> Browser:
    """After a cut: all that was saved is there, and every call with its recording."""
    fsck = _checked(running)
    box.bench.up(running)
    browser = office.signed_in(running)
    office.wait_for_daemon(box.shell, running)
    _on_its_data(box, running)
    whole = box.shell.must(full.CHECK, BOOT_S).strip()
    wrong = [f"the database is not whole: {whole[-400:]}"] if whole != "ok" else []
    for where, words in box.saved.items():
        shown = browser.get(where)
        if shown.status != 200 or words not in html.unescape(shown.body):
            wrong.append(f"{where} said that “{words}” is saved, and shows it no more ({shown.status})")
    for where, had_s in box.sounds.items():
        has_s = _sound_s(browser, where)
        if has_s is None or has_s < had_s - 2 * SOUND_S:
            wrong.append(f"the recording of {where} had {had_s:.1f} s of sound and has {has_s}")
    if wrong:
        raise ImageError(f"After cut {box.cuts}: " + "; ".join(wrong) + ".")
    if box.sounds:
        still = "the agent who signed in before the cuts is signed in"
        running.until(lambda: "PJSIP/201" in call.asterisk(box.shell, "queue show"), SEEN_S, still)
    say(f"  after cut {box.cuts}: fsck {fsck}, the database is whole; {len(box.saved)} things that were saved and "
        f"{len(box.sounds)} recordings of before are there")  # fmt: skip
    talked_s, box.talked_s = box.talked_s, None
    _look_up(box, running, browser, 0 if talked_s is None else 1, talked_s or 0.0)
    return browser


def _look_up(box: _Box, running: Running, browser: Browser, more: int, talked_s: float) -> None:
    """The history has ``more`` calls than were known, with a recording of ``talked_s`` but for its last seconds."""

    def new() -> list[str]:
        shown = dict.fromkeys(re.findall(r'href="(/calls/[^"?]+)"', browser.get("/calls").body))
        return [html.unescape(one) for one in shown if html.unescape(one) not in box.sounds]

    running.until(lambda: len(new()) >= more, SEEN_S, f"{more} more in the history than {len(box.sounds)} calls")
    found = new()
    if len(found) != more:
        raise ImageError(f"There are calls in the history that nobody made: {found}")
    for where in found:
        sound_s = _recorded_s(running, browser, where)
        box.sounds = {where: sound_s} | box.sounds
        box.lost_s.append(talked_s - sound_s)
        told = f"the call {where}: {talked_s:.1f} s of talk were seen, {sound_s:.1f} s of sound are in the recording"
        if sound_s < talked_s - LOST_S:
            raise ImageError(f"After cut {box.cuts}, {told}.")
        say(f"  {told}")


def _recorded_s(running: Running, browser: Browser, where: str) -> float:
    """``_sound_s``, once the page gives the recording."""

    def told() -> str:
        return call.text(browser.get(where).body)[:800]

    given = f"the page gives the recording of {where}"
    running.until(lambda: _sound_s(browser, where) is not None, SEEN_S, given, told)
    return _sound_s(browser, where) or 0.0


def _sound_s(browser: Browser, where: str) -> float | None:
    """Seconds of a call's recording in which anything is heard; None while the page gives none."""
    link = re.search(r"(/recordings/\d+)", browser.get(where).body)
    answer = browser.get(link[1]) if link else None
    if answer is None or answer.status != 200:
        return None
    try:
        return heard_s(answer.body.encode("latin-1"))
    except ImageError as error:
        raise ImageError(f"{where}: {error}") from error


def heard_s(recording: bytes) -> float:
    """Seconds of a recording (wav or Ogg Opus) in which anything is heard, in steps of SOUND_S. ImageError when it
    cannot be played."""
    if recording[:4] == b"OggS":
        command = peers().argv("opusdec", "--quiet", "--no-dither", "--rate", "8000", "-", "-", die_with_parent=True)
        done = subprocess.run(command, input=recording, capture_output=True)
        if done.returncode != 0:
            raise ImageError(f"A recording cannot be played: {done.stderr.decode(errors='replace')[-300:]}")
        samples, a_second = array("h", done.stdout), 8000 * recording[recording.index(b"OpusHead") + 9]
    else:
        try:
            with wave.open(io.BytesIO(recording)) as file:
                a_second = file.getframerate() * file.getnchannels()
                samples = array("h", file.readframes(file.getnframes()))
        except (wave.Error, EOFError) as error:
            raise ImageError(f"A recording cannot be played: {error}") from error
    piece = round(a_second * SOUND_S)
    loud = (max(map(abs, samples[at : at + piece])) >= LOUD for at in range(0, len(samples), piece))
    return sum(loud) * SOUND_S
