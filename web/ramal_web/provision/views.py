"""``/provision/…``: what a desk phone fetches to set itself up; no person looks here, so answers are plain English.

Phones know nothing but plain HTTP when they first ask. So only addresses of the local network are heard, each a few
times a minute; whether this phone may have its file now is asked of the daemon, which writes down who got it. Law:
nothing of a file or a token is logged, and without the daemon a phone gets 503, keeps what it has and asks again.
"""

import ipaddress
import math
import re
import time
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, request

from ramal.control.client import Control, DaemonDown, Refused
from ramal_web.provision.allowance import Allowance
from ramal_web.security import passive, public

blueprint = Blueprint("provision", __name__)
ASK_S = 6.0
_NAME = re.compile(r"(?:cfg)?[0-9A-Fa-f]{12}\.(?:cfg|xml)\Z")
"""Files of one phone. Phones ask for a dozen others first, of their model or of older firmware: there are none."""
HOME_NAMES = (".local", ".lan", ".home.arpa", ".internal")
"""Endings of names that mean something in one network only."""
_TOKEN = re.compile(r"[0-9a-f]{32}\Z")


@blueprint.record_once
def _install(state):  # type: ignore[no-untyped-def]
    state.app.extensions["ramal.phones"] = Allowance()


@blueprint.get("/provision/<name>")
@blueprint.get("/provision/<token>/<name>")
@public
@passive
def file(name: str, token: str = "") -> Response:
    address = _local(request.remote_addr or "")
    if address is None:
        return _say("Settings of phones are for this office's own network only.", 403)
    if not _at_home(request.host):
        return _say("Ask by the box's address, or by its name in this network.", 403)
    if request.method != "GET" or not _NAME.match(name) or (token and not _TOKEN.match(token)):
        return _say("There is no such file.", 404)
    allowance: Allowance = current_app.extensions["ramal.phones"]
    wait_s = allowance.take(address, time.monotonic())
    if wait_s:
        return _say("Too many requests from this address; try again in a moment.", 429, math.ceil(wait_s))
    control: Control = current_app.extensions["ramal.control"]
    agent = request.headers.get("User-Agent", "")[:200]
    try:
        told = control.ask(
            "phones.file", ASK_S, name=name, token=token, address=address, agent=agent, host=request.host
        )
    except DaemonDown:
        return _say("The box's control program does not answer now. Keep the settings you have and ask again.", 503, 60)
    except Refused as refused:
        return _say("There is no such file.", 404) if refused.code == "phone-unknown" else _say(str(refused), 503, 60)
    if "refused" in told:
        return _say(str(told["refused"]), 403)
    return Response(str(told["body"]), mimetype=str(told["type"]))


@blueprint.get("/provision/")
@blueprint.get("/provision/<path:rest>")
@public
@passive
def nothing(rest: str = "") -> Response:
    """Or a phone would be led to the sign-in of people."""
    return _say("There is no such file.", 404)


def _local(address: str) -> str | None:
    """The address in its short form when it is one of a local network, else None."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return str(parsed) if parsed.is_private or parsed.is_link_local else None


def _at_home(host: str) -> bool:
    """Whether the request was made to an address, or to a name that no stranger can own: a web site that makes its own
    name mean the box's address (DNS rebinding) could read the file with an office's browser."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return bool(name) and ("." not in name or name.endswith(HOME_NAMES))


def _say(sentence: str, status: int, again_s: int = 0) -> Response:
    answer = Response(sentence + "\n", status, mimetype="text/plain")
    if again_s:
        answer.headers["Retry-After"] = str(again_s)
    return answer
