"""A factory reset: what the owner made is gone, the box is new again and asks to be claimed; the release stays. A
recording under a legal hold survives it, and goes only when that was asked for twice."""

import html
import re

from ramal.provide.say import say
from ramal_image import ImageError
from ramal_image.proof import call, office
from ramal_image.proof.bench import Bench
from ramal_image.proof.outside import Browser
from ramal_image.qemu.shell import Shell
from ramal_image.qemu.vm import Running

RECORDINGS = "find /data/ramal/recordings -type f -size +1k | grep -v /[.]vault/"


def prove(bench: Bench) -> None:
    """ImageError at the first thing that does not hold."""
    office.furnish(bench)
    with bench.inside() as shell:
        with bench.start() as running:
            bench.up(running)
            browser = office.signed_in(running)
            office.wait_for_daemon(shell, running)
            held = _hold(browser)
            shell.must(
                "echo mine > /data/ramal/recordings/mine; mkdir -p /data/backups; echo mine > /data/backups/mine; sync"
            )
            once = shell.run("ramal reset factory --sure --also-held", 180)
            if once[0] == 0 or "twice" not in once[1]:
                raise ImageError(f"Recordings under a hold were given away when it was asked once: {once[1][-400:]}")
            before = set(shell.must(RECORDINGS).split())
            office.start_anew(shell, running, "ramal reset factory --sure")
        with bench.start() as running:
            bench.up(running)
            browser = _new(shell, running)
            kept = set(shell.must(RECORDINGS).split())
            if not kept or not kept <= before:
                raise ImageError(f"The recording under a hold is not there after the reset: {sorted(kept)}")
            if shell.run("test -e /data/ramal/recordings/mine -o -e /data/backups/mine")[0] == 0:
                raise ImageError("A file of the former owner is still there.")
            _heard(browser, held)
            office.wait_for_daemon(shell, running)
            office.start_anew(shell, running, "ramal reset factory --sure --also-held --also-held")
        with bench.start() as running:
            bench.up(running)
            _new(shell, running)
            left = shell.run(RECORDINGS)[1].split()
            if left:
                raise ImageError(f"After a reset with everything there still is {left[:4]}.")
            say("  asked twice, the held recording went too; the box was claimed a third time")


def _hold(browser: Browser) -> str:
    """Put the call of the history under a legal hold, in the page; its address there."""
    calls = list(dict.fromkeys(re.findall(r'href="(/calls/[^"?]+)"', browser.get("/calls").body)))
    if not calls:
        raise ImageError("The page shows no call.")
    where = html.unescape(calls[0])
    answer = browser.send("/keeping/holds", form_at="/keeping", kind="call", call=where.rpartition("/")[2],
                          why="proof of the image")  # fmt: skip
    if answer.status != 200 or "proof of the image" not in answer.body:
        raise ImageError(f"The call {where} could not be held: {answer.status} {call.text(answer.body)[:400]}")
    say(f"  the call {where} is under a legal hold")
    return where


def _new(shell: Shell, running: Running) -> Browser:
    """The box asks to be claimed, and its next owner does."""
    if shell.run("test -e /data/ramal/secrets/claim")[0] != 0:
        raise ImageError("The box does not ask to be claimed: it was not made new.")
    browser = call.claim(call.claim_code(running))
    say("  the box is new, and its next owner claimed it with a new code")
    return browser


def _heard(browser: Browser, where: str) -> None:
    """The held call is in the new owner's page, and its recording can be played."""
    link = re.search(r"(/recordings/\d+)", browser.get(where).body)
    sound = browser.get(link[1]) if link else None
    if sound is None or sound.status != 200 or len(sound.body) < 2000:
        raise ImageError(
            f"The held call {where} cannot be heard after the reset ({sound.status if sound else 'no link'})."
        )
    say(f"  the recording under the hold survived and plays ({len(sound.body)} bytes)")
