"""``ramal prompts list|replace|restore|undo``: the office's sentences from the command line. Asks the daemon, which
changes them; ``ramal.voice`` looks for what is missing without it. Main thread of a command."""

from pathlib import Path

from ramal.box.home import Home
from ramal.control.client import Control, send_sound
from ramal.errors import RamalError

OPEN_S = 90.0


def run(home: Home, act: str, path: str, file: str) -> int:
    """One act; the exit code. RamalError with a sentence when it was not done."""
    control = Control(home.control_sock)
    if act == "list":
        return _list(control, path)
    if not path:
        raise RamalError(f"“ramal prompts {act}” needs a sentence, such as pt_BR/closed. See: ramal prompts list")
    if act == "replace":
        return _replace(control, path, file)
    done = control.ask(f"prompts.{act}", 15.0, path=path)
    print("Done." if done.get("changed") else "Nothing was to be changed.")
    return 0


def _list(control: Control, sought: str) -> int:
    for row in control.ask("prompts.list", 15.0)["prompts"]:
        if sought.casefold() in f"{row['path']} {row['text']}".casefold():
            own = {"phone": "phone", "upload": "file"}.get(row["source"], "own")
            who = own if row["by"] == "own" else row["engine"]
            print(f"{row['number']}  {row['path']:36}  {who or '-':10}  {' '.join(row['text'].split())}")
    return 0


def _replace(control: Control, path: str, file: str) -> int:
    if not file:
        raise RamalError("“ramal prompts replace” needs a file of sound. Nothing was changed.")
    try:
        with Path(file).open("rb") as opened:
            upload = send_sound(control, opened, "command line")
    except OSError as error:
        raise RamalError(f"The file {file} cannot be read ({error.strerror or error}). Nothing was changed.") from error
    done = control.ask("prompts.replace", OPEN_S, path=path, upload=upload, file=Path(file).name)
    print(f"Callers hear it from now on: {done['duration_ms'] / 1000:.1f} seconds ({done['form']}).")
    return 0
