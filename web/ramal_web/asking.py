"""Asking the daemon to do something for the person at the page, and saying what became of it.

Law: a refusal is always a sentence in the page's language where its code is known, else the daemon's own. Runs on a
request's thread; waits at most ``ASK_S``.
"""

from collections.abc import Callable
from typing import Any, BinaryIO, cast

from flask import current_app, g

from ramal.control.client import Control, DaemonDown, Refused, send_contacts
from ramal.control.client import send_sound as send
from ramal_web.i18n import gettext

ASK_S = 6.0


class NotDone(Exception):
    """What was asked was not done; ``sentence`` says why, ``status`` is the answer's."""

    def __init__(self, sentence: str, status: int, problems: tuple[dict[str, Any], ...] = (), code: str = "") -> None:
        super().__init__(sentence)
        self.sentence, self.status, self.problems, self.code = sentence, status, problems, code


def ask(do: str, /, **given: Any) -> dict[str, Any]:
    """The daemon's answer; ``who`` is added. Raises NotDone."""
    return _asked(lambda control: control.ask(do, ASK_S, who=g.user.name, **given))


def ask_for(do: str, timeout_s: float, /, **given: Any) -> dict[str, Any]:
    """``ask`` for what may take ``timeout_s`` seconds."""
    return _asked(lambda control: control.ask(do, timeout_s, who=g.user.name, **given))


def send_sound(file: Any) -> str:
    """A file of sound, as ``ramal.control.client.send_sound``; its name there. Raises NotDone."""
    return str(_asked(lambda control: {"upload": send(control, cast(BinaryIO, file), g.user.name)})["upload"])


def send_file(csv: str, file: str) -> dict[str, Any]:
    """A file of contacts, as ``ramal.control.client.send_contacts``. Raises NotDone, with the lines that are wrong."""
    return _asked(lambda control: send_contacts(control, csv, file, g.user.name))


def _asked(question: Callable[[Control], dict[str, Any]]) -> dict[str, Any]:
    control: Control = current_app.extensions["ramal.control"]
    try:
        return question(control)
    except DaemonDown as error:
        raise NotDone(
            gettext("Nothing was changed: Ramal's control program does not answer. Calls go on; try again soon."), 503
        ) from error
    except Refused as error:
        problems = tuple(dict(problem) for problem in error.problems)
        raise NotDone(refused(error.code, str(error)), 409, problems, error.code) from error


def refused(code: str, sentence: str) -> str:
    """Why something was not done, by its code; the daemon's own sentence for a reason that is not known here."""
    return {
        "asterisk-down": gettext("The telephone system does not answer now. Nothing was done; try again in a moment."),
        "no-agent": gettext("There is no such agent any more. Nothing was done."),
        "not-here": gettext("This agent is not signed in at any phone. Nothing was done."),
        "not-talking": gettext("This agent is not on a call now, so there is nothing to hear."),
        "own-phone": gettext("That is the phone the agent talks on. Choose another one to listen with."),
        "no-phone": gettext("This office has no such phone. Nothing was done."),
        "not-waiting": gettext("This caller does not wait any more: somebody answered, or they hung up."),
        "no-queue": gettext("This office has no such queue. Nothing was done."),
        "same-queue": gettext("The caller waits in that queue already."),
        "no-screen": gettext("There is no such screen any more. Nothing was changed."),
        "screens-full": gettext("There are too many screens already. Take one away first."),
        "screen-name": gettext("Give the screen a name, such as where it hangs."),
        "no-agent-you": gettext("Your sign-in belongs to no agent of this office. Nothing was done."),
        "you-not-here": gettext("You are not signed in at any phone. Dial *45 there first. Nothing was done."),
        "not-your-call": gettext("This is not a call of yours. Nothing was written down."),
        "not-your-phone": gettext("That is not the phone you are signed in at. Nobody was called."),
        "no-disposition": gettext("The queue of this call has no such answer. Nothing was written down."),
        "no-note": gettext("This note cannot be kept: at most 1,000 characters, about a call of yours."),
        "phone-busy": gettext("Your phone is in use. Nobody was called."),
        "no-number": gettext("This is no number that can be called. Nobody was called."),
        "dial-out-no": gettext("Phones of this office do not call outside. Nobody was called."),
        "dial-out-premium": gettext("This is a costly number, which is never called. Nobody was called."),
        "dial-out-abroad": gettext("This number is abroad, and phones here do not call abroad. Nobody was called."),
        "no-campaign": gettext("This office has no such campaign any more. Nobody was called."),
        "no-prompt": gettext("This office has no such sentence any more. Nothing was changed."),
        "no-music": gettext("This office has no such music any more. Nothing was changed."),
        "music-full": gettext("This music has enough sounds. Take one away first."),
        "sound-empty": gettext("The file is empty. Nothing was changed."),
        "sound-large": gettext("The file has more than 20 MB. Nothing was changed."),
        "sound-long": gettext("The sound is longer than 10 minutes. Nothing was changed."),
        "sound-short": gettext("There is no sound in this file, or it is damaged. Nothing was changed."),
        "sound-silent": gettext("The sound is silent from beginning to end. Nothing was changed."),
        "sound-slow": gettext("The file takes too much work to read; it may be damaged. Nothing was changed."),
        "sound-busy": gettext("Several files are being sent already. Try again in a minute."),
        "sound-form": gettext("This is no WAV, MP3, Ogg, M4A (AAC) or FLAC file. Nothing was changed."),
        "no-message": gettext("There is no such message any more. Nothing was done."),
        "no-sound": gettext("The sound of this message is gone. It was not brought back."),
        "no-user": gettext("There is no such user any more. Nothing was changed."),
        "user-name": gettext(
            "A name to sign in with has 1 to 40 letters without accents, digits, dots or dashes, such as ana.souza. "
            "Nobody was let in."
        ),
        "user-taken": gettext("Somebody signs in with this name already. Choose another."),
        "user-agent": gettext("Another user is this agent already. Nobody was let in."),
        "user-last-owner": gettext(
            "This is the last owner; without one nobody could rule the box. Nobody was removed."
        ),
        "no-reason": gettext("This office has no such reason for a break. Nothing was done."),
    }.get(code, sentence)
