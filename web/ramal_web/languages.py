"""Which language a page is in: the reader's choice, else what the browser asks for, else the office's."""

from flask import Flask, g, request
from flask_babel import Babel  # type: ignore[import-untyped]
from werkzeug.wrappers import Response

from ramal_web.catalogs import LANGUAGES, Catalogs
from ramal_web.history import office

COOKIE = "ramal_language"
YEAR_S = 365 * 24 * 3600


def install(app: Flask) -> None:
    """Give ``app`` its catalogs, its language and its time zone."""
    babel = Babel(app, locale_selector=locale, timezone_selector=lambda: office().timezone)
    babel.domain_instance = Catalogs()
    app.jinja_env.globals["LANGUAGES"] = LANGUAGES
    app.jinja_env.globals["language"] = language


def language() -> str:
    """The tag of this request's language, one of ``LANGUAGES``."""
    if "language" not in g:
        g.language = _language()
    chosen: str = g.language
    return chosen


def locale() -> str:
    """The same as Babel's name."""
    return LANGUAGES[language()][0]


def remember(response: Response, tag: str) -> None:
    """Keep the reader's choice in this browser."""
    response.set_cookie(COOKIE, tag, max_age=YEAR_S, httponly=True, samesite="Lax", secure=request.is_secure)


def _language() -> str:
    chosen = request.cookies.get(COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    for wanted, _ in request.accept_languages:
        for tag in LANGUAGES:
            if wanted.lower() == tag.lower() or wanted.split("-")[0].lower() == tag.split("-")[0]:
                return tag
    return office().language if office().language in LANGUAGES else "en"
