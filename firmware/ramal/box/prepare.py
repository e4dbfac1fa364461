"""What must be on the disk before Asterisk starts: database, office, owner, prompts, configuration.

Runs on the main thread of ``ramal up`` (and of the image's first boot), before the daemon; it takes the writer's lock
for each change. Every step finds what is already there and does nothing then.
"""

import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

import argon2

from ramal.asterisk.apply import apply
from ramal.asterisk.programs import argv_of, sets_of, voices_of
from ramal.asterisk.prompt_lint import Fault, in_folder
from ramal.asterisk.prompts import Prompt, fallbacks, needed
from ramal.asterisk.render import render
from ramal.asterisk.speak import SpeechFailed, lay_fallbacks, speak
from ramal.box.asterisk import box_of
from ramal.box.home import Home, Settings, reached_at, write_whole
from ramal.core import office_file
from ramal.core.code_letters import LETTERS
from ramal.core.office import Office
from ramal.errors import RamalError
from ramal.provide import Peers
from ramal.store import migrations, returning, settings
from ramal.store.db import open_writer
from ramal.writer_lock import only_writer

Say = Callable[[str], None]

DEMO, EMPTY = "demo", "empty"
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP's choice for small machines


def new_secret() -> str:
    """A phone's SIP password: 128 bits, letters and digits only, because people type it into phones."""
    return "".join(secrets.choice(LETTERS) for _ in range(24))


def office(home: Home, choice: str | None, say: Say) -> Office:
    """The office to start with: the chosen file, or the one in force, or the demo on an empty home. Saved already."""
    with only_writer(home):
        returned = returning.come_back(home.db, home.asterisk_log)
        if returned is not None:
            say(returned.sentence())
        connection = open_writer(home.db)
        try:
            for backup in migrations.migrate(connection):
                say(f"The database was brought up to date ({backup}).")
            before = settings.load(connection)
            made = _chosen(choice, before, say)
            if made is not None and made != before:
                settings.save(connection, made)
            found = made or before
            if found is None:
                raise RamalError("There is no office. Start with OFFICE=demo or with your own file.")
            return found
        finally:
            connection.close()


def generation(home: Home, in_force: Settings, peers: Peers, made: Office, say: Say) -> None:
    """Speak the prompts and put Asterisk's files in place; it is not running yet, so nothing is reloaded. A sentence
    that cannot be spoken keeps nobody from calling."""
    try:
        prompts(home, peers, made, say)
    except SpeechFailed as error:
        say(f"{error} Calls work without it.")
    for music in made.music:  # or Asterisk would complain
        (home.own_music / music.name).mkdir(parents=True, exist_ok=True)
    apply(render(made, box_of(home, in_force, peers)), home.etc, None)


def prompts(home: Home, peers: Peers, made: Office, say: Say, most: int | None = None) -> int:
    """Speak what the office needs and has not been spoken yet, or cannot be played: app_queue hangs up on who waits
    when it cannot open a file that is there. A sound that people gave is heard instead. At most ``most`` sentences;
    how many more are still to be spoken. SpeechFailed: all but what it names was done."""

    def progress(done: int, of: int) -> None:
        if done == of or done % 25 == 0:
            say(f"Speaking prompts: {done} of {of}.")

    machine = sets_of(home.prompts, home.own_prompts, home.voices, peers)
    lay_fallbacks(fallbacks(made), home.prompts)
    for fault in in_folder(made, home.prompts):
        machine.sounds.discard(fault.prompt.path)
    wanted = tuple(needed(made))
    later = {prompt.path for prompt in machine.lacking(wanted)[most:]} if most is not None else set()
    machine.ready((prompt for prompt in wanted if prompt.path not in later), progress)
    return len(later)


def mended(home: Home, peers: Peers, made: Office, say: Say) -> tuple[Fault, ...]:
    """Speak anew what is missing or cannot be played, and lay the fallbacks; what is still amiss then."""
    try:
        prompts(home, peers, made, say)
    except SpeechFailed as error:
        say(str(error))
    return in_folder(made, home.prompts)


def say(home: Home, peers: Peers, wanted: Sequence[Prompt], folder: Path) -> int:
    """Speak prompts into a folder of their own; how many were made."""
    return speak(wanted, folder, argv_of(peers), voices=voices_of(home.voices, peers))


def owner(home: Home) -> str | None:
    """Make sure the page has its owner; the one-time password while it has not been replaced, else None."""
    with only_writer(home):
        connection = open_writer(home.db)
        try:
            row = connection.execute("SELECT must_change FROM user WHERE name = 'owner'").fetchone()
            if row is None:
                return _new_owner(home, connection)
            if not row[0]:
                home.forget_one_time_password()
                return None
        finally:
            connection.close()
    try:
        return home.one_time_password.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def virtual_phones(home: Home, in_force: Settings, made: Office) -> Path | None:
    """The virtual phones' configuration file; None when the office has none."""
    first_agent = {agent.phone: agent for agent in reversed(made.agents) if agent.phone}
    phones = [
        {
            "extension": phone.extension,
            "secret": phone.secret,
            "dial_after_register": ["*45"] if phone.extension in first_agent else [],
            "answer_after_s": 1.5,
            "voice_hz": 440,
        }
        for phone in made.phones
        if phone.virtual
    ]
    if not phones:
        return None
    config = home.virtual_phones_file
    table = {
        "home": str(home.virtual),
        "sip_host": reached_at(in_force.sip_bind),
        "sip_port": in_force.sip_port,
        "phones": phones,
    }
    write_whole(config, json.dumps(table, indent=1), 0o600)
    return config


def phones_asked_for(home: Home) -> str | None:
    """What the virtual phones' configuration says now; None without one."""
    try:
        return home.virtual_phones_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _chosen(choice: str | None, before: Office | None, say: Say) -> Office | None:
    """The office that ``choice`` asks for; None to keep the one in force."""
    if choice in (None, "") and before is not None:
        return None
    if choice in (None, "", DEMO):
        if choice != DEMO:
            say("The home is empty: starting with the demo office. Start with your own by OFFICE=my.toml.")
        text = resources.files("ramal").joinpath("offices", "demo.toml").read_text(encoding="utf-8")
        return office_file.read(text, "demo.toml", new_secret, before)
    if choice == EMPTY:
        return before or Office(name="Ramal")
    try:
        text = Path(str(choice)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RamalError(f"The office file {choice} cannot be read ({error}). Nothing was started.") from error
    return office_file.read(text, str(choice), new_secret, before)


def one_time_password() -> tuple[str, str]:
    """A password to be told to a person and changed at the first sign-in, and its argon2 hash."""
    password = "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(3))
    return password, hashed(password)


def hashed(password: str) -> str:
    """The argon2 hash of what a person is told."""
    return _HASHER.hash(password)


def _new_owner(home: Home, connection: sqlite3.Connection) -> str:
    password, digest = one_time_password()
    home.keep_one_time_password(password)
    connection.execute(
        "INSERT INTO user (name, role, password_hash, must_change, created_ms, epoch) VALUES (?, ?, ?, 1, ?, 1)",
        ("owner", "owner", digest, time.time_ns() // 1_000_000),
    )
    return password
