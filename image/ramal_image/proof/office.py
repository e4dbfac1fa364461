"""A card of a box that is claimed and has an office and a recorded call: what ``call`` leaves, and others begin with.

Kept beside the proofs' folders, for the build it was made with. Main thread.
"""

import subprocess
from pathlib import Path

from ramal.cli import DAEMON_DOWN
from ramal_image import ImageError
from ramal_image.proof.bench import BOOT_S, Bench
from ramal_image.proof.outside import Browser
from ramal_image.qemu.shell import Shell
from ramal_image.qemu.vm import Running

OWNERS = "a-good-pass-phrase-27"
STOP_S = 900.0


def kept(bench: Bench) -> Path:
    """Where the card lies."""
    return bench.folder.parent / "office.img"


def keep(bench: Bench) -> None:
    """Keep this bench's card (its machine is switched off)."""
    _copy(bench.card, kept(bench))


def furnish(bench: Bench) -> None:
    """Give the bench such a card. ImageError when there is none of this build: `call` makes it."""
    card = kept(bench)
    if not card.exists() or card.stat().st_mtime < bench.built.image.stat().st_mtime:
        raise ImageError("This proof goes on with the card that the proof `call` leaves: let that one hold first.")
    _copy(card, bench.card)


def switch_off(shell: Shell, running: Running) -> None:
    """As a person would, and wait for it."""
    shell.run("(sleep 1; systemctl poweroff) > /dev/null 2>&1 &")
    running.wait_end(STOP_S)
    shell.close()


def start_anew(shell: Shell, running: Running, command: str = "systemctl reboot") -> None:
    """Have the box start anew by ``command``, and wait for its end."""
    shell.run(f"(sleep 1; {command}) > /dev/console 2>&1 &")
    running.wait_end(STOP_S)
    shell.close()


def signed_in(running: Running) -> Browser:
    """The owner's browser, signed in by the password of ``call``."""
    browser = Browser()

    def there() -> bool:
        answer = browser.send("/login", user="owner", password=OWNERS)
        return answer.status == 200 and 'name="password"' not in answer.body

    running.until(there, BOOT_S, "the owner signs in with the password of before")
    return browser


def wait_for_daemon(shell: Shell, running: Running) -> float:
    """Until the daemon is connected with Asterisk; the machine's age in s."""
    what = "the daemon is connected with Asterisk"
    return running.until(lambda: shell.run("systemctl is-active -q ramal.service")[0] == 0, BOOT_S, what)


def ask(shell: Shell, running: Running, command: str, timeout_s: float = BOOT_S) -> str:
    """What the ``ramal`` command says in the end: a daemon that is too busy to answer says so, and one tries again."""
    code, said = DAEMON_DOWN, ""

    def answered() -> bool:
        nonlocal code, said
        code, said = shell.run(as_ramal(command), timeout_s)
        return code != DAEMON_DOWN

    running.until(answered, timeout_s, f"the daemon answers `{command}`", lambda: said[-600:])
    if code != 0:
        raise ImageError(f"On the box `{command}` failed ({code}): {said[-1500:]}")
    return said


def as_ramal(command: str) -> str:
    """``command`` as the user that Asterisk and the daemon are."""
    return f"setpriv --reuid=ramal --regid=ramal --clear-groups env RAMAL_HOME=/data/ramal {command}"


def _copy(source: Path, target: Path) -> None:
    done = subprocess.run(["cp", "--sparse=always", source, target])
    if done.returncode != 0:
        raise ImageError(f"{source} could not be copied (is the disk full?).")
