"""What became of an act, shown on the next page: a sentence, good or bad. Kept in the session until it was shown."""

from flask import flash, redirect, request
from werkzeug.wrappers import Response

from ramal_web.asking import NotDone
from ramal_web.security import local_path


def told(sentence: str, to: str) -> Response:
    """Go to ``to`` and say that it was done."""
    flash(sentence, "good")
    return redirect(_back(to), 303)


def not_done(problem: NotDone, to: str) -> Response:
    """Go to ``to`` and say why it was not."""
    flash(problem.sentence, "bad")
    return redirect(_back(to), 303)


def _back(to: str) -> str:
    wanted = request.form.get("next", "")
    return local_path(wanted) if wanted else to
