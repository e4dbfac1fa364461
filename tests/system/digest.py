"""The answer of a phone that is asked for its password: SIP digest, for the small phones that tests play themselves."""

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


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
