"""The command ``ramal``: one subcommand per thing a person can ask of a box.

Law: a RamalError is a sentence on stderr, never a traceback. Exit codes: 0 done; 1 not done (the sentence says why);
2 wrong usage; 3 the daemon is not running and the command needs it; 130 ended by Ctrl-C. Everything heavy is imported
by the command that needs it, so that ``ramal status`` is quick.
"""

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ramal.box.home import Home, default_home
from ramal.control.client import Control, DaemonDown, Refused
from ramal.errors import RamalError

DONE, NOT_DONE, DAEMON_DOWN, INTERRUPTED = 0, 1, 3, 130
APPLY_TIMEOUT_S = 120.0
"""Speaking the prompts of a large new office takes a minute on a Pi."""
EXPORT_TIMEOUT_S = 10.0
DRILL_LOOK_S = 0.25
LATER = "The daemon is not running; Asterisk will use the new settings when either of them starts."
STARTING_S, STARTING_LOOK_S = 60.0, 0.5
OFFICE_BYTES_MAX = 900_000
"""An office file travels in one line of the control socket (1 MiB)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    arguments.rest = rest
    if rest and arguments.run is not _up:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    home = Home(arguments.home.resolve()) if arguments.home else default_home()
    try:
        return int(arguments.run(home, arguments))
    except DaemonDown as error:
        return _say(error, DAEMON_DOWN)
    except RamalError as error:
        return _say(error, NOT_DONE)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away (ramal status | head)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_DONE


def _say(error: RamalError, code: int) -> int:
    problems = error.problems if isinstance(error, Refused) else ()
    # The daemon's sentence has the problems in its further lines; a terminal wants them with their examples.
    print(str(error).partition("\n")[0] if problems else error, file=sys.stderr)
    for problem in problems:
        print("{file}:{line}: {what} For example: {example}".format_map(_Shown(problem)), file=sys.stderr)
    return code


class _Shown(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ramal",
        description="A call center in a box.",
        epilog="Exit codes: 0 done, 1 not done (the sentence says why), 2 wrong usage, 3 the daemon is not running.",
    )
    home: dict[str, Any] = {"type": Path, "metavar": "DIR", "help": "the box's folder (else RAMAL_HOME, else .ramal)"}
    parser.add_argument("--home", default=None, **home)
    everywhere = argparse.ArgumentParser(add_help=False)
    everywhere.add_argument("--home", default=argparse.SUPPRESS, **home)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Home, argparse.Namespace], int], help: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help, parents=[everywhere])
        made.set_defaults(run=run)
        return made

    up = commands.add_parser("up", help="start the whole box and keep it running until Ctrl-C", add_help=False)
    up.set_defaults(run=_up)  # its words are box.up's own
    command("prepare", _prepare, "put on the disk what Asterisk needs (what systemd does before it starts Asterisk)")
    command("claim", _claim, "show the code by which a new box is claimed in the page")
    network = command("network", _network, "the box's address: show, dhcp, static, vlan, trust; confirm a change")
    acts = ("show", "dhcp", "static", "vlan", "trust", "confirm", "back", "boot")
    network.add_argument("act", nargs="?", default="show", choices=acts)
    network.add_argument("values", nargs="*", metavar="VALUE", help="static: ADDRESS/LEN ROUTER DNS…; vlan: ID")
    network.add_argument("--minutes", type=int, default=5, metavar="N", help="to confirm in, else it returns (else 5)")
    guard = command("guard", _guard, "keep the packet filter and lock out who guesses passwords (what systemd starts)")
    guard.add_argument("act", nargs="?", default="run", choices=("run", "show", "bans", "release"))
    guard.add_argument("address", nargs="?", default="", help="release: who may come in again")
    reset = command("reset", _reset, "take back the owner's password, the network, or everything (the box as it came)")
    reset.add_argument("kind", choices=("owner", "network", "factory", "carry-out"))
    reset.add_argument("--sure", action="store_true", help="factory: yes, everything")
    held = "factory: recordings under a legal hold too; to be said twice"
    reset.add_argument("--also-held", action="count", default=0, help=held)
    command("run", _run, "run the daemon (what systemd starts)")
    command("web", _web, "run the page (what systemd starts)")
    apply = command("apply", _apply, "put an office file into force")
    apply.add_argument("file", help="the office file; - reads standard input")
    command("export", _export, "print the office in force as a file")
    command("status", _status, "show who waits and what the agents do").add_argument(
        "--json", action="store_true", help="as JSON"
    )
    drill = command("drill", _drill, "place a real call through everything and check what it left")
    drill.add_argument("--number", metavar="+55…", help="the number to call (else the office's first)")
    drill.add_argument("--timeout", type=float, default=180.0, metavar="S", help="seconds to wait for its end")
    menus = command("menus", _menus, "show what callers did in the menus, and where they gave up")
    menus.add_argument("--days", type=_days, default=7, metavar="N", help="so many days, today included (else 7)")
    menus.add_argument("--json", action="store_true", help="as JSON")
    contacts = command("contacts", _contacts, "people who call: take or print a CSV file, block, unblock, find")
    contacts.add_argument("act", choices=("import", "export", "block", "unblock", "find"))
    contacts.add_argument("value", nargs="?", default="", metavar="FILE.csv|NUMBER|TEXT", help="- reads standard input")
    clock = command("clock", _clock, "does the box know what time it is; say that it is right, or set it")
    clock.add_argument("act", nargs="?", default="status", choices=("status", "trust", "set", "restore"))
    clock.add_argument("when", nargs="?", default="", metavar="YYYY-MM-DD HH:MM", help="of set: the office's own time")
    night = command("night", _night, "show whether the hours are open, or switch them until they turn by themselves")
    night.add_argument("state", nargs="?", default="", metavar="open|closed|auto", choices=("open", "closed", "auto"))
    night.add_argument("hours", nargs="?", default="", help="the name of one set of hours (else all)")
    phones = command("phones", _phones, "show the desk phones, or let one fetch its settings")
    phones.add_argument("act", nargs="?", default="list", choices=("list", "provision", "password"))
    phones.add_argument("extension", nargs="?", default="", help="the phone that may fetch")
    phones.add_argument("--minutes", type=int, default=30, metavar="N", help="for so long (else 30; 0 ends it)")
    users = command("users", _users, "who may use the page: add, list, remove, give a new one-time password")
    users.add_argument("act", nargs="?", default="list", choices=("list", "add", "remove", "password"))
    users.add_argument("name", nargs="?", default="", help="the name to sign in with")
    users.add_argument("--role", default="agent", choices=("owner", "supervisor", "agent"))
    users.add_argument("--agent", default="", metavar="CODE", help="the agent of the office this person is")
    copies = command("copies", _copies, "recordings copied off the box: how it stands, now, check, test")
    copies.add_argument("act", nargs="?", default="status", choices=("status", "now", "check", "test", "drop"))
    copies.add_argument("place", nargs="?", default="", help="a former place where nothing lies any more (drop)")
    copies.add_argument("--json", action="store_true", help="as JSON")
    recordings = command("recordings", _recordings, "list what is kept, verify that nothing was changed, keep the key")
    recordings.add_argument("act", choices=("list", "verify", "key", "hold", "release", "holds", "room"))
    values = "key: show, export, import, new; hold: call, number, queue; release: the hold's number"
    recordings.add_argument("value", nargs="?", default="", metavar="WHAT", help=values)
    files = "key: export to, import from (- too); hold: the call's id, the number or the queue's name"
    recordings.add_argument("file", nargs="?", default="", metavar="FILE|WHICH", help=files)
    recordings.add_argument("--why", default="", help="hold: the reason")
    recordings.add_argument("--from", dest="since", default="", metavar="DAY", help="hold: calls of this day and later")
    recordings.add_argument("--to", default="", metavar="DAY", help="hold: calls until this day")
    recordings.add_argument("--until", default="", metavar="DAY", help="hold: it ends by itself after this day")
    recordings.add_argument("--head", action="append", default=[], metavar="SEAL", help="a printed or mailed seal")
    recordings.add_argument("--lost", action="store_true", help="a new key though the old ones are lost for good")
    recordings.add_argument("--quick", action="store_true", help="do not read the files, only look for them")
    recordings.add_argument("--json", action="store_true", help="as JSON, a line a recording or flaw")
    prompts = command("prompts", _prompts, "spoken sentences: check, mend; list, replace by a file, restore, undo")
    sentences = ("check", "mend", "list", "replace", "restore", "undo")
    prompts.add_argument("act", nargs="?", default="check", choices=sentences)
    prompts.add_argument("path", nargs="?", default="", metavar="SENTENCE", help="as listed, such as pt_BR/closed")
    prompts.add_argument("file", nargs="?", default="", metavar="FILE", help="wav, mp3, ogg, m4a or flac")
    subject = command("subject", _subject, "people's own data: list requests, find, export, erase, prove an erasure")
    subject.add_argument("act", nargs="?", default="list", choices=("list", "find", "export", "erase", "proof"))
    subject.add_argument("what", nargs="?", default="", metavar="NUMBER|NAME|CODE", help="of a proof: its code")
    subject.add_argument("file", nargs="?", default="", metavar="FILE|NUMBER", help="the zip file; the number to prove")
    subject.add_argument("--sure", action="store_true", help="erase, which cannot be undone")
    health = command("health", _health, "does the box work? Looks at every part and places a real call to itself")
    health.add_argument("--json", action="store_true", help="as JSON")
    health.add_argument("--quick", action="store_true", help="no call, and no reading of the whole database")
    health.add_argument("--decide", action="store_true", help="keep or leave a release on trial (systemd asks so)")
    update = command("update", _update, "releases of a box with an image: install one, start it on trial, go back")
    releases = ("status", "history", "install", "try", "back", "look", "serve")
    update.add_argument("act", nargs="?", default="status", choices=releases)
    update.add_argument("source", nargs="?", default="", metavar="FILE|URL", help="of install: a signed bundle")
    slot = command("slot", _slot, "which of the two releases boots: status, try, good, back (RAUC asks here too)")
    rauc = ("get-primary", "set-primary", "get-state", "set-state", "get-current", "once", "never")
    slot.add_argument("act", nargs="?", default="status", choices=(*rauc, "status", "try", "good", "back"))
    slot.add_argument("slot", nargs="?", default="", metavar="A|B")
    slot.add_argument("state", nargs="?", default="", metavar="good|bad")
    slot.add_argument("--json", action="store_true", help="status as JSON")
    backup = command("backup", _backup, "backups of settings and history: make one, list, verify, the recovery code")
    backup.add_argument("act", nargs="?", default="list", choices=("now", "list", "verify", "key"))
    values = "verify: the file (else the newest); key: show, new, passphrase"
    backup.add_argument("value", nargs="?", default="", metavar="FILE|WHAT", help=values)
    backup.add_argument("--lost", action="store_true", help="key new: though the file of the keys is damaged")
    backup.add_argument("--json", action="store_true", help="list: as JSON")
    restore = command("restore", _restore, "put a backup back: into this home, or into a new one with --home")
    restore.add_argument("file", nargs="?", default="", help="the backup's file")
    restore.add_argument("--asked", action="store_true", help="for the box itself: look at what the page asks for")
    restore.add_argument("--now", action="store_true", help="for the box itself: do what was found well")
    for one in (backup, restore):
        one.add_argument("--code-file", default="", metavar="FILE", help="holds the recovery code (- reads it here)")
    command("rebuild", _rebuild, "compute the history anew from the kept journal lines")
    return parser


# -- processes ---------------------------------------------------------------------------------------------------------


def _up(home: Home, arguments: argparse.Namespace) -> int:
    rest = ["--home", str(home.root), *arguments.rest] if arguments.home else arguments.rest
    return int(importlib.import_module("ramal.box.up").main(rest) or 0)


def _prepare(home: Home, arguments: argparse.Namespace) -> int:
    return int(importlib.import_module("ramal.box.first").run(home))


def _network(home: Home, arguments: argparse.Namespace) -> int:
    return int(importlib.import_module("ramal.box.network").run(arguments.act, arguments.values, arguments.minutes))


def _guard(home: Home, arguments: argparse.Namespace) -> int:
    return int(importlib.import_module("ramal.box.firewall").run(home, arguments.act, arguments.address))


def _reset(home: Home, arguments: argparse.Namespace) -> int:
    from ramal.box import reset

    return reset.run(home, arguments.kind, arguments.also_held, arguments.sure)


def _claim(home: Home, arguments: argparse.Namespace) -> int:
    return int(importlib.import_module("ramal.box.claim").show(home))


def _run(home: Home, arguments: argparse.Namespace) -> int:
    return int(importlib.import_module("ramal.app").run(home))


def _web(home: Home, arguments: argparse.Namespace) -> int:
    return int(importlib.import_module("ramal_web.__main__").main(["--home", str(home.root)]))


# -- the office --------------------------------------------------------------------------------------------------------


def _apply(home: Home, arguments: argparse.Namespace) -> int:
    file, text = _read_office(arguments.file)
    applied = _applied(home, text, file)
    for change in applied.get("changes", ()):
        print(change)
    if not applied.get("changes"):
        print("Nothing to change: this office is in force already.")
    if applied.get("reloaded"):
        print("Reloaded in Asterisk: " + ", ".join(applied["reloaded"]))
    for warning in applied.get("warnings", ()):
        print(warning, file=sys.stderr)
    return DONE


def _applied(home: Home, text: str, file: str) -> Mapping[str, Any]:
    return _by_daemon(
        lambda: Control(home.control_sock).ask("apply", APPLY_TIMEOUT_S, toml=text, file=file),
        lambda: {**_alone(home).apply(text, file), "warnings": [LATER]},
        APPLY_TIMEOUT_S,
        STARTING_S,
    )


def _export(home: Home, arguments: argparse.Namespace) -> int:
    office = _by_daemon(
        lambda: Control(home.control_sock).ask("office", EXPORT_TIMEOUT_S),
        lambda: _alone(home).export(),
        EXPORT_TIMEOUT_S,
        EXPORT_TIMEOUT_S,
    )
    sys.stdout.write(office["toml"])
    return DONE


def _by_daemon(
    asked: Callable[[], Mapping[str, Any]], alone: Callable[[], Mapping[str, Any]], timeout_s: float, patience_s: float
) -> Mapping[str, Any]:
    """By the daemon, which is given ``timeout_s``; by ourselves where none runs; a daemon that is just starting, or too
    busy to take the question, is waited for, ``patience_s``."""
    from ramal.writer_lock import HomeTaken

    deadline = time.monotonic() + patience_s
    while True:
        asked_s = time.monotonic()
        try:
            return asked()
        except DaemonDown:
            if time.monotonic() - asked_s >= timeout_s:
                raise  # it is there, and takes its time
            try:
                return alone()
            except HomeTaken:
                if time.monotonic() > deadline:
                    raise
        time.sleep(STARTING_LOOK_S)


def _alone(home: Home) -> Any:
    """The office in force without a daemon; it takes the writer's lock, so a daemon that only does not answer is met
    with a sentence."""
    return importlib.import_module("ramal.alone").Alone(home)


def _read_office(name: str) -> tuple[str, str]:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise RamalError(f"The file {name} cannot be read ({error.strerror or error}). Nothing was changed.") from error
    if len(data) > OFFICE_BYTES_MAX:
        raise RamalError(f"The file {name} has {len(data)} bytes; an office has at most {OFFICE_BYTES_MAX}.")
    try:
        return ("standard input" if name == "-" else name), data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise RamalError(
            f"{name}:{line}: This is not UTF-8 text. Nothing was changed. Save the file as UTF-8 in your editor."
        ) from error


# -- looking -----------------------------------------------------------------------------------------------------------


def _status(home: Home, arguments: argparse.Namespace) -> int:
    picture = Control(home.control_sock).ask("live")
    if arguments.json:
        print(json.dumps(picture, ensure_ascii=False, indent=1))
    else:
        from ramal import status

        sys.stdout.write(status.text(picture))
        print(importlib.import_module("ramal.holding").room_line_of(home))
    return DONE


def _drill(home: Home, arguments: argparse.Namespace) -> int:
    control = Control(home.control_sock)
    given = {"number": arguments.number} if arguments.number else {}
    drill = str(control.ask("drill.start", 10.0, **given)["drill"])
    shown: dict[int, Any] = {}
    deadline = time.monotonic() + arguments.timeout
    while True:
        seen = control.ask("drill.status", 5.0, drill=drill)
        for index, step in enumerate(seen["steps"]):
            if shown.get(index) != step and step.get("ok") is not None:
                print(_step(step), flush=True)
                shown[index] = step
        if seen["state"] != "running":
            print("The drill passed." if seen["state"] == "passed" else "The drill FAILED.")
            return DONE if seen["state"] == "passed" else NOT_DONE
        if time.monotonic() > deadline:
            raise RamalError(f"The drill did not end within {arguments.timeout:g} seconds. See the daemon's log.")
        time.sleep(DRILL_LOOK_S)


def _step(step: Mapping[str, Any]) -> str:
    sign = {True: "ok", False: "FAILED", None: ".."}[step.get("ok")]
    return f"{step['at_ms'] / 1000:8.3f} s  {sign:6}  {step['what']}  {step.get('detail') or ''}".rstrip()


def _menus(home: Home, arguments: argparse.Namespace) -> int:
    from ramal import menu_figures

    told = menu_figures.figures(home, arguments.days, time.time())
    if arguments.json:
        print(json.dumps(told, ensure_ascii=False, indent=1))
    else:
        sys.stdout.write(menu_figures.text(told))
    return DONE


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 3660):
        raise argparse.ArgumentTypeError("a number of days from 1 to 3660")
    return int(text)


def _rebuild(home: Home, arguments: argparse.Namespace) -> int:
    print(importlib.import_module("ramal.alone").rebuild(home))
    return DONE


def _health(home: Home, arguments: argparse.Namespace) -> int:
    from ramal.box import health

    return health.run(home, arguments.json, arguments.quick, arguments.decide)


def _update(home: Home, arguments: argparse.Namespace) -> int:
    from ramal.box import image, updating

    return updating.run(image.image_here(), arguments.act, arguments.source)


def _slot(home: Home, arguments: argparse.Namespace) -> int:
    from ramal.box import image, slots

    return slots.run(slots.Boot(image.image_here()), arguments)


def _clock(home: Home, arguments: argparse.Namespace) -> int:
    return int(importlib.import_module("ramal.clock").run(home, arguments.act, arguments.when))


def _backup(home: Home, arguments: argparse.Namespace) -> int:
    return int(importlib.import_module("ramal.backups").run(home, arguments))


def _restore(home: Home, arguments: argparse.Namespace) -> int:
    if arguments.asked or arguments.now:
        image = importlib.import_module("ramal.box.image").image_here()
        return int(importlib.import_module("ramal.box.restoring").run(image, home, arguments.now))
    if not arguments.file:
        raise RamalError("Say which backup: ramal restore FILE. Nothing was changed.")
    return int(importlib.import_module("ramal.backups").restore(home, arguments.file, arguments.code_file))


def _night(home: Home, arguments: argparse.Namespace) -> int:
    return int(importlib.import_module("ramal.night").run(home, arguments.state, arguments.hours))


def _contacts(home: Home, arguments: argparse.Namespace) -> int:
    return int(importlib.import_module("ramal.contacts").run(home, arguments.act, arguments.value))


def _recordings(home: Home, arguments: argparse.Namespace) -> int:
    if arguments.act in ("hold", "release", "holds", "room"):
        return int(importlib.import_module("ramal.holding").run(home, arguments))
    from ramal import catalogue

    return catalogue.run(home, arguments)


def _copies(home: Home, arguments: argparse.Namespace) -> int:
    return int(importlib.import_module("ramal.copies").run(home, arguments.act, arguments.place, arguments.json))


def _phones(home: Home, arguments: argparse.Namespace) -> int:
    from ramal import phones

    return phones.run(home, arguments.act, arguments.extension, arguments.minutes)


def _prompts(home: Home, arguments: argparse.Namespace) -> int:
    if arguments.act in ("check", "mend"):
        return int(importlib.import_module("ramal.voice").run(home, arguments.act))
    return int(importlib.import_module("ramal.prompts").run(home, arguments.act, arguments.path, arguments.file))


def _subject(home: Home, arguments: argparse.Namespace) -> int:
    from ramal import subject

    return subject.run(home, arguments.act, arguments.what, arguments.file, arguments.sure)


def _users(home: Home, arguments: argparse.Namespace) -> int:
    from ramal import people

    return people.run(home, arguments.act, arguments.name, arguments.role, arguments.agent)
