"""Update to another release over the network, with the slot changed by the emulated loader: one on which the health
check's call fails and one that never starts are left by themselves, the good one is kept after that call.

All of them bring a migration of the database: it is copied before, and the release before can read it again after a
way back. The office, the call in the page and the history of updates are looked at after each.
"""

import re

from ramal.provide.say import say
from ramal_image import ImageError
from ramal_image.proof import call, office, releases, serve
from ramal_image.proof.bench import BOOT_S, Bench
from ramal_image.proof.outside import Browser
from ramal_image.qemu import wire
from ramal_image.qemu.shell import Shell
from ramal_image.qemu.vm import Running

INSTALL_S = 1500.0
TRIAL_S = 2400.0
"""A release whose health call fails is given 8 minutes; the restart of a busy box in TCG takes as long again."""


def prove(bench: Bench) -> None:
    """ImageError at the first thing that does not hold."""
    office.furnish(bench)
    folder = bench.folder.parent / "releases"
    bundles = releases.provide(bench.want, bench.built.image.stat().st_mtime, folder)
    with serve.served(folder) as port, bench.inside() as shell:
        address = f"http://{wire.OURS}:{port}/"
        with bench.start() as running:
            bench.up(running)
            calls = _calls(office.signed_in(running))
            _install(shell, running, address + bundles["no-call"])
            _try(bench, shell, running)
        _left(bench, "no-call", 2)
        with bench.start() as running:
            bench.up(running)
            _back(shell, running, calls, "a call to itself")
            _returned(shell, running)
            _by_page(shell, running, address + bundles["good"], f"{bench.want.version}.1")
        _must_try(bench)
        shell.close()
        with bench.start() as running:
            bench.up(running)
            _kept(bench, shell, running, calls)
            _install(shell, running, address + bundles["never-starts"])
            _try(bench, shell, running)
        _left(bench, "never-starts", 3)
        with bench.start() as running:
            bench.up(running)
            _back(shell, running, calls, "it did not come up")
            office.switch_off(shell, running)


def _install(shell: Shell, running: Running, url: str) -> None:
    office.wait_for_daemon(shell, running)
    began_s = running.age_s
    shell.must(f"ramal update install {url}", INSTALL_S)
    say(f"  {url.rpartition('/')[2]} is installed beside the one that runs, in {running.age_s - began_s:.0f} s")


def _try(bench: Bench, shell: Shell, running: Running) -> None:
    office.start_anew(shell, running, "ramal update try")
    _must_try(bench)


def _must_try(bench: Bench) -> None:
    bench.board.ended()
    if not bench.board.tryboot:
        raise ImageError("The box started anew without asking for one try of the other slot.")


def _left(bench: Bench, name: str, usual: int) -> None:
    """One start of the release on trial; it ends by itself, and the loader goes back to the partition ``usual``."""
    with bench.start() as running:
        if not bench.board.starts[-1].tried:
            raise ImageError(f"The loader did not try the release “{name}”.")
        running.wait_end(TRIAL_S)
        say(f"  {running.age_s:6.1f} s  the release “{name}” was left by itself")
    bench.board.ended()
    if bench.board.tryboot or _default(bench) != usual:
        raise ImageError(f"The release “{name}” was to be left, and partition {_default(bench)} boots by itself now.")


def _back(shell: Shell, running: Running, calls: list[str], why: str) -> None:
    """The release before runs, with everything it had; the page says why the other one was left."""
    browser = office.signed_in(running)
    office.wait_for_daemon(shell, running)
    running.until(lambda: why in call.text(browser.get("/updates").body), BOOT_S, f"the page says “{why}”")
    if _calls(browser) != calls:
        raise ImageError(f"The page shows the calls {_calls(browser)}; before the update they were {calls}.")
    history = shell.must("ramal update history", 120).splitlines()
    newest = history[0][:120] if history else ""
    say(f"  back on the release before with its calls; the page says “{why}”, the history: {newest}")


def _returned(shell: Shell, running: Running) -> None:
    """The release on trial had migrated the database: it is kept beside, and the copy of before is in force."""
    lying = shell.must("ls /data/ramal/db")
    if "ramal.db.newer-0005" not in lying:
        raise ImageError(f"The database of the release that was left is not beside: {lying}")
    if "office" not in office.ask(shell, running, "ramal export", 120):
        raise ImageError("The office is not in force after the way back.")
    say("  the database was copied before its migration, and that copy is in force again")


def _by_page(shell: Shell, running: Running, url: str, version: str) -> None:
    """Installed and started as a person does, in the page."""
    browser = office.signed_in(running)
    began_s = running.age_s
    _asked(browser, act="install", source=url)
    seen: list[str] = []

    def installed() -> bool:
        percent = re.search(r"(\d+) ?%", call.text(browser.get("/updates/state").body))
        seen.extend(percent.groups() if percent else ())
        said = shell.run("ramal update status", 180)[1]
        return f"{version} (new)" in said and "is to be started once" in said

    running.until(installed, INSTALL_S, "the page installed the next release")
    say(f"  the good one was installed by the page in {running.age_s - began_s:.0f} s, which showed "
        f"{len(set(seen))} steps of its progress")  # fmt: skip
    _asked(browser, act="try", wait="1")
    running.wait_end(office.STOP_S)


def _asked(browser: Browser, **fields: str) -> None:
    answer = browser.send("/updates", **fields)
    if answer.status != 200:
        raise ImageError(f"The page refused {fields}: {answer.status} {call.text(answer.body)[:400]}")


def _kept(bench: Bench, shell: Shell, running: Running, calls: list[str]) -> None:
    """The good release is on trial, and is kept."""
    running.until(lambda: _default(bench) == 3, BOOT_S, "the health check keeps the new release")
    say(f"  {running.age_s:6.1f} s  kept after a real call: partition 3 boots by itself")
    browser = office.signed_in(running)
    if _calls(browser) != calls:
        raise ImageError(f"The page shows the calls {_calls(browser)}; before the update they were {calls}.")
    page = call.text(browser.get("/updates").body)
    version = f"{bench.want.version}.1"
    if version not in page:
        raise ImageError(f"The page does not show version {version}: {page[:600]}")
    if "ramal.db.before-0005" not in shell.must("ls /data/ramal/db"):
        raise ImageError("The database was migrated without a copy of before.")
    say(f"  version {version} is kept; its database was copied before the migration; the page tells it all")


def _calls(browser: Browser) -> list[str]:
    found = sorted(set(re.findall(r'href="(/calls/[^"?]+)"', browser.get("/calls").body)))
    if not found:
        raise ImageError("The page shows no call: the one of the proof `call` is gone.")
    return found


def _default(bench: Bench) -> int:
    kept = bench.board.tryboot
    bench.board.tryboot = False
    try:
        return bench.board.choose().partition
    finally:
        bench.board.tryboot = kept
