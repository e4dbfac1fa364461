"""A SIP message's head, and the answer of a phone that is asked for its password (digest), for the small phones that
tests play themselves."""

import hashlib
import re

_PARAMETER = re.compile(r'(\w+)="?([^",]+)"?')


def authorization(user: str, secret: str, method: str, uri: str, challenge: str) -> str:
    """The Authorization header, with its CRLF, to the ``challenge`` of a 401."""
    given = dict(_PARAMETER.findall(challenge))
    first = _md5(f"{user}:{given['realm']}:{secret}")
    second = _md5(f"{method}:{uri}")
    if "qop" in given:
        response = _md5(f"{first}:{given['nonce']}:00000001:c0:auth:{second}")
        more = ', qop=auth, nc=00000001, cnonce="c0"'
    else:
        response, more = _md5(f"{first}:{given['nonce']}:{second}"), ""
    opaque = f', opaque="{given["opaque"]}"' if "opaque" in given else ""
    return (
        f'Authorization: Digest username="{user}", realm="{given["realm"]}", nonce="{given["nonce"]}", '
        f'uri="{uri}", response="{response}", algorithm=MD5{more}{opaque}\r\n'
    )


def head(text: str) -> tuple[list[str], dict[str, str]]:
    """The lines of a message before its body, and its fields by name in small letters; of repeated ones the last."""
    lines = text.partition("\r\n\r\n")[0].split("\r\n")
    return lines, {name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in lines[1:])}


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
