"""A new box is claimed in its page by the code on its console; a caller from outside is queued, answered by a phone
outside, recorded, and found in the page. Beside the network it uses the root shell of the harness to lay the office."""

import base64
import html
import re
import time
from pathlib import Path

from ramal.provide.say import say
from ramal_image import ImageError
from ramal_image.proof import office, outside, reach
from ramal_image.proof.bench import BOOT_S, Bench
from ramal_image.proof.office import OWNERS
from ramal_image.proof.outside import Browser
from ramal_image.qemu.shell import Shell
from ramal_image.qemu.vm import Running


def prove(bench: Bench) -> None:
    """ImageError at the first thing that does not hold."""
    with bench.inside() as shell, bench.start() as running:
        bench.up(running)
        code = claim_code(running)
        browser = claim(code)
        say("  claimed by the code on the console")
        lay_office(shell, running)
        talk(bench, shell, running)
        found(browser)
        office.switch_off(shell, running)
    office.keep(bench)


def claim_code(running: Running) -> str:
    """As a person reads it from the console's screen (serial here)."""
    running.type("\r\n")
    deadline = time.monotonic() + BOOT_S
    while time.monotonic() < deadline:
        try:
            return running.wait_for(r"Claim code: ([a-z2-9]{4}-[a-z2-9]{4})", 20)[1]
        except ImageError:
            running.type("\r\n")
    raise ImageError(f"The console never showed a claim code.\n{running.tail()}")


def claim(code: str) -> Browser:
    """The box's owner from now on, in a browser that is signed in."""
    browser = Browser()
    wrong = _claimed(browser, "abcd-2345")
    if wrong.status != 401:
        raise ImageError(
            f"A wrong claim code was answered with {wrong.status} instead of 401: {text(wrong.body)[:300]}"
        )
    answer = _claimed(browser, code)
    if answer.status != 200 or browser.get("/claim").body.find('name="code"') >= 0:
        raise ImageError(f"The box could not be claimed: {answer.status} {text(answer.body)[:400]}")
    return browser


def _claimed(browser: Browser, code: str) -> reach.Answer:
    """The page's answer, once the daemon is there: before that it says so (503) and that one tries again."""
    deadline = time.monotonic() + BOOT_S
    while True:
        answer = browser.send("/claim", code=code, new=OWNERS, again=OWNERS)
        if answer.status not in (0, 503) or time.monotonic() > deadline:
            return answer
        time.sleep(2)


def lay_office(shell: Shell, running: Running) -> None:
    """Lay the office in force, as ``ramal apply`` does, and see that Asterisk has it."""
    data = base64.b64encode(outside.OFFICE.encode()).decode()
    began_s = running.age_s
    shell.must(f"echo {data} | base64 -d > /run/office.toml")
    said = office.ask(shell, running, "ramal apply - < /run/office.toml")
    if "phone 201: added" not in said and "in force already" not in said:
        raise ImageError(f"The office was not applied: {said[-600:]}")
    running.until(lambda: "201/201" in asterisk(shell, "pjsip show endpoints"), 60, "Asterisk has the office's phone")
    say(f"  an office with a queue and a phone is in force, {running.age_s - began_s:.0f} s after it was applied")


def talk(bench: Bench, shell: Shell, running: Running) -> None:
    """The phone registers and signs its agent in; a caller comes, is queued and heard."""
    folder = bench.folder / "phone"
    sign_in(shell, running, folder)
    converse(bench, shell, running)


def sign_in(shell: Shell, running: Running, folder: Path) -> None:
    """The phone outside registers and dials *45, until its agent is a member of the queue."""
    began = time.monotonic()
    while "PJSIP/201" not in asterisk(shell, "queue show"):
        if time.monotonic() - began > BOOT_S:
            shown = asterisk(shell, "pjsip show endpoints")
            raise ImageError(f"The agent never became a member of the queue by *45. Endpoints: {shown[-1500:]}")
        with outside.phone(folder, "*45"):
            wait_s = time.monotonic() + 45
            while time.monotonic() < wait_s and "PJSIP/201" not in asterisk(shell, "queue show"):
                if running.process.poll() is not None:
                    raise ImageError(f"The machine ended. {running.tail()}")
    say("  the phone outside registered, and its agent signed in by *45")


def converse(bench: Bench, shell: Shell, running: Running, stay_ms: int = 30_000, calls: int = 1) -> None:
    """A caller from outside is queued, and talks to the phone outside for some seconds; ``calls`` times."""
    folder = bench.folder / "phone"
    (folder / "phone.log").unlink(missing_ok=True)
    with outside.phone(folder):
        running.until(lambda: "201/" in asterisk(shell, "pjsip show contacts"), 120, "the phone is registered")
        for _ in range(calls):
            outside.call(bench.folder / "caller", stay_ms)
    said = (folder / "phone.log").read_text(errors="replace")
    if said.count("Call established") < calls:
        raise ImageError(f"The phone outside never answered. Its last words: {said[-800:]}")
    say("  a caller from outside was queued, answered by the phone outside, and hung up")


def asterisk(shell: Shell, command: str) -> str:
    """What Asterisk's own console says."""
    return shell.must(f"/usr/sbin/asterisk -C /data/ramal/asterisk/etc/current/asterisk.conf -rx '{command}'", 90)


def recordings(browser: Browser) -> list[str]:
    """Where the page gives the recordings of the calls it shows."""
    calls = dict.fromkeys(re.findall(r'href="(/calls/[^"?]+)"', browser.get("/calls").body))
    links = [re.search(r"(/recordings/\d+)", browser.get(html.unescape(call)).body) for call in calls]
    return [link[1] for link in links if link is not None]


def found(browser: Browser) -> None:
    """The page shows the call, and gives its recording."""
    deadline = time.monotonic() + 240
    links: list[str] = []
    while time.monotonic() < deadline and not links:
        links = recordings(browser)
        time.sleep(0 if links else 2)
    if not links:
        raise ImageError(f"The page shows no call with a recording: {text(browser.get('/calls').body)[:600]}")
    sound = browser.get(links[0])
    if sound.status != 200 or len(sound.body) < 2000:
        raise ImageError(f"The recording {links[0]} cannot be fetched: {sound.status}, {len(sound.body)} bytes.")
    say(f"  the page shows the call and gives its recording ({len(sound.body)} bytes)")


def text(page: str) -> str:
    """The words of a page's own part, without what every page has."""
    whole = page.encode("latin-1", "replace").decode("utf-8", "replace")
    own = whole[whole.find("<main") :] if "<main" in whole else whole
    return html.unescape(" ".join(re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", own, flags=re.DOTALL).split()))
