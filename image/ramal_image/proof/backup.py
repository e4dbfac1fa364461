"""The night's backup is made and compared by the box itself; on another card it brings the whole office back.

The box wakes after the hour of backups by QEMU's clock. The other card is a new copy of the image: the backup goes
there as a person would carry it, from page to page (downloaded, claimed, sent, opened with the recovery code).
"""

import html
import re
from pathlib import Path

from ramal.provide.say import say
from ramal_image import ImageError
from ramal_image.proof import call, office
from ramal_image.proof.bench import Bench
from ramal_image.proof.outside import Browser
from ramal_image.qemu.shell import Shell
from ramal_image.qemu.vm import Running

NIGHT_S = 900.0
ASKED_S = 600.0


def prove(bench: Bench) -> None:
    """ImageError at the first thing that does not hold."""
    office.furnish(bench)
    folder = bench.folder / "carried"
    folder.mkdir()
    with bench.inside() as shell:
        with bench.at_night(), bench.start() as running:
            bench.up(running)
            file, code = _made(shell, running, folder)
            before = _exported(shell, running)
            calls = _calls(running)
            office.switch_off(shell, running)
        bench.fresh_card()
        with bench.at_night(), bench.start() as running:
            bench.up(running)
            began_s = _put_back(running, folder / file, code)
            running.wait_end(office.STOP_S)
            say(f"  looked at, put back, and the box starts anew, {running.age_s - began_s:.0f} s after it was sent")
            shell.close()
        with bench.at_night(), bench.start() as running:
            bench.up(running)
            if _exported(shell, running) != before:
                raise ImageError("The office on the other card is not the one that was backed up.")
            found = _calls(running)
            if found != calls:
                raise ImageError(f"The page of the other card shows the calls {found}; before they were {calls}.")
            say(f"  on the other card: the same office to the byte, {len(found)} calls in the page, the same password")
            call.sign_in(shell, running, bench.folder / "phone")
            call.converse(bench, shell, running)


def _made(shell: Shell, running: Running, folder: Path) -> tuple[str, str]:
    """The name of the backup in ``folder``, downloaded from the page, and the recovery code."""
    browser = office.signed_in(running)

    def listed() -> str:
        return shell.run(office.as_ramal("ramal backup list"))[1]

    try:
        at_s = running.until(lambda: "all equal" in listed(), NIGHT_S, "the night's backup is made and compared")
        say(f"  {at_s:6.1f} s  the night's backup was made by itself: {_line(listed())}")
    except ImageError:
        if running.process.poll() is not None:
            raise
        office.ask(shell, running, "ramal backup now", ASKED_S)
        say(f"  the box was never calm here (its load is QEMU's), so the backup was asked for: {_line(listed())}")
    shown = browser.get("/backups").body
    names = re.findall(r"ramal-\d{8}-\d{6}(?:-\d+)?\.ramal-backup", shown)
    if not names:
        raise ImageError(f"The page names no backup: {call.text(shown)[:600]}")
    data = browser.get(f"/backups/{names[0]}")
    if data.status != 200 or len(data.body) < 1000:
        raise ImageError(f"The backup {names[0]} cannot be downloaded: {data.status}.")
    (folder / names[0]).write_bytes(data.body.encode("latin-1"))
    code = re.search(r'id="recovery-code"[^>]*>([^<]+)<', browser.send("/backups", act="code").body)
    if code is None:
        raise ImageError("The page did not show the recovery code.")
    say(f"  downloaded from the page: {names[0]}, {len(data.body)} bytes, and its recovery code")
    return names[0], html.unescape(code[1]).strip()


def _put_back(running: Running, file: Path, code: str) -> float:
    """In the page of a new box, which is claimed first; a wrong code changes nothing. The machine's age then, in s."""
    browser = call.claim(call.claim_code(running))
    _asked(browser, file, "abcd-abcd-abcd-abcd-abcd-abcd-abcd-abcd")

    def said() -> str:
        return call.text(browser.get("/backups/restore").body)

    running.until(lambda: "This code does not open" in said(), ASKED_S, "a wrong code is refused in the page")
    _asked(browser, file, code)
    return running.age_s


def _asked(browser: Browser, file: Path, code: str) -> None:
    sent = browser.send_piece("/backups/piece", "/backups", file.read_bytes(), upload="", at="0")
    found = re.search(r'"upload":\s*"([0-9a-f]{32})"', sent.body)
    if found is None:
        raise ImageError(f"The page took no backup: {sent.status} {sent.body[:300]}")
    answer = browser.send("/backups/restore", form_at="/backups", upload=found[1], code=code, sure="yes")
    if answer.status != 200 or "looked at" not in answer.body:
        raise ImageError(f"The backup could not be asked for: {answer.status} {call.text(answer.body)[:400]}")


def _exported(shell: Shell, running: Running) -> str:
    """The office in force as its file, secrets and all."""
    office.wait_for_daemon(shell, running)
    return office.ask(shell, running, "ramal export")


def _calls(running: Running) -> list[str]:
    """The calls that the page lists."""
    body = office.signed_in(running).get("/calls").body
    found = sorted(set(re.findall(r'href="(/calls/[^"?]+)"', body)))
    if not found:
        raise ImageError(f"The page shows no calls: {call.text(body)[:400]}")
    return found


def _line(listed: str) -> str:
    return next((line.strip() for line in listed.splitlines() if "all equal" in line), listed.strip()[-200:])
