"""A box's life between the great events: no unit fails, its name is found and strangers find nothing, a stick for
backups is taken, an Asterisk that hangs is ended, another address is tried and returns by itself, the clock is set in
the page, and words on the card let a locked-out owner in again."""

import subprocess
from dataclasses import replace
from pathlib import Path

from ramal.provide.say import say
from ramal_image import ImageError, layout
from ramal_image.proof import call, office, reach
from ramal_image.proof.bench import BOOT_S, Bench
from ramal_image.proof.outside import Browser
from ramal_image.qemu import wire
from ramal_image.qemu.shell import Shell
from ramal_image.qemu.vm import Running

OTHER = "10.9.0.77"
STRANGER = "203.0.113.9"
"""An address of the Internet, for documents (RFC 5737)."""
NOW_AND_THEN = ("ramal-shorten", "ramal-logs", "ramal-health", "ramal-started")
"""Started by timers; each must also end well."""
STAYING = ("ramal-asterisk", "ramal", "ramal-web", "ramal-pulse", "ramal-guard")
ONCE = ("ramal-safe-check", "ramal-card", "ramal-reset", "ramal-firewall", "ramal-network", "ramal-firstboot",
        "ramal-clock", "ramal-prepare", "ramal-issue", "ramal-lamp")  # fmt: skip
"""Done well, or not done where nothing asks for it (a word on the card, an LED)."""
WAITING = ("ramal-issue.path", "ramal-update.path", "ramal-clock-set.path", "ramal-network-ask.path",
           "ramal-restore-check.path", "ramal-restore.path", "ramal-web.socket", "ramal-health.timer")  # fmt: skip
NAME = "RAMALBACKUP"
STICK = """
[backup]
stick = "/media/backup"
"""
TRIAL = "/run/ramal-network/trial.toml"
RETURNS_S = 900.0
HANGS_S = 600.0


def prove(bench: Bench) -> None:
    """ImageError at the first thing that does not hold."""
    office.furnish(bench)
    kept = bench.board.template
    bench.board.template = replace(kept, more=[*kept.more, *_stick(bench.folder / "stick.img")])
    with bench.inside() as shell:
        with bench.start() as running:
            bench.up(running)
            browser = office.signed_in(running)
            office.wait_for_daemon(shell, running)
            _units(shell, running)
            _from_outside(shell, running)
            _backed_up(shell, running)
            _clock(shell, running, browser)
            _hung(bench, shell, running)
            _address(shell, running, browser)
            office.switch_off(shell, running)
        _write(bench, "network")
        with bench.start() as running:
            bench.up(running)
            say("  the card's word “network”: the address comes from the router again")
            office.signed_in(running)
            office.switch_off(shell, running)
        _write(bench, "owner")
        with bench.start() as running:
            bench.up(running)
            browser = call.claim(call.claim_code(running))
            if "/calls/" not in browser.get("/calls").body:
                raise ImageError("The owner who came back by the card's word does not see the calls of before.")
            say("  the card's word “owner”: claimed anew by a new code on the console, and all calls are there")


def _stick(path: Path) -> list[str]:
    """QEMU's words for a USB stick, formatted as a computer does it."""
    with path.open("wb") as file:
        file.truncate(256 << 20)
    done = subprocess.run(["mkfs.vfat", "-F", "32", "-n", NAME, path], capture_output=True, text=True)
    if done.returncode != 0:
        raise ImageError(f"No stick for the proof: {done.stderr.strip()}")
    words = ["-drive", f"file={path},format=raw,if=none,id=stick,cache=unsafe"]
    return [*words, "-device", "qemu-xhci", "-device", "usb-storage,drive=stick"]


def _units(shell: Shell, running: Running) -> None:
    """What is to run runs, what was to be done once was done, and nothing failed."""
    running.until(lambda: shell.run("systemctl is-active -q multi-user.target")[0] == 0, BOOT_S, "multi-user")
    for unit in NOW_AND_THEN:
        shell.must(f"systemctl start {unit}.service", 300)
    wanted = [*(f"{unit}.service" for unit in STAYING), *WAITING]
    idle = [unit for unit in wanted if shell.run(f"systemctl is-active -q {unit}")[0] != 0]
    idle += [unit for unit in ONCE if shell.must(f"systemctl show -P Result {unit}.service").strip() != "success"]
    failed = shell.must("systemctl list-units --failed --no-legend --plain").split("\n")
    wrong = [*idle, *(line.split()[0] for line in failed if line.strip())]
    if wrong:
        told = shell.run(f"systemctl status --no-pager -n 20 {' '.join(dict.fromkeys(wrong))}", 120)[1]
        raise ImageError(f"Not as they should be: {', '.join(dict.fromkeys(wrong))}.\n{told[-6000:]}")
    say(f"  {len(wanted) + len(ONCE)} units are as they should be, {len(NOW_AND_THEN)} ended well, none failed")


def _from_outside(shell: Shell, running: Running) -> None:
    """The office finds the box by its name; a stranger on the Internet finds nothing."""

    def told() -> str:
        return shell.run("journalctl -b -q --no-pager -n 60 -u avahi-daemon; ip addr; nft list ruleset")[1][-9000:]

    named = "ramal.local is this box, by mDNS"
    running.until(lambda: reach.named("ramal.local", wire.BOX, wire.OURS), 120, named, told)
    wire.add(STRANGER)
    try:
        shell.must(f"nft add element inet ramal office4 {{ {STRANGER} }}")
        heard = "the stranger's question reaches the box while it is let in"
        running.until(lambda: bool(reach.options(wire.BOX, source=STRANGER)), 60, heard)
        shell.must(f"nft delete element inet ramal office4 {{ {STRANGER} }}")
        if any(reach.options(wire.BOX, source=STRANGER) for _ in range(3)):
            raise ImageError("A stranger on the Internet was answered by Asterisk.")
        if reach.page(wire.BOX, source=STRANGER, timeout_s=8).status:
            raise ImageError("A stranger on the Internet was answered by the page.")
    finally:
        wire.remove(STRANGER)
    if not reach.options(wire.BOX):
        raise ImageError("The office's own network is not answered any more.")
    say("  ramal.local leads to it; a stranger's address is answered neither by SIP nor by the page")


def _backed_up(shell: Shell, running: Running) -> None:
    """The stick lies at its place, and gets its copy of a backup."""
    running.until(lambda: shell.run("mountpoint -q /media/backup")[0] == 0, 120, f"the stick {NAME} is mounted")
    office.ask(shell, running, "ramal export > /run/with-stick.toml")
    shell.must(f"printf '%s' '{STICK}' >> /run/with-stick.toml")
    office.ask(shell, running, "ramal apply - < /run/with-stick.toml")
    office.ask(shell, running, "ramal backup now")
    where = "find /media/backup -name '*.ramal-backup' -size +1k"
    running.until(lambda: ".ramal-backup" in shell.run(where)[1], BOOT_S, "a backup lies on the stick")
    say(f"  the stick took its copy: {shell.must(where).splitlines()[0]}")


def _clock(shell: Shell, running: Running, browser: Browser) -> None:
    """The page sets the clock by the words of a person, when it may; it may not while a time server is believed."""

    def shown() -> str:
        return browser.get("/clock").body

    running.until(lambda: 'name="when"' in shown(), 120, "the clock can be set", lambda: call.text(shown())[:600])
    wanted = shell.must("TZ=America/Sao_Paulo date -d '+2 hours' +%Y-%m-%dT%H:%M:00").strip()
    answer = browser.send("/clock/set", form_at="/clock", when=wanted)
    if answer.status != 200:
        raise ImageError(f"The clock was not set: {answer.status} {call.text(answer.body)[:400]}")
    now = "TZ=America/Sao_Paulo date +%Y-%m-%dT%H"

    def told() -> str:
        log = shell.run("journalctl -b -q --no-pager -n 30 -u ramal-clock-set -u ramal-clock-set.path")[1]
        return f"Root said: {log}\nThe page said: {call.text(answer.body)[:1500]}"

    running.until(lambda: shell.run(now)[1].strip() == wanted[:13], 120, f"the box's clock shows {wanted}", told)
    say(f"  set in the page, the box's clock shows {wanted}")


def _hung(bench: Bench, shell: Shell, running: Running) -> None:
    """An Asterisk that runs and answers nothing is ended, and calls come again."""
    unit = "ramal-asterisk.service"
    before = shell.must(f"systemctl show -P MainPID {unit}").strip()
    began_s = running.age_s
    shell.must(f"kill -STOP {before}")
    if reach.options(bench.host):
        raise ImageError("A stopped Asterisk answered.")
    at_s = running.until(lambda: bool(reach.options(bench.host)), HANGS_S, "an Asterisk that hung is started anew")
    after = shell.must(f"systemctl show -P MainPID {unit}").strip()
    if after == before:
        raise ImageError("The Asterisk that was stopped answers, and is still the same process.")
    call.sign_in(shell, running, bench.folder / "phone")
    call.converse(bench, shell, running, 20_000)
    say(f"  an Asterisk that hung was ended by itself; calls came again after {at_s - began_s:.0f} s")


def _address(shell: Shell, running: Running, browser: Browser) -> None:
    """Another address on trial: nobody keeps it, it returns; somebody keeps it there, it stays."""
    _try_address(running, browser)
    running.until(lambda: bool(reach.options(wire.BOX)), RETURNS_S, "the address of before returns by itself")
    if reach.options(OTHER):
        raise ImageError("The address that nobody kept still answers.")
    say(f"  {OTHER} was tried and answered; nobody kept it, and the address of before returned by itself")
    running.until(lambda: shell.run(f"test -e {TRIAL}")[0] != 0, 120, "the trial is over")
    _try_address(running, browser)
    there = Browser(OTHER)
    there.send("/login", user="owner", password=office.OWNERS)
    answer = there.send("/network/confirm", form_at="/network")
    if answer.status != 200:
        raise ImageError(f"The new address could not be kept: {answer.status} {call.text(answer.body)[:400]}")
    kept = f"test -s /data/system/network.toml && ! test -e {TRIAL}"
    running.until(lambda: shell.run(kept)[0] == 0, 120, f"{OTHER} is kept")
    say(f"  tried once more and kept from a browser at {OTHER}")


def _try_address(running: Running, browser: Browser) -> None:
    fields = {"mode": "static", "address": f"{OTHER}/24", "gateway": wire.OURS, "dns": wire.OURS, "vlan": "0"}
    answer = browser.send("/network", **fields, vlan_address="", trust="")
    if answer.status not in (0, 200):
        raise ImageError(f"The page refused the address: {answer.status} {call.text(answer.body)[:400]}")
    running.until(lambda: bool(reach.options(OTHER)), BOOT_S, f"SIP answers at {OTHER}")
    running.until(lambda: reach.page(OTHER).status in (200, 302, 303), BOOT_S, f"the page answers at {OTHER}")


def _write(bench: Bench, word: str) -> None:
    """What a person writes on the card, in a computer."""
    file = bench.folder / "ramal-reset.txt"
    file.write_text(f"{word}\r\n")
    where = f"{bench.card}@@{layout.BOOTSEL.start}"
    done = subprocess.run(["mcopy", "-o", "-i", where, file, "::ramal-reset.txt"], capture_output=True, text=True)
    if done.returncode != 0:
        raise ImageError(f"The word could not be written on the card: {done.stderr.strip()}")
